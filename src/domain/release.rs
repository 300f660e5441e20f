//! Releases, and what has happened to them.

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use chrono::TimeDelta;

use super::channel::StageName;
use super::labels::Labels;
use super::named::{named, tagged};
use super::payload::Payload;
use super::policy::Urgency;
use super::version::Version;
use super::{Time, rfc3339};
pub use entries::Entries;

/// The author of scheduled entries.
pub const SCHEDULE: &str = "schedule";

/// One release: what its file says about it, its entries into the stages of its line, and the evidence for it.
///
/// A server holds each release as its file has it, as a part of its line, and once more with its evidence. What
/// the file says is shared by all of these, until one is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub file: Arc<ReleaseFile>,
    /// The release's entry into each stage, by the stage's index in its line. The list is always as long as
    /// the line's list of stages, and the times never go backwards.
    pub entries: Entries,
    /// The signed manifest and payload files found for the release.
    pub evidence: Evidence,
    /// The architectures that its payloads are for, if its payloads themselves are not known.
    pub built_for: Option<Arc<BTreeSet<String>>>,
}

/// What the file of a release says, apart from entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    pub version: Version,
    pub urgency: Urgency,
    /// A one-line description for people.
    pub summary: Option<String>,
    /// Named links, such as `notes`.
    pub links: Labels,
    /// The versions of the components, by name.
    pub components: Labels,
    /// Shared by all copies of the release.
    pub payloads: Arc<[Payload]>,
    /// Whether the release is a barrier, which no cluster may jump over.
    pub barrier: bool,
    /// The release that this one replaces. Unless it was already in its last stage, it was put on hold when
    /// this one was added.
    pub replaces: Option<Version>,
    /// Boxed like `yank` and `past`, since few releases have any, and a catalog may have a hundred
    /// thousand.
    pub hold: Option<Box<Event>>,
    pub yank: Option<Box<Yank>>,
    /// The stops of the release that are over. `None` if there are none.
    pub past: Option<Box<Past>>,
}

impl Deref for Release {
    type Target = ReleaseFile;

    fn deref(&self) -> &ReleaseFile {
        &self.file
    }
}

impl DerefMut for Release {
    fn deref_mut(&mut self) -> &mut ReleaseFile {
        Arc::make_mut(&mut self.file)
    }
}

/// A release's entry into a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub since: Time,
    /// A person, or [`SCHEDULE`].
    pub by: String,
    pub reason: Option<String>,
    /// Whether `since` is ahead of the clock of the machine that read the catalog
    /// ([`Catalog::judged_by`](super::catalog::Catalog::judged_by)): whoever wrote it had a fast clock.
    pub ahead: bool,
}

/// Something that a person did, with the time, the author and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Time,
    pub by: String,
    pub reason: String,
    /// Whether the event takes effect at once because `at` is ahead of the clock of the machine that read
    /// the catalog ([`Catalog::judged_by`](super::catalog::Catalog::judged_by)). Whoever wrote it meant to
    /// stop something right away.
    pub at_once: bool,
}

/// A hold, a pause or a yank that somebody ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When the stop began.
    pub from: Time,
    /// When it was ended.
    pub until: Time,
    /// Who ended it.
    pub by: String,
    /// Why it was ended.
    pub reason: String,
}

/// The stops of a release that are over, in the order in which they were ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// Holds.
    pub resumed: Vec<Ended>,
    /// Yanks.
    pub unyanked: Vec<Ended>,
    /// Times in which clusters could not get a payload. The last one may still last.
    pub unavailable: Vec<Outage>,
}

/// A time in which a payload of a release was missing, as a server recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    pub from: Time,
    /// `None` as long as it lasts.
    pub until: Option<Time>,
}

/// The decision that a release is no longer on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yank {
    pub event: Event,
    /// The release to install instead. A yanked barrier always names one.
    pub to: Option<Version>,
}

/// What was found for a release outside its catalog file: the signed release manifest and the payload
/// files. Code that reads a catalog looks for both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    pub manifest: ManifestState,
    pub payload: PayloadState,
}

tagged! {
    /// Whether release keys have signed the release.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub enum ManifestState {
        /// The catalog has no `trust/` yet: nothing in it can be signed or published.
        NoTrust = "no_trust",
        /// There is no signed release manifest yet.
        #[default]
        Unsigned = "unsigned",
        /// There is no signed release manifest yet, and no key may sign one: the line is new, and only the
        /// targets keys can delegate it to release keys.
        Undelegated = "undelegated",
        /// The signed release manifest cannot be used.
        Invalid(Box<ManifestFault>) = "invalid",
        Signed(SignedFacts) = "signed",
    }
}

tagged! {
    /// Why a signed release manifest cannot be used. If bytes or keys are at fault, the string is the error
    /// message of the code that read them.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    pub enum ManifestFault {
        #[error("the catalog's keys cannot be used: {0}")]
        Keys(String) = "keys",
        #[error("{0}")]
        Role(String) = "role",
        #[error("its line has no release keys")]
        NoReleaseKeys = "no_release_keys",
        #[error("`release.json` is missing next to the payloads")]
        Missing = "missing",
        #[error("`release.json` cannot be read: {0}")]
        Unreadable(String) = "unreadable",
        /// This process may not read a file, or the disk fails. Nothing shows that the file is wrong.
        #[error("{0}")]
        Unread(String) = "unread",
        #[error("`release.json` is not listed in `trust/{role}.json`")]
        NotListed { role: String } = "not_listed",
        #[error("`release.json` differs from the one that the release keys list")]
        Differs = "differs",
        #[error("`release.json` does not have enough valid signatures: {0}")]
        Signatures(String) = "signatures",
        #[error(transparent)]
        Mismatch(#[from] Mismatch) = "mismatch",
        #[error("{0}")]
        Index(String) = "index",
        #[error("the index of its line says something else about it")]
        IndexDiffers = "index_differs",
        #[error("payload `{file}` is not listed by the release keys")]
        PayloadNotListed { file: String } = "payload_not_listed",
        #[error("it entered `{stage}` at {}, but is signed to enter at {} or later", rfc3339(*since), rfc3339(*not_before))]
        EnteredEarly { stage: StageName, since: Time, not_before: Time } = "entered_early",
    }
}

/// A field in which a signed release manifest and the catalog differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signed manifest has `{signed}` as {field}, but the catalog has `{catalog}`")]
pub struct Mismatch {
    pub field: &'static str,
    pub signed: String,
    pub catalog: String,
}

/// What a signed release manifest promises.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignedFacts {
    /// The earliest entry time for each stage after the first, ordered by stage name. This is a slice
    /// rather than a map, since every release has one, and a map of one or two entries takes ten times the
    /// memory.
    pub not_before: Box<[(StageName, Time)]>,
}

tagged! {
    /// Whether the payload files are present and match the catalog.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub enum PayloadState {
        /// Every file is present and matches the catalog.
        #[default]
        Present = "present",
        /// A file is missing.
        Missing { file: String } = "missing",
        /// A file's digest or size differs from the one in the catalog.
        Differs { file: String, found: String, altered: Option<Altered> } = "differs",
        /// A file cannot be read.
        Unreadable { file: String, why: String } = "unreadable",
        /// The server cannot make the copy of a file that it would serve. The file is good.
        NotCopied { file: String } = "not_copied",
    }
}

named! {
    /// How a tool turned a payload into another file.
    pub enum Altered {
        /// Only its line endings differ: git converted them.
        LineEndings = "line_endings",
        /// It is a pointer of Git LFS, which stands for the file until that is downloaded.
        LfsPointer = "lfs_pointer",
    }
}

/// Outages that are less than this apart count as one, and so does the time between them. A payload store that comes
/// and goes would otherwise add a record every time.
const OUTAGES_APART: TimeDelta = TimeDelta::minutes(15);

/// A release has at most this many records of outages.
const OUTAGES: usize = 50;

/// Makes one outage of the two that are nearest to each other. The time between them is no soak then, which errs on
/// the safe side.
fn join_nearest(outages: &mut Vec<Outage>) {
    let gap = |place: &usize| outages[*place].until.map(|until| outages[place + 1].from - until);
    if let Some(place) = (0..outages.len() - 1).min_by_key(gap) {
        let second = outages.remove(place + 1);
        let first = &mut outages[place];
        first.until = first.until.zip(second.until).map(|(one, other)| one.max(other));
    }
}

impl From<ManifestFault> for ManifestState {
    fn from(fault: ManifestFault) -> Self {
        Self::Invalid(Box::new(fault))
    }
}

impl PayloadState {
    /// Whether the files are good, and only this server cannot serve them.
    pub const fn is_only_here(&self) -> bool {
        matches!(self, Self::NotCopied { .. })
    }
}

impl Evidence {
    /// Whether a file cannot be read, so that nothing shows whether it is right.
    pub fn is_unread(&self) -> bool {
        match (&self.payload, &self.manifest) {
            (PayloadState::Unreadable { .. }, _) => true,
            (PayloadState::Present, ManifestState::Invalid(fault)) => {
                matches!(**fault, ManifestFault::Unread(_))
            }
            _ => false,
        }
    }

    /// Whether every payload file is present and matches the catalog.
    pub fn has_payload(&self) -> bool {
        self.payload == PayloadState::Present
    }
}

impl ManifestState {
    /// The earliest entry time that release keys have signed for a stage, if any.
    pub fn not_before(&self, stage: &StageName) -> Option<Time> {
        match self {
            Self::Signed(facts) => facts.not_before(stage),
            Self::NoTrust | Self::Unsigned | Self::Undelegated | Self::Invalid(_) => None,
        }
    }
}

impl SignedFacts {
    /// Creates the facts from the `not_before` of a signed release manifest.
    pub fn new(not_before: BTreeMap<StageName, Time>) -> Self {
        Self { not_before: not_before.into_iter().collect() }
    }

    /// The earliest entry time for a stage.
    pub fn not_before(&self, stage: &StageName) -> Option<Time> {
        self.not_before.iter().find(|(name, _)| name == stage).map(|(_, at)| *at)
    }
}

impl Entry {
    /// Creates an entry of `since`.
    pub const fn new(since: Time, by: String, reason: Option<String>) -> Self {
        Self { since, by, reason, ahead: false }
    }
}

impl Event {
    /// Creates an event that happened at `at`.
    pub const fn new(at: Time, by: String, reason: String) -> Self {
        Self { at, by, reason, at_once: false }
    }

    /// Whether the event of a stop could not be read, and so is dated at the Unix epoch. Such a stop counts only
    /// while it is in its file.
    pub fn is_unread(&self) -> bool {
        self.at == Time::UNIX_EPOCH
    }

    /// Whether the event is in effect at `now`.
    pub fn is_by(&self, now: Time) -> bool {
        self.at_once || self.at <= now
    }

    /// The record of the stop that this event began, once `end` has ended it. A stop that was dated in the
    /// future took effect at once, so it began no later than it ended.
    pub fn ended(&self, end: Self) -> Ended {
        Ended { from: self.at.min(end.at), until: end.at, by: end.by, reason: end.reason }
    }
}

impl Ended {
    /// The time for which the stop lasted.
    pub const fn period(&self) -> (Time, Time) {
        (self.from, self.until)
    }
}

impl Release {
    /// Creates a release.
    pub fn new(file: ReleaseFile, entries: impl Into<Entries>, evidence: Evidence) -> Self {
        Self { file: Arc::new(file), entries: entries.into(), evidence, built_for: None }
    }

    /// Whether the release has entered the stage by `now`.
    pub fn is_in(&self, stage: usize, now: Time) -> bool {
        self.entered(stage, now).is_some()
    }

    /// The entry for a stage, if it has happened by `now`.
    pub fn entered(&self, stage: usize, now: Time) -> Option<&Entry> {
        self.entries.get(stage)?.as_ref().filter(|entry| entry.since <= now)
    }

    /// The hold, if it is in effect at `now`.
    pub fn held(&self, now: Time) -> Option<&Event> {
        self.hold.as_deref().filter(|hold| hold.is_by(now))
    }

    /// The yank, if it is in effect at `now`.
    pub fn yanked(&self, now: Time) -> Option<&Yank> {
        self.yank.as_deref().filter(|yank| yank.event.is_by(now))
    }

    /// The holds that somebody ended.
    pub fn resumed(&self) -> &[Ended] {
        self.past.as_deref().map_or(&[], |past| &past.resumed)
    }

    /// The yanks that somebody ended.
    pub fn unyanked(&self) -> &[Ended] {
        self.past.as_deref().map_or(&[], |past| &past.unyanked)
    }

    /// The recorded times in which a payload was missing.
    pub fn unavailable(&self) -> &[Outage] {
        self.past.as_deref().map_or(&[], |past| &past.unavailable)
    }

    /// The recorded outage that still lasts.
    pub fn outage(&self) -> Option<Outage> {
        self.unavailable().last().copied().filter(|outage| outage.until.is_none())
    }

    /// The record of outages with what is found at `now`. `None` if it stays as it is.
    pub fn outages_at(&self, now: Time) -> Option<Vec<Outage>> {
        let mut outages = self.unavailable().to_vec();
        match (&self.evidence.payload, outages.last_mut()) {
            (PayloadState::Present, Some(last)) if last.until.is_none() => last.until = Some(now),
            (PayloadState::Present, _) | (_, Some(Outage { until: None, .. })) => return None,
            _ if !self.is_known(now) || self.yanked(now).is_some() => return None,
            (_, Some(last)) if last.until.is_some_and(|until| now - until < OUTAGES_APART) => {
                last.until = None;
            }
            _ => outages.push(Outage { from: now, until: None }),
        }
        while outages.len() > OUTAGES {
            join_nearest(&mut outages);
        }
        Some(outages)
    }

    /// Whether the release has an entry for the last stage of its line. One that is dated ahead of the
    /// clock does not count: the release is not there, and can still be stopped.
    pub fn reaches_last_stage(&self) -> bool {
        matches!(self.entries.last(), Some(Some(entry)) if !entry.ahead)
    }

    /// The index of the last stage that the release has entered by `now`.
    pub fn stage(&self, now: Time) -> Option<usize> {
        (0..self.entries.len()).rev().find(|&stage| self.is_in(stage, now))
    }

    /// Whether the release exists at `now`, which means that it is in some stage.
    pub fn is_known(&self, now: Time) -> bool {
        self.stage(now).is_some()
    }

    /// Whether a cluster can install the release: its payloads are present, and it is signed if the
    /// catalog has keys.
    pub fn is_deliverable(&self) -> bool {
        self.is_vouched_for() && self.evidence.payload == PayloadState::Present
    }

    /// Whether the release is signed, or the catalog has no keys.
    pub fn is_vouched_for(&self) -> bool {
        matches!(self.evidence.manifest, ManifestState::Signed(_) | ManifestState::NoTrust)
    }

    /// Whether the release was yanked and its payload removed, for example because nobody may have it any
    /// more. Everything else about the release stays published.
    pub fn is_withdrawn(&self, now: Time) -> bool {
        self.yanked(now).is_some() && matches!(self.evidence.payload, PayloadState::Missing { .. })
    }

    /// The architectures that its payloads are for. `None` if clusters of every architecture can install it.
    pub fn architectures(&self) -> Option<BTreeSet<&str>> {
        if let Some(known) = &self.built_for {
            return Some(known.iter().map(String::as_str).collect());
        }
        let arch: Option<BTreeSet<&str>> =
            self.payloads.iter().map(|payload| payload.arch.as_deref()).collect();
        arch.filter(|arch| !arch.is_empty())
    }

    /// Whether the release names an architecture among those that its payloads are for.
    pub fn names(&self, arch: &str) -> bool {
        self.architectures().is_some_and(|named| named.contains(arch))
    }

    /// Whether clusters of an architecture can install the release.
    pub fn fits(&self, arch: &str) -> bool {
        let is_for = |payload: &Payload| payload.arch.as_deref().is_none_or(|own| own == arch);
        match &self.built_for {
            Some(known) => known.contains(arch),
            None => self.payloads.is_empty() || self.payloads.iter().any(is_for),
        }
    }

    /// Whether the release is on offer in a stage at `now`: entered, not yanked, and deliverable.
    pub fn is_offered(&self, stage: usize, now: Time) -> bool {
        self.is_in(stage, now) && self.yanked(now).is_none() && self.is_deliverable()
    }
}
