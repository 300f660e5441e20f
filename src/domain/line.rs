//! Lines, their stages, and the releases in them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;

use super::as_text::as_text;
use super::channel::{ChannelName, LineName, StageName};
use super::policy::{Freeze, SoakPolicy, Urgency, Window};
use super::release::{Ended, Event, Release};
use super::version::Version;
use super::{Time, steps};

/// A family of versions that pass through the same stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: LineName,
    pub title: Option<String>,
    pub prefix: Prefix,
    /// The line from which clusters may enter this one.
    pub follows: Option<Follows>,
    /// At least one stage, in the order in which releases pass through them.
    pub stages: Vec<Stage>,
    /// Ordered by start time.
    pub freezes: Vec<Freeze>,
    /// Set once the line accepts no new releases. Its existing releases stay on offer.
    pub retired: Option<Event>,
    /// When the role expires that lists the line's signed releases, if that is known. Clusters then refuse them until it
    /// is signed again. Like a release's evidence, this is not in the line's files.
    pub signed_until: Option<Time>,
    pub releases: BTreeMap<Version, Release>,
}

/// The components that every version of a line begins with, such as `1.8`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The components, padded with zeros.
    numbers: [u64; 3],
    /// The number of components, 1 to 3.
    length: usize,
}

/// Why a string is not a version prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version prefix: expected one to three numbers separated by dots, as in `1.8`")]
pub struct PrefixError(String);

impl Prefix {
    /// A prefix that no version has, for a line whose versions are unknown.
    pub const NONE: Self = Self { numbers: [0; 3], length: 0 };

    /// Parses a prefix, with or without a leading `v`.
    ///
    /// # Errors
    /// When the string is not one to three numbers separated by dots.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let number = |part: &str| part.parse().ok().filter(|number: &u64| number.to_string() == part);
        let parsed =
            text.strip_prefix('v').unwrap_or(text).split('.').map(number).collect::<Option<Vec<_>>>();
        let parsed = parsed.filter(|parsed| parsed.len() <= 3).ok_or_else(|| PrefixError(text.to_owned()))?;
        let mut numbers = [0; 3];
        numbers[..parsed.len()].copy_from_slice(&parsed);
        Ok(Self { numbers, length: parsed.len() })
    }

    /// The prefixes that accept a version, longest first.
    pub fn candidates(version: &Version) -> impl Iterator<Item = Self> {
        let numbers = version.numbers();
        (1..=numbers.len()).rev().map(move |length| {
            let mut own = [0; 3];
            own[..length].copy_from_slice(&numbers[..length]);
            Self { numbers: own, length }
        })
    }

    fn components(&self) -> &[u64] {
        &self.numbers[..self.length]
    }

    /// Whether a version begins with this prefix.
    pub fn accepts(&self, version: &Version) -> bool {
        self.length > 0 && version.starts_with(self.components())
    }

    /// Whether a version can begin with both prefixes.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same = self.components().iter().zip(other.components()).all(|(a, b)| a == b);
        same && self.length > 0 && other.length > 0
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.components().iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

as_text!(Prefix, PrefixError);

/// A reference to the line from which clusters enter another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follows {
    pub line: LineName,
    /// How long clusters may still enter from a release after it stops being the highest of that line.
    pub grace: TimeDelta,
}

/// One stage of a line, and the channel through which clusters follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub name: StageName,
    pub channel: ChannelName,
    /// Other names of the channel.
    pub aliases: Vec<ChannelName>,
    /// `None` only in the first stage, which releases enter at once.
    pub soak: Option<SoakPolicy>,
    /// When promotions into this stage may happen. `None` means at any time.
    pub window: Option<Window>,
    /// Set while the channel is paused.
    pub paused: Option<Event>,
    /// The pauses that somebody ended.
    pub resumed: Vec<Ended>,
}

impl Stage {
    /// Creates a stage that has no aliases, soak, window or pause.
    pub const fn new(name: StageName, channel: ChannelName) -> Self {
        Self {
            name,
            channel,
            aliases: Vec::new(),
            soak: None,
            window: None,
            paused: None,
            resumed: Vec::new(),
        }
    }

    /// Every name of the channel: its own, and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &ChannelName> {
        std::iter::once(&self.channel).chain(&self.aliases)
    }

    /// The pause, if it is in effect at `now`.
    pub fn paused(&self, now: Time) -> Option<&Event> {
        self.paused.as_ref().filter(|pause| pause.is_by(now))
    }
}

impl Line {
    /// Whether another line is the same, leaving their releases aside.
    pub fn is_the_same_but_for_releases(&self, other: &Self) -> bool {
        let Self { name, title, prefix, follows, stages, freezes, retired, signed_until: _, releases: _ } =
            self;
        (name, title, prefix, follows) == (&other.name, &other.title, &other.prefix, &other.follows)
            && (stages, freezes, retired) == (&other.stages, &other.freezes, &other.retired)
    }

    /// The prefix of the line's versions; `None` if they are [unknown](Prefix::NONE).
    pub fn known_prefix(&self) -> Option<Prefix> {
        (self.prefix != Prefix::NONE).then_some(self.prefix)
    }

    /// The line's retirement, if it is in effect at `now`.
    pub fn retired(&self, now: Time) -> Option<&Event> {
        self.retired.as_ref().filter(|retired| retired.is_by(now))
    }

    /// The freeze that stops a release of `urgency` at `now`. If there are several, the one that ends last.
    pub fn freeze(&self, urgency: Urgency, now: Time) -> Option<&Freeze> {
        self.freezes.iter().filter(|freeze| freeze.stops(urgency, now)).max_by_key(|freeze| freeze.until)
    }

    /// The index of a stage.
    pub fn stage(&self, name: &StageName) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == *name)
    }

    /// The releases on offer in a stage at `now`, in ascending order: entered, not yanked, and
    /// deliverable.
    pub fn offered(&self, stage: usize, now: Time) -> impl DoubleEndedIterator<Item = &Release> {
        self.releases.values().filter(move |release| release.is_offered(stage, now))
    }

    /// The stage in which clusters on a yanked release can go nowhere, because nothing higher is on offer there:
    /// the last one that it has entered.
    pub fn stranding(&self, release: &Release, now: Time) -> Option<&Stage> {
        release.yanked(now)?;
        let stage = release.stage(now)?;
        let is_stranding = self.offered(stage, now).all(|other| other.version < release.version);
        is_stranding.then(|| &self.stages[stage])
    }

    /// The barriers at `now`, each with the version that acts as the barrier: its own, or, once it is
    /// yanked, its replacement's.
    pub fn barriers(&self, now: Time) -> impl Iterator<Item = (&Release, &Version)> {
        let replaced = self.replaced(now);
        let barriers = self.releases.values().filter(|release| release.barrier);
        barriers.map(move |barrier| {
            let version = &barrier.version;
            (barrier, replaced.get(version).copied().unwrap_or(version))
        })
    }

    /// The versions that act as barriers in one channel. A barrier counts once it has entered the stage or,
    /// if it was yanked, once its replacement has, and in any case once something higher is on offer there: it may have
    /// been added later, or yanked meanwhile, and clusters do not jump it.
    pub fn barriers_in(&self, stage: usize, now: Time) -> impl Iterator<Item = &Version> {
        let latest = self.latest(stage, now).map(|latest| &latest.version);
        self.barriers(now).filter_map(move |(barrier, standing)| {
            let replaced = || self.releases.get(standing).is_some_and(|release| release.is_in(stage, now));
            let is_passed = latest.is_some_and(|latest| barrier.version < *latest);
            (is_passed || barrier.is_in(stage, now) || replaced()).then_some(standing)
        })
    }

    /// The versions that replace yanked releases. What replaces a release may be yanked and replaced itself, so
    /// the highest releases come first. A replacement counts only if it is higher than the release that it
    /// replaces: a lower one would let clusters between the two jump over a barrier.
    fn replaced(&self, now: Time) -> HashMap<&Version, &Version> {
        let mut replaced = HashMap::new();
        for release in self.releases.values().rev() {
            let to = release.yanked(now).and_then(|yank| yank.to.as_ref());
            if let Some(to) = to.filter(|to| release.version < **to) {
                steps::count();
                let to = self.releases.get(to).map_or(to, |to| &to.version);
                replaced.insert(&release.version, replaced.get(to).copied().unwrap_or(to));
            }
        }
        replaced
    }

    /// The architectures that payloads of its releases are for.
    pub fn architectures(&self) -> BTreeSet<&str> {
        self.releases.values().filter_map(Release::architectures).flatten().collect()
    }

    /// The last stage at `now` with something on offer, whatever architecture that is for.
    pub fn last_offering(&self, now: Time) -> Option<usize> {
        (0..self.stages.len()).rev().find(|stage| self.latest(*stage, now).is_some())
    }

    /// The latest release of a stage at `now`: the highest version on offer.
    pub fn latest(&self, stage: usize, now: Time) -> Option<&Release> {
        self.offered(stage, now).next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_one_to_three_plain_numbers() {
        for good in ["1", "1.8", "v1.8", "1.8.4"] {
            assert!(Prefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1.", "01.8", "1.8.4.2", "1.x", "+1"] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
        let one = Prefix::parse("1").unwrap();
        assert!(!Prefix::NONE.accepts(&Version::parse("1.8.4").unwrap()));
        assert!(!Prefix::NONE.overlaps(&one) && !one.overlaps(&Prefix::NONE));
    }
}
