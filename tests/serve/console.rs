//! The console's pages, and who is named on them and beside them.

use crate::place::Place;
use crate::spawn::{Server, eventually, get};

/// A catalog with a release that ada has moved to production, and one that grace holds.
fn place() -> Place {
    let place = Place::with(&["1.8.1"]);
    place.add("1.8.2");
    place.sign();
    place.run(&["release", "hold", "1.8.2", "--reason", "etcd <loses> quorum", "--by", "grace"]);
    place
}

/// Everything about the releases that a server tells anybody.
fn told(server: &Server) -> Vec<(&'static str, String)> {
    let paths = [
        "/",
        "/history",
        "/history.atom",
        "/releases/1.8.1",
        "/releases/1.8.2",
        "/channels/1.8-production",
        "/calendar",
        "/v1/promotions",
        "/v1/channels",
        "/v1/releases/1.8.1/explain",
        "/v1/releases/1.8.2/explain",
        "/v1/channels/1.8-production/update?version=1.8.1",
    ];
    let text = |path| {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{path}");
        (path, String::from_utf8(response.body).unwrap())
    };
    paths.map(text).into()
}

#[test]
fn nobody_is_named_to_the_public_unless_the_operator_says_so() {
    let place = place();
    let names = |text: &str| ["by ada", "\"ada\"", "grace"].iter().any(|name| text.contains(name));
    let server = place.serve();
    for (path, text) in told(&server) {
        assert!(!names(&text), "{path}: {text}");
    }
    assert!(server.get("/history").body.windows(4).any(|text| text == b"etcd"));
    assert!(server.stop().success());

    let server = Server::ready(place.dir(), &["--show-names"]);
    // Until it has read the catalog, it serves what is stored.
    eventually("people are named", || {
        let found: Vec<&str> =
            told(&server).into_iter().filter(|(_, text)| names(text)).map(|(path, _)| path).collect();
        let wanted = [
            "/",
            "/history",
            "/history.atom",
            "/releases/1.8.2",
            "/v1/promotions",
            "/v1/releases/1.8.2/explain",
        ];
        if wanted.iter().all(|path| found.contains(path)) { Ok(()) } else { Err(found) }
    });
}

#[test]
fn what_people_write_is_shown_as_text() {
    let server = place().serve();
    for (path, text) in told(&server).iter().filter(|(path, _)| !path.starts_with("/v1")) {
        assert!(!text.contains("<loses>"), "{path}: {text}");
    }
    let board = String::from_utf8(server.get("/").body).unwrap();
    assert!(board.contains("etcd &lt;loses&gt; quorum"), "{board}");
}

#[test]
fn the_calendar_foresees_what_is_promoted_for_those_who_may_ask() {
    let place = place();
    place.add_due("1.8.3", 3600);
    let server = Server::ready(place.dir(), &["--admin-listen", "127.0.0.1:0"]);
    let public = String::from_utf8(server.get("/calendar?at=2100-01-01").body).unwrap();
    assert!(!public.contains("Forecast"), "{public}");
    let page = |address: &str, path| String::from_utf8(get(address, path).body).unwrap();
    eventually("the catalog is read", || {
        let channel = page(&server.admin, "/channels/1.8-production");
        if channel.contains("name=\"at\"") { Ok(()) } else { Err(channel) }
    });
    assert!(!page(&server.address, "/channels/1.8-production").contains("name=\"at\""));
    let ask = "/channels/1.8-production?version=1.8.1&at=2100-01-01";
    let public = page(&server.address, ask);
    assert!(public.contains("A cluster on") && !public.contains("Forecast"), "{public}");
    let admin = page(&server.admin, ask);
    assert!(admin.contains("Forecast") && admin.contains("href=\"/releases/1.8.3\""), "{admin}");
    assert!(page(&server.admin, "/calendar?at=2018-01-01").contains("has passed"));
    // Operators see names in sentences too, and the public does not.
    assert!(page(&server.admin, "/releases/1.8.2").contains("by grace: etcd"));
    assert!(!page(&server.address, "/releases/1.8.2").contains("grace"));
    // A line that is refused is not foreseen.
    std::fs::write(place.dir().join("channels/1.8/1.8.1.yaml"), ": [").unwrap();
    eventually("nothing is foreseen through a refused line", || {
        let page = page(&server.admin, ask);
        if page.contains("Line <code>1.8</code> is not updated") { Ok(()) } else { Err(page) }
    });
    assert!(page(&server.admin, "/calendar?at=2100-01-01").contains("Left out</span>"));
}

#[test]
fn a_demo_foresees_what_is_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let channels = concat!(env!("CARGO_MANIFEST_DIR"), "/channels");
    let server = Server::ready(folder.path(), &["--demo", "--catalog", channels]);
    let page = |path: &str| {
        let response = server.get(path);
        (response.status, String::from_utf8(response.body).unwrap())
    };
    let (status, text) = page("/calendar?at=2100-01-01");
    assert_eq!(status, 200);
    assert!(text.contains("will have happened") && text.contains("1.10.3-demo.1</a> enters"), "{text}");
    let (status, text) = page("/calendar?at=soon");
    assert!(status == 400 && text.contains("A day looks like"), "{status} {text}");
}
