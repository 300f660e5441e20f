//! Operations that a person or a program requests on a catalog: each one is a function of the catalog, the
//! request, and the time.
//!
//! An operation returns the changes that carry it out, or why it is refused. It writes nothing and knows
//! nothing about files, the command line or HTTP, so the command line, the API and the web pages all follow
//! the same rules. The caller commits the changes, and plans the operation again if another commit came
//! first.

mod add;
mod author;
pub mod clock;
mod hold;
mod loosen;
mod pause;
pub mod promote;
#[cfg(test)]
mod properties;
mod refused;
mod retire;
pub mod sign;
pub mod yank;

use serde::Serialize;

use crate::domain::Time;
use crate::domain::ahead::Ahead;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Line;
use crate::domain::loosened::{Loosened, What};
use crate::domain::release::Release;
use crate::domain::restraint::Restraint;
use crate::domain::rules::doubtful::Doubtful;
use crate::domain::topic::Topic;
use crate::domain::version::Version;

pub use add::Add;
pub use author::Author;
pub use promote::PromoteEarly;
pub use refused::{Difference, Refused};

/// One operation on a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Add a line, which the policy has completed. Unless it inherits its soak, it has its own.
    AddLine { line: Box<Line>, inherits_soak: bool },
    /// Add a release.
    Add(Box<Add>),
    /// Stop a release from entering further stages.
    Hold { version: Version, reason: String, by: Author },
    /// End a hold.
    Resume { version: Version, reason: String, by: Author },
    /// Stop offering a release in every channel. `to` is the release to install instead. For a barrier, it
    /// is required and must be higher.
    Yank { version: Version, to: Option<Version>, reason: String, by: Author },
    /// Offer a yanked release again.
    Unyank { version: Version, reason: String, by: Author },
    /// Pause a channel, given by its name or an alias: its clusters wait, and nothing is promoted into it.
    Pause { channel: ChannelName, reason: String, by: Author },
    /// Resume a paused channel, given by its name or an alias.
    Unpause { channel: ChannelName, reason: String, by: Author },
    /// Retire a line: nothing more is added to it or promoted in it, but its releases stay on offer. This
    /// cannot be undone, so releases that are on their way must be meant to be left behind.
    Retire { line: LineName, reason: String, by: Author, leave_behind: bool },
    /// Record that a restraint that the catalog has lost, or is about to lose, no longer counts.
    Loosen { what: What, reason: String, by: Author },
    /// Promote one release before its soak is over or outside its window.
    PromoteEarly(PromoteEarly),
}

impl Operation {
    /// Returns the changes that carry out the operation. They break no rule of the catalog.
    ///
    /// # Errors
    /// When the operation is refused.
    pub fn plan<'a>(&'a self, catalog: &'a Catalog, now: Time) -> Result<Outcome, Refused<'a>> {
        let mut outcome = match self {
            Self::AddLine { line, inherits_soak } => {
                let change = Change::AddLine { line: line.clone(), inherits_soak: *inherits_soak };
                Ok(Outcome::of(Subject::Line { line: line.name.clone() }, [change]))
            }
            Self::Add(ask) => add::add(catalog, ask, now),
            Self::Hold { version, reason, by } => hold::hold(catalog, version, by.event(now, reason)),
            Self::Resume { version, reason, by } => hold::resume(catalog, version, by.event(now, reason)),
            Self::Yank { version, to, reason, by } => {
                yank::yank(catalog, version, to.as_ref(), by.event(now, reason))
            }
            Self::Unyank { version, reason, by } => yank::unyank(catalog, version, by.event(now, reason)),
            Self::Pause { channel, reason, by } => pause::pause(catalog, channel, &by.event(now, reason)),
            Self::Unpause { channel, reason, by } => pause::unpause(catalog, channel, by.event(now, reason)),
            Self::Retire { line, reason, by, leave_behind } => {
                retire::retire(catalog, line, by.event(now, reason), *leave_behind)
            }
            Self::Loosen { what, reason, by } => loosen::loosen(catalog, what, by.event(now, reason)),
            Self::PromoteEarly(ask) => promote::promote_early(catalog, ask, now),
        }?;
        // A stop must not wait behind an entry whose date a fast clock made up.
        let stopped = |change: &Change| catalog.stopped_by(change).into_iter().chain([change.clone()]);
        let all: Vec<Change> = outcome.changes.iter().flat_map(stopped).collect();
        let apply =
            |changes: &[Change]| changes.iter().try_fold(catalog.clone(), |after, one| one.apply(after));
        // In a faulty line, it may be impossible to remove the entry, and the stop matters more.
        match apply(&all) {
            Ok(_) => outcome.changes = all,
            Err(_) => drop(apply(&outcome.changes)?),
        }
        outcome.notes.extend(catalog.stoppable_entries_ahead().filter_map(|ahead| {
            let Ahead { version, stage, since, .. } = ahead;
            let left = Change::Leave { version: version.clone(), stage: stage.name.clone() };
            let channel = stage.channel.clone();
            outcome.changes.contains(&left).then(|| Note::Left { version: version.clone(), channel, since })
        }));
        Ok(outcome)
    }

    /// What the operation is about, if [planning](Self::plan) it needs nothing but the lines of that.
    pub fn topic(&self) -> Option<Topic> {
        match self {
            Self::Hold { version, .. }
            | Self::Resume { version, .. }
            | Self::Yank { version, .. }
            | Self::Unyank { version, .. } => Some(Topic::Release(version.clone())),
            Self::Pause { channel, .. } | Self::Unpause { channel, .. } => {
                Some(Topic::Channel(channel.clone()))
            }
            Self::Retire { line, .. } => Some(Topic::Line(line.clone())),
            Self::AddLine { .. } | Self::Add(_) | Self::Loosen { .. } | Self::PromoteEarly(_) => None,
        }
    }

    /// Whether the operation ends a stop.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Resume { .. } | Self::Unyank { .. } | Self::Unpause { .. })
    }

    /// Returns the record that ends a stop which the catalog has lost, if the operation ends one of these: it
    /// still counts.
    pub fn end_of_lost(&self, lost: &[Restraint], catalog: &Catalog, now: Time) -> Option<Change> {
        let what = match self {
            Self::Resume { version, .. } => What::Hold(version.clone()),
            Self::Unyank { version, .. } => What::Yank(version.clone()),
            Self::Unpause { channel, .. } => {
                let channel = catalog.channel(channel)?;
                What::Pause { line: channel.line.name.clone(), stage: channel.stage().name.clone() }
            }
            _ => return None,
        };
        lost.iter().find(|one| one.what() == what)?;
        let event = self.by()?.event(now, self.reason()?);
        Some(Change::Loosen(Loosened { what, event }))
    }

    /// The reason for the operation, if one was given.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::AddLine { .. } | Self::Add(_) => None,
            Self::Hold { reason, .. }
            | Self::Resume { reason, .. }
            | Self::Unyank { reason, .. }
            | Self::Unpause { reason, .. }
            | Self::Yank { reason, .. }
            | Self::Pause { reason, .. }
            | Self::Retire { reason, .. }
            | Self::Loosen { reason, .. }
            | Self::PromoteEarly(PromoteEarly { reason, .. }) => Some(reason),
        }
    }

    /// The author of the operation, if it has one.
    pub const fn by(&self) -> Option<&Author> {
        match self {
            Self::AddLine { .. } => None,
            Self::Add(ask) => ask.by.as_ref(),
            Self::Hold { by, .. }
            | Self::Resume { by, .. }
            | Self::Unyank { by, .. }
            | Self::Unpause { by, .. }
            | Self::Yank { by, .. }
            | Self::Pause { by, .. }
            | Self::Retire { by, .. }
            | Self::Loosen { by, .. }
            | Self::PromoteEarly(PromoteEarly { by, .. }) => Some(by),
        }
    }
}

/// The result of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    pub subject: Subject,
    /// The changes that carry out the operation, in the order in which they are written. Empty if the
    /// catalog is already in the requested state.
    pub changes: Vec<Change>,
    /// Anything else that the requester should know.
    pub notes: Vec<Note>,
}

/// What an operation acts on. A channel is given by its own name, and by an alias only if several faulty lines
/// claim that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Subject {
    Release { version: Version, line: LineName },
    Channel { channel: ChannelName },
    Line { line: LineName },
    Restraint { what: What },
}

/// A remark or warning about an operation that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Something about the new release is probably a mistake.
    Doubtful(Doubtful),
    /// The release that the new one replaces is on hold.
    Held { replaced: Version },
    /// The release that the new one replaces stays on offer: it is in its last stage, where a hold would
    /// stop nothing.
    StaysOnOffer { replaced: Version, by: Version, channel: ChannelName },
    /// The release will never enter the channel, because its line is retired.
    Stranded { version: Version, channel: ChannelName },
    /// The replacement of a yanked release cannot be installed in its current state.
    Withheld(Box<Release>),
    /// The replacement has not yet entered a channel that offered the yanked release, so clusters there
    /// wait.
    NotYet { version: Version, channel: ChannelName, until: yank::Until },
    /// The stop removes an entry that is dated ahead.
    Left { version: Version, channel: ChannelName, since: Time },
    /// The line has faults, and was stopped all the same.
    FaultyLine { line: LineName },
}

impl Note {
    /// Returns the note for a release that will never enter `channel`.
    fn stranded(version: &Version, channel: &ChannelName) -> Self {
        Self::Stranded { version: version.clone(), channel: channel.clone() }
    }

    /// Returns a note if the line that is stopped has faults.
    fn of_line(catalog: &Catalog, line: &Line) -> Vec<Self> {
        let is_faulty = catalog.line(&line.name).is_none();
        is_faulty.then(|| Self::FaultyLine { line: line.name.clone() }).into_iter().collect()
    }
}

impl Outcome {
    /// Creates an outcome without notes.
    fn of(subject: Subject, changes: impl IntoIterator<Item = Change>) -> Self {
        Self { subject, changes: changes.into_iter().collect(), notes: Vec::new() }
    }

    /// Whether there is something to commit.
    pub const fn is_change(&self) -> bool {
        !self.changes.is_empty()
    }
}

impl Subject {
    fn release(line: &Line, version: &Version) -> Self {
        Self::Release { version: version.clone(), line: line.name.clone() }
    }
}
