//! The judges before the running server.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::place::Place;
use crate::python::{no_python, python};
use crate::spawn::Server;
use crate::stock::tough;

/// A client with what it remembers of earlier visits.
enum Judge {
    Tough(TempDir),
    PythonTuf(TempDir),
}

impl Judge {
    fn all() -> [Self; 2] {
        [Self::Tough(tempfile::tempdir().unwrap()), Self::PythonTuf(tempfile::tempdir().unwrap())]
    }

    /// Verifies what is served, starting from a root, and downloads targets: their digests.
    fn visit(&self, server: &Server, root: &Path, targets: &[String]) -> Result<Vec<String>, String> {
        match self {
            Self::Tough(memory) => tough(&server.address, root, memory.path(), targets),
            Self::PythonTuf(memory) => python_tuf(server, root, memory.path(), targets),
        }
    }
}

fn python_tuf(
    server: &Server,
    root: &Path,
    memory: &Path,
    targets: &[String],
) -> Result<Vec<String>, String> {
    let output = python()
        .arg(format!("http://{}/tuf", server.address))
        .args([root, memory])
        .args(targets)
        .output()
        .unwrap_or_else(|error| no_python(&error));
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(targets.iter().map(|name| found[name]["sha256"].as_str().unwrap().to_owned()).collect())
}

/// A channel's manifest, and the manifest and payload of a release, by their names as targets.
fn targets(channel: &str, version: &str) -> Vec<String> {
    vec![
        format!("channel.{channel}.json"),
        format!("release.{version}.json"),
        format!("payload.{version}.payload.json"),
    ]
}

/// The digests of the same, as the server's own interface has them.
fn served(server: &Server, channel: &str, version: &str) -> Vec<String> {
    let paths = [
        format!("/v1/channels/{channel}"),
        format!("/v1/releases/{version}"),
        format!("/v1/payloads/{version}/payload.json"),
    ];
    paths.iter().map(|path| hex::encode(Sha256::digest(server.get(path).body))).collect()
}

#[test]
fn clients_verify_the_running_server_before_and_after_promotions() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let root: PathBuf = place.path("channels/trust/1.root.json");
    let server = place.serve();
    let judges = Judge::all();
    let visit = |server: &Server, channel: &str, version: &str| {
        for judge in &judges {
            let found = judge.visit(server, &root, &targets(channel, version));
            assert_eq!(found, Ok(served(server, channel, version)), "{channel} {version}");
        }
    };
    visit(&server, "1.8-production", "1.8.1");
    visit(&server, "1.7-preproduction", "1.7.1");

    // Nobody finds what has no signature yet.
    place.add("1.8.2");
    for judge in &judges {
        judge.visit(&server, &root, &targets("1.8-production", "1.8.2")[1..]).unwrap_err();
    }
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    visit(&server, "1.8-preproduction", "1.8.2");
    place.add_due("1.8.3", 2);
    server.until_latest("1.8-production", "1.8.3");
    visit(&server, "1.8-production", "1.8.3");
    // A new line comes with its delegation, and a yank changes what is offered.
    std::fs::create_dir(place.path("channels/1.9")).unwrap();
    std::fs::write(place.path("channels/1.9/line.yaml"), "format: 1\nline: \"1.9\"\n").unwrap();
    place.add("1.9.0");
    place.sign();
    server.until_latest("1.9-preproduction", "1.9.0");
    visit(&server, "1.9-preproduction", "1.9.0");
    place.run(&["release", "yank", "1.8.3", "--reason", "breaks DNS"]);
    server.until_latest("1.8-production", "1.8.1");
    visit(&server, "1.8-production", "1.8.1");

    // A line's role that goes back is not followed, nor is what it had been delegated with.
    let role = place.path("channels/trust/releases-1.8.json");
    let (good, version) = (std::fs::read(&role).unwrap(), server.version());
    std::fs::write(&role, "torn").unwrap();
    server.until_degraded(&["line_refused"], "releases-1.8.json");
    place.run(&["channel", "pause", "1.7-production", "--reason", "datacentre move"]);
    crate::spawn::eventually("published", || if server.version() > version { Ok(()) } else { Err(()) });
    visit(&server, "1.8-production", "1.8.3");
    std::fs::write(&role, good).unwrap();
    server.until_degraded(&[], "");

    // Also when the server lost all of its state but the key, and took up what was live.
    place.run(&["export", "live"]);
    assert!(server.stop().success());
    for name in ["publication", "version"] {
        std::fs::remove_file(place.path(".tidegate").join(name)).unwrap();
    }
    std::fs::remove_dir_all(place.path(".tidegate/segments")).unwrap();
    std::fs::remove_dir_all(place.path(".tidegate/payloads")).unwrap();
    place.run(&["recover", "--from", "live"]);
    let server = place.serve();
    visit(&server, "1.8-production", "1.8.3");
}

#[test]
fn clients_verify_the_demo_with_the_sample_catalog() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = |name: &str| sample.join(name).into_os_string().into_string().unwrap();
    let arguments = ["--demo", "--catalog", &path("channels"), "--payloads", &path("payloads")];
    let server = Server::ready(folder.path(), &arguments);
    let root = folder.path().join("1.root.json");
    std::fs::write(&root, server.get("/tuf/metadata/1.root.json").body).unwrap();
    for judge in Judge::all() {
        for (channel, version) in [
            ("1.6-production", "1.6.10-tectonic.3"),
            ("1.8-production", "1.8.9-tectonic.4"),
            ("1.10-preproduction", "1.10.1-demo.1"),
        ] {
            let found = judge.visit(&server, &root, &targets(channel, version));
            assert_eq!(found, Ok(served(&server, channel, version)), "{channel} {version}");
        }
    }
}

/// A key that is made, with its public half beside it.
fn new_key(place: &Place, file: &str) -> String {
    place.run(&["key", "generate", "--out", file, "--no-encrypt"]);
    place.run(&["key", "public", file, "--out", &format!("{file}.pub")]).trim().to_owned()
}

#[test]
fn clients_that_saw_the_first_root_follow_every_rotation_of_keys() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let root: PathBuf = place.path("channels/trust/1.root.json");
    let server = place.serve();
    let judges = Judge::all();
    let visit = |what: &str| {
        let cold = Judge::all();
        for judge in judges.iter().chain(&cold) {
            let found = judge.visit(&server, &root, &targets("1.8-production", "1.8.1"));
            assert_eq!(found, Ok(served(&server, "1.8-production", "1.8.1")), "{what}");
        }
    };
    visit("as founded");
    let keyid = |role: &str| {
        let roles: serde_json::Value =
            serde_json::from_str(&place.run(&["root", "show", "--output", "json"])).unwrap();
        let mut roles = roles["roles"].as_array().unwrap().iter();
        roles.find(|one| one["role"] == role).unwrap()["keys"][0].as_str().unwrap().to_owned()
    };
    let change = |what: &str, arguments: &[&str]| {
        let version = server.version();
        let mut all = vec!["root", "change"];
        all.extend(arguments);
        place.run(&all);
        // A root that names the same online key changes nothing that is signed online.
        let root = (1..).map(|n| format!("{n}.root.json"));
        let root = root.take_while(|name| place.path("channels/trust").join(name).exists()).last().unwrap();
        let only_root =
            arguments.iter().filter(|word| word.contains('=')).all(|word| word.starts_with("root="));
        crate::spawn::eventually(what, || {
            let is_served = server.get(&format!("/tuf/metadata/{root}")).status == 200;
            let is_signed = only_root || server.version() > version;
            if is_served && is_signed { Ok(()) } else { Err(server.degraded()) }
        });
        server.until_degraded(&[], "");
        visit(what);
    };
    let (root_key, targets_key) = ("keys/root.pem", "keys/targets.pem");
    new_key(&place, ".tidegate/keys/next.pem");
    let drop = format!("online={}", keyid("online"));
    change(
        "a new online key",
        &[
            "--add",
            "online=.tidegate/keys/next.pem.pub",
            "--drop",
            &drop,
            "--key",
            root_key,
            "--key",
            targets_key,
        ],
    );
    new_key(&place, "keys/release2.pem");
    let drop = format!("release={}", keyid("release:1.8"));
    change(
        "a new release key",
        &[
            "--add",
            "release=keys/release2.pem.pub",
            "--drop",
            &drop,
            "--key",
            targets_key,
            "--key",
            "keys/release2.pem",
        ],
    );
    new_key(&place, "keys/release3.pem");
    change(
        "two sign releases",
        &[
            "--add",
            "release=keys/release3.pem.pub",
            "--threshold",
            "release=2",
            "--key",
            targets_key,
            "--key",
            "keys/release2.pem",
            "--key",
            "keys/release3.pem",
        ],
    );
    new_key(&place, "keys/targets2.pem");
    let drop = format!("targets={}", keyid("targets"));
    change(
        "a new targets key",
        &[
            "--add",
            "targets=keys/targets2.pem.pub",
            "--drop",
            &drop,
            "--key",
            root_key,
            "--key",
            "keys/targets2.pem",
        ],
    );
    new_key(&place, "keys/root2.pem");
    new_key(&place, "keys/root3.pem");
    let drop = format!("root={}", keyid("root"));
    change(
        "three root keys of which two sign",
        &[
            "--add",
            "root=keys/root2.pem.pub",
            "--add",
            "root=keys/root3.pem.pub",
            "--threshold",
            "root=2",
            "--key",
            root_key,
            "--key",
            "keys/root2.pem",
        ],
    );
    change(
        "the first root key is gone",
        &["--drop", &drop, "--key", root_key, "--key", "keys/root2.pem", "--key", "keys/root3.pem"],
    );

    // A line ends: what it offers stays, and its clusters are told where to go.
    let version = server.version();
    place.run(&[
        "line",
        "retire",
        "1.7",
        "--leave-behind",
        "--reason",
        "no fixes any more",
        "--key",
        "keys/release2.pem",
        "--key",
        "keys/release3.pem",
    ]);
    crate::spawn::eventually("retired", || {
        let retired = server.json("/v1/channels/1.7-production")["signed"]["retired"]["reason"].clone();
        if retired == "no fixes any more" && server.version() > version { Ok(()) } else { Err(retired) }
    });
    server.until_degraded(&[], "");
    visit("a retired line");
    let told = server.update("1.7-production", "1.7.1");
    assert_eq!((&told["action"], &told["code"]), (&"none".into(), &"retired".into()));
    let message = told["message"].as_str().unwrap();
    assert!(message.ends_with("; continue with line `1.8` in channel `1.8-production`"), "{message}");
}
