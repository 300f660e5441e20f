//! What every store must do, as three traits, wherever the data is kept.
//!
//! The promoter, the HTTP server and the commands use only these traits. A new kind of store implements
//! them in a folder of its own, and runs `suite.rs`, which tests that it does what they promise.

mod catalog;
mod payloads;
mod state;

use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

pub use catalog::{
    CatalogStore, CommitError, Each, History, HistoryError, News, ReadError, Revision, Snapshot, Wake, Watch,
    roles_first,
};
pub(super) use catalog::{EVERY, Manifests, reuse};
pub use payloads::{Incoming, PayloadError, PayloadStore};
pub use state::{Content, HeldKey, Pack, Segments, StateError, StateStore};

/// An error of one kind of store: from a file, a database or the network.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An exclusive lock on a store, held until it is dropped.
pub struct Exclusive {
    _held: Box<dyn Any + Send>,
}

impl Exclusive {
    pub(super) fn new(held: impl Any + Send) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exclusive")
    }
}

/// Stored bytes.
pub struct Blob {
    /// Where the bytes are stored, for messages.
    pub place: String,
    /// The total size, even if only a part is read.
    pub size: u64,
    pub bytes: Source,
}

/// Where stored bytes are read from.
pub enum Source {
    /// A file of this machine, at the first byte to read.
    File(File),
    Stream(Box<dyn Read + Send>),
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            Self::Stream(stream) => stream.read(into),
        }
    }
}

impl Blob {
    /// Reads an open file from byte `from` on.
    pub(super) fn of_file(path: &Path, mut file: File, from: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        Ok(Self {
            place: format!("`{}`", path.display()),
            size: file.metadata()?.len(),
            bytes: Source::File(file),
        })
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}
