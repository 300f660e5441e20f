//! What can be wrong with documents.

use super::signed::{ParseError, SignatureError};
use crate::domain::payload::Sha256;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::canonical::StrictError;

/// Why a client refuses a repository.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    #[error("`{path}` is missing")]
    Missing { path: String },
    #[error("`{path}` cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: ParseError,
    },
    #[error("`{path}` is not signed as it must be")]
    Signature {
        path: String,
        #[source]
        source: SignatureError,
    },
    #[error("`{path}` expired at `{}`", rfc3339(*.expires))]
    Expired { path: String, expires: Time },
    #[error("`{path}` has version `{found}`, and `{expected}` is listed")]
    Version { path: String, expected: u64, found: u64 },
    #[error("`{path}` has {found} bytes, and {expected} are listed")]
    Length { path: String, expected: u64, found: u64 },
    #[error("`{path}` has the digest `{found}`, and `{expected}` is listed")]
    Digest { path: String, expected: Sha256, found: Sha256 },
    #[error("the root after version `{trusted}` has version `{found}`")]
    BrokenChain { trusted: u64, found: u64 },
    #[error("there are {limit} new roots or more")]
    TooManyRoots { limit: u64 },
    #[error("the role `{role}` is not in the snapshot")]
    NotInSnapshot { role: String },
    #[error("nobody delegates to the role `{role}`")]
    NotDelegated { role: String },
    #[error("the delegated role `{role}` delegates further")]
    Nested { role: String },
    #[error("clients disagree on what the path `{path}` of the role `{role}` means")]
    Path { role: String, path: String },
    #[error("the role `{role}` lists `{target}`, which it may not")]
    Scope { role: String, target: String },
    #[error("`{path}` is listed as `{found}`, and is about `{expected}`")]
    Name { path: String, expected: String, found: String },
    #[error("`{path}` names `{target}`, which its line's role does not list, or lists with other bytes")]
    NotListed { path: String, target: String },
    #[error(
        "`{path}` offers release `{version}` since `{}`, and its release keys allow that from `{}` on",
        rfc3339(*.since),
        rfc3339(*.not_before)
    )]
    TooEarly { path: String, version: Version, since: Time, not_before: Time },
    #[error("the latest in `{path}` is {}, and the highest that it offers is {}", shown(.latest.as_ref()), shown(.highest.as_ref()))]
    Latest { path: String, latest: Option<Version>, highest: Option<Version> },
    #[error("`{what}` went back from version `{from}` to `{to}`")]
    WentBack { what: String, from: u64, to: u64 },
    #[error("the role `{role}` has other bytes under the same version `{version}`")]
    VersionReused { role: String, version: u64 },
    #[error("the role `{role}` was in the last snapshot and is missing from this one")]
    Vanished { role: String },
}

impl Violation {
    /// What is wrong with the signatures of the document at a path.
    pub(super) fn signature(path: &str) -> impl FnOnce(SignatureError) -> Self + '_ {
        move |source| Self::Signature { path: path.to_owned(), source }
    }

    /// The stable word for what is wrong, as `failureStatus.type` of a cluster has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NotInSnapshot { .. } | Self::NotDelegated { .. } => "Missing",
            Self::Unreadable { source, .. } => match source {
                ParseError::SignsTwice(_) => "NotEnoughSignatures",
                ParseError::Envelope(json) | ParseError::Signed(StrictError::Json(json))
                    if !json.is_data() =>
                {
                    "Unreadable"
                }
                ParseError::Envelope(_) | ParseError::Signed(_) => "Malformed",
            },
            Self::Signature { .. } => "NotEnoughSignatures",
            Self::Expired { .. } => "Expired",
            // A target is known by its digest alone, a role also by its place among the others.
            Self::Digest { path, .. } if !path.starts_with("metadata/") => "WrongDigest",
            Self::Version { .. } | Self::Length { .. } | Self::Digest { .. } => "MixAndMatch",
            Self::BrokenChain { .. } => "BrokenChain",
            Self::TooManyRoots { .. } => "TooManyRoots",
            Self::Nested { .. } | Self::Path { .. } | Self::Scope { .. } => "OutOfScope",
            Self::Name { found, .. } if found.starts_with("channel.") => "WrongChannel",
            Self::Name { .. } => "WrongRelease",
            Self::NotListed { .. } => "NotListed",
            Self::TooEarly { .. } => "Unverified",
            Self::Latest { .. } => "Contradiction",
            Self::WentBack { .. } | Self::Vanished { .. } => "Rollback",
            Self::VersionReused { .. } => "VersionReused",
        }
    }
}

fn shown(version: Option<&Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("`{version}`"))
}
