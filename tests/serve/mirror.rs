//! The service as files, carried elsewhere and served there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::Place;
use crate::spawn::{Server, eventually, refused, run};

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn export(place: &Place, arguments: &[&str]) -> serde_json::Value {
    let all = [&["export", "mirror", "--output", "json"], arguments].concat();
    serde_json::from_str(&place.run(&all)).unwrap()
}

#[test]
fn an_export_is_what_the_server_serves_and_a_second_one_writes_only_what_changed() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    let first = export(&place, &[]);
    assert_eq!(first["written"], first["files"]);
    let mirror = files(&place.path("mirror"));
    for (path, bytes) in &mirror {
        let path = path.to_str().unwrap();
        if path != "images.txt" && path != "v1/channels/index.json" {
            assert_eq!(&server.get(&format!("/{path}")).body, bytes, "{path}");
        }
    }
    for path in [
        "tuf/metadata/1.root.json",
        "tuf/metadata/timestamp.json",
        "v1/channels/1.8-production",
        "v1/releases/1.8.1",
        "v1/channels/index.json",
    ] {
        assert!(mirror.contains_key(Path::new(path)), "{path}");
    }
    assert!(mirror.keys().any(|path| path.to_str().unwrap().ends_with(".payload.1.8.1.payload.json")));
    place.run(&["verify", "--from", "mirror"]);

    let second = export(&place, &[]);
    assert_eq!(second["written"], 0, "{second}");

    place.run(&["channel", "pause", "1.8-production", "--reason", "datacentre move"]);
    eventually("paused", || match server.json("/v1/channels/1.8-production")["signed"]["paused"].clone() {
        serde_json::Value::Null => Err(()),
        _ => Ok(()),
    });
    let third = export(&place, &[]);
    // One channel's manifest in two places, its three online roles, and the list of channels.
    assert_eq!(third["written"], 6, "{third}");
    place.run(&["verify", "--from", "mirror"]);
    let before = files(&place.path("mirror")).len();
    let fourth = export(&place, &["--prune"]);
    assert_eq!(fourth["pruned"], 3, "{fourth}");
    assert_eq!(files(&place.path("mirror")).len(), before - 3);
    place.run(&["verify", "--from", "mirror"]);
}

#[test]
fn an_export_lists_the_images_that_payloads_name() {
    let place = Place::new();
    let payload = r#"{"deployments":[{"spec":{"containers":[{"image":"quay.io/coreos/op:v1"}]}}]}"#;
    fs::write(place.path("p.json"), payload).unwrap();
    fs::write(place.path("q.bin"), "not json").unwrap();
    place.run(&["release", "add", "1.8.1", "--payload", "p.json", "--payload", "q.bin"]);
    place.sign();
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.1");
    let body = export(&place, &[]);
    assert_eq!(body["images"], serde_json::json!(["quay.io/coreos/op:v1"]));
    assert_eq!(body["unread"], serde_json::json!(["q.bin"]));
    assert_eq!(fs::read_to_string(place.path("mirror/images.txt")).unwrap(), "quay.io/coreos/op:v1\n");
}

#[test]
fn an_export_without_a_publication_says_what_to_do() {
    let place = Place::with(&["1.8.1"]);
    let error = refused(place.dir(), &["export", "mirror"]);
    assert!(error.contains("nothing was published") && error.contains("hint:"), "{error}");
    assert!(!place.path("mirror").exists());
}

/// A second place, which knows the vendor's first root and nothing else.
struct Closed(tempfile::TempDir);

impl Closed {
    fn new(place: &Place) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(place.path("channels/trust/1.root.json"), folder.path().join("1.root.json")).unwrap();
        Self(folder)
    }

    fn carry(&self, place: &Place) {
        let _ = fs::remove_dir_all(self.0.path().join("stick"));
        let copied = Command::new("cp")
            .args(["-r", place.path("mirror").to_str().unwrap()])
            .arg(self.0.path().join("stick"))
            .status()
            .unwrap();
        assert!(copied.success());
    }

    fn import(&self, arguments: &[&str]) -> serde_json::Value {
        let all = [&["import", "stick", "--output", "json"], arguments].concat();
        serde_json::from_str(&run(self.0.path(), &all)).unwrap()
    }
}

#[test]
fn an_import_is_served_as_it_was_where_it_came_from_and_the_next_one_takes_its_place() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    place.add("1.8.9");
    place.sign();
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.9");
    export(&place, &[]);
    let closed = Closed::new(&place);
    closed.carry(&place);
    let error = refused(closed.0.path(), &["import", "stick"]);
    assert!(error.contains("no root here") && error.contains("--root FILE"), "{error}");
    assert_eq!(closed.import(&["--root", "1.root.json"])["imported"], true);

    let mirror = Server::ready(closed.0.path(), &["--mirror"]);
    for path in [
        "/v1/channels/1.8-production",
        "/v1/channels/1.8-production/update?version=1.7.1",
        "/v1/releases/1.8.1",
        "/v1/payloads/1.8.1/payload.json",
        "/tuf/metadata/timestamp.json",
    ] {
        assert_eq!(mirror.get(path).body, server.get(path).body, "{path}");
    }
    assert_eq!(closed.import(&[])["imported"], false, "it is there already");
    // Plans are not signed, and so are not known here.
    assert_eq!(mirror.json("/v1/releases/1.8.1/explain")["state"], "promoted");
    assert_eq!(mirror.json("/v1/releases/1.8.9/explain")["state"], "unknown");

    fs::rename(closed.0.path().join("stick"), closed.0.path().join("old")).unwrap();
    place.add("1.8.10");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.10");
    export(&place, &[]);
    closed.carry(&place);
    assert_eq!(closed.import(&[])["imported"], true);
    mirror.until_latest("1.8-preproduction", "1.8.10");
    assert_eq!(mirror.get("/v1/payloads/1.8.10/payload.json").status, 200);

    let error = refused(closed.0.path(), &["import", "old"]);
    assert!(error.contains("older than the last import"), "{error}");
    assert_eq!(mirror.latest("1.8-preproduction"), "1.8.10");
}

#[test]
fn an_import_that_was_tampered_with_changes_nothing() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let closed = Closed::new(&place);
    closed.carry(&place);
    let stick = closed.0.path().join("stick");
    let all = files(&stick);
    let tampered = all.keys().filter(|path| path.starts_with("tuf"));
    for path in tampered {
        let good = &all[path];
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        fs::write(stick.join(path), bad).unwrap();
        let error = refused(closed.0.path(), &["import", "stick", "--root", "1.root.json"]);
        assert!(error.contains("not imported"), "{}: {error}", path.display());
        assert!(!closed.0.path().join(".tidegate/publication").exists());
        fs::write(stick.join(path), good).unwrap();
    }
    closed.import(&["--root", "1.root.json"]);
}

#[test]
fn an_export_over_that_of_another_catalog_replaces_its_roles() {
    let one = Place::with(&["1.8.1"]);
    let two = Place::with(&["1.8.1"]);
    let (_first, _second) = (one.serve(), two.serve());
    let shared = two.path("mirror").display().to_string();
    one.run(&["export", &shared]);
    two.run(&["export", &shared]);
    two.run(&["verify", "--from", &shared]);
}
