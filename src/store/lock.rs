//! Locks: one server for a state folder, one writer at a time for a catalog folder.
//!
//! Both are `flock`s: the system frees them when their process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::durable::{self, Mode};

/// How often, and how far apart, a writer tries before it gives up: 10 s in all. A commit takes
/// milliseconds; one that takes longer is stuck, and its user wants to know.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(
        "the state folder `{}` is in use by process {holder}: a second server on one state would reuse its version numbers; stop that one, or give this one a `--state` of its own",
        folder.display()
    )]
    InUse { folder: PathBuf, holder: String },
    #[error("the catalog folder `{}` has been locked by another process for 10 s", .0.display())]
    Busy(PathBuf),
    #[error(
        "`{}` could not be locked: this user must be able to open it, on a file system that has locks",
        path.display()
    )]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Folder(#[from] durable::WriteError),
}

/// Held by the one process that serves from a state folder.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes a state folder, which is made if it is not there.
    ///
    /// # Errors
    /// When another process has it, named by its id, or the folder cannot be made or written to.
    pub fn acquire(state: &Path) -> Result<Self, LockError> {
        durable::create_folder(state, Mode::Private)?;
        let path = state.join("lock");
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // A holder that has not yet written its id is no less a holder.
                let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "unknown" } else { holder }.to_owned();
                return Err(LockError::InUse { folder: state.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // For people and for the message above; the lock itself is the system's.
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Held while a catalog folder is changed. The lock is on the folder itself, so that no file of
/// ours lies among the user's.
#[derive(Debug)]
pub struct CatalogLock {
    _folder: File,
}

impl CatalogLock {
    /// Waits for the lock, at most 10 s.
    ///
    /// # Errors
    /// When another process holds it for longer, or the folder cannot be opened.
    pub fn acquire(folder: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: folder.to_owned(), source };
        let file = File::open(folder).map_err(failed)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _folder: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError::Busy(folder.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_state_is_refused_and_told_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = StateLock::acquire(&state).unwrap();
        let error = StateLock::acquire(&state).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
        drop(first);
        StateLock::acquire(&state).unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_opened_says_what_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lock")).unwrap();
        let error = StateLock::acquire(folder.path()).unwrap_err().to_string();
        assert!(error.contains("lock` could not be locked: this user must be able to open it"), "{error}");
    }

    #[test]
    fn a_writer_waits_for_the_one_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = CatalogLock::acquire(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| CatalogLock::acquire(folder.path()).map(drop));
            std::thread::sleep(PAUSE);
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap().unwrap();
        });
    }
}
