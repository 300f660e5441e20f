//! Detecting changed files without reading them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::port::Revision;
use crate::domain::Time;

/// A stamp that is younger than this is not trusted, because a file that changes again within one tick of
/// its file system's clock keeps its stamp. Two seconds is the coarsest tick in use (FAT's).
pub(super) const RACY: Duration = Duration::from_secs(2);

/// A file's identity and times. Two versions of a file can have the same stamp only if they were written
/// within two seconds of each other. Then only reading the file can tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    pub size: u64,
    pub inode: u64,
    /// When the content was last modified, in nanoseconds since 1970, which fits until the year 2262.
    pub modified: i64,
    /// When the inode last changed. No tool can set this time back.
    pub changed: i64,
}

impl Stamp {
    /// The stamp of a file whose content does not matter.
    pub const NONE: Self = Self { size: 0, inode: 0, modified: 0, changed: 0 };

    /// Takes the stamp from a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Turns the stamp into a revision, which can only be compared with others.
    pub(super) fn revision(self) -> Revision {
        let parts = [self.size, self.inode, self.modified.cast_unsigned(), self.changed.cast_unsigned()];
        let mut bytes = [0; 32];
        for (to, part) in bytes.chunks_exact_mut(8).zip(parts) {
            to.copy_from_slice(&part.to_be_bytes());
        }
        Revision::new(bytes)
    }

    /// Whether the stamp is old enough at `now`, the machine's time, to identify the content.
    pub fn is_settled(&self, now: Time) -> bool {
        let limit = (now - RACY).timestamp().saturating_mul(1_000_000_000);
        self.modified < limit && self.changed < limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_vouches_for_its_file_after_two_seconds() {
        let at = |seconds: i64| Time::from_timestamp(seconds, 0).unwrap();
        let stamp = Stamp { size: 1, inode: 1, modified: 100_000_000_000, changed: 100_500_000_000 };
        assert!(!stamp.is_settled(at(100)));
        assert!(!stamp.is_settled(at(102)));
        assert!(stamp.is_settled(at(103)));
    }
}
