//! The lock of a running `--apply`.
//!
//! The command inherits the lock, so it outlives an agent that is killed: the next agent can tell that the
//! command still runs, and which processes it consists of. The file is removed as soon as an agent has seen
//! the command end. So a service that the command leaves behind holds up nothing.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process_group};

use super::command::GRACE;
use super::lock::{self, Lock};
use super::refusal::Refusal;
use crate::clock::SharedClock;

/// How often to check whether the command has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// The `--apply` of one cluster.
#[derive(Debug)]
pub struct Applying {
    path: PathBuf,
}

/// Held while a command runs, by this process and by the command.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    /// Whether the command and all that it began have ended, as far as is known.
    has_ended: bool,
    _lock: Lock,
    /// A copy that the command inherits.
    _inherited: OwnedFd,
}

impl Applying {
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("apply.lock") }
    }

    /// Takes the lock for a command that is started while the result exists.
    ///
    /// # Errors
    /// When another command holds it for a minute, or the file cannot be created.
    pub fn begin(&self) -> Result<Held, Refusal> {
        let lock = lock::wait(&self.path, lock::APPLYING)?;
        let inherited = lock.inherited().map_err(Refusal::state(&self.path))?;
        Ok(Held { path: self.path.clone(), has_ended: false, _lock: lock, _inherited: inherited })
    }

    /// Whether a command runs.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn is_running(&self) -> Result<bool, Refusal> {
        lock::is_held(&self.path)
    }

    /// Stops a command that a killed agent has left behind: its process groups get SIGTERM, and SIGKILL after
    /// [`GRACE`].
    ///
    /// # Errors
    /// When its processes cannot be found or stopped.
    pub fn stop(&self, clock: &SharedClock) -> Result<(), Refusal> {
        for signal in [Signal::TERM, Signal::KILL] {
            for group in self.groups() {
                // A group that has ended needs no signal.
                let _ = kill_process_group(group, signal);
            }
            let start = clock.monotonic();
            while clock.monotonic().saturating_sub(start) < GRACE {
                if !self.is_running()? {
                    return Ok(());
                }
                std::thread::sleep(PAUSE);
            }
        }
        let detail = "the processes that hold it cannot be stopped; end them yourself";
        Err(Refusal::state(&self.path)(std::io::Error::other(detail)))
    }

    /// The process groups of the command, as far as the system tells who has the lock file open.
    fn groups(&self) -> Vec<Pid> {
        let Ok(lock) = fs::metadata(&self.path) else { return Vec::new() };
        let is_lock = |fd: fs::DirEntry| {
            fs::metadata(fd.path()).is_ok_and(|fd| (fd.dev(), fd.ino()) == (lock.dev(), lock.ino()))
        };
        let group = |process: fs::DirEntry| {
            let id = process.file_name().to_str()?.parse().ok()?;
            let mut open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            if open.any(is_lock) { getpgid(Pid::from_raw(id)).ok() } else { None }
        };
        let groups = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(group);
        groups.filter(|group| *group != getpgrp()).collect()
    }
}

impl Held {
    /// Lets go after the command ended by itself.
    pub fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A command that was stopped may leave processes behind that hold the lock: the file must stay, so
        // that the next command waits for them. Otherwise the next command takes the same lock.
        if self.has_ended {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;

    /// A clock on which the wait after SIGTERM is over as soon as there is a certain file.
    struct Until(PathBuf, AtomicBool);

    impl Clock for Until {
        fn now(&self) -> Time {
            Time::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            if !self.1.swap(true, Ordering::SeqCst) {
                return Duration::ZERO;
            }
            while !self.0.exists() {
                std::thread::sleep(PAUSE);
            }
            GRACE
        }
    }

    #[test]
    fn a_command_that_ignores_sigterm_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let applying = Applying::new(folder.path());
        let script = "trap 'echo > told' TERM; exec 9> apply.lock; flock 9; while :; do sleep 0.02; done";
        let mut command = Command::new("sh");
        let mut orphan = command
            .args(["-c", script])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        while !applying.is_running().unwrap() {
            assert_eq!(orphan.try_wait().unwrap(), None);
            std::thread::sleep(PAUSE);
        }
        let clock: SharedClock = Arc::new(Until(folder.path().join("told"), AtomicBool::default()));
        applying.stop(&clock).unwrap();
        assert!(!applying.is_running().unwrap());
        assert_eq!(orphan.wait().unwrap().code(), None, "it was killed");
    }
}
