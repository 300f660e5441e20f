//! What the kernel tells about changes in folders: inotify, on Linux.

#[cfg(target_os = "linux")]
mod inotify;

#[cfg(target_os = "linux")]
mod mounts;

#[cfg(target_os = "linux")]
pub(super) use {
    inotify::{Kernel, is_told_of},
    mounts::mounts,
};

#[cfg(not(target_os = "linux"))]
mod nothing;

#[cfg(not(target_os = "linux"))]
pub(super) use nothing::{Kernel, is_told_of, mounts};

use std::ffi::OsString;
use std::path::PathBuf;

/// The number of a watched folder.
pub(super) type Number = i32;

/// What has changed in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub folder: Number,
    /// The entry that changed. `None` stands for the folder itself.
    pub name: Option<OsString>,
    pub is_folder: bool,
    pub what: What,
}

/// A file or folder that is mounted somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    /// No other mount has it at the same time.
    pub id: u64,
    pub path: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// An entry was created, written, changed or removed.
    Changed,
    /// An entry has lost its name to another one. Both events have the same number.
    MovedFrom(u32),
    MovedTo(u32),
    /// Nothing more will be told about the folder.
    Ended,
    /// Events were lost.
    Lost,
}
