//! Other servers: their addresses, and how their files are asked for.
//!
//! Everything that Tidegate fetches comes through [`Client`], so that proxies, certificates, redirects and limits mean
//! the same to every command.

mod address;
mod client;
mod proxy;
mod tls;

pub use address::{Address, NotAnAddress, openable, without_user};
pub use client::{Body, Client, Fault, FaultKind, Get, LONGEST_HEAD, Reply, SetupError, USER_AGENT, reason};
pub use reqwest::header::HeaderMap;
pub use tls::TlsError;
