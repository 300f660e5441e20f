//! Locks between the commands of one cluster. The system releases a lock when its process ends, even if it
//! is killed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use super::refusal::Refusal;
use crate::store::durable::{self, Mode};

/// A command tries to take a lock for a minute, in steps of [`PAUSE`]. A check normally takes seconds, but
/// with the slowest server that is accepted, each file takes a minute.
const TRIES: u32 = 1200;
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

/// Waits for a lock.
///
/// # Errors
/// When another command holds it for a minute, or the file cannot be created.
pub fn wait(path: &Path) -> Result<Lock, Refusal> {
    for _ in 0..TRIES {
        if let Some(lock) = take(path)? {
            return Ok(lock);
        }
        std::thread::sleep(PAUSE);
    }
    let busy = io::Error::new(io::ErrorKind::WouldBlock, "another command has held it for a minute");
    Err(Refusal::state(path)(busy))
}

/// Takes a lock, unless another command holds it.
///
/// # Errors
/// When the file cannot be created.
pub fn take(path: &Path) -> Result<Option<Lock>, Refusal> {
    if let Some(folder) = path.parent() {
        durable::create_folder(folder, Mode::Private)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(Refusal::state(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(Refusal::state(path)(e)),
    }
}
