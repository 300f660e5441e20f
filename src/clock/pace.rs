//! A minimum speed for bodies that may take any time in all.

use std::io::{self, Read};
use std::time::Duration;

use super::SharedClock;

/// The speed is checked in windows of this length.
pub const WINDOW: Duration = Duration::from_secs(20);
/// The minimum number of bytes in a window. 10 KiB in 20 s is slower than any connection that is usable for
/// payloads.
pub const LEAST: u64 = 10 * 1024;

/// A body that must arrive at a minimum speed.
pub struct Paced<R> {
    body: R,
    clock: SharedClock,
    window: Duration,
    /// The minimum number of bytes in a window.
    least: u64,
    /// When the current window started.
    begun: Option<Duration>,
    /// How many bytes have arrived in the current window.
    came: u64,
}

impl<R> Paced<R> {
    /// A body of which at least so many bytes must arrive in each window.
    pub const fn new(body: R, clock: SharedClock, window: Duration, least: u64) -> Self {
        Self { body, clock, window, least, begun: None, came: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    /// Fails with [`io::ErrorKind::TimedOut`] when the body is too slow.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        let now = self.clock.monotonic();
        let begun = *self.begun.get_or_insert(now);
        self.came += count as u64;
        if count > 0 && now.saturating_sub(begun) >= self.window {
            if self.came < self.least {
                let speed = format!("{} bytes in {} s", self.came, self.window.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, speed));
            }
            (self.begun, self.came) = (Some(now), 0);
        }
        Ok(count)
    }
}
