//! Locks: one server for a state folder, one writer at a time for a catalog folder.
//!
//! Both use `flock`, so the system releases them when the process ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::durable;
use super::plain::explained;
use super::port::{CommitError, Exclusive, StateError};

/// How many times a writer tries to take a lock, with [`PAUSE`] in between: 10 s in all. A commit takes
/// milliseconds. One that takes longer is stuck, and the user should know.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Why a lock cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot lock `{}` (this user must be able to open it, and its file system must support locks)",
    path.display()
)]
struct LockError {
    path: PathBuf,
    source: io::Error,
}

/// Locks a state folder, and creates the folder first if it does not exist.
pub(super) fn state(folder: &Path) -> Result<File, StateError> {
    durable::create_state_folder(folder)?;
    existing_state(folder)
}

/// Locks a state folder that exists.
pub(super) fn existing_state(folder: &Path) -> Result<File, StateError> {
    let path = folder.join("lock");
    let failed = |source| StateError::Failed(Box::new(LockError { path: path.clone(), source }));
    let mut file = durable::open_or_create(&path).map_err(|error| failed(explained(&path, error)))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may not have written its id yet.
            let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut holder);
            let holder = holder.trim();
            let holder = if holder.is_empty() { "unknown" } else { holder };
            return Err(StateError::InUse {
                place: format!("folder `{}`", folder.display()),
                holder: format!("process {holder}"),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // The id is only for people and for the message above. The lock does not depend on it.
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Whether a lock is on the state folder that has this path now. The folder may have been removed or replaced.
pub(super) fn is_of(lock: &File, folder: &Path) -> bool {
    let identity = |about: fs::Metadata| (about.dev(), about.ino());
    let found = fs::symlink_metadata(folder.join("lock")).map(identity);
    found.is_ok_and(|found| lock.metadata().map(identity).is_ok_and(|held| held == found))
}

/// Locks a catalog folder for writing; waits for at most 10 s. The lock is on the folder itself, so that no
/// lock file appears among the user's files.
pub(super) fn catalog(folder: &Path) -> Result<Exclusive, CommitError> {
    let failed = |source| CommitError::Failed(Arc::new(LockError { path: folder.to_owned(), source }));
    let file = File::open(folder).map_err(|error| failed(explained(folder, error)))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Exclusive::new(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(CommitError::Busy(format!(
        "the catalog folder `{}` has been locked by another process for 10 s",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_state_is_told_which_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let _first = state(folder.path()).unwrap();
        let error = state(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    }

    #[test]
    fn a_lock_that_cannot_be_opened_says_what_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lock")).unwrap();
        let error = state(folder.path()).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot lock `") && error.contains("this user must be able to open it"),
            "{error}"
        );
    }

    #[test]
    fn a_writer_waits_for_the_one_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = catalog(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| catalog(folder.path()).map(drop));
            std::thread::sleep(PAUSE);
            assert!(!second.is_finished());
            drop(first);
            second.join().unwrap().unwrap();
        });
    }
}
