//! What is refused before it is signed, or before it is published.

use std::process::Command;

use crate::desk::Desk;
use crate::keepers::{founded, key, role, sign};

fn refused(desk: &Desk, arguments: &[&str], expected: &str) {
    let trust = desk.files("channels/trust");
    let told = desk.run(arguments);
    assert!(told.contains("\nexit 1\n") && told.contains(expected), "{told}");
    assert!(told.contains("\nhint: "), "{told}");
    assert!(desk.files("channels/trust") == trust, "{told}");
}

#[test]
fn what_is_no_file_blocks_nobody_and_fills_no_memory() {
    let desk = founded();
    let pin = "keys/targets.pem.pin.json";
    std::fs::remove_file(desk.path(pin)).unwrap();
    for pipe in ["pipe", pin] {
        assert!(Command::new("mkfifo").arg(desk.path(pipe)).status().unwrap().success());
    }
    desk.done(&["root", "change", "renew.json", "--renew", "root"]);
    desk.write("demo/policy.yaml", "format: 1\n");
    std::os::unix::fs::symlink(desk.path("pipe"), desk.path("demo/x.yaml")).unwrap();
    let cluster = ["cluster", "add", "c", "--server", "http://127.0.0.1:1", "--channel", "1.8-production"];
    for place in ["pipe", "/dev/zero"] {
        for command in [
            &["ceremony", "show", place][..],
            &["ceremony", "sign", place, "--key", "keys/root.pem", "--yes"],
            &["ceremony", "sign", "renew.json", "--key", "keys/root.pem", "--yes", "--root", place],
            &[
                "ceremony",
                "sign",
                "renew.json",
                "--key",
                place,
                "--root",
                "channels/trust/1.root.json",
                "--yes",
            ],
            &["root", "change", "--renew", "targets", "--key", "keys/targets.pem"],
            &["root", "change", "add.json", "--add", &format!("root={place}")],
            &["key", "public", place],
            &["key", "list", place],
            &["serve", "--demo", "--listen", "127.0.0.1:0", "--catalog", "demo"],
            &["verify", "--from", "http://127.0.0.1:1", "--root", place],
            &["verify", "--from", "https://127.0.0.1:1", "--ca", place],
            &[&cluster[..], &["--current", "true", "--root", place]].concat(),
        ] {
            let program = env!("CARGO_BIN_EXE_tidegate");
            let mut limited = Command::new("timeout");
            let output =
                limited.arg("20").arg(program).args(command).current_dir(desk.path(".")).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        }
    }
}

#[test]
fn a_change_that_makes_no_sense_begins_no_ceremony() {
    let desk = founded();
    key(&desk, "ada", 11);
    let online = role(&desk, "online").0[0].clone();
    let online_key = tidegate::signing::PrivateKey::from_seed(&[4; 32]).public();
    desk.write("online.pem", &online_key.to_pem().unwrap());
    for (change, expected) in [
        (&[][..], "nothing would change"),
        (&["--threshold", "root=2"], "would have 1 keys and need 2 signatures"),
        (&["--threshold", "root=0"], "need 0 signatures"),
        (&["--drop", "root="], "would have 0 keys"),
        (&["--drop", "root=zz"], "no key of role `root` begins with `zz`"),
        (&["--add", "root=ada.pem", "--add", "root=ada.pem"], "already belongs to role `root`"),
        (&["--add", "root=root.pem"], "already belongs to role `root`"),
        (&["--add", "root=online.pem"], "would be both an online key and a key of role `root`"),
        (&["--add", "online=release.pem"], "would be both an online key and a key of role `release:1.8`"),
        (&["--add", "online=ada.pem", "--threshold", "online=2"], "a server signs alone"),
        (&["--renew", "online"], "the server renews it"),
        (&["--add", "release:1.7=ada.pem"], "there is no role `release:1.7`"),
        (&["--add", "root=none.pem"], "cannot read `none.pem`"),
    ] {
        refused(&desk, &[&["root", "change", "c.json"], change].concat(), expected);
        assert!(!desk.path("c.json").exists());
    }
    refused(&desk, &["root", "change", "c.json", "--threshold", "root=0"], "`--threshold ROLE=1`");
    assert_eq!(role(&desk, "online").0, [online]);
    for usage in ["root", "admin=ada.pem", "release:=ada.pem"] {
        assert!(desk.run(&["root", "change", "c.json", "--add", usage]).contains("\nexit 2\n"), "{usage}");
    }
}

#[test]
fn a_key_that_counts_for_nothing_signs_nothing() {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.done(&["root", "change", "c.json", "--renew", "root"]);
    let file = desk.read("c.json");
    for name in ["ada", "targets"] {
        let key = format!("keys/{name}.pem");
        refused(
            &desk,
            &[
                "ceremony",
                "sign",
                "c.json",
                "--key",
                &key,
                "--yes",
                "--root",
                "channels/trust/1.root.json",
                "--targets",
                "channels/trust/targets.json",
            ],
            "does not count for any document",
        );
    }
    refused(&desk, &["ceremony", "sign", "c.json", "--key", "keys/root.pem"], "there is no terminal");
    assert_eq!(desk.read("c.json"), file);
    refused(&desk, &["ceremony", "finish", "c.json"], "has 0 of 1 root keys");
}

#[test]
fn a_wrong_key_is_told_whose_it_is_and_which_keys_sign() {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.release("1.8.2", "");
    let retire = ["line", "retire", "1.8", "--leave-behind", "--reason", "none", "--key"];
    for (key, whose) in [("targets", "is a key of `targets`"), ("ada", "is a key of no role")] {
        let key = format!("keys/{key}.pem");
        for command in [&retire[..], &["release", "sign", "1.8.2", "--key"]] {
            let told = desk.run(&[command, &[&key]].concat());
            assert!(told.contains(&format!("the key `{key}`")) && told.contains(whose), "{told}");
            assert!(told.contains("release keys"), "{told}");
        }
    }
}

#[test]
fn a_file_that_was_changed_on_its_way_is_signed_and_published_by_nobody() {
    let desk = founded();
    let ada = key(&desk, "ada", 11);
    let mallory = key(&desk, "mallory", 12);
    desk.done(&["root", "change", "c.json", "--add", "root=ada.pem", "--threshold", "root=2"]);
    sign(&desk, "c.json", "root");
    let good = desk.read("c.json");
    let public =
        |seed| hex::encode(tidegate::signing::PrivateKey::from_seed(&[seed; 32]).public().key().public());
    let tampered = good.replace(&ada, &mallory).replace(&public(11), &public(12));
    for (file, expected) in [
        (tampered, "was changed after the key"),
        (good.replace("\"threshold\":2", "\"threshold\":1"), "was changed after the key"),
        (good.replace("\"_type\": \"ceremony\"", "\"_type\": \"root\""), "not a ceremony file"),
        (good.replace("\"format\": 1", "\"format\": 2"), "format `2` is unknown"),
        (good.replace("trust/2.root.json", "trust/../../x"), "is not part of a ceremony"),
        (good.replace("trust/2.root.json", "trust/3.root.json"), "is actually `trust/2.root.json`"),
        ("{}".to_owned(), "not a ceremony file"),
    ] {
        assert_ne!(file, good);
        desk.write("c.json", &file);
        for command in [
            &["ceremony", "show", "c.json"][..],
            &["ceremony", "sign", "c.json", "--key", "keys/ada.pem", "--yes"],
            &["ceremony", "finish", "c.json"],
        ] {
            refused(&desk, command, expected);
        }
        assert_eq!(desk.read("c.json"), file);
    }
    // The roots that it began from are forged as a whole: only a root that was kept tells.
    let other = founded();
    other.done(&["root", "change", "--renew", "root", "--key", "keys/root.pem"]);
    let kept = other.read("channels/trust/2.root.json");
    desk.write("kept.json", &kept);
    desk.write("c.json", &good);
    let ours = ["ceremony", "sign", "c.json", "--key", "keys/ada.pem", "--yes", "--root"];
    refused(&desk, &[&ours[..], &["kept.json"]].concat(), "do not lead on from `kept.json`");
    desk.done(
        &[&ours[..], &["channels/trust/1.root.json", "--targets", "channels/trust/targets.json"]].concat(),
    );
    desk.done(&["ceremony", "finish", "c.json"]);
}

#[test]
fn a_ceremony_that_something_else_came_before_is_stale() {
    let desk = founded();
    key(&desk, "ada", 11);
    key(&desk, "ben", 12);
    desk.done(&["root", "change", "slow.json", "--add", "root=ada.pem"]);
    sign(&desk, "slow.json", "root");
    desk.done(&["root", "change", "--add", "root=ben.pem", "--key", "keys/root.pem"]);
    refused(
        &desk,
        &["ceremony", "finish", "slow.json"],
        "`trust/2.root.json` is not the one that the ceremony began from",
    );

    // A release that was signed meanwhile is in the way where its line is signed anew, and only there.
    let renew = ["root", "change", "line.json", "--renew", "release:1.8", "--key", "keys/release.pem"];
    desk.done(&renew);
    desk.done(&["root", "change", "root.json", "--renew", "root", "--key", "keys/root.pem"]);
    desk.release("1.8.2", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    refused(&desk, &["ceremony", "finish", "line.json"], "`trust/releases-1.8.json` is not the one");
    desk.done(&["ceremony", "finish", "root.json"]);
    desk.done(&["verify"]);
    assert!(desk.run(&renew).contains("exists already"));
}

#[test]
fn a_manifest_that_is_not_the_listed_one_is_not_signed_again() {
    let desk = founded();
    let old = role(&desk, "release:1.8").0[0].clone();
    key(&desk, "ada", 11);
    let other = desk.read("payloads/1.8.1/release.json").replace("1.8.1", "1.8.9");
    desk.write("payloads/1.8.1/release.json", &other);
    let drop = format!("release={old}");
    let change = ["root", "change", "c.json", "--add", "release=ada.pem", "--drop", &drop];
    refused(&desk, &change, "is not the manifest that the role of line `1.8` lists");
}

#[test]
fn an_expiry_that_was_put_off_for_ever_is_signed_by_nobody() {
    let desk = founded();
    let begin =
        ["root", "change", "c.json", "--renew", "root", "--renew", "targets", "--renew", "release:1.8"];
    desk.done(&begin);
    let good = desk.read("c.json");
    let keys = ["--key", "keys/root.pem", "--key", "keys/targets.pem", "--key", "keys/release.pem"];
    let sign = [&["ceremony", "sign", "c.json", "--yes"][..], &keys].concat();
    for path in ["trust/2.root.json", "trust/targets.json", "trust/releases-1.8.json"] {
        let mut file: serde_json::Value = serde_json::from_str(&good).unwrap();
        file["documents"][path]["signed"]["expires"] = "9999-12-31T23:59:59Z".into();
        desk.write("c.json", &file.to_string());
        refused(&desk, &sign, &format!("`{path}` would be valid until"));
        refused(&desk, &["ceremony", "finish", "c.json"], "which is more than 730 days ahead");
    }
    desk.write("c.json", &good);
    desk.done(&sign);
}
