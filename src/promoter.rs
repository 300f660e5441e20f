//! The loop: read, decide, commit, publish, swap.
//!
//! It runs on one thread and takes no lock, because each publication is swapped in as a whole. If a turn
//! fails, the server keeps serving the last publication.

mod clock_watch;
mod copies;
mod mirror;
pub mod promote;
mod reading;
mod rereading;
pub mod signals;
pub mod status;
pub mod stored;
pub mod timekeeper;
mod turn;
mod watching;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clock_watch::Reading;
use copies::Copies;
pub use mirror::Mirror;
use reading::Read;
use rereading::Rereading;
use signals::{Signal, Signals};
use status::{Degraded, DegradedKind, Handle, Judged, Status};
use stored::StoredError;
use timekeeper::Timekeeper;
use watching::{Look, Watching};

use chrono::TimeDelta;

use crate::clock::SharedClock;
use crate::domain::catalog::Catalog;
use crate::domain::nameless::Nameless;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::report::Report;
use crate::domain::restraint::Remembered;
use crate::domain::{Time, chain};
use crate::publish::Publication;
use crate::publish::evidence::Found;
use crate::signing::Signer;
use crate::signing::trust::Checked;
use crate::store::port::{CatalogStore, PayloadStore, Revision, StateStore};
use crate::words;

/// How often the loop checks whether anything has changed.
const PERIOD: Duration = Duration::from_millis(500);

/// What versions count.
const TICK: Duration = Duration::from_millis(1);

/// The minimum time before a failed operation is retried.
const RETRY: Duration = Duration::from_secs(5);

/// The stores and options of a promoter.
#[derive(Debug)]
pub struct Setup {
    pub catalog: Arc<dyn CatalogStore>,
    pub payloads: Arc<dyn PayloadStore>,
    pub state: Arc<dyn StateStore>,
    pub online: Online,
    /// Whether it commits promotions. If not, it still decides and shows what is due.
    pub promote: bool,
    /// Whether what is published says who has done something.
    pub names: bool,
    /// The flags that name the folders, in a demo with throw-away keys. Its remedies need them.
    pub demo: Option<String>,
}

/// Where the online key comes from.
#[derive(Debug)]
pub enum Online {
    /// The key in the state that the newest root names as the online key. It is looked up for each
    /// publication, so that a new key takes over as soon as the root names it.
    State,
    /// A key that is not in the state.
    Given(Box<dyn Signer>),
}

/// The promoter. It always owns the state, and it owns the catalog if it promotes.
pub struct Promoter {
    setup: Setup,
    clock: SharedClock,
    shared: Handle,
    timekeeper: Timekeeper,
    watching: Watching,
    checked: Checked,
    /// The evidence for the catalog as it was last read.
    found: Found,
    /// The catalog as it was last read.
    read: Option<Read>,
    /// What the next catalog is compared with.
    memory: Remembered,
    /// Whether the state has it, too.
    is_stored: bool,
    /// The last publication.
    last: Option<Arc<Publication>>,
    /// The head of the state when it last had a publication of this process.
    head: Cell<Option<Revision>>,
    /// The catalog that it was made from, without the lines that were refused. Empty after a start.
    published: Catalog,
    copies: Copies,
    nameless: Nameless,
    schedule: Schedule,
    rereading: Rereading,
    /// Whether the last attempt to publish failed.
    is_failing: bool,
    /// The hindrance when the promoter last did work.
    reported: Hindrance,
    /// What was wrong after the last turn, so that only changes are logged.
    logged: Vec<Degraded>,
    /// The report that was stored last.
    stored: Option<Report>,
}

/// When the next turn has work to do even if nothing has changed.
#[derive(Debug, Default)]
struct Schedule {
    /// When the next decision or document is due.
    due: Option<Time>,
    /// When to retry, in monotonic time.
    retry: Option<Duration>,
}

/// What is already wrong when a turn begins. If this changes, the turn does its work even if nothing else
/// has changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hindrance {
    /// How far the clock is from what it should say, if it is in doubt.
    jump: Option<TimeDelta>,
    /// Whether the state cannot be used, because it is gone or another one.
    is_state_away: bool,
    /// Whether the catalog could be read for its stops only.
    is_unsettled: bool,
    /// Why the newest catalog cannot be read.
    unreadable: Option<Degraded>,
    /// Why the witness has not been asked yet.
    unasked: Option<Degraded>,
}

impl Promoter {
    /// Makes a promoter, and serves the last publication if there is one.
    ///
    /// # Errors
    /// When the state cannot be used.
    pub fn start(setup: Setup, clock: SharedClock, shared: Handle) -> Result<Self, StoredError> {
        let head = setup.state.head();
        let last = stored::publication(&*setup.state)?.map(Arc::new);
        if let Some(last) = &last {
            tracing::info!(version = last.version, made = %last.made, "serving the last publication");
        }
        shared.publication.store(last.clone());
        setup.state.sweep();
        // That something is forgotten must not keep a stop from being served.
        let memory = setup.state.restraints();
        let is_stored = memory.forgotten.is_none() || remember(&*setup.state, &memory);
        if memory.forgotten.is_none() && memory.restraints.is_empty() && last.is_some() {
            tracing::warn!(
                "the state does not say what the last catalog had, so nothing shows what this one has lost"
            );
        }
        let watching = Watching::new(Arc::clone(&setup.catalog).watch());
        let timekeeper = Timekeeper::start(&*setup.state, &*clock, last.as_ref().map(|last| last.made));
        Ok(Self {
            setup,
            clock,
            shared,
            timekeeper,
            watching,
            checked: Checked::default(),
            found: Found::default(),
            read: None,
            is_stored,
            memory,
            last,
            head: Cell::new(head),
            published: Catalog::default(),
            copies: Copies::default(),
            nameless: Nameless::default(),
            schedule: Schedule::default(),
            rereading: Rereading::default(),
            is_failing: false,
            reported: Hindrance::default(),
            logged: Vec::new(),
            stored: None,
        })
    }

    /// Runs until it is told to stop.
    pub fn run(mut self, signals: &Signals) {
        let own = signals.sender();
        self.watching.wake(Arc::new(move || {
            let _ = own.send(Signal::Look);
        }));
        while signals.wait(self.guarded_turn()) != Some(Signal::Stop) {}
    }

    /// Runs a turn. If it panics, reports that and tries again later: without this thread, the server would
    /// serve the same publication for ever.
    fn guarded_turn(&mut self) -> Duration {
        let turn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.turn()));
        let next = turn.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            self.fail(vec![Degraded::Panicked { why: why.to_owned() }]);
            self.is_failing = true;
            self.schedule.retry = Some(Duration::ZERO);
            RETRY
        });
        self.shared.turns.fetch_add(1, Ordering::Relaxed);
        next
    }

    /// Runs one turn: checks whether there is anything to do, and does it. Returns the time until the next
    /// turn.
    pub fn turn(&mut self) -> Duration {
        let monotonic = self.clock.monotonic();
        let made = self.last.as_ref().map(|last| last.made);
        let Reading { now, doubt } = self.timekeeper.judge(&*self.setup.state, &*self.clock, made);
        self.shared.time.store(Some(Arc::new(Judged { time: now, at: monotonic })));

        if !self.is_stored {
            self.is_stored = self.setup.state.remember(&self.memory).is_ok();
        }
        let is_read_again = self.read_again(monotonic);
        let (changed, soon) = match self.watching.look(&*self.clock) {
            Look::Ready => {
                let changed = self.reread(now);
                (changed, self.watching.again(monotonic))
            }
            Look::Nothing(soon) => (false, soon),
        };
        let unreadable = self.watching.unreadable().cloned();
        let unasked = self.shared.unasked.load_full();
        let unasked = unasked.map(|why| Degraded::WitnessUnasked { why: (*why).clone() });
        let hindrance = Hindrance {
            jump: self.timekeeper.jump(),
            is_state_away: self.check_state().is_err()
                || self.last.is_some() && self.setup.state.head().is_none(),
            is_unsettled: self.watching.is_unsettled(),
            unreadable,
            unasked,
        };
        // A damaged copy is made again.
        let damaged = self.setup.payloads.scrub(monotonic);
        if damaged {
            self.copies = Copies::default();
        }
        let is_copied = !hindrance.is_state_away && self.copies.try_again(&*self.setup.payloads, monotonic);
        if changed
            || is_copied
            || is_read_again
            || damaged
            || self.schedule.is_time(now, monotonic)
            || hindrance != self.reported
        {
            if doubt.is_none() && self.is_published_at(self.clock.exact()) {
                self.schedule.retry = Some(monotonic);
                return TICK;
            }
            self.schedule.retry = None;
            let clock = doubt.map(Degraded::ClockUntrusted);
            let promote = self.promotes() && clock.is_none();
            let forgotten = self.memory.forgotten.as_ref();
            let forgotten = forgotten.map(|_| NotPromoting::Failing(DegradedKind::RestraintsForgotten));
            let unsettled =
                hindrance.is_unsettled.then_some(NotPromoting::Failing(DegradedKind::ReadFailing));
            let hindered = clock.as_ref().or(hindrance.unreadable.as_ref()).map(NotPromoting::of);
            let hindered = hindered.or(unsettled).or(forgotten);
            let not_promoting = if self.setup.promote { hindered } else { Some(NotPromoting::Off) };
            let unread = [hindrance.unreadable.clone(), hindrance.unasked.clone()].into_iter().flatten();
            self.reported = hindrance;
            self.work(now, (promote, not_promoting), clock.into_iter().chain(unread).collect());
        }
        let until_due = self.schedule.due.and_then(|due| (due - self.clock.now()).to_std().ok());
        until_due.into_iter().chain(soon).fold(PERIOD, Duration::min).max(Duration::from_millis(10))
    }

    /// Takes what was read again of lines whose stored documents could not be read when the server started. Returns
    /// whether there is something.
    fn read_again(&mut self, monotonic: Duration) -> bool {
        let Some(last) = self.last.as_deref() else { return false };
        let read = self.rereading.look(&self.setup.state, last, monotonic);
        let Some(read) = read.map(Arc::new) else { return false };
        self.shared.publication.store(Some(Arc::clone(&read)));
        self.last = Some(read);
        true
    }

    /// Checks that the state still has the last publication of this process, and that this process has it to itself. A
    /// volume that was unmounted leaves an empty folder, and if something were signed there, the state would be older
    /// than what clients have seen as soon as the volume is back.
    fn check_state(&self) -> Result<(), Degraded> {
        let state = &*self.setup.state;
        let kept = state.keep_lease();
        if kept.map_err(|error| Degraded::failed(DegradedKind::SigningFailing, &error))? {
            // What is missing in the very state that this process has locked is replaced by the next publication.
            return Ok(());
        }
        if let Some(last) = self.last.as_deref() {
            let head = state.head();
            if head.is_none() || head != self.head.get() {
                match stored::version(state) {
                    Ok(found) if found != Some(last.version) => {
                        return Err(Degraded::StateAway { version: last.version, found });
                    }
                    // One that cannot be read is replaced by the next one.
                    _ => self.head.set(head),
                }
            }
        }
        Ok(())
    }

    /// Whether the last publication was made in this millisecond. Then the next one must wait for the next
    /// millisecond: if versions ran ahead of the clock, a server that lost its state would reuse them.
    fn is_published_at(&self, now: Time) -> bool {
        let version = self.last.as_ref().map(|last| last.version);
        version.is_some_and(|version| u64::try_from(now.timestamp_millis()) == Ok(version))
    }

    /// The time for a version that is reserved in a turn of `now`: while the clock is in doubt, the turn's own.
    fn exact(&self, now: Time) -> Time {
        if self.reported.jump.is_some() { now } else { self.clock.exact() }
    }

    /// Reads the catalog. Returns whether it changed. `at` is the time of the turn.
    fn reread(&mut self, at: Time) -> bool {
        let Some(snapshot) = self.watching.read(&*self.clock) else { return false };
        let (read, stops, memory) = self.take(snapshot, at);
        if self.stops() {
            return false;
        }
        if memory != self.memory {
            self.is_stored = remember(&*self.setup.state, &memory);
            self.memory = memory;
        }
        // Of a catalog that is changing, only stops count.
        if self.watching.is_unsettled()
            && let Some(before) = &mut self.read
        {
            let last = self.last.as_deref();
            let is_published = |stop: &_| last.is_some_and(|last| last.has_published(stop));
            let stopped = before.catalog.clone().with_stops(&stops, &read.catalog, is_published);
            let same = before.catalog == stopped;
            before.catalog = stopped;
            return !same;
        }
        // A payload that appears or disappears changes the catalog's evidence, but not its revision.
        let same = self
            .read
            .as_ref()
            .is_some_and(|before| before.revision == read.revision && before.catalog == read.catalog);
        self.read = Some(read);
        !same
    }

    /// Whether the process must stop. Then nothing more is begun, and what is being made is discarded.
    fn stops(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// Whether it commits promotions. It cannot tell what may be promoted while it cannot tell what the catalog
    /// has lost, or while the catalog is being changed.
    fn promotes(&self) -> bool {
        self.setup.promote && self.memory.forgotten.is_none() && !self.watching.is_unsettled()
    }

    /// Reports failures outside the work of a turn.
    fn fail(&mut self, failed: Vec<Degraded>) {
        let mut status = (**self.shared.status.load()).clone();
        status.promoting = self.setup.promote;
        status.degraded.retain(|known| failed.iter().all(|failed| failed.kind() != known.kind()));
        status.degraded.extend(failed);
        self.report(status);
    }

    /// Shares the status with the rest of the server, logs what is new in it, and stores it if it changed, for
    /// commands that read only the folders.
    fn report(&mut self, status: Status) {
        self.log(&status.degraded);
        let now = self.shared.now(&*self.clock);
        let report = status.report(now);
        if !self.stored.as_ref().is_some_and(|stored| stored.says_the_same_as(&report)) {
            let stored = self.setup.state.report(&report);
            if let Err(error) = &stored {
                tracing::debug!("the status is not stored: {}", chain(error));
            }
            self.stored = stored.is_ok().then_some(report);
        }
        self.shared.report(status, now);
    }

    /// Logs what has gone wrong since the last turn, and what has recovered.
    fn log(&mut self, degraded: &[Degraded]) {
        for one in degraded.iter().filter(|one| !self.logged.contains(one)) {
            tracing::warn!(kind = one.kind().as_str(), "{}", words::degraded(one));
        }
        for one in self.logged.iter().filter(|one| !degraded.iter().any(|now| now.kind() == one.kind())) {
            tracing::info!(kind = one.kind().as_str(), "no longer degraded");
        }
        self.logged = degraded.to_vec();
    }
}

/// Stores what the next catalog is compared with. Returns whether that worked.
fn remember(state: &dyn StateStore, memory: &Remembered) -> bool {
    let stored = state.remember(memory);
    if let Err(error) = &stored {
        // It is still known until the server stops, and a full disk is reported when publishing fails.
        tracing::warn!("the restraints of the catalog are not stored yet: {}", chain(error));
    }
    stored.is_ok()
}

impl Schedule {
    /// Whether it is time to work. A failed operation is not retried at every turn, even if it is due: each
    /// attempt uses up a version, and versions must not run ahead of the clock.
    fn is_time(&self, now: Time, monotonic: Duration) -> bool {
        match self.retry {
            Some(retry) => retry <= monotonic,
            None => self.due.is_some_and(|due| due <= now),
        }
    }
}

#[cfg(test)]
mod tests;
