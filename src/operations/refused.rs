//! Why an operation is refused, in the catalog's terms.

use crate::domain::change::ChangeError;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::payload::MAX_NAMES;
use crate::domain::promotion::Decision;
use crate::domain::release::{Event, SCHEDULE, Yank};
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};

/// Why an operation is refused. [`words`](crate::words::operations) has the remedies.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused<'a> {
    #[error("release `{0}` is not in the catalog")]
    NoRelease(&'a Version),
    #[error("there is no channel `{0}`")]
    NoChannel(&'a ChannelName),
    #[error("there is no line `{0}`")]
    NoLine(&'a LineName),
    /// Without a line, no line has it. `stages` are those that there are.
    #[error("{} stage `{stage}`", line.map_or("no line has a".to_owned(), |line| format!("line `{line}` has no")))]
    NoStage { line: Option<&'a LineName>, stage: &'a StageName, stages: Vec<&'a StageName> },
    #[error("no author is given")]
    NoAuthor,
    #[error("`{SCHEDULE}` is reserved for the server's own promotions")]
    ReservedAuthor,

    #[error("no line accepts versions like `{0}`")]
    NoLineFor(&'a Version),
    #[error("`{version}` and `{file}` are too long together: {} bytes, and at most {MAX_NAMES} are allowed", version.to_string().len() + file.len())]
    LongName { version: &'a Version, file: &'a str },
    #[error("`{version}` is already in the catalog, with {difference}")]
    Differs { version: &'a Version, difference: Difference },

    #[error("`{version}` would wait for `{barrier}`, the held barrier that it replaces")]
    ReplacesBarrier { version: &'a Version, barrier: Version },

    #[error("`{version}` has been on hold since {} by {}: {}", rfc3339(hold.at), hold.by, hold.reason)]
    Held { version: &'a Version, hold: &'a Event },
    #[error("`{version}` is in `{channel}`, its last stage: a hold would stop nothing")]
    InLastStage { version: &'a Version, channel: &'a ChannelName },
    #[error(
        "`{version}` was yanked at {} by {}: {}", rfc3339(yank.event.at), yank.event.by, yank.event.reason
    )]
    Yanked { version: &'a Version, yank: &'a Yank },
    #[error("`{version}` has been yanked as well")]
    ReplacementYanked { version: &'a Version, line: &'a LineName },
    #[error("`{channel}` has been paused since {} by {}: {}", rfc3339(pause.at), pause.by, pause.reason)]
    Paused { channel: &'a ChannelName, pause: &'a Event },
    #[error("line `{line}` was retired at {} by {}: {}", rfc3339(retired.at), retired.by, retired.reason)]
    LineRetired { line: &'a LineName, retired: &'a Event },

    #[error(
        "{} on the way to `{channel}`, and would never arrive: line `{line}` would take no promotions any more",
        are(versions)
    )]
    Strands { line: &'a LineName, versions: Vec<&'a Version>, channel: &'a ChannelName },

    /// The decision's obstacles are the gates that are in the way.
    #[error("`{}` cannot enter `{}` early", _0.release.version, _0.target().channel)]
    NotEarly(Box<Decision<'a>>),
    #[error("{} is in the future, and only past promotions can be recorded", rfc3339(*.0))]
    HistoryAhead(Time),
    #[error("`{role}` expired at {}, so nothing can be published; this machine's clock says {}", rfc3339(*expires), rfc3339(*now))]
    Expired { role: &'static str, expires: Time, now: Time },
    #[error("this machine's clock says {}, but the last publication was made at {}", rfc3339(*now), rfc3339(*made))]
    ClockBehind { now: Time, made: Time },
    #[error("this machine's clock says {}, but what is published was last renewed at {}, and a server renews it every day", rfc3339(*now), rfc3339(*made))]
    ClockAhead { now: Time, made: Time },
    /// The change cannot be applied, for example because it would break a rule of the catalog.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

fn are(versions: &[&Version]) -> String {
    let names: Vec<String> = versions.iter().map(|version| format!("`{version}`")).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// How a release in the catalog differs from one added with the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    #[error("another spelling")]
    Spelling,
    #[error("other payloads")]
    Payloads,
    #[error("another urgency")]
    Urgency,
    #[error("another summary")]
    Summary,
    #[error("other links")]
    Links,
    #[error("other components")]
    Components,
    #[error("`barrier` not set")]
    Barrier,
    #[error("another `replaces`")]
    Replaces,
}
