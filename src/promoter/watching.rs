//! Watching the catalog: when to look for changes, and whether its newest state can be read.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::degraded::{Degraded, DegradedKind};
use crate::store::port::{News, ReadError, Snapshot, Watch};

/// Looking for changes in a large catalog takes at most 1/`DUTY` of a processor's time.
const DUTY: u32 = 20;

/// A change that cannot be read for this long is reported. By then, an editor, a copy or git should be
/// done, and the author of the change believes that it is being served.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches the catalog.
pub(super) struct Watching {
    watch: Box<dyn Watch>,
    /// When to look for changes next, at the earliest, in monotonic time.
    next: Duration,
    newest: Newest,
    /// Why nothing may be decided by the catalog as it was last read, except for its stops.
    unsettled: Option<String>,
    /// The same for what is read next.
    unsettled_next: Option<String>,
}

/// What is known about the catalog's newest state.
#[derive(Debug, PartialEq, Eq)]
enum Newest {
    /// It was read.
    Read,
    /// It cannot be read yet. The monotonic time is when that began.
    Waiting(Duration),
    /// It cannot be read, for this reason.
    Unreadable(Degraded),
}

/// The result of looking for changes.
pub(super) enum Look {
    /// There is nothing to read yet. If there is a duration, look again after it.
    Nothing(Option<Duration>),
    /// There is something to read.
    Ready,
}

impl Watching {
    pub fn new(watch: Box<dyn Watch>) -> Self {
        Self { watch, next: Duration::ZERO, newest: Newest::Read, unsettled: None, unsettled_next: None }
    }

    /// Why the newest state cannot be read, if it cannot.
    pub fn unreadable(&self) -> Option<&Degraded> {
        match &self.newest {
            Newest::Unreadable(why) => Some(why),
            Newest::Read | Newest::Waiting(_) => None,
        }
    }

    /// Whether the catalog was last read although it was changing. Then it is good for stops only.
    pub const fn is_unsettled(&self) -> bool {
        self.unsettled.is_some()
    }

    /// Looks for changes, if it is time to do so.
    pub fn look(&mut self, clock: &dyn Clock) -> Look {
        let start = clock.monotonic();
        if start < self.next {
            return Look::Nothing(None);
        }
        let news = match self.watch.look(start) {
            Ok(news) => news,
            Err(error) => {
                self.newest = unreadable(&error);
                return Look::Nothing(None);
            }
        };
        self.next = start + clock.monotonic().saturating_sub(start) * DUTY;
        match news {
            News::Ready => {
                self.unsettled_next = None;
                return Look::Ready;
            }
            News::Unsettled(why) => {
                self.wait(start, &why);
                self.unsettled_next = Some(why);
                return Look::Ready;
            }
            News::Nothing => self.newest = Newest::Read,
            News::Arriving(time) => {
                self.newest = Newest::Read;
                return Look::Nothing(Some(time));
            }
            News::Settling(time) => {
                self.wait(start, "it keeps changing");
                return Look::Nothing(Some(time));
            }
            News::Busy(why) => self.wait(start, &why),
        }
        Look::Nothing(None)
    }

    /// Reads the catalog, if it can be read now.
    pub fn read(&mut self, clock: &dyn Clock) -> Option<Snapshot> {
        match self.watch.read(clock.now()) {
            Ok(snapshot) => {
                self.unsettled.clone_from(&self.unsettled_next);
                match self.unsettled.clone() {
                    Some(why) => self.wait(clock.monotonic(), &why),
                    None => self.newest = Newest::Read,
                }
                return Some(snapshot);
            }
            Err(error @ (ReadError::Changing(_) | ReadError::Busy(_))) => {
                self.wait(clock.monotonic(), &error.to_string());
            }
            Err(error) => self.newest = unreadable(&error),
        }
        None
    }

    /// Records that a change cannot be read yet.
    fn wait(&mut self, now: Duration, why: &str) {
        match self.newest {
            Newest::Read => self.newest = Newest::Waiting(now),
            Newest::Waiting(since) if now.saturating_sub(since) >= PATIENCE => {
                self.newest = Newest::Unreadable(Degraded::Unread { why: why.to_owned() });
            }
            // A report is not updated, so that it is logged only once.
            Newest::Waiting(_) | Newest::Unreadable(_) => {}
        }
    }
}

fn unreadable(error: &ReadError) -> Newest {
    Newest::Unreadable(Degraded::failed(DegradedKind::ReadFailing, error))
}
