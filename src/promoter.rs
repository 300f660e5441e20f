//! The loop: read, decide, commit, publish, swap.
//!
//! One thread, no lock: what it made is swapped in whole, and what goes wrong leaves in place what
//! was served before.

mod mirror;
mod state;
pub mod status;
mod turn;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;

use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::publish::Publication;
use crate::signing::Signer;
use crate::signing::trust::{Checked, Trust, TrustError};
use crate::store::directory::{Directory, ReadError, Revision};
use crate::store::payloads::Payloads;
use crate::store::watch::{Quiet, Turn, git_way_out};
pub use mirror::Mirror;
pub use state::{State, StateError};
use status::{Degraded, DegradedKind, Handle, Judged};
use watch::ClockWatch;

/// How often the loop looks whether anything changed.
const PERIOD: Duration = Duration::from_millis(500);

/// Looking at a large folder takes at most one part in so many of a processor's time.
const DUTY: u32 = 20;

/// After something failed, it is tried again after this time at the earliest.
const RETRY: Duration = Duration::from_secs(5);

/// A change of the folder that could not be read for so long is told of: an editor, a copy or git
/// is done by then, and whoever made the change believes that it is served.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a promoter works on.
#[derive(Debug)]
pub struct Setup {
    pub directory: Directory,
    pub payloads: Arc<Payloads>,
    pub state: State,
    pub online: Online,
    /// Whether it promotes; if not, it still decides and shows what is due.
    pub promote: bool,
    /// Whether the keys are throw-away ones.
    pub demo: bool,
}

/// Where the online key comes from.
#[derive(Debug)]
pub enum Online {
    /// The key in the state folder that the newest trust names. It is looked for at each
    /// publication: a new one that lies there takes over in the moment in which the trust names it.
    State,
    /// One that is not in the state folder.
    Given(Box<dyn Signer>),
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("`{file}` is a {role} key: those stay offline, and no server may hold one; move it away")]
    OfflineKey { file: String, role: &'static str },
}

/// The promoter: owns the catalog folder while it promotes, and the state folder always.
pub struct Promoter {
    setup: Setup,
    clock: SharedClock,
    shared: Handle,
    watch: ClockWatch,
    quiet: Quiet,
    checked: Checked,
    last: Option<Arc<Publication>>,
    read: Option<Read>,
    /// The time of the turn that goes on.
    at: Option<Time>,
    /// When to work again though nothing changed.
    due: Option<Time>,
    /// When to try again what failed, in monotonic time.
    retry: Option<Duration>,
    /// What was wrong in the last turn, to log only what is new.
    told: Vec<Degraded>,
    /// When the folder may be looked at again, in monotonic time.
    next_scan: Duration,
    doubted: bool,
    /// Why the folder cannot be read now.
    unread: Option<String>,
    /// What of that was told in the last turn with work.
    unread_told: Option<String>,
    /// Since when, in monotonic time, there is something in the folder that has not been read.
    waiting: Option<Duration>,
}

/// The catalog as it was last read.
struct Read {
    revision: Revision,
    catalog: Catalog,
    faulty: BTreeMap<LineName, String>,
    faults: usize,
    trust: Arc<Result<Option<Trust>, TrustError>>,
    /// Why the trust is that of the last publication, if it is.
    trust_kept: Option<String>,
    manifests: Arc<HashMap<Version, Bytes>>,
    /// When it was read, in monotonic time.
    at: Duration,
}

impl Promoter {
    /// Takes up what was last published, so that it is served again at once.
    ///
    /// # Errors
    /// When the state cannot be used, or holds a key that no server may hold.
    pub fn start(setup: Setup, clock: SharedClock, shared: Handle) -> Result<Self, StartError> {
        let last = setup.state.publication()?.map(Arc::new);
        if let Some(last) = &last {
            tracing::info!(version = last.version, made = %last.made, "serving the last publication");
        }
        shared.publication.store(last.clone());
        setup.state.sweep();
        Ok(Self {
            setup,
            clock,
            shared,
            watch: ClockWatch::default(),
            quiet: Quiet::default(),
            checked: Checked::default(),
            last,
            read: None,
            at: None,
            due: None,
            retry: None,
            told: Vec::new(),
            next_scan: Duration::ZERO,
            doubted: false,
            unread: None,
            unread_told: None,
            waiting: None,
        })
    }

    /// Runs until told to stop, or until whoever would tell is gone.
    pub fn run(mut self, stop: &Receiver<()>) {
        loop {
            let wait = self.guarded_turn();
            match stop.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A turn that fails by a fault of ours is told of and tried again: a thread that was gone would
    /// leave a server that serves on and never again anything new.
    fn guarded_turn(&mut self) -> Duration {
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.turn()));
        turn.unwrap_or_else(|panic| {
            let texts = (panic.downcast_ref::<&str>().copied(), panic.downcast_ref::<String>());
            let why = texts.0.or(texts.1.map(String::as_str)).unwrap_or("no message");
            let detail = format!("the promoter failed, which is a fault in tidegate: {why}");
            self.fail(Degraded { kind: DegradedKind::PublishFailing, detail });
            self.retry = Some(Duration::ZERO);
            RETRY
        })
    }

    /// One turn: looks whether there is anything to do, and does it. Gives the time until the next.
    pub fn turn(&mut self) -> Duration {
        let monotonic = self.clock.monotonic();
        let made = self.last.as_ref().map(|last| last.made);
        let reading = self.watch.judge(self.clock.now(), monotonic, made);
        self.shared.time.store(Some(Arc::new(Judged { time: reading.now, at: monotonic })));
        self.at = Some(reading.now);
        let mut degraded = Vec::new();
        if let Some(doubt) = &reading.doubt {
            degraded.push(Degraded { kind: DegradedKind::ClockUntrusted, detail: doubt.clone() });
        }
        let turned = reading.doubt.is_some() != self.doubted;
        self.doubted = reading.doubt.is_some();

        let (changed, soon) = if monotonic >= self.next_scan { self.look(monotonic) } else { (false, None) };
        let turned = turned || self.unread != self.unread_told;
        // What failed is not tried again at every turn, due or not: each try takes a version, and
        // versions must not run ahead of the clock.
        let due = self.retry.is_none() && self.due.is_some_and(|due| due <= reading.now);
        let retry = self.retry.is_some_and(|retry| retry <= monotonic);
        if changed || due || retry || turned {
            if reading.doubt.is_none() && self.is_published_in(reading.now) {
                self.retry = Some(monotonic);
                return PERIOD;
            }
            self.retry = None;
            self.unread_told.clone_from(&self.unread);
            if let Some(detail) = &self.unread {
                degraded.push(Degraded { kind: DegradedKind::ReadFailing, detail: detail.clone() });
            }
            let promote = self.setup.promote && reading.doubt.is_none();
            self.work(reading.now, promote, degraded);
        }
        let until_due = self.due.and_then(|due| (due - self.clock.now()).to_std().ok());
        [Some(PERIOD), until_due, soon]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(PERIOD)
            .max(Duration::from_millis(10))
    }

    /// Whether the last publication was made in this very second. Another one has to wait for the
    /// next: versions that ran ahead of the clock would come again after the state was lost.
    fn is_published_in(&self, now: Time) -> bool {
        let version = self.last.as_ref().map(|last| last.version);
        version.is_some_and(|version| u64::try_from(now.timestamp()) == Ok(version))
    }

    /// Looks at the folder. Says whether it is to be read, and when to look again if that is soon.
    fn look(&mut self, monotonic: Duration) -> (bool, Option<Duration>) {
        let scan = match self.setup.directory.scan() {
            Ok(scan) => scan,
            Err(e) => {
                self.unread(&e);
                return (false, None);
            }
        };
        self.next_scan = monotonic + (self.clock.monotonic().saturating_sub(monotonic)) * DUTY;
        match self.quiet.turn(&scan, monotonic) {
            Turn::Unchanged => {
                (self.unread, self.waiting) = (None, None);
                (false, None)
            }
            // At the start there is nothing to wait for: what is there is what is read.
            Turn::Still(_) if self.read.is_none() => (self.reread(), None),
            Turn::Still(time) => {
                self.wait(monotonic, || "its files do not stop changing".to_owned());
                (false, Some(time))
            }
            Turn::Payloads(time) => {
                (self.unread, self.waiting) = (None, None);
                (false, Some(time))
            }
            Turn::Git(path) => {
                let why =
                    || format!("git is at work on it, as `{}` shows: {}", path.display(), git_way_out(&path));
                self.wait(monotonic, why);
                (false, None)
            }
            Turn::Read => (self.reread(), None),
        }
    }

    /// Notes that there is something new which cannot be read yet.
    fn wait(&mut self, monotonic: Duration, why: impl FnOnce() -> String) {
        let since = *self.waiting.get_or_insert(monotonic);
        // One that was told of keeps its words: they are told once.
        if monotonic.saturating_sub(since) >= PATIENCE && self.unread.is_none() {
            let detail = format!("the catalog has changed, and the change is not read: {}", why());
            self.not_read(detail);
        }
    }

    /// Notes that the folder cannot be read.
    fn unread(&mut self, error: &ReadError) {
        self.not_read(chain(error));
    }

    fn not_read(&mut self, detail: String) {
        if self.read.is_none() && self.unread.as_ref() != Some(&detail) {
            // There is no catalog yet for the work of a turn to report on.
            self.fail(Degraded { kind: DegradedKind::ReadFailing, detail: detail.clone() });
        }
        self.unread = Some(detail);
    }

    /// Reads the catalog. Says whether there is something new to work on.
    fn reread(&mut self) -> bool {
        // What changes after this look is seen by the next one.
        let scan = self.setup.directory.scan();
        let snapshot = match scan.and_then(|scan| Ok((scan, self.setup.directory.read(self.clock.now())?))) {
            Ok((scan, snapshot)) => {
                self.quiet.done(&scan);
                snapshot
            }
            Err(e @ ReadError::Changing(_)) => {
                let why = e.to_string();
                self.wait(self.clock.monotonic(), || why);
                return false;
            }
            Err(e) => {
                self.unread(&e);
                return false;
            }
        };
        (self.unread, self.waiting) = (None, None);
        let read = self.take(snapshot);
        // A payload that came or went changes the catalog's evidence and not its revision.
        let same = self
            .read
            .as_ref()
            .is_some_and(|before| before.revision == read.revision && before.catalog == read.catalog);
        self.read = Some(read);
        !same
    }

    /// Tells of something that failed outside of a turn's work.
    fn fail(&mut self, failed: Degraded) {
        let mut status = (**self.shared.status.load()).clone();
        status.promoting = self.setup.promote;
        status.degraded.retain(|degraded| degraded.kind != failed.kind);
        status.degraded.push(failed);
        self.tell(&status.degraded);
        self.shared.status.store(Arc::new(status));
    }

    /// Logs what is wrong and was not before, and what was and is no more.
    fn tell(&mut self, degraded: &[Degraded]) {
        for one in degraded.iter().filter(|one| !self.told.contains(one)) {
            tracing::warn!(kind = one.kind.as_str(), "{}", one.detail);
        }
        for one in self.told.iter().filter(|one| !degraded.iter().any(|now| now.kind == one.kind)) {
            tracing::info!(kind = one.kind.as_str(), "no longer degraded");
        }
        self.told = degraded.to_vec();
    }
}

impl std::fmt::Debug for Promoter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Promoter").field("setup", &self.setup).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
