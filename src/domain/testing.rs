//! Builders for small catalogs in tests.

use chrono::TimeDelta;

use super::Time;
use super::catalog::Catalog;
use super::channel::{ChannelName, LineName, StageName};
use super::line::{Follows, Line, Prefix, Stage};
use super::payload::{Payload, Sha256};
use super::policy::{Freeze, SoakPolicy, Urgency};
use super::release::{Ended, Entry, Event, Evidence, ManifestState, Release, ReleaseFile, SignedFacts, Yank};
use super::version::Version;

/// A time, `2018-01-02T00:00:00Z` or just `2018-01-02`.
pub fn t(text: &str) -> Time {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    full.parse().unwrap()
}

pub fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub fn event(at: Time, reason: &str) -> Event {
    Event::new(at, "ada".to_owned(), reason.to_owned())
}

/// A stop that `ada` ended.
pub fn ended(from: &str, until: &str) -> Ended {
    event(t(from), "slow nodes").ended(event(t(until), "it was the network"))
}

/// A line with the two usual stages and no releases.
pub fn line(name: &str, follows: Option<&str>) -> Line {
    let line = LineName::parse(name).unwrap();
    let stage = |stage: &str, soak| {
        let stage = StageName::parse(stage).unwrap();
        let channel = ChannelName::of(&line, &stage).unwrap();
        Stage { soak, ..Stage::new(stage, channel) }
    };
    Line {
        title: None,
        prefix: Prefix::parse(name).unwrap(),
        follows: follows
            .map(|follows| Follows { line: LineName::parse(follows).unwrap(), grace: TimeDelta::zero() }),
        stages: vec![stage("preproduction", None), stage("production", Some(SoakPolicy::default()))],
        freezes: Vec::new(),
        retired: None,
        signed_until: None,
        releases: std::collections::BTreeMap::new(),
        name: line,
    }
}

/// A signed release that has entered the stages at the given times.
pub fn release(version: &str, entered: &[&str]) -> Release {
    let mut entries: Vec<Option<Entry>> = entered.iter().map(|since| Some(entry(t(since)))).collect();
    entries.resize(2, None);
    Release::new(
        ReleaseFile {
            version: v(version),
            urgency: Urgency::Normal,
            summary: None,
            links: super::labels::Labels::default(),
            components: super::labels::Labels::default(),
            payloads: [Payload {
                file: "payload.json".to_owned(),
                sha256: Sha256::new([7; 32]),
                size: 7,
                arch: None,
            }]
            .into(),
            barrier: false,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
        },
        entries,
        Evidence {
            manifest: ManifestState::Signed(SignedFacts::default()),
            payload: super::release::PayloadState::Present,
        },
    )
}

pub fn entry(since: Time) -> Entry {
    Entry::new(since, super::release::SCHEDULE.to_owned(), None)
}

impl Line {
    /// Adds a release.
    pub fn with(mut self, release: Release) -> Self {
        self.releases.insert(release.version.clone(), release);
        self
    }

    /// Adds a freeze.
    pub fn frozen(mut self, from: &str, until: &str, except: &[Urgency]) -> Self {
        let reason = "end of year".to_owned();
        self.freezes.push(Freeze { from: t(from), until: t(until), reason, except: except.to_vec() });
        self.freezes.sort_by_key(|freeze| freeze.from);
        self
    }
}

impl Release {
    pub fn barrier(mut self) -> Self {
        self.barrier = true;
        self
    }

    pub fn held_at(mut self, at: &str) -> Self {
        self.hold = Some(Box::new(event(t(at), "etcd loses quorum")));
        self
    }

    pub fn yanked_at(mut self, at: &str, to: Option<&str>) -> Self {
        self.yank = Some(Box::new(Yank { event: event(t(at), "breaks DNS"), to: to.map(v) }));
        self
    }
}

/// Builds a catalog of lines that break no rule. A followed line that is not among them is treated as
/// unreadable.
pub fn catalog(lines: impl IntoIterator<Item = Line>) -> Catalog {
    let lines: Vec<Line> = lines.into_iter().collect();
    let followed = lines.iter().filter_map(|line| Some(line.follows.as_ref()?.line.clone()));
    let absent = followed.filter(|name| lines.iter().all(|line| line.name != *name));
    let unusable = absent.map(|name| (name, std::collections::BTreeSet::new())).collect();
    let (catalog, broken) = Catalog::assemble(lines, &unusable);
    assert_eq!(broken, []);
    catalog
}
