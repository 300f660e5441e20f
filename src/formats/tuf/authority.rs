//! Who signs a role.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::key::{Key, KeyId};
use super::role::at_least_one;

/// Who signs a role, and how many of them must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    pub keys: BTreeMap<KeyId, Key>,
    pub threshold: u64,
}

impl Signers {
    /// Requires `threshold` of these keys.
    pub fn new(keys: impl IntoIterator<Item = Key>, threshold: u64) -> Self {
        Self { keys: keys.into_iter().map(|key| (key.id(), key)).collect(), threshold }
    }

    /// Requires any one of the keys.
    pub fn any(keys: Vec<Key>) -> Self {
        Self::new(keys, 1)
    }

    /// The known keys of a role.
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

/// The keys whose signatures count for a document.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    pub keys: &'a BTreeMap<KeyId, Key>,
    pub keyids: &'a [KeyId],
    pub threshold: u64,
}

/// The keys of a role, in the document that delegates to it.
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
