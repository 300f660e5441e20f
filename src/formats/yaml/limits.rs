//! How long texts may be, in bytes: what is published is bounded, since every cluster loads it.

/// A reason is a sentence or two.
pub const REASON: usize = 1000;
/// A note may be a report.
pub const NOTE: usize = 10_000;
/// Titles, summaries and component versions fit into one line of a table.
pub const LINE: usize = 200;
/// Who did something.
pub const AUTHOR: usize = 200;
/// Browsers and proxies take addresses of this length.
pub const LINK: usize = 2000;
/// What JSON numbers carry without loss everywhere, 2^53 - 1.
pub const SIZE: u64 = 9_007_199_254_740_991;
/// The longest duration, in days. What is longer is a slip.
pub const DAYS: i64 = 3650;
