//! What is signed offline: the first root, the delegations of lines, and releases.
//!
//! Every function here takes what the `trust/` folder has and gives the files to write into it; it
//! writes nothing itself. What takes the signatures of several people is a [`Ceremony`].

mod change;
mod check;
mod documents;
mod passed;
mod releases;
mod roles;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::signed::SignError;
use super::trust::Trust;
use super::{PrivateKey, PublicKey, Signed, Signer};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Root, Signers, TargetError, Targets, names};

pub use change::{ChangeError, KeyChange, change_keys};
pub use check::{Finished, Refused};
pub use documents::{BadSignature, Document, DocumentId, Tally};
pub use passed::{Ceremony, CeremonyFileError, LineWork, Retirement};
pub use releases::{Founders, propose_releases, retire_line};
pub use roles::{RoleChange, RoleKeys, RoleName, RoleNameError, role_keys};

/// Files to write, by name.
pub type Files = BTreeMap<String, Bytes>;

/// The keys of a repository with one key for each role.
#[derive(Debug)]
pub struct Keys {
    pub root: PrivateKey,
    pub targets: PrivateKey,
    pub release: PrivateKey,
    pub online: PrivateKey,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    #[error("signing failed")]
    Sign(#[from] SignError),
    #[error("two files would have the same name in the repository")]
    Target(#[from] TargetError),
    #[error("line `{0}` has no release keys yet: the targets key must delegate to them first")]
    NotDelegated(LineName),
    #[error("the key is not one of line `{line}`'s release keys")]
    NotReleaseKey { line: LineName },
    #[error("the key is not one that the root names for targets")]
    NotTargetsKey,
    #[error("line `{line}` wants the signatures of {threshold} release keys, and one was given")]
    Threshold { line: LineName, threshold: u64 },
}

/// Makes the first root, the delegations of all lines, and an empty role for each line: the whole
/// of a new `trust/` folder.
///
/// # Errors
/// When something cannot be signed.
pub fn found(catalog: &Catalog, keys: &Keys, now: Time) -> Result<Files, CeremonyError> {
    let signers = |key: &PrivateKey| Signers::any(vec![key.public().key()]);
    let (root, targets) = (signers(&keys.root), signers(&keys.targets));
    let (release, online) = (signers(&keys.release), signers(&keys.online));
    let mut files = Files::new();
    let document = Signed::sign(Root::of(1, now, &root, &targets, &online), [&keys.root])?;
    files.insert("1.root.json".to_owned(), document.raw().clone());
    let lines = catalog.lines().map(|line| (&line.name, &line.prefix, &release));
    let document = Signed::sign(Targets::delegating(1, now, lines, &online), [&keys.targets])?;
    files.insert("targets.json".to_owned(), document.raw().clone());
    for line in catalog.lines() {
        let document = Signed::sign(Targets::releases(1, now), [&keys.release])?;
        files.insert(format!("{}.json", names::releases_role(&line.name)), document.raw().clone());
    }
    Ok(files)
}

/// Delegates lines that have no role yet to a release key, each with its first, empty role: both
/// must be published together, or clients find no target at all.
///
/// # Errors
/// When `targets` is not a key that the root names, or something cannot be signed.
pub fn delegate<'a>(
    trust: &Trust,
    lines: impl IntoIterator<Item = &'a Line>,
    targets: &dyn Signer,
    release: &dyn Signer,
    now: Time,
) -> Result<Files, CeremonyError> {
    if !trust.root().signed().targets().keyids.contains(&targets.id()) {
        return Err(CeremonyError::NotTargetsKey);
    }
    let mut files = Files::new();
    let mut role = trust.targets().signed().clone();
    let signers = line_signers(trust, &[release.public()]);
    if signers.threshold > 1 {
        let line = lines.into_iter().next().map(|line| line.name.clone());
        let threshold = signers.threshold;
        return line.map_or(Ok(Files::new()), |line| Err(CeremonyError::Threshold { line, threshold }));
    }
    for line in lines.into_iter().filter(|line| trust.line(&line.name).is_none()) {
        role.delegate(&line.name, &line.prefix, &signers);
        let empty = Signed::sign(Targets::releases(1, now), [release])?;
        files.insert(format!("{}.json", names::releases_role(&line.name)), empty.raw().clone());
    }
    if !files.is_empty() {
        role.version += 1;
        role.expires = now + crate::formats::tuf::TARGETS_LIFETIME;
        files.insert("targets.json".to_owned(), Signed::sign(role, [targets])?.raw().clone());
    }
    Ok(files)
}

/// Who signs for a new line: the keys and the threshold of another line whose release keys these are
/// all among, of the strictest one if there are several. Else these keys, as many of them as the
/// strictest line wants: a new line is never the weak one.
#[must_use]
pub fn line_signers(trust: &Trust, release: &[PublicKey]) -> Signers {
    let roles = role_keys(trust.root().signed(), trust.targets().signed());
    let lines =
        || roles.iter().filter(|(role, _)| matches!(role, RoleName::Release(_))).map(|(_, keys)| keys);
    let shared = lines().filter(|line| release.iter().all(|key| line.keys.contains_key(&key.id())));
    if let Some(strictest) = shared.max_by_key(|line| line.threshold) {
        return strictest.clone().signers();
    }
    let keys = release.iter().map(PublicKey::key).collect();
    Signers { keys, threshold: lines().map(|line| line.threshold).max().unwrap_or(1) }
}

/// Newly signed releases: their manifests, and the roles that list them.
#[derive(Debug, Default)]
pub struct SignedReleases {
    /// `release.json` by version.
    pub manifests: BTreeMap<Version, Bytes>,
    /// The lines' roles, by file name in `trust/`.
    pub roles: Files,
}

/// Signs releases of one line at `now`, and the next version of its role. What the role lists
/// already stays listed. `form` has the last word on each manifest before it is signed.
///
/// # Errors
/// When the line has no role, the key does not count for it, or something cannot be signed.
pub fn sign_releases(
    trust: &Trust,
    line: &Line,
    versions: &[Version],
    key: &dyn Signer,
    now: Time,
    form: impl Fn(&mut ReleaseManifest),
) -> Result<SignedReleases, CeremonyError> {
    let role = trust.line(&line.name).ok_or_else(|| CeremonyError::NotDelegated(line.name.clone()))?;
    let authority =
        trust.line_authority(&line.name).ok_or_else(|| CeremonyError::NotDelegated(line.name.clone()))?;
    if !authority.keyids.contains(&key.id()) {
        return Err(CeremonyError::NotReleaseKey { line: line.name.clone() });
    }
    if authority.threshold > 1 {
        return Err(CeremonyError::Threshold { line: line.name.clone(), threshold: authority.threshold });
    }
    let mut signed = SignedReleases::default();
    let mut next = next_role(role.signed(), line, versions, now)?;
    for release in versions.iter().filter_map(|version| line.releases.get(version)) {
        let mut manifest = ReleaseManifest::of(line, release, now);
        form(&mut manifest);
        let document = Signed::sign(manifest, [key])?;
        next.insert_release(document.signed(), document.raw())?;
        signed.manifests.insert(release.version.clone(), document.raw().clone());
    }
    let document = Signed::sign(next, [key])?;
    signed.roles.insert(format!("{}.json", names::releases_role(&line.name)), document.raw().clone());
    Ok(signed)
}

/// The next version of a line's role, without the releases that are signed anew.
fn next_role(role: &Targets, line: &Line, versions: &[Version], now: Time) -> Result<Targets, TargetError> {
    let mut next = Targets::releases(role.version + 1, now);
    // The role of a retired line lasts, and is not cut short.
    next.expires = next.expires.max(role.expires);
    // A release that is signed anew is listed anew: what it had before goes, payloads too.
    let manifests = versions.iter().map(names::release_target);
    let payloads = versions.iter().filter_map(|version| line.releases.get(version)).flat_map(|release| {
        release.payloads.iter().map(|payload| names::payload_target(&release.version, &payload.file))
    });
    let replaced: HashSet<String> = manifests.chain(payloads).collect();
    for (name, target) in &role.targets {
        if !replaced.contains(name) {
            next.insert(name.clone(), *target)?;
        }
    }
    Ok(next)
}
