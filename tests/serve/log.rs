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
