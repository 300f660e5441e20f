//! What `catalog check` says about the roles in `trust/`.

use std::fs;

use crate::desk::Desk;

const CHECK: [&str; 4] = ["catalog", "check", "--against", "served"];

/// A catalog with a signed release and two roots, and what is served of it.
fn served() -> Desk {
    let desk = Desk::with_keys();
    desk.write("payload.json", "{}");
    desk.done(&["release", "add", "1.8.4", "--payload", "payload.json"]);
    let keys = ["--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    desk.done(&[&["release", "sign"][..], &keys].concat());
    desk.done(&["root", "change", "--renew", "root", "--reason", "a drill", "--key", "keys/root.pem"]);
    for (path, content) in desk.files("channels") {
        let path = desk.path("served").join(path.strip_prefix(desk.path("channels")).unwrap_or(&path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    desk.done(&CHECK);
    desk
}

#[test]
fn roles_may_not_vanish_or_go_back() {
    let desk = served();
    let trust = desk.path("channels/trust");
    let refused = |says: &str| {
        let told = desk.run(&CHECK);
        assert!(told.contains("\nexit 1\n") && told.contains(says), "{told}");
    };
    fs::rename(&trust, desk.path("away")).unwrap();
    refused("`trust/1.root.json` is missing");
    // Nothing is on offer for that reason alone.
    assert!(!desk.run(&CHECK).contains("no longer on offer"));
    fs::rename(desk.path("away"), &trust).unwrap();

    // The newest root may have dropped a key that was stolen.
    let root = trust.join("2.root.json");
    fs::rename(&root, desk.path("away")).unwrap();
    refused("`root` was rolled back from version `2` to `1`");
    fs::rename(desk.path("away"), &root).unwrap();
    desk.done(&CHECK);

    let old = desk.read("channels/trust/targets.json");
    desk.done(&["root", "change", "--renew", "targets", "--reason", "a drill", "--key", "keys/targets.pem"]);
    desk.done(&CHECK);
    fs::copy(trust.join("targets.json"), desk.path("served/trust/targets.json")).unwrap();
    desk.write("channels/trust/targets.json", &old);
    refused("`targets` was rolled back");
    // As the hint has it.
    fs::copy(desk.path("served/trust/targets.json"), trust.join("targets.json")).unwrap();
    desk.done(&CHECK);
}

#[test]
fn a_catalog_whose_releases_are_signed_goes_nowhere_without_its_roles() {
    let desk = served();
    desk.done(&["promote"]);
    fs::rename(desk.path("channels/trust"), desk.path("away")).unwrap();
    let before = desk.files("channels");
    for arguments in [
        &["catalog", "check"][..],
        &["promote", "1.8.4", "--early", "--reason", "in a hurry"],
        &["init", "--offline-keys", "others", "--no-encrypt"],
    ] {
        let told = desk.run(arguments);
        assert!(told.contains("\nexit 1\n") && told.contains("`trust/` is missing"), "{told}");
    }
    assert!(desk.run(&["status"]).contains("1 fault"));
    assert!(desk.files("channels") == before);
    fs::rename(desk.path("away"), desk.path("channels/trust")).unwrap();
    desk.done(&CHECK);
}

#[test]
fn of_served_roles_that_cannot_be_used_the_names_are_compared() {
    let desk = served();
    desk.write("served/trust/1.root.json", "{");
    let told = desk.run(&CHECK);
    assert!(told.contains("\nexit 0\n") && told.contains("only the names of the files"), "{told}");
    fs::remove_file(desk.path("channels/trust/2.root.json")).unwrap();
    let told = desk.run(&CHECK);
    assert!(told.contains("\nexit 1\n") && told.contains("`trust/2.root.json` is missing"), "{told}");
}

#[test]
fn a_served_role_that_cannot_be_used_is_named_and_the_others_are_compared() {
    let desk = served();
    desk.write("served/trust/releases-1.8.json", "{");
    let told = desk.run(&CHECK);
    assert!(
        told.contains("\nexit 0\n") && told.contains("the role of line `1.8` there cannot be used"),
        "{told}"
    );
    fs::remove_file(desk.path("channels/trust/2.root.json")).unwrap();
    let told = desk.run(&CHECK);
    assert!(told.contains("\nexit 1\n") && told.contains("`root` was rolled back"), "{told}");
}

#[test]
fn the_role_of_a_line_that_is_gone_is_renewed_by_itself() {
    let desk = served();
    fs::remove_dir_all(desk.path("channels/1.8")).unwrap();
    let told = desk.run(&["catalog", "check", "--at", "2118-01-01T00:00:00Z"]);
    let hint = "tidegate root change --renew release:1.8 --reason TEXT --key FILE";
    assert!(told.contains("`releases-1.8` expired at ") && told.contains(hint), "{told}");
    let before = desk.read("channels/trust/releases-1.8.json");
    let hint = hint.replace("TEXT", "yearly").replace("FILE", "keys/release.pem");
    desk.done(&hint.split(' ').skip(1).collect::<Vec<_>>());
    assert_ne!(desk.read("channels/trust/releases-1.8.json"), before);
}

#[test]
fn a_role_that_has_expired_is_a_fault() {
    let desk = served();
    let told = desk.run(&["catalog", "check", "--at", "2118-01-01T00:00:00Z"]);
    assert!(told.contains("\nexit 1\n"), "{told}");
    for role in ["root", "targets", "releases-1.8"] {
        assert!(told.contains(&format!("`{role}` expired at ")), "{told}");
    }
}
