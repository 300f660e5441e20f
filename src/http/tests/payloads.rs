use std::io::Read as _;

use sha2::Digest as _;

use super::fixture::{LARGE, large, target};
use super::spawn;
use crate::domain::payload::Sha256;

const SMALL: &str = "/v1/payloads/1.8.4-tectonic.1/payload.json";
const BIG: &str = "/v1/payloads/1.8.4-tectonic.1/large.bin";

#[test]
fn a_payload_comes_whole_with_its_digest() {
    let server = spawn();
    let mut client = server.client();
    let target = target("payload.1.8.4-tectonic.1.payload.json", b"{\"deployments\":[]}\n");
    for path in [SMALL, &target] {
        let response = client.get(path);
        assert_eq!(response.body, b"{\"deployments\":[]}\n");
        assert_eq!(response.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(response.header("accept-ranges"), Some("bytes"));
        assert!(response.header("repr-digest").unwrap().starts_with("sha-256=:"));
        let etag = response.header("etag").unwrap();
        assert_eq!(etag.len(), 66);
        let held = client.ask("GET", path, &[&format!("if-none-match: {etag}")]);
        assert_eq!((held.status, held.header("etag")), (304, Some(etag)));
    }
    server.store_large();
    let response = client.get(BIG);
    assert_eq!(response.header("content-type"), Some("application/octet-stream"));
    assert!(response.body == large());
    let head = client.ask("HEAD", BIG, &["range: bytes=0-1"]);
    assert_eq!((head.status, head.header("content-length")), (200, Some(LARGE.to_string().as_str())));
    assert_eq!(client.get(SMALL).status, 200);
}

#[test]
fn one_range_is_served() {
    let server = spawn();
    let mut client = server.client();
    server.store_large();
    let whole = large();
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=100-", 100..LARGE),
        ("bytes=-100", LARGE - 100..LARGE),
        ("bytes=70000-199999", 70_000..200_000),
        ("bytes=33554431-99999999", LARGE - 1..LARGE),
    ] {
        let response = client.ask("GET", BIG, &[&format!("range: {range}")]);
        assert_eq!(response.status, 206, "{range}");
        let content_range = format!("bytes {}-{}/{LARGE}", expected.start, expected.end - 1);
        assert_eq!(response.header("content-range"), Some(content_range.as_str()));
        assert!(response.body == whole[expected], "{range}");
    }
    let response = client.ask("GET", BIG, &["range: bytes=33554432-"]);
    assert_eq!((response.status, response.problem().as_str()), (416, "range_not_satisfiable"));
    assert_eq!(response.header("content-range"), Some("bytes */33554432"));
    for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=5-1"] {
        assert_eq!(client.ask("GET", SMALL, &[&format!("range: {range}")]).status, 200, "{range}");
    }
}

#[test]
fn a_range_goes_on_only_with_the_same_file() {
    let server = spawn();
    let mut client = server.client();
    let etag = client.get(SMALL).header("etag").unwrap().to_owned();
    let mut status = |line: &str| client.ask("GET", SMALL, &["range: bytes=0-1", line]).status;
    assert_eq!(status(&format!("if-range: {etag}")), 206);
    assert_eq!(status("if-range: \"other\""), 200);
    assert_eq!(status(&format!("if-range: W/{etag}")), 200);
    assert_eq!(status("if-range: Mon, 01 Jan 2018 00:00:00 GMT"), 200);
}

/// The copy of a payload that was not asked for yet.
fn copy(server: &super::Spawned) -> std::path::PathBuf {
    server.copy_path(&Sha256::new(sha2::Sha256::digest(b"{\"deployments\":[]}\n").into()))
}

#[test]
fn a_copy_that_has_changed_or_is_gone_is_not_served() {
    let server = spawn();
    let mut client = server.client();
    let copy = copy(&server);
    std::fs::write(&copy, b"{\"deployments\":{}}\n").unwrap();
    for method in ["GET", "HEAD"] {
        assert_eq!(client.ask(method, SMALL, &[]).status, 503);
        assert!(!copy.exists(), "it was removed");
    }
    assert_eq!(client.get(SMALL).problem(), "payload_unavailable");
}

#[test]
fn a_small_payload_is_read_once_and_does_not_follow_its_copy() {
    let server = spawn();
    let mut client = server.client();
    let first = client.get(SMALL);
    std::fs::write(copy(&server), b"{\"deployments\":{}}\n").unwrap();
    assert_eq!(client.get(SMALL).body, first.body);
    std::fs::remove_file(copy(&server)).unwrap();
    assert_eq!(client.get(SMALL).body, first.body);
    assert_eq!(client.ask("HEAD", SMALL, &[]).header("content-length"), Some("19"));
    let part = client.ask("GET", SMALL, &["range: bytes=2-5"]);
    assert_eq!((part.status, part.body.as_slice()), (206, &b"depl"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 2-5/19"));
    assert_eq!(client.ask("GET", SMALL, &["range: bytes=19-"]).status, 416);
    let held = format!("if-none-match: {}", first.header("etag").unwrap());
    assert_eq!(client.ask("GET", SMALL, &[&held]).status, 304);
}

#[test]
fn a_copy_that_turns_out_short_breaks_the_connection_off() {
    let server = spawn();
    let mut client = server.client();
    let copy = server.store_large();
    client.send(format!("GET {BIG} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    let response = client.head().unwrap();
    assert_eq!(response.status, 200);
    let copy = std::fs::File::options().write(true).open(copy).unwrap();
    copy.set_len(1 << 20).unwrap();
    let mut body = Vec::new();
    let _ = client.stream.read_to_end(&mut body);
    assert!(body.len() < LARGE);
    assert!(large().starts_with(&body));
}

#[test]
fn replies_that_follow_a_large_payload_on_its_connection_are_whole() {
    let server = spawn();
    server.store_large();
    let mut client = server.client();
    let one = |path: &str, range: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{range}\r\n");
    let two = [one(BIG, "range: bytes=1-9999999\r\n"), one(SMALL, ""), one(BIG, ""), one(SMALL, "")];
    client.send(two.concat().as_bytes()).unwrap();
    let whole = large();
    for expected in [&whole[1..10_000_000], b"{\"deployments\":[]}\n", &whole, b"{\"deployments\":[]}\n"] {
        let response = client.response(true).unwrap();
        assert!(response.body == expected, "{} bytes instead of {}", response.body.len(), expected.len());
    }
}

#[test]
fn a_client_that_leaves_frees_its_file() {
    let server = spawn();
    let copy = server.store_large();
    let open = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        files.filter(|file| std::fs::read_link(file.path()).is_ok_and(|path| path == copy)).count()
    };
    let mut client = server.client();
    client.send(format!("GET {BIG} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    assert_eq!(open(), 1);
    drop(client);
    let is_closed = |_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        open() == 0
    };
    assert!((0..1000).any(is_closed));
}
