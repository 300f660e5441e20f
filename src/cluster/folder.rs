//! The folder of one cluster: its settings, its operator's orders, and the agent's record.
//!
//! All three are in one file, which is replaced as a whole, so readers need no lock. A writer takes the
//! lock first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::applying::Applying;
use super::lock::{self, Lock};
use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::ChannelName;
use crate::domain::span::Span;
use crate::domain::version::Version;
use crate::remote::Address;
use crate::store::durable::{self, Mode};
use crate::store::plain;
use crate::words::rules::parse_arch;

pub use super::record::{Begun, Failure, MOST_TRIES, Record, Step, Told};

const FILE: &str = "cluster.json";

/// How much space is reserved for records on a full disk, in bytes: that for a record with a full history.
const RESERVE: usize = 64 * 1024;

/// Everything that is stored about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub config: Config,
    #[serde(default)]
    pub orders: Orders,
    #[serde(default)]
    pub record: Record,
}

/// How a cluster is updated: the options of `tidegate cluster add`, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// The version of this format.
    #[arg(skip = 1_u32)]
    pub format: u32,
    /// The address of the update server or of a mirror
    #[arg(long, value_name = "URL")]
    pub server: Address,
    /// The channel to follow: its name or an alias, in upper or lower case
    #[arg(long, value_name = "CHANNEL", value_parser = ChannelName::parse_any_case)]
    pub channel: ChannelName,
    /// A command that prints the version that the cluster runs; run with `sh -c`
    #[arg(long, value_name = "CMD")]
    pub current: String,
    /// A command that applies a release; run with `sh -c`. Without it, releases are only reported
    #[arg(long, value_name = "CMD")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<String>,
    /// Stop a command that applies a release once it has run for this long; by default it may run for ever
    // In seconds.
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_timeout: Option<u64>,
    /// Whether somebody approves each release
    #[arg(long, value_enum, default_value_t = Approval::Admin)]
    pub approval: Approval,
    /// How often to check
    // In seconds.
    #[arg(long, value_name = "DURATION", value_parser = interval, default_value = "45m")]
    pub interval: u64,
    /// Take the payloads for this architecture, and those for any architecture
    #[arg(long, value_name = "ARCH", value_parser = parse_arch)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// In a closed network, accept documents that expired at most this long ago
    // In seconds.
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "0s", hide_default_value = true)]
    #[serde(default)]
    pub stale_ok: u64,
    /// Accept documents that a demo has signed with throw-away keys
    #[arg(long)]
    #[serde(default)]
    pub demo: bool,
    /// PEM file of certificates to trust for `https` instead of the system's
    #[arg(long, value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// Who decides whether a release is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The agent applies each release at once
    Automatic,
    /// `tidegate cluster approve NAME VERSION` lets the agent apply a release
    Admin,
}

impl Approval {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Admin => "admin",
        }
    }
}

/// Ten years: no signed document is valid for longer.
const LONGEST: Span = Span(TimeDelta::days(3650));

/// Parses a duration into seconds.
fn seconds(text: &str) -> Result<u64, String> {
    match Span::parse(text) {
        Some(span) if span <= LONGEST => Ok(span.0.num_seconds().unsigned_abs()),
        Some(_) => Err(format!("it is longer than {LONGEST}")),
        None => Err("write a whole number of weeks, days, hours, minutes or seconds, like `45m`".to_owned()),
    }
}

fn interval(text: &str) -> Result<u64, String> {
    match seconds(text)? {
        0 => Err("it must be longer than zero".to_owned()),
        seconds => Ok(seconds),
    }
}

/// The operator's orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    pub paused: Option<Pause>,
    /// The release that may be applied.
    pub approved: Option<Version>,
    /// How many checks the operator has requested.
    pub checks: u64,
    /// How many retries of a failed release the operator has requested.
    pub retries: u64,
}

/// A pause: since when no release is applied, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    pub at: Time,
    pub reason: Option<String>,
}

/// The folder of one cluster.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    /// The folder of the cluster `name` in a state folder.
    pub fn new(state: &Path, name: &str) -> Self {
        Self { path: state.join("clusters").join(name), name: name.to_owned() }
    }

    /// The names of all clusters.
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
            let name = entry.map_err(Refusal::state(&folder))?.file_name().to_string_lossy().into_owned();
            if Self::new(state, &name).exists() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the cluster has been added.
    pub fn exists(&self) -> bool {
        self.path.join(FILE).is_file()
    }

    /// Creates the folder, and removes anything that an interrupted addition or removal left in it: what
    /// was trusted under another root must not survive.
    ///
    /// # Errors
    /// When the folder cannot be written, or a check of a removed cluster is still in progress.
    pub fn create(&self, config: &Config, root: &[u8]) -> Result<(), Refusal> {
        durable::create_folder(&self.path, Mode::Private)?;
        let _check = self.check_lock()?;
        let _files = lock::wait(&self.path.join("files.lock"), lock::WRITING)?;
        self.clear()?;
        durable::write(&self.path.join("root.json"), root, Mode::Private)?;
        // This file comes last, since the cluster exists once the file does.
        let (config, orders, record) = (config.clone(), Orders::default(), Record::default());
        self.write(&Cluster { config, orders, record })
    }

    /// Removes the cluster.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove(&self) -> Result<(), Refusal> {
        // Wait for a check in progress: it would write its trusted state after everything was removed.
        let _check = self.check_lock()?;
        let _files = lock::wait(&self.path.join("files.lock"), lock::WRITING)?;
        let file = self.path.join(FILE);
        fs::remove_file(&file).map_err(Refusal::state(file))?;
        fs::remove_dir_all(&self.path).map_err(Refusal::state(&self.path))
    }

    /// Removes everything but the locks, which another process may hold.
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

    /// The root that the operator supplied when adding the cluster.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn root(&self) -> Result<Bytes, Refusal> {
        let path = self.path.join("root.json");
        plain::whole_of_state(&path).map(Bytes::from).map_err(Refusal::state(path))
    }

    /// Reads settings, orders and record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Cluster, Refusal> {
        let path = self.path.join(FILE);
        read(&path)?.ok_or_else(|| Refusal::state(path)(io::ErrorKind::NotFound.into()))
    }

    /// Changes settings, orders and record.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn change(&self, change: impl FnOnce(&mut Cluster)) -> Result<Cluster, Refusal> {
        let _lock = lock::wait(&self.path.join("files.lock"), lock::WRITING)?;
        let before = self.read()?;
        let mut cluster = before.clone();
        change(&mut cluster);
        if cluster != before {
            self.write(&cluster)?;
        }
        Ok(cluster)
    }

    /// Writes the file. On a full disk, the reserve makes room, so that at least the failure is recorded.
    fn write(&self, cluster: &Cluster) -> Result<(), Refusal> {
        let (file, reserve) = (self.path.join(FILE), self.path.join("reserve"));
        let mut written = write(&file, cluster);
        if written.as_ref().is_err_and(Refusal::is_full) && fs::remove_file(&reserve).is_ok() {
            written = write(&file, cluster);
        }
        // Whatever has the name is left alone, also a link.
        if written.is_ok() && fs::symlink_metadata(&reserve).is_err() {
            let mut bytes = vec![0; RESERVE];
            // A file system that compresses would keep no space for zeros.
            if getrandom::fill(&mut bytes).is_ok() {
                let _ = durable::write(&reserve, &bytes, Mode::Private);
            }
        }
        written
    }

    /// Takes the lock of the agent. `None` if another agent holds it.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn run_lock(&self) -> Result<Option<Lock>, Refusal> {
        lock::take(&self.path.join("run.lock"))
    }

    /// Whether an agent is running.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn is_run(&self) -> Result<bool, Refusal> {
        lock::is_held(&self.path.join("run.lock"))
    }

    /// The lock of a running `--apply`.
    pub fn applying(&self) -> Applying {
        Applying::new(&self.path)
    }

    /// The folder for the payloads of a release.
    pub fn downloads(&self, version: &Version) -> PathBuf {
        self.path.join("downloads").join(version.to_string())
    }

    /// Waits for the lock that protects the trusted state.
    ///
    /// # Errors
    /// When another process holds it for a minute, or the lock file cannot be created.
    pub fn check_lock(&self) -> Result<Lock, Refusal> {
        lock::wait(&self.path.join("check.lock"), lock::CHECKING)
    }
}

/// Reads a JSON file of the state. `None` if there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Refusal> {
    match plain::whole_of_state(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| unreadable(path, &e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Refusal::state(path)(e)),
    }
}

/// Why a JSON file cannot be read. One that says something unknown was written by a newer version.
fn unreadable(path: &Path, error: &serde_json::Error) -> Refusal {
    let newer = if error.is_data() {
        "; if a newer version of tidegate has written it, install that version here and restart the agent"
    } else {
        ""
    };
    Refusal::damaged(path, format!("{error}{newer}"))
}

/// Writes a JSON file of the state.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), Refusal> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|e| Refusal::state(path)(e.into()))?;
    Ok(durable::write(path, &bytes, Mode::Private)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_longer_than_zero() {
        assert_eq!(interval("45m"), Ok(2700));
        assert!(interval("0m").is_err() && interval("99999999999d").is_err());
        assert_eq!(seconds("0s"), Ok(0));
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let record = r#"{"current":null,"target":null,"advice":null,"checked":null,"expires":null,"age":null,
            "trouble":null,"failure":null,"step":"apply","notes":[]}"#;
        let expected = Record { step: Some(Step::Apply), ..Record::default() };
        assert_eq!(serde_json::from_str::<Record>(record).unwrap(), expected);
    }

    #[test]
    fn what_a_newer_version_has_written_is_named_as_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for (text, is_newer) in [(r#"{"later": 1}"#, true), (r#"{"config": {}}"#, true), ("{", false)] {
            fs::write(&path, text).unwrap();
            let told = read::<Cluster>(&path).unwrap_err().to_string();
            assert!(told.contains(FILE), "{told}");
            assert_eq!(told.contains("if a newer version of tidegate has written it"), is_newer, "{told}");
        }
    }

    fn config() -> Config {
        Config {
            format: 1,
            server: "http://127.0.0.1:1".parse().unwrap(),
            channel: "1.8-production".parse().unwrap(),
            current: "true".to_owned(),
            apply: None,
            apply_timeout: None,
            approval: Approval::Admin,
            interval: 1,
            arch: None,
            stale_ok: 0,
            demo: false,
            ca: None,
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_that_has_the_name_of_the_reserve() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        folder.create(&config(), b"one").unwrap();
        let (reserve, target) = (folder.path().join("reserve"), state.path().join("target"));
        fs::remove_file(&reserve).unwrap();
        std::os::unix::fs::symlink(&target, &reserve).unwrap();
        folder.change(|cluster| cluster.orders.checks += 1).unwrap();
        assert!(!target.exists());
        fs::remove_file(&reserve).unwrap();
        folder.change(|cluster| cluster.orders.checks += 1).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&reserve).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_left_of_a_cluster_is_cleared_before_another_is_added() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        let config = config();
        folder.create(&config, b"one").unwrap();
        let added = folder.read().unwrap();
        assert_eq!(fs::metadata(folder.path().join("reserve")).unwrap().len(), RESERVE as u64);
        let version = Version::parse("1.8.9").ok();
        let changed = folder.change(|cluster| {
            (cluster.orders.approved, cluster.record.target) = (version.clone(), version);
        });
        assert_eq!(folder.read().unwrap(), changed.unwrap());
        fs::create_dir_all(folder.path().join("trusted/files")).unwrap();
        fs::write(folder.path().join("trusted/state.json"), "{}").unwrap();
        // This is what an interrupted removal leaves.
        fs::remove_file(folder.path().join(FILE)).unwrap();
        folder.create(&config, b"two").unwrap();
        assert!(!folder.path().join("trusted").exists());
        assert_eq!(folder.read().unwrap(), added);
        assert_eq!(folder.root().unwrap(), &b"two"[..]);
        folder.remove().unwrap();
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_folder_that_was_removed_is_not_begun_anew() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        assert!(folder.check_lock().is_err() && folder.run_lock().is_err());
        assert!(folder.change(|_| {}).is_err());
        assert!(!folder.path().exists());
    }

    #[test]
    fn nothing_is_removed_under_a_check() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(folder.path().join(FILE), "{}").unwrap();
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
