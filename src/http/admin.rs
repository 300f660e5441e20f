//! The handlers of the operator's listener.

pub mod counters;
