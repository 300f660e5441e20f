//! The cluster's side: it takes nothing on trust.
//!
//! A check verifies the repository from a root that was brought by hand, reads the manifests that
//! count for the cluster, and works out the answer with the domain's own function. The server's word
//! is never asked for: whoever holds the server, the network or a mirror can withhold, and no more.

pub mod agent;
pub mod client;
pub mod command;
pub mod download;
pub mod fetch;
pub mod folder;
pub mod http;
mod lines;
mod lock;
pub mod look;
mod manifests;
pub mod refusal;
mod session;
pub mod status;
mod trusted;

pub use client::{Checked, Client};
pub use lines::Skipped;
pub use manifests::Options;
pub use refusal::Refusal;
