//! Files of the catalog that are being written in place, and must be still before they are read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::notices::InPlace;
use super::quiet::STILL;
use crate::store::directory::listing::Part;

/// Unfinished files. Signed documents belong together: as long as one is unfinished, all of them are.
#[derive(Default)]
pub(super) struct Unfinished {
    files: HashMap<Arc<str>, Writing>,
    /// Whether some of them are signed documents.
    has_signed: bool,
    /// Whether something has changed that can be read although other files are unfinished.
    pub is_ready: bool,
}

/// What is known of an unfinished file.
#[derive(Debug)]
struct Writing {
    /// What it looks like.
    looks: u64,
    /// Since when, in monotonic time. `None` stands for the next look.
    since: Option<Duration>,
}

/// How a part differs from what was known of it.
#[derive(Default)]
pub(super) struct Difference {
    /// Whether it is more than payloads.
    pub is_catalog: bool,
    /// The files that are not as they were read, and what they look like.
    pub files: Vec<(Arc<str>, u64)>,
}

impl Unfinished {
    /// Takes note of parts that differ, given what was written in place in each of them, if that is known. Returns
    /// whether all of it was written whole: elsewhere, and then renamed.
    pub fn note<'a>(
        &mut self,
        differing: &BTreeMap<Part, Difference>,
        in_place: impl Fn(&Part) -> Option<&'a InPlace>,
    ) -> bool {
        let mut is_whole = true;
        for (part, difference) in differing {
            let in_place = in_place(part).filter(|_| !part.is_signed());
            is_whole &= !difference.is_catalog || in_place.is_some_and(InPlace::is_none);
            for (path, looks) in &difference.files {
                if self.files.get(path).is_some_and(|writing| writing.looks == *looks) {
                    continue;
                }
                if in_place.is_some_and(|in_place| !in_place.has(path)) {
                    self.files.remove(path);
                    self.is_ready = true;
                } else {
                    self.insert(Arc::clone(path), *looks);
                }
            }
        }
        is_whole
    }

    /// Takes note of files that were written in place, even if they look as they did when they were read, since only
    /// half of them may have been read. Returns whether there are none.
    pub fn note_in_place(&mut self, parts: &BTreeMap<Part, InPlace>) -> bool {
        for (part, in_place) in parts {
            for name in &in_place.names {
                let path = part.file(name);
                let looks = self.files.get(&*path).map_or(0, |writing| writing.looks);
                self.insert(path.into(), looks);
            }
        }
        parts.values().all(|in_place| in_place.names.is_empty())
    }

    fn insert(&mut self, path: Arc<str>, looks: u64) {
        self.has_signed |= is_signed(&path);
        self.files.insert(path, Writing { looks, since: None });
    }

    /// Time has passed: what has not changed for long enough is finished.
    pub fn pass(&mut self, now: Duration) {
        for writing in self.files.values_mut() {
            writing.since.get_or_insert(now);
        }
        let is_still =
            |writing: &Writing| writing.since.is_some_and(|since| now.saturating_sub(since) >= STILL);
        let is_signed_still = self.files.iter().all(|(path, writing)| !is_signed(path) || is_still(writing));
        let before = self.files.len();
        self.files.retain(|path, writing| !is_still(writing) || is_signed(path) && !is_signed_still);
        self.has_signed &= !is_signed_still;
        self.is_ready |= self.files.len() < before;
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn clear(&mut self) {
        self.files.clear();
        self.has_signed = false;
    }

    /// Whether a file must not be read now.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path) || is_signed(path) && self.has_signed
    }

    /// Whether a part has files that must not be read now.
    pub fn is_in(&self, part: &Part) -> bool {
        let prefix = part.prefix();
        let is_in = |path: &Arc<str>| path.starts_with(&prefix) || **path == prefix[..prefix.len() - 1];
        part.is_signed() && self.has_signed || self.files.keys().any(is_in)
    }
}

fn is_signed(path: &str) -> bool {
    path.starts_with("trust/") || path.starts_with("payloads:")
}
