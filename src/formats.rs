//! (see lib.rs)
pub mod api;
