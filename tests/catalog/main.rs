//! Reading catalogs: what is good, and every way of getting it wrong.
#![expect(clippy::unwrap_used, reason = "a test may fail where it likes")]

mod again;
mod between;
mod by_itself;
mod faults;
mod good;
mod hints;
mod never;
mod samples;
