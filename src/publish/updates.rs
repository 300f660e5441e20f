//! The answers to clusters, computed once for every version that a cluster may run.
//!
//! An answer depends on two lines: the one of the cluster's version, and the one of the channel that it
//! follows. There may be many pairs of lines, but most of an answer depends on only one of the two:
//!
//! | the channel's line is | where the answer is | what it is made from |
//! |---|---|---|
//! | the cluster's own | `own` and `unknown` in [`ChannelUpdates`] | the line, and the stages of the first line that follows it |
//! | the next one on the cluster's way | `before` in [`ChannelUpdates`] | the line, and the one that it follows |
//! | further on | `beyond` in the [`LineUpdates`] of the next line on the way, a template | that line, and the one that it follows |
//! | an earlier one, or not on the way | `yanked` and `stay` in the [`LineUpdates`] of the cluster's line, templates | that line |
//!
//! A [template](Template) has holes for what belongs to the channel, and is filled in when it is
//! asked for. So the work for a publication grows with the number of releases, and not with the number of
//! pairs of lines. It also means that a change of one line changes the answers of that line, of the line
//! that it follows, and of the lines that follow it, and no others.

mod arches;
mod make;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document::Document;
use crate::domain::channel::{LineName, StageName};
use crate::domain::upgrade::{Paths, Relation};
use crate::domain::version::Version;

pub use arches::{Arches, ViewsByArch};
pub use make::{channel_updates, line_updates};
pub use template::{Filling, Template};

/// The answers of one channel to clusters of its own line, of the line that it follows, and to unknown
/// versions. They contain nothing of other lines, and no answer refers to a document outside this value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelUpdates {
    pub(crate) stage: StageName,
    /// The distinct answers.
    pub(crate) bodies: Vec<Arc<Document>>,
    /// While the channel is paused, the answer to everybody.
    pub(crate) paused: Option<u32>,
    /// The answers to known versions of the channel's line.
    pub(crate) own: Runs<u32>,
    /// The answers to unknown versions of the channel's line.
    pub(crate) unknown: Cuts,
    /// The answers to known versions of the line that the channel's line follows.
    pub(crate) before: Runs<u32>,
    /// The answers to unknown versions outside the channel's line.
    pub(crate) elsewhere: Cuts,
    /// The answer to versions of other lines that are above everything that the channel offers.
    pub(crate) ahead: u32,
    /// The latest release of the channel.
    pub(crate) latest: Option<Version>,
    /// The release from which the channel's line can be entered.
    pub(crate) take: Option<Version>,
    /// What the templates of lines say about this channel.
    pub(crate) filling: Filling,
    /// The answers to clusters that name their architecture, where they differ. `None` if an older version has
    /// made these answers.
    #[serde(default)]
    pub(crate) arches: Option<Arches<Self>>,
}

/// The answers to clusters whose channel is of a line far from theirs, as templates. They contain nothing but
/// what belongs to this line and to the line that it follows, and fit every channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LineUpdates {
    /// The known versions of the line, in ascending order.
    pub(crate) versions: Box<[Version]>,
    /// The distinct templates.
    pub(crate) templates: Vec<Template>,
    /// For clusters of the line that this one follows whose channel is of a line beyond this one.
    pub(crate) beyond: Runs<Variants>,
    /// For clusters on a yanked release of this line that is above everything that their channel offers.
    pub(crate) yanked: Vec<(Version, u32)>,
    /// For clusters of this line from which no upgrade path leads to their channel, by the channel's stage.
    /// The last one is also for channels of stages that this line does not have.
    pub(crate) stay: Vec<(StageName, Variants)>,
    /// The answers to clusters that name their architecture, where they differ. `None` if an older version has
    /// made these answers.
    #[serde(default)]
    pub(crate) arches: Option<Arches<Self>>,
}

/// Two templates of one advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variants {
    /// For a channel whose line can be entered from somewhere: in `LineUpdates::beyond` from a release above
    /// the cluster's version, in [`LineUpdates::stay`] from another line.
    pub(crate) open: u32,
    /// For any other channel.
    pub(crate) closed: u32,
}

/// What is said to the versions of a line: each entry is for its own version and those above it, up to the
/// next entry.
pub type Runs<T> = Vec<(Version, T)>;

/// What is said to versions that are not in the catalog.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Cuts {
    /// In ascending order. Each entry is for the versions below its own that no earlier entry covers.
    pub(crate) below: Vec<(Version, u32)>,
    /// For all other versions.
    pub(crate) above: u32,
}

impl Cuts {
    fn of(&self, current: &Version) -> u32 {
        let place = self.below.partition_point(|(version, _)| version <= current);
        self.below.get(place).map_or(self.above, |(_, body)| *body)
    }
}

/// What a version is told, if the runs begin at or below it.
fn of<T: Copy>(runs: &Runs<T>, current: &Version) -> Option<T> {
    let after = runs.partition_point(|(first, _)| first <= current);
    Some(runs.get(after.checked_sub(1)?)?.1)
}

/// The answer of a channel of the line `goal` to a cluster that runs `current`, a version of the line `own`, and
/// may name its architecture. `updates` has the answers of each line. An answer that is the channel's own is
/// borrowed; others are filled in.
pub fn answer<'p>(
    (paths, updates): (&Paths, impl Fn(&LineName) -> Option<&'p LineUpdates>),
    (goal, channel): (&LineName, &'p ChannelUpdates),
    (own, current, arch): (Option<&LineName>, &Version, Option<&str>),
) -> Cow<'p, Document> {
    let Some(arch) = arch else { return found((paths, updates), (goal, channel), (own, current)) };
    let channel = arches::on(channel.arches.as_ref(), arch).unwrap_or(channel);
    let updates =
        |line: &LineName| updates(line).map(|line| arches::on(line.arches.as_ref(), arch).unwrap_or(line));
    arches::named(found((paths, updates), (goal, channel), (own, current)), arch)
}

fn found<'p>(
    (paths, updates): (&Paths, impl Fn(&LineName) -> Option<&'p LineUpdates>),
    (goal, channel): (&LineName, &'p ChannelUpdates),
    (own, current): (Option<&LineName>, &Version),
) -> Cow<'p, Document> {
    let body = |place: u32| Cow::Borrowed(&*channel.bodies[place as usize]);
    let filled =
        |line: &LineUpdates, place: u32| Cow::Owned(line.templates[place as usize].filled(&channel.filling));
    if let Some(paused) = channel.paused {
        return body(paused);
    }
    let unknown = || body(channel.elsewhere.of(current));
    let Some((own, line)) = own.and_then(|own| Some((own, updates(own)?))) else {
        return unknown();
    };
    let relation = paths.relation(own, goal);
    if line.versions.binary_search(current).is_err() {
        return if relation == Relation::Own { body(channel.unknown.of(current)) } else { unknown() };
    }
    let found = match relation {
        Relation::Own => of(&channel.own, current).map(body),
        Relation::Before { after } if after == goal => of(&channel.before, current).map(body),
        Relation::Before { after } => updates(after).and_then(|after| {
            let Variants { open, closed } = of(&after.beyond, current)?;
            let is_open = channel.take.as_ref().is_some_and(|take| current < take);
            Some(filled(after, if is_open { open } else { closed }))
        }),
        Relation::Apart if channel.latest.as_ref().is_none_or(|latest| current <= latest) => {
            line.stay_of(&channel.stage).map(|Variants { open, closed }| {
                filled(line, if channel.filling.is_entered() { open } else { closed })
            })
        }
        Relation::After | Relation::Apart => {
            Some(match line.yanked.binary_search_by(|(version, _)| version.cmp(current)) {
                Ok(place) => filled(line, line.yanked[place].1),
                Err(_) => body(channel.ahead),
            })
        }
    };
    found.unwrap_or_else(unknown)
}

impl LineUpdates {
    fn stay_of(&self, stage: &StageName) -> Option<Variants> {
        let same = self.stay.iter().find(|(own, _)| own == stage);
        Some(same.or(self.stay.last())?.1)
    }
}

/// Serialises a JSON body.
pub(crate) fn json<T: Serialize>(body: &T) -> Bytes {
    let mut bytes = serde_json::to_vec(body).expect("bodies contain only strings and numbers");
    // A publication keeps tens of thousands of bodies, and the buffer may be twice as large as needed.
    bytes.shrink_to_fit();
    bytes.into()
}
