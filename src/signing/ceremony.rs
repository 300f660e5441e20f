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

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;

use super::signed::SignError;
use super::trust::Trust;
use super::{InRole, PrivateKey, PublicKey, Signed, Signer};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Key, KeyId, Root, Signers, TargetError, Targets, names};

pub use change::{ChangeError, KeyChange, TrustErrorText, change_keys};
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
    #[error("line `{line}` wants the signatures of {threshold} release keys, and not just {given}")]
    Threshold { line: LineName, threshold: u64, given: usize },
    #[error("a new line wants the signatures of {threshold} targets keys, and not just {given}")]
    TargetsThreshold { threshold: u64, given: usize },
    #[error("line `{line}` cannot be signed for: its role cannot be used")]
    Broken { line: LineName, source: TrustErrorText },
    #[error(transparent)]
    Refused(Box<Refused>),
}

impl From<Refused> for CeremonyError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
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
/// must be published together, or clients find no target at all. It is held against the same rules
/// as a ceremony that several people sign.
///
/// # Errors
/// When `targets` is not a key that the root names, the lines may not be that release key's, or
/// something cannot be signed.
pub fn delegate<'a>(
    trust: &Trust,
    lines: impl IntoIterator<Item = &'a Line>,
    targets: &dyn Signer,
    release: &dyn Signer,
    now: Time,
) -> Result<Files, CeremonyError> {
    let new: Vec<(&Line, Vec<Version>)> = lines
        .into_iter()
        .filter(|line| trust.line(&line.name).is_none())
        .map(|line| (line, Vec::new()))
        .collect();
    let mut files = Files::new();
    if new.is_empty() {
        return Ok(files);
    }
    let public = [release.public()];
    for (line, _) in &new {
        check_signers(trust, line, &public, Some(targets.public()), now)?;
    }
    let mut ceremony = propose_releases(trust, &new, &public, None, now, |_| {})?;
    ceremony.check(now)?;
    for key in [targets, release] {
        ceremony.sign(key)?;
    }
    for document in ceremony.documents() {
        let path = document.id.path();
        let name = path.strip_prefix("trust/").unwrap_or(&path);
        files.insert(name.to_owned(), document.raw.clone());
    }
    Ok(files)
}

/// Whether the keys at hand are enough to sign releases of a line, and to delegate it where it is
/// new: what is found out before anything is signed.
///
/// # Errors
/// What they lack.
pub fn check_signers(
    trust: &Trust,
    line: &Line,
    release: &[PublicKey],
    targets: Option<PublicKey>,
    now: Time,
) -> Result<(), CeremonyError> {
    let name = || line.name.clone();
    if let Some(error) = trust.broken().get(&line.name) {
        return Err(CeremonyError::Broken { line: name(), source: error.into() });
    }
    let given = |keyids: &[KeyId]| release.iter().filter(|key| keyids.contains(&key.id())).count();
    let enough = |given: usize, threshold: u64| match given {
        0 => Err(CeremonyError::NotReleaseKey { line: name() }),
        given if (given as u64) < threshold => {
            Err(CeremonyError::Threshold { line: name(), threshold, given })
        }
        _ => Ok(()),
    };
    if let Some(authority) = trust.line_authority(&line.name) {
        return enough(given(authority.keyids), authority.threshold);
    }
    let targets = targets.ok_or_else(|| CeremonyError::NotDelegated(name()))?;
    let authority = trust.root().signed().targets();
    let (known, threshold) = (authority.keyids, authority.threshold);
    if !known.contains(&targets.id()) {
        return Err(CeremonyError::NotTargetsKey);
    }
    propose_releases(trust, &[(line, Vec::new())], release, None, now, |_| {})?.check(now)?;
    let given_targets: BTreeSet<KeyId> =
        release.iter().chain([&targets]).map(PublicKey::id).filter(|id| known.contains(id)).collect();
    if (given_targets.len() as u64) < threshold {
        return Err(CeremonyError::TargetsThreshold { threshold, given: given_targets.len() });
    }
    let signers = line_signers(trust, release);
    let keyids: Vec<KeyId> = signers.keys.iter().map(Key::id).collect();
    enough(given(&keyids), signers.threshold)
}

/// Who signs for a new line: the keys and the threshold of another line whose release keys these are
/// all among, of the strictest one if there are several. Else these keys, as many of them as the
/// strictest line wants: a new line is never the weak one. Whether they may is for
/// [`Ceremony::check`] to say.
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
        return Err(CeremonyError::Threshold {
            line: line.name.clone(),
            threshold: authority.threshold,
            given: 1,
        });
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
    let role = names::releases_role(&line.name);
    let document = Signed::sign(next, [&InRole(&role, key)])?;
    signed.roles.insert(format!("{role}.json"), document.raw().clone());
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
