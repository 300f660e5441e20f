//! What happens when all places are taken.

use std::io::Read as _;
use std::time::Duration;

use super::fixture::LARGE;
use super::{Client, Spawned, spawn_with};
use crate::http::Deadlines;

const HALF: &[u8] = b"GET /v1/promotions HTTP/1.1\r\nhost: ";
const BIG: &[u8] = b"GET /v1/payloads/1.8.4-tectonic.1/large.bin HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server with so few places, and deadlines that nothing here waits for.
fn narrow(places: usize) -> Spawned {
    spawn_with(|config| {
        config.max_connections = places;
        let long = Duration::from_secs(600);
        config.deadlines = Deadlines { request: long, stall: long, stall_bytes: 0, keep_alive: long };
    })
}

fn is_answered(client: &mut Client) -> bool {
    client.get("/v1/promotions").status == 200
}

/// Whether the server has ended the connection as it should: not by a reset.
fn is_ended(client: &mut Client) -> bool {
    client.stream.read(&mut [0]).is_ok_and(|bytes| bytes == 0)
}

/// Whether no reply comes for a while.
fn waits(client: &mut Client) -> bool {
    let stream = client.stream.get_ref();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let waits = client.stream.read(&mut [0]).is_err();
    client.stream.get_ref().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    waits
}

#[test]
fn the_longest_idle_connections_give_way_to_new_clients() {
    let server = narrow(4);
    let mut clients: [Client; 4] = std::array::from_fn(|_| server.client());
    // The third has been idle for longest, then the first, the fourth and the second.
    for place in [2, 0, 3, 1] {
        assert!(is_answered(&mut clients[place]));
    }
    let mut fifth = server.client();
    assert!(is_answered(&mut fifth));
    assert!(is_ended(&mut clients[2]));
    let mut sixth = server.client();
    assert!(is_answered(&mut sixth));
    assert!(is_ended(&mut clients[0]));
    // All others stay.
    let [_, second, _, fourth] = &mut clients;
    for client in [fourth, second, &mut fifth, &mut sixth] {
        assert!(is_answered(client));
    }
}

#[test]
fn a_client_that_never_says_a_word_gives_way() {
    let server = narrow(1);
    let mut silent = server.client();
    let mut other = server.client();
    assert!(is_answered(&mut other));
    assert!(is_ended(&mut silent));
}

#[test]
fn a_connection_in_the_middle_of_a_request_or_a_reply_stays() {
    let server = narrow(3);
    server.store_large();
    let (mut idle, mut asking, mut reading) = (server.client(), server.client(), server.client());
    assert!(is_answered(&mut idle));
    assert!(is_answered(&mut asking));
    asking.send(HALF).unwrap();
    reading.send(BIG).unwrap();
    assert_eq!(reading.head().unwrap().status, 200);

    let mut first = server.client();
    assert!(is_answered(&mut first));
    assert!(is_ended(&mut idle));
    first.send(HALF).unwrap();
    // Nobody is idle now, so the next one waits, until somebody is.
    let mut second = server.client();
    second.send(b"GET /v1/promotions HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(waits(&mut second));
    asking.send(b"x\r\n\r\n").unwrap();
    assert_eq!(asking.response(true).unwrap().status, 200);
    assert!(is_ended(&mut asking));
    assert_eq!(second.response(true).unwrap().status, 200);

    let mut body = vec![0; LARGE];
    reading.stream.read_exact(&mut body).unwrap();
    assert!(body == super::fixture::large());
    assert!(is_answered(&mut reading));
    first.send(b"x\r\n\r\n").unwrap();
    assert_eq!(first.response(true).unwrap().status, 200);
}

#[test]
fn a_connection_that_has_given_up_its_buffers_is_answered_as_before() {
    let keep_alive = Duration::from_secs(3);
    let server = spawn_with(|config| {
        config.deadlines = Deadlines { keep_alive, ..Deadlines::default() };
    });
    let mut client = server.client();
    for _ in 0..3 {
        // Many times as long as it keeps them.
        std::thread::sleep(keep_alive / 4);
        assert!(is_answered(&mut client));
        // Also if a request comes in two parts.
        client.send(HALF).unwrap();
        std::thread::sleep(keep_alive / 4);
        client.send(b"x\r\n\r\n").unwrap();
        assert_eq!(client.response(true).unwrap().status, 200);
    }
}
