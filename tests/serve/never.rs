//! Never step back: what was published stays so, unless a yank says why.

use std::fs;
use std::path::Path;

use tidegate::clock::{Clock as _, SystemClock};

use crate::place::{Place, edit};
use crate::spawn::{Server, eventually};

/// Changes a catalog, and says how to take that back.
type Damage = fn(&Place) -> Box<dyn Fn(&Place)>;

fn away(place: &Place, name: &str) -> Box<dyn Fn(&Place)> {
    let (from, name) = (place.path(name), name.to_owned());
    fs::rename(&from, place.path("away")).unwrap();
    Box::new(move |place| fs::rename(place.path("away"), place.path(&name)).unwrap())
}

fn written(place: &Place, name: &str, text: &str) -> Box<dyn Fn(&Place)> {
    let path = place.path(name);
    let before = fs::read(&path).unwrap();
    fs::write(&path, text).unwrap();
    Box::new(move |_| fs::write(&path, &before).unwrap())
}

fn edited(path: &Path, from: &str, to: &str) -> Box<dyn Fn(&Place)> {
    let (path, before) = (path.to_owned(), fs::read(path).unwrap());
    edit(&path, from, to);
    Box::new(move |_| fs::write(&path, &before).unwrap())
}

#[test]
fn what_would_step_back_is_refused_and_told_with_the_way_out() {
    let place = Place::with(&["1.7.1", "1.8.1", "1.8.2"]);
    let server = place.serve();
    let asked = || {
        let channels = ["1.7-production", "1.8-preproduction", "1.8-production"];
        let manifests = channels.map(|name| server.get(&format!("/v1/channels/{name}")).body);
        // Answers tell that the line is refused, and stay the same apart from that.
        let answers = ["1.7.1", "1.8.1", "1.8.2"].map(|version| {
            let answer = server.update("1.8-production", version);
            ["action", "code", "target", "take", "next"].map(|field| answer[field].clone())
        });
        (manifests, answers)
    };
    let before = asked();
    let damages: [(&str, Damage, &str, &str); 7] = [
        (
            "a line's folder is gone",
            |place| away(place, "channels/1.8"),
            "channel `1.8-preproduction` was published and is gone",
            "restore line `1.8` and its stages",
        ),
        (
            "a release's file is gone",
            |place| away(place, "channels/1.8/1.8.2.yaml"),
            "`1.8.2` was published in `1.8-preproduction` and is no longer on offer there",
            "tidegate release yank 1.8.2 --reason TEXT",
        ),
        (
            "an entry says another time",
            |place| {
                let text = fs::read_to_string(place.file("1.8.2")).unwrap();
                let year = text.split_once("production: { since: 20").unwrap().1[..2].to_owned();
                edited(&place.file("1.8.2"), &format!("since: 20{year}"), "since: 2019")
            },
            "`1.8.2` was published in `1.8-preproduction` with `since:",
            "write `since:",
        ),
        (
            "a payload is gone",
            |place| away(place, "payloads/1.8.2/payload.json"),
            "`1.8.2` was published in `1.8-preproduction`, but payload `payload.json` is missing",
            "restore the published files in `payloads/1.8.2/`",
        ),
        (
            "a payload is another, in place",
            |place| written(place, "payloads/1.8.2/payload.json", "{\"version\":\"1.8.3\"}"),
            "`1.8.2` was published in `1.8-preproduction`, but payload `payload.json` does not match the catalog",
            "restore the published files in `payloads/1.8.2/`",
        ),
        (
            "a signed manifest is gone",
            |place| away(place, "payloads/1.8.2/release.json"),
            "`1.8.2` was published in `1.8-preproduction`, but its signed manifest cannot be used: `release.json` is missing",
            "restore `payloads/1.8.2/release.json`",
        ),
        (
            "all of the line's releases are gone",
            |place| {
                let first = fs::read(place.file("1.8.1")).unwrap();
                fs::remove_file(place.file("1.8.1")).unwrap();
                let second = away(place, "channels/1.8/1.8.2.yaml");
                Box::new(move |place| {
                    fs::write(place.file("1.8.1"), &first).unwrap();
                    second(place);
                })
            },
            "(and 3 more)",
            "tidegate release yank 1.8.1 --reason TEXT",
        ),
    ];
    for (what, damage, told, way_out) in damages {
        eprintln!("{what}");
        let heal = damage(&place);
        server.until_degraded(&["line_refused"], told);
        let (_, details) = server.degraded();
        assert!(
            details.contains(way_out)
                && details.contains("line `1.8` was refused (its last good documents stay published)"),
            "{details}"
        );
        assert!(asked() == before, "{what}");
        assert_eq!(server.get("/v1/payloads/1.8.2/payload.json").body, b"{\"version\":\"1.8.2\"}", "{what}");
        heal(&place);
        server.until_degraded(&[], "");
    }
}

#[test]
fn keys_and_roles_that_go_back_are_told_and_not_followed() {
    let place = Place::with(&["1.8.1"]);
    let role = place.path("channels/trust/releases-1.8.json");
    let old = fs::read(&role).unwrap();
    place.add("1.8.2");
    place.sign();
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.2");
    let new = fs::read(&role).unwrap();
    fs::write(&role, old).unwrap();
    server.until_degraded(&["read_failing"], "`releases-1.8` was rolled back");
    assert_eq!(server.latest("1.8-preproduction"), "1.8.2");
    fs::write(&role, new).unwrap();
    server.until_degraded(&[], "");
}

#[test]
fn a_lost_state_brings_no_version_back() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let channel = |server: &Server| {
        let manifest = server.json("/v1/channels/1.8-production");
        manifest["signed"]["version"].as_u64().unwrap()
    };
    // However fast changes come, versions do not run ahead of the milliseconds since 1970.
    for reason in ["one", "two", "three"] {
        place.run(&["channel", "pause", "1.8-production", "--reason", reason]);
        place.run(&["channel", "resume", "1.8-production", "--reason", "fixed"]);
    }
    let last = (server.version(), channel(&server));
    let now = || u64::try_from(SystemClock::new().exact().timestamp_millis()).unwrap();
    assert!(last.0 <= now(), "{last:?}");
    assert!(server.stop().success());
    fs::remove_file(place.path(".tidegate/publication")).unwrap();
    fs::remove_file(place.path(".tidegate/version")).unwrap();
    eventually("the next millisecond", || if now() > last.0 { Ok(()) } else { Err(now()) });
    // Even for somebody who says wrongly that nothing was ever published.
    let server = Server::ready(place.dir(), &["--first"]);
    assert!(server.version() > last.0 && channel(&server) > last.1, "{last:?} {}", server.version());
}
