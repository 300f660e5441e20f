//! The keys that sign a role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::key::{Key, KeyId};
use super::role::at_least_one;

/// The keys that may sign a role, and how many of them must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    pub keys: BTreeMap<KeyId, Key>,
    pub threshold: u64,
}

impl Signers {
    /// Creates signers of which `threshold` must sign.
    pub fn new(keys: impl IntoIterator<Item = Key>, threshold: u64) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.id(), key)).collect(), threshold }
    }

    /// Creates signers of which any one is enough.
    pub fn any(keys: Vec<Key>) -> Self {
        Self::new(keys, 1)
    }

    /// Returns the signers of a role, without key ids whose key is unknown.
    pub fn of(authority: Authority<'_>) -> Self {
        let keys = authority.keyids.iter().filter_map(|id| Some((*id, authority.keys.get(id)?.clone())));
        Self { keys: keys.collect(), threshold: authority.threshold }
    }

    pub(super) fn role(&self) -> RoleKeys {
        RoleKeys { keyids: self.keys.keys().copied().collect(), threshold: self.threshold }
    }

    pub(super) fn add_to(&self, keys: &mut BTreeMap<KeyId, Key>) {
        keys.extend(self.keys.clone());
    }
}

/// The keys whose signatures count for a document, and how many are needed.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    pub keys: &'a BTreeMap<KeyId, Key>,
    pub keyids: &'a [KeyId],
    pub threshold: u64,
}

/// The keys and the threshold of a role, as written in the document that delegates to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    #[serde(deserialize_with = "super::key::each_once")]
    pub keyids: Vec<KeyId>,
    #[serde(deserialize_with = "at_least_one")]
    #[schema(minimum = 1)]
    pub threshold: u64,
}

impl RoleKeys {
    pub(super) const fn authority<'a>(&'a self, keys: &'a BTreeMap<KeyId, Key>) -> Authority<'a> {
        Authority { keys, keyids: self.keyids.as_slice(), threshold: self.threshold }
    }
}
