//! A catalog in a folder of files that people and git edit.

mod commit;
mod entry;
pub mod git;
mod history;
mod listing;
mod wanted;
mod watch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use self::git::{WorkTree, work_tree};
use self::listing::{Cached, Content, Listing, Wanted};
use self::watch::FolderWatch;
use super::durable::{self, Batch, Mode, WriteError};
use super::port::{
    CatalogStore, CommitError, Each, Exclusive, History, HistoryError, ReadError, Revision, Snapshot, Watch,
    reuse, roles_first,
};
use super::{lock, plain};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::topic::Topic;
use crate::domain::version::Version;
use crate::formats::yaml::{self, Assembler, ParsedFile, Reading};

/// How many times a read is attempted if files change during it. If all fail, somebody is still writing,
/// and the folder is read later.
const TRIES: usize = 5;

/// A catalog folder and its payload folder.
///
/// It caches parsed files: a later read reads only files whose stamps have changed or are too young to be
/// trusted.
#[derive(Debug)]
pub struct Directory {
    catalog: PathBuf,
    payloads: PathBuf,
    /// What it is read for, if not for everything.
    topic: Option<Topic>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// Boxed, because an empty slot in a map is as large as a value.
    files: HashMap<Arc<str>, Box<Cached>>,
    assembler: Assembler,
    /// The last reading. While somebody still holds it, an unchanged catalog shares it, because a catalog
    /// is large.
    last: Option<(Revision, Weak<Reading>)>,
}

impl Directory {
    /// Opens the catalog in `catalog` with its payloads in `payloads`, which need not exist.
    ///
    /// # Errors
    /// When the catalog folder does not exist.
    pub fn open(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let failed = |source| unreadable_folder(catalog, source);
        if !fs::metadata(catalog).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self::new(catalog, payloads))
    }

    /// As [`open`](Self::open), but the catalog folder need not exist, either.
    pub fn new(catalog: &Path, payloads: &Path) -> Self {
        let (catalog, payloads) = (catalog.to_owned(), payloads.to_owned());
        Self { catalog, payloads, topic: None, cache: Mutex::default() }
    }

    /// The git work tree that contains the catalog, if there is one.
    pub fn work_tree(&self) -> Option<WorkTree> {
        work_tree(&self.catalog)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// If `whatever` is true, files that keep changing do not keep the others from being read: they are as they
    /// were when they could be read last.
    fn read_cached(
        &self,
        cache: &mut Cache,
        now: Time,
        whatever: bool,
    ) -> Result<(Snapshot, Listing), ReadError> {
        let mut listing = self.list(cache, now)?;
        for _ in 0..TRIES {
            let whole = listing.load(&mut cache.files, now);
            // The files are consistent with each other only if none has changed since the listing.
            let again = self.list(cache, now)?;
            if whole && again.files == listing.files {
                return Ok((snapshot(cache, &listing), listing));
            }
            listing = again;
        }
        if whatever { Ok((snapshot(cache, &listing), listing)) } else { Err(changing(&self.catalog)) }
    }

    /// Lists the files that must be read. Which lines a topic needs, the lines' own files say.
    fn list(&self, cache: &mut Cache, now: Time) -> Result<Listing, ReadError> {
        let Some(topic) = &self.topic else { return Listing::take(&self.catalog, &self.payloads) };
        let list = |wanted| Listing::take_wanted(wanted, &self.catalog, &self.payloads);
        let outline = list(Wanted::default())?;
        outline.load(&mut cache.files, now);
        // Also those whose own file is missing.
        let names = fs::read_dir(&self.catalog).map_err(|error| unreadable_folder(&self.catalog, error))?;
        let names: Vec<LineName> =
            names.flatten().filter_map(|entry| LineName::parse(entry.file_name().to_str()?).ok()).collect();
        let own = outline.files.keys().filter_map(|path| cache.files.get(path)?.parsed());
        list(Wanted::new(&topic.lines(names.iter(), &yaml::assemble(own).catalog)))
    }

    /// Takes a listing again, to find out whether something in it has changed.
    fn list_again(&self, listing: &Listing) -> Result<Listing, ReadError> {
        match &listing.wanted {
            Some(wanted) => Listing::take_wanted(wanted.clone(), &self.catalog, &self.payloads),
            None => Listing::take(&self.catalog, &self.payloads),
        }
    }
}

impl CatalogStore for Directory {
    /// Reads the catalog; `now` decides which stamps can be trusted.
    fn read(&self, now: Time) -> Result<Snapshot, ReadError> {
        Ok(self.read_cached(&mut self.cache(), now, false)?.0)
    }

    fn about(self: Arc<Self>, topic: &Topic) -> Arc<dyn CatalogStore> {
        Arc::new(Self { topic: Some(topic.clone()), ..Self::new(&self.catalog, &self.payloads) })
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
        let whatever = Change::only_stop(changes);
        self.planned(base, now, whatever, |from, tree| self.write_all(from, tree, changes))
    }

    fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError> {
        self.planned(base, now, false, |from, tree| self.write_each(from, tree, changes))
    }

    fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError> {
        self.at(base, now, false, |from| Self::failing(from, changes))
    }

    fn history(&self, now: Time) -> Result<History, HistoryError> {
        if self.work_tree().is_none() {
            return Ok(History::default());
        }
        history::history(&self.catalog, now)
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
        let trust_folder = self.catalog.join("trust");
        let manifests = manifests.iter().map(|(version, raw)| {
            let folder = self.payloads.join(version.to_string());
            (folder.join("release.json"), raw)
        });
        let roles = roles_first(trust).map(|(name, raw)| (trust_folder.join(name), raw));
        write_together(&self.payloads, manifests)
            .and_then(|()| write_together(&trust_folder, roles))
            .map_err(|error| CommitError::Failed(Arc::new(error)))
    }

    fn share(&self, snapshot: &mut Snapshot, served: &dyn Fn(&str) -> Option<Bytes>) {
        for (path, cached) in &mut self.cache().files {
            if let Content::Signed(Ok(bytes)) = &mut cached.content {
                reuse(bytes, served(signed_name(path)));
            }
        }
        snapshot.share(served);
    }

    fn watch(self: Arc<Self>) -> Box<dyn Watch> {
        Box::new(FolderWatch::new(self))
    }
}

/// Writes signed documents below a folder.
fn write_together<'a>(
    folder: &Path,
    files: impl Iterator<Item = (PathBuf, &'a Bytes)>,
) -> Result<(), WriteError> {
    let mut batch = Batch::default();
    for (path, raw) in files {
        durable::create_folder(path.parent().unwrap_or(folder), Mode::Public)?;
        batch.fill(&path, Mode::Public, |file| file.write_all(raw))?;
    }
    batch.finish(folder)
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
        let Cache { files, assembler, .. } = &mut *cache;
        let parsed = files.values().filter_map(|cached| cached.parsed());
        Arc::new(assembled(assembler, parsed, listing, files))
    });
    cache.last = Some((revision, Arc::downgrade(&reading)));
    let (mut trust, mut unread_roles, mut manifests) = (BTreeMap::new(), BTreeMap::new(), HashMap::new());
    for (path, cached) in &cache.files {
        let Content::Signed(read) = &cached.content else { continue };
        let name = signed_name(path).to_owned();
        match (path.starts_with("trust/"), read.clone()) {
            (false, read) => drop(manifests.insert(name, read)),
            (true, Ok(bytes)) => drop(trust.insert(name, bytes)),
            (true, Err(why)) => drop(unread_roles.insert(name, why)),
        }
    }
    Snapshot { revision, reading, trust, unread_roles, manifests }
}

/// Returns the name of a signed document from its path: a role's file name, or the version of a manifest.
fn signed_name(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    if path.starts_with("trust/") { parts.next() } else { parts.nth(1) }.unwrap_or(path)
}

/// Assembles the files into a catalog. The contents of good files are not kept, so a file whose fault
/// appears only in combination with others is read again, for the line of text that is shown with the
/// fault.
fn assembled<'a>(
    assembler: &mut Assembler,
    files: impl Iterator<Item = &'a ParsedFile> + Clone,
    listing: &Listing,
    known: &HashMap<Arc<str>, Box<Cached>>,
) -> Reading {
    let reading = assembler.assemble(files.clone());
    if reading.faults.is_empty() {
        return reading;
    }
    let reported: HashSet<&str> = reading.faults.iter().map(|fault| fault.file.as_str()).collect();
    let mut recalled = false;
    for file in files.clone().filter(|file| file.lacks_text() && reported.contains(file.path())) {
        let bytes = listing.files.get(file.path()).and_then(|listed| plain::whole(&listed.path).ok());
        let read = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let same = |text: &String| {
            let digest: [u8; 32] = Sha256::digest(text).into();
            known.get(file.path()).is_some_and(|cached| cached.digest == digest)
        };
        // A file that has changed since then is left to the next read, which finds its faults.
        if let Some(text) = read.filter(same) {
            file.recall(&text);
            recalled = true;
        }
    }
    if recalled { assembler.assemble(files) } else { reading }
}

/// Computes the digest of all names and contents, ordered by name.
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
