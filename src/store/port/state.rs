//! The port to the state, which a server must not lose.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Blob, Cause, Exclusive, Revision};
use crate::domain::Time;
use crate::domain::clock::{Accepted, KnownTime};
use crate::domain::payload::Sha256;
use crate::domain::report::Report;
use crate::domain::restraint::Remembered;
use crate::store::secret::Exposed;

/// A store for what a server must not lose: its versions, its last publication, its online keys.
pub trait StateStore: fmt::Debug + Send + Sync {
    /// Locks the state for this process until the returned value is dropped. A second server on the same
    /// state would reuse its version numbers.
    ///
    /// # Errors
    /// [`StateError::InUse`] when another process has locked it.
    fn lease(&self) -> Result<Exclusive, StateError>;

    /// Makes sure that the [lease](Self::lease), if this process has it, is for the state that is there now: locks that
    /// again if the state was replaced. Whatever changes the state does this first. Returns whether this is the very
    /// state that the lease was taken of.
    ///
    /// # Errors
    /// [`StateError::Gone`] when there is no state, and [`StateError::InUse`] when another process has locked it.
    fn keep_lease(&self) -> Result<bool, StateError> {
        Ok(false)
    }

    /// Reserves an unused version number for the next documents. It is higher than the last one reserved,
    /// higher than the last one `published`, and at least the milliseconds since 1970, so that a server
    /// that lost its state does not reuse an old one. The reservation is durable before this returns.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError>;

    /// Marks all versions up to this one as used, because another server or an earlier state used it.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn raise(&self, version: u64) -> Result<(), StateError>;

    /// The head of the last publication, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn publication(&self) -> Result<Option<Blob>, StateError>;

    /// A segment that the head names. The segments of the last publication and of the one before it are kept.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    fn segment(&self, sha256: &Sha256) -> Result<Blob, StateError>;

    /// Durably replaces the last publication. `pack` is called once: it stores the segments that are new, and
    /// returns the head.
    ///
    /// # Errors
    /// When the new one cannot be written. The last publication is then unchanged.
    fn publish(&self, pack: &mut Pack<'_>) -> Result<(), StateError>;

    /// A revision that changes whenever a publication is stored, and is quick to read. `None` if there is
    /// no publication.
    fn head(&self) -> Option<Revision>;

    /// Records that nothing was ever published from this state, so that there is nothing to step back from.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn found(&self) -> Result<(), StateError>;

    /// Whether it is certain that nothing was ever published: [`found`](Self::found) was called, and
    /// [`publish`](Self::publish) was not.
    fn is_new(&self) -> bool;

    /// What was last [remembered](Self::remember) of restraints. If that cannot be read, it is
    /// [forgotten](Remembered::forgotten).
    fn restraints(&self) -> Remembered;

    /// Durably replaces what is remembered of restraints. What cannot be read is never overwritten, but kept
    /// under another name.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn remember(&self, memory: &Remembered) -> Result<(), StateError>;

    /// What a server on this state last [reported](Self::report) about itself, if that can be read.
    fn reported(&self) -> Option<Report>;

    /// Replaces what this server reports about itself.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn report(&self, report: &Report) -> Result<(), StateError>;

    /// The time that was last known here, if that can be read.
    fn known_time(&self) -> Option<KnownTime>;

    /// Durably replaces the time that was last known here.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn know_time(&self, known: &KnownTime) -> Result<(), StateError>;

    /// Somebody's word that the clock is right, which no server has taken yet.
    fn accepted(&self) -> Option<Accepted>;

    /// Durably keeps somebody's word that the clock is right, or `None` once a server has taken it.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn accept(&self, accepted: Option<&Accepted>) -> Result<(), StateError>;

    /// Returns every private key in the state.
    ///
    /// # Errors
    /// When one cannot be read, or anyone on this machine can read or change it.
    fn keys(&self) -> Result<Vec<HeldKey>, StateError>;

    /// Removes what interrupted writes left behind.
    fn sweep(&self) {}
}

/// Packs a publication: stores its segments, and returns its head.
pub type Pack<'p> = dyn FnMut(&mut dyn Segments) -> io::Result<Vec<u8>> + 'p;

/// Writes a segment, and returns the digest of its bytes.
pub type Content<'c> = dyn FnMut(&mut dyn Write) -> io::Result<Sha256> + 'c;

/// The segments of a publication that is being stored. None of them counts before the head names it.
pub trait Segments {
    /// Keeps a segment of an earlier publication, if it is there in its whole length. Returns whether it is.
    fn keep(&mut self, sha256: &Sha256, size: u64) -> bool;

    /// Stores a segment under its digest.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&mut self, content: &mut Content<'_>) -> io::Result<()>;
}

/// A private key in a state.
#[derive(Debug)]
pub struct HeldKey {
    pub place: PathBuf,
    /// Whether it is in the usual place of the online key. If two keys could sign, this one does.
    pub is_usual: bool,
    pub pem: Zeroizing<Vec<u8>>,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(
        "the state {place} is in use by {holder}: a second server with the same state would reuse its version numbers; stop that server, or give this one its own `--state`"
    )]
    InUse { place: String, holder: String },
    #[error("the state {place} is gone: it was removed, or its volume is not mounted")]
    Gone { place: String },
    #[error("{what} cannot be read")]
    Read { what: String, source: io::Error },
    /// The store failed.
    #[error(transparent)]
    Failed(Cause),
    #[error(transparent)]
    Exposed(#[from] Exposed),
}

impl StateError {
    /// Whether the state does not have what was to be read.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
