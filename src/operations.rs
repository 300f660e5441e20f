//! What a person or a program asks of a catalog: each operation is a function of the catalog, what is
//! asked, and the time.
//!
//! An operation returns the changes that carry it out, or why it is refused. It writes nothing and knows
//! no file, command line or request, so every way in (the command line, an API, a page) has the same
//! rules. Whoever calls it commits the changes, and asks again if another commit came first.

pub mod add;
mod author;
mod hold;
mod pause;
pub mod promote;
#[cfg(test)]
mod properties;
mod refused;
mod retire;
pub mod sign;
pub mod yank;

use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::change::Change;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Line;
use crate::domain::release::Release;
use crate::domain::version::Version;

pub use add::{Add, add};
pub use author::Author;
pub use hold::{Hold, Resume, hold, resume};
pub use pause::{Pause, Unpause, pause, unpause};
pub use promote::{PromoteEarly, promote_early};
pub use refused::{Difference, Refused};
pub use retire::{Retire, retire};
pub use yank::{Unyank, Yank, unyank, yank};

/// One thing that is asked of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Add(Box<Add>),
    Hold(Hold),
    Resume(Resume),
    Yank(Yank),
    Unyank(Unyank),
    Pause(Pause),
    Unpause(Unpause),
    Retire(Retire),
    PromoteEarly(PromoteEarly),
}

impl Operation {
    /// The changes that carry the operation out.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn plan<'a>(&'a self, catalog: &'a Catalog, now: Time) -> Result<Outcome, Refused<'a>> {
        match self {
            Self::Add(ask) => add(catalog, ask, now),
            Self::Hold(ask) => hold(catalog, ask, now),
            Self::Resume(ask) => resume(catalog, ask),
            Self::Yank(ask) => yank(catalog, ask, now),
            Self::Unyank(ask) => unyank(catalog, ask),
            Self::Pause(ask) => pause(catalog, ask, now),
            Self::Unpause(ask) => unpause(catalog, ask),
            Self::Retire(ask) => retire(catalog, ask, now),
            Self::PromoteEarly(ask) => promote_early(catalog, ask, now),
        }
    }

    /// Why somebody asks for it, where they said so.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Add(_) | Self::Resume(_) | Self::Unpause(_) => None,
            Self::Hold(ask) => Some(&ask.reason),
            Self::Yank(ask) => Some(&ask.reason),
            Self::Unyank(ask) => ask.reason.as_deref(),
            Self::Pause(ask) => Some(&ask.reason),
            Self::Retire(ask) => Some(&ask.reason),
            Self::PromoteEarly(ask) => Some(&ask.reason),
        }
    }

    /// Who asks for it, where the catalog records that.
    #[must_use]
    pub const fn by(&self) -> Option<&Author> {
        match self {
            Self::Resume(_) | Self::Unyank(_) | Self::Unpause(_) => None,
            Self::Add(ask) => ask.by.as_ref(),
            Self::Hold(ask) => Some(&ask.by),
            Self::Yank(ask) => Some(&ask.by),
            Self::Pause(ask) => Some(&ask.by),
            Self::Retire(ask) => Some(&ask.by),
            Self::PromoteEarly(ask) => Some(&ask.by),
        }
    }
}

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    pub subject: Subject,
    /// What carries the operation out, in the order in which it is written; nothing if the catalog says
    /// already what was asked.
    pub changes: Vec<Change>,
    /// What whoever asked should know beside that.
    pub notes: Vec<Note>,
}

/// What an operation is about, by its own name and never an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Release { line: LineName, version: Version },
    Channel(ChannelName),
    Line(LineName),
}

/// Something to know about an operation that is carried out all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The release that the added one replaces is on hold.
    Held { replaced: Version },
    /// The release that the added one replaces stays on offer in its last stage, where no hold stops it.
    StaysOnOffer { replaced: Version, by: Version, channel: ChannelName },
    /// The replacement of a yanked release cannot be installed as it is.
    Withheld(Box<Release>),
    /// The replacement of a yanked release has not entered a channel that the yanked one was in:
    /// clusters there wait.
    NotYet { version: Version, channel: ChannelName, until: yank::Until },
}

impl Outcome {
    fn unchanged(subject: Subject) -> Self {
        Self { subject, changes: Vec::new(), notes: Vec::new() }
    }

    fn changed(subject: Subject, change: Change) -> Self {
        Self { subject, changes: vec![change], notes: Vec::new() }
    }

    /// Whether there is something to commit.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        !self.changes.is_empty()
    }
}

impl Subject {
    fn release(line: &Line, release: &Release) -> Self {
        Self::Release { line: line.name.clone(), version: release.version.clone() }
    }
}

fn find_release<'a>(
    catalog: &'a Catalog,
    version: &'a Version,
) -> Result<(&'a Line, &'a Release), Refused<'a>> {
    catalog.release(version).ok_or(Refused::NoRelease(version))
}

fn find_channel<'a>(catalog: &'a Catalog, name: &'a ChannelName) -> Result<ChannelRef<'a>, Refused<'a>> {
    catalog.channel(name).ok_or(Refused::NoChannel(name))
}

fn find_line<'a>(catalog: &'a Catalog, name: &'a LineName) -> Result<&'a Line, Refused<'a>> {
    catalog.line(name).ok_or(Refused::NoLine(name))
}
