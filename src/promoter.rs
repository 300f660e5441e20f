//! The loop: read, decide, commit, publish, swap.

pub mod status;
