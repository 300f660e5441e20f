//! What is signed leads on from what the keeper holds, and not from what came in the file.

use crate::desk::Desk;
use crate::keepers::{founded, key, role, sign};

/// Runs a command that must be refused and must change nothing in a file.
fn refused(desk: &Desk, arguments: &[&str], file: &str, expected: &[&str]) {
    let before = desk.read(file);
    let told = desk.run(arguments);
    assert!(told.contains("\nexit 1\n") && told.contains("\nhint: "), "{told}");
    for expected in expected {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert_eq!(desk.read(file), before);
}

/// A renewal that begins from a first root to which somebody has added his own key.
fn forged() -> (String, String) {
    let desk = Desk::new();
    key(&desk, "root", 1);
    let mallory = key(&desk, "mallory", 66);
    desk.done(&[
        "init",
        "--offline-keys",
        "forged",
        "--no-encrypt",
        "--root-key",
        "root.pem",
        "--root-key",
        "mallory.pem",
    ]);
    sign(&desk, "founding.json", "mallory");
    desk.done(&["ceremony", "finish", "founding.json"]);
    desk.done(&["root", "change", "renew.json", "--renew", "root", "--reason", "yearly renewal"]);
    (desk.read("renew.json"), mallory)
}

#[test]
fn a_forged_base_is_signed_by_no_key_that_has_a_pin_or_is_given_a_root() {
    let desk = founded();
    let (forged, _) = forged();
    desk.write("forged.json", &forged);
    let sign = ["ceremony", "sign", "forged.json", "--key", "keys/root.pem", "--yes"];
    let other = "its root version 1 is another one than that of the keeper";
    refused(&desk, &sign, "forged.json", &["does not lead on from its pin `keys/root.pem.pin.json`", other]);
    std::fs::remove_file(desk.path("keys/root.pem.pin.json")).unwrap();
    let named = [&sign[..], &["--root", "channels/trust/1.root.json"]].concat();
    refused(&desk, &named, "forged.json", &["do not lead on from `channels/trust/1.root.json`", other]);
    assert!(!desk.path("keys/root.pem.pin.json").exists(), "nothing is pinned that was refused");
}

#[test]
fn without_a_pin_or_a_root_nothing_is_signed_unseen_and_all_keys_are_shown_in_full() {
    let desk = founded();
    let (forged, mallory) = forged();
    desk.write("forged.json", &forged);
    std::fs::remove_file(desk.path("keys/root.pem.pin.json")).unwrap();
    let sign = ["ceremony", "sign", "forged.json", "--key", "keys/root.pem"];
    let unseen = [&sign[..], &["--yes"]].concat();
    refused(
        &desk,
        &unseen,
        "forged.json",
        &["nothing shows that the roots and roles in it are real", "--root N.root.json"],
    );
    // The question comes after all keys, and there is no terminal to answer it on.
    let keys = "- `root` needs 1 of 2 keys:\n<digest>\n<digest>\n";
    let shown = [keys, "compare all keys and thresholds", "there is no terminal", "--root N.root.json"];
    refused(&desk, &sign, "forged.json", &shown);
    assert!(desk.run(&["ceremony", "show", "forged.json"]).contains(keys));
    let roles = desk.json(&["ceremony", "show", "forged.json"])["roles_after"].clone();
    assert!(roles.to_string().contains(&mallory), "{roles}");
}

/// A founding of two keepers that `init` has begun where the catalog is, and the arguments to sign it.
fn begun(desk: &Desk, folder: &str, keepers: [&str; 2]) -> String {
    let [one, two] = keepers.map(|name| format!("../{name}.pem"));
    let file = desk.path(folder).join("founding.json");
    let state = format!("{folder}/.tidegate");
    let folders = ["--catalog", &format!("{folder}/channels"), "--payloads", &format!("{folder}/payloads")];
    let keys = ["--offline-keys", &format!("{folder}-keys"), "--no-encrypt", "--state", &state];
    let root = ["--root-key", one.trim_start_matches("../"), "--root-key", two.trim_start_matches("../")];
    desk.done(&[&["init", "--ceremony", file.to_str().unwrap()][..], &folders, &keys, &root].concat());
    format!("{folder}/founding.json")
}

#[test]
fn a_founding_is_signed_unseen_only_where_it_was_begun_and_nobody_has_changed_it() {
    let desk = Desk::empty();
    for (seed, name) in (11..).zip(["ada", "ben", "mallory"]) {
        key(&desk, name, seed);
    }
    let file = begun(&desk, "here", ["ada", "ben"]);
    let forged = begun(&desk, "there", ["ada", "mallory"]);
    let unseen = |file: &str, state: &str| {
        let key = "keys/ada.pem";
        ["ceremony", "sign", file, "--key", key, "--yes", "--state", state].map(str::to_owned)
    };
    let way_out = "has begun the ceremony";
    for (file, state) in [(&file, "elsewhere"), (&forged, "here/.tidegate"), (&file, "there/.tidegate")] {
        let sign = unseen(file, state);
        let sign: Vec<&str> = sign.iter().map(String::as_str).collect();
        refused(&desk, &sign, file, &["nothing shows that the roots and roles in it are real", way_out]);
        // Without `--yes`, there is a question, and no terminal to answer it on.
        let asked: Vec<&str> = sign.iter().copied().filter(|word| *word != "--yes").collect();
        let shown = ["adds the key", "compare all keys and thresholds", "there is no terminal", way_out];
        refused(&desk, &asked, file, &shown);
        assert!(!desk.path("keys/ada.pem.pin.json").exists());
    }
    let sign = unseen(&file, "here/.tidegate");
    desk.done(&sign.iter().map(String::as_str).collect::<Vec<_>>());
    // Its own pin is all that it needs from here on.
    let sign = unseen(&file, "elsewhere");
    desk.done(&sign.iter().map(String::as_str).collect::<Vec<_>>());
    let sign = unseen(&forged, "there/.tidegate");
    let sign: Vec<&str> = sign.iter().map(String::as_str).collect();
    refused(&desk, &sign, &forged, &["does not lead on from its pin `keys/ada.pem.pin.json`"]);
}

#[test]
fn what_finishes_a_ceremony_moves_the_pins_of_the_keys_at_hand() {
    let desk = founded();
    let renew = ["root", "change", "renew.json", "--renew", "root", "--renew", "targets"];
    desk.done(&renew);
    let before = desk.read("renew.json");
    sign(&desk, "renew.json", "root");
    sign(&desk, "renew.json", "targets");
    let finish = ["ceremony", "finish", "renew.json", "--key", "keys/root.pem"];
    for _ in 0..2 {
        desk.done(&finish);
    }
    // Only a key that was at hand has seen the new root.
    desk.write("again.json", &before);
    let older = "its newest root is version 1, but the keeper has seen version 2";
    let again = ["ceremony", "sign", "again.json", "--key", "keys/root.pem", "--yes"];
    refused(&desk, &again, "again.json", &[older]);
    desk.done(&["ceremony", "sign", "again.json", "--key", "keys/targets.pem", "--yes"]);
    // What does not lead on from a pin is not finished either.
    let (forged, _) = forged();
    desk.write("forged.json", &forged);
    let finish = ["ceremony", "finish", "forged.json", "--key", "keys/root.pem"];
    refused(&desk, &finish, "channels/trust/targets.json", &["does not lead on from its pin"]);
}

#[test]
fn what_is_older_than_what_a_key_has_signed_is_not_signed() {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.done(&["root", "change", "late.json", "--renew", "root"]);
    desk.done(&["root", "change", "roles.json", "--add", "release=ada.pem"]);
    desk.done(&[
        "root",
        "change",
        "--renew",
        "root",
        "--renew",
        "targets",
        "--key",
        "keys/root.pem",
        "--key",
        "keys/targets.pem",
    ]);
    for (file, key, expected) in [
        ("late.json", "root", "its newest root is version 1, but the keeper has seen version 2"),
        ("roles.json", "targets", "its newest root is version 1, but the keeper has seen version 2"),
    ] {
        let key = format!("keys/{key}.pem");
        refused(&desk, &["ceremony", "sign", file, "--key", &key, "--yes"], file, &[expected]);
    }
    // The same for the targets role alone.
    desk.done(&["root", "change", "roles2.json", "--add", "release=ada.pem"]);
    desk.done(&["root", "change", "--renew", "targets", "--key", "keys/targets.pem"]);
    let sign = ["ceremony", "sign", "roles2.json", "--key", "keys/targets.pem", "--yes"];
    let older = "its targets role is version 2, but the keeper has seen version 3";
    refused(&desk, &sign, "roles2.json", &[older]);
}

#[test]
fn a_trust_folder_that_was_rolled_back_is_signed_with_by_nobody_who_has_seen_the_newer_one() {
    let desk = founded();
    key(&desk, "ada", 11);
    let before = desk.read("channels/trust/targets.json");
    let old = role(&desk, "release:1.8").0[0].clone();
    let ada = ["--key", "keys/targets.pem", "--key", "keys/ada.pem"];
    let drop = format!("release={old}");
    let change = ["root", "change", "--add", "release=ada.pem", "--drop", &drop];
    desk.done(&[&change[..], &ada].concat());
    // Somebody puts the dropped key back, with the files of an old commit.
    let now = desk.read("channels/trust/targets.json");
    desk.write("channels/trust/targets.json", &before);
    desk.release("1.8.2", "");
    for command in [
        &["release", "sign", "1.8.2", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"][..],
        &["root", "change", "--renew", "targets", "--key", "keys/targets.pem"],
    ] {
        let told = desk.run(command);
        assert!(told.contains("\nexit 1\n"), "{told}");
    }
    let told = desk.run(&["root", "change", "--renew", "targets", "--key", "keys/targets.pem"]);
    let older = "its targets role is version 1, but the keeper has seen version 2";
    assert!(told.contains(older) && told.contains("restore `trust/` as it was"), "{told}");
    // The way out that it names.
    desk.write("channels/trust/targets.json", &now);
    desk.done(&["root", "change", "--renew", "targets", "--key", "keys/targets.pem"]);
}

#[test]
fn a_key_without_a_pin_pins_what_it_signs_and_says_so_once() {
    let desk = founded();
    for name in ["root", "targets", "release"] {
        assert!(desk.path(&format!("keys/{name}.pem.pin.json")).exists(), "`init` pins the root: {name}");
    }
    std::fs::remove_file(desk.path("keys/release.pem.pin.json")).unwrap();
    desk.release("1.8.2", "");
    let sign = ["release", "sign", "--key", "keys/release.pem"];
    let told = desk.run(&sign);
    assert!(told.contains("pinned root version 1 beside the keys"), "{told}");
    desk.release("1.8.3", "");
    let told = desk.run(&sign);
    assert!(!told.contains("pinned"), "{told}");
    // A pin that cannot be read is not passed over.
    desk.write("keys/release.pem.pin.json", "{}");
    desk.release("1.8.4", "");
    refused(&desk, &sign, "channels/trust/releases-1.8.json", &["cannot use `keys/release.pem.pin.json`"]);
}

#[test]
fn an_added_key_beside_the_old_ones_is_warned_of_and_a_rotation_is_not() {
    let desk = founded();
    let old = role(&desk, "online").0[0].clone();
    key(&desk, "ada", 11);
    let warning = "the old keys of role `online` still count";
    let add = ["root", "change", "add.json", "--add", "online=ada.pem"];
    let told = desk.run(&add);
    assert!(told.contains("\nexit 0\n") && told.contains(warning), "{told}");
    let drop = format!("online={old}");
    let told = desk.run(&["root", "change", "rotate.json", "--add", "online=ada.pem", "--drop", &drop]);
    assert!(told.contains("\nexit 0\n") && !told.contains("warning"), "{told}");
}

#[test]
fn a_ceremony_that_begins_from_an_older_targets_role_is_not_signed_unseen_by_a_keeper_who_names_a_root() {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.done(&["root", "change", "old.json", "--renew", "targets", "--reason", "yearly renewal"]);
    let stolen = role(&desk, "release:1.8").0[0].clone();
    let rotate = ["root", "change", "--add", "release=ada.pem", "--drop", &format!("release={stolen}")];
    desk.done(&[&rotate[..], &["--key", "keys/targets.pem", "--key", "keys/ada.pem"]].concat());
    std::fs::remove_file(desk.path("keys/targets.pem.pin.json")).unwrap();
    let root = ["--key", "keys/targets.pem", "--root", "channels/trust/1.root.json"];
    let sign = [&["ceremony", "sign", "old.json"][..], &root].concat();
    let unseen = [&sign[..], &["--yes"]].concat();
    refused(&desk, &unseen, "old.json", &["real and not old", "--targets targets.json"]);
    refused(&desk, &sign, "old.json", &["- `release:1.8` needs 1 of 1 key:\n", "there is no terminal"]);
    let newest = [&unseen[..], &["--targets", "channels/trust/targets.json"]].concat();
    let older = "its targets role is version 1, but the keeper has seen version 2";
    refused(&desk, &newest, "old.json", &["do not lead on from", older]);
}
