//! The port to payload files.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::{Blob, Cause};
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::{PayloadState, Release};
use crate::domain::version::Version;

/// Checks payload files against the catalog, and keeps checked copies to serve.
pub trait PayloadStore: fmt::Debug + Send + Sync {
    /// Checks whether a release's payload files exist and match the catalog. `now` is the machine's time.
    fn check(&self, release: &Release, now: Time) -> PayloadState;

    /// Makes sure that there is a good copy of each of these files to serve. A copy is checked while it is
    /// made, so that later edits of the file are never served. One that this process knows to be good is not
    /// looked at again until [`open`](Self::open) or [`scrub`](Self::scrub) finds that it no longer is. Returns
    /// the indices of the files that could not be copied, and why.
    ///
    /// # Errors
    /// When the copies cannot be made durable. Then none of them counts.
    fn ensure_copies(
        &self,
        wanted: &[(&Version, &Payload)],
    ) -> Result<Vec<(usize, PayloadError)>, PayloadError>;

    /// Copies files from elsewhere, all or none of them. Files that already have a good copy are skipped.
    /// Returns how many copies were made.
    ///
    /// # Errors
    /// When a file cannot be read, does not match its digest, or cannot be copied.
    fn put(&self, files: &[Incoming]) -> Result<usize, PayloadError>;

    /// Opens the copy with this digest at the start of a range. A copy that may have changed since its
    /// digest was last checked is checked first, so a damaged one is never served.
    ///
    /// # Errors
    /// When there is no such copy, or it cannot be read, or is damaged.
    fn open(&self, sha256: &Sha256, range: Range<u64>) -> io::Result<Blob>;

    /// Checks the copies again in the background, whether anything seems to have changed them or not: reads
    /// the next part of them at `now`, in monotonic time. Returns whether a copy was found damaged, here or
    /// by [`open`](Self::open), or missing there, since the last call. A damaged copy no longer counts as one.
    fn scrub(&self, now: Duration) -> bool {
        let _ = now;
        false
    }

    /// Saves the known digests of files, so that the files need not be read again after a restart.
    ///
    /// # Errors
    /// When they cannot be saved, which only costs time.
    fn remember(&self) -> Result<(), PayloadError> {
        Ok(())
    }
}

/// A file for a payload store to copy.
#[derive(Debug)]
pub struct Incoming {
    pub path: PathBuf,
    pub sha256: Sha256,
    pub size: u64,
}

/// Why a payload could not be checked or copied.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("payload `{payload}` could not be read")]
    Read { payload: String, source: io::Error },
    #[error("payload `{payload}` has the digest `{found}` instead of `{expected}`")]
    Differs { payload: String, expected: Sha256, found: Sha256 },
    #[error("payload `{0}` changed while it was being copied")]
    Changed(String),
    /// The store failed.
    #[error(transparent)]
    Failed(Cause),
}

impl PayloadError {
    /// Returns the payload state of a release with this error: its payload `file` cannot be served.
    pub fn state(&self, file: &str) -> PayloadState {
        let file = file.to_owned();
        match self {
            Self::Read { source, .. } => PayloadState::Unreadable { file, why: chain(source) },
            Self::Differs { found, .. } => {
                PayloadState::Differs { file, found: found.to_string(), altered: None }
            }
            Self::Changed(_) | Self::Failed(_) => PayloadState::NotCopied { file },
        }
    }
}
