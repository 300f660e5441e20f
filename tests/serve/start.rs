//! Starting, refusing to start, and stopping.

use std::fs;
use std::path::Path;
use std::process::Command;

use tidegate::clock::{Clock as _, SystemClock};
use tidegate::domain::rfc3339;

use crate::place::Place;
use crate::spawn::{Server, refused, since, tidegate, uptime};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

#[test]
fn a_restart_serves_the_last_publication_at_once() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    let manifest = server.get("/v1/channels/1.8-production").body;
    let version = server.version();
    assert!(server.stop().success());
    // With nothing left to publish from, but for the folder itself.
    for name in ["1.7", "1.8", "trust"] {
        fs::rename(place.path("channels").join(name), place.path(name)).unwrap();
    }
    let server = Server::start(place.dir(), &[]);
    assert_eq!(server.get("/v1/channels/1.8-production").body, manifest, "with the first reply");
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.update("1.8-production", "1.7.1")["target"]["version"], "1.8.1");
    server.until_degraded(&["read_failing", "line_refused", "line_refused"], "is gone");
    assert!(server.version() >= version);
    assert_eq!(server.get("/v1/payloads/1.8.1/payload.json").status, 200);
}

#[test]
fn a_restart_without_a_catalog_serves_the_last_publication_until_the_catalog_is_back() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    assert!(place.serve().stop().success());
    let gone = place.path("gone");
    for name in ["channels", "channels/trust/targets.json"] {
        fs::rename(place.path(name), &gone).unwrap();
        let server = Server::start(place.dir(), &[]);
        assert_eq!(server.get("/readyz").status, 200, "{name}");
        assert_eq!(server.update("1.8-production", "1.7.1")["target"]["version"], "1.8.1", "{name}");
        server.until_degraded(&["read_failing"], "");
        fs::rename(&gone, place.path(name)).unwrap();
        server.until_degraded(&[], "");
        assert!(server.stop().success());
    }
    // Without a last publication there is nothing to serve.
    fs::rename(place.path("channels"), gone).unwrap();
    fs::remove_file(place.path(".tidegate/publication")).unwrap();
    let error = refused(place.dir(), &SERVE);
    assert!(error.contains("the catalog folder") && error.contains("cannot be read"), "{error}");
}

#[test]
fn a_pipe_in_the_state_folder_does_not_block_the_start() {
    let place = Place::with(&["1.8.1"]);
    assert!(place.serve().stop().success());
    let publication = place.path(".tidegate/publication");
    let kept = fs::read(&publication).unwrap();
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&publication);
    let error = refused(place.dir(), &SERVE);
    assert!(error.contains("publication` cannot be read") && error.contains("not a regular file"), "{error}");
    fs::remove_file(&publication).unwrap();
    fs::write(&publication, kept).unwrap();
    for file in ["version", "restraints.json", "report.json", "payloads/digests"] {
        pipe(&place.path(".tidegate").join(file));
        let server = place.serve();
        assert_eq!(server.latest("1.8-production"), "1.8.1", "{file}");
    }
}

#[test]
fn a_server_is_killed_and_the_next_one_goes_on() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let version = server.version();
    drop(server);
    let server = place.serve();
    assert!(server.version() >= version);
    assert_eq!(server.latest("1.8-production"), "1.8.1");
}

#[test]
fn a_second_server_on_the_same_state_is_refused() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let error = refused(place.dir(), &SERVE);
    assert!(error.contains(&format!("in use by process {}", server.id())), "{error}");
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_server_that_finds_an_offline_key_among_its_own_does_not_start() {
    let place = Place::with(&["1.8.1"]);
    for role in ["root", "targets", "release"] {
        let key = place.path(&format!(".tidegate/keys/{role}.pem"));
        fs::copy(place.path(&format!("keys/{role}.pem")), &key).unwrap();
        let error = refused(place.dir(), &SERVE);
        assert!(error.contains(&format!("{role}.pem` is a {role} key, which no server may hold")), "{error}");
        assert!(error.contains("hint: move it"), "{error}");
        fs::remove_file(key).unwrap();
    }
}

#[test]
fn a_server_without_what_it_needs_says_what_and_where_from() {
    let place = Place::with(&["1.8.1"]);
    let key = place.path(".tidegate/keys/online.pem");
    fs::rename(&key, place.path("online.pem")).unwrap();
    let error = refused(place.dir(), &SERVE);
    assert!(
        error.contains("there is no online key") && error.contains("otherwise restore it from a backup"),
        "{error}"
    );
    fs::rename(place.path("online.pem"), &key).unwrap();

    let error = refused(place.dir(), &["serve", "--listen", "127.0.0.1:0", "--catalog", "chanels"]);
    assert!(error.contains("`chanels`") && error.contains("hint:"), "{error}");
}

#[test]
fn a_damaged_publication_is_not_served_and_not_forgotten() {
    let place = Place::with(&["1.8.1"]);
    assert!(place.serve().stop().success());
    let file = place.path(".tidegate/publication");
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (what, bytes) in [("cut short", &good[..good.len() - 1]), ("flipped", &flipped), ("empty", b"")] {
        fs::write(&file, bytes).unwrap();
        let error = refused(place.dir(), &SERVE);
        assert!(error.contains("publication` cannot be used"), "{what}: {error}");
        assert!(error.contains("backup") && error.contains("`tidegate serve --first`"), "{what}: {error}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "{what}: it is left for a look");
    }
    fs::write(&file, good).unwrap();
    place.serve();
}

#[test]
fn in_a_git_work_tree_it_must_be_said_who_promotes() {
    let place = Place::with(&["1.8.1"]);
    fs::create_dir(place.path(".git")).unwrap();
    let error = refused(place.dir(), &SERVE);
    assert!(
        error.contains("you must choose whether this server promotes") && error.contains("`--promote off`"),
        "{error}"
    );

    place.add("1.8.2");
    place.sign();
    let before = fs::read(place.file("1.8.2")).unwrap();
    let server = Server::ready(place.dir(), &["--promote", "off"]);
    assert_eq!(server.json("/readyz")["promoting"], false);
    // It decides all the same, and shows what is due.
    let due = server.json("/v1/promotions")["promotions"][0].clone();
    assert_eq!((due["version"].as_str(), due["verdict"].as_str()), (Some("1.8.2"), Some("promote")), "{due}");
    assert!(server.stop().success());
    assert_eq!(fs::read(place.file("1.8.2")).unwrap(), before);

    let server = Server::ready(place.dir(), &["--promote", "on"]);
    server.until_latest("1.8-preproduction", "1.8.2");
}

#[test]
fn sigterm_stops_the_server_within_ten_seconds_with_a_connection_open() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let _idle = std::net::TcpStream::connect(&server.address).unwrap();
    let start = uptime();
    let status = server.stop();
    assert_eq!(status.code(), Some(0));
    // The one promise about time: containers are killed after ten seconds.
    assert!(since(start).as_secs() < 10, "{:?}", since(start));
}

#[test]
fn what_the_server_signs_counts_as_expiring_once_it_was_not_renewed_for_days() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    place.run(&["status"]);
    assert!(place.run(&["status", "--expires-within", "30d"]).contains("nothing expires"));
    let day = |days| rfc3339(SystemClock::new().now() + chrono::TimeDelta::days(days));
    place.run(&["status", "--expires-within", "30d", "--at", &day(3)]);
    let output = tidegate(place.dir())
        .args(["status", "--expires-within", "30d", "--output", "json", "--at", &day(5)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let body: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut names: Vec<&str> =
        body["expires_within"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    names.sort_unstable();
    let channels = ["1.7-preproduction", "1.7-production", "1.8-preproduction", "1.8-production"];
    let expected: Vec<String> =
        channels.map(|name| format!("channel {name}")).into_iter().chain(["timestamp".to_owned()]).collect();
    assert_eq!(names, expected);
    refused(place.dir(), &["status", "--at", &day(8)]);
    assert!(server.stop().success());
}

#[test]
fn a_server_that_is_told_to_stop_writes_the_last_lines_of_its_access_log() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    for n in 0..50 {
        assert_eq!(server.get(&format!("/v1/releases/9.9.{n}")).status, 404);
    }
    assert!(server.stop().success());
    let log = fs::read_to_string(place.path("serve.log")).unwrap();
    for n in 0..50 {
        assert_eq!(log.matches(&format!("path=\"/v1/releases/9.9.{n}\"")).count(), 1, "{n}: {log}");
    }
}
