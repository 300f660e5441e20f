//! The documents of the roles.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest;

use super::delegation::{DelegatedRole, Delegations};
use super::key::{self, Key, KeyId};
use super::names::{self, CHANNELS};
use super::{
    CHANNELS_LIFETIME, RELEASES_LIFETIME, ROOT_LIFETIME, SNAPSHOT_LIFETIME, SPEC_VERSION, TARGETS_LIFETIME,
    TIMESTAMP_LIFETIME,
};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Sha256;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::seconds;

/// What all roles have.
pub trait Role: Serialize + DeserializeOwned {
    /// Never goes back.
    fn version(&self) -> u64;
    /// From when clients refuse it.
    fn expires(&self) -> Time;
}

/// Who signs a role, and how many of them must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    pub keys: Vec<Key>,
    pub threshold: u64,
}

impl Signers {
    /// Any one of the keys.
    #[must_use]
    pub const fn any(keys: Vec<Key>) -> Self {
        Self { keys, threshold: 1 }
    }

    fn role(&self) -> RoleKeys {
        let mut keyids: Vec<KeyId> = self.keys.iter().map(Key::id).collect();
        keyids.sort_unstable();
        keyids.dedup();
        RoleKeys { keyids, threshold: self.threshold }
    }

    fn add_to(&self, keys: &mut BTreeMap<KeyId, Key>) {
        keys.extend(self.keys.iter().map(|key| (key.id(), key.clone())));
    }
}

/// The keys whose signatures count for a document.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    pub keys: &'a BTreeMap<KeyId, Key>,
    pub keyids: &'a [KeyId],
    pub threshold: u64,
}

/// The keys of a role in the document that trusts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    pub keyids: Vec<KeyId>,
    #[serde(deserialize_with = "at_least_one")]
    pub threshold: u64,
}

impl RoleKeys {
    const fn authority<'a>(&'a self, keys: &'a BTreeMap<KeyId, Key>) -> Authority<'a> {
        Authority { keys, keyids: self.keyids.as_slice(), threshold: self.threshold }
    }
}

/// Root: the keys of the four top roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    #[serde(rename = "_type")]
    kind: RootKind,
    spec_version: SpecVersion,
    #[serde(deserialize_with = "only_true")]
    consistent_snapshot: bool,
    #[serde(deserialize_with = "at_least_one")]
    pub version: u64,
    #[serde(with = "seconds")]
    pub expires: Time,
    #[serde(deserialize_with = "key::by_id")]
    pub keys: BTreeMap<KeyId, Key>,
    pub roles: RootRoles,
}

/// The four top roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRoles {
    pub root: RoleKeys,
    pub snapshot: RoleKeys,
    pub targets: RoleKeys,
    pub timestamp: RoleKeys,
}

impl Root {
    /// A root under which the online key signs snapshot and timestamp.
    #[must_use]
    pub fn of(version: u64, now: Time, root: &Signers, targets: &Signers, online: &Signers) -> Self {
        let mut keys = BTreeMap::new();
        for signers in [root, targets, online] {
            signers.add_to(&mut keys);
        }
        Self {
            kind: RootKind::Root,
            spec_version: SpecVersion,
            consistent_snapshot: true,
            version,
            expires: now + ROOT_LIFETIME,
            keys,
            roles: RootRoles {
                root: root.role(),
                snapshot: online.role(),
                targets: targets.role(),
                timestamp: online.role(),
            },
        }
    }

    /// Who signs root itself.
    #[must_use]
    pub const fn root(&self) -> Authority<'_> {
        self.roles.root.authority(&self.keys)
    }

    /// Who signs the top targets role.
    #[must_use]
    pub const fn targets(&self) -> Authority<'_> {
        self.roles.targets.authority(&self.keys)
    }

    /// Who signs the snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> Authority<'_> {
        self.roles.snapshot.authority(&self.keys)
    }

    /// Who signs the timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> Authority<'_> {
        self.roles.timestamp.authority(&self.keys)
    }
}

/// The top targets role (delegations only), or a delegated one (targets only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    #[serde(rename = "_type")]
    kind: TargetsKind,
    spec_version: SpecVersion,
    #[serde(deserialize_with = "at_least_one")]
    pub version: u64,
    #[serde(with = "seconds")]
    pub expires: Time,
    pub targets: BTreeMap<String, Target>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
}

/// A file that clients may download: its length and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub hashes: Hashes,
    pub length: u64,
}

/// The digests of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    pub sha256: Sha256,
}

impl Target {
    /// A file of this digest and length.
    #[must_use]
    pub const fn new(sha256: Sha256, length: u64) -> Self {
        Self { hashes: Hashes { sha256 }, length }
    }

    /// A file with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::new(sha2::Sha256::digest(bytes).into()), bytes.len() as u64)
    }
}

impl Targets {
    /// The top targets role: one delegation for each line, and `channels` to the online key. A
    /// delegation that the snapshot lacks makes every target "not found" to some clients: it is
    /// published together with its first role.
    #[must_use]
    pub fn delegating<'a>(
        version: u64,
        now: Time,
        lines: impl IntoIterator<Item = (&'a LineName, &'a Prefix, &'a Signers)>,
        online: &Signers,
    ) -> Self {
        let mut keys = BTreeMap::new();
        let mut roles = Vec::new();
        let mut delegate = |name: String, paths, signers: &Signers| {
            signers.add_to(&mut keys);
            let RoleKeys { keyids, threshold } = signers.role();
            // The paths of no two roles meet, so that a search need not go on after the first.
            roles.push(DelegatedRole { name, keyids, threshold, paths, terminating: true });
        };
        for (line, prefix, signers) in lines {
            delegate(names::releases_role(line), names::releases_paths(prefix), signers);
        }
        delegate(CHANNELS.to_owned(), names::channels_paths(), online);
        let delegations = Some(Delegations { keys, roles });
        Self { delegations, ..Self::new(version, now + TARGETS_LIFETIME) }
    }

    /// Delegates one more line. Its first role must be published together with this.
    pub fn delegate(&mut self, line: &LineName, prefix: &Prefix, signers: &Signers) {
        let delegations =
            self.delegations.get_or_insert_with(|| Delegations { keys: BTreeMap::new(), roles: Vec::new() });
        signers.add_to(&mut delegations.keys);
        let RoleKeys { keyids, threshold } = signers.role();
        let (name, paths) = (names::releases_role(line), names::releases_paths(prefix));
        delegations.roles.push(DelegatedRole { name, keyids, threshold, paths, terminating: true });
    }

    /// An empty role of a line. The role of a retired one lasts longer:
    /// [`RETIRED_LIFETIME`](super::RETIRED_LIFETIME).
    #[must_use]
    pub fn releases(version: u64, now: Time) -> Self {
        Self::new(version, now + RELEASES_LIFETIME)
    }

    /// An empty role `channels`.
    #[must_use]
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

    /// Lists a signed release manifest by its stored bytes, and the payloads that it names. A
    /// manifest that was signed again takes the place of the older one in a role that is made anew.
    ///
    /// # Errors
    /// As [`Targets::insert`].
    pub fn insert_release(&mut self, manifest: &ReleaseManifest, raw: &[u8]) -> Result<(), TargetError> {
        self.insert(names::release_target(&manifest.version), Target::of(raw))?;
        manifest.payloads.iter().try_for_each(|payload| {
            let name = names::payload_target(&manifest.version, &payload.file);
            self.insert(name, Target::new(payload.sha256, payload.size))
        })
    }

    /// Lists a signed channel manifest by its stored bytes.
    ///
    /// # Errors
    /// As [`Targets::insert`].
    pub fn insert_channel(&mut self, channel: &ChannelName, raw: &[u8]) -> Result<(), TargetError> {
        self.insert(names::channel_target(channel), Target::of(raw))
    }

    /// Lists a target.
    ///
    /// # Errors
    /// When the name is listed with other bytes already, or is one that clients treat differently.
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

    /// The role delegated under a name.
    #[must_use]
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

/// Snapshot: which versions of the targets roles belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    #[serde(rename = "_type")]
    kind: SnapshotKind,
    spec_version: SpecVersion,
    #[serde(deserialize_with = "at_least_one")]
    pub version: u64,
    #[serde(with = "seconds")]
    pub expires: Time,
    pub meta: BTreeMap<String, Meta>,
}

/// A role's file: its version, length and digest. Both are optional to TUF; with them a client
/// refuses a wrong file before it reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    pub hashes: Hashes,
    pub length: u64,
    #[serde(deserialize_with = "at_least_one")]
    pub version: u64,
}

impl Meta {
    /// The file with these bytes.
    #[must_use]
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let Target { hashes, length } = Target::of(bytes);
        Self { hashes, length, version }
    }
}

impl Snapshot {
    /// A snapshot of these roles by name, `targets` and every delegated one among them. A role that
    /// was in the last snapshot must be in the next.
    #[must_use]
    pub fn of(version: u64, now: Time, roles: impl IntoIterator<Item = (String, Meta)>) -> Self {
        Self {
            kind: SnapshotKind::Snapshot,
            spec_version: SpecVersion,
            version,
            expires: now + SNAPSHOT_LIFETIME,
            meta: roles.into_iter().map(|(role, meta)| (format!("{role}.json"), meta)).collect(),
        }
    }

    /// What is said about a role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Meta> {
        self.meta.get(&format!("{name}.json"))
    }
}

/// Timestamp: which snapshot is the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    #[serde(rename = "_type")]
    kind: TimestampKind,
    spec_version: SpecVersion,
    #[serde(deserialize_with = "at_least_one")]
    pub version: u64,
    #[serde(with = "seconds")]
    pub expires: Time,
    pub meta: TimestampMeta,
}

/// The one file that a timestamp speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampMeta {
    #[serde(rename = "snapshot.json")]
    pub snapshot: Meta,
}

impl Timestamp {
    /// A timestamp for a snapshot.
    #[must_use]
    pub fn of(version: u64, now: Time, snapshot: Meta) -> Self {
        Self {
            kind: TimestampKind::Timestamp,
            spec_version: SpecVersion,
            version,
            expires: now + TIMESTAMP_LIFETIME,
            meta: TimestampMeta { snapshot },
        }
    }
}

macro_rules! role {
    ($($role:ident $kind:ident $variant:ident $word:literal),*) => {
        $(impl Role for $role {
            fn version(&self) -> u64 {
                self.version
            }

            fn expires(&self) -> Time {
                self.expires
            }
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        enum $kind {
            #[serde(rename = $word)]
            $variant,
        })*
    };
}

role!(
    Root RootKind Root "root",
    Targets TargetsKind Targets "targets",
    Snapshot SnapshotKind Snapshot "snapshot",
    Timestamp TimestampKind Timestamp "timestamp"
);

/// Written as [`SPEC_VERSION`]; any `1.0.x` is read, as other tools may have made the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpecVersion;

impl Serialize for SpecVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SPEC_VERSION)
    }
}

impl<'de> Deserialize<'de> for SpecVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("1.0.") {
            return Ok(Self);
        }
        Err(serde::de::Error::custom(format!("TUF `{text}` is not supported: `1.0.x` is wanted")))
    }
}

pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number == 0 {
        return Err(serde::de::Error::custom("versions and thresholds begin at `1`"));
    }
    Ok(number)
}

fn only_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = bool::deserialize(deserializer)?;
    if value {
        return Ok(true);
    }
    Err(serde::de::Error::custom("a repository without consistent snapshots is not supported"))
}
