//! `key`.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn a_key_is_made_and_never_written_over() {
    let desk = Desk::with_keys();
    assert_snapshot!(
        "key_generate",
        desk.run(&["key", "generate", "--out", "new/release.pem", "--no-encrypt"])
    );
    let key = desk.read("new/release.pem");
    assert_snapshot!(
        "key_generate_again",
        desk.run(&["key", "generate", "--out", "new/release.pem", "--no-encrypt"])
    );
    assert_eq!(desk.read("new/release.pem"), key);
    assert_snapshot!("key_list_files", desk.run(&["key", "list", "new/release.pem", "keys/release.pem"]));
}

#[test]
fn the_keys_of_a_catalog_are_listed_with_what_they_sign() {
    let desk = Desk::with_keys();
    let keys = desk.json(&["key", "list"]);
    let roles: Vec<String> =
        keys["keys"].as_array().unwrap().iter().map(|key| key["roles"].to_string()).collect();
    assert_eq!(
        roles,
        [r#"["snapshot","timestamp","channels"]"#, r#"["root"]"#, r#"["targets"]"#, r#"["releases-1.8"]"#]
    );
    assert_snapshot!("key_list_none", Desk::new().run(&["key", "list"]));
}

#[test]
fn a_key_that_everybody_may_read_is_refused_and_one_that_its_group_may_change_is_warned_of() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let chmod = |path: &str, mode| set_permissions(desk.path(path), Permissions::from_mode(mode)).unwrap();
    let sign = ["release", "sign", "--key", "keys/release.pem"];
    chmod("keys/release.pem", 0o644);
    assert_snapshot!("key_exposed", desk.run(&sign));
    assert!(!desk.path("payloads/1.8.4/release.json").exists());
    chmod("keys/release.pem", 0o660);
    let told = desk.run(&sign);
    assert!(
        told.contains("\nexit 0\n") && told.contains("is group-writable (mode 0660): `chmod 600"),
        "{told}"
    );
    chmod("keys/release.pem", 0o440);
    assert!(!desk.run(&sign).contains("chmod"));

    chmod(".tidegate/keys/online.pem", 0o604);
    let told = desk.run(&["serve", "--promote", "off", "--listen", "127.0.0.1:0"]);
    assert!(
        told.contains("\nexit 1\n") && told.contains("`.tidegate/keys/online.pem` (mode 0604)"),
        "{told}"
    );
    assert!(told.contains("hint: `chmod 600 .tidegate/keys/online.pem`"), "{told}");
}

#[test]
fn a_key_in_the_place_of_a_path_is_refused_and_never_told() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let (body, marks) = ("MC4CAQAwBQYDK2VwBCIEIA", "PRIVATE KEY-----");
    let pem = format!("-----BEGIN {marks}\n{body}\n-----END {marks}\n");
    let flat = pem.replace('\n', " ");
    let bare = format!("{body}\n{body}");
    let role = format!("root={pem}");
    let public = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    for arguments in [
        &["release", "sign", "--key", &pem][..],
        &["release", "sign", "--key", &flat],
        &["release", "sign", "--key", &bare],
        &["release", "sign", "--key", "keys/release.pem", "--targets-key", &pem],
        &["line", "retire", "1.8", "--reason", "over", "--key", &bare],
        &["ceremony", "sign", "c.json", "--key", &pem],
        &["root", "change", "--renew", "root", "--key", &pem],
        &["root", "change", "c.json", "--add", &role],
        &["key", "list", &bare],
        &["key", "list", &public],
        &["key", "public", &pem],
        &["key", "passphrase", &bare],
        &["key", "generate", "--out", &bare],
        &["init", "--offline-keys", &bare],
        &["init", "--offline-keys", "new", "--root-key", &bare],
        &["serve", "--online-key", &bare, "--sign-with", "true"],
        // Not even where it is no argument that any command takes.
        &["release", "sign", &pem],
        &["release", "sign", "--not-before", &pem],
    ] {
        let told = desk.run(arguments);
        let said = told.split_once("exit 1\n").unwrap_or_else(|| panic!("{told}")).1;
        assert!(said.contains("this is a key, not the path of a key file"), "{told}");
        assert!(said.contains("hint: write it to a file") && !said.contains(body), "{told}");
    }
    for variable in
        ["TIDEGATE_RELEASE_KEY", "TIDEGATE_TARGETS_KEY", "TIDEGATE_OFFLINE_KEYS", "TIDEGATE_WITNESS"]
    {
        for command in [&["release", "sign", "--key", "keys/release.pem"][..], &["serve"], &["init"]] {
            let told = desk.run_with((variable, &pem), command);
            assert!(told.contains("this is a key") && !told.contains(body), "{variable}: {told}");
        }
    }
    let told = desk.run_with(("TIDEGATE_RELEASE_KEY", &bare), &["release", "sign"]);
    assert!(told.contains("this is a key") && !told.contains(body), "{told}");
}
