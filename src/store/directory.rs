//! A catalog in a folder of files, as people and git keep it.

mod commit;
mod documents;
mod entry;
pub mod git;
mod listing;
mod watch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use self::git::{WorkTree, work_tree};
use self::listing::{Cached, Content, Listing};
use self::watch::{FolderWatch, Scan};
use super::lock;
use super::port::{
    CatalogStore, CommitError, Each, Exclusive, ReadError, Revision, Served, Snapshot, Watch, reuse,
};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::version::Version;
use crate::formats::yaml::{ParsedFile, Reading, assemble};

/// How often a reading starts again because files changed during it. After that the folder is read
/// later: somebody is still writing.
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
    /// In boxes, because the unused places of a map are as large as its values.
    files: HashMap<Arc<str>, Box<Cached>>,
    /// The last reading, for as long as somebody else holds it: a catalog is large.
    last: Option<(Revision, Weak<Reading>)>,
}

impl Directory {
    /// A catalog in `catalog` with its payloads in `payloads`, which may be missing.
    ///
    /// # Errors
    /// When the catalog's folder does not exist.
    pub fn open(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let failed = |source| unreadable_folder(catalog, source);
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
    fn scan(&self) -> Result<Scan, ReadError> {
        Scan::take(&self.catalog, &self.payloads).map_err(|source| unreadable_folder(&self.catalog, source))
    }

    fn read_all(&self, now: Time) -> Result<Snapshot, ReadError> {
        Ok(self.read_cached(&mut self.cache(), now)?.0)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_cached(&self, cache: &mut Cache, now: Time) -> Result<(Snapshot, Listing), ReadError> {
        let mut listing = Listing::take(&self.catalog, &self.payloads)?;
        for _ in 0..TRIES {
            let whole = listing.load(&mut cache.files, now)?;
            // The files that were read are one state only if none has changed since the listing.
            let again = Listing::take(&self.catalog, &self.payloads)?;
            if whole && again.same(&listing) {
                return Ok((snapshot(cache, &listing), listing));
            }
            listing = again;
        }
        Err(changing(&self.catalog))
    }
}

impl CatalogStore for Directory {
    /// Stamps are judged by `now`.
    fn read(&self, now: Time) -> Result<Snapshot, ReadError> {
        self.read_all(now)
    }

    fn keys(&self) -> Result<BTreeMap<String, Bytes>, ReadError> {
        for _ in 0..TRIES {
            if let Some(keys) = listing::keys(&self.catalog)? {
                return Ok(keys);
            }
        }
        Err(changing(&self.catalog.join("trust")))
    }

    fn commit(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Revision, CommitError> {
        self.planned(base, now, |from, tree| self.write_all(from, tree, changes))
    }

    fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError> {
        self.planned(base, now, |from, tree| self.write_each(from, tree, changes))
    }

    fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError> {
        self.at(base, now, |from| Self::failing(from, changes))
    }

    fn exclusive(&self) -> Result<Exclusive, CommitError> {
        let lock = lock::catalog(&self.catalog)?;
        match self.work_tree().and_then(|tree| tree.at_work()) {
            Some(path) => Err(CommitError::Busy(git::busy(&path))),
            None => Ok(lock),
        }
    }

    fn put(
        &self,
        manifests: &BTreeMap<Version, Bytes>,
        trust: &BTreeMap<String, Bytes>,
    ) -> Result<(), CommitError> {
        documents::put(&self.catalog, &self.payloads, manifests, trust)
            .map_err(|error| CommitError::Failed(Arc::new(error)))
    }

    fn share(&self, snapshot: &mut Snapshot, served: &Served<'_>) {
        for (path, cached) in &mut self.cache().files {
            let mut parts = path.rsplit('/');
            let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            match &mut cached.content {
                Content::Manifest(bytes) => reuse(bytes, (served.manifest)(folder)),
                Content::Trust(bytes) => reuse(bytes, served.roles.get(file).cloned()),
                Content::Parsed(_) | Content::Unread(_) => {}
            }
        }
        snapshot.share(served);
    }

    fn watch(self: Arc<Self>) -> Box<dyn Watch> {
        Box::new(FolderWatch::new(self))
    }
}

fn unreadable_folder(path: &Path, source: io::Error) -> ReadError {
    ReadError::Failed { what: format!("the catalog folder `{}`", path.display()), source }
}

fn unreadable(path: &Path, source: io::Error) -> ReadError {
    ReadError::Failed { what: format!("`{}`", path.display()), source }
}

fn changing(path: &Path) -> ReadError {
    ReadError::Changing(format!("the folder `{}`", path.display()))
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

/// Assembles the files. The texts of good files are not kept: a file whose fault shows only beside other
/// files is read again, for the line of text that is shown with the fault.
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
        // A file that has changed since then is read in the next reading, with its faults.
        if let Some(text) = read.filter(same) {
            file.recall(&text);
            recalled = true;
        }
    }
    if recalled { assemble(files) } else { reading }
}

/// The digest of all names and contents, in the order of the names.
fn revision<'a>(files: impl Iterator<Item = (&'a str, &'a [u8; 32])>) -> Revision {
    let mut hasher = Sha256::new();
    for (path, digest) in files {
        hasher.update((path.len() as u64).to_be_bytes());
        hasher.update(path);
        hasher.update(digest);
    }
    Revision::new(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
