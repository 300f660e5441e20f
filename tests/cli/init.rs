//! `init`.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn a_catalog_is_made_from_nothing_and_only_once() {
    let desk = Desk::empty();
    assert_snapshot!("init", desk.run(&["init", "--offline-keys", "keys", "--no-encrypt"]));
    let before = desk.files(".");
    assert_snapshot!("init_again", desk.run(&["init", "--offline-keys", "keys", "--no-encrypt"]));
    assert!(desk.files(".") == before);
    for key in ["keys/root.pem", "keys/targets.pem", "keys/release.pem", ".tidegate/keys/online.pem"] {
        let mode = std::fs::metadata(desk.path(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    assert_eq!(desk.read(".tidegate/.gitignore"), "*\n");
    desk.done(&["catalog", "check"]);
    desk.done(&["verify"]);
}

#[test]
fn git_keeps_the_folders_of_what_is_signed_and_converts_nothing_in_them() {
    let (missing, own) = (Desk::empty(), Desk::empty());
    own.write("payloads/.gitattributes", "*.md text\n");
    for (desk, payloads) in [(&missing, "* -text\n"), (&own, "*.md text\n")] {
        desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
        assert_eq!(desk.read("payloads/.gitattributes"), payloads);
        assert_eq!(desk.read("channels/trust/.gitattributes"), "* -text\n");
    }
}

#[test]
fn a_founding_that_was_cut_short_is_completed_with_the_same_keys() {
    let desk = Desk::with_keys();
    let key = desk.read("keys/root.pem");
    std::fs::remove_file(desk.path("channels/trust/1.root.json")).unwrap();
    assert_snapshot!("init_completed", desk.run(&["init", "--offline-keys", "keys", "--no-encrypt"]));
    assert_eq!(desk.read("keys/root.pem"), key);
    desk.done(&["verify"]);
}

#[test]
fn offline_keys_never_lie_where_the_server_reads() {
    let desk = Desk::empty();
    for folder in [".tidegate", ".tidegate/keys", "channels/keys", "payloads", "x/../.tidegate/keys"] {
        let told = desk.run(&["init", "--offline-keys", folder, "--no-encrypt"]);
        assert!(told.contains("\nexit 1\n"), "{told}");
    }
    assert_snapshot!(
        "init_in_state",
        desk.run(&["init", "--offline-keys", ".tidegate/keys", "--no-encrypt"])
    );
    assert!(desk.files(".").is_empty());
}

#[test]
fn offline_keys_never_lie_where_the_catalog_is_committed() {
    let desk = Desk::empty();
    std::fs::create_dir_all(desk.path("repository/.git")).unwrap();
    let init = |keys: &str| {
        desk.run(&[
            "init",
            "--catalog",
            "repository/channels",
            "--payloads",
            "repository/payloads",
            "--state",
            "repository/.tidegate",
            "--offline-keys",
            keys,
            "--no-encrypt",
        ])
    };
    for keys in ["repository/keys", "repository/a/b", "repository"] {
        let told = init(keys);
        assert!(told.contains("\nexit 1\n") && told.contains("is in the catalog's git work tree"), "{told}");
        assert!(told.contains("hint: keep offline keys outside of it"), "{told}");
    }
    assert!(desk.files(".").is_empty());
    assert!(init("keys").contains("\nexit 0\n"));
}
