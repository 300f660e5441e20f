//! The handlers of the public listener, one file for each resource.

pub mod channels;
pub mod payloads;
pub mod releases;
pub mod tuf;
pub mod update;
