//! What a cluster trusts, on disk.
//!
//! A numbered folder for each state that was verified wholly, and a file `current` that names the
//! newest: a check that succeeds writes a folder aside, and then moves `current`. Files that never
//! change are linked from one state to the next, so that a new state costs what is new in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::formats::seconds;
use crate::formats::tuf::{Authority, KeyId, Meta, Root, Snapshot, Timestamp};
use crate::signing::Signed;
use crate::signing::continuity::Known;
use crate::store::durable::{self, Mode};

/// The folder of one cluster's trusted states.
#[derive(Debug, Clone)]
pub struct Trusted {
    folder: PathBuf,
}

/// What a cluster remembers beside documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    /// When this state was verified. An earlier clock is wrong, and would take what has expired.
    #[serde(with = "seconds")]
    verified: Time,
    seen: Seen,
}

/// What was seen of the channels, by a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The keys that sign channels. With other keys what follows is forgotten: so a cluster comes back
    /// from what a thief has signed, versions at their maximum for one.
    pub keys: BTreeSet<KeyId>,
    /// The version of each channel's manifest.
    pub versions: BTreeMap<ChannelName, u64>,
    /// The line and the stage of each channel. They never change, or the online key could lead a
    /// cluster into the next minor without its operator's wish, or around `not_before`.
    pub places: BTreeMap<ChannelName, (LineName, StageName)>,
    /// The channel that each alias meant first; for the same reason.
    pub aliases: BTreeMap<ChannelName, ChannelName>,
    /// The tag under which the timestamp was served.
    pub timestamp_tag: Option<String>,
}

/// One verified state.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    number: u64,
    /// When it was verified, in whole seconds.
    pub verified: Time,
    pub seen: Seen,
    pub root: Signed<Root>,
    pub timestamp: Signed<Timestamp>,
    snapshot: Signed<Snapshot>,
}

impl State {
    /// What may follow this state.
    #[must_use]
    pub const fn known(&self) -> Known<'_> {
        Known { root: &self.root, timestamp: Some(&self.timestamp), snapshot: Some(&self.snapshot) }
    }

    /// A file that never changes, by its path in the repository: a copy, which may be damaged.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Bytes> {
        fs::read(file_in(&self.folder, path)).ok().map(Bytes::from)
    }
}

/// Where a state keeps a file that never changes. Names in a repository are flat below two folders.
fn file_in(state: &Path, path: &str) -> PathBuf {
    state.join("files").join(path.replace('/', "_"))
}

/// What the next state consists of.
#[derive(Debug)]
pub struct Next<'a> {
    pub verified: Time,
    pub root: &'a Bytes,
    pub timestamp: &'a Bytes,
    pub snapshot: &'a Bytes,
    pub seen: &'a Seen,
    /// By path in the repository.
    pub files: &'a HashMap<String, Bytes>,
}

impl Next<'_> {
    /// Whether it has anything that the state before has not.
    #[must_use]
    pub fn is_new(&self, before: Option<&State>) -> bool {
        before.is_none_or(|before| {
            before.root.raw() != self.root
                || before.timestamp.raw() != self.timestamp
                || before.seen != *self.seen
                || self.files.iter().any(|(path, bytes)| before.file(path).as_ref() != Some(bytes))
        })
    }
}

impl Trusted {
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The newest verified state. `None` before the first one.
    ///
    /// # Errors
    /// When the folder was damaged: that is not "no state yet", since a rollback would then pass.
    pub fn read(&self) -> Result<Option<State>, Refusal> {
        let pointer = self.folder.join("current");
        let text = match fs::read_to_string(&pointer) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Refusal::state(pointer)(e)),
        };
        let number = text.trim().parse().map_err(|_| Refusal::damaged(pointer, "it names no state"))?;
        let folder = self.folder.join(text.trim());
        let path = folder.join("seen.json");
        let Memory { verified, seen } =
            serde_json::from_slice(&read(&path)?).map_err(|e| Refusal::damaged(path, e.to_string()))?;
        let root: Signed<Root> =
            signed(&folder.join("root.json"), |root: &Signed<Root>| verify(root, root.signed().root()))?;
        let timestamp: Signed<Timestamp> =
            signed(&folder.join("timestamp.json"), |timestamp| verify(timestamp, root.signed().timestamp()))?;
        // Together they were verified, so that the one's digest is as good as a signature.
        let meta = timestamp.signed().meta.snapshot;
        let snapshot = signed(&folder.join("snapshot.json"), |snapshot: &Signed<Snapshot>| {
            let same = Meta::of(snapshot.signed().version, snapshot.raw()) == meta;
            if same { Ok(()) } else { Err("the timestamp names another one".to_owned()) }
        })?;
        Ok(Some(State { folder, number, verified, seen, root, timestamp, snapshot }))
    }

    /// Makes what was verified the trusted state.
    ///
    /// # Errors
    /// When it cannot be written; the state is then the one before.
    pub fn commit(&self, before: Option<&State>, next: &Next<'_>) -> Result<(), Refusal> {
        durable::create_folder(&self.folder, Mode::Private)?;
        // Removed unless it is committed.
        let staging = tempfile::Builder::new().prefix(".staging-").tempdir_in(&self.folder);
        let staging = staging.map_err(Refusal::state(&self.folder))?;
        let aside = staging.path();
        let files = aside.join("files");
        fs::create_dir(&files).map_err(Refusal::state(&files))?;
        for (path, bytes) in next.files {
            let to = file_in(aside, path);
            // A file that was read from the state before is the same file.
            let linked = before.is_some_and(|before| {
                before.file(path).is_some_and(|old| old == *bytes)
                    && fs::hard_link(file_in(&before.folder, path), &to).is_ok()
            });
            if !linked {
                fs::write(&to, bytes).map_err(Refusal::state(&to))?;
            }
        }
        let memory = Memory { verified: next.verified, seen: next.seen.clone() };
        let memory = serde_json::to_vec_pretty(&memory).map_err(io::Error::other);
        let memory = memory.map_err(Refusal::state(aside.join("seen.json")))?;
        for (name, bytes) in [
            ("root.json", &next.root[..]),
            ("timestamp.json", &next.timestamp[..]),
            ("snapshot.json", &next.snapshot[..]),
            ("seen.json", &memory),
        ] {
            fs::write(aside.join(name), bytes).map_err(Refusal::state(aside.join(name)))?;
        }
        let number = before.map_or(1, |before| before.number + 1);
        let folder = self.folder.join(number.to_string());
        // Left by a crash between the two steps below; `current` never named it.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Refusal::state(&folder))?;
        }
        sync(aside).map_err(Refusal::state(aside))?;
        fs::rename(staging.keep(), &folder).map_err(Refusal::state(&folder))?;
        sync(&self.folder).map_err(Refusal::state(&self.folder))?;
        durable::write(&self.folder.join("current"), number.to_string().as_bytes(), Mode::Private)?;
        self.sweep(number);
        Ok(())
    }

    /// Removes every folder but one. What cannot be removed only takes space.
    fn sweep(&self, keep: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let keep = keep.to_string();
        for entry in entries.flatten() {
            if entry.file_name() != *keep && entry.path().is_dir() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn read(path: &Path) -> Result<Bytes, Refusal> {
    fs::read(path).map(Bytes::from).map_err(Refusal::state(path))
}

/// A document of a state, which was verified and must still be what it was then: one whose signature
/// a fault of the disk had broken would otherwise count as forgotten.
fn signed<T: DeserializeOwned>(
    path: &Path,
    check: impl FnOnce(&Signed<T>) -> Result<(), String>,
) -> Result<Signed<T>, Refusal> {
    let signed = Signed::parse(read(path)?).map_err(|e| Refusal::damaged(path, e.to_string()))?;
    check(&signed).map_err(|detail| Refusal::damaged(path, detail))?;
    Ok(signed)
}

fn verify<T>(signed: &Signed<T>, authority: Authority<'_>) -> Result<(), String> {
    signed.verify(authority).map(drop).map_err(|e| e.to_string())
}

/// Makes a folder and all below it durable.
fn sync(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(fs::File::open(folder)?).map_err(io::Error::from)
}
