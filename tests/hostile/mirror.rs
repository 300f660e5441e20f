//! The service, and the same as files behind a web server that knows nothing about it.

use std::sync::Arc;

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::download::Download;
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::http::Server;
use tidegate::cluster::{Checked, Client, Options};
use tidegate::domain::version::Version;

use super::place::Place;
use super::scene::told;
use super::site::folder;
use super::spawn::refused;

/// What a look with nothing new may cost, heads and bodies in both directions.
const WARM: u64 = 1000;

/// A cluster that asks at an address, with its state in a folder.
fn look(place: &Place, state: &str, address: &str) -> (Arc<Server>, Checked) {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let server =
        Arc::new(Server::new(&address.parse().unwrap(), None, Pace::default(), Arc::clone(&clock)).unwrap());
    let root = std::fs::read(place.path("channels/trust/1.root.json")).unwrap();
    let fetch = Arc::clone(&server) as _;
    std::fs::create_dir_all(place.path(state).join("downloads")).unwrap();
    let client = Client::new(&place.path(state), root.into(), fetch, clock, Options::default());
    let current = Version::parse("1.8.1").unwrap();
    let checked = client.check(&"1.8-production".parse().unwrap(), &current).unwrap();
    (server, checked)
}

/// All that a cluster needs, and what it costs when there is nothing new: requests and bytes.
fn follow(place: &Place, state: &str, address: &str) -> (u64, u64) {
    let (server, checked) = look(place, state, address);
    assert!(checked.changed);
    assert_eq!(told(&checked), "update latest 1.8.2");
    let downloads = place.path(state).join("downloads");
    let download = Download { fetch: &*server, folder: &downloads, stop: &|| false };
    let answer = checked.answer();
    let target = answer.advice.target().unwrap();
    for payload in target.payloads.iter() {
        let path = download.payload(&target.version, payload).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), r#"{"version":"1.8.2"}"#);
    }
    let (server, checked) = look(place, state, address);
    assert!(!checked.changed);
    assert_eq!(told(&checked), "update latest 1.8.2");
    (server.traffic().requests(), server.traffic().bytes())
}

#[test]
fn a_cluster_follows_a_mirror_of_plain_files_as_it_follows_the_server() {
    let place = Place::with(&["1.7.1", "1.8.1", "1.8.2"]);
    let server = place.serve();
    place.run(&["export", "mirror"]);
    let (requests, bytes) = follow(&place, "beside-server", &format!("http://{}", server.address));
    assert_eq!(requests, 2);
    assert!(bytes < WARM, "{bytes}");
    let site = folder(&place.path("mirror"));
    let (requests, bytes) = follow(&place, "beside-mirror", &site.address);
    assert_eq!(requests, 2);
    assert!(bytes < WARM, "{bytes}");
    // Both told the same, and neither knows of the other.
    assert_eq!(site.asked().iter().filter(|request| request.path.ends_with("/timestamp.json")).count(), 2);
}

#[test]
fn a_mirror_that_was_changed_is_refused() {
    let place = Place::with(&["1.7.1", "1.8.1", "1.8.2"]);
    let server = place.serve();
    place.run(&["export", "mirror"]);
    drop(server);
    let site = folder(&place.path("mirror"));
    let targets = place.path("mirror/tuf/targets");
    let name = |part: &str| {
        let mut entries = std::fs::read_dir(&targets).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.to_str().unwrap().ends_with(part)).unwrap()
    };
    let payload = name(".payload.1.8.2.payload.json");
    std::fs::write(&payload, r#"{"version":"6.6.6"}"#).unwrap();
    let (server, checked) = look(&place, "cluster", &site.address);
    let answer = checked.answer();
    let target = answer.advice.target().unwrap();
    let downloads = place.path("downloads");
    std::fs::create_dir(&downloads).unwrap();
    let download = Download { fetch: &*server, folder: &downloads, stop: &|| false };
    let refusal = download.payload(&target.version, &target.payloads[0]).unwrap_err();
    assert_eq!(refusal.kind(), "WrongDigest", "{refusal}");
}

#[test]
fn a_medium_reaches_nothing_of_the_machine_that_it_is_put_into() {
    let place = Place::with(&["1.8.1"]);
    drop(place.serve());
    place.run(&["export", "medium"]);
    let secret = place.path("home/id");
    std::fs::create_dir(place.path("home")).unwrap();
    std::fs::write(&secret, "secret").unwrap();
    let medium = place.path("medium");
    // A link to a folder of the machine, a link to a file, a pipe, and a device without an end.
    let link = |to: &std::path::Path, at: &std::path::Path| std::os::unix::fs::symlink(to, at).unwrap();
    let pipe = |at: &std::path::Path| {
        assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
    };
    let import = &["import", "medium", "--root", "channels/trust/1.root.json", "--state", "mirror"][..];
    for (path, exports) in
        [("tuf/targets", false), ("v1/releases", false), ("tuf/metadata/timestamp.json", true)]
    {
        for kind in ["link", "pipe", "device"] {
            let at = medium.join(path);
            let aside = place.path("aside");
            std::fs::rename(&at, &aside).unwrap();
            match kind {
                "link" if exports => link(&secret, &at),
                "link" => link(&place.path("home"), &at),
                "pipe" => pipe(&at),
                _ => link("/dev/zero".as_ref(), &at),
            }
            if path.starts_with("tuf") {
                refused(place.dir(), import);
            }
            let export = ["export", "medium", "--prune"];
            if exports {
                place.run(&export);
                assert!(std::fs::symlink_metadata(&at).unwrap().is_file(), "{path}: {kind}");
            } else {
                refused(place.dir(), &export);
            }
            assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret", "{path}: {kind}");
            std::fs::remove_file(&at).unwrap();
            std::fs::rename(&aside, &at).unwrap();
        }
    }
    place.run(import);
}
