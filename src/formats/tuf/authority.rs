//! Who signs a role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::key::{Key, KeyId};
use super::role::at_least_one;

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

    pub(super) fn role(&self) -> RoleKeys {
        let mut keyids: Vec<KeyId> = self.keys.iter().map(Key::id).collect();
        keyids.sort_unstable();
        keyids.dedup();
        RoleKeys { keyids, threshold: self.threshold }
    }

    pub(super) fn add_to(&self, keys: &mut BTreeMap<KeyId, Key>) {
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

/// The keys of a role, in the document that delegates to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    pub keyids: Vec<KeyId>,
    #[serde(deserialize_with = "at_least_one")]
    pub threshold: u64,
}

impl RoleKeys {
    pub(super) const fn authority<'a>(&'a self, keys: &'a BTreeMap<KeyId, Key>) -> Authority<'a> {
        Authority { keys, keyids: self.keyids.as_slice(), threshold: self.threshold }
    }
}
