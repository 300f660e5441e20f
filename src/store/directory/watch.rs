//! When a catalog folder may be read: after nothing has changed in it for a while, and git has finished.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::git::{busy, work_tree};
use super::listing::Listing;
use super::{Directory, unreadable};
use crate::domain::Time;
use crate::store::durable::present;
use crate::store::port::{CatalogStore, News, ReadError, Snapshot, Watch};
use crate::store::stamp::Stamp;

/// A folder is read after nothing has changed in it for this long. By then an editor has saved its file or
/// a few files are copied, and nobody notices the wait.
const STILL: Duration = Duration::from_millis(250);

/// Payload files are checked after none has changed for this long. By then their stamps can be trusted, so
/// that gigabytes are not read again and again.
const PAYLOADS_STILL: Duration = Duration::from_secs(3);

/// While payloads keep arriving, those that have arrived are checked after this time at the latest.
const PAYLOADS_AT_LAST: Duration = Duration::from_secs(60);

/// The stamps of all files, as fingerprints. This is cheap, because only folders are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Changes with the name or stamp of any catalog file, including signed manifests.
    pub catalog: u64,
    /// The same for payload files, which may take an hour to arrive.
    pub payloads: u64,
    /// The file or folder that shows that git is working.
    pub git: Option<PathBuf>,
}

impl Scan {
    /// Scans a catalog folder, and payloads with their signed manifests.
    ///
    /// # Errors
    /// When one of the folders cannot be read.
    pub fn take(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            catalog: hash(&Listing::take(catalog, payloads)?.files),
            payloads: payload_stamps(payloads).map_err(|source| unreadable(payloads, source))?,
            git: work_tree(catalog).and_then(|tree| tree.at_work()),
        })
    }
}

/// The stamps of everything in the payload folder. A payload that was missing or wrong may be fixed in
/// place, and the stamp of its folder does not show that.
fn payload_stamps(payloads: &Path) -> io::Result<u64> {
    // Added up, so that the order in which a folder lists its files does not matter.
    let mut stamps: u64 = 0;
    let mut add = |path: &Path, metadata: &fs::Metadata| {
        stamps = stamps.wrapping_add(hash(&(path, Stamp::of(metadata))));
    };
    for folder in present(fs::read_dir(payloads))?.into_iter().flatten() {
        let folder = folder?;
        if let Some(metadata) = present(folder.metadata())? {
            add(&folder.path(), &metadata);
        }
        // A folder that cannot be read is a fault of its release.
        for file in fs::read_dir(folder.path()).into_iter().flatten() {
            let file = file?.path();
            // Links are followed, because their targets are served. A file without metadata is a fault of
            // its release, too. The signed manifest belongs to the catalog.
            if let Ok(metadata) = fs::metadata(&file)
                && !file.ends_with("release.json")
            {
                add(&file, &metadata);
            }
        }
    }
    Ok(stamps)
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Whether a folder may be read now, by what scans show. It has no clock: the caller passes monotonic
/// times.
#[derive(Debug, Clone, Default)]
struct Quiet {
    catalog: Seen,
    payloads: Seen,
    /// The fingerprints of the catalog and the payloads at the last reading.
    read: Option<(u64, u64)>,
    /// Since when payloads differ from what was read, while the catalog does not.
    moving: Option<Duration>,
}

/// The last fingerprint, and when it was first seen.
#[derive(Debug, Clone, Default)]
struct Seen(Option<(u64, Duration)>);

impl Seen {
    /// How long the fingerprint has been the same.
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
        let news = self.quiet.look(&Scan::take(&self.directory.catalog, &self.directory.payloads)?, now);
        // At the start the catalog is read at once.
        let is_first = self.quiet.read.is_none() && matches!(news, News::Settling(_));
        Ok(if is_first { News::Ready } else { news })
    }

    /// A checkout that git is still writing must not be read.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        // The next scan shows what changes after this one.
        let scan = Scan::take(&self.directory.catalog, &self.directory.payloads)?;
        if let Some(path) = &scan.git {
            return Err(ReadError::Busy(busy(path)));
        }
        let snapshot = self.directory.read(now)?;
        self.quiet.done(&scan);
        Ok(snapshot)
    }
}

impl Quiet {
    /// Judges a scan at `now`, a monotonic time. Payloads never delay the reading of the catalog: one that
    /// has not arrived counts as wrong, and is checked again.
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

    /// Notes that the catalog was read after a scan. The next scan shows what has changed since this one.
    fn done(&mut self, scan: &Scan) {
        self.read = Some((scan.catalog, scan.payloads));
        self.moving = None;
    }
}

#[cfg(test)]
mod tests;
