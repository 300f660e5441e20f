use std::io::Read as _;
use std::time::Duration;

use super::fixture::{LARGE, large};
use super::spawn;
use crate::clock::{Clock as _, SystemClock};

#[test]
fn an_idle_connection_is_closed_at_once_when_the_server_stops() {
    let mut server = spawn();
    let mut client = server.client();
    assert_eq!(client.get("/v1/promotions").status, 200);
    let clock = SystemClock::new();
    let start = clock.monotonic();
    server.stop();
    assert!(client.is_closed());
    server.wait();
    assert!(clock.monotonic().checked_sub(start).unwrap() < Duration::from_secs(6));
}

#[test]
fn a_running_reply_is_finished_before_the_server_stops() {
    let mut server = spawn();
    let mut client = server.client();
    server.store_large();
    client.send(b"GET /v1/payloads/1.8.4-tectonic.1/large.bin HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(client.head().unwrap().status, 200);
    server.stop();
    std::thread::sleep(Duration::from_millis(500));
    let mut body = Vec::new();
    client.stream.read_to_end(&mut body).unwrap();
    assert_eq!(body.len(), LARGE);
    assert!(body == large());
    server.wait();
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_up_the_stop() {
    let mut server = spawn();
    let mut client = server.client();
    server.store_large();
    client.send(b"GET /v1/payloads/1.8.4-tectonic.1/large.bin HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    client.head().unwrap();
    let clock = SystemClock::new();
    let start = clock.monotonic();
    server.stop();
    server.wait();
    assert!(clock.monotonic().checked_sub(start).unwrap() < Duration::from_millis(9500));
}
