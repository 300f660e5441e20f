//! Keys come and go.

use insta::assert_snapshot;

use crate::keepers::{founded, key, role, sign};

#[test]
fn a_ceremony_says_what_it_changes_and_who_is_missing() {
    let desk = founded();
    key(&desk, "ada", 11);
    key(&desk, "ben", 12);
    let reason = "two people from now on";
    desk.done(&[
        "root",
        "change",
        "two.json",
        "--add",
        "root=ada.pem",
        "--add",
        "release:1.8=ben.pem",
        "--threshold",
        "root=2",
        "--threshold",
        "release:1.8=2",
        "--reason",
        reason,
    ]);
    sign(&desk, "two.json", "root");
    sign(&desk, "two.json", "release");
    // Whether a second passed since the first roles were signed is not what this is about.
    let shown = desk.run(&["ceremony", "show", "two.json"]);
    let shown: Vec<&str> = shown.lines().filter(|line| !line.contains("expires at")).collect();
    assert_snapshot!("ceremony_show", shown.join("\n"));
    let shown = desk.json(&["ceremony", "show", "two.json"]);
    assert_eq!((shown["complete"].as_bool(), shown["reason"].as_str()), (Some(false), Some(reason)));
    assert_eq!(shown["documents"][0]["needs"][1]["threshold"], 2);
}

#[test]
fn a_root_key_is_rotated_under_the_old_and_the_new_one() {
    let desk = founded();
    let old = role(&desk, "root").0[0].clone();
    let new = key(&desk, "ada", 11);
    let drop = format!("root={}", &old[..8]);
    desk.done(&["root", "change", "c.json", "--add", "root=ada.pem", "--drop", &drop]);
    // Nobody needs the catalog to sign: another desk, with nothing but the file.
    sign(&desk, "c.json", "ada");
    let told = desk.run(&["ceremony", "finish", "c.json"]);
    assert!(told.contains("has 0 of 1 present root keys"), "{told}");
    sign(&desk, "c.json", "root");
    desk.done(&["ceremony", "finish", "c.json"]);
    assert_eq!(role(&desk, "root"), (vec![new], 1));
    desk.done(&["verify"]);
    // The old one signs nothing any more.
    let told = desk.run(&["root", "change", "--renew", "root", "--key", "keys/root.pem"]);
    assert!(told.contains("exit 1") && told.contains("does not count for any document"), "{told}");
    desk.done(&["root", "change", "--renew", "root", "--key", "keys/ada.pem"]);
    desk.done(&["verify"]);
}

#[test]
fn a_targets_key_is_rotated_at_once_where_all_keys_are_at_hand() {
    let desk = founded();
    let old = role(&desk, "targets").0[0].clone();
    let new = key(&desk, "ada", 11);
    let change = ["root", "change", "--add", "targets=ada.pem", "--drop", &format!("targets={old}")];
    let told = desk.run(&[&change[..], &["--key", "keys/root.pem"]].concat());
    assert!(told.contains("exit 1") && told.contains("signatures are missing"), "{told}");
    assert_eq!(role(&desk, "targets").0, std::slice::from_ref(&old));
    desk.done(&[&change[..], &["--key", "keys/root.pem", "--key", "keys/ada.pem"]].concat());
    assert_eq!(role(&desk, "targets"), (vec![new], 1));
    desk.done(&["verify"]);
}

#[test]
fn a_stolen_release_key_goes_and_all_that_it_signed_is_signed_anew() {
    let desk = founded();
    let old = role(&desk, "release:1.8").0[0].clone();
    let new = key(&desk, "ada", 11);
    let before = desk.json(&["release", "show", "1.8.1"]);
    desk.done(&[
        "root",
        "change",
        "--add",
        "release=ada.pem",
        "--drop",
        &format!("release={}", &old[..6]),
        "--key",
        "keys/targets.pem",
        "--key",
        "keys/ada.pem",
    ]);
    for line in ["release:1.8", "release:1.9"] {
        assert_eq!(role(&desk, line), (vec![new.clone()], 1), "{line}");
    }
    desk.done(&["verify"]);
    let signed: serde_json::Value = serde_json::from_str(&desk.read("payloads/1.8.1/release.json")).unwrap();
    assert_eq!(signed["signatures"].as_array().unwrap().len(), 1);
    assert_eq!(signed["signatures"][0]["keyid"], new.as_str());
    // What it says is as before: it is no other release.
    assert_eq!(desk.json(&["release", "show", "1.8.1"]), before);
}

#[test]
fn a_release_key_that_only_comes_leaves_what_is_signed_alone() {
    let desk = founded();
    let (role_before, manifest) =
        (desk.read("channels/trust/releases-1.8.json"), desk.read("payloads/1.8.1/release.json"));
    key(&desk, "ada", 11);
    desk.done(&["root", "change", "--add", "release:1.8=ada.pem", "--key", "keys/targets.pem"]);
    assert_eq!(desk.read("channels/trust/releases-1.8.json"), role_before);
    assert_eq!(desk.read("payloads/1.8.1/release.json"), manifest);
    assert_eq!((role(&desk, "release:1.8").0.len(), role(&desk, "release:1.9").0.len()), (2, 1));
    desk.release("1.8.2", "");
    desk.done(&["release", "sign", "--key", "keys/ada.pem"]);
    desk.done(&["verify"]);
}

#[test]
fn an_online_key_is_rotated_in_root_and_targets() {
    let desk = founded();
    let old = role(&desk, "online").0[0].clone();
    let new = key(&desk, "next", 11);
    desk.done(&[
        "root",
        "change",
        "--add",
        "online=next.pem",
        "--drop",
        &format!("online={old}"),
        "--key",
        "keys/root.pem",
        "--key",
        "keys/targets.pem",
    ]);
    assert_eq!(role(&desk, "online"), (vec![new.clone()], 1));
    let root: serde_json::Value = serde_json::from_str(&desk.read("channels/trust/2.root.json")).unwrap();
    for role in ["snapshot", "timestamp"] {
        assert_eq!(root["signed"]["roles"][role]["keyids"][0], new.as_str(), "{role}");
    }
    desk.done(&["verify"]);
}

#[test]
fn what_expires_is_renewed_without_any_other_change() {
    let desk = founded();
    let keys = desk.json(&["key", "list"]);
    desk.done(&[
        "root",
        "change",
        "--renew",
        "root",
        "--renew",
        "targets",
        "--renew",
        "release",
        "--key",
        "keys/root.pem",
        "--key",
        "keys/targets.pem",
        "--key",
        "keys/release.pem",
    ]);
    assert_eq!(desk.json(&["key", "list"]), keys);
    let roles = desk.json(&["root", "show"]);
    let versions: Vec<Option<u64>> =
        roles["roles"].as_array().unwrap().iter().map(|role| role["version"].as_u64()).collect();
    assert_eq!(versions, [Some(2), Some(2), None, Some(3), Some(3)]);
    desk.done(&["verify"]);
}

#[test]
fn a_finish_that_was_cut_short_is_completed_by_the_next() {
    let desk = founded();
    let old = role(&desk, "release:1.8").0[0].clone();
    key(&desk, "ada", 11);
    let drop = format!("release={old}");
    desk.done(&["root", "change", "c.json", "--add", "release=ada.pem", "--drop", &drop, "--renew", "root"]);
    for name in ["root", "targets", "ada"] {
        sign(&desk, "c.json", name);
    }
    let before: Vec<_> = desk.files("channels/trust").into_iter().chain(desk.files("payloads")).collect();
    desk.done(&["ceremony", "finish", "c.json"]);
    let after: Vec<_> = desk.files("channels/trust").into_iter().chain(desk.files("payloads")).collect();
    let changed: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
    assert_eq!(changed.len(), 6);
    // Whichever files were written when it was cut short.
    for lost in 0..(1_usize << changed.len()) {
        for (place, (path, _)) in changed.iter().enumerate() {
            if lost & (1 << place) != 0 {
                match before.iter().find(|(old, _)| old == path) {
                    Some((_, bytes)) => std::fs::write(path, bytes).unwrap(),
                    None => std::fs::remove_file(path).unwrap(),
                }
            }
        }
        desk.done(&["ceremony", "finish", "c.json"]);
        for (path, bytes) in &changed {
            assert_eq!(&std::fs::read(path).unwrap(), bytes, "{} of {lost:b}", path.display());
        }
    }
    let told = desk.run(&["ceremony", "finish", "c.json"]);
    assert!(told.contains("exit 0") && told.contains("unchanged"), "{told}");
}
