//! Checking copies again in the background: a disk can change bytes without changing anything else.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::Digest as _;

use super::CHUNK;
use crate::domain::payload::Sha256;
use crate::store::plain;
use crate::store::stamp::Stamp;

/// How often all copies are read.
const ROUND: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of bytes to read in one step. With two steps a second, a round over 1 TB takes 18 hours, and
/// the disk hardly notices.
const STEP: usize = 8 * 1024 * 1024;

/// Where the background check is.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    /// The copies that are still to be read in this round; the next one is the last.
    left: Vec<(PathBuf, Sha256)>,
    partial: Option<Partial>,
    /// When the next round starts.
    next: Duration,
}

/// A copy that has been read in part.
#[derive(Debug)]
struct Partial {
    file: File,
    path: PathBuf,
    stamp: Stamp,
    sha256: Sha256,
    hasher: sha2::Sha256,
}

impl Scrub {
    /// Reads the next part of the copies, which `list` returns with the digests that they must have. Calls
    /// `judge` with a copy's stamp, this digest and the one found for each copy that was read to its end.
    pub(super) fn step(
        &mut self,
        now: Duration,
        list: impl FnOnce() -> Vec<(PathBuf, Sha256)>,
        judge: impl Fn(&Path, Stamp, &Sha256, &Sha256),
    ) {
        if self.partial.is_none() && self.left.is_empty() {
            if now < self.next {
                return;
            }
            (self.left, self.next) = (list(), now + ROUND);
        }
        let mut chunk = vec![0; CHUNK];
        let mut budget = STEP;
        while budget > 0 {
            let Some(mut partial) = self.partial.take().or_else(|| self.next()) else { return };
            match partial.file.read(&mut chunk) {
                Ok(0) => {
                    let found = Sha256::new(partial.hasher.finalize().into());
                    judge(&partial.path, partial.stamp, &partial.sha256, &found);
                }
                Ok(count) => {
                    partial.hasher.update(&chunk[..count]);
                    budget = budget.saturating_sub(count);
                    self.partial = Some(partial);
                }
                Err(error) => tracing::warn!("cannot read `{}`: {error}", partial.path.display()),
            }
        }
    }

    /// Opens the next copy that can be opened. One that cannot be is reported when somebody asks for it.
    fn next(&mut self) -> Option<Partial> {
        while let Some((path, sha256)) = self.left.pop() {
            let Ok(file) = plain::open(&path) else { continue };
            let Ok(metadata) = file.metadata() else { continue };
            let (stamp, hasher) = (Stamp::of(&metadata), sha2::Sha256::new());
            return Some(Partial { file, path, stamp, sha256, hasher });
        }
        None
    }
}
