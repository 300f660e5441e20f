//! The console's pages.

use std::sync::Arc;

use super::client::Response;
use super::fixture::{NOW, json};
use super::{Client, spawn, spawn_with};
use crate::domain::Time;
use crate::promoter::status::{Degraded, DegradedKind, Status};
use crate::publish::Publication;
use crate::publish::page::Pages;

fn assert_is_a_safe_page(response: &Response) {
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = response.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn a_page_answers_a_problem_with_a_page_that_shows_what_was_asked_as_text() {
    let server = spawn();
    for (path, status, shown) in [
        ("/channels/%3Cb%3E1.9", 404, "&lt;b&gt;1.9"),
        ("/channels/1.8-production?version=%3Cscript%3E", 400, "&lt;script&gt;"),
        ("/releases/1.8.5", 404, "1.8.5"),
        ("/releases/%3Cb%3E", 400, "&lt;b&gt;"),
        ("/history?text=a&text=b", 400, "more than once"),
        ("/", 503, "not made yet"),
    ] {
        let response = server.client().get(path);
        assert_eq!(response.status, status, "{path}");
        assert_is_a_safe_page(&response);
        let page = String::from_utf8(response.body).unwrap();
        assert!(page.contains(shown) && !page.contains("<b>"), "{path}: {page}");
    }
}

#[test]
fn what_is_degraded_is_on_the_status_page_and_on_top_of_the_board() {
    let server = spawn_with(|config| config.admin_listen = Some("127.0.0.1:0".parse().unwrap()));
    let time = |seconds| Time::from_timestamp(seconds, 0).unwrap();
    let why = "no room on the disk".to_owned();
    let degraded = vec![Degraded::Failed { kind: DegradedKind::SigningFailing, why }];
    let report =
        |now| server.shared.report(Status { degraded: degraded.clone(), ..Status::default() }, time(now));
    report(NOW - 7200);
    report(NOW);
    let read = |mut client: Client, path: &str| String::from_utf8(client.get(path).body).unwrap();
    let page = read(server.client(), "/status");
    for shown in [
        "Degraded</span>",
        "Nothing can be signed.",
        "Clusters get what was published last",
        "operator can mend it: <code>tidegate status</code>",
        "datetime=\"2017-12-31T22:00:00Z\"",
        "on the server's admin listener",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("o room"), "{page}");
    let page = read(Client::connect(server.admin_address.unwrap()), "/status");
    assert!(page.contains("No room on the disk") && !page.contains("admin listener"), "{page}");
    let events = read(server.client(), "/events");
    assert!(events.contains("event: degraded\ndata: [\"nothing can be signed\"]\n"), "{events}");
    server.clock.set(NOW + 365 * 86_400);
    assert!(read(server.client(), "/status").contains("Stale</span>"));
}

#[test]
fn the_last_board_says_that_nothing_can_be_published() {
    let server = spawn();
    let mut next = Publication::clone(server.shared.publication.load().as_ref().unwrap());
    let board = "<p>before</p><div id=\"degraded\"></div><p>after</p>";
    let [board, calendar, feed, trust] = [board, "[]", "[]", "[]"].map(json);
    next.pages = Some(Pages { board, calendar, feed, trust });
    server.shared.publication.store(Some(Arc::new(next)));
    let read = || server.client().get("/");
    assert_eq!(read().header("cache-control"), Some("public, no-cache"), "a browser asks each time");
    let why = "no room on the disk".to_owned();
    let degraded = vec![Degraded::Failed { kind: DegradedKind::SigningFailing, why }];
    let time = Time::from_timestamp(NOW, 0).unwrap();
    server.shared.report(Status { degraded, ..Status::default() }, time);
    let page = String::from_utf8(read().body).unwrap();
    assert!(page.contains("before</p><div id=\"degraded\"><p class=\"note\">"), "{page}");
    assert!(page.contains("nothing can be signed") && page.ends_with("</div><p>after</p>"), "{page}");
}

#[test]
fn a_filter_is_shown_as_text() {
    let response = spawn().client().get("/history?text=%22%3E%3Cb%3E&line=%3Cb%3E");
    assert_eq!(response.status, 200);
    assert_is_a_safe_page(&response);
    let page = String::from_utf8(response.body).unwrap();
    assert!(page.contains("value=\"&quot;&gt;&lt;b&gt;\"") && !page.contains("<b>"), "{page}");
}

#[test]
fn a_reader_hears_once_of_each_board() {
    let server = spawn();
    let publish = |board: &str| {
        let mut next = Publication::clone(server.shared.publication.load().as_ref().unwrap());
        let [board, calendar, feed, trust] = [board, "[]", "[]", "[]"].map(json);
        next.pages = Some(Pages { board, calendar, feed, trust });
        server.shared.publication.store(Some(Arc::new(next)));
    };
    let events = |seen: &str| {
        let response = server.client().ask("GET", "/events", &[&format!("last-event-id: {seen}")]);
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        let text = String::from_utf8(response.body).unwrap();
        assert!(text.starts_with("retry: "), "{text}");
        text.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned)
    };
    assert_eq!(events(""), None);
    publish("[1]");
    let first = events("").unwrap();
    assert_eq!(events(&first), None);
    publish("[2]");
    let second = events(&first).unwrap();
    assert_ne!(second, first);
    assert_eq!(events(&second), None);
}

#[test]
fn without_a_console_there_are_no_pages() {
    let server = spawn_with(|config| config.console = false);
    for path in ["/", "/status", "/console.css", "/events"] {
        let response = server.client().get(path);
        assert_eq!((response.status, response.problem().as_str()), (404, "unknown_route"), "{path}");
    }
}
