//! Root: the keys of the four top-level roles.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::authority::{Authority, RoleKeys, Signers};
use super::key::{self, Key, KeyId};
use super::role::{SpecVersion, role};
use crate::domain::Time;

/// Root is signed by hand, offline: a year leaves room for holidays and for a missed reminder.
pub const ROOT_LIFETIME: TimeDelta = TimeDelta::days(365);

role! {
    /// Root: which keys sign the four top-level roles.
    pub struct Root(RootKind::Root, "root") {
        #[serde(deserialize_with = "only_true")]
        consistent_snapshot: bool,
        #[serde(deserialize_with = "key::by_id")]
        pub keys: BTreeMap<KeyId, Key>,
        pub roles: RootRoles,
    }
}

/// The four top-level roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RootRoles {
    pub root: RoleKeys,
    pub snapshot: RoleKeys,
    pub targets: RoleKeys,
    pub timestamp: RoleKeys,
}

impl Root {
    /// Creates a root under which the online key signs snapshot and timestamp.
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

    /// Returns the keys that sign root itself.
    pub const fn root(&self) -> Authority<'_> {
        self.roles.root.authority(&self.keys)
    }

    /// Returns the keys that sign the top-level targets role.
    pub const fn targets(&self) -> Authority<'_> {
        self.roles.targets.authority(&self.keys)
    }

    /// Returns the keys that sign the snapshot.
    pub const fn snapshot(&self) -> Authority<'_> {
        self.roles.snapshot.authority(&self.keys)
    }

    /// Returns the keys that sign the timestamp.
    pub const fn timestamp(&self) -> Authority<'_> {
        self.roles.timestamp.authority(&self.keys)
    }
}

fn only_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = bool::deserialize(deserializer)?;
    if value {
        return Ok(true);
    }
    Err(serde::de::Error::custom("a repository without consistent snapshots is not supported"))
}
