//! Why a cluster refuses what a server sends, or cannot continue.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::channel::ChannelName;
use crate::domain::span::Span;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::remote::{SetupError, Unanswered};
use crate::signing::verify::Violation;
use crate::store::durable::WriteError;
use crate::store::plain;

/// A refusal. It leaves the trusted state unchanged.
///
/// [`kind`](Self::kind) is its stable name in logs, in `failureStatus.type` and in tests.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{}; {}", chain(.0), .0.hint())]
    Client(SetupError),
    /// The `--current` command failed.
    #[error("the version that the cluster runs is unknown: {0}")]
    Current(String),
    /// The place is quoted, and names a proxy.
    #[error("{place} cannot be reached: {detail}")]
    Unreachable { place: String, detail: String },
    /// The server did not send the file, for this reason and its causes.
    #[error("{}", chain(.0))]
    Unanswered(Unanswered),
    #[error("`{path}` is larger than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("`{path}` is too slow: {detail}")]
    TooSlow { path: String, detail: String },
    #[error("`{path}` ended after {found} of {expected} bytes")]
    Truncated { path: String, expected: u64, found: u64 },
    /// A document is invalid, for this reason and its causes.
    #[error("{}", chain(.0))]
    Document(Violation),
    #[error("`{path}` is valid until `{}`, which is more than {limit} ahead", rfc3339(*.expires))]
    TooLasting { path: String, expires: Time, limit: Span },
    #[error("there is no channel `{0}`")]
    UnknownChannel(ChannelName),
    #[error("the manifest of channel `{asked}` is for {found}")]
    WrongChannel { asked: ChannelName, found: String },
    #[error("{0} is signed by throw-away keys")]
    Demo(String),
    #[error("the manifests of line `{line}` contradict each other: {detail}")]
    Contradiction { line: String, detail: String },
    #[error("release `{0}` follows a different line than its channel says")]
    WrongLine(Version),
    #[error(
        "this machine's clock says `{}`, but documents that were verified already were signed at `{}`",
        rfc3339(*.now),
        rfc3339(*.known)
    )]
    ClockBack { now: Time, known: Time },
    #[error("release `{version}` has no payload for {machine}, only for {}; add the cluster again with `--replace` and `--arch A`", .has.join(", "))]
    NoPayload {
        version: Version,
        /// A description of the machine that needs a payload.
        machine: String,
        /// The architectures that the release has payloads for, in backticks.
        has: Vec<String>,
    },
    #[error("{files} cannot be downloaded: {needed} bytes are needed, but the disk has space for {free}")]
    NoSpace {
        /// The payloads, in backticks.
        files: String,
        needed: u64,
        free: u64,
    },
    #[error("{what} was stopped")]
    Stopped { what: String },
    #[error("{holder}, and has not finished within {:.0} s", waited.as_secs_f64())]
    Busy {
        /// What another command does.
        holder: &'static str,
        waited: Duration,
    },
    /// The cause is part of the message, since that is shown without its sources.
    #[error("`{}` cannot be used: {cause}", path.display())]
    State { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::Document(violation)
    }
}

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

impl Refusal {
    /// The stable name of this kind of refusal.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "Server",
            Self::Current(_) => "CurrentUnknown",
            Self::Unreachable { .. } | Self::Unanswered(Unanswered::Fault { .. }) => "Unreachable",
            Self::Unanswered(Unanswered::Status { .. }) => "BadStatus",
            Self::Unanswered(Unanswered::NotADocument { .. }) => "Unreadable",
            Self::Unanswered(Unanswered::Redirected { .. }) => "Redirected",
            Self::Unanswered(Unanswered::Compressed { .. }) => "Compressed",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooSlow { .. } => "TooSlow",
            Self::Truncated { .. } => "Truncated",
            Self::Document(violation) => violation.kind(),
            Self::TooLasting { .. } => "ValidTooLong",
            Self::UnknownChannel(_) => "UnknownChannel",
            Self::WrongChannel { .. } => "WrongChannel",
            Self::Demo(_) => "DemoKeys",
            Self::Contradiction { .. } => "Contradiction",
            Self::WrongLine(_) => "WrongLine",
            Self::ClockBack { .. } => "ClockBack",
            Self::NoPayload { .. } => "NoPayload",
            Self::NoSpace { .. } => "NoSpace",
            Self::Stopped { .. } => "Stopped",
            Self::Busy { .. } => "Busy",
            Self::State { .. } | Self::Write(_) => "State",
        }
    }

    /// Whether documents could not be fetched at all. The cluster then continues with the trusted state
    /// until it expires.
    pub const fn is_outage(&self) -> bool {
        use Unanswered::{Fault, Redirected, Status};
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TooSlow { .. }
                | Self::Unanswered(Fault { .. } | Status { .. } | Redirected { .. })
        )
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        let cause = match self {
            Self::State { cause, .. } => cause,
            Self::Write(error) => &error.source,
            _ => return false,
        };
        matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// What the cluster's operator can do about the refusal.
    pub fn hint(&self) -> Cow<'static, str> {
        if let Self::Unanswered(unanswered) = self {
            return unanswered.hint().into();
        }
        let hint = match self.kind() {
            "Server" => "remove the cluster and add it again with another `--server` or `--ca`",
            "CurrentUnknown" => "`--current CMD` must print the version on stdout and exit with 0",
            "Unreachable" => "check the network and the server; the agent retries automatically",
            "Unreadable" => {
                "something else than the repository answers: compare `--server` with the server's address; a plain web server must answer 404 for files that do not exist"
            }
            "NoIndex" => {
                "ask the server's operator to run `tidegate release sign`, with a version of tidegate that is at least as new as this one"
            }
            "TooNew" => "install a newer version of tidegate here",
            "TooLarge" | "TooSlow" | "Truncated" => {
                "if this persists, check the server, its proxies and the network"
            }
            "Missing" => "the server is incomplete: ask its operator",
            "NotEnoughSignatures" => {
                "another server may be answering; compare `--root FILE` with the root of the server's operator"
            }
            "Rollback" => {
                "the server, or somebody in between, is presenting an older state as new; if the server was restored from a backup, its operator must run `tidegate recover`"
            }
            "VersionReused" => {
                "two servers may be signing with the same key; ask the server's operator, who may have to run `tidegate recover`"
            }
            "Expired" => {
                "the server has stopped renewing its documents, or somebody is presenting an old state; in a closed network, accept expired documents with `--stale-ok 90d`"
            }
            "ValidTooLong" => {
                "set this machine's clock if it is behind; otherwise somebody else may be signing with the server's online key: ask the server's operator"
            }
            "TooManyRoots" => {
                "get the newest root in a way that you trust, remove the cluster, and add it again with that root"
            }
            "MixAndMatch" | "WrongDigest" => {
                "a mirror or a proxy may be mixing old files with new ones; ask its operator"
            }
            "UnknownChannel" => {
                "list all channels with `tidegate channel list` on the server, or with GET /v1/channels, then follow one: `tidegate cluster follow NAME CHANNEL`"
            }
            "DemoKeys" => "do not run a demo's releases in production; to try one, use `cluster add --demo`",
            "ClockBack" => "set this machine's clock",
            "NoPayload" => {
                "run `tidegate cluster add` with `--replace --arch A` and the other settings as before"
            }
            "NoSpace" => "free some space on the disk of the state folder; the agent retries automatically",
            "Stopped" => "the part that was downloaded is kept, and the download resumes from there",
            "Busy" => "try again in a moment",
            "State" => "check the state folder, its owner and the free space",
            _ => "do not trust this server until its operator has explained this",
        };
        hint.into()
    }

    /// What is recorded: the agent's operator reads it later, and has no command that adds the hint.
    pub fn recorded(&self) -> String {
        match self {
            Self::Unanswered(unanswered) => format!("{self}; {}", unanswered.hint()),
            _ => self.to_string(),
        }
    }

    /// The refusal for a file or folder of the state that cannot be used.
    pub fn state(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| {
            let cause = plain::explained(&path, cause);
            Self::State { path, cause }
        }
    }

    /// Why the state cannot be used, if that is the reason.
    pub const fn of_state(&self) -> Option<&io::Error> {
        match self {
            Self::State { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// The refusal for a file of the state that no longer contains what was written to it.
    pub fn damaged(path: impl Into<PathBuf>, detail: impl Into<String>) -> Self {
        Self::state(path)(io::Error::new(io::ErrorKind::InvalidData, detail.into()))
    }
}

/// The maximum length of an error message, in characters.
const LONGEST: usize = 500;

/// An error with its causes, on one line. It may quote unverified text, so anything but printable ASCII is
/// replaced by `?`.
fn chain(error: &dyn std::error::Error) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    crate::domain::chain(error).chars().map(shown).take(LONGEST).collect()
}
