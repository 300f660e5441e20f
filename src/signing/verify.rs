//! Verifies a repository as a client does: TUF 1.0.34, section 5, interpreted strictly.
//!
//! Servers verify what they publish before they serve it, clusters verify what they fetch, and `verify`,
//! `recover` and `import` verify what others serve. [`continuity`](super::continuity) defines which
//! document may replace which.

mod manifests;
mod roles;

pub use self::manifests::check_offers;
pub(super) use roles::check_scope;
pub use roles::{Files, Verified, Verifier};

use std::collections::{HashMap, HashSet};

use super::continuity::Known;
use super::signed::Signed;
pub use super::violation::Violation;
use crate::domain::Time;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{Meta, Root, Target, Targets};

/// How much of a repository is verified beyond its roles. A target that is not read is known only by its
/// listing. Manifests that are read are also checked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The manifests of channels: what a server checks before it publishes. Expired roles of lines are
    /// accepted, so that one expired line does not block the others.
    Channels,
    /// Like `Channels`, plus all release manifests that are served. A release that has not entered a stage
    /// yet may be listed without being served.
    Mirror,
    /// Every manifest, but no payloads.
    Manifests,
    /// Every target, including payloads.
    Everything,
}

/// Documents of one repository that were verified together, under the root and the targets role that verify
/// the next one. A document that the next one lists with the same bytes is taken as it is.
#[derive(Debug, Default)]
pub struct Before {
    /// The roles of lines by name, each with its entry in the snapshot.
    pub roles: HashMap<String, (Meta, Signed<Targets>)>,
    /// The manifests of channels by the names of their targets, each with its listing.
    pub channels: HashMap<String, (Target, Signed<ChannelManifest>)>,
    /// Roles of lines, and targets of channels, that were verified when they were published first, and whose
    /// bytes are lost. They stay listed, and are not read.
    pub lost: HashSet<String>,
}

/// Like [`verify`], but what was verified [before] is not verified again.
///
/// [before]: Before
///
/// # Errors
/// As [`verify`].
pub fn verify_after<F: Files + ?Sized>(
    trusted: &Signed<Root>,
    now: Time,
    files: &F,
    extent: Extent,
    before: &Before,
) -> Result<Verified, F::Error> {
    let with = Verifier::new(files, now).after(before);
    let mut verified = with.common(Known::root(trusted))?;
    with.read(&mut verified, extent)?;
    Ok(verified)
}

/// Verifies a repository at `now`, starting from a trusted root: every later root, the timestamp, the
/// snapshot, all roles, and the targets that belong to `extent`.
///
/// # Errors
/// The first violation, or why a file cannot be read.
pub fn verify<F: Files + ?Sized>(
    trusted: &Signed<Root>,
    now: Time,
    files: &F,
    extent: Extent,
) -> Result<Verified, F::Error> {
    verify_after(trusted, now, files, extent, &Before::default())
}
