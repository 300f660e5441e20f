//! Records the progress of the step in progress.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::folder::Folder;
use super::progress::Progress;
use crate::clock::SharedClock;

/// How often progress is recorded: each time is a write to the disk.
const EVERY: Duration = Duration::from_secs(1);

/// Records progress, at most once a second.
pub struct Recorder<'a> {
    folder: &'a Folder,
    clock: &'a SharedClock,
    last: RefCell<Option<(Duration, Progress)>>,
}

impl<'a> Recorder<'a> {
    pub const fn new(folder: &'a Folder, clock: &'a SharedClock) -> Self {
        Self { folder, clock, last: RefCell::new(None) }
    }

    /// Records how much of `size` bytes is in the folder of a download.
    pub fn download(&self, downloads: &Path, size: u64) {
        if self.is_due() {
            let entries = fs::read_dir(downloads).into_iter().flatten().flatten();
            let have = entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum();
            self.record(&Progress::of_bytes(have, size));
        }
    }

    /// Records what `--apply` says. If the record cannot be written, the update goes on without.
    pub fn record(&self, progress: &Progress) {
        let is_same = self.last.borrow().as_ref().is_some_and(|(_, last)| last == progress);
        if is_same || !self.is_due() {
            return;
        }
        let _ = self.folder.change(|cluster| cluster.record.progress = Some(progress.clone()));
        *self.last.borrow_mut() = Some((self.clock.monotonic(), progress.clone()));
    }

    fn is_due(&self) -> bool {
        let now = self.clock.monotonic();
        self.last.borrow().as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= EVERY)
    }
}
