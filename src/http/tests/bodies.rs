//! A route that takes a body, and answers with something other than JSON.

use actix_web::HttpResponse;
use actix_web::http::Method;

use super::fixture::spawn_routes;
use crate::http::listener::Listener;
use crate::http::route::{Content, Described, Handler, Route};

/// Sends the body back, in capitals.
static ROUTES: [Route; 1] = [Route {
    pattern: "/shout",
    methods: &[Method::POST],
    body: 16,
    listener: Listener::Public,
    handler: Handler::Now(|ask| {
        Ok(HttpResponse::Ok().content_type("application/xml").body(ask.body.to_ascii_uppercase()))
    }),
    problems: &[],
    id: "shout",
    tag: "test",
    title: "Shout",
    text: "",
    parameters: &[],
    answer: Content::Fresh { media: "application/xml", schema: Described::plain::<String>() },
    statuses: &[(200, "The body, in capitals")],
}];

#[test]
fn a_body_reaches_its_handler_whole() {
    let server = spawn_routes(&ROUTES, |_| {});
    let mut client = server.client();
    for (lines, body) in [
        (&["content-length: 16"][..], "<hello>you</he/>"),
        (&["transfer-encoding: chunked"], "5\r\n<hell\r\nb\r\no>you</he/>\r\n0\r\n\r\n"),
    ] {
        client
            .send(format!("POST /shout HTTP/1.1\r\nhost: test\r\n{}\r\n\r\n{body}", lines[0]).as_bytes())
            .unwrap();
        let response = client.response(true).unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"<HELLO>YOU</HE/>"[..]));
        assert_eq!(response.header("content-type"), Some("application/xml"));
    }
    assert_eq!(client.ask("POST", "/shout", &["content-length: 0"]).body, b"");
}

#[test]
fn a_request_that_is_sent_right_behind_a_body_is_answered_too() {
    let server = spawn_routes(&ROUTES, |_| {});
    let mut client = server.client();
    let sized = "POST /shout HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\na\n\n\n\nb";
    client.send([sized; 3].concat().as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(client.response(true).unwrap().body, b"A\n\n\n\nB");
    }
}

#[test]
fn a_body_over_the_limit_of_its_route_is_refused_by_name() {
    let server = spawn_routes(&ROUTES, |_| {});
    for lines in [
        "content-length: 17\r\n\r\n<hello>you!</he/>",
        "transfer-encoding: chunked\r\n\r\n11\r\n<hello>you!</he/>\r\n0\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(format!("POST /shout HTTP/1.1\r\nhost: test\r\n{lines}").as_bytes()).unwrap();
        let response = client.response(true).unwrap();
        assert_eq!((response.status, response.problem().as_str()), (413, "body_too_large"));
        assert_eq!(response.header("connection"), Some("close"));
    }
}

#[test]
fn a_route_refuses_the_methods_that_it_does_not_have() {
    let response = spawn_routes(&ROUTES, |_| {}).client().get("/shout");
    assert_eq!((response.status, response.problem().as_str()), (405, "method_not_allowed"));
    assert_eq!(response.header("allow"), Some("POST"));
}
