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
    assert!(alone.contains("exit 1") && alone.contains("more people must sign"), "{alone}");
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--ceremony", "for-ada.json"]);
    assert!(!desk.path("payloads/1.8.2/release.json").exists());
    // The role lists the manifest with both signatures, so the first signs it after the second.
    sign(&desk, "for-ada.json", "ada");
    let told = desk.run(&["ceremony", "finish", "for-ada.json"]);
    assert!(told.contains("`trust/releases-1.8.json` has 1 of 2 release keys"), "{told}");
    sign(&desk, "for-ada.json", "release");
    desk.done(&["ceremony", "finish", "for-ada.json"]);
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
    assert!(alone.contains("exit 1") && alone.contains("more people must sign"), "{alone}");
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
