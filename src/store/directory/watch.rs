//! When a catalog folder may be read: once nothing has changed in it for a while, and git is done.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Directory;
use super::entry::{DEPTH, Outside, inside, is_passed_over};
use super::git::{busy, work_tree};
use crate::domain::Time;
use crate::store::port::{News, ReadError, Snapshot, Watch};
use crate::store::stamp::Stamp;

/// A folder is read when nothing has changed in it for this long. By then an editor has saved and a few
/// files are copied, and nobody notices the wait.
const STILL: Duration = Duration::from_millis(250);

/// Payload files are looked at when none has changed for this long. By then their stamps can be trusted,
/// so that gigabytes are not read again and again.
const PAYLOADS_STILL: Duration = Duration::from_secs(3);

/// While payloads keep arriving, those that have arrived are looked at after this time anyway.
const PAYLOADS_AT_LAST: Duration = Duration::from_secs(60);

/// What the stamps of all files show. This is cheap: only folders are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Changes with the name or stamp of any file of the catalog, signed manifests included.
    pub catalog: u64,
    /// The same for payload files, which may take an hour to arrive.
    pub payloads: u64,
    pub files: usize,
    /// The file or folder that shows git at work.
    pub git: Option<PathBuf>,
}

impl Scan {
    /// Looks at a catalog folder, and at payloads with their signed manifests.
    ///
    /// # Errors
    /// When the catalog folder cannot be read.
    pub fn take(catalog: &Path, payloads: &Path) -> io::Result<Self> {
        let mut scan = Self { catalog: 0, payloads: 0, files: 0, git: None };
        scan.folder(&catalog.canonicalize()?, catalog, 0)?;
        scan.payloads(payloads)?;
        scan.git = work_tree(catalog).and_then(|tree| tree.at_work());
        Ok(scan)
    }

    /// Everything that a reader would read. Of a link that it follows, both the link and its target
    /// count: either may change.
    fn folder(&mut self, root: &Path, folder: &Path, depth: u8) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_passed_over(&name.to_string_lossy()) {
                continue;
            }
            let Some(own) = present(entry.metadata())? else { continue };
            let metadata = if own.is_symlink() {
                self.catalog(folder, &name, &own);
                match inside(root, &entry) {
                    Ok(metadata) => metadata,
                    Err(Outside::Gone | Outside::Refused { .. }) => continue,
                    Err(Outside::Io(e)) => return Err(e),
                }
            } else {
                own
            };
            if !metadata.is_dir() {
                self.catalog(folder, &name, &metadata);
                self.files += 1;
            } else if depth < DEPTH {
                match self.folder(root, &entry.path(), depth + 1) {
                    // This is a fault of one line, until the folder changes.
                    Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                        self.catalog(folder, &name, &metadata);
                    }
                    looked => drop(present(looked)?),
                }
            }
        }
        Ok(())
    }

    /// Everything in the payload folder. A payload that was missing or wrong may be fixed in place, and
    /// the stamp of its folder does not show that.
    fn payloads(&mut self, payloads: &Path) -> io::Result<()> {
        let Some(entries) = present(fs::read_dir(payloads))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            if let Some(metadata) = present(fs::DirEntry::metadata(&entry))? {
                add(&mut self.payloads, payloads, &entry.file_name(), &metadata);
            }
            let folder = entry.path();
            // If the folder of a release may not be read, that is a fault of the release.
            let Ok(files) = fs::read_dir(&folder) else { continue };
            for file in files {
                let file = file?;
                // Links are followed, because their targets are served. A file that cannot be looked at
                // is a fault of its release, too.
                let Ok(metadata) = fs::metadata(file.path()) else { continue };
                let name = file.file_name();
                if name == "release.json" {
                    self.catalog(&folder, &name, &metadata);
                } else {
                    add(&mut self.payloads, &folder, &name, &metadata);
                }
                self.files += 1;
            }
        }
        Ok(())
    }

    fn catalog(&mut self, folder: &Path, name: &OsStr, metadata: &fs::Metadata) {
        add(&mut self.catalog, folder, name, metadata);
    }
}

/// Added up, so that the order in which a folder lists its files does not matter.
fn add(to: &mut u64, folder: &Path, name: &OsStr, metadata: &fs::Metadata) {
    let mut hasher = DefaultHasher::new();
    (folder, name, Stamp::of(metadata)).hash(&mut hasher);
    *to = to.wrapping_add(hasher.finish());
}

/// `None` for a file that was removed after it was listed: the next scan shows that.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether a folder may be read now, by what scans show. It has no clock: the caller brings one
/// that only goes forward.
#[derive(Debug, Clone, Default)]
struct Quiet {
    catalog: Seen,
    payloads: Seen,
    /// The fingerprints of the catalog and the payloads that were read.
    read: Option<(u64, u64)>,
    /// Since when only payloads differ from what was read.
    moving: Option<Duration>,
}

/// The last fingerprint, and when it was first seen.
#[derive(Debug, Clone, Default)]
struct Seen(Option<(u64, Duration)>);

impl Seen {
    /// For how long it has been this fingerprint.
    fn still(&mut self, fingerprint: u64, now: Duration) -> Duration {
        match self.0 {
            Some((seen, since)) if seen == fingerprint => now.saturating_sub(since),
            _ => {
                self.0 = Some((fingerprint, now));
                Duration::ZERO
            }
        }
    }
}

/// Follows a catalog folder.
pub(super) struct FolderWatch {
    directory: Arc<Directory>,
    quiet: Quiet,
}

impl FolderWatch {
    pub fn new(directory: Arc<Directory>) -> Self {
        Self { directory, quiet: Quiet::default() }
    }
}

impl Watch for FolderWatch {
    fn look(&mut self, now: Duration) -> Result<News, ReadError> {
        let news = self.quiet.look(&self.directory.scan()?, now);
        // At the start there is nothing to wait for: what is there is read.
        let is_first = self.quiet.read.is_none() && matches!(news, News::Settling(_));
        Ok(if is_first { News::Ready } else { news })
    }

    /// A checkout that git is still writing must not be read.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        // What changes after this scan is seen by the next one.
        let scan = self.directory.scan()?;
        if let Some(path) = &scan.git {
            return Err(ReadError::Busy(busy(path)));
        }
        let snapshot = self.directory.read_all(now)?;
        self.quiet.done(&scan);
        Ok(snapshot)
    }
}

impl Quiet {
    /// What a scan at `now`, a monotonic time, shows. Payloads never delay the reading of the catalog: one
    /// that has not arrived counts as wrong, and is looked at again.
    fn look(&mut self, scan: &Scan, now: Duration) -> News {
        let still = self.catalog.still(scan.catalog, now);
        let payloads_still = self.payloads.still(scan.payloads, now);
        let (catalog, payloads) = self.read.unzip();
        let is_read = catalog == Some(scan.catalog);
        if is_read && payloads == Some(scan.payloads) {
            self.moving = None;
            return News::Nothing;
        }
        if let Some(path) = &scan.git {
            return News::Busy(busy(path));
        }
        if !is_read {
            return if still < STILL { News::Settling(STILL.saturating_sub(still)) } else { News::Ready };
        }
        let moving = now.saturating_sub(*self.moving.get_or_insert(now));
        let wait = PAYLOADS_STILL.saturating_sub(payloads_still).min(PAYLOADS_AT_LAST.saturating_sub(moving));
        if wait.is_zero() { News::Ready } else { News::Arriving(wait) }
    }

    /// Notes that what a scan showed has been read. It is the scan from before the reading: what
    /// changed since then is seen by the next one.
    fn done(&mut self, scan: &Scan) {
        self.read = Some((scan.catalog, scan.payloads));
        self.moving = None;
    }
}

#[cfg(test)]
mod tests;
