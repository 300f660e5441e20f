use std::sync::Arc;

use super::fixture::NOW;
use super::spawn;
use crate::domain::payload::Payload;
use crate::publish::Publication;
use crate::publish::part::{Part, Parts};

#[test]
fn each_problem_has_its_status_and_its_kind() {
    let server = spawn();
    let long = format!("/v1/channels/{}", "x".repeat(8000));
    for (path, status, kind) in [
        ("/v2/channels", 404, "unknown_route"),
        ("/v1/channels/", 404, "unknown_route"),
        ("//v1/channels", 404, "unknown_route"),
        ("/v1//channels", 404, "unknown_route"),
        ("/v1/payloads/1.8.4-tectonic.1/../../etc/passwd", 404, "unknown_route"),
        ("/v1/channels/1.9-production", 404, "unknown_channel"),
        ("/v1/channels/..", 404, "unknown_channel"),
        ("/v1/channels/%2e%2e", 404, "unknown_channel"),
        ("/v1/channels/a%2Fb", 400, "bad_encoding"),
        ("/v1/channels/a%00b", 400, "bad_encoding"),
        ("/v1/channels/a%5cb", 400, "bad_encoding"),
        ("/v1/channels/%zz", 400, "bad_encoding"),
        ("/v1/channels/%ff", 400, "bad_encoding"),
        ("/v1/channels/1.9-production/update?version=1.8.4", 404, "unknown_channel"),
        ("/v1/channels/1.8-production/update", 400, "missing_version"),
        ("/v1/channels/1.8-production/update?cluster=x", 400, "missing_version"),
        ("/v1/channels/1.8-production/update?version=", 400, "bad_version"),
        ("/v1/channels/1.8-production/update?version=1.8", 400, "bad_version"),
        ("/v1/channels/1.8-production/update?version=1.8.4&arch=ARM%2064", 400, "bad_arch"),
        ("/v1/channels/1.8-production/update?version=%zz", 400, "bad_encoding"),
        ("/v1/channels/1.8-production/update?version=1.8.4&version=1.8.4", 400, "duplicate_parameter"),
        ("/v1/releases/1.8", 400, "bad_version"),
        ("/v1/releases/1.8.5", 404, "unknown_release"),
        ("/v1/releases/1.8.9-tectonic.4", 404, "unsigned_release"),
        ("/v1/releases/1.8.9-tectonic.5", 404, "waiting_release"),
        ("/v1/releases/1.8.5/explain", 404, "unknown_release"),
        ("/v1/payloads/1.8.5/payload.json", 404, "unknown_release"),
        ("/v1/payloads/1.8.4-tectonic.1/other.json", 404, "unknown_file"),
        ("/v1/payloads/1.8.4-tectonic.1/..", 404, "unknown_file"),
        ("/v1/payloads/1.8.4-tectonic.1/..%2fpayload.json", 400, "bad_encoding"),
        ("/tuf/metadata/2.root.json", 404, "unknown_file"),
        ("/tuf/metadata/..", 404, "unknown_file"),
        ("/tuf/targets/timestamp.json", 404, "unknown_file"),
        (&long, 414, "uri_too_long"),
    ] {
        let response = server.client().get(path);
        assert_eq!((response.status, response.problem().as_str()), (status, kind), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[test]
fn the_hint_for_an_unknown_channel_suggests_similar_names() {
    let server = spawn();
    for (asked, hint) in [
        ("1.8-produktion", "did you mean `1.8-production`? see `/v1/channels` for all channels"),
        ("staging", "see `/v1/channels` for all channels"),
    ] {
        assert_eq!(server.client().get(&format!("/v1/channels/{asked}")).json()["hint"], hint);
    }
}

#[test]
fn other_methods_are_refused_by_name() {
    let server = spawn();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"] {
        let response = server.client().ask(method, "/v1/channels", &["content-length: 0"]);
        assert_eq!((response.status, response.problem().as_str()), (405, "method_not_allowed"), "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD"));
    }
}

#[test]
fn the_server_is_no_tunnel_and_upgrades_to_nothing() {
    let server = spawn();
    let mut client = server.client();
    client.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n").unwrap();
    assert_eq!(client.response(true).unwrap().problem(), "unknown_route");
    let upgrade = ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13"];
    let response = server.client().ask("GET", "/v1/promotions", &upgrade);
    assert_eq!((response.status, response.header("upgrade")), (200, None));
}

#[test]
fn a_request_with_a_body_is_refused_and_its_connection_is_closed() {
    let server = spawn();
    let chunked = |body: &str| format!("transfer-encoding: chunked\r\n\r\n{body}");
    let long = format!("0\r\nx: {}", "y".repeat(40_000));
    for lines in [
        "content-length: 2\r\n\r\n",
        "content-length: 99999999999\r\n\r\n",
        &chunked("1\r\nx\r\n0\r\n\r\n"),
        &chunked("3\r\n\n\n\n\r\n0\r\n\r\n"),
        &chunked("10000000\r\nx"),
        &chunked("nothing\r\n\r\n"),
        &chunked(&long),
    ] {
        let line = &lines[..lines.len().min(60)];
        let mut client = server.client();
        client.send(format!("GET /v1/channels HTTP/1.1\r\nhost: test\r\n{lines}").as_bytes()).unwrap();
        let response = client.response(true).unwrap();
        assert_eq!((response.status, response.problem().as_str()), (413, "body_refused"), "{line}");
        assert_eq!(response.header("connection"), Some("close"));
        let _ = client.send(&vec![b'x'; 100_000]);
        assert!(client.is_closed(), "{line}");
    }
}

#[test]
fn a_chunked_body_without_a_byte_is_no_body() {
    let server = spawn();
    let mut client = server.client();
    for path in ["/v1/channels", "/readyz", "/tuf/metadata/timestamp.json", "/v1/channels"] {
        for body in ["0\r\n\r\n", "000;by=\"a gateway\"\r\nx-trailer: y\r\n\r\n"] {
            let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
            client.send([head.as_str(), body, head.as_str()].concat().as_bytes()).unwrap();
            assert_eq!(client.response(true).unwrap().status, 200, "{path}");
            client.send(body.as_bytes()).unwrap();
            let response = client.response(true).unwrap();
            assert_eq!((response.status, response.header("connection")), (200, None), "{path}");
        }
    }
}

#[test]
fn a_connection_is_not_handed_over_to_another_protocol() {
    let server = spawn();
    let response =
        server.client().ask("GET", "/v1/channels", &["connection: Upgrade, HTTP2-Settings", "upgrade: h2c"]);
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = spawn();
    let large = format!("x-large: {}", "x".repeat(20_000));
    let response = server.client().ask("GET", "/v1/channels", &[&large]);
    assert_eq!((response.status, response.problem().as_str()), (431, "head_too_large"));

    let method = "A".repeat(20_000);
    let response = server.client().ask(&method, "/v1/channels", &[]);
    assert_eq!((response.status, response.problem().as_str()), (431, "head_too_large"));

    // These never get to a handler: actix answers them with a bare status.
    let many: Vec<_> = (0..200).map(|i| format!("x-{i}: y")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(server.client().ask("GET", "/v1/channels", &many).status, 431);
    let mut client = server.client();
    let _ = client.send(format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(300_000)).as_bytes());
    assert!(client.head().is_ok_and(|response| response.status == 431) || client.is_closed());
    let mut client = server.client();
    client.send(b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n").unwrap();
    assert_eq!(client.head().unwrap().status, 400);
}

#[test]
fn nothing_is_served_before_the_first_publication() {
    let server = spawn();
    server.shared.publication.store(None);
    let mut client = server.client();
    for path in
        ["/v1/channels", "/v1/channels/x/update", "/v1/releases/1.8.4", "/tuf/metadata/timestamp.json"]
    {
        let response = client.get(path);
        assert_eq!((response.status, response.problem().as_str()), (503, "not_published"), "{path}");
        assert_eq!(response.header("retry-after"), Some("30"));
    }
}

#[test]
fn advice_ends_with_the_publication_and_signed_documents_do_not() {
    let server = spawn();
    let mut client = server.client();
    let path = "/v1/channels/1.8-production/update?version=1.8.4";
    server.clock.set(NOW + 3599);
    assert_eq!(client.get(path).status, 200);
    server.clock.set(NOW + 3600);
    let response = client.get(path);
    assert_eq!((response.status, response.problem().as_str()), (503, "expired"));
    assert_eq!(client.get("/v1/channels/1.8-production").status, 200);
    assert_eq!(client.get("/tuf/metadata/timestamp.json").status, 200);
}

#[test]
fn nobody_gets_the_answer_for_another_architecture_from_what_an_older_version_has_published() {
    let server = spawn();
    let mut client = server.client();
    let update = "/v1/channels/1.8-production/update?version=1.8.4-tectonic.1";
    for end in ["", "&arch=", "&arch=arm64"] {
        assert_eq!(client.get(&format!("{update}{end}")).status, 200, "{end}");
    }
    let forget = |arch: Option<&str>| {
        let mut publication = Publication::clone(&server.shared.publication.load_full().unwrap());
        let parts = publication.parts.iter().map(|part| {
            let mut part = Part::clone(part);
            part.channels.iter_mut().for_each(|channel| channel.updates.arches = None);
            for release in part.releases.values_mut() {
                let built = release.payloads.iter().cloned();
                let arch = || arch.map(str::to_owned);
                release.payloads = built.map(|payload| Payload { arch: arch(), ..payload }).collect();
            }
            Arc::new(part)
        });
        publication.parts = Parts::of(parts.collect::<Vec<_>>());
        server.shared.publication.store(Some(Arc::new(publication)));
    };
    forget(None);
    assert_eq!(client.get(&format!("{update}&arch=arm64")).status, 200, "all releases are for all");
    forget(Some("amd64"));
    assert_eq!(client.get(&format!("{update}&arch=")).status, 200);
    let response = client.get(&format!("{update}&arch=arm64"));
    assert_eq!((response.status, response.problem().as_str()), (503, "not_published"));
    let page = client.get("/channels/1.8-production?version=1.8.4-tectonic.1&arch=arm64");
    assert_eq!(page.status, 503);
}
