//! Watching a catalog folder: what has changed since it was read, and whether it can be read now.
//!
//! Where the kernel tells of changes, only the parts in which something has changed are listed and read. Those that
//! it tells nothing about are scanned whenever somebody looks, and everything is now and then.

mod kernel;
mod notices;
mod quiet;

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
use crate::store::port::{EVERY, News, ReadError, Snapshot, Wake, Watch};
use crate::store::stamp::Stamp;
use kernel::Mount;
use notices::Notices;
use quiet::{Quiet, Scan};

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
    /// Whether it must be read although it is changing.
    unsettled: bool,
    /// Whether all that had changed when somebody last looked was whole.
    is_ready: bool,
    /// Whether a read met a file that is being written in place, which must be still before the next one.
    in_place: bool,
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
            unsettled: false,
            is_ready: false,
            in_place: false,
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
        Scan { catalog, payloads, git: self.at_work(), is_whole }
    }

    /// Finds out what has changed, and returns whether all of it was written whole. If it is `thorough`, it does not
    /// rely on what it is told.
    fn hear(&mut self, thorough: bool) -> Result<bool, ReadError> {
        // What was told is forgotten if this fails.
        self.heard(thorough).inspect_err(|_| self.folders = None)
    }

    fn heard(&mut self, thorough: bool) -> Result<bool, ReadError> {
        let mut told = self.notices.drain();
        if told.is_incomplete || self.folders.as_ref() != Some(&Folders::of(&self.directory)) {
            self.folders = None;
            self.begin();
            self.survey(None, None)?;
            return Ok(false);
        }
        let mut differing = if thorough || !self.notices.is_on() {
            self.survey(None, None)?
        } else {
            // Nobody tells of each write to a payload.
            let arriving = self.changed.iter().flatten().filter(|part| matches!(part, Part::Payloads(_)));
            let mut parts = told.parts.keys().chain(&self.unheard).chain(arriving).cloned().collect();
            if !self.notices.hears_of_payloads() {
                self.add_payloads(&mut parts);
            }
            self.survey(Some(&parts), None)?
        };
        if thorough && self.notices.is_on() {
            // What was told meanwhile was not missed.
            let late = self.notices.drain();
            let is_told = |part| told.parts.contains_key(part) || late.parts.contains_key(part);
            if !late.is_incomplete
                && differing.keys().any(|part| !self.unheard.contains(part) && !is_told(part))
            {
                self.notices.miss();
                self.folders = None;
            }
            if late.is_incomplete {
                self.folders = None;
            }
            differing.extend(self.survey(Some(&late.parts.keys().cloned().collect()), None)?);
            for (part, in_place) in late.parts {
                *told.parts.entry(part).or_insert(false) |= in_place;
            }
        }
        // Signed documents belong together, and are written one after the other.
        let is_whole = |part: &Part| {
            matches!(part, Part::Catalog(name) if **name != *"trust")
                && told.parts.get(part) == Some(&false)
                && !self.unheard.contains(part)
        };
        Ok(differing.iter().all(|(part, is_catalog)| !is_catalog || is_whole(part)))
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
    /// missed in between. Returns the parts that look different than before, and whether catalog files do. `keep` gets
    /// the listed files.
    fn survey(
        &mut self,
        parts: Option<&BTreeSet<Part>>,
        mut keep: Option<&mut Listing>,
    ) -> Result<BTreeMap<Part, bool>, ReadError> {
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
                differing.insert(part.clone(), known.catalog != before.catalog);
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

    /// Reads the parts that have changed. Returns `false` if a file changed after it was listed.
    fn load(&mut self, files: &mut Files, now: Time) -> Result<bool, ReadError> {
        self.begin();
        // If this fails, everything is read again.
        let parts = self.changed.take();
        let mut listing = Listing::default();
        self.survey(parts.as_ref(), Some(&mut listing))?;
        match (&mut self.touched, &parts) {
            (Some(touched), Some(parts)) => touched.extend(parts.iter().filter_map(|part| match part {
                Part::Payloads(name) => Some(name.to_string_lossy().into()),
                Part::Catalog(_) => None,
            })),
            (touched, _) => *touched = None,
        }
        listing.retain(files, parts.as_ref());
        let is_loaded = listing.load(files, now);
        self.changed = if is_loaded { Some(BTreeSet::new()) } else { parts };
        Ok(is_loaded)
    }
}

impl FolderWatch {
    /// Makes a snapshot of what was read. The next look reports every change after it.
    fn read_now(&mut self, cache: &mut Cache, unsettled: bool) -> Snapshot {
        let scan = self.scan(false);
        self.quiet.done(&scan, unsettled);
        let touched = self.touched.replace(HashSet::new());
        Snapshot { touched, ..snapshot(cache, &self.directory.catalog) }
    }
}

impl Watch for FolderWatch {
    fn wake(&mut self, wake: Wake) {
        self.notices.wake(wake);
    }

    fn look(&mut self, now: Duration, thorough: bool) -> Result<News, ReadError> {
        let is_first = self.quiet.read.is_none();
        let is_whole = is_first || self.hear(thorough)?;
        let is_whole = !std::mem::take(&mut self.in_place) && is_whole;
        let scan = self.scan(is_whole);
        let news = self.quiet.look(&scan, now);
        // The first read does not wait for the folder to settle.
        let news = if is_first && matches!(news, News::Settling(_)) { News::Ready } else { news };
        (self.unsettled, self.is_ready) = (matches!(news, News::Unsettled(_)), news == News::Ready);
        Ok(news)
    }

    /// A checkout that git is still writing must not be read.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        if let Some(path) = self.at_work().filter(|_| !self.unsettled) {
            return Err(ReadError::Busy(busy(&path)));
        }
        // Who lost a race for a file reads what won it at once.
        if !std::mem::take(&mut self.is_ready) {
            self.hear(false)?;
        }
        let directory = Arc::clone(&self.directory);
        let mut cache = directory.cache();
        for _ in 0..TRIES {
            let is_loaded = self.load(&mut cache.files, now)?;
            // The files are consistent with each other only if none has changed since they were listed.
            let is_whole = self.hear(false)?;
            if is_loaded && self.changed.as_ref().is_some_and(BTreeSet::is_empty) {
                return Ok(self.read_now(&mut cache, self.unsettled));
            }
            // What is being written may be half-written.
            if !is_whole && !self.unsettled {
                self.in_place = true;
                break;
            }
        }
        if !self.unsettled {
            return Err(changing(&directory.catalog));
        }
        Ok(self.read_now(&mut cache, true))
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
