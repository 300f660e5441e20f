//! When a catalog folder can be read: once nothing in it has changed for a while, and no git operation is
//! in progress.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Directory;
use super::git::{busy, is_writing, work_tree};
use super::listing::Listing;
use crate::domain::Time;
use crate::store::durable::present;
use crate::store::port::{News, ReadError, Snapshot, Watch};
use crate::store::stamp::Stamp;

/// A folder is read once nothing in it has changed for this long. That is enough for an editor to save a
/// file or for a few files to be copied, and too short for anyone to notice.
const STILL: Duration = Duration::from_millis(250);

/// While files keep changing, the catalog is read for its stops after this time, and again each time.
const AT_LAST: Duration = Duration::from_secs(2);

/// A git process that writes for this long was killed. Then stops no longer wait for it. A merge or a rebase
/// that waits for a person delays them no longer than [`AT_LAST`]: aborting it may erase them.
const GIT_AT_LAST: Duration = Duration::from_secs(60);

/// Payload files are checked once none has changed for this long. By then their stamps can be trusted, so
/// that gigabytes are not read again and again.
const PAYLOADS_STILL: Duration = Duration::from_secs(3);

/// While payloads keep arriving, those that have arrived are checked after this time at the latest.
const PAYLOADS_AT_LAST: Duration = Duration::from_secs(60);

/// Fingerprints of the stamps of all files. They are cheap to take, because only folders are opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// A fingerprint that changes with the name or stamp of any catalog file, including signed manifests.
    pub catalog: u64,
    /// The same for payload files. It is separate because they may take an hour to arrive.
    pub payloads: u64,
    /// The file or folder that shows that a git operation is in progress, if one is.
    pub git: Option<PathBuf>,
}

impl Scan {
    /// Scans a catalog folder and a payload folder.
    ///
    /// # Errors
    /// When the catalog folder cannot be read.
    pub fn take(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            catalog: hash(&Listing::take(catalog, payloads)?.files),
            // If the folder cannot be read, this is a fault of every release, and no more.
            payloads: payload_stamps(payloads).unwrap_or_else(|error| hash(&error.raw_os_error())),
            git: work_tree(catalog).and_then(|tree| tree.at_work()),
        })
    }
}

/// Returns a fingerprint of the stamps of everything in the payload folder. A missing or wrong payload may
/// be fixed in place, which the stamp of its folder does not show.
fn payload_stamps(payloads: &Path) -> io::Result<u64> {
    // The hashes are added up, so that the order in which a folder lists its files does not matter.
    let mut stamps: u64 = 0;
    let mut add = |path: &Path, metadata: &fs::Metadata| {
        stamps = stamps.wrapping_add(hash(&(path, Stamp::of(metadata))));
    };
    for folder in present(fs::read_dir(payloads))?.into_iter().flatten() {
        let folder = folder?;
        if let Some(metadata) = present(folder.metadata())? {
            add(&folder.path(), &metadata);
        }
        // A folder that cannot be read is reported as a fault of its release.
        for file in fs::read_dir(folder.path()).into_iter().flatten() {
            let file = file?.path();
            // Links are followed, because their targets are served. A file without metadata is a fault of
            // its release, too. The signed manifest is covered by the fingerprint of the catalog.
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

/// Decides from scans whether a folder can be read now. It has no clock: the caller passes monotonic times.
#[derive(Debug, Clone, Default)]
struct Quiet {
    catalog: Seen,
    payloads: Seen,
    /// The fingerprints of the catalog and the payloads when they were last read.
    read: Option<(u64, u64)>,
    /// When payloads began to differ from what was last read, while the catalog did not.
    moving: Option<Duration>,
    /// Since when the catalog differs from what was last read.
    waiting: Option<Duration>,
    /// Since when git is at work.
    git: Option<Duration>,
    /// Whether the catalog was last read although it was changing.
    unsettled: bool,
}

/// The last fingerprint, and when it was first seen.
#[derive(Debug, Clone, Default)]
struct Seen(Option<(u64, Duration)>);

impl Seen {
    /// Returns how long the fingerprint has been the same.
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

/// Watches a catalog folder.
pub(super) struct FolderWatch {
    directory: Arc<Directory>,
    quiet: Quiet,
    /// Whether it must be read although it is changing.
    unsettled: bool,
}

impl FolderWatch {
    pub fn new(directory: Arc<Directory>) -> Self {
        Self { directory, quiet: Quiet::default(), unsettled: false }
    }
}

impl Watch for FolderWatch {
    fn look(&mut self, now: Duration) -> Result<News, ReadError> {
        let news = self.quiet.look(&Scan::take(&self.directory.catalog, &self.directory.payloads)?, now);
        // The first read does not wait for the folder to settle.
        let is_first = self.quiet.read.is_none() && matches!(news, News::Settling(_));
        let news = if is_first { News::Ready } else { news };
        self.unsettled = matches!(news, News::Unsettled(_));
        Ok(news)
    }

    /// A checkout that git is still writing must not be read.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        // Scan before reading, so that the next scan notices any change made during the read.
        let scan = Scan::take(&self.directory.catalog, &self.directory.payloads)?;
        if let Some(path) = scan.git.as_ref().filter(|_| !self.unsettled) {
            return Err(ReadError::Busy(busy(path)));
        }
        let (snapshot, _) = self.directory.read_cached(&mut self.directory.cache(), now, self.unsettled)?;
        self.quiet.done(&scan, self.unsettled);
        Ok(snapshot)
    }
}

impl Quiet {
    /// Judges a scan at `now`, a monotonic time. Payloads never delay reading the catalog: one that has not
    /// fully arrived counts as wrong, and is checked again later.
    fn look(&mut self, scan: &Scan, now: Duration) -> News {
        let still = self.catalog.still(scan.catalog, now);
        let payloads_still = self.payloads.still(scan.payloads, now);
        let (catalog, payloads) = self.read.unzip();
        let is_seen = catalog == Some(scan.catalog);
        let is_read = is_seen && !self.unsettled;
        let since = scan.git.as_ref().map(|_| self.git.unwrap_or(now));
        self.git = since;
        if is_read && payloads == Some(scan.payloads) {
            (self.moving, self.waiting) = (None, None);
            return News::Nothing;
        }
        self.waiting = (!is_seen).then(|| self.waiting.unwrap_or(now));
        let waiting = self.waiting.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if let Some((path, since)) = scan.git.as_ref().zip(since)
            && (is_seen || now.saturating_sub(since) < if is_writing(path) { GIT_AT_LAST } else { AT_LAST })
        {
            return News::Busy(busy(path));
        }
        if !is_read {
            return match (&scan.git, still < STILL) {
                (None, false) => News::Ready,
                (Some(path), false) => News::Unsettled(busy(path)),
                (_, true) if waiting >= AT_LAST => News::Unsettled("it keeps changing".to_owned()),
                (_, true) => News::Settling(STILL.saturating_sub(still)),
            };
        }
        let moving = now.saturating_sub(*self.moving.get_or_insert(now));
        let wait = PAYLOADS_STILL.saturating_sub(payloads_still).min(PAYLOADS_AT_LAST.saturating_sub(moving));
        if wait.is_zero() { News::Ready } else { News::Arriving(wait) }
    }

    /// Records that the catalog was read after this scan, perhaps although it was changing, so that the next
    /// scan shows what has changed since.
    fn done(&mut self, scan: &Scan, unsettled: bool) {
        self.read = Some((scan.catalog, scan.payloads));
        (self.moving, self.waiting, self.unsettled) = (None, None, unsettled);
    }
}

#[cfg(test)]
mod tests;
