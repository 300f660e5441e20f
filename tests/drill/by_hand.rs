//! Verifying with curl, jq, xxd and openssl alone, as `docs/signing.md` shows.

use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::page::{SIGNING, commands, done, sh};
use crate::scene::{CHANNEL, Files, Scene};
use crate::spawn::Server;
use crate::thief::{INDEX, Keys, Thief, own, sign, steal};

fn verify(folder: &Path, url: &str, root: &str) -> Output {
    sh(folder, &commands(SIGNING, "### By hand"), &[&format!("{url}/tuf"), root])
}

fn passes(folder: &Path, url: &str, root: &str) -> String {
    let output = verify(folder, url, root);
    assert!(output.status.success(), "{output:#?}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("VERIFIED"), "{told}");
    told
}

#[test]
fn the_demo_is_verified_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let sample = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).to_str().unwrap().to_owned();
    let (catalog, payloads) = (sample("channels"), sample("payloads"));
    let server = Server::ready(folder.path(), &["--demo", "--catalog", &catalog, "--payloads", &payloads]);
    let url = format!("http://{}", server.address);
    let told = passes(folder.path(), &url, ".tidegate/demo/channels/trust/1.root.json");
    assert!(told.contains("releases-1.8: 21 files") && told.contains("channels: 10 files"), "{told}");
}

/// What is served where two of three keepers sign root, one of whom came later, and two release keys.
fn scene() -> (Scene, Files) {
    let scene = Scene::new();
    scene.follow("## A root key");
    let before = scene.server().version();
    done(
        &scene.dir(),
        "tidegate key generate --out vault/second.pem\n\
         tidegate key public vault/second.pem --out second.pub.pem\n\
         tidegate root change --add release=second.pub.pem --threshold release=2 \
             --key vault/targets.pem --key vault/release.pem --key vault/second.pem\n",
    );
    crate::spawn::eventually("two sign releases", || {
        if scene.server().version() > before { Ok(()) } else { Err(scene.server().degraded()) }
    });
    let files = scene.served("live");
    (scene, files)
}

#[test]
fn thresholds_and_roots_are_verified_by_hand_and_every_changed_byte_is_found() {
    let (scene, files) = scene();
    let root = "channels/trust/1.root.json";
    let told = passes(&scene.dir(), scene.network.url(), root);
    assert!(told.contains("root        version 2"), "{told}");
    // One byte in the middle of a file of each kind, which is within what is signed or a signature.
    for kind in [
        "2.root.json",
        "timestamp.json",
        ".snapshot.json",
        ".targets.json",
        ".releases-1.8.json",
        ".channels.json",
        ".channel.1.8-production.json",
        ".release.1.8.2.json",
        ".release.1.8.index.json",
        ".payload.1.8.2.payload.json",
    ] {
        let (name, bytes) =
            files.iter().rfind(|(name, _)| name.starts_with("tuf/") && name.ends_with(kind)).unwrap();
        let mut changed = files.clone();
        let middle = bytes.len() / 2;
        changed.get_mut(name).unwrap()[middle] ^= 1;
        scene.network.taken(&changed);
        let output = verify(&scene.dir(), scene.network.url(), root);
        assert!(!output.status.success(), "{name}: {output:#?}");
    }
}

#[test]
fn every_signature_counts_by_hand() {
    let (scene, files) = scene();
    let root = "channels/trust/1.root.json";
    let key = |name: &str| steal(&scene.path(name));
    let (online, both) =
        (key(".tidegate/keys/online.pem"), [key("vault/release.pem"), key("vault/second.pem")].concat());
    let thief = || Thief::before(files.clone());
    let retarget = |role: &str, name: &str, keys: &Keys, signer: &Keys| {
        let mut thief = thief();
        let document = thief.target(role, name);
        thief.put(role, keys, name, sign(&document, signer));
        thief.seal(&online, None)
    };
    let rerole = |name: &str, keys: &Keys| {
        let mut thief = thief();
        thief.change(name, keys, |_| {});
        thief.seal(&online, None)
    };
    let (channel, release) = (format!("channel.{CHANNEL}.json"), "release.1.8.2.json");
    let one = &key("vault/second.pem");
    let misnamed = {
        let mut thief = thief();
        let document = thief.target("releases-1.8", "release.1.8.1.json");
        thief.put("releases-1.8", &both, release, sign(&document, &both));
        thief.seal(&online, None)
    };
    let hidden = {
        let mut thief = thief();
        let mut index = thief.index();
        index["releases"]["1.8.2"]["barrier"] = json!(true);
        thief.put("releases-1.8", &both, INDEX, index.to_string().into_bytes());
        thief.seal(&online, None)
    };
    let outside = {
        let mut thief = thief();
        thief.put("channels", &online, "release.1.9.0.json", b"{}".to_vec());
        thief.seal(&online, None)
    };
    let expired = {
        let mut thief = thief();
        thief.change("channels", &online, |role| role["expires"] = json!("2018-01-01T00:00:00Z"));
        thief.seal(&online, None)
    };
    let ben = [key("ben.pem"), own()].concat();
    let mut usurped = files.clone();
    usurped.insert("tuf/metadata/3.root.json".to_owned(), {
        let mut root = crate::thief::signed(&files["tuf/metadata/2.root.json"]);
        root["version"] = json!(3);
        sign(&root, &ben)
    });
    for (files, refused) in [
        (retarget("channels", &channel, &online, &own()), "by 0 keys, but 1 must sign"),
        (
            retarget("releases-1.8", release, &both, one),
            "release.1.8.2.json: signed by 1 keys, but 2 must sign",
        ),
        (rerole("channels", &own()), "channels.json: signed by 0 keys, but 1 must sign"),
        (rerole("releases-1.8", one), "releases-1.8.json: signed by 1 keys, but 2 must sign"),
        (rerole("targets", &own()), "targets.json: signed by 0 keys, but 1 must sign"),
        (thief().seal(&own(), None), "timestamp.json: signed by 0 keys, but 1 must sign"),
        (hidden, "its index differs from its manifests"),
        (misnamed, "release.1.8.2.json is not what its name says"),
        (outside, "channels.json may not list release.1.9.0.json"),
        (usurped, "next.json: signed by 1 keys, but 2 must sign"),
        (expired, "channels.json: not of type targets, or expired"),
    ] {
        scene.network.taken(&files);
        let output = verify(&scene.dir(), scene.network.url(), root);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(refused), "{refused}: {output:#?}");
    }
    // Signed anew by those who may, it passes.
    scene.network.taken(&rerole("releases-1.8", &both));
    passes(&scene.dir(), scene.network.url(), root);
}

#[test]
fn only_what_is_offered_may_not_be_missing_by_hand() {
    let scene = Scene::new();
    let root = "channels/trust/1.root.json";
    let line = scene.path("channels/1.8/line.yaml");
    let freeze = "freezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2999-01-01T00:00:00Z, reason: audit }\n";
    std::fs::write(&line, std::fs::read_to_string(&line).unwrap() + freeze).unwrap();
    std::fs::write(scene.path("payload.json"), "{}").unwrap();
    scene.run(&["release", "add", "1.8.3", "--payload", "payload.json"]);
    scene.run(&["release", "sign", "--key", "vault/release.pem"]);
    crate::spawn::eventually("signed and waiting", || {
        let told = scene.server().json("/v1/releases/1.8.3");
        if told["kind"] == "waiting_release" { Ok(()) } else { Err(told) }
    });
    let told = passes(&scene.dir(), scene.network.url(), root);
    assert!(!told.contains("but missing"), "{told}");

    let files = scene.served("live");
    for (payload, offered) in [("1.8.3", false), ("1.8.2", true)] {
        let mut without = files.clone();
        without.retain(|name, _| !name.ends_with(&format!(".payload.{payload}.payload.json")));
        assert_eq!(without.len(), files.len() - 1);
        scene.network.taken(&without);
        let output = verify(&scene.dir(), scene.network.url(), root);
        let (told, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(&format!("payload.{payload}.payload.json: listed, but missing")), "{told}");
        assert_eq!(output.status.success(), !offered, "{error}");
        assert_eq!(error.contains("is offered, but missing"), offered, "{error}");
    }

    scene.network.given_back();
    scene.run(&["release", "yank", "1.8.2", "--reason", "it holds a secret"]);
    crate::spawn::eventually("yanked", || match scene.server().latest(CHANNEL) {
        latest if latest == "1.8.2" => Err(latest),
        _ => Ok(()),
    });
    let mut withdrawn = scene.served("withdrawn");
    withdrawn.retain(|name, _| !name.ends_with(".payload.1.8.2.payload.json"));
    scene.network.taken(&withdrawn);
    passes(&scene.dir(), scene.network.url(), root);
}
