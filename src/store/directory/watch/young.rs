//! Files that were read so soon after a change that their stamps may not show a further one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::store::directory::files::Files;
use crate::store::directory::listing::{Part, digest_of};
use crate::store::stamp::RACY;

/// Young files, until they were compared with what was read once no change can be hidden any more.
#[derive(Default)]
pub(super) struct Young {
    files: HashMap<Arc<str>, File>,
    /// How many changes were found that no stamp shows.
    pub found: u64,
}

struct File {
    part: Part,
    path: PathBuf,
    /// The first look after it was read, in monotonic time.
    since: Option<Duration>,
    /// Whether it is time to compare it for the last time.
    is_due: bool,
    /// What it is now, if that is not what was read.
    digest: Option<[u8; 32]>,
}

impl Young {
    /// These files were read.
    pub fn read<'a>(&mut self, files: impl Iterator<Item = (&'a Arc<str>, &'a Path)>) {
        for (key, path) in files {
            let path = path.to_owned();
            let file = File { part: Part::of(key), path, since: None, is_due: false, digest: None };
            self.files.insert(Arc::clone(key), file);
        }
    }

    /// Time has passed.
    pub fn pass(&mut self, now: Duration) {
        for file in self.files.values_mut() {
            file.is_due = now.saturating_sub(*file.since.get_or_insert(now)) >= RACY;
        }
    }

    /// Compares the files of some parts, and those that are due, with what was `read`. Returns those that have changed
    /// without a change to their stamps, and what they look like.
    pub fn changed(&mut self, read: &Files, is_told: impl Fn(&Part) -> bool) -> Vec<(Part, Arc<str>, u64)> {
        let mut changed = Vec::new();
        self.files.retain(|key, file| {
            let Some(known) = read.get(key) else { return false };
            // A change to the stamp is found anyway.
            if (file.is_due || is_told(&file.part))
                && let Some(found) = known.stamp.and_then(|stamp| digest_of(key, &file.path, stamp))
                && found != file.digest.unwrap_or(known.digest)
            {
                file.digest = Some(found);
                let looks = u64::from_ne_bytes(found.as_chunks().0[0]);
                changed.push((file.part.clone(), Arc::clone(key), looks));
            }
            !file.is_due
        });
        self.found += changed.len() as u64;
        changed
    }
}
