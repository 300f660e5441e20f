//! Releases that take the signatures of several people, and the founding of a repository by several.

use std::collections::BTreeMap;

use super::passed::{Ceremony, LineWork};
use super::{CeremonyError, line_signers, next_role};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{RETIRED_LIFETIME, Root, Signers, TARGETS_LIFETIME, Targets};
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signed};

/// Begins a ceremony in which releases are signed, and the next versions of their lines' roles.
/// Lines that have no role yet are delegated in it: for those the targets keys sign as well.
/// `release` are the release keys at hand; `form` has the last word on each manifest.
///
/// # Errors
/// When something has no form that can be signed.
pub fn propose_releases(
    trust: &Trust,
    pending: &[(&Line, Vec<Version>)],
    release: &[PublicKey],
    reason: Option<String>,
    now: Time,
    form: impl Fn(&mut ReleaseManifest),
) -> Result<Ceremony, CeremonyError> {
    let touched: Vec<_> = pending.iter().map(|(line, _)| &line.name).collect();
    let mut ceremony = Ceremony::from(Some(trust), &touched, reason, now);
    let mut targets = trust.targets().signed().clone();
    let signers = line_signers(trust, release);
    for (line, versions) in pending {
        let mut role = if let Some(role) = trust.line(&line.name) {
            next_role(role.signed(), line, versions, now)?
        } else {
            targets.delegate(&line.name, &line.prefix, &signers);
            Targets::releases(1, now)
        };
        let mut manifests = BTreeMap::new();
        for release in versions.iter().filter_map(|version| line.releases.get(version)) {
            let mut manifest = ReleaseManifest::of(line, release, now);
            form(&mut manifest);
            let document = Signed::unsigned(manifest)?;
            role.insert_release(document.signed(), document.raw())?;
            manifests.insert(release.version.clone(), document);
        }
        let work = LineWork { role: Signed::unsigned(role)?, manifests };
        ceremony.lines.insert(line.name.clone(), work);
    }
    if targets != *trust.targets().signed() {
        targets.version += 1;
        targets.expires = now + TARGETS_LIFETIME;
        ceremony.targets = Some(Signed::unsigned(targets)?);
    }
    Ok(ceremony)
}

/// Begins a ceremony in which the role of a line is signed for so long that nobody need renew it.
/// Nothing, where that was done already.
///
/// # Errors
/// When the line has no role.
pub fn retire_line(
    trust: &Trust,
    line: &LineName,
    reason: Option<String>,
    now: Time,
) -> Result<Option<Ceremony>, CeremonyError> {
    let role = trust.line(line).ok_or_else(|| CeremonyError::NotDelegated(line.clone()))?.signed();
    if is_for_long(role, now) {
        return Ok(None);
    }
    let mut ceremony = Ceremony::from(Some(trust), &[line], reason, now);
    let mut next = role.clone();
    next.version += 1;
    next.expires = now + RETIRED_LIFETIME;
    let work = LineWork { role: Signed::unsigned(next)?, manifests: BTreeMap::new() };
    ceremony.lines.insert(line.clone(), work);
    Ok(Some(ceremony))
}

/// Whether a line's role is one that nobody has to renew: a retired line's.
pub(super) fn is_for_long(role: &Targets, now: Time) -> bool {
    now + RETIRED_LIFETIME / 2 < role.expires
}

/// The keys of a repository that is founded by several keepers.
#[derive(Debug)]
pub struct Founders {
    pub root: Signers,
    pub targets: PublicKey,
    pub release: PublicKey,
    pub online: PublicKey,
}

impl Ceremony {
    /// Begins the founding of a repository: the first root, the delegations of all lines, and an
    /// empty role for each.
    ///
    /// # Errors
    /// When something has no form that can be signed.
    pub fn found(catalog: &Catalog, keys: &Founders, now: Time) -> Result<Self, CeremonyError> {
        let any = |key: &PublicKey| Signers::any(vec![key.key()]);
        let (targets, release, online) = (any(&keys.targets), any(&keys.release), any(&keys.online));
        let mut ceremony = Self::from(None, &[], None, now);
        ceremony.root = Some(Signed::unsigned(Root::of(1, now, &keys.root, &targets, &online))?);
        let lines = catalog.lines().map(|line| (&line.name, &line.prefix, &release));
        ceremony.targets = Some(Signed::unsigned(Targets::delegating(1, now, lines, &online))?);
        for line in catalog.lines() {
            let work =
                LineWork { role: Signed::unsigned(Targets::releases(1, now))?, manifests: BTreeMap::new() };
            ceremony.lines.insert(line.name.clone(), work);
        }
        Ok(ceremony)
    }
}
