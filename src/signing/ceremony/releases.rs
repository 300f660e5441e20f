//! Begins ceremonies: to found a repository, to sign releases, and to retire a line.

use std::collections::{BTreeMap, HashSet};

use super::line_work::{LineWork, Stored};
use super::roles::{RoleName, role_keys};
use super::{Ceremony, CeremonyError, Retirement};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::{Line, Prefix};
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{RETIRED_LIFETIME, Root, Signers, TARGETS_LIFETIME, TargetError, Targets, names};
use crate::signing::signed::SignError;
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signed};

/// The public keys of a new repository.
#[derive(Debug)]
pub struct Founders {
    pub root: Signers,
    pub targets: PublicKey,
    pub release: PublicKey,
    pub online: PublicKey,
}

impl Ceremony {
    /// Begins the ceremony that founds a repository: the first root, the delegations of all lines, and an
    /// empty role for each line.
    ///
    /// # Errors
    /// When a document cannot be signed.
    pub fn found(catalog: &Catalog, keys: &Founders, now: Time) -> Result<Self, SignError> {
        let any = |key: &PublicKey| Signers::any(vec![key.key()]);
        let (targets, release, online) = (any(&keys.targets), any(&keys.release), any(&keys.online));
        let mut ceremony = Self::from(None, &[], now);
        ceremony.root = Some(Signed::unsigned(Root::of(1, now, &keys.root, &targets, &online))?);
        let lines = catalog.lines().map(|line| (&line.name, &line.prefix, &release));
        ceremony.targets = Some(Signed::unsigned(Targets::delegating(1, now, lines, &online))?);
        for line in catalog.lines() {
            ceremony.lines.insert(line.name.clone(), LineWork::empty(Targets::releases(1, now))?);
        }
        Ok(ceremony)
    }
}

/// Begins a ceremony that signs releases, and the next versions of their lines' roles. It also delegates to
/// lines that have no role yet, which needs signatures by the targets keys. `release` are the available
/// release keys. `stored` returns the stored manifest of a release, for an index that lacks it. A line that
/// gets its first index drops the releases in `drop` that neither `stored` nor the catalog has. `form` can change
/// each manifest before it is signed.
///
/// # Errors
/// When the role of a line cannot be used, or a document cannot be signed.
pub fn propose_releases(
    trust: &Trust,
    pending: &[(&Line, Vec<Version>)],
    release: &[PublicKey],
    stored: Stored<'_>,
    drop: &[Version],
    now: Time,
    form: impl Fn(&mut ReleaseManifest),
) -> Result<Ceremony, CeremonyError> {
    let touched: Vec<_> = pending.iter().map(|(line, _)| &line.name).collect();
    let mut ceremony = Ceremony::from(Some(trust), &touched, now);
    let mut targets = trust.targets().signed().clone();
    let signers = line_signers(trust, release);
    for (line, versions) in pending {
        let mut role = match trust.line(&line.name) {
            Some(role) => next_role(role.signed(), line, versions, now)?,
            None if trust.broken().contains_key(&line.name) => {
                return Err(CeremonyError::broken(trust, &line.name));
            }
            None => {
                targets.delegate(&line.name, &line.prefix, &signers);
                Targets::releases(1, now)
            }
        };
        let mut manifests = BTreeMap::new();
        for release in versions.iter().filter_map(|version| line.releases.get(version)) {
            let mut manifest = ReleaseManifest::of(line, release, now);
            form(&mut manifest);
            let document = Signed::unsigned(manifest)?;
            role.insert_release(document.signed(), document.raw())?;
            manifests.insert(release.version.clone(), document);
        }
        let prefix = line_prefix(&targets, &line.name)?;
        let may_drop = |version: &Version| drop.contains(version) && !line.releases.contains_key(version);
        let work = LineWork::new(trust, (&line.name, prefix), role, manifests, stored, &may_drop)?;
        ceremony.lines.insert(line.name.clone(), work);
    }
    if targets != *trust.targets().signed() {
        targets.version += 1;
        targets.expires = now + TARGETS_LIFETIME;
        ceremony.targets = Some(Signed::unsigned(targets)?);
    }
    Ok(ceremony)
}

/// The prefix of a line's versions, according to its delegation.
pub(super) fn line_prefix(targets: &Targets, line: &LineName) -> Result<Prefix, CeremonyError> {
    let delegated = targets.delegated(&names::releases_role(line));
    let prefix = delegated.and_then(|(role, _)| names::prefix(&role.paths));
    prefix.ok_or_else(|| CeremonyError::NoRole(RoleName::Release(Some(line.clone()))))
}

/// The next version of a line's role, without the releases that are about to be signed again.
fn next_role(role: &Targets, line: &Line, versions: &[Version], now: Time) -> Result<Targets, TargetError> {
    let mut next = Targets::releases(role.version + 1, now);
    // The role of a retired line keeps its long term.
    next.expires = next.expires.max(role.expires);
    // A release that is signed again is listed again, so drop its old manifest and payloads.
    let manifests = versions.iter().map(names::release_target);
    let payloads = versions.iter().filter_map(|version| line.releases.get(version)).flat_map(|release| {
        release.payloads.iter().map(|payload| names::payload_target(&release.version, &payload.file))
    });
    let replaced: HashSet<String> = manifests.chain(payloads).collect();
    for (name, target) in role.targets.iter().filter(|(name, _)| !replaced.contains(*name)) {
        next.insert(name.clone(), *target)?;
    }
    Ok(next)
}

/// The keys and threshold of a new line: those of the strictest line whose keys include all of `release`.
/// If there is no such line, the keys are `release`, with the threshold of the strictest line, so that a
/// new line is never the weakest. [`Ceremony::check`] decides whether the result is allowed.
fn line_signers(trust: &Trust, release: &[PublicKey]) -> Signers {
    let roles = role_keys(trust.root().signed(), trust.targets().signed());
    let lines =
        || roles.iter().filter(|(role, _)| matches!(role, RoleName::Release(_))).map(|(_, keys)| keys);
    let shared = lines().filter(|line| release.iter().all(|key| line.keys.contains_key(&key.id())));
    if let Some(strictest) = shared.max_by_key(|line| line.threshold) {
        return strictest.clone();
    }
    let threshold = lines().map(|line| line.threshold).max().unwrap_or(1);
    Signers::new(release.iter().map(PublicKey::key), threshold)
}

/// Begins a ceremony that signs a line's role for such a long term that nobody needs to renew it. `None` if
/// the role already has such a term. `stored` returns the stored manifest of a release, for an index that
/// lacks it.
///
/// # Errors
/// When the line has no role, or the role cannot be used.
pub fn retire_line(
    trust: &Trust,
    retirement: Retirement,
    stored: Stored<'_>,
    now: Time,
) -> Result<Option<Ceremony>, CeremonyError> {
    let line = &retirement.line;
    let role = trust.line(line).ok_or_else(|| CeremonyError::broken(trust, line))?.signed();
    if is_long_lived(role, now) {
        return Ok(None);
    }
    let mut ceremony = Ceremony::from(Some(trust), &[line], now);
    let mut next = role.clone();
    next.version += 1;
    next.expires = now + RETIRED_LIFETIME;
    let prefix = line_prefix(trust.targets().signed(), line)?;
    let work = LineWork::new(trust, (line, prefix), next, BTreeMap::new(), stored, &|_| false)?;
    ceremony.lines.insert(line.clone(), work);
    ceremony.reason = Some(format!("line `{line}` is retired: {}", retirement.reason));
    ceremony.retires = Some(retirement);
    Ok(Some(ceremony))
}

/// Whether a line's role has the long term of a retired line, so that nobody needs to renew it.
pub(super) fn is_long_lived(role: &Targets, now: Time) -> bool {
    now + RETIRED_LIFETIME / 2 < role.expires
}
