use std::io::Read as _;
use std::time::Duration;

use super::{Client, Spawned, spawn_with};
use crate::clock::{Clock as _, SystemClock};
use crate::http::Deadlines;

const REQUEST: &[u8] = b"GET /v1/promotions HTTP/1.1\r\nhost: x\r\n\r\n";
const BIG: &[u8] = b"GET /v1/payloads/1.8.4-tectonic.1/large.bin HTTP/1.1\r\nhost: x\r\n\r\n";

/// Deadlines short enough for a test and long enough for a busy machine.
const SHORT: Deadlines = Deadlines {
    request: Duration::from_millis(400),
    stall: Duration::from_millis(400),
    stall_bytes: 16 * 1024,
    keep_alive: Duration::from_secs(20),
};

fn impatient() -> Spawned {
    spawn_with(|config| config.deadlines = SHORT)
}

/// Sends a byte now and then until the server has had enough.
fn drip(client: &mut Client) {
    for _ in 0..100 {
        if client.send(b"x").is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the server takes a byte now and then for ever");
}

#[test]
fn a_slow_head_is_cut_on_the_first_request() {
    let server = impatient();
    let mut client = server.client();
    client.send(b"GET /v1/promotions HTTP/1.1\r\nhost: ").unwrap();
    drip(&mut client);
}

#[test]
fn a_slow_head_is_cut_on_the_second_request_too() {
    let server = impatient();
    let mut client = server.client();
    client.send(REQUEST).unwrap();
    assert_eq!(client.response(true).unwrap().status, 200);
    client.send(b"GET /v1/promotions HTTP/1.1\r\nhost: ").unwrap();
    drip(&mut client);
    assert_eq!(cuts(&server, "slow_request"), 1);
}

#[test]
fn a_second_head_that_stops_altogether_is_cut() {
    let server = impatient();
    let mut client = server.client();
    client.send(REQUEST).unwrap();
    assert_eq!(client.response(true).unwrap().status, 200);
    client.send(b"GET /v1/promotions HTTP/1.1\r\n").unwrap();
    let clock = SystemClock::new();
    let start = clock.monotonic();
    assert!(client.is_closed());
    assert!(clock.monotonic().checked_sub(start).unwrap() < Duration::from_secs(15));
}

#[test]
fn a_connection_that_never_says_a_word_is_closed() {
    let keep_alive = Duration::from_millis(300);
    let server = spawn_with(|config| config.deadlines = Deadlines { keep_alive, ..SHORT });
    assert!(server.client().is_closed());
}

#[test]
fn a_slow_body_is_cut() {
    let server = impatient();
    let mut client = server.client();
    client.send(b"POST /v1/channels HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(client.response(true).unwrap().status, 405);
    drip(&mut client);
}

#[test]
fn a_reader_that_stalls_in_the_middle_of_a_body_is_cut() {
    let server = impatient();
    let mut client = server.client();
    server.store_large();
    client.send(BIG).unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    let mut some = vec![0; 100_000];
    client.stream.read_exact(&mut some).unwrap();
    let clock = SystemClock::new();
    let start = clock.monotonic();
    while cuts(&server, "stalled_reader") == 0 {
        assert!(
            clock.monotonic().checked_sub(start).unwrap() < Duration::from_secs(15),
            "a stalled reader is kept"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(client.is_closed());
}

#[test]
fn a_slow_reader_that_goes_on_reading_gets_it_all() {
    let server = impatient();
    let mut client = server.client();
    server.store_large();
    client.send(BIG).unwrap();
    client.head().unwrap();
    let mut left = super::fixture::LARGE;
    let mut some = vec![0; 1 << 20];
    while left > 0 {
        let n = client.stream.read(&mut some).unwrap();
        assert!(n > 0, "cut with {left} bytes left");
        left -= n;
        std::thread::sleep(Duration::from_millis(20));
    }
    client.send(REQUEST).unwrap();
    assert_eq!(client.response(true).unwrap().status, 200);
}

#[test]
fn an_idle_connection_outlives_the_deadline_of_a_request() {
    let server = impatient();
    let mut client = server.client();
    for _ in 0..3 {
        client.send(REQUEST).unwrap();
        assert_eq!(client.response(true).unwrap().status, 200);
        std::thread::sleep(SHORT.request + Duration::from_millis(200));
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let keep_alive = Duration::from_millis(300);
    let server = spawn_with(|config| config.deadlines = Deadlines { keep_alive, ..SHORT });
    let mut client = server.client();
    client.send(REQUEST).unwrap();
    assert_eq!(client.response(true).unwrap().status, 200);
    assert!(client.is_closed());
}

fn cuts(server: &Spawned, reason: &str) -> u32 {
    let text = String::from_utf8(server.client().get("/metrics").body).unwrap();
    let name = format!("tidegate_connections_cut_{reason}_total ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}
