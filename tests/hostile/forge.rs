//! Signs a repository the way somebody with some of its keys could: any document may be changed
//! before it is signed, by whatever keys, and those who list it list what came out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tidegate::clock::{Clock as _, SystemClock};
use tidegate::domain::{Time, rfc3339};
use tidegate::formats::manifest::{IndexEntry, LineIndex};
use tidegate::formats::tuf::names::{self, CHANNELS};
use tidegate::formats::tuf::{Root, Signers, Snapshot, Target, Targets, Timestamp};
use tidegate::signing::PrivateKey;

use super::repository::{Files, Repository, payload, signers};

/// Root takes two signatures.
pub const ROOT: [u8; 2] = [1, 11];
pub const TARGETS: u8 = 2;
/// Line 1.8 takes two signatures.
pub const RELEASE: [u8; 2] = [3, 5];
pub const ONLINE: u8 = 4;
pub const RELEASE_OF_1_7: u8 = 7;
pub const RELEASE_OF_1_9: u8 = 8;
/// What the owners put in the place of a stolen online key.
pub const NEW_ONLINE: u8 = 9;
pub const THIEF: u8 = 66;

/// When all of it is made. The judges read the machine's clock, so that it must be now.
pub static NOW: LazyLock<Time> = LazyLock::new(|| SystemClock::new().now());

/// So many days after it was made, or before.
pub fn day(days: i64) -> String {
    rfc3339(*NOW + chrono::TimeDelta::days(days))
}

pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

pub fn any(seed: u8) -> Signers {
    signers(&key(seed))
}

pub fn both(seeds: [u8; 2]) -> Signers {
    Signers::new(seeds.map(|seed| key(seed).public().key()), 2)
}

type Edit<'a> = Box<dyn Fn(&mut Value) + 'a>;
type Write<'a> = Box<dyn Fn(String) -> String + 'a>;

/// A repository about to be signed. Documents are called by their targets' or roles' names.
pub struct Forge<'a> {
    pub repository: Repository,
    pub online: u8,
    signed_by: BTreeMap<String, Vec<u8>>,
    /// The keys whose signatures of a document are invalid.
    wrong: BTreeMap<String, u8>,
    edits: Vec<(String, Edit<'a>)>,
    texts: Vec<(String, Write<'a>)>,
}

impl<'a> Forge<'a> {
    /// What the owners publish for the `version`th time.
    pub fn new(version: u64) -> Self {
        Self::with(version, ONLINE)
    }

    /// The same with another online key.
    pub fn with(version: u64, online: u8) -> Self {
        let mut repository = Repository::new(*NOW);
        let now = repository.now;
        let of = BTreeMap::from([
            ("1.7", any(RELEASE_OF_1_7)),
            ("1.8", both(RELEASE)),
            ("1.9", any(RELEASE_OF_1_9)),
        ]);
        let lines =
            repository.catalog.lines().map(|line| (&line.name, &line.prefix, &of[line.name.as_str()]));
        repository.targets = Targets::delegating(version, now, lines, &any(online));
        repository.root = Root::of(1, now, &both(ROOT), &any(TARGETS), &any(online));
        repository.version = version;
        for role in repository.roles.values_mut() {
            role.version = version;
        }
        for manifest in repository.channels.values_mut() {
            manifest.version = version;
        }
        Self {
            repository,
            online,
            signed_by: BTreeMap::new(),
            wrong: BTreeMap::new(),
            edits: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Changes a document before it is signed.
    pub fn edit(mut self, name: &str, edit: impl Fn(&mut Value) + 'a) -> Self {
        self.edits.push((name.to_owned(), Box::new(edit)));
        self
    }

    /// Changes a document's text before it is signed.
    pub fn text(mut self, name: &str, write: impl Fn(String) -> String + 'a) -> Self {
        self.texts.push((name.to_owned(), Box::new(write)));
        self
    }

    /// Sets a field.
    pub fn set(self, name: &str, field: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.edit(name, move |document| document[field] = value.clone())
    }

    /// Has other keys sign a document.
    pub fn by(mut self, name: &str, seeds: &[u8]) -> Self {
        self.signed_by.insert(name.to_owned(), seeds.to_vec());
        self
    }

    /// Adds an invalid signature of a key to a document.
    pub fn wrongly_by(mut self, name: &str, seed: u8) -> Self {
        self.wrong.insert(name.to_owned(), seed);
        self
    }

    /// The keys that sign a document where nothing was stolen.
    fn signers(&self, name: &str) -> Vec<u8> {
        if let Some(seeds) = self.signed_by.get(name) {
            return seeds.clone();
        }
        let line = name.strip_prefix("releases-").or_else(|| name.strip_prefix("release."));
        match line.map(|line| line.trim_start_matches('v')) {
            Some(line) if line.starts_with("1.7") => vec![RELEASE_OF_1_7],
            Some(line) if line.starts_with("1.9") => vec![RELEASE_OF_1_9],
            Some(_) => RELEASE.to_vec(),
            None if name == "root" => ROOT.to_vec(),
            None if name == "targets" => vec![TARGETS],
            None => vec![self.online],
        }
    }

    /// Signs one document, with all that was changed in it. Gives its version too.
    fn sign(&self, name: &str, document: impl Serialize) -> (u64, Bytes) {
        let (version, text) = self.write(name, document);
        let bytes = envelope(&text, &self.signers(name));
        let Some(seed) = self.wrong.get(name) else { return (version, bytes) };
        let key = key(*seed);
        let wrong = json!({"keyid": key.id(), "sig": hex::encode(key.sign(b"something else"))});
        let bytes = String::from_utf8(bytes.to_vec()).unwrap();
        (version, bytes.replacen(r#"{"signatures":["#, &format!(r#"{{"signatures":[{wrong},"#), 1).into())
    }

    /// Writes one document, with all that was changed in it. Gives its version too.
    fn write(&self, name: &str, document: impl Serialize) -> (u64, String) {
        let mut value = serde_json::to_value(document).unwrap();
        for (_, edit) in self.edits.iter().filter(|(edited, _)| edited == name) {
            edit(&mut value);
        }
        let mut text = value.to_string();
        for (_, write) in self.texts.iter().filter(|(written, _)| written == name) {
            text = write(text);
        }
        (value["version"].as_u64().unwrap_or_default(), text)
    }

    /// Signs everything, from the bottom to the top.
    pub fn seal(&self) -> Files {
        let repository = &self.repository;
        let mut files = Files::new();
        let mut roles: BTreeMap<_, _> = repository
            .roles
            .iter()
            .map(|(name, role)| (name.clone(), serde_json::to_value(role).unwrap()))
            .collect();
        let mut put = |role: &str, name: String, bytes: Bytes, listed: Target| {
            roles.get_mut(role).unwrap()["targets"][&name] = json!(listed);
            files.insert(names::target_path(&name, &listed.hashes.sha256), bytes);
        };

        let mut digests = BTreeMap::new();
        let mut indexes: BTreeMap<_, _> = repository
            .catalog
            .lines()
            .map(|line| (line.name.clone(), LineIndex::new(line.name.clone(), BTreeMap::new())))
            .collect();
        for (version, manifest) in &repository.releases {
            let (role, name) = (names::releases_role(&manifest.line), names::release_target(version));
            let (_, bytes) = self.sign(&name, manifest);
            let listed = Target::of(&bytes);
            digests.insert(version.clone(), listed.hashes.sha256);
            let edited = serde_json::from_slice::<Value>(&bytes).ok();
            let edited = edited.and_then(|value| serde_json::from_value(value["signed"].clone()).ok());
            let entry = IndexEntry::of(edited.as_ref().unwrap_or(manifest));
            indexes.get_mut(&manifest.line).unwrap().releases.insert(version.clone(), entry);
            put(&role, name, bytes, listed);
            let bytes = payload(&version.to_string());
            let (name, listed) = (names::payload_target(version, "payload.json"), Target::of(&bytes));
            put(&role, name, bytes.into(), listed);
        }
        for (line, index) in &indexes {
            let name = names::index_target(&repository.catalog.line(line).unwrap().prefix);
            let bytes = Bytes::from(self.write(&name, index).1);
            let listed = Target::of(&bytes);
            put(&names::releases_role(line), name, bytes, listed);
        }
        for (channel, manifest) in &repository.channels {
            let mut manifest = manifest.clone();
            for release in &mut manifest.releases {
                release.manifest = digests[&release.version];
            }
            let name = names::channel_target(channel);
            let (_, bytes) = self.sign(&name, manifest);
            let listed = Target::of(&bytes);
            put(CHANNELS, name, bytes, listed);
        }

        let mut meta = BTreeMap::new();
        let mut put = |role: &str, (version, bytes): (u64, Bytes)| {
            meta.insert(format!("{role}.json"), meta_of(version, &bytes));
            files.insert(names::metadata_path(role, version), bytes);
        };
        for (name, role) in &roles {
            put(name, self.sign(name, role));
        }
        put("targets", self.sign("targets", &repository.targets));
        let mut snapshot = json!(Snapshot::of(repository.version, repository.now, []));
        snapshot["meta"] = json!(meta);
        let (version, bytes) = self.sign("snapshot", snapshot);
        let any = tidegate::formats::tuf::Meta::of(version, &bytes);
        let mut timestamp = json!(Timestamp::of(repository.version, repository.now, any));
        timestamp["meta"]["snapshot.json"] = meta_of(version, &bytes);
        files.insert(names::metadata_path("snapshot", version), bytes);
        files.insert(names::TIMESTAMP_PATH.to_owned(), self.sign("timestamp", timestamp).1);
        let (version, bytes) = self.sign("root", &repository.root);
        files.insert(names::metadata_path("root", version), bytes);
        files
    }
}

/// What a snapshot or a timestamp says of a file.
pub fn meta_of(version: u64, bytes: &Bytes) -> Value {
    let mut meta = json!(Target::of(bytes));
    meta["version"] = json!(version);
    meta
}

/// A text with signatures over what readers make of it.
pub fn envelope(text: &str, seeds: &[u8]) -> Bytes {
    let read = serde_json::from_str::<Value>(text);
    let message = read.map_or_else(|_| text.to_owned(), |value| value.to_string());
    let signatures = seeds.iter().map(|seed| {
        let key = key(*seed);
        json!({"keyid": key.id(), "sig": hex::encode(key.sign(message.as_bytes()))})
    });
    format!(r#"{{"signatures":{},"signed":{text}}}"#, signatures.collect::<Value>()).into()
}
