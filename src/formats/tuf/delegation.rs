//! Roles below the top targets role.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use super::key::{self, Key, KeyId};
use super::role::{Authority, at_least_one};

/// Roles below the top targets role, each name once: where one stood twice, some readers would take
/// the first and others the last, and a keeper would be shown other keys than count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegations {
    #[serde(deserialize_with = "key::by_id")]
    pub keys: BTreeMap<KeyId, Key>,
    #[serde(deserialize_with = "each_name_once")]
    pub roles: Vec<DelegatedRole>,
}

/// One role below the top targets role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegatedRole {
    pub name: String,
    pub keyids: Vec<KeyId>,
    #[serde(deserialize_with = "at_least_one")]
    pub threshold: u64,
    pub paths: Vec<String>,
    pub terminating: bool,
}

impl Delegations {
    /// Who signs a role.
    #[must_use]
    pub fn authority<'a>(&'a self, role: &'a DelegatedRole) -> Authority<'a> {
        Authority { keys: &self.keys, keyids: &role.keyids, threshold: role.threshold }
    }
}

fn each_name_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DelegatedRole>, D::Error> {
    let roles = Vec::<DelegatedRole>::deserialize(deserializer)?;
    let mut names = BTreeSet::new();
    if let Some(role) = roles.iter().find(|role| !names.insert(&role.name)) {
        return Err(serde::de::Error::custom(format!("the role `{}` is delegated twice", role.name)));
    }
    Ok(roles)
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
