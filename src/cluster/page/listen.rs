//! Where the page is served, and by which names.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the page is served: on loopback, or on a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// With port 0, the system picks a free port.
    Loopback(SocketAddr),
    Unix(PathBuf),
}

/// Why the page cannot be served somewhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error("write `127.0.0.1:PORT`, or `unix:PATH` for a Unix socket")]
    Unreadable,
    #[error(
        "other machines can reach `{0}`, and the page is not encrypted: listen on `127.0.0.1:{port}`, and forward that with `ssh -L {port}:127.0.0.1:{port} HOST`",
        port = .0.port()
    )]
    BeyondLoopback(SocketAddr),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(ListenError::Unreadable) } else { Ok(Self::Unix(path.into())) };
        }
        let address: SocketAddr = text.parse().map_err(|_| ListenError::Unreadable)?;
        if address.ip().is_loopback() {
            Ok(Self::Loopback(address))
        } else {
            Err(ListenError::BeyondLoopback(address))
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The port that `tidegate cluster open` proposes for a browser's way to a Unix socket.
pub const FORWARDED: u16 = 8080;

impl Listen {
    /// What a browser's address begins with.
    pub fn origin(&self) -> String {
        match self {
            Self::Loopback(address) => format!("http://{address}"),
            Self::Unix(_) => format!("http://localhost:{FORWARDED}"),
        }
    }

    /// How a browser gets to a Unix socket.
    pub fn socket(&self) -> Option<&Path> {
        match self {
            Self::Loopback(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Whether a request's `Host` is a name that only this machine gives itself. A page of another host, whose name
    /// somebody lets point to this machine, says its own name.
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
            // Whoever forwards a port to the socket chooses the port.
            Self::Unix(_) => is_local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_reach_the_page() {
        for good in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:8080", "unix:/run/page.sock", "unix:page"] {
            assert_eq!(good.parse::<Listen>().unwrap().to_string(), good);
        }
        for bad in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
            let refused = bad.parse::<Listen>().unwrap_err();
            assert!(matches!(refused, ListenError::BeyondLoopback(_)), "{bad}: {refused}");
        }
        for bad in ["", "unix:", "8080", ":8080", "localhost:8080", "127.0.0.1", "/run/page.sock"] {
            assert_eq!(bad.parse::<Listen>(), Err(ListenError::Unreadable), "{bad}");
        }
    }

    #[test]
    fn a_host_is_one_of_this_machines_own_names_with_the_port() {
        let own = |listen: &str, host: &str| listen.parse::<Listen>().unwrap().is_own(host);
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
