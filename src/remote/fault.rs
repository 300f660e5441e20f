//! Requests that fail before there is an answer.

use std::error::Error;
use std::io;

/// A failed request, without what must not be shown.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    pub kind: FaultKind,
    pub(super) detail: String,
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing listens at the address.
    Refused,
    /// The host's name is unknown.
    NoHost,
    /// No connection within the time.
    ConnectSlow,
    /// The proxy does not connect to the server.
    Tunnel,
    /// No reply, or no more of it, within the time.
    Slow,
    /// The head of the reply is too large.
    Large,
    Other,
}

impl Fault {
    pub(super) fn of(error: reqwest::Error) -> Self {
        // The address may have a password.
        let error = error.without_url();
        let mut causes = Vec::new();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(one) = cause {
            causes.push(one);
            cause = one.source();
        }
        let said: Vec<String> = causes.iter().map(ToString::to_string).collect();
        let says = |words: &str| said.iter().any(|text| text.contains(words));
        let is_refused = |cause: &&(dyn Error + 'static)| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        // The first causes say that something has failed, and the last one what.
        let last = said.last().cloned().unwrap_or_default();
        let (kind, detail) = if error.is_timeout() {
            (if error.is_connect() { FaultKind::ConnectSlow } else { FaultKind::Slow }, last)
        } else if causes.iter().any(is_refused) {
            (FaultKind::Refused, last)
        } else if says("dns error") {
            (FaultKind::NoHost, last)
        } else if says("message head is too large") {
            (FaultKind::Large, last)
        } else if says("tunnel error: proxy authorization required") {
            (FaultKind::Tunnel, "the proxy wants a user and a password (status 407)".to_owned())
        } else if says("tunnel error: unsuccessful") {
            // Which status it answered with, the library does not say.
            (FaultKind::Tunnel, "the proxy refused to connect to the server".to_owned())
        } else {
            (FaultKind::Other, last)
        };
        Self { kind, detail }
    }
}
