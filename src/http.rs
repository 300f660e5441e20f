//! The HTTP server: lookups in the publication, and nothing else.
//!
//! No request signs, decides, serialises or compresses: a handler parses the request, makes one call, and
//! responds. `routes.rs` is the one table of all routes. `public/` has the handlers, one file for each
//! resource.

pub mod server;

mod connection;
mod exchange;
mod limits;
mod places;
mod sendfile;
mod visit;

mod access;
mod forwarded;
mod listener;
mod logged;
mod observe;
mod route;
mod routes;

mod ask;
mod problem;
mod recent;
mod reply;
/// Public for the fuzz target.
pub mod url;

mod probes;
mod public;

mod payload_cache;

mod latency;
mod metrics;
mod openapi;
mod state;

pub use access::{ACCESS, AccessLine, AccessLog, AccessWriter};
pub use connection::Deadlines;
pub use forwarded::Proxies;
pub use limits::{CONNECTION_MEMORY, MAX_WORKERS};
pub use logged::Logged;
pub use server::{Config, Handed, Running, StartError, start};

#[cfg(test)]
mod tests;
