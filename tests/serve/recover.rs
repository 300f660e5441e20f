//! Lost and restored state.

use std::fs;
use std::io::Write as _;

use crate::place::Place;
use crate::spawn::{Server, eventually, refused};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn lose(place: &Place) {
    for name in ["publication", "version"] {
        fs::remove_file(place.path(".tidegate").join(name)).unwrap();
    }
    fs::remove_dir_all(place.path(".tidegate/segments")).unwrap();
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
    let segments = fs::read_dir(place.path(".tidegate/segments")).unwrap();
    let segments = segments.map(|entry| entry.unwrap().path());
    let backup = ["publication", "version"].map(|name| place.path(".tidegate").join(name));
    let backup: Vec<_> = backup.into_iter().chain(segments).collect();
    let backup: Vec<_> = backup.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
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
fn a_trust_folder_that_was_rolled_back_is_told_and_put_back() {
    let place = Place::with(&["1.8.1"]);
    let first = fs::read(place.path("channels/trust/targets.json")).unwrap();
    for _ in 0..2 {
        let keys = ["--key", "keys/root.pem", "--key", "keys/targets.pem"];
        place.run(&[&["root", "change", "--renew", "root", "--renew", "targets"][..], &keys].concat());
    }
    assert!(place.serve().stop().success());
    let trust = |name: &str| place.path("channels/trust").join(name);
    let good: Vec<_> =
        ["2.root.json", "3.root.json", "targets.json"].map(|name| fs::read(trust(name)).unwrap()).into();
    let damages: [(&str, &dyn Fn()); 5] = [
        ("`root` was rolled back from version `2` to `1`", &|| {
            fs::remove_file(trust("2.root.json")).unwrap();
            fs::remove_file(trust("3.root.json")).unwrap();
        }),
        ("`trust/2.root.json` is missing", &|| fs::remove_file(trust("2.root.json")).unwrap()),
        ("`targets` was rolled back from version `3` to `1`", &|| {
            fs::write(trust("targets.json"), &first).unwrap();
        }),
        ("`trust/1.root.json` is missing", &|| fs::remove_dir_all(trust("")).unwrap()),
        ("`trust/releases-1.8.json` is missing", &|| fs::remove_file(trust("releases-1.8.json")).unwrap()),
    ];
    for (expected, damage) in damages {
        damage();
        let told = refused(place.dir(), &["catalog", "check", "--output", "json"]);
        assert!(told.contains("1 fault"), "{expected}: {told}");
        let output = crate::spawn::tidegate(place.dir()).args(["catalog", "check"]).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains(expected) && told.contains("`tidegate recover --trust`"), "{expected}: {told}");
        let output = crate::spawn::tidegate(place.dir()).arg("status").output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains(expected) && told.contains("`tidegate recover --trust`"), "{expected}: {told}");
        // The way out that both name.
        place.run(&["recover", "--trust"]);
        let now: Vec<_> =
            ["2.root.json", "3.root.json", "targets.json"].map(|name| fs::read(trust(name)).unwrap()).into();
        assert!(now == good, "{expected}");
        place.run(&["catalog", "check"]);
    }
    // What is newer than the last publication stays.
    place.add("1.8.2");
    place.sign();
    let newer = fs::read(trust("releases-1.8.json")).unwrap();
    fs::remove_file(trust("3.root.json")).unwrap();
    place.run(&["recover", "--trust"]);
    assert_eq!(fs::read(trust("releases-1.8.json")).unwrap(), newer);
    place.run(&["verify"]);
}

#[test]
fn a_damaged_publication_on_the_only_server_has_a_way_out_and_versions_do_not_go_back() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let version = server.version();
    assert!(server.stop().success());
    let publication = place.path(".tidegate/publication");
    let bytes = fs::read(&publication).unwrap();
    fs::write(&publication, &bytes[..100]).unwrap();
    let error = refused(place.dir(), &SERVE);
    for told in [".tidegate/publication", "`tidegate recover --from URL|DIR`", "`tidegate serve --first`"] {
        assert!(error.contains(told), "{told}: {error}");
    }
    // The way for those who have no copy, as it is told.
    assert!(error.contains("move `publication` out of the state folder"), "{error}");
    fs::rename(&publication, place.path("damaged")).unwrap();
    let server = Server::ready(place.dir(), &["--first"]);
    assert!(server.version() >= version);
    assert_eq!(server.latest("1.8-production"), "1.8.1");
}

#[test]
fn a_line_that_was_begun_by_mistake_may_be_removed_again_while_the_server_runs() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    fs::create_dir_all(place.path("channels/1.80")).unwrap();
    fs::write(place.path("channels/1.80/line.yaml"), "format: 1\nline: \"1.80\"\n").unwrap();
    eventually("the new line is published", || {
        let status = server.get("/v1/channels/1.80-production").status;
        if status == 200 { Ok(()) } else { Err(status) }
    });
    // What is published with it can be taken up elsewhere.
    place.run(&["export", "live"]);
    place.run(&["import", "live", "--root", "channels/trust/1.root.json", "--state", "mirror"]);
    fs::remove_dir_all(place.path("channels/1.80")).unwrap();
    eventually("the line is gone again", || {
        let status = server.get("/v1/channels/1.80-production").status;
        if status == 404 { Ok(()) } else { Err(status) }
    });
    server.until_degraded(&[], "");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
}

#[test]
fn a_witness_that_cannot_be_verified_keeps_the_server_from_starting_and_one_out_of_reach_is_told() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    place.run(&["export", "live"]);
    assert!(server.stop().success());
    // Nobody listens there yet.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{port}");
    let server = Server::ready(place.dir(), &["--witness", &url]);
    server.until_degraded(&["witness_unasked"], "the server keeps trying");
    // A stranger who answers in its place ends nothing.
    let stranger = std::net::TcpListener::bind(port).unwrap();
    for _ in 0..2 {
        let (mut asked, _) = stranger.accept().unwrap();
        asked.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    }
    drop(stranger);
    server.until_degraded(&["witness_unasked"], "the server keeps trying");
    // Then the witness comes up: a mirror that has the same.
    place.run(&["import", "live", "--root", "channels/trust/1.root.json", "--state", "mirror"]);
    let mut mirror = crate::spawn::tidegate(place.dir())
        .args(["serve", "--mirror", "--state", "mirror", "--listen", &port.to_string()])
        .spawn()
        .unwrap();
    server.until_degraded(&[], "");
    mirror.kill().unwrap();
    mirror.wait().unwrap();
    assert!(server.stop().success());

    // What is there is not what anybody has signed.
    let timestamp = place.path("live/tuf/metadata/timestamp.json");
    let forged = fs::read_to_string(&timestamp).unwrap().replace("\"version\":1", "\"version\":2");
    fs::write(&timestamp, forged).unwrap();
    let error = refused(place.dir(), &[&SERVE[..], &["--witness", "live"]].concat());
    assert!(error.contains("cannot compare with the witness `live`"), "{error}");
    assert!(error.contains("tidegate verify --from"), "{error}");
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
