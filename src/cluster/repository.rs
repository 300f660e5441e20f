//! The repository's roles, verified twice: by tough, which keeps the rules of TUF over time, and by
//! this crate's own verifier, whose strict forms and scopes the manifests rest on.

use std::error::Error as _;

use chrono::TimeDelta;
use tough::error::Error;
use tough::schema::{Error as SchemaError, RoleType};
use tough::{ExpirationEnforcement, Limits, RepositoryLoader};
use url::Url;

use super::refusal::Refusal;
use super::session::{PLACE, Session};
use super::trusted::Staging;
use crate::domain::Time;
use crate::formats::canonical::StrictError;
use crate::formats::tuf::{Role as _, Root};
use crate::signing::verify::{Verified, Violation, verify_lapsed};
use crate::signing::{ParseError, Signed};

/// As many new roots in a row as python-tuf follows.
const MOST_ROOTS: u64 = 256;

/// Roles found good, and how long they hold.
#[derive(Debug)]
pub struct Repository {
    pub roles: Verified,
}

/// Verifies the roles of the repository. Only its lines' roles may have expired; whoever needs one
/// looks at that.
///
/// # Errors
/// Why a client refuses it.
pub fn verify(
    session: &Session,
    root: &Signed<Root>,
    staging: &Staging,
    expiry: Expiry,
) -> Result<Repository, Refusal> {
    let url = |part: &str| {
        Url::parse(&format!("{PLACE}{part}/"))
            .map_err(|e| Refusal::Unverified { path: part.to_owned(), detail: e.to_string() })
    };
    let loader = RepositoryLoader::new(root.raw(), url("metadata")?, url("targets")?)
        .transport(session.clone())
        .limits(Limits { max_root_updates: MOST_ROOTS, ..Limits::default() })
        .datastore(staging.memory())
        // Expiry is looked at below, by the clock and the allowance that were given. In tough nothing
        // else hangs on this.
        .expiration_enforcement(ExpirationEnforcement::Unsafe);
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Refusal::state("runtime"))?;
    let outcome = runtime.block_on(loader.load());
    if let Some(refusal) = session.refusal() {
        return Err(refusal);
    }
    outcome.map_err(|error| refused(&error))?;
    let fetch = |path: &str| session.known(path);
    let roles = verify_lapsed(root, expiry.oldest(), &fetch, &|_, _| false).map_err(violated)?;
    Ok(Repository { roles })
}

/// What has expired, and what may have.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    pub now: Time,
    /// Documents that expired at most so long ago are taken.
    pub stale_ok: TimeDelta,
}

impl Expiry {
    /// What expired at or before this is refused.
    fn oldest(self) -> Time {
        self.now.checked_sub_signed(self.stale_ok).unwrap_or(Time::MIN_UTC)
    }

    /// Looks at one document.
    ///
    /// # Errors
    /// When it expired, and too long ago.
    pub fn check(self, what: impl FnOnce() -> String, expires: Time) -> Result<(), Refusal> {
        if expires > self.oldest() {
            return Ok(());
        }
        Err(Refusal::Expired { what: what(), expires })
    }
}

impl Repository {
    /// When the first of the roles expires that every line needs.
    #[must_use]
    pub fn expires(&self) -> Time {
        self.roles.common_expiry()
    }

    /// Checks a line's role, which may have expired so far.
    ///
    /// # Errors
    /// When it has.
    pub fn check_line(&self, role: &str, expiry: Expiry) -> Result<Time, Refusal> {
        let Some(signed) = self.roles.roles.get(role) else {
            return Err(Refusal::Missing { path: role.to_owned() });
        };
        let expires = signed.signed().expires();
        expiry.check(|| format!("the role `{role}`"), expires)?;
        Ok(expires)
    }
}

/// What tough says, as what it means.
fn refused(error: &Error) -> Refusal {
    let words = chain(error);
    match error {
        Error::VerifyMetadata { role, .. } => Refusal::Signatures { path: format!("{role}"), detail: words },
        Error::VerifyTrustedMetadata { .. } | Error::VerifyRoleMetadata { .. } => {
            Refusal::Signatures { path: "root".to_owned(), detail: words }
        }
        // Both forward and back: a root must be the very next one.
        Error::OlderMetadata { role: RoleType::Root, current_version, new_version, .. } => {
            Refusal::BrokenChain { trusted: *current_version, found: *new_version }
        }
        Error::MaxUpdatesExceeded { max_root_updates, .. } => {
            Refusal::TooManyRoots { limit: *max_root_updates }
        }
        Error::OlderMetadata { role, .. } => {
            Refusal::Rollback { what: format!("the role `{role}`"), detail: words }
        }
        Error::OlderSnapshotInTimestamp { .. } => {
            Refusal::Rollback { what: "the role `snapshot`".to_owned(), detail: words }
        }
        Error::SnapshotRoleRollback { role, .. } | Error::SnapshotRoleMissing { role, .. } => {
            Refusal::Rollback { what: format!("`{role}` in the snapshot"), detail: words }
        }
        Error::VersionMismatch { role, .. } => {
            Refusal::MixAndMatch { path: format!("{role}"), detail: words }
        }
        Error::ParseMetadata { role, source, .. } if source.is_data() => {
            Refusal::Malformed { path: format!("{role}"), detail: words }
        }
        Error::ParseMetadata { role, .. } => Refusal::Unreadable { path: format!("{role}"), detail: words },
        Error::InvalidPath { source } => {
            let target = match source {
                SchemaError::TargetNotFound { name } => format!("`{}`", name.raw()),
                _ => format!("something ({words})"),
            };
            Refusal::Scope { role: "targets".to_owned(), target }
        }
        Error::TimestampMetaLength { .. } | Error::MissingSnapshotMeta { .. } => {
            Refusal::Malformed { path: "timestamp".to_owned(), detail: words }
        }
        Error::SnapshotTargetsMetaMissing { .. } | Error::MetaMissing { .. } => {
            Refusal::Malformed { path: "snapshot".to_owned(), detail: words }
        }
        Error::ParseTrustedMetadata { .. } => Refusal::Unreadable { path: "root".to_owned(), detail: words },
        Error::SystemTimeSteppedBackward { sys_time, latest_known_time, .. } => {
            Refusal::ClockBack { now: sys_time.to_string(), known: latest_known_time.to_string() }
        }
        Error::Transport { url, source, .. } => {
            let path = url.as_str().strip_prefix(PLACE).unwrap_or(url.as_str()).to_owned();
            if source.kind() == tough::TransportErrorKind::FileNotFound {
                return Refusal::Missing { path };
            }
            match source.source().and_then(|inner| inner.downcast_ref::<Error>()) {
                Some(Error::HashMismatch { .. }) => Refusal::MixAndMatch { path, detail: words },
                Some(Error::MaxSizeExceeded { max_size, .. }) => Refusal::TooLarge { path, limit: *max_size },
                _ => Refusal::Unverified { path, detail: words },
            }
        }
        _ => Refusal::Unverified { path: "the repository".to_owned(), detail: words },
    }
}

/// What the own verifier says.
pub fn violated(violation: Violation) -> Refusal {
    let words = |error: &dyn std::error::Error| chain(error);
    match violation {
        Violation::Missing { path } => Refusal::Missing { path },
        Violation::Unreadable { path, source } => unreadable(path, &source),
        Violation::Signature { path, source } => Refusal::Signatures { path, detail: words(&source) },
        Violation::Expired { path, expires } => Refusal::Expired { what: format!("`{path}`"), expires },
        Violation::Version { path, expected, found } => Refusal::MixAndMatch {
            path,
            detail: format!("it has version `{found}`, and `{expected}` is listed"),
        },
        Violation::Length { path, expected, found } => {
            Refusal::MixAndMatch { path, detail: format!("it has {found} bytes, and {expected} are listed") }
        }
        Violation::Digest { path, expected, found } => Refusal::MixAndMatch {
            path,
            detail: format!("it has the digest `{found}`, and `{expected}` is listed"),
        },
        Violation::Scope { role, target } => Refusal::Scope { role, target: format!("`{target}`") },
        Violation::Nested { role } => Refusal::Scope { role, target: "roles of its own".to_owned() },
        Violation::Path { role, path } => Refusal::Scope { role, target: format!("the path `{path}`") },
        Violation::NotInSnapshot { role } => {
            Refusal::Missing { path: format!("the role `{role}` in the snapshot") }
        }
        Violation::NotDelegated { ref role } => {
            Refusal::Unverified { path: role.clone(), detail: violation.to_string() }
        }
        other => Refusal::Unverified { path: "the repository".to_owned(), detail: other.to_string() },
    }
}

/// A document that cannot be read: no JSON at all, or JSON that is not what is wanted.
pub fn unreadable(path: String, error: &ParseError) -> Refusal {
    let detail = chain(error);
    let is_json = match error {
        ParseError::SignsTwice(_) => return Refusal::Signatures { path, detail },
        ParseError::Envelope(source) | ParseError::Signed(StrictError::Json(source)) => source.is_data(),
        ParseError::Signed(StrictError::Canonical(_)) => true,
    };
    if is_json { Refusal::Malformed { path, detail } } else { Refusal::Unreadable { path, detail } }
}

/// As much of an error is told as a person reads.
const LONGEST_WORDS: usize = 500;

/// An error with its causes, in one line. It may quote what nobody has verified: only what can be
/// shown on any terminal is left of that.
pub fn chain(error: &dyn std::error::Error) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    crate::domain::chain(error).chars().map(shown).take(LONGEST_WORDS).collect()
}

/// How old something is that has expired: nothing for what has not.
#[must_use]
pub fn age(expires: Time, now: Time) -> Option<TimeDelta> {
    (expires <= now).then(|| now - expires)
}
