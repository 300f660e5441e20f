//! The messages of `sd_notify(3)` to the supervisor.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Something that a supervisor is told.
#[derive(Debug)]
pub enum State<'a> {
    Ready,
    Stopping,
    /// What `systemctl status` shows, on one line.
    Status(&'a str),
    /// The server is alive.
    Watchdog,
    /// The start takes this much longer.
    ExtendTimeout(Duration),
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY=1"),
            Self::Stopping => f.write_str("STOPPING=1"),
            Self::Status(line) => write!(f, "STATUS={line}"),
            Self::Watchdog => f.write_str("WATCHDOG=1"),
            Self::ExtendTimeout(more) => write!(f, "EXTEND_TIMEOUT_USEC={}", more.as_micros()),
        }
    }
}

/// Whether there is a supervisor that wants to know.
pub fn is_wanted() -> bool {
    std::env::var_os(SOCKET).is_some_and(|socket| !socket.is_empty())
}

/// Tells the supervisor. If that fails, the server goes on.
pub fn tell(state: &State<'_>) {
    if let Err(error) = send(state) {
        tracing::warn!("cannot tell the supervisor `{state}` at `{SOCKET}`: {error}");
    }
}

/// How often the supervisor wants to hear that the server is alive, if it does.
pub fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_own = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|every| is_own && *every > 0).map(Duration::from_micros)
}

const SOCKET: &str = "NOTIFY_SOCKET";

fn send(state: &State<'_>) -> io::Result<()> {
    let name = std::env::var_os(SOCKET).unwrap_or_default();
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => in_namespace(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.to_string().as_bytes(), &address).map(drop)
}

/// The address of a socket that has no file, but a name in Linux' abstract namespace (`unix(7)`).
#[cfg(target_os = "linux")]
fn in_namespace(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn in_namespace(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
