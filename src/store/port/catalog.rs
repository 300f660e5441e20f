//! Where the catalog is kept.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Cause, Exclusive};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::version::Version;
use crate::formats::edit::EditError;
use crate::formats::fault::Fault;
use crate::formats::yaml::Reading;

/// The catalog: lines and releases, and the signed documents about them.
///
/// `now` is always the machine's time, never the time of a question (`--at`).
pub trait CatalogStore: fmt::Debug + Send + Sync {
    /// Reads everything at one revision.
    ///
    /// # Errors
    /// When it cannot be read as a whole. Faults of single lines are part of what is read.
    fn read(&self, now: Time) -> Result<Snapshot, ReadError>;

    /// The roots and the targets role by file name, and nothing else: it answers at once, however
    /// large the catalog is.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn keys(&self) -> Result<BTreeMap<String, Bytes>, ReadError>;

    /// Makes changes, if the catalog is still at `base`. All are checked before the first is made.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if the catalog is no longer at `base`; the others as they say.
    fn commit(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Revision, CommitError>;

    /// Makes changes that do not build on each other, each by itself: one that cannot be made does
    /// not stop the others.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), for what concerns the catalog as a whole: nothing was changed.
    fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError>;

    /// Which changes [`commit_each`](Self::commit_each) could not make, by their places, and why.
    /// Changes nothing.
    ///
    /// # Errors
    /// As [`commit_each`](Self::commit_each).
    fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError>;

    /// Keeps everybody else from committing until what it returns is dropped: for whoever reads,
    /// signs what was read, and then [puts](Self::put) the result.
    ///
    /// # Errors
    /// When somebody else is at work on the catalog, and does not finish.
    fn exclusive(&self) -> Result<Exclusive, CommitError>;

    /// Stores signed documents: manifests, then roles, as [`roles_first`] orders them. Wherever a run is
    /// cut short, no client notices: a manifest that is not listed yet and a role that is not delegated
    /// yet are ignored, and a catalog without its first root is founded again.
    ///
    /// # Errors
    /// When one cannot be stored; those before it then are.
    fn put(
        &self,
        manifests: &BTreeMap<Version, Bytes>,
        trust: &BTreeMap<String, Bytes>,
    ) -> Result<(), CommitError>;

    /// Replaces signed documents in a snapshot, and wherever the store keeps them, by `served` ones with
    /// the same bytes, so that no document is in memory twice. `served` finds a document by a role's file
    /// name or a manifest's version.
    fn share(&self, snapshot: &mut Snapshot, served: &dyn Fn(&str) -> Option<Bytes>) {
        snapshot.share(served);
    }

    /// Follows the catalog from now on.
    fn watch(self: Arc<Self>) -> Box<dyn Watch>;
}

/// Tells when there is something new in a catalog.
pub trait Watch: Send {
    /// Looks whether there is something new. `now` is monotonic.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn look(&mut self, now: Duration) -> Result<News, ReadError>;

    /// Reads everything at one revision. What changes after that is news.
    ///
    /// # Errors
    /// As [`CatalogStore::read`]; [`ReadError::Busy`] while somebody is at work on the catalog.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError>;
}

/// What a look at a catalog shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It was read already.
    Nothing,
    /// The catalog was read already, and payload files are arriving: look again after this time.
    Arriving(Duration),
    /// It is being changed at this moment: look again after this time.
    Settling(Duration),
    /// Somebody is at work on it, and it must not be read before they are done: who, and what to do
    /// if they never are.
    Busy(String),
    /// There is something to read.
    Ready,
}

/// One state of a catalog: two with the same revision are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; 32]);

impl Revision {
    /// From whatever tells a store's states apart.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As long as git's short names: people compare two of them by eye.
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// A catalog at one revision, with the signed documents about it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub revision: Revision,
    pub reading: Arc<Reading>,
    /// The roles by file name, `1.root.json`.
    pub trust: BTreeMap<String, Bytes>,
    /// The roles of lines that cannot be read, and why, by file name.
    pub unread_roles: BTreeMap<String, String>,
    /// The signed release manifests by version, or why one cannot be read.
    pub(in crate::store) manifests: HashMap<String, Result<Bytes, String>>,
}

impl Snapshot {
    /// The signed release manifest of a version, if there is one.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn manifest(&self, version: &Version) -> Result<Option<Bytes>, String> {
        self.manifests.get(&version.to_string()).cloned().transpose()
    }

    pub(in crate::store) fn share(&mut self, served: &dyn Fn(&str) -> Option<Bytes>) {
        let manifests = self.manifests.iter_mut().filter_map(|(name, raw)| Some((name, raw.as_mut().ok()?)));
        self.trust.iter_mut().chain(manifests).for_each(|(name, bytes)| reuse(bytes, served(name)));
    }
}

/// Replaces bytes by equal ones that somebody else holds.
pub(in crate::store) fn reuse(bytes: &mut Bytes, held: Option<Bytes>) {
    if let Some(held) = held.filter(|held| held == bytes) {
        *bytes = held;
    }
}

/// Why a catalog could not be read as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{what} cannot be read")]
    Failed { what: String, source: io::Error },
    /// Whoever writes for longer than a reading waits is not done: read it later.
    #[error("{0} keeps changing while it is being read")]
    Changing(String),
    #[error("{0}")]
    Busy(String),
}

/// Why changes were not made. Unless it says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(
        "the catalog has changed since it was read (it was {base} and is {found}): read it again and decide again"
    )]
    Conflict { base: Revision, found: Revision },
    #[error("{0}")]
    Busy(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The changed text has a fault, which the reader describes.
    #[error("the change would make the catalog faulty\n{0}")]
    Faulty(Box<Fault>),
    #[error(
        "`{0}` is written in a form that a machine cannot edit safely: the edited text does not say what was meant; edit it by hand"
    )]
    Unsafe(String),
    /// The changes in these are made; making the same changes again makes the rest.
    #[error("{written} of {all} files were written")]
    Partly {
        written: usize,
        all: usize,
        /// Whether somebody else changed what comes next.
        overtaken: bool,
        source: Cause,
    },
    /// The store failed.
    #[error(transparent)]
    Failed(Arc<dyn Error + Send + Sync>),
}

impl CommitError {
    /// Whether somebody else was faster: reading again and deciding again may well succeed.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Read(ReadError::Changing(_)) | Self::Partly { overtaken: true, .. }
        )
    }

    /// Whether trying again is useless until somebody changes the catalog.
    #[must_use]
    pub const fn is_in_the_text(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Faulty(_) | Self::Unsafe(_))
    }

    /// Whether something was changed all the same.
    #[must_use]
    pub const fn has_written(&self) -> bool {
        matches!(self, Self::Partly { written, .. } if *written > 0)
    }
}

/// The roles of lines, then the targets role, which delegates to them, then the roots.
pub fn roles_first(trust: &BTreeMap<String, Bytes>) -> impl Iterator<Item = (&String, &Bytes)> {
    let mut roles: Vec<_> = trust.iter().collect();
    roles.sort_by_key(|(name, _)| (name.ends_with(".root.json"), *name == "targets.json"));
    roles.into_iter()
}

/// What became of changes that do not build on each other.
#[derive(Debug)]
pub struct Each {
    /// The catalog's revision with those that were made.
    pub revision: Revision,
    /// The places of the changes that were made.
    pub made: Vec<usize>,
    /// The places of those that cannot be made, and why.
    pub failed: Vec<(usize, CommitError)>,
    /// Why some are neither: they were not tried.
    pub stopped: Option<CommitError>,
}
