//! The access log: what it says about a request. Whoever starts the server decides where it goes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::logged::Logged;
use crate::domain::Time;

/// The `tracing` target of the access log, for log filters.
pub const ACCESS: &str = "tidegate::access";

/// One request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct AccessLine<'a> {
    /// When it was answered, to the microsecond.
    pub at: Time,
    pub id: &'a str,
    /// The address that it came from.
    pub client: Option<IpAddr>,
    /// The beginning of the method, as the client sent it.
    pub method: &'a str,
    /// The beginning of the path, without what may be a query.
    pub path: &'a str,
    pub status: u16,
    /// The size of the reply's body.
    pub bytes: u64,
    /// From the end of the request's head until the reply was ready to be sent.
    pub took: Duration,
    /// What it asked for.
    pub query: &'a Logged<'a>,
    /// The kind of problem, if it was refused.
    pub problem: Option<&'static str>,
}

/// Where the access log goes.
pub trait AccessLog: fmt::Debug + Send + Sync {
    /// Returns a writer for one worker. Workers do not wait for each other.
    fn writer(&self) -> Arc<dyn AccessWriter>;

    /// How many lines could not be written since the start.
    fn lost(&self) -> u64;
}

/// Writes the lines of one worker.
pub trait AccessWriter: fmt::Debug + Send + Sync {
    fn write(&self, line: &AccessLine<'_>);
}
