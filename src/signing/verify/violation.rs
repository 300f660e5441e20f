//! What can be wrong with a repository.

use crate::domain::payload::Sha256;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::signing::signed::{ParseError, SignatureError};

/// Why a client would refuse a repository.
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
    #[error("the role `{role}` is not in the snapshot")]
    NotInSnapshot { role: String },
    #[error("nobody delegates to the role `{role}`")]
    NotDelegated { role: String },
    #[error("the delegated role `{role}` delegates further")]
    Nested { role: String },
    #[error("the path `{path}` of the role `{role}` means different things to different clients")]
    Path { role: String, path: String },
    #[error("the role `{role}` lists `{target}`, which it may not")]
    Scope { role: String, target: String },
    #[error("`{path}` speaks of `{expected}` and stands as `{found}`")]
    Name { path: String, expected: String, found: String },
    #[error("`{path}` names `{target}`, and its line's role does not list that, or lists other bytes")]
    NotListed { path: String, target: String },
    #[error(
        "`{path}` has release `{version}` since `{}`, and its release keys allow it from `{}` on",
        rfc3339(*.since),
        rfc3339(*.not_before)
    )]
    TooEarly { path: String, version: Version, since: Time, not_before: Time },
    #[error("`{path}` has {} as its latest, and {} is the highest it offers", shown(.latest.as_ref()), shown(.highest.as_ref()))]
    Latest { path: String, latest: Option<Version>, highest: Option<Version> },
    #[error("the role `{role}` went back from version `{from}` to `{to}`")]
    WentBack { role: String, from: u64, to: u64 },
    #[error("the role `{role}` has other bytes under the same version `{version}`")]
    VersionReused { role: String, version: u64 },
}

fn shown(version: Option<&Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("`{version}`"))
}
