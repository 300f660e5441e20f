//! Beginning a ceremony: which documents a change of keys takes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::passed::{Ceremony, LineWork};
use super::roles::{RoleKeys, RoleName, role_keys};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Authority, KeyId, RELEASES_LIFETIME, Root, TARGETS_LIFETIME, Targets, names};
use crate::signing::signed::{ParseError, SignError};
use crate::signing::trust::{Trust, TrustError};
use crate::signing::{PublicKey, Signed};

/// What is asked for. A rotation adds and drops at once.
#[derive(Debug, Clone, Default)]
pub struct KeyChange {
    pub add: Vec<(RoleName, PublicKey)>,
    /// Keys by their ids, or by how those begin.
    pub drop: Vec<(RoleName, String)>,
    pub threshold: Vec<(RoleName, u64)>,
    /// Roles that are only signed again, for another term.
    pub renew: Vec<RoleName>,
}

/// Why no ceremony begins.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no role `{role}`: no line of that name has release keys")]
    NoRole { role: RoleName },
    #[error("the key `{keyid}` is one of role `{role}` already")]
    AlreadyThere { role: RoleName, keyid: KeyId },
    #[error("no key of role `{role}` begins with `{prefix}`")]
    NoSuchKey { role: RoleName, prefix: String },
    #[error("{count} keys of role `{role}` begin with `{prefix}`")]
    Ambiguous { role: RoleName, prefix: String, count: usize },
    #[error("role `{role}` would have {keys} keys, and wants {threshold} signatures")]
    Unreachable { role: RoleName, keys: usize, threshold: u64 },
    #[error("a server signs alone: role `online` wants 1 signature, and cannot want {0}")]
    OnlineThreshold(u64),
    #[error("role `online` is renewed by the server, day by day")]
    OnlineRenewed,
    #[error("nothing would be changed")]
    Nothing,
    #[error("line `{line}` cannot be signed again: its role cannot be used")]
    Broken { line: LineName, source: TrustErrorText },
    #[error("`payloads/{version}/release.json` is not the manifest that line `{line}` lists")]
    Manifest { line: LineName, version: String },
    #[error("`payloads/{version}/release.json` cannot be read")]
    Unreadable { version: String, source: ParseError },
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What a [`TrustError`] says: it is kept where the error itself stays with its trust.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TrustErrorText(String);

impl From<&TrustError> for TrustErrorText {
    fn from(error: &TrustError) -> Self {
        Self(error.to_string())
    }
}

/// Begins a ceremony that changes keys. `manifest` gives the stored manifest of a release.
///
/// # Errors
/// When the change makes no sense, or what it has to sign again is not there.
pub fn change_keys(
    trust: &Trust,
    change: &KeyChange,
    manifest: &dyn Fn(&Version) -> Option<Bytes>,
    reason: Option<String>,
    now: Time,
) -> Result<Ceremony, ChangeError> {
    let (root, targets) = (trust.root().signed(), trust.targets().signed());
    let before = role_keys(root, targets);
    let after = applied(&before, change)?;
    let changed = |role: &RoleName| before.get(role) != after.get(role);
    let renewed = |role: &RoleName| change.renew.contains(role);
    let top = [RoleName::Root, RoleName::Targets, RoleName::Online];
    let lines: Vec<&LineName> = after
        .keys()
        .filter_map(|role| if let RoleName::Release(Some(line)) = role { Some(line) } else { None })
        .collect();

    let next_root = if top.iter().any(changed) || renewed(&RoleName::Root) {
        let [roots, targets, online] = top.each_ref().map(|role| after[role].signers());
        Some(Root::of(root.version + 1, now, &roots, &targets, &online))
    } else {
        None
    };
    let delegated = lines.iter().any(|line| changed(&RoleName::Release(Some((*line).clone()))));
    let next_targets = (delegated
        || changed(&RoleName::Targets)
        || changed(&RoleName::Online)
        || renewed(&RoleName::Targets))
    .then(|| next_targets(targets, &after, now));

    let mut works = BTreeMap::new();
    for line in lines {
        let role = RoleName::Release(Some(line.clone()));
        let renewed = renewed(&role) || renewed(&RoleName::Release(None));
        if !renewed && !changed(&role) {
            continue;
        }
        let delegating = next_targets.as_ref().unwrap_or(targets);
        let found = delegating.delegated(&names::releases_role(line));
        let (_, authority) = found.ok_or_else(|| ChangeError::NoRole { role: role.clone() })?;
        if let Some(work) = line_work(trust, line, authority, manifest, renewed, now)? {
            works.insert(line.clone(), work);
        }
    }

    let touched: Vec<&LineName> = works.keys().collect();
    let mut ceremony = Ceremony::from(Some(trust), &touched, reason, now);
    ceremony.root = next_root.map(Signed::unsigned).transpose()?;
    ceremony.targets = next_targets.map(Signed::unsigned).transpose()?;
    ceremony.lines = works;
    if ceremony.documents().is_empty() {
        return Err(ChangeError::Nothing);
    }
    ceremony.list_manifests()?;
    Ok(ceremony)
}

/// The roles with the change made.
fn applied(
    before: &BTreeMap<RoleName, RoleKeys>,
    change: &KeyChange,
) -> Result<BTreeMap<RoleName, RoleKeys>, ChangeError> {
    let mut after = before.clone();
    let meant = |role: &RoleName| -> Result<Vec<RoleName>, ChangeError> {
        let all = *role == RoleName::Release(None);
        let own = |name: &&RoleName| *name == role || all && matches!(name, RoleName::Release(_));
        let meant: Vec<RoleName> = before.keys().filter(own).cloned().collect();
        if meant.is_empty() { Err(ChangeError::NoRole { role: role.clone() }) } else { Ok(meant) }
    };
    for (role, key) in &change.add {
        let mut added = false;
        for name in meant(role)? {
            let keys = after.get_mut(&name).map(|role| &mut role.keys);
            added |= keys.is_some_and(|keys| keys.insert(key.id(), key.key()).is_none());
        }
        if !added {
            return Err(ChangeError::AlreadyThere { role: role.clone(), keyid: key.id() });
        }
    }
    for (role, prefix) in &change.drop {
        let names = meant(role)?;
        // Only keys that were there: what is added in the same breath is not meant.
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
                    after.get_mut(&name).map(|role| role.keys.remove(id));
                }
            }
            (None, _) => return Err(ChangeError::NoSuchKey { role, prefix }),
            (_, count) => return Err(ChangeError::Ambiguous { role, prefix, count }),
        }
    }
    for (role, threshold) in &change.threshold {
        if *role == RoleName::Online && *threshold != 1 {
            return Err(ChangeError::OnlineThreshold(*threshold));
        }
        for name in meant(role)? {
            if let Some(role) = after.get_mut(&name) {
                role.threshold = *threshold;
            }
        }
    }
    for role in &change.renew {
        meant(role)?;
        if *role == RoleName::Online {
            return Err(ChangeError::OnlineRenewed);
        }
    }
    for (role, RoleKeys { keys, threshold }) in &after {
        if *threshold == 0 || (keys.len() as u64) < *threshold {
            let (role, threshold) = (role.clone(), *threshold);
            return Err(ChangeError::Unreachable { role, keys: keys.len(), threshold });
        }
    }
    Ok(after)
}

/// The next top targets role, with the keys of each delegation as they are to be.
fn next_targets(targets: &Targets, after: &BTreeMap<RoleName, RoleKeys>, now: Time) -> Targets {
    let mut next = targets.clone();
    next.version += 1;
    next.expires = now + TARGETS_LIFETIME;
    if let Some(delegations) = &mut next.delegations {
        let mut keys = BTreeMap::new();
        for role in &mut delegations.roles {
            let name = match role.name.strip_prefix(names::RELEASES).map(LineName::parse) {
                Some(Ok(line)) => RoleName::Release(Some(line)),
                _ => RoleName::Online,
            };
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

/// What of a line has to be signed again, so that it holds under other keys: nothing, where what is
/// signed has signatures enough by keys that stay.
fn line_work(
    trust: &Trust,
    line: &LineName,
    authority: Authority<'_>,
    manifest: &dyn Fn(&Version) -> Option<Bytes>,
    renewed: bool,
    now: Time,
) -> Result<Option<LineWork>, ChangeError> {
    if let Some(error) = trust.broken().get(line) {
        return Err(ChangeError::Broken { line: line.clone(), source: error.into() });
    }
    let role = RoleName::Release(Some(line.clone()));
    let role = trust.line(line).ok_or(ChangeError::NoRole { role })?;
    let mut manifests = BTreeMap::new();
    for (name, target) in &role.signed().targets {
        let version = name.strip_prefix("release.").and_then(|rest| rest.strip_suffix(".json"));
        let Some(version) = version.and_then(|version| Version::parse(version).ok()) else { continue };
        let wrong = || ChangeError::Manifest { line: line.clone(), version: version.to_string() };
        let raw = manifest(&version).ok_or_else(wrong)?;
        if crate::formats::tuf::Target::of(&raw) != *target {
            return Err(wrong());
        }
        let signed: Signed<ReleaseManifest> = Signed::parse(raw)
            .map_err(|source| ChangeError::Unreadable { version: version.to_string(), source })?;
        if signed.verify(authority).is_err() {
            let kept = signed.signatures().iter().filter(|s| authority.keyids.contains(&s.keyid)).cloned();
            let kept = kept.collect();
            manifests.insert(version, signed.with_signatures(kept)?);
        }
    }
    if manifests.is_empty() && !renewed && role.verify(authority).is_ok() {
        return Ok(None);
    }
    let mut next = role.signed().clone();
    next.version += 1;
    // A role that is to last, as that of a retired line is, is not cut short.
    next.expires = next.expires.max(now + RELEASES_LIFETIME);
    Ok(Some(LineWork { role: Signed::unsigned(next)?, manifests }))
}
