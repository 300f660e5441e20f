//! Why a cluster does not take what it was given.

use std::io;
use std::path::PathBuf;

use crate::domain::channel::ChannelName;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::signing::verify::Violation;
use crate::store::durable::WriteError;

/// A refusal. What was trusted before is as it was.
///
/// [`kind`](Self::kind) is the stable word for it, in logs, in `failureStatus.type` and in tests.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("`{url}` cannot be reached: {detail}")]
    Unreachable { url: String, detail: String },
    #[error("`{url}` answered with status {status}")]
    Status { url: String, status: u16 },
    #[error("`{url}` redirects elsewhere, with status {status}")]
    Redirected { url: String, status: u16 },
    #[error("`{path}` is larger than the {limit} bytes that it may have")]
    TooLarge { path: String, limit: u64 },
    #[error("`{path}` is too slow: {detail}")]
    TooSlow { path: String, detail: String },
    #[error("`{path}` ended after {found} bytes, and {expected} are listed")]
    Truncated { path: String, expected: u64, found: u64 },
    #[error("`{path}` is compressed, which was not asked for")]
    Compressed { path: String },
    /// What is wrong with documents, with its causes.
    #[error("{}", chain(.0))]
    Document(Violation),
    #[error("there is no channel `{0}`")]
    UnknownChannel(ChannelName),
    #[error("the manifest of channel `{asked}` is of {found}")]
    WrongChannel { asked: ChannelName, found: String },
    #[error("{0} is signed by throw-away keys")]
    Demo(String),
    #[error("the manifests of line `{line}` contradict each other: {detail}")]
    Contradiction { line: String, detail: String },
    #[error("release `{0}` follows another line than its channel says")]
    WrongLine(Version),
    #[error(
        "this machine's clock is at `{}`, which is before `{}`, when documents were last verified",
        rfc3339(*.now),
        rfc3339(*.known)
    )]
    ClockBack { now: Time, known: Time },
    #[error("release `{version}` has no payload for {machine}, only for {}; name its architecture with `--arch A`", .has.join(", "))]
    NoPayload {
        version: Version,
        /// Whose payloads are wanted, in words.
        machine: String,
        /// The architectures that it has payloads for, in backticks.
        has: Vec<String>,
    },
    #[error("{what} was stopped")]
    Stopped { what: String },
    #[error("`{}` cannot be used: {source}", path.display())]
    State { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        Self::Document(violation)
    }
}

impl Refusal {
    /// The stable word for this kind of refusal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::Status { .. } => "BadStatus",
            Self::Redirected { .. } => "Redirected",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooSlow { .. } => "TooSlow",
            Self::Truncated { .. } => "Truncated",
            Self::Compressed { .. } => "Compressed",
            Self::Document(violation) => violation.kind(),
            Self::UnknownChannel(_) => "UnknownChannel",
            Self::WrongChannel { .. } => "WrongChannel",
            Self::Demo(_) => "DemoKeys",
            Self::Contradiction { .. } => "Contradiction",
            Self::WrongLine(_) => "WrongLine",
            Self::ClockBack { .. } => "ClockBack",
            Self::NoPayload { .. } => "NoPayload",
            Self::Stopped { .. } => "Stopped",
            Self::State { .. } | Self::Write(_) => "State",
        }
    }

    /// Whether nothing was said against the server's documents: they could not be had. Then what was
    /// verified before goes on counting until it expires.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Status { .. } | Self::Redirected { .. } | Self::TooSlow { .. }
        )
    }

    /// What the operator of the cluster may do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind() {
            "Unreachable" => "check the network and the server; the server is asked again automatically",
            "BadStatus" => "ask the server's operator; the server is asked again automatically",
            "Redirected" => "name the server's own address: redirects are not followed",
            "TooLarge" | "TooSlow" | "Truncated" | "Compressed" => {
                "if this persists, the server, a proxy before it or the network is at fault"
            }
            "Missing" => "the server is incomplete: ask its operator",
            "NotEnoughSignatures" => {
                "somebody else may be answering; compare `--root FILE` with that of the server's operator"
            }
            "Rollback" => {
                "an older state is presented as new, by somebody else, or after a restore: the server's operator knows `tidegate recover`"
            }
            "VersionReused" => {
                "two servers may sign with one key: ask the operator of this one, who knows `tidegate recover`"
            }
            "Expired" => {
                "the server is not renewed, or an old state is presented as new; where that is wanted, in a closed network: `--stale-ok 90d`"
            }
            "TooManyRoots" => {
                "get the newest root in a way that you trust, then remove the cluster and add it again with it"
            }
            "MixAndMatch" | "WrongDigest" => {
                "a mirror or a proxy in between may mix old files with new ones; ask its operator"
            }
            "UnknownChannel" => {
                "see all channels with `tidegate channel list` at the server, or GET /v1/channels"
            }
            "DemoKeys" => "nobody should run a demo's releases; to try it all the same: `cluster add --demo`",
            "ClockBack" => "set this machine's clock",
            "NoPayload" => {
                "name the architecture: `tidegate cluster add` with `--replace --arch A` and the other settings as before"
            }
            "Stopped" => "what was downloaded so far is kept; the download resumes from there",
            "State" => "check the state folder, its owner and the free space",
            _ => "do not trust this server until its operator has explained it",
        }
    }

    /// A file or folder of the state that cannot be used.
    pub fn state(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::State { path, source }
    }

    /// A file of the state that holds something else than was written there.
    pub fn damaged(path: impl Into<PathBuf>, detail: impl Into<String>) -> Self {
        Self::state(path)(io::Error::new(io::ErrorKind::InvalidData, detail.into()))
    }
}

/// How much of an error is shown: as much as a person reads.
const LONGEST: usize = 500;

/// An error with its causes, in one line. It may quote what nobody has verified: only characters that
/// any terminal can show are left.
fn chain(error: &dyn std::error::Error) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    crate::domain::chain(error).chars().map(shown).take(LONGEST).collect()
}
