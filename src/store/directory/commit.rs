//! Changing a catalog's files, only if they are still what the change was made from.

mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use self::plan::{Base, Plan, Planned, plan_all, plan_each};
use super::listing::{Listing, digest_now};
use super::{Directory, ReadError, Revision};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::formats::edit::EditError;
use crate::formats::fault::Fault;
use crate::store::durable::{self, Mode, WriteError};
use crate::store::lock::{CatalogLock, LockError};
use crate::store::watch::{WorkTree, git_way_out};

/// Why changes were not made. Unless it says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(
        "the catalog has changed since it was read (it was {base} and is {found}): read it again and decide again"
    )]
    Conflict { base: Revision, found: Revision },
    #[error("git is at work on the catalog, as `{}` shows: {}", .0.display(), git_way_out(.0))]
    Git(PathBuf),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The edited text is a fault, which the reader describes.
    #[error("the change would make the catalog faulty\n{0}")]
    Faulty(Box<Fault>),
    #[error(
        "`{0}` is written in a form that a machine cannot edit safely: the edited text does not say what was meant; edit it by hand"
    )]
    Unsafe(String),
    /// The changes before this file's are made; making the same changes again makes the rest.
    #[error("{written} of {all} files were written")]
    Write { written: usize, all: usize, source: WriteError },
    /// As [`CommitError::Write`].
    #[error("{written} of {all} files were written")]
    Overtaken { written: usize, all: usize, source: Overtaken },
    /// One file of several that stand each by itself.
    #[error(transparent)]
    File(Arc<WriteError>),
}

impl CommitError {
    /// Whether somebody else was faster: who reads again and decides again may well succeed.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. }
                | Self::Read(ReadError::Changing(_))
                | Self::Overtaken { source: Overtaken::Changed(_), .. }
        )
    }

    /// Whether trying again is in vain until somebody changes the catalog's files.
    #[must_use]
    pub const fn is_in_the_text(&self) -> bool {
        matches!(self, Self::Edit(_) | Self::Faulty(_) | Self::Unsafe(_))
    }

    /// Whether something was written all the same.
    #[must_use]
    pub const fn has_written(&self) -> bool {
        matches!(self, Self::Write { written, .. } | Self::Overtaken { written, .. } if *written > 0)
    }
}

/// What was seen in the last moment before a file was written.
#[derive(Debug, thiserror::Error)]
pub enum Overtaken {
    #[error("`{0}` was changed while others were written: read the catalog again and decide again")]
    Changed(String),
    #[error("git is at work on the catalog, as `{}` shows: {}", .0.display(), git_way_out(.0))]
    Git(PathBuf),
}

/// What became of changes that stand each by itself.
#[derive(Debug)]
pub struct Each {
    /// What the catalog is with those that were made.
    pub revision: Revision,
    /// The places of the changes that were made.
    pub made: Vec<usize>,
    /// The places of those that cannot be made, and why.
    pub failed: Vec<(usize, CommitError)>,
    /// Why there are some that are neither: they were not tried.
    pub stopped: Option<CommitError>,
}

/// Why one file was not written.
enum Stop {
    Write(WriteError),
    Overtaken(Overtaken),
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl Directory {
    /// Makes changes, all checked before the first is written. Each file is written atomically, and
    /// only if it is still what the change was made from; an edit or a crash between two leaves the
    /// ones before it written, and a catalog that the same changes, decided again, complete.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if the catalog is no longer at `base`; the others as they say.
    pub fn commit(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Revision, CommitError> {
        self.planned(base, now, |from, tree| {
            let Plan { files, .. } = plan_all(from, changes)?;
            self.clear(from.listing)?;
            for (written, file) in files.iter().enumerate() {
                let all = files.len();
                self.write(from, file, &files[..written], tree).map_err(|stop| match stop {
                    Stop::Write(source) => CommitError::Write { written, all, source },
                    Stop::Overtaken(Overtaken::Git(path)) if written == 0 => CommitError::Git(path),
                    Stop::Overtaken(source) => CommitError::Overtaken { written, all, source },
                })?;
            }
            Ok(Plan::revision(from, files.iter()))
        })
    }

    /// Makes changes of which none builds on another, each by itself: one that cannot be made leaves the
    /// others alone. The first that finds its file changed stops those after it, which are to be decided
    /// on anew.
    ///
    /// # Errors
    /// As [`Directory::commit`], when it says that about the catalog as a whole: nothing was written.
    pub fn commit_each(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Each, CommitError> {
        self.planned(base, now, |from, tree| {
            let (Plan { files, .. }, mut failed) = plan_each(from, changes)?;
            self.clear(from.listing)?;
            let mut stopped = None;
            let mut written: Vec<Planned> = Vec::new();
            let mut untried: Vec<usize> = Vec::new();
            let all = files.len();
            for file in files {
                if stopped.is_some() {
                    untried.extend(file.changes);
                    continue;
                }
                match self.write(from, &file, &written, tree) {
                    Ok(()) => written.push(file),
                    Err(Stop::Write(source)) => {
                        let error = Arc::new(source);
                        failed.extend(
                            file.changes.iter().map(|place| (*place, CommitError::File(Arc::clone(&error)))),
                        );
                    }
                    Err(Stop::Overtaken(source)) => {
                        untried.extend(file.changes);
                        stopped = Some(CommitError::Overtaken { written: written.len(), all, source });
                    }
                }
            }
            let is_made =
                |place: &usize| !untried.contains(place) && failed.iter().all(|(failed, _)| failed != place);
            let made = (0..changes.len()).filter(is_made).collect();
            Ok(Each { revision: Plan::revision(from, written.iter()), made, failed, stopped })
        })
    }

    /// Which of several changes, none of which builds on another, could not be made, by their places,
    /// and why. Writes nothing.
    ///
    /// # Errors
    /// As [`Directory::commit_each`].
    pub fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, listing) = self.read_cached(&mut cache, now)?;
        if snapshot.revision != *base {
            return Err(CommitError::Conflict { base: *base, found: snapshot.revision });
        }
        let from =
            Base { reading: &snapshot.reading, listing: &listing, cache: &cache, folder: &self.catalog };
        Ok(plan_each(from, changes)?.1)
    }

    /// Does something under the lock with the catalog, if that is still at `base` and git is done.
    fn planned<T>(
        &self,
        base: &Revision,
        now: Time,
        act: impl FnOnce(Base<'_>, Option<&WorkTree>) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        let _lock = CatalogLock::acquire(&self.catalog)?;
        let tree = self.work_tree();
        if let Some(path) = tree.as_ref().and_then(WorkTree::at_work) {
            return Err(CommitError::Git(path));
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, listing) = self.read_cached(&mut cache, now)?;
        let found = snapshot.revision;
        if found != *base {
            return Err(CommitError::Conflict { base: *base, found });
        }
        let from =
            Base { reading: &snapshot.reading, listing: &listing, cache: &cache, folder: &self.catalog };
        act(from, tree.as_ref())
    }

    /// Clears the way for writing. What was planned on must be there still, after all the time that
    /// planning takes; and what crashed commits left goes.
    fn clear(&self, listing: &Listing) -> Result<(), CommitError> {
        if !Listing::take(&self.catalog, &self.payloads)?.same(listing) {
            return Err(ReadError::Changing(self.catalog.clone()).into());
        }
        // Under the lock no other commit is under way.
        for path in &listing.temporary {
            // One that stays is ignored by readers, and swept another time.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Writes one file, after a look as late as can be: people and git take no lock, and a hold that was
    /// saved while the files before this one were written must stop this one. Between that look and the
    /// rename lie microseconds, and no file system offers to compare and rename in one.
    fn write(
        &self,
        from: Base<'_>,
        file: &Planned,
        written: &[Planned],
        tree: Option<&WorkTree>,
    ) -> Result<(), Stop> {
        let target = target(from.listing, &file.key).unwrap_or_else(|| self.catalog.join(&file.key));
        durable::write_if(&target, file.text.as_bytes(), Mode::Keep, || {
            let line = file.key.split('/').next().map(|line| format!("{line}/line.yaml"));
            // Its own comes last, nearest to its end.
            for key in ["policy.yaml"].into_iter().chain(line.as_deref()).chain([file.key.as_str()]) {
                if let Some(path) = tree.and_then(WorkTree::at_work) {
                    return Err(Stop::Overtaken(Overtaken::Git(path)));
                }
                if !self.is_still(from, key, written) {
                    return Err(Stop::Overtaken(Overtaken::Changed(key.to_owned())));
                }
            }
            Ok(())
        })
    }

    /// Whether a file is what was planned on, or what this commit has made of it.
    fn is_still(&self, from: Base<'_>, key: &str, written: &[Planned]) -> bool {
        let listed = from.listing.files.get(key);
        let path: &Path = &listed.map_or_else(|| self.catalog.join(key), |listed| listed.path.clone());
        let cached = from.cache.files.get(key).filter(|_| listed.is_some());
        let expected = match (written.iter().find(|file| file.key == key), cached) {
            (Some(written), _) => Some(written.digest()),
            // One that could not be read is no part of any line without fault.
            (None, Some(cached)) if !cached.is_read() => return true,
            (None, cached) => cached.map(|cached| cached.digest),
        };
        digest_now(path).is_ok_and(|found| found == expected)
    }
}

/// Where a file that is there is written: through a link, which stays.
fn target(listing: &Listing, key: &str) -> Option<PathBuf> {
    let listed = listing.files.get(key)?;
    Some(listed.path.canonicalize().unwrap_or_else(|_| listed.path.clone()))
}

#[cfg(test)]
mod tests;
