//! A repository, verified the way a client does: TUF 1.0.34, section 5, read strictly.
//!
//! Servers verify what they publish before it is swapped in, clusters what they fetch, and `verify`,
//! `recover` and `import` what others serve. What may follow what came before is in
//! [`continuity`](super::continuity).

mod manifests;
mod roles;

use bytes::Bytes;

pub use self::manifests::check_offers;
pub use roles::{Files, Verified, Verifier};

use super::continuity::Known;
use super::signed::Signed;
pub use super::violation::Violation;
use crate::domain::Time;
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{Root, Target};

/// Wants every target, payloads too.
#[must_use]
pub fn everything(_name: &str, _target: &Target) -> bool {
    true
}

/// Wants manifests, and leaves payloads to their listing.
#[must_use]
pub fn manifests(name: &str, _target: &Target) -> bool {
    !name.starts_with("payload.")
}

/// Verifies a repository at `now`, from a root that is trusted already: every root after it, the
/// timestamp, the snapshot, all roles, and the targets that are `wanted`. Other targets are known by
/// their listing only. Manifests that are wanted are also read, and compared with each other.
///
/// # Errors
/// The first violation.
pub fn verify(
    trusted: &Signed<Root>,
    now: Time,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    verify_all(trusted, &Verifier::new(fetch, now), false, wanted)
}

/// As [`verify`], but lines' roles may have expired: what is published must go on being renewed for
/// the other lines, since a client that loses the one line need not lose all.
///
/// # Errors
/// The first violation.
pub fn verify_lapsed(
    trusted: &Signed<Root>,
    now: Time,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    verify_all(trusted, &Verifier::new(fetch, now), true, wanted)
}

fn verify_all<F: Files<Error = Violation> + ?Sized>(
    trusted: &Signed<Root>,
    with: &Verifier<'_, F>,
    lapsed: bool,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    let mut verified = with.common(Known::root(trusted))?;
    let names: Vec<String> = roles::delegated(&verified.targets).map(|role| role.name.clone()).collect();
    for name in names.into_iter().filter(|name| name != CHANNELS) {
        let role = with.role(&verified, &name)?;
        if !lapsed || !name.starts_with(names::RELEASES) {
            let path = names::metadata_path(&name, role.signed().version);
            with.check_expiry(&path, role.signed().expires)?;
        }
        verified.roles.insert(name, role);
    }
    with.targets(&verified, wanted)?;
    Ok(verified)
}

/// The bytes of one target, compared with its listing by a role that was verified.
///
/// # Errors
/// When it is missing, or is not what is listed.
pub fn target(
    name: &str,
    listed: &Target,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
) -> Result<Bytes, Violation> {
    Verifier::new(fetch, Time::UNIX_EPOCH)
        .bytes(&names::target_path(name, &listed.hashes.sha256), Some(listed))
}
