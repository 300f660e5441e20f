//! Several requests on a connection, sent without waiting for replies.

use super::{Client, spawn};

const GET: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// The statuses of all replies, up to the end of the connection.
fn statuses(client: &mut Client) -> Vec<u16> {
    std::iter::from_fn(|| client.response(true).ok()).map(|response| response.status).collect()
}

#[test]
fn requests_sent_at_once_are_answered_one_after_the_other() {
    let server = spawn();
    let mut client = server.client();
    let ids: Vec<String> = (0..1000).map(|i| format!("id-{i}")).collect();
    let path = "/v1/channels/1.8-production";
    let head = |id: &String| format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\n\r\n");
    let all = ids.iter().map(head).collect::<Vec<_>>().concat();
    let mut sender = client.stream.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, all.as_bytes()).unwrap());
    for id in &ids {
        let response = client.response(true).unwrap();
        assert_eq!((response.status, response.header("x-request-id")), (200, Some(id.as_str())));
    }
    sending.join().unwrap();
}

#[test]
fn nothing_is_answered_after_a_reply_that_ends_the_connection() {
    let server = spawn();
    for (first, status) in [
        ("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 200),
        ("GET /healthz HTTP/1.0\r\nhost: x\r\n\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx", 413),
        ("GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 413),
        ("POST /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 405),
        ("POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx", 404),
    ] {
        let mut client = server.client();
        client.send(format!("{first}{GET}{GET}").as_bytes()).unwrap();
        assert_eq!(statuses(&mut client), [status], "{first}");
    }
}

#[test]
fn a_body_that_is_refused_and_never_comes_does_not_keep_the_connection() {
    let server = spawn();
    for line in ["content-length: 5", "transfer-encoding: chunked\r\n\r\n5\r\nx"] {
        for method in ["GET", "POST"] {
            let mut client = server.client();
            let response = client.ask(method, "/healthz", &[line]);
            assert_eq!(response.header("connection"), Some("close"), "{method} {line}");
            assert!(client.is_closed(), "{method} {line}");
        }
    }
}

#[test]
fn a_head_that_never_ends_is_refused_and_its_connection_closed() {
    let server = spawn();
    let mut client = server.client();
    let _ = client.send(format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(40_000)).as_bytes());
    assert_eq!(client.head().unwrap().status, 400);
    assert!(client.is_closed());
}
