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
    assert!(told.contains("\nexit 0\n") && told.contains("may change it (mode 0660): `chmod 600"), "{told}");
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
