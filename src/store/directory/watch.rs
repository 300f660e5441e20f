//! Watching a catalog folder: what has changed since it was read, and whether it can be read now.
//!
//! Where the kernel tells of changes, only the parts in which something has changed are listed and read. Those that
//! it tells nothing about are scanned whenever somebody looks, and everything is now and then.

mod kernel;
mod notices;
mod quiet;
mod unfinished;
mod young;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files::Files;
use super::git::{busy, work_tree};
use super::listing::{Listing, Part, hash};
use super::{Cache, Directory, TRIES, changing, entry, snapshot, unreadable_folder};
use crate::domain::Time;
use crate::store::durable::present;
use crate::store::port::{EVERY, News, ReadError, Revision, Snapshot, Wake, Watch};
use crate::store::stamp::Stamp;
use kernel::Mount;
use notices::{InPlace, Notices};
use quiet::{Quiet, Scan};
use unfinished::{Difference, Unfinished};
use young::Young;

const CHANGING: &str = "it keeps changing";

/// Watches a catalog folder.
pub(super) struct FolderWatch {
    directory: Arc<Directory>,
    notices: Notices,
    quiet: Quiet,
    /// What is known of each part.
    parts: HashMap<Part, Known>,
    /// The sum of it.
    sum: Known,
    /// The parts that must be scanned, since nothing tells of all changes in them.
    unheard: BTreeSet<Part>,
    /// The parts that have changed since they were read. `None` stands for all.
    changed: Option<BTreeSet<Part>>,
    /// The names of the payload folders that have changed since a snapshot was made. `None` stands for all.
    touched: Option<HashSet<Box<str>>>,
    /// The folders that are watched. `None` means that they must be watched anew.
    folders: Option<Folders>,
    /// Git's folder, if it is watched.
    git: Option<PathBuf>,
    /// Why it must be read as it is although it is changing, if it must.
    unsettled: Option<String>,
    /// Whether all that had changed was whole, if nobody has read it since somebody looked.
    looked: Option<bool>,
    unfinished: Unfinished,
    young: Young,
    /// Whether a read met a file that is being written in place, which must be still before the next one.
    in_place: bool,
    /// What was read last.
    last: Option<Revision>,
}

/// How to find out what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Told,
    /// Without relying on what is told.
    Thorough,
    /// After a commit, which writes files whole. Then what nobody tells of counts as whole, too, so that the commit is
    /// read at once.
    Committed,
}

/// Fingerprints of the stamps of files. They are cheap to take, because only folders are opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    /// Of catalog files, including signed manifests.
    catalog: u64,
    /// Of payload files.
    payloads: u64,
}

impl Known {
    fn combine(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            catalog: combine(self.catalog, other.catalog),
            payloads: combine(self.payloads, other.payloads),
        }
    }
}

/// What the catalog folder and the payload folder are. If this changes, other folders or files have got their names,
/// for example because somebody has pointed a link to another place.
#[derive(Debug, PartialEq, Eq)]
struct Folders {
    /// Their devices and inodes.
    identities: [Option<(u64, u64)>; 2],
    /// What is mounted in them, by the parts that contain it.
    mounts: BTreeMap<Part, BTreeSet<Mount>>,
}

impl Folders {
    fn of(directory: &Directory) -> Self {
        let Directory { catalog, payloads, .. } = directory;
        let identity = |folder: &Path| fs::metadata(folder).ok().map(|found| (found.dev(), found.ino()));
        let mut mounts: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let all = kernel::mounts();
        for (folder, part) in [(catalog, Part::Catalog as fn(_) -> _), (payloads, Part::Payloads)] {
            let Ok(folder) = folder.canonicalize() else { continue };
            for mount in &all {
                if let Some(first) = mount.path.strip_prefix(&folder).ok().and_then(|path| path.iter().next())
                {
                    mounts.entry(part(first.into())).or_default().insert(mount.clone());
                }
            }
        }
        Self { identities: [identity(catalog), identity(payloads)], mounts }
    }
}

impl FolderWatch {
    pub fn new(directory: Arc<Directory>) -> Self {
        Self::with_watches(directory, usize::MAX)
    }

    /// Watches no more than so many folders. The others are scanned.
    fn with_watches(directory: Arc<Directory>, most: usize) -> Self {
        Self {
            directory,
            notices: Notices::new(most),
            quiet: Quiet::default(),
            parts: HashMap::new(),
            sum: Known::default(),
            unheard: BTreeSet::new(),
            changed: None,
            touched: None,
            folders: None,
            git: None,
            unsettled: None,
            looked: None,
            unfinished: Unfinished::default(),
            young: Young::default(),
            in_place: false,
            last: None,
        }
    }

    /// The file or folder that shows that git is at work, if it is.
    fn at_work(&mut self) -> Option<PathBuf> {
        let tree = work_tree(&self.directory.catalog)?;
        if self.git.as_deref() != Some(tree.folder()) {
            self.notices.watch_git(tree.folder());
            self.git = Some(tree.folder().to_owned());
        }
        tree.at_work()
    }

    fn scan(&mut self, is_whole: bool) -> Scan {
        let Known { catalog, payloads } = self.sum;
        Scan { catalog: catalog.wrapping_add(self.young.found), payloads, git: self.at_work(), is_whole }
    }

    /// Finds out what has changed, and returns whether all of it was written whole.
    fn hear(&mut self, how: How, read: &Files) -> Result<bool, ReadError> {
        // What was told is forgotten if this fails.
        self.heard(how, read).inspect_err(|_| self.folders = None)
    }

    fn heard(&mut self, how: How, read: &Files) -> Result<bool, ReadError> {
        let thorough = how == How::Thorough;
        let mut told = self.notices.drain();
        if told.is_incomplete || self.folders.as_ref() != Some(&Folders::of(&self.directory)) {
            self.folders = None;
            self.begin();
            let differing = self.survey(None, read, None)?;
            self.unfinished.note(&differing, |_| None);
            return Ok(false);
        }
        let mut differing = if thorough || !self.notices.is_on() {
            self.survey(None, read, None)?
        } else {
            // Nobody tells of each write to a payload.
            let arriving = self.changed.iter().flatten().filter(|part| matches!(part, Part::Payloads(_)));
            let mut parts = told.parts.keys().chain(&self.unheard).chain(arriving).cloned().collect();
            if !self.notices.hears_of_payloads() {
                self.add_payloads(&mut parts);
            }
            self.survey(Some(&parts), read, None)?
        };
        if thorough && self.notices.is_on() {
            // What was told meanwhile was not missed. Nobody tells of each write to a payload.
            let late = self.notices.drain();
            let is_told = |part: &Part| told.parts.contains_key(part) || late.parts.contains_key(part);
            let is_missed = |(part, difference): (&Part, &Difference)| {
                difference.is_catalog && !self.unheard.contains(part) && !is_told(part)
            };
            if !late.is_incomplete && differing.iter().any(is_missed) {
                self.notices.miss();
                self.folders = None;
            }
            if late.is_incomplete {
                self.folders = None;
            }
            differing.extend(self.survey(Some(&late.parts.keys().cloned().collect()), read, None)?);
            for (part, in_place) in late.parts {
                told.parts.entry(part).or_default().extend(in_place);
            }
        }
        for (part, path, looks) in self.young.changed(read, |part| told.parts.contains_key(part)) {
            if let Some(changed) = &mut self.changed {
                changed.insert(part.clone());
            }
            let difference = differing.entry(part).or_default();
            difference.is_catalog = true;
            difference.files.push((path, looks));
        }
        let nothing = InPlace::default();
        let scanned = (how == How::Committed).then_some(&nothing);
        let unheard = &self.unheard;
        let in_place = |part: &Part| if unheard.contains(part) { scanned } else { told.parts.get(part) };
        let is_whole = self.unfinished.note(&differing, in_place);
        Ok(self.unfinished.note_in_place(&told.parts) && is_whole)
    }

    /// Begins to watch the folders that have their names now.
    fn begin(&mut self) {
        let folders = Folders::of(&self.directory);
        if self.folders.as_ref() != Some(&folders) {
            self.notices.restart(&self.directory.catalog, &self.directory.payloads);
            self.unheard.clear();
            (self.folders, self.git) = (Some(folders), None);
        }
    }

    /// Adds what is in the payload folder, and what shows whether that can be read.
    fn add_payloads(&self, parts: &mut BTreeSet<Part>) {
        let items = fs::read_dir(&self.directory.payloads).into_iter().flatten().flatten();
        parts.extend(items.map(|item| Part::Payloads(item.file_name().into())));
        parts.insert(Part::Payloads(OsStr::new(EVERY).into()));
    }

    /// Lists some parts, or all, and notes what has changed. Their folders are watched before, so that nothing is
    /// missed in between. Returns the parts that look different than before, and what in them is not as it was `read`.
    /// `keep` gets the listed files.
    fn survey(
        &mut self,
        parts: Option<&BTreeSet<Part>>,
        read: &Files,
        mut keep: Option<&mut Listing>,
    ) -> Result<BTreeMap<Part, Difference>, ReadError> {
        let Directory { catalog, payloads, .. } = &*Arc::clone(&self.directory);
        let failed = |source| unreadable_folder(catalog, source);
        let root = catalog.canonicalize().map_err(failed)?;
        let no_payloads = present(fs::read_dir(payloads)).err();
        let mut all = BTreeSet::new();
        if parts.is_none() {
            for item in fs::read_dir(catalog).map_err(failed)? {
                let name = item.map_err(failed)?.file_name();
                if !entry::is_passed_over(&name.to_string_lossy()) {
                    all.insert(Part::Catalog(name.into()));
                }
            }
            self.add_payloads(&mut all);
            all.extend(self.parts.keys().cloned());
        }
        let mut differing = BTreeMap::new();
        for part in parts.unwrap_or(&all) {
            let (listing, known) = match (&no_payloads, part) {
                (Some(error), Part::Payloads(name)) => {
                    let is_first = **name == *EVERY;
                    let listing = if is_first {
                        Listing::without_payloads(payloads, error)
                    } else {
                        Listing::default()
                    };
                    let catalog = listing.fingerprint();
                    (listing, Known { catalog, payloads: 0 })
                }
                _ => self.list(part, &part.path(catalog, payloads), &root),
            };
            let before = self.parts.get(part).copied().unwrap_or_default();
            if known != before {
                let is_catalog = known.catalog != before.catalog;
                let files = if is_catalog { listing.changed(part, read) } else { Vec::new() };
                differing.insert(part.clone(), Difference { is_catalog, files });
                self.sum = self.sum.combine(before, u64::wrapping_sub).combine(known, u64::wrapping_add);
                if let Some(changed) = &mut self.changed {
                    changed.insert(part.clone());
                }
            }
            if known == Known::default() {
                self.parts.remove(part);
            } else {
                self.parts.insert(part.clone(), known);
            }
            if let Some(keep) = &mut keep {
                keep.files.extend(listing.files);
            }
        }
        Ok(differing)
    }

    /// Lists a part, after its folders are watched.
    fn list(&mut self, part: &Part, path: &Path, root: &Path) -> (Listing, Known) {
        let mut is_heard =
            self.notices.hears_of(part) && (self.notices.count(part) > 0 || self.notices.watch(part, path));
        let mut listing = Listing::of(part, path, root);
        if is_heard && listing.folders.len() > self.notices.count(part) {
            is_heard = listing.folders.iter().all(|folder| self.notices.watch(part, folder));
            listing = Listing::of(part, path, root);
        }
        let mut known = Known { catalog: listing.fingerprint(), payloads: 0 };
        let is_mounted = self.folders.as_ref().is_some_and(|folders| folders.mounts.contains_key(part));
        let mut has_other_names = is_mounted || listing.has_other_names;
        if let Part::Payloads(_) = part {
            let others;
            (known.payloads, others) = payload_stamps(path);
            has_other_names |= others;
        }
        // The kernel tells only the folder through which a file was changed.
        if is_heard && !has_other_names {
            self.unheard.remove(part);
        } else {
            self.unheard.insert(part.clone());
        }
        (listing, known)
    }

    /// Reads the parts that have changed, except for unfinished files, which stay as they were. Returns `false` if a
    /// file changed after it was listed.
    fn load(&mut self, files: &mut Files, now: Time) -> Result<bool, ReadError> {
        // Beginning anew forgets which parts are watched, so it is only done where all of them are listed.
        if self.changed.is_none() {
            self.begin();
        }
        // If this fails, everything is read again.
        let parts = self.changed.take();
        let mut listing = Listing::default();
        self.survey(parts.as_ref(), files, Some(&mut listing))?;
        self.unfinished.is_ready = false;
        match (&mut self.touched, &parts) {
            (Some(touched), Some(parts)) => touched.extend(parts.iter().filter_map(|part| match part {
                Part::Payloads(name) => Some(name.to_string_lossy().into()),
                Part::Catalog(_) => None,
            })),
            (touched, _) => *touched = None,
        }
        let unfinished = &self.unfinished;
        listing.files.retain(|path, _| !unfinished.has(path));
        listing.retain(files, parts.as_ref(), |path| unfinished.has(path));
        let is_loaded = listing.load(files, now);
        self.young.read(listing.unsure(files));
        self.changed = if !is_loaded {
            parts
        } else if unfinished.is_empty() {
            Some(BTreeSet::new())
        } else {
            let parts = parts.unwrap_or_else(|| self.parts.keys().cloned().collect());
            Some(parts.into_iter().filter(|part| unfinished.is_in(part)).collect())
        };
        Ok(is_loaded)
    }

    /// Whether all that can be read now was read.
    fn is_read(&self) -> bool {
        let is_done = |changed: &BTreeSet<Part>| changed.iter().all(|part| self.unfinished.is_in(part));
        !self.unfinished.is_ready && self.changed.as_ref().is_some_and(is_done)
    }
}

impl FolderWatch {
    /// Makes a snapshot of what was read. `is_part` says that other files have changed as well and are unfinished. The
    /// next look reports every later change.
    fn read_now(&mut self, cache: &mut Cache, is_part: bool) -> Snapshot {
        let scan = self.scan(false);
        let unsettled = self.unsettled.clone().or_else(|| is_part.then(|| CHANGING.to_owned()));
        if is_part {
            self.quiet.partly(&scan);
        } else {
            self.quiet.done(&scan, unsettled.is_some());
        }
        let touched = self.touched.replace(HashSet::new());
        let read = Snapshot { touched, unsettled, ..snapshot(cache, &self.directory.catalog) };
        self.last = Some(read.revision);
        read
    }
}

impl Watch for FolderWatch {
    fn wake(&mut self, wake: Wake) {
        self.notices.wake(wake);
    }

    fn look(&mut self, now: Duration, thorough: bool) -> Result<News, ReadError> {
        let is_first = self.quiet.read.is_none();
        let directory = Arc::clone(&self.directory);
        self.young.pass(now);
        let how = if thorough { How::Thorough } else { How::Told };
        let is_whole = is_first || self.hear(how, &directory.cache().files)?;
        let is_whole = !std::mem::take(&mut self.in_place) && is_whole;
        self.unfinished.pass(now);
        let scan = self.scan(is_whole);
        let mut news = self.quiet.look(&scan, now);
        self.unsettled = if let News::Unsettled(why) = &news { Some(why.clone()) } else { None };
        if let News::Settling(_) = news {
            if is_first {
                // The first read does not wait for the folder to settle.
                news = News::Ready;
            } else if self.unfinished.is_ready && !self.unfinished.is_empty() && scan.git.is_none() {
                // A stop waits for no other file.
                news = News::Unsettled(CHANGING.to_owned());
            }
        }
        self.looked = match news {
            News::Ready => Some(true),
            News::Unsettled(_) => Some(false),
            _ => None,
        };
        Ok(news)
    }

    /// A checkout that git is still writing must not be read.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        if let Some(path) = self.at_work().filter(|_| self.unsettled.is_none()) {
            return Err(ReadError::Busy(busy(&path)));
        }
        let directory = Arc::clone(&self.directory);
        let mut cache = directory.cache();
        let how = if std::mem::take(&mut cache.is_committed) { How::Committed } else { How::Told };
        let mut is_whole = match self.looked.take() {
            Some(is_whole) => is_whole,
            None => self.hear(how, &cache.files)?,
        };
        let must_read = self.unsettled.is_some();
        let mut is_read = false;
        for _ in 0..TRIES {
            if must_read {
                self.unfinished.clear();
            }
            let is_loaded = self.load(&mut cache.files, now)?;
            // The files are consistent with each other only if none has changed since they were listed.
            is_whole &= self.hear(How::Told, &cache.files)?;
            is_read = is_loaded && self.is_read();
            if is_read {
                break;
            }
        }
        let is_part = !(must_read || is_whole && self.unfinished.is_empty());
        self.in_place |= is_part;
        let is_new = !is_part || self.last != Some(cache.files.revision());
        if must_read || is_read && is_new {
            Ok(self.read_now(&mut cache, is_part))
        } else {
            Err(changing(&directory.catalog))
        }
    }
}

/// Returns a fingerprint of the stamps of a payload folder and of the files in it, and whether any has another name. A
/// wrong payload may be fixed in place, which the stamp of its folder does not show.
fn payload_stamps(folder: &Path) -> (u64, bool) {
    let Ok(own) = fs::symlink_metadata(folder) else { return (0, false) };
    let mut has_other_names = own.is_symlink();
    // The hashes are added up, so that the order in which a folder lists its files does not matter.
    let mut stamps = hash(&(folder, Stamp::of(&own)));
    // A folder that cannot be read is reported as a fault of its release.
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        has_other_names |= file.file_type().is_ok_and(|kind| kind.is_symlink());
        let file = file.path();
        // Links are followed, because their targets are served. A file without metadata is a fault of its release,
        // too. The signed manifest is covered by the fingerprint of the catalog.
        if !file.ends_with("release.json")
            && let Ok(metadata) = fs::metadata(&file)
        {
            has_other_names |= metadata.is_file() && metadata.nlink() > 1;
            stamps = stamps.wrapping_add(hash(&(&file, Stamp::of(&metadata))));
        }
    }
    (stamps, has_other_names)
}

#[cfg(test)]
mod tests;
