//! What any store must do: three traits, whatever the data is kept in.
//!
//! The promoter, HTTP and the commands know these alone. A store of another kind implements them in
//! a folder of its own, and runs `suite.rs`, which holds what they promise.

mod catalog;
mod payloads;
mod state;

use std::any::Any;
use std::fmt;
use std::io::Read;

pub(super) use catalog::reuse;
pub use catalog::{
    CatalogStore, CommitError, Each, News, ReadError, Revision, Served, Snapshot, Watch, roles_first,
};
pub use payloads::{Incoming, PayloadError, PayloadStore};
pub use state::{HeldKey, StateError, StateStore};

/// What a store met, in its own terms: a file, a database, a network.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Held by whoever keeps others out of a store; dropped, it lets them in.
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
    /// Where they are, for messages.
    pub place: String,
    /// The size of all of it, whatever part is read.
    pub size: u64,
    pub bytes: Box<dyn Read + Send>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("size", &self.size).finish_non_exhaustive()
    }
}
