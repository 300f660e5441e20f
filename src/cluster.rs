//! The cluster's side. It trusts nothing that it has not verified.
//!
//! A check verifies the repository, starting from a root that the operator has supplied. It then reads the
//! manifests that matter for the cluster, and computes the answer with the domain's own function, instead
//! of asking the server for it. So somebody who controls the server, the network or a mirror can withhold
//! releases, but nothing else.

pub mod agent;
pub mod applying;
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
pub mod notes;
pub mod orders;
pub mod page;
pub mod progress;
pub mod record;
pub mod recorder;
pub mod refusal;
mod session;
pub mod status;
mod trusted;

pub use client::{Checked, Client};
pub use lines::Skipped;
pub use manifests::Options;
pub use refusal::Refusal;
