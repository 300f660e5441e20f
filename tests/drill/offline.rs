//! A release key, the targets key or a root key is stolen.

use std::fs;

use serde_json::json;

use crate::page::sh;
use crate::scene::{CHANNEL, Files, Scene};
use crate::spawn::Server;
use crate::thief::{INDEX, Keys, MOST, Thief, own, sign, signed, steal};

const GOOD: &str = "update latest 1.8.2";
const EVIL: &str = "update latest 1.8.9";

/// Puts a release of the thief's own into what is served, and signs all of the line's releases: the
/// line's role has this version.
fn forge(mut thief: Thief, release: &Keys, online: &Keys, version: u64) -> Files {
    let payload = b"{\"version\": \"1.8.9\"}\n".to_vec();
    let size = payload.len();
    let sha256 = thief.put("releases-1.8", release, "payload.1.8.9.payload.json", payload);
    let mut manifest = thief.target("releases-1.8", "release.1.8.2.json");
    manifest["version"] = json!("1.8.9");
    manifest["payloads"] = json!([{"file": "payload.json", "sha256": sha256, "size": size}]);
    let digest = thief.put("releases-1.8", release, "release.1.8.9.json", sign(&manifest, release));

    let mut index = thief.index();
    index["releases"]["1.8.9"] = index["releases"]["1.8.2"].clone();
    thief.put("releases-1.8", release, INDEX, index.to_string().into_bytes());

    let name = format!("channel.{CHANNEL}.json");
    let mut channel = thief.target("channels", &name);
    for offer in channel["releases"].as_array_mut().unwrap() {
        let name = format!("release.{}.json", offer["version"].as_str().unwrap());
        let manifest = thief.target("releases-1.8", &name);
        offer["manifest"] = json!(thief.put("releases-1.8", release, &name, sign(&manifest, release)));
    }
    thief.change("releases-1.8", release, |role| role["version"] = json!(version));
    let mut offer = channel["releases"][1].clone();
    offer["version"] = json!("1.8.9");
    offer["manifest"] = json!(digest);
    channel["releases"].as_array_mut().unwrap().push(offer);
    channel["latest"] = json!("1.8.9");
    channel["version"] = json!(channel["version"].as_u64().unwrap() + 10_000);
    thief.put("channels", online, &name, sign(&channel, online));
    thief.seal(online, None)
}

/// The thief's desk: a copy of the catalog as it was, on which he signs a release with a stolen key
/// and puts it where the server looks, as who may write to the catalog can.
fn smuggle(scene: &Scene, version: &str) {
    let script = r#"
        cd theirs
        echo "{\"version\": \"$1\"}" > payload.json
        tidegate release add "$1" --payload payload.json
        tidegate release sign --key vault/release.pem
        cp -r "payloads/$1" ../payloads/
        cp channels/trust/index-1.8.json channels/trust/releases-1.8.json ../channels/trust/
        cp "channels/1.8/$1.yaml" ../channels/1.8/"#;
    let output = sh(&scene.dir(), script, &[version]);
    assert!(output.status.success(), "{output:#?}");
}

#[test]
fn a_stolen_release_key_signs_nothing_that_counts_once_the_keepers_changed_it() {
    let scene = Scene::new();
    let (warm, other) = (scene.cluster("1.root.json"), scene.cluster("1.root.json"));
    warm.takes("before", GOOD);
    let (release, online) =
        (steal(&scene.path("vault/release.pem")), steal(&scene.path(".tidegate/keys/online.pem")));
    let output = sh(&scene.dir(), "mkdir theirs && cp -r channels payloads vault theirs", &[]);
    assert!(output.status.success(), "{output:#?}");
    // Without the online key the network alone is of no use to him.
    scene.network.taken(&forge(Thief::before(scene.served("before")), &release, &own(), 9));
    warm.refuses("a release that the server does not list", "NotEnoughSignatures");
    scene.network.given_back();
    smuggle(&scene, "1.8.9");
    scene.server().until_latest(CHANNEL, "1.8.9");
    warm.takes("what the thief may do meanwhile", EVIL);

    scene.run(&["release", "yank", "1.8.9", "--reason", "nobody of us made it"]);
    scene.server().until_latest(CHANNEL, "1.8.2");
    scene.follow("## A release key");
    warm.takes("clients go on", GOOD);
    scene.cluster("1.root.json").takes("a new one too", GOOD);

    let signed = ["index-1.8.json", "releases-1.8.json"].map(|file| scene.path("channels/trust").join(file));
    let good = signed.each_ref().map(|path| fs::read(path).unwrap());
    smuggle(&scene, "1.8.10");
    scene.server().until_degraded(&["line_refused"], "releases-1.8.json");
    warm.takes("a refused line keeps what it has", GOOD);
    scene.cluster("1.root.json").takes("for a new one too", GOOD);
    let files = scene.served("after");
    other.takes("before the thief holds its network", GOOD);
    // Even with the online key.
    scene.network.taken(&forge(Thief::before(files), &release, &online, 9));
    other.refuses("on the network", "NotEnoughSignatures");
    scene.cluster("1.root.json").refuses("on the network", "NotEnoughSignatures");
    scene.network.given_back();
    for (path, bytes) in signed.iter().zip(good) {
        fs::write(path, bytes).unwrap();
    }
    fs::remove_file(scene.path("channels/1.8/1.8.10.yaml")).unwrap();
    scene.server().until_degraded(&[], "");
    warm.takes("the end", GOOD);
}

#[test]
fn a_release_key_and_the_online_key_are_changed_in_one_ceremony() {
    let scene = Scene::new();
    let (warm, victim) = (scene.cluster("1.root.json"), scene.cluster("1.root.json"));
    warm.takes("before", GOOD);
    let (release, online) =
        (steal(&scene.path("vault/release.pem")), steal(&scene.path(".tidegate/keys/online.pem")));
    let hidden = forge(Thief::before(scene.served("before")), &release, &online, MOST);
    scene.network.taken(&hidden);
    victim.takes("what the thief may do meanwhile", EVIL);
    scene.network.given_back();

    scene.follow("## A release key and the online key");
    warm.takes("clients notice nothing", GOOD);
    scene.cluster("1.root.json").takes("nor does a new one", GOOD);
    victim.takes("who followed the thief comes back", GOOD);
    let shown = forge(Thief::before(scene.served("after")), &release, &online, MOST);
    for (what, files) in [("with the new root", &shown), ("without it", &hidden)] {
        scene.network.taken(files);
        warm.refuses(what, "NotEnoughSignatures");
        scene.cluster("2.root.json").refuses(what, "NotEnoughSignatures");
    }
    scene.network.given_back();
    warm.takes("the good server again", GOOD);
}

#[test]
fn a_stolen_targets_key_names_no_release_keys_once_the_keepers_changed_it() {
    let scene = Scene::new();
    let [warm, victim, other] = [(); 3].map(|()| scene.cluster("1.root.json"));
    warm.takes("before", GOOD);
    let (targets, online) =
        (steal(&scene.path("vault/targets.pem")), steal(&scene.path(".tidegate/keys/online.pem")));
    let delegate = |served: Files| {
        let mut thief = Thief::before(served);
        let own = own();
        thief.change("targets", &targets, |role| {
            role["delegations"]["keys"][own[0].id().to_string()] = json!(own[0].public().key());
            for role in role["delegations"]["roles"].as_array_mut().unwrap() {
                if role["name"] == "releases-1.8" {
                    role["keyids"] = json!([own[0].id()]);
                }
            }
        });
        forge(thief, &own, &online, 9)
    };
    let hidden = delegate(scene.served("before"));
    scene.network.taken(&hidden);
    victim.takes("what the thief may do meanwhile", EVIL);
    scene.network.given_back();

    scene.follow("## The targets key");
    warm.takes("clients notice nothing", GOOD);
    scene.cluster("1.root.json").takes("nor does a new one", GOOD);
    other.takes("before the thief holds its network", GOOD);
    let shown = delegate(scene.served("after"));
    // Who has seen the owners' role of that version is not shown another one.
    for (what, files, kind) in
        [("with the new root", &shown, "NotEnoughSignatures"), ("without it", &hidden, "VersionReused")]
    {
        scene.network.taken(files);
        other.refuses(what, kind);
        scene.cluster("2.root.json").refuses(what, "NotEnoughSignatures");
    }
    scene.network.taken(&shown);
    scene.cluster("1.root.json").refuses("a first look at the new root", "NotEnoughSignatures");
    scene.network.given_back();
    warm.takes("the good server again", GOOD);
}

#[test]
fn a_stolen_root_key_of_three_signs_no_root_alone() {
    let scene = Scene::new();
    let warm = scene.cluster("1.root.json");
    warm.takes("before", GOOD);
    let stolen = [steal(&scene.path("ada.pem")), own()].concat();
    // The next root, with the thief's key for everything, by the stolen key and his own.
    let usurp = |mut files: Files, version: u64| {
        let mut root = signed(&files[&format!("tuf/metadata/{}.root.json", version - 1)]);
        let own = own();
        root["keys"][own[0].id().to_string()] = json!(own[0].public().key());
        for role in root["roles"].as_object_mut().unwrap().values_mut() {
            *role = json!({"keyids": [own[0].id()], "threshold": 1});
        }
        root["version"] = json!(version);
        files.insert(format!("tuf/metadata/{version}.root.json"), sign(&root, &stolen));
        Thief::before(files).seal(&own, None)
    };
    let refused = |files: &Files, what: &str| {
        scene.network.taken(files);
        warm.refuses(what, "NotEnoughSignatures");
        scene.cluster("1.root.json").refuses(what, "NotEnoughSignatures");
        scene.network.given_back();
        warm.takes(what, GOOD);
    };
    let usurped = usurp(scene.served("before"), 2);
    refused(&usurped, "one of three, where two must sign");

    scene.follow("## A root key");
    warm.takes("clients notice nothing", GOOD);
    scene.cluster("1.root.json").takes("nor does a new one", GOOD);
    refused(&usurped, "another second root");
    refused(&usurp(scene.served("after"), 3), "a third root");
    scene.network.taken(&usurped);
    scene.cluster("2.root.json").refuses("from the new root", "NotEnoughSignatures");
}

#[test]
fn after_a_founding_anew_a_cluster_takes_nothing_until_the_new_root_is_brought_to_it() {
    let mut scene = Scene::new();
    let warm = scene.cluster("1.root.json");
    warm.takes("before", GOOD);
    scene.stop();
    let script = "
        mkdir anew && cp -r channels payloads anew && cd anew && rm -r channels/trust
        tidegate init --offline-keys vault --no-encrypt && exit 1
        rm payloads/*/release.json
        tidegate init --offline-keys vault --no-encrypt
        tidegate release sign --key vault/release.pem --targets-key vault/targets.pem";
    let output = sh(&scene.dir(), script, &[]);
    assert!(output.status.success(), "{output:#?}");
    let server = Server::ready(&scene.path("anew"), &["--promote", "on"]);
    scene.network.leads_to(&server);
    warm.refuses("keys that nobody brought here", "NotEnoughSignatures");
    scene.cluster("../../anew/channels/trust/1.root.json").takes("with the new root", GOOD);
}
