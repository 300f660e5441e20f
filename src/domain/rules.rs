//! The rules of the catalog, each written once.
//!
//! A broken rule is data: the [`Rule`] with its figures, and where it is broken, in the domain's terms
//! ([`At`]). A reader of files finds the place in its file, and `words` has the sentences.
//!
//! [`Catalog::assemble`](super::catalog::Catalog::assemble) checks them all, and
//! [`Change::apply`](super::change::Change::apply) those that the change can break. The checks of parts
//! are public for readers, who find faults in files of which the rest cannot be read.

mod cross_line;
mod release;
mod stages;
pub mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use chrono::TimeDelta;

use super::Time;
use super::channel::{ChannelName, LineName, NameError, StageName};
use super::line::{Line, Prefix};
use super::policy::{Soak, Urgency};
use super::version::Version;

pub use release::payloads;
pub use stages::{freeze, stages};

/// A broken rule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub line: LineName,
    pub at: At,
    pub rule: Rule,
}

/// A place in a line. Stages, aliases, freezes and payloads are known by their places in their lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    Name,
    Prefix,
    Follows,
    Stages,
    Stage(usize),
    /// One name of a stage's channel: the channel's own, or one of the aliases.
    Channel {
        stage: usize,
        alias: Option<usize>,
    },
    /// All of a stage's soak.
    Soak(usize),
    SoakLimit {
        stage: usize,
        urgency: Urgency,
        limit: Limit,
    },
    Freeze(usize),
    Pause(StageName),
    /// Any other text of the line, by its name.
    Text(&'static str),
    Release(Version, Part),
}

/// An end of a soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Min,
    Max,
}

/// A place in a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Version,
    Replaces,
    Payloads,
    Payload(usize),
    /// The entry for a stage.
    Entry(StageName),
    /// The time of an entry.
    Since(StageName),
    Yank,
    YankTo,
    /// Any other text, by its name.
    Text(&'static str),
}

/// A rule of the catalog, with the figures that break it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    EmptyText,
    LongText {
        length: usize,
        most: usize,
    },
    SeveralLines,
    ControlCharacter,
    NotALink(String),
    NotAnArch(String),
    NotAFileName(String),
    Size(u64),
    Duration(TimeDelta),

    NoStages,
    StageTwice {
        stage: StageName,
        first: usize,
    },
    /// A release enters its first stage at once, so that has no soak.
    FirstSoak(StageName),
    /// Every other stage has one: a missing soak would let releases through.
    NoSoak(StageName),
    /// A soak outside the usual bounds needs a reason.
    UnusualSoak {
        stage: StageName,
        urgency: Urgency,
        limit: TimeDelta,
        bound: TimeDelta,
    },
    SoakBackwards {
        stage: StageName,
        urgency: Urgency,
        soak: Soak,
    },
    FreezeBackwards,
    /// The name that the stage's channel would have cannot be one.
    ChannelName {
        stage: StageName,
        why: NameError,
    },
    NoSuchStage {
        line: LineName,
        stage: StageName,
        stages: Vec<StageName>,
    },

    NoSuchLine(LineName),
    FollowsInCircle {
        line: LineName,
        follows: LineName,
    },
    /// The signing roles of the two lines would overlap.
    NameWithin {
        outer: LineName,
        inner: LineName,
    },
    SharedVersions {
        line: LineName,
        other: LineName,
    },
    /// `at` in line `other` is the other place that has the name.
    ChannelTwice {
        channel: ChannelName,
        other: LineName,
        at: Box<At>,
    },

    ForeignVersion {
        line: LineName,
        version: Version,
        prefix: Prefix,
    },
    /// A leading `v` does not make another version.
    VersionTwice {
        version: Version,
        first: Version,
    },
    NoPayload,
    PayloadTwice {
        file: String,
        first: usize,
    },
    NamesItself(Reference),
    NoSuchRelease {
        line: LineName,
        reference: Reference,
        version: Version,
    },

    StageLeftOut {
        stage: StageName,
        before: StageName,
    },
    EnteredBackwards {
        stage: StageName,
        before: StageName,
        since: Time,
    },
    /// A promotion before the soak was over: `schedule` never makes one, and people give a reason.
    Early {
        stage: StageName,
        before: StageName,
        spent: TimeDelta,
        min: TimeDelta,
        scheduled: bool,
    },
    ScheduledWhileHeld {
        stage: StageName,
        since: Time,
    },

    YankedInCircle {
        version: Version,
        to: Version,
    },
    /// Clusters below a yanked barrier could not go on. `version` is the barrier itself, or what replaced it.
    NoReplacement {
        version: Version,
        barrier: Version,
    },
    /// Clusters between the two would jump over the barrier.
    LowerReplacement {
        version: Version,
        barrier: Version,
        to: Version,
    },
}

/// How one release names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    Replaces,
    YankTo,
}

/// Lines that are there and cannot be used, each with its releases that cannot be read: who names one
/// of them is not at fault.
pub type Unusable = BTreeMap<LineName, BTreeSet<Version>>;

/// Every rule that is broken within lines and between them. Two lines that claim the same are both at
/// fault: to publish the first would take from the other what its clusters rely on.
#[must_use]
pub fn check(lines: &[Line], unusable: &Unusable) -> Vec<Broken> {
    let nothing = BTreeSet::new();
    let mut broken = Vec::new();
    for line in lines {
        let mut report = reporter(&line.name, &mut broken);
        stages::line(line, &mut report);
        let unread = unusable.get(&line.name).unwrap_or(&nothing);
        for one in line.releases.values() {
            release::release(line, one, unread, &mut report);
        }
        release::yanks(line, &mut report);
    }
    cross_line::check(lines, unusable, &mut broken);
    broken
}

/// The rules that a change of one line can break: those of the line itself, or of one release and of
/// what yanks lead to. No change touches what lies between lines.
#[must_use]
pub(super) fn changed(line: &Line, version: Option<&Version>) -> Vec<Broken> {
    let mut broken = Vec::new();
    {
        let mut report = reporter(&line.name, &mut broken);
        match version.and_then(|version| line.releases.get(version)) {
            Some(one) => {
                release::release(line, one, &BTreeSet::new(), &mut report);
                release::yanks(line, &mut report);
            }
            None => stages::line(line, &mut report),
        }
    }
    broken
}

fn reporter<'b>(line: &'b LineName, broken: &'b mut Vec<Broken>) -> impl FnMut(At, Rule) + 'b {
    move |at, rule| broken.push(Broken { line: line.clone(), at, rule })
}

/// What is in a circle, where each has at most one that comes next.
fn circles<T: Copy + Eq + Hash>(next: &HashMap<T, T>) -> HashSet<T> {
    let mut done = HashSet::new();
    let mut found = HashSet::new();
    for &start in next.keys() {
        let mut path = Vec::new();
        let mut places = HashMap::new();
        let mut at = start;
        while !done.contains(&at) {
            if let Some(&place) = places.get(&at) {
                found.extend(path[place..].iter().copied());
                break;
            }
            places.insert(at, path.len());
            path.push(at);
            match next.get(&at) {
                Some(&following) => at = following,
                None => break,
            }
        }
        done.extend(path);
    }
    found
}
