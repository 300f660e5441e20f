//! The port to the state, which a server must not lose.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Blob, Cause, Exclusive, Revision};
use crate::domain::Time;
use crate::store::secret::Exposed;

/// Stores what a server must not lose: its versions, its last publication, its online keys.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Takes the state for this process alone, until the returned value is dropped. A second server on the
    /// same state would use its versions again.
    ///
    /// # Errors
    /// [`StateError::InUse`] when another process has it.
    fn lease(&self) -> Result<Exclusive, StateError>;

    /// Takes a version that was never used before, for the next documents. It is higher than the last one
    /// that was reserved and the last one that was `published`, and at least the seconds since 1970, so
    /// that a server that lost its state does not use an old one again. It is durable before this returns.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError>;

    /// Counts a version as used, because another server or an earlier state used it.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn raise(&self, version: u64) -> Result<(), StateError>;

    /// The last publication, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn publication(&self) -> Result<Option<Blob>, StateError>;

    /// Replaces the last publication; durable before this returns. `write` is called once.
    ///
    /// # Errors
    /// When it cannot be written. The last one is then still there.
    fn publish(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), StateError>;

    /// A revision that changes whenever a publication is stored, and is quick to read. `None` if there is
    /// no publication.
    fn head(&self) -> Option<Revision>;

    /// Records that nothing was ever published from this state, so that nothing can step back.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn found(&self) -> Result<(), StateError>;

    /// Whether nothing was ever published for certain: [`found`](Self::found) was called, and
    /// [`publish`](Self::publish) was not.
    fn is_new(&self) -> bool;

    /// Returns every private key in the state.
    ///
    /// # Errors
    /// When one cannot be read, or everybody may read it.
    fn keys(&self) -> Result<Vec<HeldKey>, StateError>;

    /// Removes the files of writes that were cut short.
    fn sweep(&self) {}
}

/// A private key in a state.
#[derive(Debug)]
pub struct HeldKey {
    pub place: PathBuf,
    /// Whether it is where the online key usually is. Of two keys that could sign, this one does.
    pub is_usual: bool,
    pub pem: Zeroizing<String>,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "the state {place} is in use by {holder}: a second server with the same state would reuse its version numbers; stop that server, or give this one its own `--state`"
    )]
    InUse { place: String, holder: String },
    #[error("{what} cannot be read")]
    Read { what: String, source: io::Error },
    /// The store failed.
    #[error(transparent)]
    Failed(Cause),
    #[error(transparent)]
    Exposed(#[from] Exposed),
    #[error("{0} does not contain a version: somebody changed it by hand")]
    Versions(String),
}
