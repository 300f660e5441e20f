//! Somebody with copies of keys, who changes what is served and signs it.

use std::path::Path;

use serde_json::{Value, json};
use tidegate::formats::tuf::Target;
use tidegate::signing::PrivateKey;

use crate::scene::Files;

/// The highest version that has a canonical form.
pub const MOST: u64 = (1 << 53) - 1;

/// The target name of the line's index.
pub const INDEX: &str = "release.1.8.index.json";

/// What he serves, and where its versions stand.
#[derive(Clone)]
pub struct Thief {
    pub files: Files,
    /// Roles that he has changed, unsigned as yet: name, document, and who signs it.
    roles: Vec<(String, Value, Keys)>,
}

pub type Keys = Vec<std::sync::Arc<PrivateKey>>;

/// Copies a key.
pub fn steal(path: &Path) -> Keys {
    vec![PrivateKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap().into()]
}

/// A key of the thief's own.
pub fn own() -> Keys {
    vec![PrivateKey::from_seed(&[66; 32]).into()]
}

/// What is signed in a document.
pub fn signed(bytes: &[u8]) -> Value {
    serde_json::from_slice::<Value>(bytes).unwrap()["signed"].clone()
}

/// A document with signatures.
pub fn sign(document: &Value, keys: &Keys) -> Vec<u8> {
    let message = document.to_string();
    let signatures =
        keys.iter().map(|key| json!({"keyid": key.id(), "sig": hex::encode(key.sign(message.as_bytes()))}));
    let signatures: Value = signatures.collect();
    json!({"signatures": signatures, "signed": document}).to_string().into_bytes()
}

impl Thief {
    /// Begins with what is served.
    pub fn before(files: Files) -> Self {
        Self { files, roles: Vec::new() }
    }

    fn meta(&self, name: &str) -> Value {
        let timestamp = signed(&self.files["tuf/metadata/timestamp.json"]);
        if name == "snapshot" {
            return timestamp["meta"]["snapshot.json"].clone();
        }
        let version = timestamp["meta"]["snapshot.json"]["version"].clone();
        signed(&self.files[&format!("tuf/metadata/{version}.snapshot.json")])["meta"][format!("{name}.json")]
            .clone()
    }

    /// What a role says now.
    pub fn role(&self, name: &str) -> Value {
        if let Some((_, role, _)) = self.roles.iter().find(|(changed, ..)| changed == name) {
            return role.clone();
        }
        let version = self.meta(name)["version"].clone();
        signed(&self.files[&format!("tuf/metadata/{version}.{name}.json")])
    }

    /// Changes a role, with the next version unless the change gives another.
    pub fn change(&mut self, name: &str, keys: &Keys, change: impl FnOnce(&mut Value)) {
        let mut role = self.role(name);
        let before = role["version"].as_u64().unwrap();
        role["version"] = json!(before + 1);
        change(&mut role);
        self.roles.retain(|(changed, ..)| changed != name);
        self.roles.push((name.to_owned(), role, keys.clone()));
    }

    /// What a target says now.
    pub fn target(&self, role: &str, name: &str) -> Value {
        let digest = self.role(role)["targets"][name]["hashes"]["sha256"].clone();
        signed(&self.files[&format!("tuf/targets/{}.{name}", digest.as_str().unwrap())])
    }

    /// What the index of the line says now. It has no signatures.
    pub fn index(&self) -> Value {
        let digest = self.role("releases-1.8")["targets"][INDEX]["hashes"]["sha256"].clone();
        let bytes = &self.files[&format!("tuf/targets/{}.{INDEX}", digest.as_str().unwrap())];
        serde_json::from_slice(bytes).unwrap()
    }

    /// Puts a target under a role, and gives its digest.
    pub fn put(&mut self, role: &str, keys: &Keys, name: &str, bytes: Vec<u8>) -> String {
        let listed = json!(Target::of(&bytes));
        let digest = listed["hashes"]["sha256"].as_str().unwrap().to_owned();
        self.files.insert(format!("tuf/targets/{digest}.{name}"), bytes);
        self.change(role, keys, |role| role["targets"][name] = listed);
        digest
    }

    /// Signs the snapshot and the timestamp around what was changed. Versions go up by as much.
    pub fn seal(mut self, online: &Keys, version: Option<u64>) -> Files {
        let mut snapshot = self.role("snapshot");
        for (name, role, keys) in std::mem::take(&mut self.roles) {
            let bytes = sign(&role, &keys);
            let mut meta = json!(Target::of(&bytes));
            meta["version"] = role["version"].clone();
            self.files.insert(format!("tuf/metadata/{}.{name}.json", role["version"]), bytes);
            snapshot["meta"][format!("{name}.json")] = meta;
        }
        let version = version.unwrap_or(snapshot["version"].as_u64().unwrap() + 10_000);
        snapshot["version"] = json!(version);
        let bytes = sign(&snapshot, online);
        let mut timestamp = signed(&self.files["tuf/metadata/timestamp.json"]);
        timestamp["version"] = json!(version);
        timestamp["meta"]["snapshot.json"] = json!(Target::of(&bytes));
        timestamp["meta"]["snapshot.json"]["version"] = json!(version);
        self.files.insert(format!("tuf/metadata/{version}.snapshot.json"), bytes);
        self.files.insert("tuf/metadata/timestamp.json".to_owned(), sign(&timestamp, online));
        self.files
    }
}
