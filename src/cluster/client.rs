//! A check: verify the server's documents, and compute what the cluster should do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;

use super::fetch::{Ask, Fetch, Reply};
use super::lines::{Lines, Skipped};
use super::lock;
use super::manifests::{Manifests, Options};
use super::record::Withdrawn;
use super::refusal::Refusal;
use super::session::Session;
use super::trusted::Trusted;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::ChannelName;
use crate::domain::release::{Event, Release};
use crate::domain::upgrade::{Advice, Answer, UpdateCode, Views};
use crate::domain::version::Version;
use crate::formats::manifest::release as unentered;
use crate::formats::tuf::Root;
use crate::signing::Signed;
use crate::signing::continuity::Known;
use crate::signing::verify::Violation;

/// A client that checks the server's documents. All calls block, so async code must make them on a separate
/// thread.
#[derive(Clone)]
pub struct Client {
    trusted: Trusted,
    folder: std::path::PathBuf,
    root: Bytes,
    fetch: Arc<dyn Fetch>,
    clock: SharedClock,
    options: Options,
    arch: Option<String>,
    /// The monotonic time by which a check must have begun.
    deadline: Option<Duration>,
}

/// The result of a check.
#[derive(Debug)]
pub struct Checked {
    /// The lines that matter for this cluster, from verified manifests.
    catalog: Catalog,
    /// The channel that the cluster follows, never an alias.
    pub channel: ChannelName,
    pub current: Version,
    /// The cluster's architecture, if it is known.
    arch: Option<String>,
    /// The time of the check.
    pub now: Time,
    /// The earliest expiry of the documents that the advice depends on. With `stale_ok`, it may be in the
    /// past.
    pub expires: Time,
    /// Releases that are on offer too early.
    pub skipped: Vec<Skipped>,
    /// The signed manifests by version.
    pub manifests: BTreeMap<Version, Bytes>,
    /// The channels that there are, without aliases.
    pub channels: Vec<ChannelName>,
    /// The channel of the next line for the same stage, if it has the usual name.
    pub next: Option<ChannelName>,
    /// Whether the check changed the trusted state.
    pub changed: bool,
}

impl Checked {
    /// Computes what the cluster should do.
    ///
    /// # Panics
    /// Never: the catalog always contains the channel.
    pub fn answer(&self) -> Answer<'_> {
        let channel = self.catalog.channel(&self.channel).expect("the catalog was built around this channel");
        let views = Views::signed(&self.catalog, self.now);
        let views = self.arch.as_deref().map(|arch| views.for_arch(arch)).unwrap_or(views);
        views.answer(channel, &self.current)
    }

    /// That a release was yanked, if it is known and was.
    pub fn withdrawn(&self, version: &Version) -> Option<Withdrawn> {
        let (_, release) = self.catalog.release(version)?;
        let Event { at, reason, .. } = &release.yanked(self.now)?.event;
        Some(Withdrawn { version: version.clone(), at: *at, reason: reason.clone() })
    }

    /// Adds what only the manifest of a release says about it.
    fn complete(&mut self, version: &Version, manifests: &mut Manifests<'_>) -> Result<(), Refusal> {
        let Some(line) = self.catalog.line_of(version).map(|line| line.name.clone()) else { return Ok(()) };
        let manifest = manifests.release(&line, version)?;
        let raw = manifests.releases.get(version).map(|(_, raw)| raw.clone());
        self.manifests.extend(raw.map(|raw| (version.clone(), raw)));
        self.catalog.change_release(version, |known| {
            let signed = unentered(manifest, known.entries.len());
            let (entries, yank, barrier) =
                (std::mem::take(&mut known.entries), known.yank.take(), known.barrier);
            *known = Release { entries, ..signed };
            (known.yank, known.barrier) = (yank, barrier);
        });
        Ok(())
    }

    /// How long ago the first of the documents behind the advice expired, if any has.
    pub fn age(&self) -> Option<TimeDelta> {
        (self.expires <= self.now).then(|| self.now - self.expires)
    }
}

impl Client {
    /// A client with its trusted state in a folder. `root` is the root that the operator supplied. A newer
    /// root in the trusted state takes precedence.
    pub fn new(
        folder: &Path,
        root: Bytes,
        fetch: Arc<dyn Fetch>,
        clock: SharedClock,
        options: Options,
    ) -> Self {
        let trusted = Trusted::new(&folder.join("trusted"));
        Self { trusted, folder: folder.to_owned(), root, fetch, clock, options, arch: None, deadline: None }
    }

    /// Sets the architecture of the cluster, which can install only what has a payload for it.
    pub fn for_arch(mut self, arch: Option<&str>) -> Self {
        self.arch = arch.map(str::to_owned);
        self
    }

    /// Sets the monotonic time until which a check waits for another one.
    pub const fn by(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Fetches the server's documents, verifies them, and computes what a cluster that runs `current` and
    /// follows `channel` should do.
    ///
    /// # Errors
    /// When a document is refused or cannot be fetched. The trusted state is then unchanged, byte for byte.
    pub fn check(&self, channel: &ChannelName, current: &Version) -> Result<Checked, Refusal> {
        self.check_with(Arc::clone(&self.fetch), channel, current)
    }

    /// Like [`check`](Self::check), but uses only the trusted state and not the server: during an outage,
    /// and again right before a release is applied.
    ///
    /// # Errors
    /// Like [`check`](Self::check), and when a document is needed that was not verified before.
    pub fn recheck(&self, channel: &ChannelName, current: &Version) -> Result<Checked, Refusal> {
        self.check_with(Arc::new(Nothing), channel, current)
    }

    fn check_with(
        &self,
        fetch: Arc<dyn Fetch>,
        channel: &ChannelName,
        current: &Version,
    ) -> Result<Checked, Refusal> {
        let left = self.deadline.map(|deadline| deadline.saturating_sub(self.clock.monotonic()));
        let patience = left.unwrap_or(Duration::MAX);
        let _lock = lock::wait_for(&self.folder.join("check.lock"), lock::CHECKING, patience)?;
        // The time stays the same for the whole check, however long it takes (TUF 5.1).
        let now = self.clock.now();
        let session = Session::new(fetch, self.trusted.read()?, Arc::clone(&self.clock), now);
        let before = session.state();
        let manifests = match before {
            Some(before) if now < before.passed() => {
                return Err(Refusal::ClockBack { now, known: before.passed() });
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
        let Lines { mut manifests, found, skipped, strangers } = lines;
        let next = manifests.channel(&channel).ok().and_then(|own| manifests.next_channel(&own));
        let channels = manifests.all_channels();
        let catalog = Catalog::published(found);
        let (current, expires) = (current.clone(), manifests.expires);
        let mut checked = Checked {
            catalog,
            channel,
            current,
            arch: self.arch.clone(),
            now,
            expires,
            skipped,
            manifests: BTreeMap::new(),
            channels,
            next,
            changed: false,
        };
        let advice = checked.answer().advice;
        if let Advice::Update { target, code: UpdateCode::NextLine } = advice
            && strangers.contains(&target.version)
        {
            return Err(Refusal::WrongLine(target.version.clone()));
        }
        // Only what the cluster installs next needs more than the index says about it.
        if let Some(version) = advice.target().map(|target| target.version.clone()) {
            checked.complete(&version, &mut manifests)?;
        }
        let Manifests { verified, seen, files, .. } = manifests;
        checked.changed = self.trusted.commit(before, (&verified, now), seen, files, &session.kept())?;
        Ok(checked)
    }
}

/// A stand-in for the server that has nothing new, only what was verified before.
struct Nothing;

impl Fetch for Nothing {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        if ask.path.ends_with("/timestamp.json") {
            return Ok(Reply::NotModified);
        }
        // There is no newer root, and the server withheld these manifests before.
        if ask.path.ends_with(".root.json") || ask.path.starts_with("tuf/targets/") {
            return Ok(Reply::NotFound);
        }
        let detail = "it is needed, but was not verified before".to_owned();
        Err(Refusal::Unreachable { place: format!("`{}`", ask.path), detail })
    }
}
