//! inotify(7).

use std::ffi::OsStr;
use std::io::{self, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::{Event, Number, What};
use crate::store::port::Wake;

/// The file systems whose changes the kernel knows all of, by the magic numbers of statfs(2): ext4, XFS, Btrfs, tmpfs,
/// ZFS, F2FS, bcachefs and overlayfs. On others, such as NFS, another machine may make changes.
const LOCAL: [u32; 8] =
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x2fc1_2fc1, 0xf2f5_2010, 0xca45_1a4e, 0x794c_7630];

/// What is told of every folder. What is written through memory is told of once the file is closed.
const ALWAYS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::DONT_FOLLOW);

/// Whether the kernel tells of all changes in the file system that a folder is in.
pub(in crate::store::directory::watch) fn is_told_of(folder: &Path) -> bool {
    let kind = rustix::fs::statfs(folder).ok().and_then(|found| u32::try_from(found.f_type).ok());
    kind.is_some_and(|kind| LOCAL.contains(&kind))
}

/// Watched folders.
#[derive(Debug)]
pub(in crate::store::directory::watch) struct Kernel {
    events: Arc<OwnedFd>,
    waking: Option<Waking>,
}

/// A thread that waits for events.
#[derive(Debug)]
struct Waking {
    /// Makes it wait again.
    again: SyncSender<()>,
    /// Ends it when this is dropped.
    _end: PipeWriter,
}

impl Kernel {
    pub fn new() -> io::Result<Self> {
        let events = Arc::new(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?);
        Ok(Self { events, waking: None })
    }

    /// Watches a folder from now on. One that is watched already has the same number as before. `each_write` says
    /// whether every write to a file in it matters.
    pub fn add(&self, folder: &Path, each_write: bool) -> io::Result<Number> {
        let what = if each_write { ALWAYS | WatchFlags::MODIFY } else { ALWAYS };
        Ok(inotify::add_watch(&self.events, folder, what)?)
    }

    pub fn remove(&self, folder: Number) {
        // It may have ended by itself.
        let _ = inotify::remove_watch(&self.events, folder);
    }

    /// Reads the events that have come by now.
    pub fn read(&self, each: &mut dyn FnMut(Event)) {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.events, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => each(translated(&event)),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if let Some(waking) = &self.waking {
            // If it is about to wait already, once is enough.
            let _ = waking.again.try_send(());
        }
    }

    /// Calls `wake` when events come, once until they are read.
    pub fn wake(&mut self, wake: Wake) -> io::Result<()> {
        let (again, waits) = sync_channel(1);
        let (ended, end) = io::pipe()?;
        let events = Arc::clone(&self.events);
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            while waits.recv().is_ok() {
                let mut ready = [PollFd::new(&*events, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
                while poll(&mut ready, None) == Err(Errno::INTR) {}
                if !ready[1].revents().is_empty() {
                    return;
                }
                wake();
            }
        })?;
        let _ = again.try_send(());
        self.waking = Some(Waking { again, _end: end });
        Ok(())
    }
}

fn translated(event: &inotify::Event<'_>) -> Event {
    let told = event.events();
    let what = if told.contains(ReadFlags::QUEUE_OVERFLOW) {
        What::Lost
    } else if told.contains(ReadFlags::IGNORED) {
        What::Ended
    } else if told.contains(ReadFlags::MOVED_FROM) {
        What::MovedFrom(event.cookie())
    } else if told.contains(ReadFlags::MOVED_TO) {
        What::MovedTo(event.cookie())
    } else {
        What::Changed
    };
    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
    Event { folder: event.wd(), name, is_folder: told.contains(ReadFlags::ISDIR), what }
}
