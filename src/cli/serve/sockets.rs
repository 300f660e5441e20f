//! Sockets that a supervisor has opened and hands over, as systemd does (`sd_listen_fds(3)`).

use std::net::TcpListener;
use std::sync::Arc;

use listenfd::ListenFd;

use super::super::failure::refuse;
use crate::http::Handed;

/// The name of sockets for operators. All others are public.
const ADMIN: &str = "admin";

/// Takes all sockets that were handed over to this process. Must be called only once.
pub fn take() -> anyhow::Result<Handed> {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let [count, id, names] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"].map(variable);
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 && !["", "0"].contains(&&*count) {
        tracing::warn!(
            "no sockets were taken over: `LISTEN_FDS` is `{count}` and `LISTEN_PID` is `{id}`, but this process is {}; a script that starts the server for systemd must do so with `exec`",
            std::process::id()
        );
    }
    let mut handed = Handed::default();
    for (place, name) in (0..sockets.len()).zip(names.split(':').chain(std::iter::repeat(""))) {
        let Some(socket) = sockets.take_tcp_listener(place).ok().flatten().filter(listens) else {
            let name = if name.is_empty() { String::new() } else { format!(" `{name}`") };
            return Err(refuse(
                format!(
                    "socket {}{name} of the {} that were handed over in `LISTEN_FDS` is not a TCP socket that listens",
                    place + 1,
                    sockets.len()
                ),
                "write `ListenStream=ADDRESS:PORT` in the `.socket` unit, without `Accept=yes`; Unix and datagram sockets are not served",
            ));
        };
        let list = if name == ADMIN { &mut handed.admin } else { &mut handed.public };
        list.push(Arc::new(socket));
    }
    for (what, flag, list) in
        [("public", "--listen", &handed.public), (ADMIN, "--admin-listen", &handed.admin)]
    {
        if !list.is_empty() {
            let sockets = list.len();
            tracing::info!(sockets, "the supervisor handed over the {what} listener, so `{flag}` is ignored");
        }
    }
    Ok(handed)
}

/// Whether a socket accepts connections. With `Accept=yes`, systemd hands over a connection.
#[cfg(target_os = "linux")]
fn listens(socket: &TcpListener) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

#[cfg(not(target_os = "linux"))]
fn listens(_: &TcpListener) -> bool {
    true
}
