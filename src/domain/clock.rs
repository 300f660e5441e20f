//! What is kept about a machine's clock, so that a restart settles nothing.

use std::time::Duration;

use super::Time;

/// The time that was last known, and what it can be compared with later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTime {
    /// The boot of the machine in which this was written. [`monotonic`](Self::monotonic) only counts in that one.
    pub boot: String,
    /// The time since the boot, with the time that the machine was asleep.
    pub monotonic: Duration,
    /// What time it was then: by the clock if it was trusted, otherwise what it should have said.
    pub time: Time,
    /// Whether the clock was not trusted, because it jumped.
    pub is_doubted: bool,
    /// Whether the machine has booted since a clock was last trusted: how long it was off is unknown.
    pub is_before_boot: bool,
}

/// Somebody's word that the clock is right, although it jumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the clock said.
    pub at: Time,
    pub by: String,
    pub reason: String,
}
