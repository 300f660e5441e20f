//! The only reader of the time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::Time;

/// Where the time comes from: the machine, or a test.
pub trait Clock: Send + Sync + 'static {
    /// The time of day, cut to whole seconds.
    fn now(&self) -> Time;

    /// Time that only goes forward, from some fixed point; it stands still while nothing is wrong
    /// with `now` only if that was turned back or forth.
    fn monotonic(&self) -> Duration;
}

/// A clock that can be handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that counts its monotonic time from here.
    #[must_use]
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
        let now = chrono::Utc::now();
        chrono::DurationRound::duration_trunc(now, chrono::TimeDelta::seconds(1)).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}
