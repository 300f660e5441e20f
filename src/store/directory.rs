//! A catalog in a folder of files that people and git edit.

mod commit;
mod entry;
mod files;
pub mod git;
mod history;
mod listing;
mod wanted;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use self::files::Files;
use self::git::{WorkTree, work_tree};
use self::listing::{Listing, Wanted};
use self::watch::FolderWatch;
use super::durable::{self, Batch, Mode, WriteError};
use super::plain::explained;
use super::port::{
    CatalogStore, CommitError, Each, Exclusive, History, HistoryError, ReadError, Revision, Snapshot, Watch,
    roles_first,
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
    files: Files,
    assembler: Assembler,
    /// The last reading. While somebody still holds it, an unchanged catalog shares it, because a catalog
    /// is large.
    last: Option<(Revision, Weak<Reading>)>,
    /// Whether the last commit wrote all that it should, if nobody who watches has read it.
    is_committed: bool,
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

    /// Lists the files that must be read, and updates the cache with those that have changed. Also returns whether
    /// none changed meanwhile.
    fn load(&self, cache: &mut Cache, now: Time) -> Result<(Listing, bool), ReadError> {
        let listing = self.list(cache, now)?;
        let is_whole = listing.load(&mut cache.files, now);
        listing.retain(&mut cache.files, None, |_| false);
        Ok((listing, is_whole))
    }

    /// Lists the files that must be read. Which lines a topic needs, the lines' own files say.
    fn list(&self, cache: &mut Cache, now: Time) -> Result<Listing, ReadError> {
        let Some(topic) = &self.topic else { return Listing::take(&self.catalog, &self.payloads) };
        let outline = Listing::outline(&self.catalog)?;
        outline.load(&mut cache.files, now);
        // Also those whose own file is missing.
        let names = fs::read_dir(&self.catalog).map_err(|error| unreadable_folder(&self.catalog, error))?;
        let names: Vec<LineName> =
            names.flatten().filter_map(|entry| LineName::parse(entry.file_name().to_str()?).ok()).collect();
        let own = outline.files.keys().filter_map(|path| cache.files.get(path)?.parsed());
        let wanted = Wanted::new(&topic.lines(names.iter(), &yaml::assemble(own).catalog));
        outline.widened(&wanted, &self.catalog, &self.payloads)
    }

    /// Takes a listing again, to find out whether something in it has changed.
    fn list_again(&self, listing: &Listing) -> Result<Listing, ReadError> {
        match &listing.wanted {
            Some(wanted) => {
                let outline = Listing::outline(&self.catalog)?;
                outline.widened(wanted, &self.catalog, &self.payloads)
            }
            None => Listing::take(&self.catalog, &self.payloads),
        }
    }
}

impl CatalogStore for Directory {
    /// Reads the catalog; `now` decides which stamps can be trusted.
    fn read(&self, now: Time) -> Result<Snapshot, ReadError> {
        let mut cache = self.cache();
        for _ in 0..TRIES {
            let (listing, is_whole) = self.load(&mut cache, now)?;
            // The files are consistent with each other only if none has changed since they were listed.
            if is_whole && self.list_again(&listing)?.files == listing.files {
                return Ok(snapshot(&mut cache, &self.catalog));
            }
        }
        Err(changing(&self.catalog))
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
        let done = self.planned(base, now, whatever, |from, tree| self.write_all(from, tree, changes));
        self.cache().is_committed = done.is_ok();
        done
    }

    fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError> {
        let done = self.planned(base, now, false, |from, tree| self.write_each(from, tree, changes));
        self.cache().is_committed = done.as_ref().is_ok_and(|each| each.stopped.is_none());
        done
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
        let files = &mut self.cache().files;
        if Arc::ptr_eq(&snapshot.manifests, &files.manifests()) {
            // Nobody else holds them then, so they are not copied.
            snapshot.manifests = Arc::default();
            files.share(served);
            snapshot.manifests = files.manifests();
            snapshot.share_roles(served);
        } else {
            snapshot.share(served);
        }
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
    ReadError::Failed {
        what: format!("the catalog folder `{}`", path.display()),
        source: explained(path, source),
    }
}

fn unreadable(path: &Path, source: io::Error) -> ReadError {
    ReadError::Failed { what: format!("`{}`", path.display()), source: explained(path, source) }
}

fn changing(path: &Path) -> ReadError {
    ReadError::Changing(format!("the folder `{}`", path.display()))
}

/// Makes a snapshot of the files in the cache.
fn snapshot(cache: &mut Cache, catalog: &Path) -> Snapshot {
    let revision = cache.files.revision();
    let held =
        cache.last.as_ref().filter(|(last, _)| *last == revision).and_then(|(_, reading)| reading.upgrade());
    let reading = held.unwrap_or_else(|| {
        let Cache { files, assembler, .. } = &mut *cache;
        Arc::new(assembled(assembler, files.parsed(), catalog, files))
    });
    cache.last = Some((revision, Arc::downgrade(&reading)));
    let (mut trust, mut unread_roles) = (BTreeMap::new(), BTreeMap::new());
    for (name, read) in cache.files.roles() {
        match read.clone() {
            Ok(bytes) => drop(trust.insert(name.to_owned(), bytes)),
            Err(why) => drop(unread_roles.insert(name.to_owned(), why)),
        }
    }
    let manifests = cache.files.manifests();
    Snapshot { revision, reading, trust, unread_roles, manifests, touched: None, unsettled: None }
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
    catalog: &Path,
    known: &Files,
) -> Reading {
    let reading = assembler.assemble(files.clone());
    if reading.faults.is_empty() {
        return reading;
    }
    let reported: HashSet<&str> = reading.faults.iter().map(|fault| fault.file.as_str()).collect();
    let mut recalled = false;
    for file in files.clone().filter(|file| file.lacks_text() && reported.contains(file.path())) {
        let bytes = plain::whole(&catalog.join(file.path())).ok();
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

#[cfg(test)]
mod tests;
