//! Payload files in a folder, and the copies in the state folder from which they are served.
//!
//! The server finds copies by their digests. A copy is checked when it is made, before it is opened for the
//! first time after anything changed it, and again in the background. No path is ever built from anything
//! that a client sent.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::scrub::Scrub;
use super::{altered, digest, unreadable};
use crate::domain::Time;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::{PayloadState, Release};
use crate::domain::version::Version;
use crate::store::durable::{self, Batch, Mode, WriteError, present};
use crate::store::plain;
use crate::store::port::{Blob, Incoming, PayloadError, PayloadStore, Source};
use crate::store::stamp::Stamp;

/// The payload folder, and the copies in the state folder.
#[derive(Debug)]
pub struct PayloadFolder {
    folder: PathBuf,
    /// A copy must not create it.
    state_folder: PathBuf,
    copies: PathBuf,
    digests_file: PathBuf,
    digests: Mutex<Digests>,
    /// Held while a copy is checked before it is opened: a copy that many clients ask for is read once.
    checking: Mutex<()>,
    scrub: Mutex<Scrub>,
    /// Whether a damaged copy was found since the last scrub.
    damaged: AtomicBool,
}

/// Digests by file, each valid as long as the file's stamp stays the same.
#[derive(Debug, Default)]
struct Digests {
    known: HashMap<PathBuf, (Stamp, Sha256)>,
    changed: bool,
}

impl From<WriteError> for PayloadError {
    fn from(error: WriteError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl PayloadFolder {
    /// Uses the payloads in `folder`, and keeps copies and digests in `state`. Neither folder needs to
    /// exist.
    pub fn new(folder: &Path, state: &Path) -> Self {
        let copies = state.join("payloads");
        let digests_file = copies.join("digests");
        // If the file has another format, the digests are computed again.
        let json = plain::whole(&digests_file);
        let known = json.ok().and_then(|json| serde_json::from_slice(&json).ok());
        let digests = Digests { known: known.unwrap_or_default(), changed: false };
        Self {
            folder: folder.to_owned(),
            state_folder: state.to_owned(),
            copies: copies.join("sha256"),
            digests_file,
            digests: Mutex::new(digests),
            checking: Mutex::default(),
            scrub: Mutex::default(),
            damaged: AtomicBool::default(),
        }
    }

    /// The path of the copy with this digest.
    pub fn copy_path(&self, sha256: &Sha256) -> PathBuf {
        let text = sha256.to_string();
        let (first, rest) = text.split_at(2);
        self.copies.join(first).join(rest)
    }

    fn path(&self, version: &Version, payload: &Payload) -> PathBuf {
        self.folder.join(version.to_string()).join(&payload.file)
    }

    fn digest(&self, path: &Path, stamp: Stamp, now: Time) -> Result<Sha256, PayloadError> {
        if let Some((known, digest)) = self.digests().known.get(path)
            && *known == stamp
        {
            return Ok(*digest);
        }
        let failed = unreadable(path);
        let mut file = plain::open(path).map_err(&failed)?;
        let (digest, _) = digest(&mut file).map_err(&failed)?;
        let after = file.metadata().map(|metadata| Stamp::of(&metadata)).map_err(&failed)?;
        if after == stamp && stamp.is_settled(now) {
            self.digests().insert(path, stamp, digest);
        }
        Ok(digest)
    }

    /// Checks whether a file exists and has the size and digest that the catalog gives.
    fn state(&self, path: &Path, payload: &Payload, now: Time) -> Result<PayloadState, PayloadError> {
        let file = || payload.file.clone();
        let metadata = present(fs::metadata(path)).map_err(|error| plain::explained(path, error));
        let metadata = metadata.map_err(unreadable(path))?;
        let Some(metadata) = metadata.filter(fs::Metadata::is_file) else {
            return Ok(PayloadState::Missing { file: file() });
        };
        let stamp = Stamp::of(&metadata);
        let found = if stamp.size == payload.size {
            match self.digest(path, stamp, now)? {
                found if found == payload.sha256 => return Ok(PayloadState::Present),
                found => found.to_string(),
            }
        } else {
            format!("{} bytes", stamp.size)
        };
        Ok(PayloadState::Differs { file: file(), found, altered: altered(path, payload) })
    }

    /// Whether there is a good copy with this digest and size.
    fn has_copy(&self, sha256: &Sha256, size: u64) -> bool {
        let path = self.copy_path(sha256);
        let Ok(metadata) = fs::metadata(&path) else { return false };
        metadata.len() == size
            && (self.is_checked(&path, Stamp::of(&metadata), sha256) || self.open_copy(sha256).is_ok())
    }

    fn is_checked(&self, path: &Path, stamp: Stamp, sha256: &Sha256) -> bool {
        self.digests().known.get(path) == Some(&(stamp, *sha256))
    }

    /// Opens the copy with this digest, and checks it first if its stamp is new. Only this program writes
    /// copies, and replaces them as a whole, so that a new stamp need not settle.
    fn open_copy(&self, sha256: &Sha256) -> io::Result<File> {
        let path = self.copy_path(sha256);
        let mut file = plain::open(&path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if self.is_checked(&path, stamp, sha256) {
            return Ok(file);
        }
        let _checking = locked(&self.checking);
        if self.is_checked(&path, stamp, sha256) {
            return Ok(file);
        }
        let (found, _) = digest(&mut file)?;
        if self.judge(&path, stamp, sha256, &found) {
            file.rewind()?;
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "the copy was damaged, and has been removed"))
    }

    /// Judges a copy that was read, and removes it if it is damaged. Returns whether it is good.
    fn judge(&self, path: &Path, stamp: Stamp, sha256: &Sha256, found: &Sha256) -> bool {
        if found == sha256 {
            if !self.is_checked(path, stamp, sha256) {
                self.digests().insert(path, stamp, *found);
            }
            return true;
        }
        self.digests().known.remove(path);
        self.failed();
        tracing::error!(%sha256, %found, "the copy of a payload is damaged, and is removed");
        // Another process may have replaced the damaged copy with a good one meanwhile.
        if fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == stamp)
            && let Err(error) = durable::remove_file(path)
        {
            tracing::warn!("cannot remove `{}`: {error}", path.display());
        }
        false
    }

    /// Notes that copies have just been made. They were checked meanwhile, and need not be read for that again.
    fn made(&self, copies: &HashSet<Sha256>) {
        for sha256 in copies {
            let path = self.copy_path(sha256);
            if let Ok(metadata) = fs::metadata(&path) {
                self.digests().insert(&path, Stamp::of(&metadata), *sha256);
            }
        }
    }

    /// Notes that a copy is damaged or gone. It is made again like a new one.
    fn failed(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Returns every copy with the digest that its name says. Those that were not checked in their present
    /// state come last.
    fn all_copies(&self) -> Vec<(PathBuf, Sha256)> {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let copies = entries(&self.copies).flat_map(|first| {
            let named = |rest: fs::DirEntry| {
                let text = format!("{}{}", first.file_name().to_str()?, rest.file_name().to_str()?);
                Some((rest.path(), Sha256::parse(&text).ok()?))
            };
            entries(&first.path()).filter_map(named).collect::<Vec<_>>()
        });
        let mut copies: Vec<_> = copies.collect();
        copies.sort_by_cached_key(|(path, sha256)| {
            let stamp = fs::metadata(path).map(|metadata| Stamp::of(&metadata));
            stamp.is_ok_and(|stamp| !self.is_checked(path, stamp, sha256))
        });
        copies
    }

    fn copy(&self, path: &Path, sha256: Sha256, size: u64, batch: &mut Batch) -> Result<(), PayloadError> {
        let copy = self.copy_path(&sha256);
        let mut file = plain::open(path).map(Source::File).map_err(unreadable(path))?;
        if let Some(folder) = copy.parent() {
            durable::create_below(&self.state_folder, folder, Mode::Private)?;
        }
        let mut differs = None;
        let written = batch.fill(&copy, Mode::Frozen, |to| {
            // Never copy more than the catalog says, so that a growing file cannot fill the disk.
            let (found, _) = super::copy(&mut file, to, size)?;
            if found != sha256 {
                differs = Some(found);
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(())
        });
        match differs {
            Some(found) => {
                let payload = path.display().to_string();
                Err(PayloadError::Differs { payload, expected: sha256, found })
            }
            None => Ok(written?),
        }
    }

    fn digests(&self) -> MutexGuard<'_, Digests> {
        locked(&self.digests)
    }
}

impl Digests {
    fn insert(&mut self, path: &Path, stamp: Stamp, digest: Sha256) {
        self.known.insert(path.to_owned(), (stamp, digest));
        self.changed = true;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PayloadStore for PayloadFolder {
    fn check(&self, release: &Release, now: Time) -> PayloadState {
        let mut states = release.payloads.iter().map(|payload| {
            let path = self.path(&release.version, payload);
            self.state(&path, payload, now).unwrap_or_else(|error| error.state(&payload.file))
        });
        states.find(|state| *state != PayloadState::Present).unwrap_or(PayloadState::Present)
    }

    fn ensure_copies(
        &self,
        wanted: &[(&Version, &Payload)],
    ) -> Result<Vec<(usize, PayloadError)>, PayloadError> {
        let mut batch = Batch::default();
        let mut failed = Vec::new();
        let mut copied = HashSet::new();
        for (place, (version, payload)) in wanted.iter().enumerate() {
            if !self.has_copy(&payload.sha256, payload.size)
                && copied.insert(payload.sha256)
                && let Err(e) =
                    self.copy(&self.path(version, payload), payload.sha256, payload.size, &mut batch)
            {
                copied.remove(&payload.sha256);
                failed.push((place, e));
            }
        }
        batch.finish(&self.copies)?;
        self.made(&copied);
        Ok(failed)
    }

    fn put(&self, files: &[Incoming]) -> Result<usize, PayloadError> {
        let mut batch = Batch::default();
        let mut taken = HashSet::new();
        for Incoming { path, sha256, size } in files {
            if !self.has_copy(sha256, *size) && taken.insert(*sha256) {
                self.copy(path, *sha256, *size, &mut batch)?;
            }
        }
        batch.finish(&self.copies)?;
        self.made(&taken);
        Ok(taken.len())
    }

    fn open(&self, sha256: &Sha256, range: Range<u64>) -> io::Result<Blob> {
        let copy = self.open_copy(sha256).inspect_err(|_| self.failed())?;
        Blob::of_file(&self.copy_path(sha256), copy, range.start)
    }

    fn scrub(&self, now: Duration) -> bool {
        let judge = |path: &Path, stamp, sha256: &Sha256, found: &Sha256| {
            self.judge(path, stamp, sha256, found);
        };
        locked(&self.scrub).step(now, || self.all_copies(), judge);
        self.damaged.swap(false, Ordering::Relaxed)
    }

    /// Also forgets the digests of files that are gone.
    fn remember(&self) -> Result<(), PayloadError> {
        let mut digests = self.digests();
        if !digests.changed {
            return Ok(());
        }
        digests.known.retain(|path, _| path.exists());
        // JSON cannot hold a path that is not UTF-8, so the digest of such a file is computed at each
        // start.
        let known = digests.known.iter().filter_map(|(path, known)| Some((path.to_str()?, known)));
        let json = serde_json::to_vec(&known.collect::<HashMap<_, _>>());
        let json = json.map_err(|error| PayloadError::Failed(error.into()))?;
        durable::create_below(&self.state_folder, &self.copies, Mode::Private)?;
        durable::write(&self.digests_file, &json, Mode::Private)?;
        digests.changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
