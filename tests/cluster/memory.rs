//! A server that is a map of files, and a clock that stands.

use std::io::Cursor;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::clock::Clock;
use tidegate::cluster::fetch::{Ask, Fetch, Found, Reply};
use tidegate::cluster::{Checked, Client, Options, Refusal};
use tidegate::domain::Time;
use tidegate::domain::version::Version;
use tidegate::formats::tuf::Target;

use super::repository::{Files, Repository};

/// A clock that stands where a test puts it.
#[derive(Debug)]
pub struct Stopped(AtomicI64);

impl Stopped {
    pub fn at(time: Time) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(time.timestamp())))
    }

    pub fn set(&self, time: Time) {
        self.0.store(time.timestamp(), Ordering::SeqCst);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Time {
        Time::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// Files by path below `/tuf/`, and what was asked for.
#[derive(Debug, Default)]
pub struct Memory {
    files: Mutex<Files>,
    asked: Mutex<Vec<String>>,
}

impl Memory {
    pub fn serve(&self, files: Files) {
        *self.files.lock().unwrap() = files;
    }

    pub fn change(&self, path: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let mut files = self.files.lock().unwrap();
        let bytes = files[path].to_vec();
        files.insert(path.to_owned(), change(bytes).into());
    }

    pub fn remove(&self, part: &str) {
        self.files.lock().unwrap().retain(|path, _| !path.contains(part));
    }

    #[allow(dead_code, reason = "only the hostile suite asks others to judge")]
    pub fn files(&self) -> Files {
        self.files.lock().unwrap().clone()
    }

    /// What was asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Fetch for Memory {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        self.asked.lock().unwrap().push(ask.path.to_owned());
        let files = self.files.lock().unwrap();
        let Some(bytes) = files.get(ask.path.strip_prefix("tuf/").unwrap()) else {
            return Ok(Reply::NotFound);
        };
        let tag = format!("\"{}\"", Target::of(bytes).hashes.sha256.short());
        if ask.held == Some(&*tag) {
            return Ok(Reply::NotModified);
        }
        Ok(Reply::Found(Found { from: 0, body: Box::new(Cursor::new(bytes.clone())) }))
    }
}

/// A cluster, its server, and the time.
pub struct World {
    pub repository: Repository,
    pub server: Arc<Memory>,
    pub clock: Arc<Stopped>,
    pub folder: tempfile::TempDir,
    pub options: Options,
}

impl World {
    pub fn new() -> Self {
        Self::of(Repository::new("2018-06-01T00:00:00Z".parse().unwrap()))
    }

    pub fn of(repository: Repository) -> Self {
        let world = Self {
            server: Arc::default(),
            clock: Stopped::at(repository.now),
            folder: tempfile::tempdir().unwrap(),
            options: Options::default(),
            repository,
        };
        world.server.serve(world.repository.seal());
        world
    }

    pub fn client(&self) -> Client {
        let root = self.repository.trusted().raw().clone();
        let (server, clock) = (Arc::clone(&self.server) as _, Arc::clone(&self.clock) as _);
        Client::new(self.folder.path(), root, server, clock, self.options)
    }

    pub fn check(&self, channel: &str, current: &str) -> Result<Checked, Refusal> {
        self.client().check(&channel.parse().unwrap(), &Version::parse(current).unwrap())
    }

    /// The answer, in two words and the version that is told to take.
    pub fn answer(&self, channel: &str, current: &str) -> (String, String, String) {
        let checked = self.check(channel, current).unwrap();
        let advice = checked.answer().advice;
        let target = advice.target().map(|release| release.version.to_string()).unwrap_or_default();
        (advice.action().to_owned(), advice.code().to_owned(), target)
    }

    /// Publishes what the repository says by now, with new versions for all that is signed online.
    pub fn publish(&mut self) {
        let now = self.clock.now();
        let repository = &mut self.repository;
        repository.now = now;
        repository.version += 1;
        for role in repository.roles.values_mut() {
            role.version += 1;
        }
        for manifest in repository.channels.values_mut() {
            manifest.version += 1;
            manifest.issued = now;
            manifest.expires = now + chrono::TimeDelta::days(7);
        }
        self.server.serve(self.repository.seal());
    }

    /// A refusal of this kind that leaves the trusted state as it was.
    pub fn refused(&self, channel: &str, current: &str, kind: &str) -> Refusal {
        let before = tree(&self.folder.path().join("trusted"));
        let refusal = self.check(channel, current).expect_err(kind);
        assert_eq!(refusal.kind(), kind, "{refusal}");
        assert_eq!(tree(&self.folder.path().join("trusted")), before, "{refusal}");
        refusal
    }
}

/// Every file below a folder with its bytes.
pub fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
