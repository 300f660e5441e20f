//! The folder of one cluster: its settings, its operator's orders, and what has come of them.
//!
//! Commands write settings and orders, the agent writes the record. Each file is replaced whole, so
//! that a reader needs no lock; whoever changes one takes the lock first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lock::{self, Lock};
use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::ChannelName;
use crate::domain::version::Version;
use crate::formats::seconds;
use crate::store::durable::{self, Mode};

/// How a cluster is updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The form of this file.
    pub format: u32,
    pub server: String,
    pub channel: ChannelName,
    /// Prints the version that the cluster runs.
    pub current: String,
    /// Applies a release. Without it the cluster is only told about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<String>,
    pub approval: Approval,
    /// In seconds.
    pub interval: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// In seconds.
    #[serde(default)]
    pub stale_ok: u64,
    #[serde(default)]
    pub demo: bool,
    /// Certificates to trust instead of the system's, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// Who decides that a release is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    Automatic,
    Admin,
}

/// What the operator wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Orders {
    #[serde(default)]
    pub paused: Option<Pause>,
    /// The release that may be applied.
    #[serde(default)]
    pub approved: Option<Version>,
    /// Goes up with each wish for a check.
    #[serde(default)]
    pub checks: u64,
    /// Goes up with each wish to try again what has failed.
    #[serde(default)]
    pub retries: u64,
}

/// Since when, and why, nothing is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    #[serde(with = "seconds")]
    pub at: Time,
    pub reason: Option<String>,
}

/// What has come of it so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Record {
    pub current: Option<Version>,
    /// The release that the advice is to take.
    pub target: Option<Version>,
    pub advice: Option<Told>,
    /// When the last check succeeded.
    pub checked: Option<Stamp>,
    /// Until when the advice holds.
    pub expires: Option<Stamp>,
    /// By how many seconds the documents have expired, where that is allowed.
    pub age: Option<u64>,
    /// Why the last check failed.
    pub trouble: Option<Failure>,
    /// Why the last release was not applied.
    pub failure: Option<Failure>,
    /// What is being done.
    pub step: Option<Step>,
    /// What was noticed and is not an obstacle: releases that were skipped, and the like.
    pub notes: Vec<String>,
}

/// A time in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(#[serde(with = "seconds")] pub Time);

/// Advice, as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub action: String,
    pub code: String,
    pub message: String,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// A stable word, [`Refusal::kind`] among others.
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
    pub at: Stamp,
    /// The release that was being applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// The operator's wishes to try again, when it failed.
    #[serde(default)]
    pub retries: u64,
}

/// A step of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Download,
    Verify,
    Apply,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of a cluster below the state folder.
    #[must_use]
    pub fn new(state: &Path, name: &str) -> Self {
        Self { path: state.join("clusters").join(name) }
    }

    /// The names of all clusters that were added.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub fn names(state: &Path) -> Result<Vec<String>, Refusal> {
        let folder = state.join("clusters");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Refusal::state(folder)(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Refusal::state(&folder))?;
            if entry.path().join("config.json").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the cluster was added.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.join("config.json").is_file()
    }

    /// Makes the folder. What was left there by a removal or an addition that was cut off is cleared:
    /// with another root all trust begins anew.
    ///
    /// # Errors
    /// When it cannot be written, or a check of a removed cluster goes on.
    pub fn create(&self, config: &Config, root: &[u8]) -> Result<(), Refusal> {
        durable::create_folder(&self.path, Mode::Private)?;
        let _check = self.check_lock()?;
        self.clear()?;
        durable::write(&self.path.join("root.json"), root, Mode::Private)?;
        // Last, since with it the cluster is there.
        self.write("config.json", config)
    }

    /// Removes all that is known of the cluster.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<(), Refusal> {
        // A check that is under way would write down what it trusts after all was removed.
        let _check = self.check_lock()?;
        let config = self.path.join("config.json");
        fs::remove_file(&config).map_err(Refusal::state(config))?;
        fs::remove_dir_all(&self.path).map_err(Refusal::state(&self.path))
    }

    /// Removes everything but the locks, which somebody may hold.
    fn clear(&self) -> Result<(), Refusal> {
        for entry in fs::read_dir(&self.path).map_err(Refusal::state(&self.path))? {
            let path = entry.map_err(Refusal::state(&self.path))?.path();
            if path.extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(Refusal::state(path))?;
        }
        Ok(())
    }

    /// The root that was brought by hand.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root(&self) -> Result<Bytes, Refusal> {
        let path = self.path.join("root.json");
        fs::read(&path).map(Bytes::from).map_err(Refusal::state(path))
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn config(&self) -> Result<Config, Refusal> {
        let path = self.path.join("config.json");
        let missing = || Refusal::state(path)(io::ErrorKind::NotFound.into());
        self.read("config.json")?.ok_or_else(missing)
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn orders(&self) -> Result<Orders, Refusal> {
        Ok(self.read("orders.json")?.unwrap_or_default())
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn record(&self) -> Result<Record, Refusal> {
        Ok(self.read("record.json")?.unwrap_or_default())
    }

    /// # Errors
    /// When the file cannot be read or written.
    pub fn change_config(&self, change: impl FnOnce(&mut Config)) -> Result<Config, Refusal> {
        let _lock = self.lock()?;
        let mut config = self.config()?;
        change(&mut config);
        self.write("config.json", &config)?;
        Ok(config)
    }

    /// # Errors
    /// When the file cannot be read or written.
    pub fn change_orders(&self, change: impl FnOnce(&mut Orders)) -> Result<Orders, Refusal> {
        let _lock = self.lock()?;
        let mut orders = self.orders()?;
        change(&mut orders);
        self.write("orders.json", &orders)?;
        Ok(orders)
    }

    /// # Errors
    /// When the file cannot be read or written.
    pub fn change_record(&self, change: impl FnOnce(&mut Record)) -> Result<Record, Refusal> {
        let _lock = self.lock()?;
        let mut record = self.record()?;
        let before = record.clone();
        change(&mut record);
        if record != before {
            self.write("record.json", &record)?;
        }
        Ok(record)
    }

    /// The lock of the one agent. `None` if another has it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn run_lock(&self) -> Result<Option<Lock>, Refusal> {
        lock::take(&self.path.join("run.lock"))
    }

    /// What an agent acts on, to notice that it changed.
    #[must_use]
    pub fn wishes(&self) -> [Option<Vec<u8>>; 2] {
        ["config.json", "orders.json"].map(|name| fs::read(self.path.join(name)).ok())
    }

    /// Where the files of a release are downloaded to.
    #[must_use]
    pub fn downloads(&self, version: &Version) -> PathBuf {
        self.path.join("downloads").join(version.to_string())
    }

    /// The lock of whoever changes what is trusted.
    ///
    /// # Errors
    /// When another has it for a minute, or the file cannot be made.
    pub fn check_lock(&self) -> Result<Lock, Refusal> {
        lock::wait(&self.path.join("check.lock"))
    }

    fn lock(&self) -> Result<Lock, Refusal> {
        lock::wait(&self.path.join("files.lock"))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let path = self.path.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Refusal::state(path)(e)),
        };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|e| Refusal::state(path)(io::Error::other(e)))
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Refusal> {
        let path = self.path.join(name);
        let mut bytes =
            serde_json::to_vec_pretty(value).map_err(io::Error::other).map_err(Refusal::state(&path))?;
        bytes.push(b'\n');
        durable::write(&path, &bytes, Mode::Private)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_of_a_cluster_is_cleared_before_another_is_added() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        let config = Config {
            format: 1,
            server: "http://127.0.0.1:1".to_owned(),
            channel: "1.8-production".parse().unwrap(),
            current: "true".to_owned(),
            apply: None,
            approval: Approval::Admin,
            interval: 1,
            arch: None,
            stale_ok: 0,
            demo: false,
            ca: None,
        };
        folder.create(&config, b"one").unwrap();
        folder.change_orders(|orders| orders.approved = Version::parse("1.8.9").ok()).unwrap();
        folder.change_record(|record| record.target = Version::parse("1.8.9").ok()).unwrap();
        fs::create_dir_all(folder.path().join("trusted/1")).unwrap();
        fs::write(folder.path().join("trusted/current"), "1").unwrap();
        // As a removal leaves it that was cut off.
        fs::remove_file(folder.path().join("config.json")).unwrap();
        folder.create(&config, b"two").unwrap();
        assert!(!folder.path().join("trusted").exists());
        assert_eq!(folder.orders().unwrap(), Orders::default());
        assert_eq!(folder.record().unwrap(), Record::default());
        assert_eq!(folder.root().unwrap(), &b"two"[..]);
        folder.remove().unwrap();
        assert!(!folder.path().exists());
    }

    #[test]
    fn nothing_is_removed_under_a_check() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        let check = folder.check_lock().unwrap();
        let removing = {
            let folder = folder.clone();
            std::thread::spawn(move || folder.remove())
        };
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(folder.exists());
        drop(check);
        removing.join().unwrap().unwrap();
        assert!(!folder.exists());
    }
}
