//! Why a document is refused.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::signed::{ParseError, SignatureError, Signed};
use crate::domain::channel::LineName;
use crate::domain::payload::Sha256;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::canonical::StrictError;
use crate::formats::manifest::{IndexError, LineError};
use crate::formats::tuf::{Authority, Target};

/// Why a client refuses a repository.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    #[error("`{path}` is missing")]
    Missing { path: String },
    #[error("`{path}` cannot be read")]
    Unreadable { path: String, source: ParseError },
    #[error("`{path}` does not have enough valid signatures")]
    Signature { path: String, source: SignatureError },
    #[error("`{path}` expired at `{}`", rfc3339(*.expires))]
    Expired { path: String, expires: Time },
    #[error("`{path}` has version `{found}`, but version `{expected}` is listed")]
    Version { path: String, expected: u64, found: u64 },
    #[error("`{path}` has {found} bytes, but {expected} are listed")]
    Length { path: String, expected: u64, found: u64 },
    #[error("`{path}` has the digest `{found}`, but `{expected}` is listed")]
    Digest { path: String, expected: Sha256, found: Sha256 },
    #[error("`{path}` has version `{found}`, but root version `{expected}` must come next")]
    BrokenChain { path: String, expected: u64, found: u64 },
    #[error("`{path}` is not the trusted root of that version")]
    OtherRoot { path: String },
    #[error("there are {limit} or more new roots")]
    TooManyRoots { limit: u64 },
    #[error("the role `{role}` is not in the snapshot")]
    NotInSnapshot { role: String },
    #[error("there is no delegation to the role `{role}`")]
    NotDelegated { role: String },
    #[error("the delegated role `{role}` is neither `channels` nor the role of a line")]
    UnknownRole { role: String },
    #[error("the delegated role `{role}` delegates further")]
    Nested { role: String },
    #[error("clients disagree about what the path `{path}` of the role `{role}` matches")]
    Path { role: String, path: String },
    #[error("the role `{role}` may not list `{target}`")]
    Scope { role: String, target: String },
    #[error("`{path}` is listed as `{found}`, but is `{expected}`")]
    Name { path: String, expected: String, found: String },
    #[error(
        "`{path}` names `{target}`, but its line's role does not list that file, or lists it with another digest"
    )]
    NotListed { path: String, target: String },
    #[error(
        "`{path}` has offered release `{version}` since `{}`, but its release keys do not allow that before `{}`",
        rfc3339(*.since),
        rfc3339(*.not_before)
    )]
    TooEarly { path: String, version: Version, since: Time, not_before: Time },
    #[error(
        "line `{line}` has no index of its releases, which clusters need: it was signed by an older version of tidegate, and `tidegate release sign` adds the index"
    )]
    NoIndex { line: LineName },
    #[error("`{path}` cannot be used")]
    Index { path: String, source: IndexError },
    #[error("`{path}` is not about the same releases as the role of line `{line}`")]
    IndexLists { path: String, line: LineName },
    #[error("the index of line `{line}` says something else about release `{version}` than its manifest")]
    IndexDiffers { line: LineName, version: Version },
    #[error("the latest release in `{path}` is {}, but the highest that it offers is {}", shown(.latest.as_ref()), shown(.highest.as_ref()))]
    Latest { path: String, latest: Option<Version>, highest: Option<Version> },
    #[error("`{what}` was rolled back from version `{from}` to `{to}`")]
    WentBack { what: String, from: u64, to: u64 },
    #[error("the role `{role}` changed, but still has version `{version}`")]
    VersionReused { role: String, version: u64 },
    #[error("the role `{role}` was in the last snapshot, but is missing from this one")]
    Vanished { role: String },
    #[error("release `{version}` was in the last index of line `{line}`, but is missing from this one")]
    ReleaseVanished { line: LineName, version: Version },
    #[error("line `{line}` is incomplete")]
    Incomplete { line: LineName, source: LineError },
}

impl Violation {
    /// The violation for a file that is not a signed document.
    pub(super) fn unreadable(path: &str) -> impl FnOnce(ParseError) -> Self + '_ {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }

    /// The violation for a document whose signatures are insufficient or invalid.
    pub(super) fn signature(path: &str) -> impl FnOnce(SignatureError) -> Self + '_ {
        move |source| Self::Signature { path: path.to_owned(), source }
    }

    /// The stable name of this kind of violation, as in a cluster's `failureStatus.type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. }
            | Self::NotInSnapshot { .. }
            | Self::NotDelegated { .. }
            | Self::Incomplete { .. } => "Missing",
            Self::Unreadable { source, .. } => match source {
                ParseError::SignsTwice(_) => "NotEnoughSignatures",
                ParseError::Foreign(_) => "Unreadable",
                ParseError::Signed(StrictError::Json(json)) if !json.is_data() => "Unreadable",
                ParseError::Envelope(_) | ParseError::Signed(_) => "Malformed",
            },
            Self::Signature { .. } => "NotEnoughSignatures",
            Self::Expired { .. } => "Expired",
            // A target with a wrong digest was changed, whereas a role with a wrong digest may just be from
            // another version of the repository.
            Self::Index { source: IndexError::TooNew(_), .. } => "TooNew",
            Self::Index { source: IndexError::Strict(StrictError::Json(json)), .. } if !json.is_data() => {
                "Unreadable"
            }
            Self::Index { .. } => "Malformed",
            Self::Digest { path, .. } if !path.starts_with("metadata/") => "WrongDigest",
            Self::Version { .. } | Self::Length { .. } | Self::Digest { .. } => "MixAndMatch",
            Self::BrokenChain { .. } | Self::OtherRoot { .. } => "BrokenChain",
            Self::TooManyRoots { .. } => "TooManyRoots",
            Self::UnknownRole { .. } | Self::Nested { .. } | Self::Path { .. } | Self::Scope { .. } => {
                "OutOfScope"
            }
            Self::Name { found, .. } if found.starts_with("channel.") => "WrongChannel",
            Self::Name { .. } => "WrongRelease",
            Self::NotListed { .. } => "NotListed",
            Self::TooEarly { .. } => "Unverified",
            Self::NoIndex { .. } => "NoIndex",
            Self::Latest { .. } | Self::IndexLists { .. } | Self::IndexDiffers { .. } => "Contradiction",
            Self::WentBack { .. } | Self::Vanished { .. } | Self::ReleaseVanished { .. } => "Rollback",
            Self::VersionReused { .. } => "VersionReused",
        }
    }
}

/// Checks that a file is the listed one.
pub(super) fn check_bytes(path: &str, target: &Target, bytes: &[u8]) -> Result<(), Violation> {
    let (path, found) = (path.to_owned(), bytes.len() as u64);
    if found != target.length {
        return Err(Violation::Length { path, expected: target.length, found });
    }
    let (found, expected) = (Target::of(bytes).hashes.sha256, target.hashes.sha256);
    if found == expected { Ok(()) } else { Err(Violation::Digest { path, expected, found }) }
}

fn shown(version: Option<&Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("`{version}`"))
}

/// Like [`read_signed`], for bytes that were verified before, maybe with other keys.
pub(super) fn read_again<T: DeserializeOwned>(
    path: &str,
    raw: Bytes,
    authority: Authority<'_>,
) -> Result<Signed<T>, Violation> {
    match Signed::parse_again(&raw) {
        Some(signed) if signed.verify(authority).is_ok() => Ok(signed),
        // Others may have signed the document in a form that is not the canonical one.
        _ => read_signed(path, raw, authority),
    }
}

/// Reads a document and checks that enough keys of `authority` have signed it. Errors name it by `path`.
pub(super) fn read_signed<T: DeserializeOwned>(
    path: &str,
    raw: Bytes,
    authority: Authority<'_>,
) -> Result<Signed<T>, Violation> {
    let signed = Signed::parse(raw).map_err(Violation::unreadable(path))?;
    signed.verify(authority).map_err(Violation::signature(path))?;
    Ok(signed)
}
