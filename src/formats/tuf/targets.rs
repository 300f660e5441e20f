//! Targets: the top-level role, which delegates, and the delegated roles, which list files.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::Digest;
use utoipa::ToSchema;

use super::authority::{Authority, RoleKeys, Signers};
use super::key::{self, Key, KeyId};
use super::names::{self, CHANNELS, TargetName};
use super::role::{SpecVersion, at_least_one, role};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;

/// The top-level role contains only delegations, changes only when lines or keys change, and is signed
/// offline like root.
pub const TARGETS_LIFETIME: TimeDelta = TimeDelta::days(365);
/// A line's role is signed with each release, and a quiet line may have no release for a year.
pub const RELEASES_LIFETIME: TimeDelta = TimeDelta::days(365);
/// The role of a retired line is not signed again, and some clients reject every channel if any role has
/// expired.
pub const RETIRED_LIFETIME: TimeDelta = TimeDelta::days(3650);
/// The online key signs `channels`, and renews it long before it expires. The timestamp ensures freshness,
/// so this lifetime only has to outlast a server outage.
pub const CHANNELS_LIFETIME: TimeDelta = TimeDelta::days(90);

/// The largest document that is signed offline, in bytes. A client reads the whole role of a line on every
/// change in it, so a larger one would be a burden long before it is a danger.
pub const MAX_SIGNED: u64 = 8 * 1024 * 1024;

role! {
    /// Targets: the files that clients may download, and the roles that list more of them.
    pub struct Targets(TargetsKind::Targets, "targets") {
        #[serde(deserialize_with = "in_one_go")]
        pub targets: BTreeMap<String, Target>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        pub delegations: Option<Delegations>,
    }
}

/// A file that clients may download: its length and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub hashes: Hashes,
    pub length: u64,
}

/// The digests of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    pub sha256: Sha256,
}

impl Target {
    /// Describes a file with this digest and length.
    pub const fn new(sha256: Sha256, length: u64) -> Self {
        Self { hashes: Hashes { sha256 }, length }
    }

    /// Describes a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::new(sha2::Sha256::digest(bytes).into()), bytes.len() as u64)
    }
}

/// The roles below the top-level targets role. Duplicate names are rejected: some readers would take the
/// first and others the last, so a keeper could be shown other keys than the ones that count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegations {
    #[serde(deserialize_with = "key::by_id")]
    pub keys: BTreeMap<KeyId, Key>,
    #[serde(deserialize_with = "each_name_once")]
    pub roles: Vec<DelegatedRole>,
}

/// One role below the top-level targets role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegatedRole {
    pub name: String,
    #[serde(deserialize_with = "super::key::each_once")]
    pub keyids: Vec<KeyId>,
    #[serde(deserialize_with = "at_least_one")]
    #[schema(minimum = 1)]
    pub threshold: u64,
    pub paths: Vec<String>,
    pub terminating: bool,
}

impl Delegations {
    /// Returns the keys that sign a role.
    pub fn authority<'a>(&'a self, role: &'a DelegatedRole) -> Authority<'a> {
        Authority { keys: &self.keys, keyids: &role.keyids, threshold: role.threshold }
    }
}

/// A map that grows entry by entry has half-empty nodes, and the roles of lines have two entries for each release.
fn in_one_go<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Target>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}

fn each_name_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DelegatedRole>, D::Error> {
    let roles = Vec::<DelegatedRole>::deserialize(deserializer)?;
    let mut names = BTreeSet::new();
    if let Some(role) = roles.iter().find(|role| !names.insert(&role.name)) {
        return Err(serde::de::Error::custom(format!("the role `{}` is delegated twice", role.name)));
    }
    Ok(roles)
}

impl Targets {
    /// Creates the top-level targets role, which delegates to a role for each line, and to `channels` for
    /// the online key. A delegation must be published together with the first version of its role: if the
    /// snapshot lacks that role, some clients find no target at all.
    pub fn delegating<'a>(
        version: u64,
        now: Time,
        lines: impl IntoIterator<Item = (&'a LineName, &'a Prefix, &'a Signers)>,
        online: &Signers,
    ) -> Self {
        let mut role = Self::new(version, now + TARGETS_LIFETIME);
        for (line, prefix, signers) in lines {
            role.delegate(line, prefix, signers);
        }
        role.delegate_to(CHANNELS.to_owned(), names::channels_paths(), online);
        role
    }

    /// Delegates to the role of one more line. The first version of that role must be published together
    /// with the delegation.
    pub fn delegate(&mut self, line: &LineName, prefix: &Prefix, signers: &Signers) {
        self.delegate_to(names::releases_role(line), names::releases_paths(prefix), signers);
    }

    fn delegate_to(&mut self, name: String, paths: Vec<String>, signers: &Signers) {
        let delegations = self.delegations.get_or_insert_default();
        signers.add_to(&mut delegations.keys);
        let RoleKeys { keyids, threshold } = signers.role();
        // The paths of two roles never overlap, so a search can stop at the first match.
        delegations.roles.push(DelegatedRole { name, keyids, threshold, paths, terminating: true });
    }

    /// Creates an empty role for a line. The role of a retired line has a longer lifetime:
    /// [`RETIRED_LIFETIME`](super::RETIRED_LIFETIME).
    pub fn releases(version: u64, now: Time) -> Self {
        Self::new(version, now + RELEASES_LIFETIME)
    }

    /// Creates an empty role `channels`.
    pub fn channels(version: u64, now: Time) -> Self {
        Self::new(version, now + CHANNELS_LIFETIME)
    }

    fn new(version: u64, expires: Time) -> Self {
        Self {
            kind: TargetsKind::Targets,
            spec_version: SpecVersion,
            version,
            expires,
            targets: BTreeMap::new(),
            delegations: None,
        }
    }

    /// Lists a signed release manifest, whose stored bytes are `raw`, and its payloads. A manifest that was
    /// signed again cannot replace the older one here: the role must be rebuilt.
    ///
    /// # Errors
    /// See [`Targets::insert`].
    pub fn insert_release(&mut self, manifest: &ReleaseManifest, raw: &[u8]) -> Result<(), TargetError> {
        self.insert(names::release_target(&manifest.version), Target::of(raw))?;
        manifest.payloads.iter().try_for_each(|payload| {
            let name = names::payload_target(&manifest.version, &payload.file);
            self.insert(name, Target::new(payload.sha256, payload.size))
        })
    }

    /// Returns the release manifests that a line's role lists.
    pub fn listed_releases(&self) -> impl Iterator<Item = (Version, &Target)> {
        self.targets.iter().filter_map(|(name, target)| match TargetName::parse(name)? {
            TargetName::Release(version) => Some((version, target)),
            TargetName::Channel(_) | TargetName::Index(_) | TargetName::Payload(_) => None,
        })
    }

    /// Returns the first payload of a release manifest that is not listed with its digest and size.
    pub fn unlisted_payload<'m>(&self, manifest: &'m ReleaseManifest) -> Option<&'m Payload> {
        manifest.payloads.iter().find(|payload| {
            let listed = self.targets.get(&names::payload_target(&manifest.version, &payload.file));
            listed != Some(&Target::new(payload.sha256, payload.size))
        })
    }

    /// Adds a signed channel manifest to the listed targets. `raw` is its stored bytes.
    ///
    /// # Errors
    /// See [`Targets::insert`].
    pub fn insert_channel(&mut self, channel: &ChannelName, raw: &[u8]) -> Result<(), TargetError> {
        self.insert(names::channel_target(channel), Target::of(raw))
    }

    /// Lists a target.
    ///
    /// # Errors
    /// When the name is already listed for another file, or not all clients treat it the same way.
    pub fn insert(&mut self, name: String, target: Target) -> Result<(), TargetError> {
        if !names::is_target_name(&name) {
            return Err(TargetError::Name(name));
        }
        if self.targets.get(&name).is_some_and(|listed| *listed != target) {
            return Err(TargetError::Twice(name));
        }
        self.targets.insert(name, target);
        Ok(())
    }

    /// Returns the delegated role with this name, and the keys that sign it.
    pub fn delegated(&self, name: &str) -> Option<(&DelegatedRole, Authority<'_>)> {
        let delegations = self.delegations.as_ref()?;
        let role = delegations.roles.iter().find(|role| role.name == name)?;
        Some((role, delegations.authority(role)))
    }
}

/// Why a target cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` cannot name a target: letters, digits, `.`, `_`, `-` and `+` are allowed")]
    Name(String),
    #[error("two files would have the target name `{0}`")]
    Twice(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_is_delegated_twice_is_refused() {
        let role = |name: &str, keyid: &str| {
            let keyid = keyid.repeat(32);
            format!(
                r#"{{"name":"{name}","keyids":["{keyid}"],"threshold":1,"paths":["a"],"terminating":true}}"#
            )
        };
        let read = |first: String, second: String| {
            serde_json::from_str::<Delegations>(&format!(r#"{{"keys":{{}},"roles":[{first},{second}]}}"#))
        };
        assert_eq!(read(role("releases-1.8", "ab"), role("releases-1.9", "ab")).unwrap().roles.len(), 2);
        let error = read(role("releases-1.8", "ab"), role("releases-1.8", "cd")).unwrap_err().to_string();
        assert!(error.contains("the role `releases-1.8` is delegated twice"), "{error}");
    }
}
