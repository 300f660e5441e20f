//! What reads the log may be gone or stalled: the server does not depend on it.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::fs::{OFlags, fcntl_setfl};

use crate::place::Place;
use crate::spawn::{DEADLINE, Server, eventually, tidegate};

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

/// The lines of a server's log that contain this text, once there are so many.
fn lines(server: &Server, text: &str, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    eventually(text, || {
        let log = server.log();
        found = log.lines().filter(|line| line.contains(text)).map(ToOwned::to_owned).collect();
        if found.len() >= count { Ok(()) } else { Err(log) }
    });
    found
}

#[test]
fn each_publication_is_logged_with_what_it_changes() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let first = lines(&server, ": published ", 1);
    assert!(first[0].contains("1.8.1 entered 1.8-preproduction; 1.8.1 entered 1.8-production"), "{first:?}");

    place.add("1.8.2");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    place.run(&["release", "hold", "1.8.2", "--reason", "it loses quorum"]);
    lines(&server, "changes=1 what=\"1.8.2 was put on hold\"", 1);
    place.run(&["release", "yank", "1.8.2", "--reason", "it eats data"]);
    let yanked = lines(&server, "1.8.2 was yanked", 1);
    assert!(yanked[0].contains("changes=1 what=\"1.8.2 was yanked\""), "{yanked:?}");
    let entered = lines(&server, "1.8.2 entered", 1);
    assert_eq!(entered.len(), 1, "{entered:?}");
    assert!(entered[0].contains("what=\"1.8.2 entered 1.8-preproduction\""), "{entered:?}");
    assert!(!server.log().contains("loses quorum"));
    assert!(server.stop().success());

    // The next one knows what was published before.
    place.run(&["channel", "pause", "1.8-production", "--reason", "the registry is down"]);
    let server = place.serve();
    lines(&server, "changes=1 what=\"1.8-production was paused\"", 1);
    assert_eq!(server.log().matches(" entered ").count(), 3, "{}", server.log());
}

#[test]
fn the_access_log_names_the_client_and_what_it_asked_for_but_no_id_and_no_other_parameter() {
    let place = Place::with(&["1.8.1"]);
    let arguments = ["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.1"];
    let server = Server::ready(place.dir(), &arguments);
    let ask = |path: &str, fields: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{fields}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
    };
    let path = "/v1/channels/1.8-production/update?version=1.8.1%0AINFO&token=s3cret&cluster=berlin-7";
    ask(path, "x-forwarded-for: 6.6.6.6, 2001:db8::7, 10.0.0.9\r\n");
    let line = lines(&server, "client=2001:db8::7 ", 1).remove(0);
    assert!(line.contains(r#" version="1.8.1\nINFO" cluster=""#), "{line}");
    ask("/v1/channels", "x-forwarded-for: nobody\r\n");
    lines(&server, "client=127.0.0.1 method=\"GET\" path=\"/v1/channels\"", 1);
    ask("/v1/channels/1.8-production/update%3Fcluster=berlin-7", "");
    lines(&server, "path=\"/v1/channels/1.8-production/update\" status=404", 1);
    let log = server.log();
    assert!(!["s3cret", "token", "berlin", "6.6.6.6"].iter().any(|secret| log.contains(secret)), "{log}");
    drop(server);

    // A server that trusts nobody takes nobody's word.
    let server = Server::ready(place.dir(), &[]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"GET /untrusted HTTP/1.0\r\nx-forwarded-for: 1.2.3.4\r\n\r\n").unwrap();
    let line = lines(&server, "/untrusted", 1).remove(0);
    assert!(line.contains("client=127.0.0.1 "), "{line}");
}

#[test]
fn a_proxy_that_is_no_address_is_refused() {
    let place = Place::with(&["1.8.1"]);
    let output =
        tidegate(place.dir()).args(["serve", "--trusted-proxy", "proxy.example.com"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("write an address or a network, as in `10.0.0.0/8`"), "{told}");
}
