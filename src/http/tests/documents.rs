use std::borrow::Cow;
use std::cell::Cell;
use std::io::Read as _;
use std::sync::Arc;

use actix_web::test::TestRequest;

use super::fixture::{long_json, target};
use super::spawn;
use crate::http::limits::{MAX_RECENT, RECENT};
use crate::http::recent::Recent;
use crate::http::reply::Cache;
use crate::publish::{Document, Publication};

#[test]
fn every_document_is_served_with_its_heads() {
    let server = spawn();
    let mut client = server.client();
    let minute = "public, max-age=60";
    let forever = "public, max-age=31536000, immutable";
    for (path, body, cache) in [
        ("/v1/channels", long_json("channels").as_str(), minute),
        ("/v1/channels/1.8-production", &long_json("channel"), minute),
        ("/v1/channels/Tectonic-1.8-Production", &long_json("channel"), minute),
        ("/v1/channels/1.8-production/update?version=1.8.4-tectonic.1", r#"{"action":"update"}"#, minute),
        ("/v1/channels/1.8-production/update?version=1.8.9-tectonic.5", r#"{"action":"none"}"#, minute),
        ("/v1/channels/1.8-production/update?version=v1.8.0+rke2r1&x=%zz", r#"{"action":"update"}"#, minute),
        ("/v1/releases/1.8.4-tectonic.1", &long_json("release"), minute),
        ("/v1/releases/v1.8.4-tectonic.1", &long_json("release"), minute),
        ("/v1/releases/1.8.4+rke2r1", r#"{"built":true}"#, minute),
        ("/v1/releases/1.8.4%2Brke2r1", r#"{"built":true}"#, minute),
        ("/v1/releases/1.8.4-tectonic.1/explain", r#"{"explain":true}"#, minute),
        ("/v1/promotions", "[]", minute),
        ("/tuf/metadata/timestamp.json", r#"{"signed":"timestamp"}"#, minute),
        ("/tuf/metadata/1.root.json", r#"{"signed":"root"}"#, forever),
        (
            &target("channel.1.8-production.json", long_json("channel").as_bytes()),
            &long_json("channel"),
            forever,
        ),
    ] {
        let response = client.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(std::str::from_utf8(&response.body).unwrap(), body, "{path}");
        assert_eq!(response.header("cache-control"), Some(cache), "{path}");
        assert_eq!(response.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(response.header("vary"), Some("accept-encoding"), "{path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"), "{path}");

        let etag = response.header("etag").unwrap();
        let held = client.ask("GET", path, &[&format!("if-none-match: \"x\", W/{etag}")]);
        assert_eq!((held.status, held.body.len()), (304, 0), "{path}");
        for name in ["etag", "cache-control", "vary", "x-content-type-options"] {
            assert_eq!(held.header(name), response.header(name), "{path} {name}");
        }

        let bare = client.ask("HEAD", path, &[]);
        assert_eq!(bare.status, 200, "{path}");
        for name in ["etag", "cache-control", "vary", "content-type", "content-length"] {
            assert_eq!(bare.header(name), response.header(name), "{path} {name}");
        }
    }
}

#[test]
fn each_encoding_has_its_own_bytes_and_its_own_tag() {
    let server = spawn();
    let mut client = server.client();
    let plain = client.get("/v1/channels");
    let gzip = client.ask("GET", "/v1/channels", &["accept-encoding: gzip"]);
    let brotli = client.ask("GET", "/v1/channels", &["accept-encoding: gzip, deflate, br"]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert_eq!(brotli.header("content-encoding"), Some("br"));

    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);
    body.clear();
    brotli::Decompressor::new(&brotli.body[..], 4096).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);

    let tag = plain.header("etag").unwrap().trim_end_matches('"');
    assert_eq!(gzip.header("etag").unwrap(), format!("{tag}-gz\""));
    assert_eq!(brotli.header("etag").unwrap(), format!("{tag}-br\""));

    let other = format!("if-none-match: {}", plain.header("etag").unwrap());
    assert_eq!(client.ask("GET", "/v1/channels", &["accept-encoding: gzip", &other]).status, 200);
    let refused = client.ask("GET", "/v1/promotions", &["accept-encoding: gzip, identity;q=0"]);
    assert_eq!((refused.status, refused.problem().as_str()), (406, "not_acceptable"));
}

#[test]
fn an_answer_for_one_cluster_is_kept_by_nobody() {
    let server = spawn();
    let path = "/v1/channels/1.8-production/update?version=1.8.4-tectonic.1&cluster=c-17";
    let response = server.client().get(path);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), Some("private, no-store"));
}

#[test]
fn a_new_publication_is_served_from_the_next_request_on() {
    let server = spawn();
    let mut client = server.client();
    assert_eq!(client.get("/v1/promotions").body, b"[]");
    let mut next = Publication::clone(server.shared.publication.load().as_ref().unwrap());
    next.promotions = super::fixture::json("[1]");
    server.shared.publication.store(Some(next.into()));
    assert_eq!(client.get("/v1/promotions").body, b"[1]");
}

#[test]
fn a_worker_looks_for_an_answer_once_for_each_question_and_publication() {
    let server = spawn();
    let publication = server.shared.publication.load_full().unwrap();
    let next = Arc::new(Publication::clone(&publication));
    let request = TestRequest::default().to_http_request();
    let (recent, searches) = (Recent::default(), Cell::new(0));
    let ask = |publication, asked: &str, cache| {
        let find = |publication: &'_ Publication| {
            searches.set(searches.get() + 1);
            Ok((Cow::Owned(Document::clone(&publication.promotions)), cache))
        };
        assert_eq!(recent.reply((publication, asked), find, &request).unwrap().status(), 200);
        searches.get()
    };
    let long = "x".repeat(MAX_RECENT + 1);
    for (publication, asked, cache, expected) in [
        (&publication, "/a", Cache::Minute, 1),
        (&publication, "/a?b", Cache::Minute, 2),
        (&publication, "/a", Cache::Minute, 2),
        (&publication, "/a?b", Cache::Minute, 2),
        (&next, "/a", Cache::Minute, 3),
        (&publication, "/a", Cache::Minute, 4),
        (&publication, "/c", Cache::Private, 5),
        (&publication, "/c", Cache::Private, 6),
        (&publication, &long, Cache::Minute, 7),
        (&publication, &long, Cache::Minute, 8),
    ] {
        assert_eq!(ask(publication, asked, cache), expected, "{asked}");
    }
    for number in 0..RECENT {
        ask(&publication, &format!("/{number}"), Cache::Minute);
    }
    let before = searches.get();
    assert_eq!(ask(&publication, "/a", Cache::Minute), before + 1, "it does not remember everything");
}

#[test]
fn a_worker_that_nobody_asks_keeps_nothing_of_a_publication_that_was_replaced() {
    let server = spawn();
    let mut publication = Publication::clone(server.shared.publication.load().as_ref().unwrap());
    let body = bytes::Bytes::from(vec![b' '; 100]);
    publication.promotions = Document::new(publication.promotions.media, body.clone()).into();
    let (publication, recent) = (Arc::new(publication), Recent::default());
    let find = |publication: &'_ Publication| {
        Ok((Cow::Owned(Document::clone(&publication.promotions)), Cache::Minute))
    };
    drop(recent.reply((&publication, "/a"), find, &TestRequest::default().to_http_request()).unwrap());
    recent.forget_replaced();
    let copy = Arc::clone(&publication);
    let known = |_: &'_ Publication| unreachable!("it is still known");
    drop(recent.reply((&copy, "/a"), known, &TestRequest::default().to_http_request()).unwrap());
    drop((publication, copy));
    assert!(!body.is_unique());
    recent.forget_replaced();
    assert!(body.is_unique());
}

#[test]
fn a_client_that_speaks_http_1_0_is_answered() {
    let server = spawn();
    let mut client = server.client();
    client.send(b"GET /v1/promotions HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(client.response(true).unwrap().body, b"[]");
    assert!(client.is_closed());
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let server = spawn();
    let mut client = server.client();
    let paths = ["/v1/promotions", "/nowhere", "/v1/releases/1.8.4+rke2r1"];
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).concat();
    client.send(requests.as_bytes()).unwrap();
    assert_eq!(client.response(true).unwrap().body, b"[]");
    assert_eq!(client.response(true).unwrap().status, 404);
    assert_eq!(client.response(true).unwrap().body, br#"{"built":true}"#);
}
