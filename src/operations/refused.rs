//! Why an operation is refused, in the catalog's terms.

use std::fmt;

use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::promotion::Decision;
use crate::domain::release::{Event, SCHEDULE, Yank};
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};

/// Why an operation is refused. What to do about it is said in [`words`](crate::words::operations).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused<'a> {
    #[error("release `{0}` is not in the catalog")]
    NoRelease(&'a Version),
    #[error("there is no channel `{0}`")]
    NoChannel(&'a ChannelName),
    #[error("there is no line `{0}`")]
    NoLine(&'a LineName),
    #[error("no author is named")]
    NoAuthor,
    #[error("`{SCHEDULE}` is the name of the server's own promotions")]
    ReservedAuthor,

    #[error("no line takes versions like `{0}`")]
    NoLineFor(&'a Version),
    #[error("`{version}` does not belong to line `{line}`")]
    OtherLine { version: &'a Version, line: &'a LineName, prefix: Prefix },
    #[error("`{version}` is already in the catalog, with {difference}")]
    Differs { version: &'a Version, difference: Difference },
    #[error("line `{line}` has been retired since {} by {}: {}", rfc3339(retired.at), retired.by, retired.reason)]
    LineRetired { line: &'a LineName, retired: &'a Event },

    #[error("`{0}` cannot replace itself")]
    ReplacesItself(&'a Version),
    #[error("line `{line}` has no release `{version}`")]
    NotInLine { version: &'a Version, line: &'a LineName },
    #[error("`{version}` has been yanked itself")]
    ReplacementYanked { version: &'a Version, line: &'a LineName },
    #[error("`{to}` is older than `{barrier}`, a barrier: clusters between the two would jump over it")]
    BelowBarrier { barrier: &'a Version, to: &'a Version, line: &'a LineName },
    #[error("`{0}` is a barrier: without a replacement, clusters below it could not go on")]
    BarrierWithoutReplacement(&'a Version),

    #[error("`{version}` has been on hold since {} by {}: {}", rfc3339(hold.at), hold.by, hold.reason)]
    Held { version: &'a Version, hold: &'a Event },
    #[error("`{version}` is in `{channel}`, its last stage: a hold would stop nothing")]
    InLastStage { version: &'a Version, channel: &'a ChannelName },
    #[error(
        "`{version}` has been yanked since {} by {}: {}", rfc3339(yank.event.at), yank.event.by, yank.event.reason
    )]
    Yanked { version: &'a Version, yank: &'a Yank },
    #[error("`{channel}` has been paused since {} by {}: {}", rfc3339(pause.at), pause.by, pause.reason)]
    Paused { channel: &'a ChannelName, pause: &'a Event },

    /// What stands in the way are the decision's obstacles.
    #[error("`{}` cannot enter `{}` early", _0.release.version, _0.target().channel)]
    NotEarly(Box<Decision<'a>>),
    #[error("{} lies ahead, and a history is what has happened", rfc3339(*.0))]
    HistoryAhead(Time),
}

/// In what a release of the catalog differs from one that is added by the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    Spelling,
    Payloads,
    Urgency,
    Summary,
    Links,
    Components,
    Barrier,
    Replaces,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spelling => "another spelling",
            Self::Payloads => "other payloads",
            Self::Urgency => "another urgency",
            Self::Summary => "another summary",
            Self::Links => "other links",
            Self::Components => "other components",
            Self::Barrier => "no barrier",
            Self::Replaces => "another `replaces`",
        })
    }
}
