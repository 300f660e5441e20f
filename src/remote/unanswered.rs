//! Why a server does not send a file, and what to do about that.

use super::fault::{Fault, FaultKind};
use super::place::{Place, Through};

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("cannot fetch {place}")]
    Fault { place: Place, source: Fault },
    #[error("{place} answered with status {status}")]
    Status { place: Place, status: u16 },
    #[error("{place} redirects to `{to}` (status {status}), and redirects are not followed")]
    Redirected { place: Place, to: String, status: u16 },
    #[error("{place} is compressed, but the request did not ask for that")]
    Compressed { place: Place },
    /// What is at a path of documents is a document, or the page of a web server that has none.
    #[error("{place} is not a signed document, but a web page or something else")]
    NotADocument { place: Place },
}

/// What somebody who wants what is not there must be told.
const ABSENT: &str = "a web server must answer with status 404 for files that do not exist";

impl Unanswered {
    /// What to do about it.
    pub fn hint(&self) -> String {
        let (place, hint) = match self {
            Self::Fault { place, source } => (place, unreached(source.kind, place.proxy.as_deref())),
            Self::Status { place, status } => (place, status_hint(*status, place.proxy.as_deref())),
            Self::Redirected { place, .. } => {
                (place, "name the address that serves the files itself, if you trust it".to_owned())
            }
            Self::Compressed { place } => {
                (place, "a web server must send files as they are, unless it is asked to compress".to_owned())
            }
            Self::NotADocument { place } => {
                let scheme = "`http://HOST:PORT` or `https://HOST`";
                (place, format!("see whether the address is right: {scheme}; {ABSENT}"))
            }
        };
        match place.proxy.as_deref() {
            Some(Through { except: (variable, host), .. }) => {
                format!("{hint}; to ask the server without the proxy, add `{host}` to `{variable}`")
            }
            None => hint,
        }
    }

    /// Whether it only means that the server cannot be asked now, and nothing about what is there.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Status { status: 500.., .. })
    }
}

/// All connections are the proxy's, if there is one.
fn unreached(kind: FaultKind, proxy: Option<&Through>) -> String {
    match (kind, proxy) {
        (FaultKind::Refused, None) => {
            "nothing listens there: start the server, or correct the port".to_owned()
        }
        (FaultKind::Refused, Some(Through { variable, .. })) => {
            format!("nothing listens at the proxy's address: correct it in `{variable}`")
        }
        (FaultKind::NoHost, None) => "correct the name of the host".to_owned(),
        (FaultKind::NoHost, Some(Through { variable, .. })) => {
            format!("correct the name of the proxy's host in `{variable}`")
        }
        (FaultKind::Tunnel, Some(proxy)) => {
            format!("{}, and see whether the proxy allows connections to this server's port", login(proxy))
        }
        (FaultKind::ConnectSlow | FaultKind::Slow, proxy) => {
            let who = if proxy.is_some() { "the server and the proxy are" } else { "the server is" };
            format!("see whether {who} up, and whether a firewall is in between")
        }
        _ => "see whether the address is right: `http://HOST:PORT` or `https://HOST`".to_owned(),
    }
}

fn status_hint(status: u16, proxy: Option<&Through>) -> String {
    // What comes through a tunnel is the server's.
    let proxy = proxy.filter(|proxy| !proxy.is_tunnel);
    let own = "correct the user and the password in the server's address: `http://USER:PASSWORD@HOST` or `https://USER:PASSWORD@HOST`";
    match (status, proxy) {
        (401, None) => own.to_owned(),
        (401, Some(proxy)) => {
            format!("if that is the proxy's answer, {}; if it is the server's, {own}", login(proxy))
        }
        (407, Some(proxy)) => login(proxy),
        (403, None) => ABSENT.to_owned(),
        (403, Some(_)) => format!(
            "if that is the proxy's answer, it does not allow this server; if it is the server's, {ABSENT}"
        ),
        (500.., None) => "see whether the server is up: its log says more".to_owned(),
        (500.., Some(_)) => "see whether the server is up, and whether the proxy can reach it".to_owned(),
        _ => "see whether the address is right: `http://HOST:PORT` or `https://HOST`".to_owned(),
    }
}

fn login(Through { variable, .. }: &Through) -> String {
    format!("correct the user and the password in `{variable}`: `http://USER:PASSWORD@HOST:PORT`")
}
