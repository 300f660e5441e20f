//! The port to the catalog.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Cause, Exclusive};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::restraint::Restraint;
use crate::domain::topic::Topic;
use crate::domain::version::Version;
use crate::formats::edit::EditError;
use crate::formats::fault::Fault;
use crate::formats::yaml::Reading;

/// A store for the catalog: lines and releases, and the signed documents about them.
///
/// `now` is always the machine's time, never the time given with `--at`.
pub trait CatalogStore: fmt::Debug + Send + Sync {
    /// Reads everything at one revision.
    ///
    /// # Errors
    /// When the catalog cannot be read as a whole. Faults in single lines are part of the result.
    fn read(&self, now: Time) -> Result<Snapshot, ReadError>;

    /// Returns this store for a question or an operation that is about one topic. It may leave out the releases
    /// of every line that the topic [cannot be in](Topic::lines), with the signed documents about them, and then
    /// says nothing about faults in their files. Only a change to what it reads is a conflict.
    fn about(self: Arc<Self>, topic: &Topic) -> Arc<dyn CatalogStore>;

    /// Reads only the roots and the targets role, by file name. This is quick, however large the catalog
    /// is.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn keys(&self) -> Result<BTreeMap<String, Bytes>, ReadError>;

    /// Makes changes if the catalog is still at `base`. All changes are checked before the first is made.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if the catalog is no longer at `base`, or another [`CommitError`].
    fn commit(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Revision, CommitError>;

    /// Makes changes independently of each other: one that cannot be made does not stop the others.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), if the error concerns the catalog as a whole. Then nothing has changed.
    fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError>;

    /// Returns the indices of the changes that [`commit_each`](Self::commit_each) could not make, and why.
    /// This changes nothing.
    ///
    /// # Errors
    /// The same as [`commit_each`](Self::commit_each).
    fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError>;

    /// Returns what the history of the catalog shows about its restraints, as far as the store keeps one.
    /// `now` decides which of them have ended by themselves.
    ///
    /// # Errors
    /// When there is a history, but it cannot be read.
    fn history(&self, _now: Time) -> Result<History, HistoryError> {
        Ok(History::default())
    }

    /// Keeps everybody else from committing until the returned value is dropped: for a caller that reads,
    /// signs what it read, and then [puts](Self::put) the result.
    ///
    /// # Errors
    /// When somebody else is working on the catalog, and does not finish in time.
    fn exclusive(&self) -> Result<Exclusive, CommitError>;

    /// Stores signed documents: manifests, then roles, in the order of [`roles_first`]. If this is
    /// interrupted, no client notices: manifests that are not listed yet and roles that are not delegated
    /// yet are ignored, and a catalog without its first root is founded again.
    ///
    /// # Errors
    /// When one cannot be stored. Those before it may have been stored.
    fn put(
        &self,
        manifests: &BTreeMap<Version, Bytes>,
        trust: &BTreeMap<String, Bytes>,
    ) -> Result<(), CommitError>;

    /// Replaces signed documents in a snapshot, and in the store's own memory, with `served` ones that have
    /// the same bytes, so that no document is in memory twice. `served` finds a document by a role's file
    /// name or a manifest's version.
    fn share(&self, snapshot: &mut Snapshot, served: &dyn Fn(&str) -> Option<Bytes>) {
        snapshot.share(served);
    }

    /// Watches the catalog from now on.
    fn watch(self: Arc<Self>) -> Box<dyn Watch>;
}

/// What the history of a catalog shows.
#[derive(Debug, Default)]
pub struct History {
    /// The restraints that the catalog must still have.
    pub restraints: Vec<Restraint>,
    /// If the store has only the last part of the history: how many commits of it.
    pub cut_after: Option<usize>,
}

/// Why the history of a catalog is unknown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store has nothing from before the last commit.
    #[error("the clone is shallow and lacks the commit before the last one")]
    CutShort,
    #[error("git cannot be run")]
    NoGit(#[source] io::Error),
    /// The clone lacks objects, and its remote does not deliver them. The message is git's.
    #[error("{0}")]
    Incomplete(String),
    /// Git does not trust the owner of the folder. The message is git's.
    #[error("{0}")]
    Distrusted(String),
    /// Something else, in git's words.
    #[error("{0}")]
    Unreadable(String),
}

/// Wakes somebody who waits for changes.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Watches a catalog for changes.
pub trait Watch: Send {
    /// Has `wake` called from another thread as soon as something may have changed, as far as the store is told of
    /// changes. It need not be.
    fn wake(&mut self, _wake: Wake) {}

    /// Checks whether there is something new. `now` is monotonic. A `thorough` check costs more, and also finds what
    /// the store was not told of.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn look(&mut self, now: Duration, thorough: bool) -> Result<News, ReadError>;

    /// Reads everything at one revision. Any change after that counts as new.
    ///
    /// # Errors
    /// As [`CatalogStore::read`]; [`ReadError::Busy`] while somebody is working on the catalog.
    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError>;
}

/// The result of looking at a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing has changed since the catalog was last read.
    Nothing,
    /// The catalog has been read, but payload files are still arriving: look again after this time.
    Arriving(Duration),
    /// The catalog is changing right now: look again after this time.
    Settling(Duration),
    /// Somebody is working on the catalog, and it must not be read until they are done. The message says
    /// who, and what to do if they never finish.
    Busy(String),
    /// There is something to read.
    Ready,
    /// There is something to read while other files are changing, or the catalog has been changing, or somebody has
    /// been working on it, for long. It can be read for the stops that are in it, which must not wait; nothing else
    /// may be decided by it.
    Unsettled(String),
}

/// Identifies one state of a catalog: the same revision means the same state.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; 32]);

impl Revision {
    /// Makes a revision from a value that is different for each state of a store.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Short, like git's, because people compare revisions by eye.
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
    /// The roles by file name, such as `1.root.json`.
    pub trust: BTreeMap<String, Bytes>,
    /// Why some roles cannot be read, by file name.
    pub unread_roles: BTreeMap<String, String>,
    /// Under [`EVERY`]: why none can be read.
    pub(in crate::store) manifests: Arc<Manifests>,
    /// The versions whose manifests or payloads may have changed since the snapshot before. `None` stands for all.
    pub(in crate::store) touched: Option<HashSet<Box<str>>>,
    /// Why it was read although it is changing, if it was. Then it is good for stops only.
    pub unsettled: Option<String>,
}

/// Signed release manifests by version, or why one cannot be read.
pub(in crate::store) type Manifests = HashMap<Box<str>, Result<Bytes, String>>;

/// Stands for every version, where signed manifests are listed by version.
pub(in crate::store) const EVERY: &str = "*";

impl Snapshot {
    /// The signed release manifest of a version, if there is one.
    ///
    /// # Errors
    /// When it cannot be read; the message says why.
    pub fn manifest(&self, version: &Version) -> Result<Option<Bytes>, String> {
        let every = || self.manifests.get(EVERY);
        self.manifests.get(&*version.to_string()).or_else(every).cloned().transpose()
    }

    /// Whether the manifest or the payloads of a version may have changed since the same [`Watch`] was read before.
    pub fn may_have_changed(&self, version: &Version) -> bool {
        let is_touched = |touched: &HashSet<Box<str>>| {
            !touched.is_empty() && (touched.contains(EVERY) || touched.contains(&*version.to_string()))
        };
        self.touched.as_ref().is_none_or(is_touched)
    }

    pub(in crate::store) fn share(&mut self, served: &dyn Fn(&str) -> Option<Bytes>) {
        for (name, raw) in Arc::make_mut(&mut self.manifests) {
            if let Ok(bytes) = raw {
                reuse(bytes, served(name));
            }
        }
        self.share_roles(served);
    }

    pub(in crate::store) fn share_roles(&mut self, served: &dyn Fn(&str) -> Option<Bytes>) {
        for (name, bytes) in &mut self.trust {
            reuse(bytes, served(name));
        }
    }
}

/// Replaces bytes with equal ones that are already in memory. Returns whether there are any.
pub(in crate::store) fn reuse(bytes: &mut Bytes, held: Option<Bytes>) -> bool {
    let held = held.filter(|held| held == bytes);
    let is_held = held.is_some();
    if let Some(held) = held {
        *bytes = held;
    }
    is_held
}

/// Why a catalog could not be read as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{what} cannot be read")]
    Failed { what: String, source: io::Error },
    /// Somebody kept writing for as long as the reader waited. Try again later.
    #[error("{0} keeps changing while it is being read")]
    Changing(String),
    #[error("{0}")]
    Busy(String),
}

/// Why changes were not made. Nothing has changed, unless the error says otherwise.
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
    /// The changed file would have this fault.
    #[error("the change would make the catalog faulty\n{0}")]
    Faulty(Box<Fault>),
    #[error(
        "`{0}` is written in a form that cannot be edited safely: the edited text would not mean the same; edit the file by hand"
    )]
    Unsafe(String),
    /// The changes to some files have been made. Making the same changes again makes the rest.
    #[error("{written} of {all} files were written")]
    Partly {
        written: usize,
        all: usize,
        /// Whether somebody else changed the next file to be written.
        overtaken: bool,
        source: Cause,
    },
    /// The store failed.
    #[error(transparent)]
    Failed(Arc<dyn Error + Send + Sync>),
}

impl CommitError {
    /// Whether somebody else committed first. Reading the catalog again and deciding again may succeed.
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Read(ReadError::Changing(_)) | Self::Partly { overtaken: true, .. }
        )
    }

    /// Whether a retry is useless until somebody edits the catalog.
    pub const fn is_in_the_text(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Faulty(_) | Self::Unsafe(_))
    }

    /// Whether something was changed despite the error.
    pub const fn has_written(&self) -> bool {
        matches!(self, Self::Partly { written, .. } if *written > 0)
    }
}

/// Returns the roles in the order in which they are written: those of lines, then the targets role, which
/// delegates to them, then the roots.
pub fn roles_first(trust: &BTreeMap<String, Bytes>) -> impl Iterator<Item = (&String, &Bytes)> {
    let mut roles: Vec<_> = trust.iter().collect();
    roles.sort_by_key(|(name, _)| (name.ends_with(".root.json"), *name == "targets.json"));
    roles.into_iter()
}

/// The result of [`CatalogStore::commit_each`].
#[derive(Debug)]
pub struct Each {
    /// The catalog's revision after the changes that were made.
    pub revision: Revision,
    /// The indices of the changes that were made.
    pub made: Vec<usize>,
    /// The indices of the changes that cannot be made, and why.
    pub failed: Vec<(usize, CommitError)>,
    /// Why the other changes were not tried.
    pub stopped: Option<CommitError>,
}
