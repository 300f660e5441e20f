//! The rules of the catalog, each written once.
//!
//! A broken rule is data: the [`Rule`] with the offending values, and the place where it is broken
//! ([`At`]). The code that reads a file finds that place in the file, and `words` has the sentences.
//!
//! [`Catalog::assemble`](super::catalog::Catalog::assemble) checks all of the rules, and
//! [`Change::apply`](super::change::Change::apply) those that the change can break. The checks of single
//! parts are public, so that faults in one part of a file are reported even if other parts cannot be read.

mod cross_line;
pub mod doubtful;
mod release;
mod stages;
pub mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

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
    /// The version prefix of the line.
    Prefix,
    /// The reference to the line that this line follows.
    Follows,
    /// The list of stages.
    Stages,
    /// The name of a stage.
    Stage(usize),
    /// One name of a stage's channel: the channel's own, or one of the aliases.
    Channel { stage: usize, alias: Option<usize> },
    /// A stage's soak as a whole.
    Soak(usize),
    /// One limit of a stage's soak.
    SoakLimit { stage: usize, urgency: Urgency, limit: Limit },
    /// A freeze.
    Freeze(usize),
    /// The pause of a stage's channel.
    Pause(StageName),
    /// A pause of a stage's channel that somebody ended.
    Resumed(StageName, usize),
    /// Any other field of the line, by its key.
    Text(&'static str),
    /// A place in a release.
    Release(Version, Part),
}

/// A limit of a soak.
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
    /// A hold that somebody ended.
    Resumed(usize),
    /// A yank that somebody ended.
    Unyanked(usize),
    /// A time in which a payload was missing.
    Unavailable(usize),
    /// Any other field of the release, by its key.
    Text(&'static str),
}

/// A rule of the catalog, with the values that break it. The comment on each variant states the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A string must not be empty.
    EmptyText,
    /// A string must have at most `most` bytes.
    LongText { length: usize, most: usize },
    /// A string that is shown in a table must have one line.
    SeveralLines,
    /// A string must not change how a terminal shows the text around it.
    ControlCharacter,
    /// The name of a component or a link must be one that every reader of signed documents sorts alike.
    NotALabel(String),
    /// A link must be the address of a web page.
    NotALink(String),
    /// A link, which is published, must not have a user or a password. They are not repeated.
    LinkWithUser,
    /// An architecture must have a name like `amd64`.
    NotAnArch(String),
    /// The name of a payload file must be valid and stay in the release's folder.
    NotAFileName(String),
    /// The size of a payload must not be zero, or too large for JSON.
    Size(u64),
    /// A duration must be neither negative nor absurdly long.
    Duration(TimeDelta),

    /// A line must have stages.
    NoStages,
    /// A line must not have the same stage twice.
    StageTwice { stage: StageName, first: usize },
    /// The first stage must not have a soak, since releases enter it at once.
    FirstSoak(StageName),
    /// Every stage after the first must have a soak: without one, releases would enter it at once.
    NoSoak(StageName),
    /// A soak outside the usual limits must have a reason.
    UnusualSoak { stage: StageName, urgency: Urgency, limit: TimeDelta, bound: TimeDelta },
    /// A soak's `min` must not be above its `max`. `inherited` is the limit that nobody wrote there.
    SoakBackwards { stage: StageName, urgency: Urgency, soak: Soak, inherited: Option<Limit> },
    /// A freeze must end after it begins.
    FreezeBackwards,
    /// A stop must not end before it begins.
    StopBackwards,
    /// The default name of a stage's channel must be a valid name.
    ChannelName { stage: StageName, why: NameError },
    /// Entries and pauses must refer to stages of the line.
    NoSuchStage { line: LineName, stage: StageName, stages: Vec<StageName> },

    /// The line that another line follows must exist.
    NoSuchLine(LineName),
    /// Lines must not follow each other in a cycle.
    FollowsInCircle { line: LineName, follows: LineName },
    /// No line's name may be a prefix of another's, since their signing roles would overlap.
    NameWithin { outer: LineName, inner: LineName },
    /// A version must belong to only one line.
    SharedVersions { line: LineName, other: LineName },
    /// A name must belong to only one channel. `at` in line `other` is the other place that uses the name.
    ChannelTwice { channel: ChannelName, other: LineName, at: Box<At> },

    /// A version must begin with its line's prefix.
    ForeignVersion { line: LineName, version: Version, prefix: Prefix },
    /// A line must not have the same version twice, and a leading `v` makes no difference.
    VersionTwice { version: Version, first: Version },
    /// A release must have a payload.
    NoPayload,
    /// A release must not list the same payload file twice.
    PayloadTwice { file: String, first: usize },
    /// A release must refer to another one, not to itself.
    NamesItself(Reference),
    /// A release that another one refers to must exist.
    NoSuchRelease { line: LineName, reference: Reference, version: Version },

    /// A release must enter the stages in order and leave none out.
    StageLeftOut { stage: StageName, before: StageName },
    /// The times of entries must not go backwards.
    EnteredBackwards { stage: StageName, before: StageName, since: Time },
    /// `schedule` must never promote before a soak is over, and people who do must give a reason.
    Early { stage: StageName, before: StageName, spent: TimeDelta, min: TimeDelta, scheduled: bool },
    /// `schedule` must never promote a release that is held.
    ScheduledWhileHeld { stage: StageName, since: Time },

    /// Yanked releases must not replace each other in a cycle.
    YankedInCircle { version: Version, to: Version },
    /// A yanked barrier, or a yanked replacement of one, must have a replacement: without one, clusters
    /// below it would be stuck.
    NoReplacement { version: Version, barrier: Version },
    /// The replacement of a yanked barrier must be higher: otherwise clusters between the two would jump
    /// over the barrier.
    LowerReplacement { version: Version, barrier: Version, to: Version },
}

/// How one release refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    Replaces,
    YankTo,
}

/// Lines that exist but cannot be used, each with its releases that cannot be read. Referring to one of
/// these breaks no rule.
pub type Unusable = BTreeMap<LineName, BTreeSet<Version>>;

/// Finds every rule that a line breaks on its own. `unread` are the releases that it has but that cannot be
/// read.
pub(super) fn of_line(line: &Line, unread: &BTreeSet<Version>) -> Vec<Broken> {
    let mut broken = Vec::new();
    {
        let mut report = reporter(&line.name, &mut broken);
        stages::line(line, &mut report);
        for one in line.releases.values() {
            release::release(line, one, unread, &mut report);
        }
        release::yanks(line, &mut report);
    }
    broken
}

/// Finds every broken rule between lines. Two lines that claim the same thing are both at fault, since
/// publishing one could take away something that the other's clusters rely on.
pub(super) fn between(lines: &[Arc<Line>], unusable: &Unusable, broken: &mut Vec<Broken>) {
    cross_line::check(lines, unusable, broken);
}

/// Checks the rules that a change of one line can break: those for the line itself, or those for one
/// release and for the replacements of yanked releases. Only a new line can break a rule between lines, and is
/// [checked with them](super::catalog::Catalog::with_new_line).
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

/// Finds the items that are part of a cycle. Each item has at most one successor, and is visited once.
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
