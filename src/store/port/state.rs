//! Where a server keeps what it must not lose.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Blob, Cause, Exclusive, Revision};
use crate::domain::Time;
use crate::store::secret::Exposed;

/// What a server must not lose: its versions, its last publication, its online keys.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Takes the state for this process alone, until what it returns is dropped: a second server on
    /// one state would use its versions again.
    ///
    /// # Errors
    /// [`StateError::InUse`] when another process has it.
    fn lease(&self) -> Result<Exclusive, StateError>;

    /// Takes a version that was never used before, for what is signed next: above the last one that
    /// was reserved and the last one that was `published`, and at least the seconds since 1970, so
    /// that a lost state does not bring an old one back. It is durable before this returns.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError>;

    /// Counts a version as used, because another server or an earlier state did use it.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn raise(&self, version: u64) -> Result<(), StateError>;

    /// The last publication, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn publication(&self) -> Result<Option<Blob>, StateError>;

    /// Stores a publication in place of the last one, durable before this returns. `write` is called
    /// once.
    ///
    /// # Errors
    /// When it cannot be written; the last one is then still there.
    fn publish(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), StateError>;

    /// What changes whenever a publication is stored; cheap to ask. `None` if there is none.
    fn head(&self) -> Option<Revision>;

    /// Notes that nothing was ever published from this state, so that nothing can step back.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn found(&self) -> Result<(), StateError>;

    /// Whether it is certain that nothing was ever published: [`found`](Self::found) was called, and
    /// [`publish`](Self::publish) was not.
    fn is_new(&self) -> bool;

    /// Every private key in it.
    ///
    /// # Errors
    /// When one cannot be read, or everybody may read it.
    fn keys(&self) -> Result<Vec<HeldKey>, StateError>;

    /// Removes what writes left behind that were cut short.
    fn sweep(&self) {}
}

/// A private key in a state.
#[derive(Debug)]
pub struct HeldKey {
    pub place: PathBuf,
    /// Whether it is where the online key usually is: of two that could sign, it is this one.
    pub is_usual: bool,
    pub pem: Zeroizing<String>,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "the state {place} is in use by {holder}: a second server on one state would reuse its version numbers; stop that one, or give this one a `--state` of its own"
    )]
    InUse { place: String, holder: String },
    #[error("{what} cannot be read")]
    Read { what: String, source: io::Error },
    /// The store failed.
    #[error(transparent)]
    Failed(Cause),
    #[error(transparent)]
    Exposed(#[from] Exposed),
    #[error("{0} does not hold a version: somebody changed it by hand")]
    Versions(String),
}
