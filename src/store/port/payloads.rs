//! The port to payload files.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::{Blob, Cause};
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::{PayloadState, Release};
use crate::domain::version::Version;

/// Checks payload files against the catalog, and keeps checked copies to serve.
///
/// `now` is always the machine's time.
pub trait PayloadStore: fmt::Debug + Send + Sync {
    /// Checks whether a release's payload files exist and match the catalog. A file that cannot be read
    /// counts as not matching.
    fn check(&self, release: &Release, now: Time) -> PayloadState;

    /// Makes sure that there is a good copy of each of these files to serve. A copy is checked while it is
    /// made, so that later edits of the file are never served, and checked again when something may have
    /// changed it. Returns the indices of the files that could not be copied, and why.
    ///
    /// # Errors
    /// When the copies cannot be made durable. Then none of them counts.
    fn ensure_copies(
        &self,
        wanted: &[(&Version, &Payload)],
        now: Time,
    ) -> Result<Vec<(usize, PayloadError)>, PayloadError>;

    /// Copies files from elsewhere, all or none of them. Files that already have a copy are skipped.
    ///
    /// # Errors
    /// When a file cannot be read, does not match its digest, or cannot be copied.
    fn put(&self, files: &[Incoming]) -> Result<(), PayloadError>;

    /// Opens the copy with this digest at the start of a range.
    ///
    /// # Errors
    /// When there is no such copy, or it cannot be read.
    fn open(&self, sha256: &Sha256, range: Range<u64>) -> io::Result<Blob>;

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
    #[error(
        "payload `{payload}` changed while it was being copied: its digest is `{found}` and not `{expected}`"
    )]
    Changed { payload: String, expected: Sha256, found: Sha256 },
    /// The store failed.
    #[error(transparent)]
    Failed(Cause),
}

impl PayloadError {
    /// Returns the payload state of a release with this error: its payload cannot be served.
    pub fn state(&self, release: &Release) -> PayloadState {
        let file = release.payloads.first().map(|payload| payload.file.clone()).unwrap_or_default();
        PayloadState::Differs { file, found: chain(self) }
    }
}
