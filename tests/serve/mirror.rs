//! The service as files, carried elsewhere and served there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
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

/// The commands of `docs/mirror.md` that copy a mirror with a program, without those that say from where to where.
fn copying(program: &str) -> Vec<String> {
    let page = include_str!("../../docs/mirror.md");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let of_program = blocks.flat_map(str::lines).filter(|line| line.starts_with(program));
    of_program.map(str::to_owned).collect()
}

#[test]
fn a_client_can_read_a_copy_of_a_mirror_after_each_command_that_copies_it() {
    let place = Place::with(&["1.8.1"]);
    for program in ["rsync", "rclone"] {
        // `tests/run` installs rsync; not every machine has either.
        if Command::new(program).arg("--version").output().is_err() {
            continue;
        }
        let to = format!("copy-{program}");
        let copied = |command: &str| {
            let script = format!("cd mirror && to='{}' && {command}", place.path(&to).display());
            let output = Command::new("sh").args(["-c", &script]).current_dir(place.dir()).output().unwrap();
            assert!(output.status.success(), "{command}: {output:?}");
        };
        let commands = copying(program);
        assert_eq!(commands.len(), 4, "{commands:?}");
        let server = place.serve();
        export(&place, &[]);
        for command in &commands {
            copied(command);
        }
        place.run(&["verify", "--from", &to]);
        // As if that was long ago: rsync compares times to the second, and a file of the next export may be as large.
        let touched = Command::new("find")
            .arg(place.path(&to))
            .args(["-type", "f", "-exec", "touch", "-d", "2018-01-01", "{}", "+"])
            .status();
        assert!(touched.unwrap().success());

        let version = format!("1.8.{}", 1 + program.len());
        place.add(&version);
        place.sign();
        eventually("the new release", || match server.get(&format!("/v1/releases/{version}")).status {
            200 => Ok(()),
            status => Err(status),
        });
        export(&place, &[]);
        // A payload with this name is no root.
        fs::write(place.path("mirror/tuf/targets/0.cluster.root.json"), "{}").unwrap();
        for command in &commands {
            copied(command);
            place.run(&["verify", "--from", &to]);
        }
        assert!(files(&place.path(&to)) == files(&place.path("mirror")), "{program}");
    }
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

#[test]
fn an_export_writes_and_removes_only_in_its_own_folder() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    fs::create_dir_all(place.path("home/.ssh")).unwrap();
    fs::write(place.path("home/thesis"), "mine").unwrap();
    for link in ["tuf", "tuf/targets", "v1/releases"] {
        let mirror = place.path("mirror");
        let _ = fs::remove_dir_all(&mirror);
        fs::create_dir_all(mirror.join(link).parent().unwrap()).unwrap();
        symlink(place.path("home"), mirror.join(link)).unwrap();
        for more in [&[][..], &["--prune"]] {
            let error = refused(place.dir(), &[&["export", "mirror"], more].concat());
            assert!(error.contains("is a symbolic link") && error.contains("remove the link"), "{error}");
        }
        assert_eq!(files(&place.path("home")).len(), 1, "{link}");
        // What the hint says works.
        fs::remove_file(mirror.join(link)).unwrap();
        export(&place, &[]);
    }
    // A link in place of a file is replaced. The folder itself may be named by a link.
    let named = place.path("mirror/images.txt");
    fs::remove_file(&named).unwrap();
    symlink(place.path("home/thesis"), &named).unwrap();
    symlink(place.path("mirror"), place.path("link")).unwrap();
    place.run(&["export", "link"]);
    assert!(fs::symlink_metadata(&named).unwrap().is_file());
    assert_eq!(fs::read_to_string(place.path("home/thesis")).unwrap(), "mine");
}

#[test]
fn an_export_prunes_only_what_exports_write_and_clears_up_after_a_killed_one() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let mirror = place.path("mirror");
    let others = ["tuf/targets/notes.txt", "tuf/metadata/README", "v1/releases/.htaccess", "v1/channels/A B"];
    for other in others {
        fs::write(mirror.join(other), "theirs").unwrap();
    }
    let old = format!("tuf/targets/{}.release.1.0.0.json", "ab".repeat(32));
    let left = "tuf/targets/.f.tmp-0123456789abcdef";
    for path in [&old, left, ".images.txt.tmp-0123456789abcdef"] {
        fs::write(mirror.join(path), "").unwrap();
    }
    assert_eq!(export(&place, &["--prune"])["pruned"], 1);
    for other in others {
        assert!(mirror.join(other).exists(), "{other}");
    }
    let left = files(&mirror).into_keys().filter(|path| path.to_str().unwrap().contains(".tmp-"));
    assert_eq!(left.count(), 0);
    place.run(&["verify", "--from", "mirror"]);
}

#[test]
fn an_export_replaces_what_the_medium_damaged() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let all = files(&place.path("mirror"));
    for (path, good) in &all {
        let mut bad = good.clone();
        if let Some(first) = bad.first_mut() {
            *first ^= 1;
            fs::write(place.path("mirror").join(path), bad).unwrap();
        }
    }
    export(&place, &[]);
    assert_eq!(files(&place.path("mirror")), all);
}

#[test]
fn an_export_into_a_folder_that_tidegate_works_on_is_refused() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    for (dir, own) in [
        ("channels", "catalog"),
        ("channels/1.8/../new/deep", "catalog"),
        ("payloads/mirror", "payload"),
        (".tidegate", "state"),
    ] {
        let error = refused(place.dir(), &["export", dir]);
        assert!(error.contains(&format!("is in the {own} folder")), "{error}");
    }
    place.run(&["catalog", "check"]);
    place.run(&["export", "channels-mirror"]);
}

#[test]
fn only_regular_files_of_a_medium_are_read() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let closed = Closed::new(&place);
    closed.carry(&place);
    let stick = closed.0.path().join("stick");
    let payload =
        files(&stick).into_keys().find(|path| path.to_str().unwrap().contains(".payload.")).unwrap();
    for path in [Path::new("tuf/metadata/timestamp.json"), Path::new("tuf/metadata/1.root.json"), &payload] {
        let file = stick.join(path);
        let good = fs::read(&file).unwrap();
        let pipe: &dyn Fn() = &|| assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        let link: &dyn Fn() = &|| symlink("/dev/zero", &file).unwrap();
        for (make, words) in [(pipe, "not a regular file"), (link, "is a symbolic link")] {
            fs::remove_file(&file).unwrap();
            make();
            let verify = &["verify", "--from", "stick"][..];
            // `verify` begins from the root that it is given, and needs no older one.
            let is_read = !path.ends_with("1.root.json");
            for command in [&["import", "stick"][..]].into_iter().chain(is_read.then_some(verify)) {
                let error = refused(closed.0.path(), &[command, &["--root", "1.root.json"]].concat());
                assert!(error.contains(words), "{}: {error}", path.display());
            }
        }
        fs::remove_file(&file).unwrap();
        fs::write(&file, good).unwrap();
    }
    fs::rename(stick.join("tuf"), closed.0.path().join("elsewhere")).unwrap();
    symlink(closed.0.path().join("elsewhere"), stick.join("tuf")).unwrap();
    let error = refused(closed.0.path(), &["import", "stick", "--root", "1.root.json"]);
    assert!(error.contains("tuf` is a symbolic link"), "{error}");
}

/// Changes a byte of the copy of the payload of `1.8.1`, as a disk does.
fn rot(state: &Path) {
    let (path, mut bytes) = files(&state.join("payloads/sha256"))
        .into_iter()
        .find(|(_, bytes)| bytes.ends_with(b"1.8.1\"}"))
        .unwrap();
    bytes[3] ^= 1;
    let copy = state.join("payloads/sha256").join(path);
    fs::remove_file(&copy).unwrap();
    fs::write(copy, bytes).unwrap();
}

#[test]
fn a_damaged_copy_on_a_mirror_is_not_served_and_the_next_import_restores_it() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let closed = Closed::new(&place);
    closed.carry(&place);
    assert_eq!(closed.import(&["--root", "1.root.json"])["copied"], 2);
    let good = r#"{"version":"1.8.1"}"#.as_bytes();
    let path = "/v1/payloads/1.8.1/payload.json";

    let mirror = Server::ready(closed.0.path(), &["--mirror"]);
    let other = "/v1/payloads/1.7.1/payload.json";
    assert_eq!(mirror.get(other).status, 200);
    rot(&closed.0.path().join(".tidegate"));
    assert_eq!(mirror.get(path).status, 503);
    assert_eq!(mirror.get(other).status, 200);
    mirror.until_degraded(&["not_offered"], "payload `payload.json` of `1.8.1` is missing or damaged here");

    let again = closed.import(&[]);
    assert_eq!((&again["imported"], &again["copied"]), (&false.into(), &1.into()));
    assert_eq!(mirror.get(path).body, good);
    mirror.until_degraded(&[], "");
    // Now it is in memory, where the disk cannot change it.
    rot(&closed.0.path().join(".tidegate"));
    assert_eq!(mirror.get(path).body, good);

    // The same after a restart, before anybody asked for it.
    assert!(mirror.stop().success());
    let mirror = Server::ready(closed.0.path(), &["--mirror"]);
    mirror.until_degraded(&["not_offered"], "run `tidegate import DIR` again");
    closed.import(&[]);
    mirror.until_degraded(&[], "");
    assert_eq!(mirror.get(path).body, good);
}

#[test]
fn a_server_makes_a_damaged_copy_again() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let path = "/v1/payloads/1.8.1/payload.json";
    rot(&place.path(".tidegate"));
    assert_eq!(server.get(path).status, 503);
    eventually("the copy is made again", || match server.get(path) {
        response if response.status == 200 => Ok(()),
        response => Err(response),
    });
}

#[test]
fn a_corrupt_payload_on_a_medium_is_told_as_that() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let closed = Closed::new(&place);
    closed.carry(&place);
    let stick = closed.0.path().join("stick");
    let payload =
        files(&stick).into_keys().find(|path| path.to_str().unwrap().contains(".payload.")).unwrap();
    fs::write(stick.join(payload), r#"{"version":"1.8.2"}"#).unwrap();
    let error = refused(closed.0.path(), &["import", "stick", "--root", "1.root.json"]);
    assert!(error.contains("has the digest") && !error.contains("changed"), "{error}");
    // What the hint says works.
    assert!(error.contains("export again on the server") && !error.contains("--state"), "{error}");
    let stick = stick.to_str().unwrap();
    place.run(&["export", stick]);
    closed.import(&["--root", "1.root.json"]);
}

#[test]
fn a_mirror_is_neither_the_state_of_a_server_nor_a_catalog() {
    let place = Place::with(&["1.8.1"]);
    let _server = place.serve();
    export(&place, &[]);
    let error = refused(place.dir(), &["serve", "--mirror", "--listen", "127.0.0.1:0"]);
    assert!(
        error.contains("state folder of a server that signs") && error.contains("--state DIR"),
        "{error}"
    );

    let closed = Closed::new(&place);
    closed.carry(&place);
    closed.import(&["--root", "1.root.json"]);
    for folder in [closed.0.path(), &closed.0.path().join("stick")] {
        let error = refused(folder, &["status"]);
        assert!(error.contains("this is a mirror") && !error.contains("tidegate init"), "{error}");
    }
}
