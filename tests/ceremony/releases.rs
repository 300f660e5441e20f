//! Two people sign a release.

use crate::desk::Desk;
use crate::keepers::{founded, key, role, sign};

/// A desk on which a release takes the signatures of `release` and `ada`.
fn two() -> Desk {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.done(&[
        "root",
        "change",
        "--add",
        "release=ada.pem",
        "--threshold",
        "release=2",
        "--key",
        "keys/targets.pem",
        "--key",
        "keys/release.pem",
        "--key",
        "keys/ada.pem",
    ]);
    desk.done(&["verify"]);
    desk.release("1.8.2", "");
    desk
}

#[test]
fn two_people_sign_a_release_on_different_machines() {
    let desk = two();
    let alone = desk.run(&["release", "sign", "--key", "keys/release.pem"]);
    assert!(alone.contains("exit 1") && alone.contains("needs the signatures of 2 release keys"), "{alone}");
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--ceremony", "for-ada.json"]);
    assert!(!desk.path("payloads/1.8.2/release.json").exists());
    // The role lists the manifest with both signatures, so the first signs it after the second.
    sign(&desk, "for-ada.json", "ada");
    let told = desk.run(&["ceremony", "finish", "for-ada.json"]);
    assert!(told.contains("`trust/releases-1.8.json` has 1 of 2 release keys"), "{told}");
    sign(&desk, "for-ada.json", "release");
    let written = desk.json(&["ceremony", "finish", "for-ada.json"])["written"].to_string();
    assert!(written.contains("trust/releases-1.8.json") && written.contains("/release.json"), "{written}");
    let again = desk.json(&["ceremony", "finish", "for-ada.json"]);
    assert_eq!(again["written"], serde_json::json!([]));
    desk.done(&["verify"]);
    assert!(desk.run(&["release", "sign", "--key", "keys/release.pem"]).contains("nothing to sign"));
}

#[test]
fn two_keys_at_one_desk_sign_a_release_at_once() {
    let desk = two();
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--key", "keys/ada.pem"]);
    let signed: serde_json::Value = serde_json::from_str(&desk.read("payloads/1.8.2/release.json")).unwrap();
    assert_eq!(signed["signatures"].as_array().unwrap().len(), 2);
    desk.done(&["verify"]);
}

#[test]
fn a_new_line_gets_the_keys_and_the_threshold_of_the_others() {
    let desk = two();
    desk.line("1.10", "");
    desk.release("1.10.0", "");
    let sign = ["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    let alone = desk.run(&sign);
    assert!(alone.contains("exit 1") && alone.contains("needs the signatures of 2 release keys"), "{alone}");
    desk.done(&[&sign[..], &["--key", "keys/ada.pem"]].concat());
    assert_eq!(role(&desk, "release:1.10"), role(&desk, "release:1.8"));
    assert_eq!(role(&desk, "release:1.10").1, 2);
    desk.done(&["verify"]);
}

#[test]
fn a_new_line_is_never_the_weak_one_where_the_others_differ() {
    let desk = founded();
    let ada = key(&desk, "ada", 11);
    // Line 1.8 wants two of its keys, and line 1.9 one.
    let keys = ["--key", "keys/targets.pem", "--key", "keys/release.pem", "--key", "keys/ada.pem"];
    let change = ["root", "change", "--add", "release:1.8=ada.pem", "--threshold", "release:1.8=2"];
    desk.done(&[&change[..], &keys].concat());
    desk.line("1.10", "");
    desk.release("1.10.0", "");
    let sign =
        ["release", "sign", "1.10.0", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    let alone = desk.run(&sign);
    assert!(alone.contains("exit 1"), "{alone}");
    desk.done(&[&sign[..], &["--key", "keys/ada.pem"]].concat());
    let (found, threshold) = role(&desk, "release:1.10");
    assert!(found.contains(&ada) && threshold == 2, "{found:?} {threshold}");
    // Nor with a key that signs for no line yet.
    key(&desk, "eve", 12);
    desk.line("1.11", "");
    desk.release("1.11.0", "");
    let alone = desk.run(&[
        "release",
        "sign",
        "1.11.0",
        "--key",
        "keys/eve.pem",
        "--targets-key",
        "keys/targets.pem",
    ]);
    assert!(alone.contains("exit 1"), "{alone}");
    desk.done(&["verify"]);
}

#[test]
fn a_new_line_goes_to_no_key_but_one_that_signs_releases() {
    let desk = founded();
    let eve = key(&desk, "eve", 12);
    desk.line("4.0", "");
    desk.release("4.0.0", "");
    let id = |file: &str| desk.json(&["key", "list", file])["keys"][0]["keyid"].as_str().unwrap().to_owned();
    let before = (desk.files("channels"), desk.files("payloads"));
    for (file, expected) in [
        (
            ".tidegate/keys/online.pem",
            "would be both an online key and a key of role `release:4.0`".to_owned(),
        ),
        ("keys/root.pem", "belongs to role `root`, and cannot sign releases".to_owned()),
        ("keys/targets.pem", "belongs to role `targets`, and cannot sign releases".to_owned()),
        (
            "keys/eve.pem",
            format!("the key `{eve}` of the new role `release:4.0` is not a release key of any other line"),
        ),
    ] {
        for named in [&[][..], &["4.0.0"]] {
            let sign = ["release", "sign", "--key", file, "--targets-key", "keys/targets.pem"];
            let told = desk.run(&[&sign[..], named].concat());
            // What is shown stands without digests.
            let expected = expected.replace(&eve, "<digest>");
            assert!(told.contains("\nexit 1\n") && told.contains(&expected), "{told}");
            assert!(told.contains("hint: give a release key"), "{told}");
            assert!(before == (desk.files("channels"), desk.files("payloads")), "{told}");
            // Nor in a ceremony, which others would sign.
            let told = desk.run(&[&sign[..], named, &["--ceremony", "c.json"]].concat());
            assert!(told.contains("\nexit 1\n") && told.contains(&expected), "{told}");
            assert!(!desk.path("c.json").exists(), "{told}");
        }
    }
    let sign = ["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    let told = desk.json(&sign);
    assert_eq!(told["delegated"][0]["keyids"], serde_json::json!([id("keys/release.pem")]), "{told}");
    desk.done(&["verify"]);
}

#[test]
fn the_first_line_goes_to_a_key_of_nobody_else() {
    let desk = Desk::empty();
    desk.write("channels/policy.yaml", "format: 1\nstages:\n  - name: preproduction\n");
    desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    desk.line("4.0", "");
    desk.release("4.0.0", "");
    let sign =
        |file: &str| desk.run(&["release", "sign", "--key", file, "--targets-key", "keys/targets.pem"]);
    for file in [".tidegate/keys/online.pem", "keys/root.pem", "keys/targets.pem"] {
        let told = sign(file);
        assert!(told.contains("\nexit 1\n") && told.contains("role `release:4.0`"), "{told}");
    }
    assert!(sign("keys/release.pem").contains("\nexit 0\n"));
    desk.done(&["verify"]);
}

#[test]
fn what_the_keys_at_hand_are_not_enough_for_stops_nothing_else() {
    let desk = founded();
    key(&desk, "ben", 13);
    let change = ["root", "change", "--add", "release:1.9=ben.pem", "--drop"];
    let release = desk.json(&["key", "list", "release.pem"])["keys"][0]["keyid"].as_str().unwrap().to_owned();
    let drop = format!("release:1.9={release}");
    let keys = ["--key", "keys/targets.pem", "--key", "keys/ben.pem"];
    desk.done(&[&change[..], &[&drop], &keys].concat());
    desk.line("2.4", "");
    for version in ["1.8.2", "1.9.2", "2.4.0", "2.4.1"] {
        desk.release(version, "");
    }
    // Those that are named are signed all or not at all.
    let before = desk.files("payloads");
    for (named, expected) in [
        ("1.9.2", "is a key of `release:1.8`, and not one of line `1.9`'s release keys"),
        ("2.4.0", "line `2.4` is new, and nobody may sign its releases yet"),
    ] {
        let told = desk.run(&["release", "sign", "1.8.2", named, "--key", "keys/release.pem"]);
        assert!(told.contains("\nexit 1\n") && told.contains(expected), "{told}");
        assert!(desk.files("payloads") == before, "{told}");
    }
    let told = desk.run(&["release", "sign", "--key", "keys/release.pem"]);
    insta::assert_snapshot!("sign_what_can_be", told);
    assert!(desk.path("payloads/1.8.2/release.json").exists());
    for other in ["1.9.2", "2.4.0", "2.4.1"] {
        assert!(!desk.path(&format!("payloads/{other}/release.json")).exists(), "{other}");
    }
    // A threshold that is not reached is such a reason as well.
    key(&desk, "ada", 11);
    let change = ["root", "change", "--add", "release:1.9=ada.pem", "--threshold", "release:1.9=2"];
    desk.done(&[&change[..], &keys, &["--key", "keys/ada.pem"]].concat());
    desk.release("1.8.3", "");
    let sign = ["release", "sign", "--key", "keys/release.pem", "--key", "keys/ben.pem"];
    let told = desk.run(&sign);
    assert!(
        told.contains("`1.9.2` is not signed: line `1.9` needs the signatures of 2 release keys"),
        "{told}"
    );
    assert!(told.contains("\nexit 1\n"), "{told}");
    assert!(desk.path("payloads/1.8.3/release.json").exists(), "{told}");
    desk.release("1.8.4", "");
    let body = desk.json(&["release", "sign", "--key", "keys/release.pem"]);
    assert_eq!(body["signed"][0]["version"], "1.8.4", "{body}");
    assert_eq!(body["refused"][0]["version"], "1.9.2", "{body}");
    assert_eq!(body["refused"][2]["hint"], "give the targets key too: `--targets-key FILE`", "{body}");
    desk.done(&[&sign[..], &["--key", "keys/ada.pem", "--targets-key", "keys/targets.pem"]].concat());
    desk.done(&["verify"]);
}
