//! Changing a catalog's files, unless they have changed since they were read.

mod plan;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::plan::{Base, Failed, Plan, Planned, plan_all, plan_each};
use super::git::{WorkTree, busy};
use super::listing::{Listing, digest_now};
use super::{Directory, TRIES, changing, snapshot};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::store::durable::{self, Mode, WriteError};
use crate::store::lock;
use crate::store::port::{CommitError, Each, Revision};

/// Why one file was not written.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("`{0}` changed while other files were being written: read the catalog again and decide again")]
    Changed(String),
    #[error("{}", busy(.0))]
    Git(PathBuf),
}

impl Stop {
    fn after(self, written: usize, all: usize) -> CommitError {
        let overtaken = matches!(self, Self::Changed(_));
        CommitError::Partly { written, all, overtaken, source: Box::new(self) }
    }
}

impl Directory {
    /// Calls `act` with the catalog under its lock, if it is still at `base` and no git operation is in
    /// progress. If `whatever` is true, neither git nor another process that is stuck is in the way: each file
    /// is looked at again before it is replaced, by everybody who writes here.
    pub(super) fn planned<T>(
        &self,
        base: &Revision,
        now: Time,
        whatever: bool,
        act: impl FnOnce(Base<'_>, Option<&WorkTree>) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        let lock = lock::catalog(&self.catalog);
        let _lock = if whatever { lock.ok() } else { Some(lock?) };
        let tree = self.work_tree().filter(|_| !whatever);
        if let Some(path) = tree.as_ref().and_then(WorkTree::at_work) {
            return Err(CommitError::Busy(busy(&path)));
        }
        self.at(base, now, whatever, |from| act(from, tree.as_ref()))
    }

    /// Calls `act` with the catalog, if it is still at `base`. If `whatever` is true, files that keep changing are as
    /// they were when they could be read last.
    pub(super) fn at<T>(
        &self,
        base: &Revision,
        now: Time,
        whatever: bool,
        act: impl FnOnce(Base<'_>) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        let mut cache = self.cache();
        let (mut listing, mut is_whole) = self.load(&mut cache, now)?;
        for _ in 1..TRIES {
            if is_whole {
                break;
            }
            (listing, is_whole) = self.load(&mut cache, now)?;
        }
        if !is_whole && !whatever {
            return Err(changing(&self.catalog).into());
        }
        // Files with this revision were found to be consistent with each other when it was read.
        let found = cache.files.revision();
        if found != *base {
            return Err(CommitError::Conflict { base: *base, found });
        }
        let snapshot = snapshot(&mut cache, &self.catalog);
        let from =
            Base { reading: &snapshot.reading, listing: &listing, cache: &cache, folder: &self.catalog };
        act(from)
    }

    /// Writes each file atomically, and only if it has not changed since it was read. If somebody edits a
    /// file or the process crashes halfway, the earlier files stay written, and making the same changes
    /// again writes the rest.
    pub(super) fn write_all(
        &self,
        from: Base<'_>,
        tree: Option<&WorkTree>,
        changes: &[Change],
    ) -> Result<Revision, CommitError> {
        let Plan { files, .. } = plan_all(from, changes)?;
        // Other files may keep changing. The file of a stop is looked at again right before it is replaced.
        if !Change::only_stop(changes) {
            self.clear(from.listing)?;
        }
        for (written, file) in files.iter().enumerate() {
            let all = files.len();
            self.write(from, file, &files[..written], tree).map_err(|stop| match stop {
                Stop::Git(path) if written == 0 => CommitError::Busy(busy(&path)),
                stop => stop.after(written, all),
            })?;
        }
        Ok(Plan::revision(from, files.iter()))
    }

    /// Writes the files independently of each other. If one has changed meanwhile, it and those after it
    /// are not written, because their changes must be decided again.
    pub(super) fn write_each(
        &self,
        from: Base<'_>,
        tree: Option<&WorkTree>,
        changes: &[Change],
    ) -> Result<Each, CommitError> {
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
                    let error: Arc<dyn Error + Send + Sync> = Arc::new(source);
                    let places = file.changes.iter();
                    failed.extend(places.map(|place| (*place, CommitError::Failed(Arc::clone(&error)))));
                }
                Err(stop) => {
                    untried.extend(file.changes);
                    stopped = Some(stop.after(written.len(), all));
                }
            }
        }
        let is_made =
            |place: &usize| !untried.contains(place) && failed.iter().all(|(failed, _)| failed != place);
        let made = (0..changes.len()).filter(is_made).collect();
        Ok(Each { revision: Plan::revision(from, written.iter()), made, failed, stopped })
    }

    /// Returns the changes that [`Self::write_each`] could not make, and why.
    pub(super) fn failing(from: Base<'_>, changes: &[Change]) -> Result<Failed, CommitError> {
        Ok(plan_each(from, changes)?.1)
    }

    /// Prepares for writing: checks that no file changed while the commit was planned, and removes the
    /// temporary files of crashed commits.
    fn clear(&self, listing: &Listing) -> Result<(), CommitError> {
        if self.list_again(listing)?.files != listing.files {
            return Err(changing(&self.catalog).into());
        }
        // This commit holds the lock, so no running commit uses these files.
        for path in &listing.temporary {
            // Readers ignore a file that cannot be removed, and the next commit tries again.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Writes one file, and checks as late as possible that it has not changed. People and git take no
    /// lock: if somebody saves a hold while earlier files are being written, this write must not go
    /// ahead. Only microseconds pass between the check and the rename; no file system can do both in one
    /// step.
    fn write(
        &self,
        from: Base<'_>,
        file: &Planned,
        written: &[Planned],
        tree: Option<&WorkTree>,
    ) -> Result<(), Stop> {
        let target = target(from.listing, &file.key).unwrap_or_else(|| self.catalog.join(&file.key));
        // Only a new line has no folder yet.
        if let Some(folder) = target.parent() {
            durable::create_folder(folder, Mode::Keep)?;
        }
        durable::write_if(&target, file.text.as_bytes(), Mode::Keep, || {
            let line = file.key.split('/').next().map(|line| format!("{line}/line.yaml"));
            // The file itself is checked last, right before it is replaced.
            for key in ["policy.yaml"].into_iter().chain(line.as_deref()).chain([file.key.as_str()]) {
                if let Some(path) = tree.and_then(WorkTree::at_work) {
                    return Err(Stop::Git(path));
                }
                if !self.is_still(from, key, written) {
                    return Err(Stop::Changed(key.to_owned()));
                }
            }
            Ok(())
        })
    }

    /// Whether a file is unchanged since the commit was planned, or since this commit wrote it.
    fn is_still(&self, from: Base<'_>, key: &str, written: &[Planned]) -> bool {
        let listed = from.listing.files.get(key);
        let path: &Path = &listed.map_or_else(|| self.catalog.join(key), |listed| listed.path.clone());
        let cached = from.cache.files.get(key).filter(|_| listed.is_some());
        let expected = match (written.iter().find(|file| file.key == key), cached) {
            (Some(written), _) => Some(written.digest()),
            // A file that could not be read has no digest to compare, and makes its line faulty anyway.
            (None, Some(cached)) if !cached.is_read() => return true,
            (None, cached) => cached.map(|cached| cached.digest),
        };
        digest_now(path).is_ok_and(|found| found == expected)
    }
}

/// The path at which an existing file is written. For a link, this is its target, so that the link is kept.
fn target(listing: &Listing, key: &str) -> Option<PathBuf> {
    let listed = listing.files.get(key)?;
    Some(listed.path.canonicalize().unwrap_or_else(|_| listed.path.clone()))
}

#[cfg(test)]
mod tests;
