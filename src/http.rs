//! What clients see: lookups in the publication, and nothing else.
//!
//! No request signs, decides, serialises or compresses: a handler extracts what is asked for, makes
//! one call, and responds. One file for each resource; `route.rs` has them all in one table.

pub mod server;

mod guard;
mod state;

mod observe;
mod route;

mod ask;
mod problem;
mod reply;

mod digest;
mod encoding;
mod etag;
mod range;
/// Public for the fuzz target that reads what handlers read.
pub mod url;

mod channels;
mod health;
mod metrics;
mod openapi;
mod payloads;
mod promotions;
mod releases;
mod tuf;
mod update;

pub use guard::Deadlines;
pub use observe::ACCESS;
pub use server::{Config, Running, StartError, start};

#[cfg(test)]
mod tests;
