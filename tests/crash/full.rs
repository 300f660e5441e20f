//! Disks that take no more.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::place::Place;

/// Runs a command whose files may not grow beyond a number of blocks: what a full disk looks like,
/// without being root.
fn limited(folder: &Path, blocks: usize, arguments: &str) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {arguments}");
    let program = env!("CARGO_BIN_EXE_tidegate");
    Command::new("sh").args(["-c", &script, program]).current_dir(folder).output().unwrap()
}

/// Every file below a folder with its content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_commit_that_finds_no_space_changes_nothing_and_says_so() {
    let place = Place::with(&["1.8.1"]);
    place.add("1.8.2");
    place.sign();
    let before = (files(&place.path("channels")), files(&place.path("payloads")));
    for arguments in [
        "promote",
        "release hold 1.8.2 --reason etcd --by ada",
        "release yank 1.8.1 --reason etcd --by ada",
        "channel pause 1.8-production --reason etcd --by ada",
        "release sign 1.8.2 --not-before production=2020-01-01T00:00:00Z --reason why --key keys/release.pem",
        "release add 1.8.3 --payload payload.json",
    ] {
        let output = limited(place.dir(), 0, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {output:?}");
        assert!(error.contains("was not written: "), "{arguments}: {error}");
        assert!(error.contains("File too large"), "{arguments}: {error}");
        assert!(before == (files(&place.path("channels")), files(&place.path("payloads"))), "{arguments}");
    }
    place.run(&["promote"]);
}

#[test]
fn a_server_that_cannot_store_serves_what_it_has_says_so_and_goes_on_when_it_can() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let (version, file) = (server.version(), place.path(".tidegate/publication"));
    // A folder in the way stops the rename, for root as well.
    fs::rename(&file, place.path("publication")).unwrap();
    fs::create_dir(&file).unwrap();
    fs::write(file.join("in the way"), "").unwrap();
    place.add("1.8.2");
    place.sign();
    server.until_degraded(
        &["publish_failing"],
        "publication` was not written: the temporary file could not be renamed",
    );
    assert_eq!((server.version(), server.get("/readyz").status), (version, 200));
    assert_eq!(server.latest("1.8-preproduction"), "1.8.1", "nothing is served that is not stored");

    fs::remove_dir_all(&file).unwrap();
    server.until_latest("1.8-preproduction", "1.8.2");
    server.until_degraded(&[], "");
}
