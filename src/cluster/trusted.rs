//! What a cluster trusts, on disk.
//!
//! A numbered folder for each state that was verified wholly, and a file `current` that names the
//! newest: a check works on a folder aside, and only its success moves `current`. Files that never
//! change are linked from one state to the next, so that a new state costs what is new in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::formats::tuf::KeyId;
use crate::store::durable::{self, Mode};

/// What tough remembers, and nothing else of its folder.
const MEMORY: [&str; 5] =
    ["root.json", "timestamp.json", "snapshot.json", "targets.json", "latest_known_time.json"];

/// The folder of one cluster's trusted states.
#[derive(Debug, Clone)]
pub struct Trusted {
    folder: PathBuf,
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
    /// The channel for which each alias stood first; for the same reason.
    pub aliases: BTreeMap<ChannelName, ChannelName>,
    /// The tag under which the timestamp was served.
    pub timestamp_tag: Option<String>,
}

/// One verified state.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    number: u64,
    pub seen: Seen,
    /// The newest root.
    pub root: Bytes,
    pub timestamp: Bytes,
}

impl State {
    /// A file that never changes, by its path in the repository.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Bytes> {
        fs::read(self.folder.join("files").join(file_name(path))).ok().map(Bytes::from)
    }

    fn memory(&self) -> PathBuf {
        self.folder.join("tough")
    }
}

/// The name of a file in a state's folder. Names in a repository are flat below two folders.
fn file_name(path: &str) -> String {
    path.replace('/', "_")
}

impl Trusted {
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The newest verified state. `None` before the first one.
    ///
    /// # Errors
    /// When the folder was damaged: it is not taken for new, since a rollback would then pass.
    pub fn read(&self) -> Result<Option<State>, Refusal> {
        let pointer = self.folder.join("current");
        let text = match fs::read_to_string(&pointer) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Refusal::state(pointer)(e)),
        };
        let damaged = |path: &Path| {
            let path = path.to_owned();
            move |words: String| Refusal::State {
                path,
                source: io::Error::new(io::ErrorKind::InvalidData, words),
            }
        };
        let number: u64 =
            text.trim().parse().map_err(|_| damaged(&pointer)("it names no state".to_owned()))?;
        let folder = self.folder.join(number.to_string());
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map(Bytes::from).map_err(Refusal::state(path))
        };
        let seen = serde_json::from_slice(&read("seen.json")?)
            .map_err(|e| damaged(&folder.join("seen.json"))(e.to_string()))?;
        Ok(Some(State { number, seen, root: read("root.json")?, timestamp: read("timestamp.json")?, folder }))
    }

    /// A folder aside for tough to work in, with what it remembers.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stage(&self, state: Option<&State>) -> Result<Staging, Refusal> {
        durable::create_folder(&self.folder, Mode::Private)?;
        let staging = tempfile::Builder::new().prefix(".staging-").tempdir_in(&self.folder);
        let staging = staging.map_err(Refusal::state(&self.folder))?;
        let memory = staging.path().join("tough");
        fs::create_dir(&memory).map_err(Refusal::state(&memory))?;
        for name in state.iter().flat_map(|_| MEMORY) {
            let from = state.map(|state| state.memory().join(name)).unwrap_or_default();
            match fs::copy(&from, memory.join(name)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Refusal::state(from)(e)),
            }
        }
        Ok(Staging { folder: staging })
    }

    /// Makes what was verified the trusted state.
    ///
    /// # Errors
    /// When it cannot be written; the state is then the one before.
    pub fn commit(&self, staging: Staging, before: Option<&State>, next: &Next<'_>) -> Result<(), Refusal> {
        let aside = staging.folder.path();
        let files = aside.join("files");
        fs::create_dir(&files).map_err(Refusal::state(&files))?;
        for (path, bytes) in next.files {
            let (name, to) = (file_name(path), files.join(file_name(path)));
            // A file that was read from the state before is the same file.
            let linked = before.is_some_and(|before| {
                before.file(path).is_some_and(|old| old == *bytes)
                    && fs::hard_link(before.folder.join("files").join(&name), &to).is_ok()
            });
            if !linked {
                fs::write(&to, bytes).map_err(Refusal::state(&to))?;
            }
        }
        let seen = serde_json::to_vec_pretty(next.seen).map_err(io::Error::other);
        let seen = seen.map_err(Refusal::state(aside.join("seen.json")))?;
        for (name, bytes) in
            [("root.json", &next.root[..]), ("timestamp.json", &next.timestamp[..]), ("seen.json", &seen[..])]
        {
            fs::write(aside.join(name), bytes).map_err(Refusal::state(aside.join(name)))?;
        }
        tidy(&aside.join("tough")).map_err(Refusal::state(aside))?;
        let number = before.map_or(1, |before| before.number + 1);
        let folder = self.folder.join(number.to_string());
        // Left by a crash between the two steps below; `current` never named it.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Refusal::state(&folder))?;
        }
        sync(aside).map_err(Refusal::state(aside))?;
        let aside = staging.folder.keep();
        fs::rename(&aside, &folder).map_err(Refusal::state(&folder))?;
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

/// A folder aside. It is removed unless it is committed.
#[derive(Debug)]
pub struct Staging {
    folder: tempfile::TempDir,
}

impl Staging {
    /// Where tough may write.
    #[must_use]
    pub fn memory(&self) -> PathBuf {
        self.folder.path().join("tough")
    }
}

/// What the next state consists of.
#[derive(Debug)]
pub struct Next<'a> {
    pub root: &'a Bytes,
    pub timestamp: &'a Bytes,
    pub seen: &'a Seen,
    /// By path in the repository.
    pub files: &'a HashMap<String, Bytes>,
}

/// Leaves only what tough will read again: it keeps every version of every delegated role.
fn tidy(memory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(memory)? {
        let entry = entry?;
        if !MEMORY.iter().any(|name| entry.file_name() == *name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a folder and all below it durable.
fn sync(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(fs::File::open(folder)?).map_err(io::Error::from)
}
