//! Lines whose published documents were lost from the state folder.

use std::fs;
use std::path::PathBuf;

use tidegate::promoter::stored;
use tidegate::store::state::StateFolder;

use crate::place::Place;
use crate::spawn::{Server, eventually, refused, tidegate};

/// The file of a line's segment.
fn segment(place: &Place, line: &str) -> PathBuf {
    let last = stored::publication(&StateFolder::new(&place.path(".tidegate"))).unwrap().unwrap();
    let part = last.parts().find(|part| part.line.as_str() == line).unwrap();
    place.path(".tidegate/segments").join(part.stored().unwrap().sha256.to_string())
}

/// Two lines that were published, and an export of them. The segment of line `1.8` is gone.
fn lost() -> (Place, PathBuf, Vec<u8>) {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    place.run(&["export", "live"]);
    assert!(server.stop().success());
    let file = segment(&place, "1.8");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    (place, file, bytes)
}

fn is_answered(server: &Server) {
    server.until_latest("1.8-production", "1.8.1");
    server.until_degraded(&[], "");
}

#[test]
fn a_lost_line_is_named_and_not_answered_for_and_the_others_go_on() {
    let (place, file, bytes) = lost();
    let server = place.serve();
    let paths = [
        "/v1/channels/1.8-production",
        "/v1/channels/1.8-production/update?version=1.8.0",
        "/v1/channels/1.7-production/update?version=1.8.1",
        "/v1/releases/1.8.1",
        "/v1/releases/1.8.1/explain",
        "/v1/payloads/1.8.1/payload.json",
        "/tuf/metadata/1.releases-1.8.json",
    ];
    eventually("it is listed", || {
        let body = server.json("/v1/channels");
        let listed =
            serde_json::json!([{ "line": "1.8", "channels": ["1.8-preproduction", "1.8-production"] }]);
        let is_known = body["channels"].as_array().unwrap().iter().any(|channel| channel["line"] == "1.8");
        if body["lost"] == listed && !is_known { Ok(()) } else { Err(body.to_string()) }
    });
    // At once, and after the next publication.
    for told in 0..2 {
        for path in paths {
            let response = server.get(path);
            assert_eq!((response.status, &response.json()["kind"]), (503, &"line_lost".into()), "{path}");
        }
        assert_eq!(server.get("/v1/channels/1.9-production").status, 404);
        assert_eq!(server.get("/readyz").status, 200);
        assert_eq!(server.latest("1.7-production"), "1.7.1");
        if told == 0 {
            server.until_degraded(&["line_refused"], &file.file_name().unwrap().to_string_lossy());
            place.add("1.7.2");
            place.sign();
            server.until_latest("1.7-preproduction", "1.7.2");
        }
    }
    // A cluster of the other line verifies what it is told.
    let url = format!("http://{}", server.address);
    let cluster = ["cluster", "add", "c", "--server", &url, "--channel", "1.7-preproduction"];
    place.run(&[&cluster[..], &["--root", "channels/trust/1.root.json", "--current", "echo 1.7.1"]].concat());
    let told = place.run(&["cluster", "check", "c"]);
    assert!(told.contains("1.7.2"), "{told}");
    // Nobody takes what is left for the whole.
    let told = refused(place.dir(), &["verify", "--from", &url]);
    assert!(told.contains("status 503"), "{told}");
    let told = refused(place.dir(), &["export", "other"]);
    assert!(told.contains("line `1.8` is lost") && told.contains("tidegate recover"), "{told}");
    let output = tidegate(place.dir()).arg("status").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("tidegate recover --from") && told.contains("tidegate recover --anew 1.8"),
        "{told}"
    );
    assert!(place.run(&["explain", "1.8.1"]).contains("what was published of the line is lost"));
    assert!(server.stop().success());
    // The file is brought back from a backup.
    fs::write(&file, bytes).unwrap();
    is_answered(&place.serve());
}

#[test]
fn a_lost_line_is_restored_from_what_clients_see() {
    let (place, ..) = lost();
    let server = place.serve();
    let error = refused(place.dir(), &["recover", "--from", "live"]);
    assert!(error.contains("stop the server"), "{error}");
    assert!(server.stop().success());
    let said = place.run(&["recover", "--from", "live"]);
    assert!(said.contains("restored line 1.8"), "{said}");
    // What the catalog has lost meanwhile is noticed.
    fs::remove_file(place.file("1.8.1")).unwrap();
    let server = place.serve();
    server.until_degraded(&["line_refused"], "`1.8.1` was published in");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
}

#[test]
fn a_pause_of_a_lost_line_finds_the_file_that_it_belongs_to() {
    let (place, ..) = lost();
    fs::remove_dir_all(place.path("channels/1.8")).unwrap();
    let told = refused(place.dir(), &["channel", "pause", "1.8-production", "--reason", "etcd"]);
    assert!(told.contains("> channels/1.8/line.yaml") && told.contains("paused: { production: "), "{told}");
}

#[test]
fn an_alias_in_a_lost_line_is_not_taken_for_a_stage() {
    let place = Place::with(&["1.8.1"]);
    let line = place.path("channels/1.8/line.yaml");
    let stages = "stages:\n  - name: preproduction\n  - { name: production, aliases: [1.8-stable] }\n";
    fs::write(&line, fs::read_to_string(&line).unwrap() + stages).unwrap();
    assert!(place.serve().stop().success());
    fs::remove_file(segment(&place, "1.8")).unwrap();
    fs::remove_dir_all(place.path("channels/1.8")).unwrap();
    for (channel, is_known) in [("1.8-stable", false), ("1.8-production", true)] {
        let told = refused(place.dir(), &["channel", "pause", channel, "--reason", "etcd"]);
        assert_eq!(told.contains("paused: { "), is_known, "{told}");
    }
}

#[test]
fn a_lost_line_begins_anew_when_somebody_says_so_and_why() {
    let (place, file, _) = lost();
    let anew = ["recover", "--anew", "1.8", "--by", "ada"];
    let told = tidegate(place.dir()).args(anew).output().unwrap();
    assert_eq!(told.status.code(), Some(2), "a reason is needed: {told:?}");
    let with = |line: &str, reason: &str| {
        ["recover", "--anew", line, "--by", "ada", "--reason", reason].map(str::to_owned)
    };
    let refused_with =
        |line: &str, reason: &str| refused(place.dir(), &with(line, reason).each_ref().map(String::as_str));
    assert!(refused_with("1.8", " ").contains("the reason is empty"));
    assert!(refused_with("1.7", "no copy").contains("line `1.7` is not lost"));
    // What cannot be read may still be there.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let told = refused_with("1.8", "no copy");
    assert!(told.contains("may still be there, but cannot be read"), "{told}");
    fs::remove_file(&file).unwrap();
    place.run(&with("1.8", "no copy is left").each_ref().map(String::as_str));
    let server = place.serve();
    is_answered(&server);
    eventually("its segment is there", || {
        if segment(&place, "1.8").is_file() { Ok(()) } else { Err(file.display().to_string()) }
    });
    let told = place.run(&["status", "--output", "json"]);
    assert!(told.contains("no copy is left") && told.contains("ada"), "{told}");
}
