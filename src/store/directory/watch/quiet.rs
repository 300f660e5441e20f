//! Decides from what a folder looks like whether it can be read now.

use std::path::PathBuf;
use std::time::Duration;

use crate::store::directory::git::{busy, is_writing};
use crate::store::port::News;

/// A folder is read once nothing in it has changed for this long. That is enough for an editor to save a
/// file or for a few files to be copied, and too short for anyone to notice.
pub(super) const STILL: Duration = Duration::from_millis(250);

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

/// What the folders look like at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// A fingerprint that changes with the name or stamp of any catalog file, including signed manifests.
    pub catalog: u64,
    /// The same for payload files. It is separate because they may take an hour to arrive.
    pub payloads: u64,
    /// The file or folder that shows that a git operation is in progress, if one is.
    pub git: Option<PathBuf>,
    /// Whether all that has changed in the catalog since the last scan was written whole: elsewhere, and then
    /// renamed.
    pub is_whole: bool,
}

/// Decides from scans whether a folder can be read now. It has no clock: the caller passes monotonic times.
#[derive(Debug, Clone, Default)]
pub(super) struct Quiet {
    catalog: Seen,
    payloads: Seen,
    /// The fingerprints of the catalog and the payloads when they were last read.
    pub read: Option<(u64, u64)>,
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
    /// Returns how long the fingerprint has been the same, apart from changes that were written whole.
    fn still(&mut self, fingerprint: u64, now: Duration, is_whole: bool) -> Duration {
        match &mut self.0 {
            Some((seen, since)) if *seen == fingerprint || is_whole => {
                *seen = fingerprint;
                now.saturating_sub(*since)
            }
            _ => {
                self.0 = Some((fingerprint, now));
                Duration::ZERO
            }
        }
    }
}

impl Quiet {
    /// Judges a scan at `now`, a monotonic time. Payloads never delay reading the catalog: one that has not
    /// fully arrived counts as wrong, and is checked again later.
    pub fn look(&mut self, scan: &Scan, now: Duration) -> News {
        let still = self.catalog.still(scan.catalog, now, scan.is_whole);
        let payloads_still = self.payloads.still(scan.payloads, now, false);
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

    /// Records that only some of the changed files were read after this scan, so the others are still to be read.
    pub fn partly(&mut self, scan: &Scan) {
        self.read.get_or_insert((scan.catalog, scan.payloads));
        self.unsettled = true;
    }

    /// Records that the catalog was read after this scan, perhaps although it was changing, so that the next
    /// scan shows what has changed since.
    pub fn done(&mut self, scan: &Scan, unsettled: bool) {
        if !unsettled {
            // What is written whole after that waits for nothing.
            self.catalog.0 = Some((scan.catalog, Duration::ZERO));
        }
        self.read = Some((scan.catalog, scan.payloads));
        (self.moving, self.waiting, self.unsettled) = (None, None, unsettled);
    }
}

#[cfg(test)]
mod tests;
