//! Where the page is served, and by which names.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use crate::remote::openable;

/// What `--listen` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// With port 0, the system picks a free port.
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why the page cannot be served somewhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error("write `IP:PORT`, such as `127.0.0.1:8080`, or `unix:PATH` for a Unix socket")]
    Unreadable,
    #[error("other machines can reach `{0}`, and the page is not encrypted there")]
    BeyondLoopback(SocketAddr),
    #[error("a Unix socket has no TLS")]
    TlsOnSocket,
}

impl ListenError {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable => "for example `--listen 127.0.0.1:8080`".to_owned(),
            Self::BeyondLoopback(address) => format!(
                "give `--tls-cert FILE` and `--tls-key FILE`, or listen on `127.0.0.1:{port}` and forward that with `ssh -L {port}:127.0.0.1:{port} HOST`",
                port = address.port()
            ),
            Self::TlsOnSocket => {
                "leave out `--tls-cert` and `--tls-key`: ssh encrypts what it forwards to a socket".to_owned()
            }
        }
    }
}

impl FromStr for Address {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenError::Unreadable),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| ListenError::Unreadable),
        }
    }
}

impl Address {
    /// Checks that nothing is served to other machines without TLS.
    ///
    /// # Errors
    /// When it would be, or a Unix socket shall have TLS.
    pub const fn check(&self, is_tls: bool) -> Result<(), ListenError> {
        match self {
            Self::Tcp(address) if !is_tls && !address.ip().is_loopback() => {
                Err(ListenError::BeyondLoopback(*address))
            }
            Self::Unix(_) if is_tls => Err(ListenError::TlsOnSocket),
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }
}

/// Where the page is served, and how.
#[derive(Debug, Clone)]
pub enum Listen {
    /// Without TLS: only this machine can reach it.
    Loopback(SocketAddr),
    Tls(SocketAddr, Arc<Certificate>),
    Unix(PathBuf),
}

/// How a browser gets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// On this machine, or through a port that ssh forwards.
    Loopback,
    /// Through a port that ssh forwards to this socket.
    Socket(PathBuf),
    /// By a name, which the certificate must have.
    Tls(String),
    /// By a name that is not known here.
    Unnamed,
}

/// The port that `tidegate cluster open` proposes for a browser's way to a Unix socket.
const FORWARDED: u16 = 8080;

/// What stands for a name that is not known.
const UNNAMED: &str = "HOST";

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => write!(f, "http://{address}"),
            Self::Tls(address, _) => write!(f, "https://{}", openable(*address)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Listen {
    /// # Errors
    /// When something would be served to other machines without TLS, or a Unix socket shall have TLS.
    pub fn new(address: Address, certificate: Option<Arc<Certificate>>) -> Result<Self, ListenError> {
        address.check(certificate.is_some())?;
        Ok(match (address, certificate) {
            (Address::Tcp(address), Some(certificate)) => Self::Tls(address, certificate),
            (Address::Tcp(address), None) => Self::Loopback(address),
            (Address::Unix(path), _) => Self::Unix(path),
        })
    }

    /// What a browser's address begins with, and how it gets there. `machine` is this machine's name, if it has one.
    pub fn way(&self, machine: Option<&str>) -> (String, Way) {
        match self {
            Self::Loopback(address) => (format!("http://{address}"), Way::Loopback),
            Self::Unix(path) => (format!("http://localhost:{FORWARDED}"), Way::Socket(path.clone())),
            Self::Tls(address, _) if !address.ip().is_unspecified() => {
                (format!("https://{address}"), Way::Tls(address.ip().to_string()))
            }
            Self::Tls(address, _) => {
                let port = address.port();
                let way = machine.map_or(Way::Unnamed, |name| Way::Tls(name.to_owned()));
                (format!("https://{}:{port}", machine.unwrap_or(UNNAMED)), way)
            }
        }
    }

    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(..))
    }

    /// The socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Loopback(_) | Self::Tls(..) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// The `Origin` of a page that was asked for with this `Host`.
    pub fn origin(&self, host: &str) -> String {
        format!("{}://{host}", if self.is_tls() { "https" } else { "http" })
    }

    /// Whether a request's `Host` may be this page's. Without TLS, it must be a name that only this machine gives
    /// itself: a page of another host, whose name somebody lets point to this machine, says its own name. With TLS, the
    /// browser has refused such a name already, since the certificate does not have it, and nobody but the certificate
    /// knows the right ones.
    pub fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(port))
            }
            _ => (host, None),
        };
        let is_local = ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost");
        match self {
            Self::Loopback(address) => {
                let is_port = port.unwrap_or("80") == address.port().to_string();
                let is_listened = match address {
                    SocketAddr::V4(address) => address.ip().to_string() == name,
                    SocketAddr::V6(address) => format!("[{}]", address.ip()) == name,
                };
                (is_local || is_listened) && is_port
            }
            Self::Tls(address, _) => is_host(name) && port.unwrap_or("443") == address.port().to_string(),
            // Whoever forwards a port to the socket chooses the port.
            Self::Unix(_) => is_local,
        }
    }
}

/// This machine's name, if it is one that others could know.
pub fn machine() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (is_host(&name) && !name.eq_ignore_ascii_case("localhost")).then_some(name)
}

/// Whether a text has the form of a host's name or address.
fn is_host(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_reach_the_page_without_tls() {
        for good in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:8080", "unix:/run/page.sock", "unix:page"] {
            let address: Address = good.parse().unwrap();
            assert_eq!(address.check(false), Ok(()), "{good}");
            let is_socket = good.starts_with("unix:");
            assert_eq!(address.check(true), if is_socket { Err(ListenError::TlsOnSocket) } else { Ok(()) });
        }
        for far in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
            let address: Address = far.parse().unwrap();
            assert!(matches!(address.check(false), Err(ListenError::BeyondLoopback(_))), "{far}");
            assert_eq!(address.check(true), Ok(()), "{far}");
        }
        for bad in ["", "unix:", "8080", ":8080", "localhost:8080", "127.0.0.1", "/run/page.sock"] {
            assert_eq!(bad.parse::<Address>(), Err(ListenError::Unreadable), "{bad}");
        }
    }

    #[test]
    fn a_host_is_one_of_this_machines_own_names_with_the_port() {
        let own = |listen: &str, host: &str| Listen::new(listen.parse().unwrap(), None).unwrap().is_own(host);
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(own("127.0.0.1:8080", host) && own("[::1]:8080", host) && own("unix:/s", host), "{host}");
        }
        assert!(own("127.0.0.1:80", "127.0.0.1") && own("127.0.0.2:8080", "127.0.0.2:8080"));
        assert!(own("unix:/s", "localhost") && own("unix:/s", "127.0.0.1:9"));
        for host in [
            "",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "127.0.0.1.nip.io:8080",
            "127.0.0.2:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:08080",
            "localhost:8080:8080",
            "user@localhost:8080",
            "::1:8080",
        ] {
            assert!(!own("127.0.0.1:8080", host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "", "localhost:x"] {
            assert!(!own("unix:/s", host), "{host}");
        }
    }
}
