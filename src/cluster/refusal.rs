//! Why a cluster does not take what it was given.

use std::io;
use std::path::PathBuf;

use crate::domain::channel::ChannelName;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
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
    #[error("`{url}` sends elsewhere, with status {status}")]
    Redirected { url: String, status: u16 },
    #[error("`{path}` is larger than the {limit} bytes that it may have")]
    TooLarge { path: String, limit: u64 },
    #[error("`{path}` comes too slowly: {detail}")]
    TooSlow { path: String, detail: String },
    #[error("`{path}` ended after {found} bytes, and {expected} are listed")]
    Truncated { path: String, expected: u64, found: u64 },
    #[error("`{path}` is listed and missing")]
    Missing { path: String },
    #[error("`{path}` cannot be read: {detail}")]
    Unreadable { path: String, detail: String },
    #[error("`{path}` is not in the one form that all readers share: {detail}")]
    Malformed { path: String, detail: String },
    #[error("`{path}` comes compressed, which was not asked for")]
    Compressed { path: String },
    #[error("`{path}` is not signed as it must be: {detail}")]
    Signatures { path: String, detail: String },
    #[error("{what} went back: {detail}")]
    Rollback { what: String, detail: String },
    #[error("the root of version `{found}` stands where the one after `{trusted}` should")]
    BrokenChain { trusted: u64, found: u64 },
    #[error("there are {limit} roots or more after the one that is trusted here")]
    TooManyRoots { limit: u64 },
    #[error("{what} expired at `{}`", rfc3339(*.expires))]
    Expired { what: String, expires: Time },
    #[error("`{path}` does not belong to the others: {detail}")]
    MixAndMatch { path: String, detail: String },
    #[error("`{path}` has the digest `{found}`, and `{expected}` is listed")]
    WrongDigest { path: String, expected: String, found: String },
    #[error("the role `{role}` lists {target}, which it may not")]
    Scope { role: String, target: String },
    #[error("there is no channel `{0}`")]
    UnknownChannel(ChannelName),
    #[error("the document of channel `{asked}` speaks of {found}")]
    WrongChannel { asked: String, found: String },
    #[error("`{path}` speaks of {found}, and {expected} was asked for")]
    WrongRelease { path: String, expected: String, found: String },
    #[error("{what} names `{target}`, and its line's role does not list that, or lists other bytes")]
    NotListed { what: String, target: String },
    #[error("{0} is signed by throw-away keys")]
    Demo(String),
    #[error("the manifests of line `{line}` contradict each other: {detail}")]
    Contradiction { line: String, detail: String },
    #[error("release `{0}` follows another line than its channel says")]
    WrongLine(Version),
    #[error("this machine's clock stands at `{now}`, before `{known}`, which it has seen")]
    ClockBack { now: String, known: String },
    #[error("`{path}` was not verified, for a reason of its own: {detail}")]
    Unverified { path: String, detail: String },
    #[error("release `{version}` has no payload for {machine}, only for {}; name its architecture with `--arch A`", .has.join(", "))]
    NoPayload {
        version: Version,
        /// Whose payloads are wanted, in words.
        machine: String,
        /// The architectures that it has payloads for, in backticks.
        has: Vec<String>,
    },
    #[error("{what} was told to stop")]
    Stopped { what: String },
    #[error("`{}` cannot be used: {source}", path.display())]
    State { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Refusal {
    /// The stable word for this kind of refusal.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::Status { .. } => "BadStatus",
            Self::Redirected { .. } => "Redirected",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooSlow { .. } => "TooSlow",
            Self::Truncated { .. } => "Truncated",
            Self::Missing { .. } => "Missing",
            Self::Unreadable { .. } => "Unreadable",
            Self::Malformed { .. } => "Malformed",
            Self::Compressed { .. } => "Compressed",
            Self::Signatures { .. } => "NotEnoughSignatures",
            Self::Rollback { .. } => "Rollback",
            Self::BrokenChain { .. } => "BrokenChain",
            Self::TooManyRoots { .. } => "TooManyRoots",
            Self::Expired { .. } => "Expired",
            Self::MixAndMatch { .. } => "MixAndMatch",
            Self::WrongDigest { .. } => "WrongDigest",
            Self::Scope { .. } => "OutOfScope",
            Self::UnknownChannel(_) => "UnknownChannel",
            Self::WrongChannel { .. } => "WrongChannel",
            Self::WrongRelease { .. } => "WrongRelease",
            Self::NotListed { .. } => "NotListed",
            Self::Demo(_) => "DemoKeys",
            Self::Contradiction { .. } => "Contradiction",
            Self::WrongLine(_) => "WrongLine",
            Self::ClockBack { .. } => "ClockBack",
            Self::Unverified { .. } => "Unverified",
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
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "look at the network and at the server; it is asked again by itself",
            Self::Status { .. } => "ask the server's operator; it is asked again by itself",
            Self::Redirected { .. } => "name the server's own address: redirects are not followed",
            Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::Truncated { .. }
            | Self::Compressed { .. } => {
                "if it stays so, the server, a proxy before it or the network is at fault"
            }
            Self::Missing { .. } => "the server is incomplete: ask its operator",
            Self::Signatures { .. } => {
                "somebody else may be answering; compare `--root FILE` with that of the server's operator"
            }
            Self::Rollback { .. } => {
                "an older state is passed off as new, by somebody else, or after a restore: its operator knows `tidegate recover`"
            }
            Self::Expired { .. } => {
                "the server is not renewed, or an old state is passed off as new; where that is wanted, in a closed network: `--stale-ok 90d`"
            }
            Self::TooManyRoots { .. } => {
                "get the newest root in a way that you trust, then remove the cluster and add it again with it"
            }
            Self::MixAndMatch { .. } | Self::WrongDigest { .. } => {
                "a mirror or a proxy in between may mix old files with new ones; ask its operator"
            }
            Self::UnknownChannel(_) => {
                "see all channels with `tidegate channel list` at the server, or GET /v1/channels"
            }
            Self::Demo(_) => "a demo's releases are for nobody; to try it all the same: `cluster add --demo`",
            Self::ClockBack { .. } => "set this machine's clock",
            Self::NoPayload { .. } => {
                "name the architecture: `tidegate cluster add` with `--replace --arch A` and the other settings as before"
            }
            Self::Stopped { .. } => "what came so far is kept; it goes on from there",
            Self::State { .. } | Self::Write(_) => "look at the state folder, its owner and the free space",
            Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::BrokenChain { .. }
            | Self::Scope { .. }
            | Self::WrongChannel { .. }
            | Self::WrongRelease { .. }
            | Self::NotListed { .. }
            | Self::Contradiction { .. }
            | Self::WrongLine(_)
            | Self::Unverified { .. } => "do not trust this server until its operator has explained it",
        }
    }

    /// A file or folder of the state that cannot be used.
    pub fn state(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::State { path, source }
    }
}
