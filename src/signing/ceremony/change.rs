//! Begins a ceremony that changes keys, and works out which documents it must sign.

use std::collections::{BTreeMap, BTreeSet};

use super::line_work::{LineWork, Stored, listed_manifest, read_stored};
use super::releases::line_prefix;
use super::roles::{RoleName, role_keys};
use super::{Ceremony, CeremonyError};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::formats::tuf::{
    Authority, KeyId, RELEASES_LIFETIME, Root, Signers, TARGETS_LIFETIME, Targets, names,
};
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signed};

/// A change of keys. A rotation adds and drops keys in one step.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    pub add: Vec<(RoleName, PublicKey)>,
    /// Each key is given by its id or a prefix of it.
    pub drop: Vec<(RoleName, String)>,
    pub threshold: Vec<(RoleName, u64)>,
    /// Roles to sign again for another term, with the same keys.
    pub renew: Vec<RoleName>,
}

/// Begins a ceremony that changes keys. `manifest` returns the stored manifest of a release.
///
/// # Errors
/// When the change is not possible, or a document that must be signed again is missing.
pub fn change_keys(
    trust: &Trust,
    change: &KeyChange,
    manifest: Stored<'_>,
    now: Time,
) -> Result<Ceremony, CeremonyError> {
    let (root, targets) = (trust.root().signed(), trust.targets().signed());
    let before = role_keys(root, targets);
    let after = applied(&before, change)?;
    let changed = |role: &RoleName| before.get(role) != after.get(role);
    let renewed = |role: &RoleName| change.renew.contains(role);
    let top = [RoleName::Root, RoleName::Targets, RoleName::Online];

    let next_root = (top.iter().any(changed) || renewed(&RoleName::Root)).then(|| {
        let [roots, targets, online] = top.each_ref().map(|role| &after[role]);
        Root::of(root.version + 1, now, roots, targets, online)
    });
    // The keys of lines and of `channels` are in the top targets role.
    let delegated = after.keys().any(|role| *role != RoleName::Root && changed(role));
    let next_targets = (delegated || renewed(&RoleName::Targets)).then(|| next_targets(targets, &after, now));

    let mut lines = BTreeMap::new();
    for role in after.keys() {
        let RoleName::Release(Some(line)) = role else { continue };
        let renewed = renewed(role) || renewed(&RoleName::Release(None));
        if !renewed && !changed(role) {
            continue;
        }
        let delegating = next_targets.as_ref().unwrap_or(targets);
        let found = delegating.delegated(&names::releases_role(line));
        let (_, authority) = found.ok_or_else(|| CeremonyError::NoRole(role.clone()))?;
        if let Some(work) = line_work(trust, line, authority, manifest, renewed, now)? {
            lines.insert(line.clone(), work);
        }
    }

    let touched: Vec<&LineName> = lines.keys().collect();
    let mut ceremony = Ceremony::from(Some(trust), &touched, now);
    ceremony.root = next_root.map(Signed::unsigned).transpose()?;
    ceremony.targets = next_targets.map(Signed::unsigned).transpose()?;
    ceremony.lines = lines;
    if ceremony.documents().is_empty() {
        return Err(CeremonyError::Nothing);
    }
    ceremony.list_manifests()?;
    Ok(ceremony)
}

/// The roles after the change. [`Ceremony::check`] decides whether they can be used.
fn applied(
    before: &BTreeMap<RoleName, Signers>,
    change: &KeyChange,
) -> Result<BTreeMap<RoleName, Signers>, CeremonyError> {
    let mut after = before.clone();
    let meant = |role: &RoleName| -> Result<Vec<RoleName>, CeremonyError> {
        let all = *role == RoleName::Release(None);
        let own = |name: &&RoleName| *name == role || all && matches!(name, RoleName::Release(_));
        let meant: Vec<RoleName> = before.keys().filter(own).cloned().collect();
        if meant.is_empty() { Err(CeremonyError::NoRole(role.clone())) } else { Ok(meant) }
    };
    for (role, key) in &change.add {
        let mut added = false;
        for name in meant(role)? {
            added |= after.entry(name).or_default().keys.insert(key.id(), key.key()).is_none();
        }
        if !added {
            return Err(CeremonyError::AlreadyThere { role: role.clone(), keyid: key.id() });
        }
    }
    for (role, prefix) in &change.drop {
        let names = meant(role)?;
        // Search only the keys from before the change: a key that is added in the same step is never
        // dropped.
        let found: BTreeSet<KeyId> = names
            .iter()
            .flat_map(|name| before[name].keys.keys())
            .filter(|id| id.to_string().starts_with(prefix.as_str()))
            .copied()
            .collect();
        let (role, prefix) = (role.clone(), prefix.clone());
        match (found.first(), found.len()) {
            (Some(id), 1) => {
                for name in names {
                    after.entry(name).or_default().keys.remove(id);
                }
            }
            (None, _) => return Err(CeremonyError::NoSuchKey { role, prefix }),
            (_, count) => return Err(CeremonyError::Ambiguous { role, prefix, count }),
        }
    }
    for (role, threshold) in &change.threshold {
        for name in meant(role)? {
            after.entry(name).or_default().threshold = *threshold;
        }
    }
    for role in &change.renew {
        meant(role)?;
        if *role == RoleName::Online {
            return Err(CeremonyError::OnlineRenewed);
        }
    }
    Ok(after)
}

/// The next top targets role, with the new keys of each delegation.
fn next_targets(targets: &Targets, after: &BTreeMap<RoleName, Signers>, now: Time) -> Targets {
    let mut next = targets.clone();
    next.version += 1;
    next.expires = now + TARGETS_LIFETIME;
    if let Some(delegations) = &mut next.delegations {
        let mut keys = BTreeMap::new();
        for role in &mut delegations.roles {
            let name = RoleName::of_line(&role.name).unwrap_or(RoleName::Online);
            if let Some(wanted) = after.get(&name) {
                role.keyids = wanted.keys.keys().copied().collect();
                role.threshold = wanted.threshold;
                keys.extend(wanted.keys.clone());
            }
        }
        delegations.keys = keys;
    }
    next
}

/// Returns the documents that a line must sign again to stay valid under its new keys. `None` if it is not
/// being renewed and enough of the remaining keys have signed everything.
fn line_work(
    trust: &Trust,
    line: &LineName,
    authority: Authority<'_>,
    manifest: Stored<'_>,
    renewed: bool,
    now: Time,
) -> Result<Option<LineWork>, CeremonyError> {
    let role = trust.line(line).ok_or_else(|| CeremonyError::broken(trust, line))?;
    let index = trust.index(line).and_then(Result::ok);
    let mut manifests = BTreeMap::new();
    for (version, target) in role.signed().listed_releases() {
        let raw = read_stored(line, &version, target, manifest)?;
        // A lost manifest must not block a change of keys. The release stays listed as it is, since the index
        // says what its manifest said.
        if raw.is_none() && index.is_some_and(|index| index.releases.contains_key(&version)) {
            continue;
        }
        let wrong = || CeremonyError::Manifest { line: line.clone(), version: version.clone() };
        let signed = listed_manifest(raw, target).ok_or_else(wrong)?;
        if signed.verify(authority).is_err() {
            manifests.insert(version, signed.signed_only_by(authority.keyids)?);
        }
    }
    if manifests.is_empty() && !renewed && role.verify(authority).is_ok() {
        return Ok(None);
    }
    let mut next = role.signed().clone();
    next.version += 1;
    // The role of a retired line keeps its long term.
    next.expires = next.expires.max(now + RELEASES_LIFETIME);
    let prefix = line_prefix(trust.targets().signed(), line)?;
    Ok(Some(LineWork::new(trust, (line, prefix), next, manifests, manifest, &|_| false)?))
}
