//! What reads the log may be gone or stalled: the server does not depend on it.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_setfl};

use crate::place::Place;
use crate::spawn::{DEADLINE, Server, tidegate};

fn serve(place: &Place, stderr: PipeWriter, arguments: &[&str]) -> Server {
    let server = Server::logging_to(place.dir(), tidegate(place.dir()), arguments, Stdio::from(stderr));
    server.until_ready();
    server
}

/// A pipe that takes nothing more, and its end that nobody reads.
fn full() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    while writer.write(b"x").is_ok() {}
    fcntl_setfl(&writer, OFlags::empty()).unwrap();
    (reader, writer)
}

/// What the server says to bytes that are no request.
fn malformed(server: &Server) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET / HTTP/9.9\r\n\r\n").unwrap();
    let mut told = String::new();
    let _ = stream.read_to_string(&mut told);
    told
}

#[test]
fn what_is_added_is_published_when_the_logs_reader_is_gone() {
    let place = Place::with(&["1.8.1"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let server = serve(&place, writer, &["--access-log", "false"]);
    place.add("1.8.2");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    assert!(server.stop().success());
}

#[test]
fn requests_promotions_and_the_stop_do_not_wait_for_a_logs_reader_that_has_stalled() {
    let place = Place::with(&["1.8.1"]);
    let (_reader, writer) = full();
    let server = serve(&place, writer, &[]);
    place.add("1.8.2");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    for _ in 0..20 {
        let told = malformed(&server);
        assert!(told.starts_with("HTTP/1.1 400"), "{told}");
        assert_eq!(server.get("/v1/channels").status, 200);
    }
    place.add("1.8.3");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.3");
    assert!(server.stop().success());
}

#[test]
fn a_stranger_who_sends_no_request_is_told_so_and_leaves_no_line_in_the_log() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let told = malformed(&server);
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
    assert_eq!(server.get("/v1/nothing-here").status, 404);
    let log = place.path("serve.log");
    assert!(server.stop().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("/v1/nothing-here") && !log.contains("ERROR"), "{log}");
}

/// Sends many requests on one connection without waiting, and returns how many were answered.
fn ask(address: &str, paths: impl Iterator<Item = String>) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut requests: Vec<_> =
        paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).collect();
    let last = requests.pop().unwrap().replace("host: test", "host: test\r\nconnection: close");
    requests.push(last);
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(requests.concat().as_bytes()).unwrap());
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    writing.join().unwrap();
    told.matches("HTTP/1.1 404").count()
}

#[test]
fn each_of_many_requests_at_once_has_its_line_in_the_log_file() {
    const CLIENTS: usize = 8;
    const EACH: usize = 2000;
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let address = &server.address;
            scope.spawn(move || {
                assert_eq!(ask(address, (0..EACH).map(|n| format!("/{client}/{n}"))), EACH);
            });
        }
    });
    assert!(server.stop().success());
    let log = std::fs::read_to_string(place.path("serve.log")).unwrap();
    for client in 0..CLIENTS {
        // In order, so each once, and none is torn.
        let of_client = format!("path=\"/{client}/");
        let found = log.lines().filter_map(|line| line.split_once(&of_client)?.1.split_once('"'));
        let found: Vec<&str> =
            found.filter(|(_, rest)| rest.ends_with("problem=\"unknown_route\"")).map(|(n, _)| n).collect();
        assert_eq!(found, (0..EACH).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn lines_that_a_stalled_reader_does_not_take_are_counted_and_requests_are_answered_all_the_same() {
    const MANY: usize = 4000;
    let place = Place::with(&["1.8.1"]);
    let (_reader, writer) = full();
    let server = serve(&place, writer, &["--workers", "1"]);
    let long = "x".repeat(200);
    assert_eq!(ask(&server.address, (0..MANY).map(|n| format!("/{long}/{n}"))), MANY);
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let lost = metrics.lines().find_map(|line| line.strip_prefix("tidegate_log_lines_lost_total ")).unwrap();
    let lost: usize = lost.parse().unwrap();
    assert!((1..MANY).contains(&lost), "{lost}");
    assert!(server.stop().success());
}
