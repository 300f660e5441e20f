//! Clients that stall take little memory, whatever they stall with.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;

use tidegate::http::CONNECTION_MEMORY;

use crate::place::Place;
use crate::spawn::Server;

const CLIENTS: u64 = 100;

/// How often in a row the server must take nothing more before it counts as stalled.
const ROUNDS: u32 = 20;

/// The memory that the server has, in bytes.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Connects clients that send this and read nothing, until the server takes no more of it. Returns the most
/// memory that the server had meanwhile.
fn stall(server: &Server, bytes: &[u8]) -> u64 {
    let connect = |_| {
        let client = TcpStream::connect(&server.address).unwrap();
        client.set_nonblocking(true).unwrap();
        (client, bytes)
    };
    let mut clients: Vec<(TcpStream, &[u8])> = (0..CLIENTS).map(connect).collect();
    let (mut most, mut idle) = (0, 0);
    while idle < ROUNDS {
        idle += 1;
        for (client, left) in clients.iter_mut().filter(|(_, left)| !left.is_empty()) {
            match client.write(left) {
                Ok(sent) => (*left, idle) = (&left[sent..], 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The server may have ended the connection.
                Err(_) => *left = &[],
            }
        }
        // Its answer to somebody else shows that the server had time for all of them.
        assert_eq!(server.get("/healthz").status, 200);
        most = most.max(memory(server));
    }
    most
}

#[test]
fn no_way_to_stall_takes_more_memory_of_the_server_than_is_reckoned_with() {
    let place = Place::with(&["1.8.1"]);
    fs::write(place.path("large.bin"), vec![7; 4 << 20]).unwrap();
    place.run(&["release", "add", "1.8.2", "--payload", "large.bin"]);
    place.sign();
    let server = Server::ready(place.dir(), &["--workers", "2", "--access-log", "false"]);
    server.until_latest("1.8-preproduction", "1.8.2");
    let get = |path: &str, lines: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
    let payload = get("/v1/payloads/1.8.2/large.bin", "");
    let chunked = "POST /v1/channels HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let sized = "POST /v1/channels HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999\r\n\r\n";
    let before = memory(&server);
    for (what, bytes) in [
        ("a head of one long field", format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(200_000))),
        ("a head of short fields", format!("GET / HTTP/1.1\r\n{}", "x:\r\n".repeat(40_000))),
        ("empty lines", "\r\n".repeat(100_000)),
        ("a body with a length", format!("{sized}{}", "x".repeat(200_000))),
        ("a body in chunks", format!("{chunked}{}", "1\r\nx\r\n".repeat(30_000))),
        ("requests for documents", get("/openapi.json", "").repeat(4000)),
        ("short requests", "GET / HTTP/1.1\r\n\r\n".repeat(8000)),
        ("requests whose replies have no body", get("/v1/channels", "if-none-match: *\r\n").repeat(4000)),
        ("requests behind a body", format!("{sized}{}", get("/openapi.json", "").repeat(4000))),
        ("a payload", payload.clone()),
        ("payloads", payload.repeat(2000)),
    ] {
        let grown = stall(&server, bytes.as_bytes()).saturating_sub(before) / CLIENTS;
        assert!(grown < CONNECTION_MEMORY, "{what}: {grown} bytes for each client");
    }
    assert!(server.log().contains("serving at most"), "{}", server.log());
}
