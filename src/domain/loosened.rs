//! The records of restraints that no longer count, and the names by which they refer to them.

use std::fmt;

use super::as_text::as_text;
use super::channel::{LineName, StageName};
use super::release::Event;
use super::version::Version;
use super::{Time, rfc3339};

/// The record of a decision that a restraint no longer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loosened {
    pub what: What,
    pub event: Event,
}

/// What a record takes back, such as `hold/1.8.4` or `freeze/1.8/2017-12-22T00:00:00Z`. Without a line, it is
/// that of every line, as the policy sets it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum What {
    Freeze {
        line: Option<LineName>,
        from: Time,
    },
    Window {
        line: Option<LineName>,
        stage: StageName,
    },
    Soak {
        line: Option<LineName>,
        stage: StageName,
    },
    Pause {
        line: LineName,
        stage: StageName,
    },
    Retired(LineName),
    Hold(Version),
    Yank(Version),
    Barrier(Version),
    /// Everything that a server remembered at this time, and can no longer read.
    Forgotten(Time),
}

/// Why a string does not name a restraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names nothing that can be loosened: expected `hold/VERSION`, `yank/VERSION`, `barrier/VERSION`, `pause/LINE/STAGE`, `soak/LINE/STAGE`, `window/LINE/STAGE`, `freeze/LINE/FROM`, `retired/LINE` or `forgotten/TIME`"
)]
pub struct WhatError(String);

impl What {
    /// Parses a name.
    ///
    /// # Errors
    /// When the string does not name a restraint.
    pub fn parse(text: &str) -> Result<Self, WhatError> {
        Self::parts(text).ok_or_else(|| WhatError(text.to_owned()))
    }

    fn parts(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        let (line, last) = match rest.split_once('/') {
            Some((line, last)) => (Some(LineName::parse(line).ok()?), last),
            None => (None, rest),
        };
        let stage = || StageName::parse(last).ok();
        let version = || Version::parse(rest).ok();
        let time = || Some(chrono::DateTime::parse_from_rfc3339(last).ok()?.to_utc());
        Some(match kind {
            "freeze" => Self::Freeze { line, from: time()? },
            "window" => Self::Window { line, stage: stage()? },
            "soak" => Self::Soak { line, stage: stage()? },
            "pause" => Self::Pause { line: line?, stage: stage()? },
            "retired" => Self::Retired(LineName::parse(rest).ok()?),
            "hold" => Self::Hold(version()?),
            "yank" => Self::Yank(version()?),
            "barrier" => Self::Barrier(version()?),
            "forgotten" if line.is_none() => Self::Forgotten(time()?),
            _ => return None,
        })
    }

    /// The same of every line, if it is something that the policy can set for every line.
    #[must_use]
    pub fn of_every_line(&self) -> Option<Self> {
        match self {
            Self::Freeze { from, .. } => Some(Self::Freeze { line: None, from: *from }),
            Self::Window { stage, .. } => Some(Self::Window { line: None, stage: stage.clone() }),
            Self::Soak { stage, .. } => Some(Self::Soak { line: None, stage: stage.clone() }),
            _ => None,
        }
    }

    /// The line that it belongs to, if it names one.
    pub const fn line(&self) -> Option<&LineName> {
        match self {
            Self::Freeze { line, .. } | Self::Window { line, .. } | Self::Soak { line, .. } => line.as_ref(),
            Self::Pause { line, .. } | Self::Retired(line) => Some(line),
            Self::Hold(_) | Self::Yank(_) | Self::Barrier(_) | Self::Forgotten(_) => None,
        }
    }

    /// The stage that it belongs to, if it names one.
    pub const fn stage(&self) -> Option<&StageName> {
        match self {
            Self::Window { stage, .. } | Self::Soak { stage, .. } | Self::Pause { stage, .. } => Some(stage),
            _ => None,
        }
    }

    /// The release that it belongs to, if it names one.
    pub const fn version(&self) -> Option<&Version> {
        match self {
            Self::Hold(version) | Self::Yank(version) | Self::Barrier(version) => Some(version),
            _ => None,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Freeze { .. } => "freeze",
            Self::Window { .. } => "window",
            Self::Soak { .. } => "soak",
            Self::Pause { .. } => "pause",
            Self::Retired(_) => "retired",
            Self::Hold(_) => "hold",
            Self::Yank(_) => "yank",
            Self::Barrier(_) => "barrier",
            Self::Forgotten(_) => "forgotten",
        };
        write!(f, "{kind}")?;
        if let Some(line) = self.line() {
            write!(f, "/{line}")?;
        }
        match self {
            Self::Freeze { from: at, .. } | Self::Forgotten(at) => write!(f, "/{}", rfc3339(*at)),
            Self::Window { stage, .. } | Self::Soak { stage, .. } | Self::Pause { stage, .. } => {
                write!(f, "/{stage}")
            }
            Self::Retired(_) => Ok(()),
            Self::Hold(version) | Self::Yank(version) | Self::Barrier(version) => write!(f, "/{version}"),
        }
    }
}

as_text!(What, WhatError);
