use std::io::Read as _;

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

#[test]
fn a_copy_that_is_gone_or_has_changed_is_not_served() {
    let server = spawn();
    let mut client = server.client();
    let copy = |server: &super::Spawned| {
        let etag = server.client().get(SMALL).header("etag").unwrap().trim_matches('"').to_owned();
        server.copy_path(&Sha256::parse(&etag).unwrap())
    };
    let copy = copy(&server);
    std::fs::write(&copy, b"{}").unwrap();
    let response = client.get(SMALL);
    assert_eq!((response.status, response.problem().as_str()), (503, "payload_unavailable"));
    assert!(!copy.exists(), "it was removed");
    assert_eq!(client.ask("HEAD", SMALL, &[]).status, 503);
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
