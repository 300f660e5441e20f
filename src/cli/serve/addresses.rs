//! The addresses that `serve` is given, and what to do about one that it cannot use.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use clap::builder::RangedU64ValueParser;
use ipnet::IpNet;

use crate::http;

/// Reads where to listen.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.trim_start_matches(':').parse().unwrap_or(8080_u16);
        format!(
            "write an address and a port, as in `127.0.0.1:{port}`; `0.0.0.0:{port}` listens on every address"
        )
    })
}

/// Reads which proxies are trusted. In a list, a space may follow the comma.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(address).map_err(|_| "write an address or a network, as in `10.0.0.0/8`".to_owned())
}

/// Reads a number of workers.
pub fn workers() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=http::MAX_WORKERS as u64)
}

/// Says what to do if the server cannot start.
pub fn listen_hint(error: &http::StartError) -> String {
    match error {
        http::StartError::Listen { source, address } if source.kind() == ErrorKind::AddrInUse => format!(
            "another program listens there, perhaps another `tidegate serve`: stop it, or listen elsewhere with `--listen {}:0`, which takes a free port",
            address.ip()
        ),
        http::StartError::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "only root may use ports below 1024: listen on a higher one with `--listen ADDR:PORT`".to_owned()
        }
        http::StartError::Listen { .. } => {
            "listen on an address of this machine, as in `--listen 127.0.0.1:8080`".to_owned()
        }
        http::StartError::Workers(_) => "see what limits the threads of this process".to_owned(),
    }
}
