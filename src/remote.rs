//! Other servers: their addresses, and how their files are asked for.
//!
//! Everything that Tidegate fetches comes through [`Client`], so that proxies, certificates, redirects and limits mean
//! the same to every command.

mod address;
mod client;
mod fault;
mod place;
mod proxy;
mod tls;
mod unanswered;

pub use address::{Address, NotAnAddress, openable, without_user};
pub use client::{Answer, Body, Client, Get, LONGEST_HEAD, Reply, SetupError, USER_AGENT, reason};
pub use fault::{Fault, FaultKind};
pub use place::Place;
pub use reqwest::header::HeaderMap;
pub use tls::TlsError;
pub use unanswered::Unanswered;
