//! A catalog in a folder of files, as people and git keep it.

mod commit;
mod listing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use self::listing::{Cached, Content, Listing};
use super::watch::{Scan, WorkTree, work_tree};
use crate::domain::Time;
use crate::domain::version::Version;
use crate::formats::yaml::{ParsedFile, Reading, assemble};

pub use commit::{CommitError, Each, Overtaken};

/// How often a reading starts over because files changed under it. Whoever writes for longer is
/// not done, and the folder is read later.
const TRIES: usize = 5;

/// A catalog's folder and its payload folder.
///
/// Keeps what it parsed: a second reading reads only files whose stamps changed, and those whose
/// stamps are too young to be trusted.
#[derive(Debug)]
pub struct Directory {
    catalog: PathBuf,
    payloads: PathBuf,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// In boxes: a map has room to spare, and that is as large as what it holds.
    files: HashMap<Arc<str>, Box<Cached>>,
    /// The last reading, as long as somebody holds it: a catalog is large.
    last: Option<(Revision, Weak<Reading>)>,
}

/// One state of a folder: a digest over the names and contents of all its files.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; 32]);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As long as git's short names: for people, who look whether two are the same.
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// A catalog at one revision, with what lies beside it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub revision: Revision,
    pub reading: Arc<Reading>,
    /// The roles in `trust/` by file name, `1.root.json`.
    pub trust: BTreeMap<String, Bytes>,
    /// The roles of lines in `trust/` that cannot be read, and why, by file name.
    pub unread_roles: BTreeMap<String, String>,
    /// `release.json` of each payload folder, by the folder's name.
    manifests: HashMap<String, Bytes>,
    /// Why one cannot be read.
    unread_manifests: BTreeMap<String, String>,
}

impl Snapshot {
    /// The signed release manifest of a version, as it was found.
    #[must_use]
    pub fn manifest(&self, version: &Version) -> Option<&Bytes> {
        self.manifests.get(&version.to_string())
    }

    /// The same, as evidence.
    ///
    /// # Errors
    /// Why it cannot be read, though there is one.
    pub fn found_manifest(&self, version: &Version) -> Result<Option<Bytes>, String> {
        let name = version.to_string();
        match self.unread_manifests.get(&name) {
            Some(why) => Err(format!("`release.json` cannot be read: {why}")),
            None => Ok(self.manifests.get(&name).cloned()),
        }
    }
}

/// Why a folder could not be read as a whole. Faults in its files are no such error.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the catalog folder `{}` cannot be read", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the folder `{}` did not stop changing while it was read", .0.display())]
    Changing(PathBuf),
}

impl Directory {
    /// A catalog in `catalog` with its payloads in `payloads`, which may be missing.
    ///
    /// # Errors
    /// When the catalog's folder is not there.
    pub fn open(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Folder { path: catalog.to_owned(), source };
        if !std::fs::metadata(catalog).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let cache = Mutex::default();
        Ok(Self { catalog: catalog.to_owned(), payloads: payloads.to_owned(), cache })
    }

    /// The git work tree that the catalog lies in, if it does.
    #[must_use]
    pub fn work_tree(&self) -> Option<WorkTree> {
        work_tree(&self.catalog)
    }

    /// Looks whether anything changed, without reading a file.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn scan(&self) -> Result<Scan, ReadError> {
        Scan::take(&self.catalog, &self.payloads)
            .map_err(|source| ReadError::Folder { path: self.catalog.clone(), source })
    }

    /// Reads everything at one revision. `now` is the machine's time, by which stamps are judged:
    /// never the time of a question (`--at`).
    ///
    /// # Errors
    /// When the folder cannot be read, or does not stop changing.
    pub fn read(&self, now: Time) -> Result<Snapshot, ReadError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.read_cached(&mut cache, now)?.0)
    }

    /// The roots and the targets role in `trust/` by file name, and nothing else of the catalog:
    /// whose keys are whose.
    ///
    /// # Errors
    /// When a file there cannot be read, or does not stop changing.
    pub fn keys(&self) -> Result<BTreeMap<String, Bytes>, ReadError> {
        for _ in 0..TRIES {
            if let Some(keys) = listing::keys(&self.catalog)? {
                return Ok(keys);
            }
        }
        Err(ReadError::Changing(self.catalog.join("trust")))
    }

    /// Lets go of signed manifests and roles whose very bytes somebody else holds, the ones by the names
    /// of their payload folders and the others by their files in `trust/`, and keeps those instead: what
    /// is served need not be in memory twice.
    pub fn share<'a>(
        &self,
        snapshot: &mut Snapshot,
        manifest: impl Fn(&str) -> Option<&'a Bytes>,
        role: impl Fn(&str) -> Option<&'a Bytes>,
    ) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.files.iter_mut().filter_map(|(path, cached)| match &mut cached.content {
            Content::Manifest(bytes) => Some((manifest(path.rsplit('/').nth(1)?)?, bytes)),
            Content::Trust(bytes) => Some((role(path.rsplit('/').next()?)?, bytes)),
            Content::Parsed(_) | Content::Unread(_) => None,
        });
        let manifests =
            snapshot.manifests.iter_mut().filter_map(|(folder, bytes)| Some((manifest(folder)?, bytes)));
        let roles = snapshot.trust.iter_mut().filter_map(|(file, bytes)| Some((role(file)?, bytes)));
        for (served, bytes) in cached.chain(manifests).chain(roles) {
            if served == bytes {
                *bytes = served.clone();
            }
        }
    }

    fn read_cached(&self, cache: &mut Cache, now: Time) -> Result<(Snapshot, Listing), ReadError> {
        let mut listing = Listing::take(&self.catalog, &self.payloads)?;
        for _ in 0..TRIES {
            let whole = listing.load(&mut cache.files, now)?;
            // What was listed and what was read are one state only if nothing moved meanwhile.
            let again = Listing::take(&self.catalog, &self.payloads)?;
            if whole && again.same(&listing) {
                return Ok((snapshot(cache, &listing), listing));
            }
            listing = again;
        }
        Err(ReadError::Changing(self.catalog.clone()))
    }
}

fn snapshot(cache: &mut Cache, listing: &Listing) -> Snapshot {
    cache.files.retain(|path, _| listing.files.contains_key(path));
    let revision = revision(listing.files.keys().filter_map(|path| {
        let cached = cache.files.get(path)?;
        Some((&**path, &cached.digest))
    }));
    let held =
        cache.last.as_ref().filter(|(last, _)| *last == revision).and_then(|(_, reading)| reading.upgrade());
    let reading = held.unwrap_or_else(|| {
        Arc::new(assembled(cache.files.values().filter_map(|cached| cached.parsed()), listing, cache))
    });
    cache.last = Some((revision, Arc::downgrade(&reading)));
    let mut trust = BTreeMap::new();
    let mut manifests = HashMap::new();
    let (mut unread_roles, mut unread_manifests) = (BTreeMap::new(), BTreeMap::new());
    for (path, cached) in &cache.files {
        match &cached.content {
            Content::Parsed(_) => {}
            Content::Unread(why) => {
                let (unread, name) = match path.strip_prefix("trust/") {
                    Some(role) => (&mut unread_roles, role),
                    None => (&mut unread_manifests, path.rsplit('/').nth(1).unwrap_or(path)),
                };
                unread.insert(name.to_owned(), why.clone());
            }
            Content::Trust(bytes) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                trust.insert(name.to_owned(), bytes.clone());
            }
            Content::Manifest(bytes) => {
                let folder = path.rsplit('/').nth(1).unwrap_or(path);
                manifests.insert(folder.to_owned(), bytes.clone());
            }
        }
    }
    Snapshot { revision, reading, trust, unread_roles, manifests, unread_manifests }
}

/// Puts files together. The texts of good files are not kept: one with a fault that shows only beside
/// other files is read once more, for the line that is shown with it.
fn assembled<'a>(
    files: impl Iterator<Item = &'a ParsedFile> + Clone,
    listing: &Listing,
    cache: &Cache,
) -> Reading {
    let reading = assemble(files.clone());
    if reading.faults.is_empty() {
        return reading;
    }
    let told: HashSet<&str> = reading.faults.iter().map(|fault| fault.file.as_str()).collect();
    let mut recalled = false;
    for file in files.clone().filter(|file| file.lacks_text() && told.contains(file.path())) {
        let read = listing.files.get(file.path()).and_then(|listed| fs::read_to_string(&listed.path).ok());
        let same = |text: &String| {
            let digest: [u8; 32] = Sha256::digest(text).into();
            cache.files.get(file.path()).is_some_and(|cached| cached.digest == digest)
        };
        // One that has changed meanwhile is read anew, with its faults.
        if let Some(text) = read.filter(same) {
            file.recall(&text);
            recalled = true;
        }
    }
    if recalled { assemble(files) } else { reading }
}

/// Over names and contents in the order of names.
fn revision<'a>(files: impl Iterator<Item = (&'a str, &'a [u8; 32])>) -> Revision {
    let mut hasher = Sha256::new();
    for (path, digest) in files {
        hasher.update((path.len() as u64).to_be_bytes());
        hasher.update(path);
        hasher.update(digest);
    }
    Revision(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
