//! The only module that reads the time.

pub mod pace;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Time;

/// A source of time: the machine's clock, or one that a test controls.
pub trait Clock: Send + Sync + 'static {
    /// The current date and time, truncated to whole seconds.
    fn now(&self) -> Time;

    /// The current date and time, as exactly as the clock tells it. Only versions and the access log count finer
    /// than seconds.
    fn exact(&self) -> Time {
        self.now()
    }

    /// The time since some fixed point. It never goes backwards, and it includes time that the machine
    /// spent asleep, so that sleep is not mistaken for a changed clock.
    fn monotonic(&self) -> Duration;

    /// Which boot of the machine this is: [`monotonic`](Self::monotonic) counts from its beginning. `None` if the
    /// system does not tell.
    fn boot(&self) -> Option<String> {
        Some("the only one".to_owned())
    }

    /// Whether the kernel says that a time server keeps this clock right. `None` if it cannot be asked.
    fn is_synchronised(&self) -> Option<bool> {
        None
    }

    /// The processor's time that this thread has used. A clock that nobody works by need not know it.
    fn worked(&self) -> Duration {
        Duration::ZERO
    }
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Returns the machine's clock.
    pub const fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let now = self.exact();
        chrono::DurationRound::duration_trunc(now, chrono::TimeDelta::seconds(1)).unwrap_or(now)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    fn exact(&self) -> Time {
        chrono::Utc::now()
    }

    fn monotonic(&self) -> Duration {
        elapsed(rustix::time::ClockId::Boottime)
    }

    fn boot(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
    }

    /// By the error that the kernel assumes, as systemd does: chrony leaves the flag `STA_UNSYNC` set unless it is told
    /// to set the machine's hardware clock too.
    #[cfg(target_os = "linux")]
    fn is_synchronised(&self) -> Option<bool> {
        let mut reading = rtime_clock::adjtime::Timex::new();
        rtime_clock::adjtime::adjtimex(&mut reading).ok()?;
        // NTP_PHASE_LIMIT, in microseconds. While no time server is heard, the error grows to that within nine hours.
        Some(reading.0.maxerror < 16_000_000)
    }

    fn worked(&self) -> Duration {
        elapsed(rustix::time::ClockId::ThreadCPUTime)
    }
}

fn elapsed(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap_or(0))
}
