//! A check: verify what the server has, and work out what the cluster should do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;

use super::fetch::{Ask, Fetch, Reply};
use super::lines::{Lines, Skipped};
use super::lock;
use super::manifests::{Manifests, Options};
use super::refusal::Refusal;
use super::session::Session;
use super::trusted::{Next, Trusted};
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::ChannelName;
use crate::domain::upgrade::{Advice, Answer, UpdateCode, answer};
use crate::domain::version::Version;
use crate::formats::tuf::Root;
use crate::signing::Signed;
use crate::signing::continuity::Known;
use crate::signing::verify::{Verified, Violation};

/// Who checks. All calls block: from async code they belong on a thread of their own.
#[derive(Clone)]
pub struct Client {
    trusted: Trusted,
    folder: std::path::PathBuf,
    root: Bytes,
    fetch: Arc<dyn Fetch>,
    clock: SharedClock,
    options: Options,
}

/// What was verified, and what follows from it.
#[derive(Debug)]
pub struct Checked {
    /// The lines that count for this cluster, as verified manifests have them.
    catalog: Catalog,
    /// The followed channel, never an alias.
    pub channel: ChannelName,
    pub current: Version,
    /// The time of the check.
    pub now: Time,
    /// When the first of what the advice rests on expires; in the past with `stale_ok`.
    pub expires: Time,
    /// Releases that are on offer before they may be.
    pub skipped: Vec<Skipped>,
    /// Releases that are signed, and whose manifests the server withholds. Each could be a barrier,
    /// and is taken for one.
    pub withheld: Vec<Version>,
    /// The signed manifests by version.
    pub manifests: BTreeMap<Version, Bytes>,
    /// Whether the trusted state is a new one.
    pub changed: bool,
}

impl Checked {
    /// What the cluster should do.
    ///
    /// # Panics
    /// Never: the channel was in the catalog when this was made.
    pub fn answer(&self) -> Answer<'_> {
        answer(&self.catalog, &[], &self.channel, &self.current, self.now)
            .expect("the catalog was made around this channel")
    }

    /// How long ago the oldest of it expired.
    #[must_use]
    pub fn age(&self) -> Option<TimeDelta> {
        (self.expires <= self.now).then(|| self.now - self.expires)
    }
}

impl Client {
    /// A client whose trusted state lies in a folder. `root` is the root that was brought here by
    /// hand; a newer one in the state goes before it.
    #[must_use]
    pub fn new(
        folder: &Path,
        root: Bytes,
        fetch: Arc<dyn Fetch>,
        clock: SharedClock,
        options: Options,
    ) -> Self {
        let trusted = Trusted::new(&folder.join("trusted"));
        Self { trusted, folder: folder.to_owned(), root, fetch, clock, options }
    }

    /// Asks the server, verifies, and works out what the cluster that runs `current` and follows
    /// `channel` should do.
    ///
    /// # Errors
    /// When a document is refused or cannot be had. The trusted state is then as before, byte for byte.
    pub fn check(&self, channel: &ChannelName, current: &Version) -> Result<Checked, Refusal> {
        self.check_with(Arc::clone(&self.fetch), channel, current)
    }

    /// The same without the server, from what was verified last: during an outage, and once more
    /// before something is applied.
    ///
    /// # Errors
    /// As [`check`](Self::check), and when nothing was verified yet, or something else than now.
    pub fn recheck(&self, channel: &ChannelName, current: &Version) -> Result<Checked, Refusal> {
        self.check_with(Arc::new(Nothing), channel, current)
    }

    fn check_with(
        &self,
        fetch: Arc<dyn Fetch>,
        channel: &ChannelName,
        current: &Version,
    ) -> Result<Checked, Refusal> {
        let _lock = lock::wait(&self.folder.join("check.lock"))?;
        // One time for the whole check, however long it takes (TUF 5.1).
        let now = self.clock.now();
        let session = Session::new(fetch, self.trusted.read()?, Arc::clone(&self.clock));
        let before = session.state();
        let manifests = match before {
            Some(before) if now < before.verified => {
                return Err(Refusal::ClockBack { now, known: before.verified });
            }
            Some(before) => Manifests::new(&session, before.known(), now, self.options)?,
            None => {
                let unreadable = |source| Violation::Unreadable { path: "root.json".to_owned(), source };
                let root: Signed<Root> = Signed::parse(self.root.clone()).map_err(unreadable)?;
                Manifests::new(&session, Known::root(&root), now, self.options)?
            }
        };
        let mut lines = Lines::new(manifests);
        let channel = lines.load(channel, current)?;
        let Lines { manifests, found, skipped, withheld, strangers } = lines;
        let Manifests { verified, seen, expires, releases, .. } = manifests;

        let catalog = Catalog::published(found);
        let manifests = releases.into_iter().map(|(version, (_, raw))| (version, raw)).collect();
        let current = current.clone();
        let mut checked =
            Checked { catalog, channel, current, now, expires, skipped, withheld, manifests, changed: false };
        if let Advice::Update { target, code: UpdateCode::NextLine } = checked.answer().advice
            && strangers.contains(&target.version)
        {
            return Err(Refusal::WrongLine(target.version.clone()));
        }

        let Verified { root, timestamp, snapshot, .. } = &verified;
        let (root, timestamp, snapshot) = (root.raw(), timestamp.raw(), snapshot.raw());
        let files = session.files();
        let next = Next { verified: now, root, timestamp, snapshot, seen: &seen, files: &files };
        if next.is_new(before) {
            self.trusted.commit(before, &next)?;
            checked.changed = true;
        }
        Ok(checked)
    }
}

/// A server that has nothing new, and nothing at all that was not verified before.
#[derive(Debug)]
struct Nothing;

impl Fetch for Nothing {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        if ask.path.ends_with("/timestamp.json") {
            return Ok(Reply::NotModified);
        }
        // Manifests that were withheld then are so now.
        if ask.path.ends_with(".root.json") || ask.path.starts_with("tuf/targets/") {
            return Ok(Reply::NotFound);
        }
        let detail = "only what was verified before counts now, and this was not".to_owned();
        Err(Refusal::Unreachable { url: ask.path.to_owned(), detail })
    }

    fn place(&self) -> String {
        "the trusted state".to_owned()
    }
}
