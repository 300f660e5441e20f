//! Watching the catalog: when to look for changes, and whether its newest state can be read.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::degraded::{Degraded, DegradedKind};
use crate::store::port::{News, ReadError, Snapshot, Wake, Watch};

/// Looking for changes in a large catalog takes at most 1/`DUTY` of a processor's time, unless that would leave an
/// edit unnoticed for longer than [`DEAF`].
const DUTY: u32 = 20;
const DEAF: Duration = Duration::from_secs(2);

/// A look that does not rely on what the store is told of takes at most 1/`THOROUGH_DUTY` of a processor's time. It
/// is due after [`THOROUGH`] at the earliest, and after [`THOROUGH_AT_LAST`].
const THOROUGH_DUTY: u32 = 600;
const THOROUGH: Duration = Duration::from_secs(30);
const THOROUGH_AT_LAST: Duration = Duration::from_secs(600);

/// A read that failed because a file changed meanwhile is tried again after this time.
const AGAIN: Duration = Duration::from_millis(50);

/// A change that cannot be read for this long is reported. By then, an editor, a copy or git should be
/// done, and the author of the change believes that it is being served.
const PATIENCE: Duration = Duration::from_secs(60);

/// Watches the catalog.
pub(super) struct Watching {
    watch: Box<dyn Watch>,
    /// When to look for changes next, at the earliest, in monotonic time.
    next: Duration,
    /// When to do so thoroughly.
    thorough: Duration,
    newest: Newest,
    is_unsettled: bool,
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
        Self {
            watch,
            next: Duration::ZERO,
            thorough: Duration::ZERO,
            newest: Newest::Read,
            is_unsettled: false,
        }
    }

    /// Has `wake` called from another thread as soon as it is worth to look.
    pub fn wake(&mut self, wake: Wake) {
        self.watch.wake(wake);
    }

    /// When to look again, if the catalog could not be read because it is changing.
    pub fn again(&self, now: Duration) -> Option<Duration> {
        matches!(self.newest, Newest::Waiting(_)).then(|| self.next.saturating_sub(now))
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
        self.is_unsettled
    }

    /// Looks for changes, if it is time to do so.
    pub fn look(&mut self, clock: &dyn Clock) -> Look {
        let start = clock.monotonic();
        let pause = self.next.saturating_sub(start);
        if !pause.is_zero() {
            return Look::Nothing(Some(pause));
        }
        let (thorough, worked) = (start >= self.thorough, clock.worked());
        let news = self.watch.look(start, thorough);
        // The pause follows what a look costs, and not how long it took: a process that gets little time would hear
        // nothing for many times as long.
        let (end, cost) = (clock.monotonic(), clock.worked().saturating_sub(worked));
        self.next = end + (cost * DUTY).min(DEAF);
        if thorough {
            self.thorough = end + (cost * THOROUGH_DUTY).clamp(THOROUGH, THOROUGH_AT_LAST);
        }
        let news = match news {
            Ok(news) => news,
            Err(error) => {
                self.newest = unreadable(&error);
                return Look::Nothing(None);
            }
        };
        match news {
            News::Ready => return Look::Ready,
            News::Unsettled(why) => {
                self.wait(start, &why);
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
                match &snapshot.unsettled {
                    Some(why) => self.wait(clock.monotonic(), why),
                    None => self.newest = Newest::Read,
                }
                self.is_unsettled = snapshot.unsettled.is_some();
                return Some(snapshot);
            }
            Err(error @ (ReadError::Changing(_) | ReadError::Busy(_))) => {
                self.next = self.next.max(clock.monotonic() + AGAIN);
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

#[cfg(test)]
mod tests;
