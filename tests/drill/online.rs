//! The online key is stolen.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::page::{DRILL, commands, done, sh};
use crate::scene::{CHANNEL, Files, Scene};
use crate::spawn::{Server, eventually, refused};
use crate::thief::{Keys, MOST, Thief, sign, steal};

const GOOD: &str = "update latest 1.8.2";
/// What the thief's clusters are told: the newest release is not there.
const WITHHELD: &str = "none up_to_date -";

/// Withholds the newest release, as only the online key can, in documents of this version.
fn withhold(served: Files, stolen: &Keys, version: Option<u64>) -> Files {
    let mut thief = Thief::before(served);
    let name = format!("channel.{CHANNEL}.json");
    let mut manifest = thief.target("channels", &name);
    manifest["latest"] = json!("1.8.1");
    manifest["releases"].as_array_mut().unwrap().pop();
    manifest["version"] = json!(version.unwrap_or(manifest["version"].as_u64().unwrap() + 10_000));
    thief.put("channels", stolen, &name, sign(&manifest, stolen));
    if let Some(version) = version {
        thief.change("channels", stolen, |role| role["version"] = json!(version));
    }
    thief.seal(stolen, version)
}

/// What the page has one look at.
fn look(scene: &Scene) -> String {
    let commands = commands(DRILL, "## How to see that it is over");
    let output = sh(&scene.dir(), &commands.replace("https://updates.example.com", scene.network.url()), &[]);
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_stolen_online_key_signs_nothing_that_counts_once_the_keepers_changed_it() {
    let scene = Scene::new();
    let (warm, victim) = (scene.cluster("1.root.json"), scene.cluster("1.root.json"));
    warm.takes("before", GOOD);
    victim.takes("before", GOOD);
    let stolen = steal(&scene.path(".tidegate/keys/online.pem"));
    let hidden = withhold(scene.served("before"), &stolen, Some(MOST));
    scene.network.taken(&hidden);
    victim.takes("what the thief may do meanwhile", WITHHELD);
    scene.network.given_back();
    victim.refuses("the good server, behind the thief's versions", "Rollback");

    let key = stolen[0].id().to_string();
    assert!(look(&scene).contains(&key[..12]), "the page looks where it is");
    scene.follow("## The online key");
    let looked = look(&scene);
    assert!(!looked.contains(&key[..12]) && looked.contains("root      version 2"), "{looked}");
    assert!(!scene.path(".tidegate/keys/online.pem").exists());
    warm.takes("clients notice nothing", GOOD);
    scene.cluster("1.root.json").takes("nor does a new one", GOOD);
    victim.takes("who followed the thief to the largest version comes back", GOOD);

    let shown = withhold(scene.served("after"), &stolen, Some(MOST));
    for (what, files) in [("with the new root", &shown), ("without it", &hidden)] {
        scene.network.taken(files);
        warm.refuses(what, "NotEnoughSignatures");
        victim.refuses(what, "NotEnoughSignatures");
        scene.cluster("2.root.json").refuses(what, "NotEnoughSignatures");
    }
    scene.network.taken(&shown);
    scene.cluster("1.root.json").refuses("a first look at the new root", "NotEnoughSignatures");
    // This is why the page says to bring the newest root to new clusters.
    scene.network.taken(&hidden);
    scene.cluster("1.root.json").takes("a first look that the thief holds", WITHHELD);
    scene.network.given_back();
    warm.takes("the good server again", GOOD);
    victim.takes("the good server again", GOOD);
}

#[test]
fn a_lost_state_is_taken_up_from_what_a_thief_drove_to_the_largest_version() {
    let mut scene = Scene::new();
    let (warm, victim) = (scene.cluster("1.root.json"), scene.cluster("1.root.json"));
    warm.takes("before", GOOD);
    let stolen = steal(&scene.path(".tidegate/keys/online.pem"));
    let live = withhold(scene.served("before"), &stolen, Some(MOST));
    scene.network.taken(&live);
    victim.takes("the thief", WITHHELD);
    scene.stop();
    for name in ["publication", "version"] {
        fs::remove_file(scene.path(".tidegate").join(name)).unwrap();
    }
    fs::remove_dir_all(scene.path(".tidegate/segments")).unwrap();
    let url = scene.network.url().to_owned();
    let error = refused(&scene.dir(), &["recover", "--from", &url]);
    assert!(error.contains("far ahead of the clock") && error.contains("replace the online key"), "{error}");

    done(&scene.dir(), &commands(DRILL, "## The online key"));
    scene.run(&["recover", "--from", &url]);
    scene.network.given_back();
    scene.serve();
    scene.server().until_latest(CHANNEL, "1.8.2");
    assert!(scene.server().version() < MOST / 2, "versions go on from the clock");
    for (cluster, what) in [(&warm, "warm"), (&victim, "led astray"), (&scene.cluster("1.root.json"), "cold")]
    {
        cluster.takes(what, GOOD);
    }
    scene.network.taken(&live);
    for cluster in [&warm, &victim] {
        cluster.refuses("the thief", "NotEnoughSignatures");
    }
}

#[test]
fn the_demo_takes_over_with_the_next_online_key() {
    let folder = tempfile::tempdir().unwrap();
    let sample = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).to_str().unwrap().to_owned();
    let (catalog, payloads) = (sample("channels"), sample("payloads"));
    let server = Server::ready(folder.path(), &["--demo", "--catalog", &catalog, "--payloads", &payloads]);
    let signer = || server.json("/tuf/metadata/timestamp.json")["signatures"][0]["keyid"].clone();
    let before = signer();
    done(folder.path(), &commands(DRILL, "### With the demo"));
    eventually("another key signs", || if signer() == before { Err(server.log()) } else { Ok(()) });
    let key = steal(&folder.path().join(".tidegate/demo/state/keys/next.pem"))[0].id().to_string();
    assert_eq!(signer(), key.as_str());
    server.until_degraded(&[], "");
}
