//! Locks between the commands of one cluster. The system releases a lock when its process ends, even if it
//! is killed.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use super::refusal::Refusal;
use crate::store::durable::{self, present};

/// How often to try to take a lock that somebody is asking about.
const ASKERS: u32 = 20;

/// How long a command waits for a lock, in steps of [`PAUSE`]. A check normally takes seconds, but with the slowest server
/// that is accepted, each file takes a minute.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// A handle that child processes inherit. The lock is held until they have closed it, too.
    ///
    /// # Errors
    /// When the process has too many open files.
    pub fn inherited(&self) -> io::Result<OwnedFd> {
        // In contrast to everything that the standard library opens, a duplicate stays open in a child.
        Ok(rustix::io::dup(&self.file)?)
    }
}

/// What the holder of a lock does, for whoever cannot wait longer.
pub const CHECKING: &str = "the agent or another command is checking at this moment";
pub const WRITING: &str = "the agent or another command is writing to the state folder at this moment";
pub const APPLYING: &str = "the `--apply` of another agent is running at this moment";

/// Waits for a lock. `holder` says what its holder does.
///
/// # Errors
/// When another command holds it for a minute, or the file cannot be created.
pub fn wait(path: &Path, holder: &'static str) -> Result<Lock, Refusal> {
    wait_for(path, holder, PATIENCE)
}

/// The same, for not longer than `patience`.
///
/// # Errors
/// When another command holds it all that time, or the file cannot be created.
pub fn wait_for(path: &Path, holder: &'static str, patience: Duration) -> Result<Lock, Refusal> {
    let patience = patience.min(PATIENCE);
    for _ in 0..=patience.as_millis() / PAUSE.as_millis() {
        if let Some(lock) = take(path)? {
            return Ok(lock);
        }
        std::thread::sleep(PAUSE);
    }
    Err(Refusal::Busy { holder, waited: patience })
}

/// Whether somebody holds a lock. Who asks does not hold it meanwhile: two who ask at once do not see each
/// other, and who wants to take it at that moment only has to try again.
///
/// # Errors
/// When the file cannot be opened.
pub fn is_held(path: &Path) -> Result<bool, Refusal> {
    let Some(file) = present(File::open(path)).map_err(Refusal::state(path))? else { return Ok(false) };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(Refusal::state(path)(e)),
    }
}

/// Takes a lock, unless another command holds it.
///
/// # Errors
/// When the file cannot be created.
pub fn take(path: &Path) -> Result<Option<Lock>, Refusal> {
    let file = durable::open_or_create(path).map_err(Refusal::state(path))?;
    for _ in 0..ASKERS {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) if is_held(path)? => break,
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(e)) => return Err(Refusal::state(path)(e)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_about_a_lock_is_not_taken_for_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path).unwrap() && !path.exists(), "a question creates nothing");
        drop(take(&path).unwrap().unwrap());
        let asker = File::open(&path).unwrap();
        asker.lock_shared().unwrap();
        assert!(!is_held(&path).unwrap());
        let taken = std::thread::spawn({
            let path = path.clone();
            move || take(&path)
        });
        drop(asker);
        let taken = taken.join().unwrap().unwrap();
        assert!(taken.is_some() && is_held(&path).unwrap() && take(&path).unwrap().is_none());
        drop(taken);
        assert!(!is_held(&path).unwrap());
    }
}
