//! The rules of the catalog, each written once.
//!
//! A broken rule is data: the [`Rule`] with its figures, and the place in the domain's terms ([`At`]). A
//! reader of files finds that place in its file, and `words` has the sentences.
//!
//! [`Catalog::assemble`](super::catalog::Catalog::assemble) checks them all, and
//! [`Change::apply`](super::change::Change::apply) those that the change can break. The checks of single
//! parts are public, so that a reader can report them for a file whose other parts cannot be read.

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

/// A broken rule, and where it is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub line: LineName,
    pub at: At,
    pub rule: Rule,
}

/// A place in a line. Stages, aliases, freezes and payloads are identified by their index in their list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// The line's name.
    Name,
    /// The prefix of its versions.
    Prefix,
    /// The line that it follows.
    Follows,
    /// The list of stages.
    Stages,
    /// The name of a stage.
    Stage(usize),
    /// One name of a stage's channel: the channel's own, or one of the aliases.
    Channel { stage: usize, alias: Option<usize> },
    /// All of a stage's soak.
    Soak(usize),
    /// One end of a stage's soak.
    SoakLimit { stage: usize, urgency: Urgency, limit: Limit },
    /// A freeze.
    Freeze(usize),
    /// The pause of a stage's channel.
    Pause(StageName),
    /// Any other text of the line, by its name.
    Text(&'static str),
    /// A place in a release.
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
    /// A text is not empty.
    EmptyText,
    /// A text has at most so many bytes.
    LongText { length: usize, most: usize },
    /// A text that is shown in a table has one line.
    SeveralLines,
    /// A text does not change how a terminal shows the text around it.
    ControlCharacter,
    /// A link is the address of a page.
    NotALink(String),
    /// An architecture looks like `amd64`.
    NotAnArch(String),
    /// A payload file stays in its release's folder.
    NotAFileName(String),
    /// A payload has a size that JSON can carry.
    Size(u64),
    /// A duration is neither negative nor absurdly long.
    Duration(TimeDelta),

    /// A line has stages.
    NoStages,
    /// A line has each stage once.
    StageTwice { stage: StageName, first: usize },
    /// A release enters its first stage at once, so that stage has no soak.
    FirstSoak(StageName),
    /// Every other stage has a soak: without one, releases would enter it at once.
    NoSoak(StageName),
    /// A soak outside the usual bounds needs a reason.
    UnusualSoak { stage: StageName, urgency: Urgency, limit: TimeDelta, bound: TimeDelta },
    /// A soak's `min` is not above its `max`.
    SoakBackwards { stage: StageName, urgency: Urgency, soak: Soak },
    /// A freeze ends after it begins.
    FreezeBackwards,
    /// The default name of a stage's channel is a valid name.
    ChannelName { stage: StageName, why: NameError },
    /// Entries and pauses name stages of the line.
    NoSuchStage { line: LineName, stage: StageName, stages: Vec<StageName> },

    /// The line that a line follows exists.
    NoSuchLine(LineName),
    /// Lines do not follow each other in a circle.
    FollowsInCircle { line: LineName, follows: LineName },
    /// No line's name is a prefix of another's: their signing roles would overlap.
    NameWithin { outer: LineName, inner: LineName },
    /// A version belongs to one line.
    SharedVersions { line: LineName, other: LineName },
    /// A name belongs to one channel. `at` in line `other` is the other place that uses it.
    ChannelTwice { channel: ChannelName, other: LineName, at: Box<At> },

    /// A version begins with its line's prefix.
    ForeignVersion { line: LineName, version: Version, prefix: Prefix },
    /// A line has each version once: a leading `v` does not make it another version.
    VersionTwice { version: Version, first: Version },
    /// A release has a payload.
    NoPayload,
    /// A release has each payload file once.
    PayloadTwice { file: String, first: usize },
    /// A release names another one, not itself.
    NamesItself(Reference),
    /// A release that is named exists.
    NoSuchRelease { line: LineName, reference: Reference, version: Version },

    /// A release enters each stage in turn.
    StageLeftOut { stage: StageName, before: StageName },
    /// The times of entries do not go back.
    EnteredBackwards { stage: StageName, before: StageName, since: Time },
    /// `schedule` never promotes before a soak is over, and people who do give a reason.
    Early { stage: StageName, before: StageName, spent: TimeDelta, min: TimeDelta, scheduled: bool },
    /// `schedule` never promotes a release that is held.
    ScheduledWhileHeld { stage: StageName, since: Time },

    /// Yanked releases do not replace each other in a circle.
    YankedInCircle { version: Version, to: Version },
    /// A yanked barrier, or a yanked replacement of one, has a replacement: without one, clusters below it
    /// would be stuck.
    NoReplacement { version: Version, barrier: Version },
    /// That replacement is higher: otherwise clusters between the two would jump over the barrier.
    LowerReplacement { version: Version, barrier: Version, to: Version },
}

/// How one release names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    Replaces,
    YankTo,
}

/// Lines that exist and cannot be used, each with its releases that cannot be read. Naming one of these
/// is not a fault.
pub type Unusable = BTreeMap<LineName, BTreeSet<Version>>;

/// Every rule that is broken within lines and between them. Two lines that claim the same thing are both
/// at fault: publishing one would take away what the other's clusters rely on.
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

/// Checks the rules that a change of one line can break: those for the line itself, or for one release and
/// for what yanks lead to. No change can break a rule between lines.
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

/// Finds the items that lead back to themselves. Each item has at most one successor, and is visited once.
fn circles<T: Copy + Eq + Hash>(next: &HashMap<T, T>) -> HashSet<T> {
    let (mut visited, mut circles) = (HashSet::new(), HashSet::new());
    for start in next.keys() {
        let (mut path, mut at) = (Vec::new(), Some(*start));
        while let Some(item) = at
            && visited.insert(item)
        {
            path.push(item);
            at = next.get(&item).copied();
        }
        // The path ended where an earlier one had been, or closes a circle with an item of its own.
        let first = at.and_then(|item| path.iter().position(|earlier| *earlier == item));
        circles.extend(first.map_or(&[][..], |first| &path[first..]));
    }
    circles
}
