//! `key`.

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
