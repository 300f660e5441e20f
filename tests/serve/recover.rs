//! Lost and restored state.

use std::fs;

use crate::place::Place;
use crate::spawn::{Server, eventually, refused};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn lose(place: &Place) {
    for name in ["publication", "version"] {
        fs::remove_file(place.path(".tidegate").join(name)).unwrap();
    }
    fs::remove_dir_all(place.path(".tidegate/payloads")).unwrap();
    let _ = fs::remove_file(place.path(".tidegate/.gitignore"));
}

#[test]
fn a_server_that_lost_its_state_does_not_start_before_it_is_told_what_was_live() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    let version = server.version();
    place.run(&["export", "live"]);
    assert!(server.stop().success());
    lose(&place);

    let error = refused(place.dir(), &SERVE);
    assert!(error.contains("no last publication"), "{error}");
    assert!(error.contains("tidegate recover --from") && error.contains("serve --first"), "{error}");

    place.run(&["recover", "--from", "live"]);
    let ignored = fs::read_to_string(place.path(".tidegate/.gitignore"));
    assert_eq!(ignored.unwrap(), "*\n", "the key lies there");
    // What is in the catalog now would step back from what was live.
    fs::remove_file(place.file("1.8.1")).unwrap();
    let server = place.serve();
    server.until_degraded(&["line_refused"], "`1.8.1` was published in");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
    place.run(&["channel", "pause", "1.7-production", "--reason", "datacentre move"]);
    eventually("what is signed now is above what was live", || {
        let own = server.version();
        if own > version { Ok(()) } else { Err(own) }
    });
}

#[test]
fn a_state_brought_back_from_a_backup_is_behind_its_witness_until_it_recovers() {
    let place = Place::with(&["1.8.1"]);
    assert!(place.serve().stop().success());
    let backup: Vec<_> = ["publication", "version"]
        .map(|name| place.path(".tidegate").join(name))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .into();
    let server = place.serve();
    place.add("1.8.2");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    let live = server.version();
    place.run(&["export", "live"]);
    assert!(server.stop().success());

    // What is live here is not behind itself.
    assert!(Server::ready(place.dir(), &["--witness", "live"]).stop().success());
    for (path, bytes) in &backup {
        fs::write(path, bytes).unwrap();
    }
    let error = refused(place.dir(), &[&SERVE[..], &["--witness", "live"]].concat());
    assert!(error.contains("behind what is published"), "{error}");
    assert!(error.contains("tidegate recover --from live"), "{error}");
    place.run(&["recover", "--from", "live"]);
    let server = Server::ready(place.dir(), &["--witness", "live"]);
    assert!(server.version() >= live);
    assert_eq!(server.latest("1.8-preproduction"), "1.8.2");
}

#[test]
fn a_recovery_to_what_is_older_does_nothing() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    place.run(&["export", "live"]);
    place.add("1.8.2");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    let error = refused(place.dir(), &["recover", "--from", "live"]);
    assert!(error.contains("in use by process") && error.contains("stop the server"), "{error}");
    assert!(server.stop().success());
    let before = fs::read(place.path(".tidegate/publication")).unwrap();
    let said = place.run(&["recover", "--from", "live"]);
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(fs::read(place.path(".tidegate/publication")).unwrap(), before);
}

#[test]
fn a_first_start_is_said_once() {
    let place = Place::with(&["1.8.1"]);
    fs::remove_file(place.path(".tidegate/new")).unwrap();
    refused(place.dir(), &SERVE);
    assert!(Server::ready(place.dir(), &["--first"]).stop().success());
    assert!(place.serve().stop().success());
}

#[test]
fn status_tells_from_the_folders_what_a_server_would_refuse() {
    let place = Place::with(&["1.8.1"]);
    assert!(place.serve().stop().success());
    assert!(!place.run(&["status"]).contains("degraded"));
    fs::remove_file(place.path("payloads/1.8.1/payload.json")).unwrap();
    let told = place.run(&["status"]);
    assert!(told.contains("line_refused"), "{told}");
    assert!(told.contains("payload `payload.json` is missing"), "{told}");
}
