//! Public keys, as written in documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::Digest;
use utoipa::ToSchema;

use crate::domain::payload::Sha256;

/// The id of a key: the SHA-256 digest of its canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Sha256);

impl KeyId {
    /// Parses 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, crate::domain::payload::DigestError> {
        Sha256::parse(text).map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An Ed25519 public key. It has no optional fields: they would be part of the key's id, but not all
/// clients keep them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    #[schema(inline)]
    keytype: Ed25519,
    keyval: KeyValue,
    #[schema(inline)]
    scheme: Ed25519,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
enum Ed25519 {
    #[serde(rename = "ed25519")]
    Ed25519,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KeyValue {
    #[serde(with = "hex::serde")]
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    public: [u8; 32],
}

impl Key {
    /// Creates a key from its 32 bytes.
    pub const fn new(public: [u8; 32]) -> Self {
        Self { keytype: Ed25519::Ed25519, keyval: KeyValue { public }, scheme: Ed25519::Ed25519 }
    }

    /// Returns the 32 bytes of the key.
    pub const fn public(&self) -> &[u8; 32] {
        &self.keyval.public
    }

    /// Returns the id of the key.
    pub fn id(&self) -> KeyId {
        let public = hex::encode(self.public());
        let canonical =
            format!(r#"{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}"#);
        KeyId(Sha256::new(sha2::Sha256::digest(canonical).into()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex::encode(self.keyval.public))
    }
}

/// Reads a map from ids to keys. Each id must match its key: otherwise, one key could have two ids and
/// count twice towards a threshold.
pub(super) fn by_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<KeyId, Key>, D::Error> {
    let keys = BTreeMap::<KeyId, Key>::deserialize(deserializer)?;
    for (id, key) in &keys {
        if *id != key.id() {
            return Err(serde::de::Error::custom(format!(
                "the key listed as `{id}` has the id `{}`",
                key.id()
            )));
        }
    }
    Ok(keys)
}

/// Reads the key ids of a role, and rejects duplicates, as some clients do.
pub(super) fn each_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeyId>, D::Error> {
    let keyids = Vec::<KeyId>::deserialize(deserializer)?;
    let mut known = BTreeSet::new();
    if let Some(twice) = keyids.iter().find(|keyid| !known.insert(**keyid)) {
        return Err(serde::de::Error::custom(format!("the key `{twice}` is named twice")));
    }
    Ok(keyids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::canonical::canonical;

    #[test]
    fn a_key_id_is_the_digest_of_the_canonical_key() {
        let key = Key::new([7; 32]);
        assert_eq!(key.id().to_string(), hex::encode(sha2::Sha256::digest(canonical(&key).unwrap())));
    }

    #[test]
    fn a_key_under_a_name_that_is_not_its_id_is_refused() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only reading it is tested")]
        struct Keys(#[serde(deserialize_with = "by_id")] BTreeMap<KeyId, Key>);

        let key = Key::new([7; 32]);
        let good = serde_json::to_string(&BTreeMap::from([(key.id(), &key)])).unwrap();
        assert!(serde_json::from_str::<Keys>(&good).is_ok());
        let other = good.replacen(&key.id().to_string(), &"00".repeat(32), 1);
        let error = serde_json::from_str::<Keys>(&other).unwrap_err().to_string();
        assert!(error.contains("has the id"), "{error}");
    }
}
