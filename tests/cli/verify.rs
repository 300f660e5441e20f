//! `verify`.

use insta::assert_snapshot;

use super::desk::Desk;
use super::repository;

#[test]
fn what_is_here_is_verified_and_tampering_shows() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    desk.release("1.8.5", "");
    desk.done(&["release", "sign", "1.8.4", "--key", "keys/release.pem"]);
    assert_snapshot!("verify", desk.run(&["verify"]));
    assert_snapshot!("verify_expired", desk.run(&["verify", "--at", "2100-01-01T00:00:00Z"]));
    desk.write("payloads/1.8.4/payload.json", "{\"version\":\"1.8.6\"}\n");
    desk.edit("payloads/1.8.4/release.json", "1.8.4", "1.8.6");
    assert_snapshot!("verify_tampered", desk.run(&["verify"]));
    assert_snapshot!("verify_no_keys", Desk::new().run(&["verify"]));
}

#[test]
fn what_is_elsewhere_must_be_a_repository() {
    let desk = Desk::with_keys();
    assert_snapshot!("verify_no_repository", desk.run(&["verify", "--from", "nowhere"]));
    assert_snapshot!("verify_no_scheme", desk.run(&["verify", "--from", "127.0.0.1:23000"]));
    desk.write("empty/v1/channels", "");
    assert_snapshot!("verify_empty_folder", desk.run(&["verify", "--from", "empty"]));
    assert_snapshot!("verify_nobody_listens", Desk::empty().run(&["verify", "--from", "http://127.0.0.1:9"]));
}

#[test]
fn control_characters_of_a_document_are_shown_and_not_obeyed() {
    let desk = Desk::with_keys();
    let name = r"\u001b]0;TITLE\u0007\u001b[31mRED\u009b2J\u202e\u0085\nhint: all is well";
    for document in [
        format!(r#"{{"signatures":[],"{name}":1,"signed":{{}}}}"#),
        format!(r#"{{"signatures":[],"signed":{{"_type":"{name}","version":1}}}}"#),
    ] {
        desk.write("mirror/metadata/timestamp.json", &document);
        desk.write("root.json", &document);
        for arguments in [
            &["verify", "--from", "mirror"][..],
            &["verify", "--from", "mirror", "--root", "root.json"],
            &["recover", "--from", "mirror"],
            &["ceremony", "show", "root.json"],
        ] {
            for output in ["table", "json"] {
                let told = desk.run(&[arguments, &["--output", output]].concat());
                assert!(told.contains("\nexit 1\n"), "{told}");
                let is_plain = |c: char| !c.is_control() || c == '\n';
                assert!(told.chars().all(|c| is_plain(c) && c != '\u{202e}'), "{told:?}");
                assert!(!told.contains("\nhint: all is well"), "{told}");
            }
        }
    }
}

/// A whole repository in a folder, as a mirror has it.
fn mirror() -> Desk {
    let desk = Desk::empty();
    let repository = repository::Repository::new("2018-01-10T00:00:00Z".parse().unwrap());
    for (path, bytes) in repository.seal() {
        desk.write(&format!("mirror/{path}"), std::str::from_utf8(&bytes).unwrap());
    }
    desk
}

#[test]
fn a_mirror_is_verified_the_way_a_cluster_would() {
    let desk = mirror();
    let verify = |more: &[&str]| {
        desk.run(&[&["verify", "--from", "mirror", "--at", "2018-01-11T00:00:00Z"][..], more].concat())
    };
    assert_snapshot!("verify_mirror", verify(&["--root", "mirror/metadata/1.root.json"]));
    assert_snapshot!("verify_mirror_json", verify(&["--manifests-only", "--output", "json"]));
    assert_snapshot!(
        "verify_mirror_stale",
        desk.run(&["verify", "--from", "mirror", "--at", "2018-01-18T00:00:00Z"])
    );
    let mut payload = desk.files("mirror/targets").into_iter().map(|(path, _)| path);
    let payload = payload.find(|path| path.to_string_lossy().contains("payload.1.8.9")).unwrap();
    std::fs::write(payload, "{\"version\": \"1.8.9-tectonic.5\"}\n").unwrap();
    assert_snapshot!("verify_mirror_tampered", verify(&[]));
    // Payloads that are not looked at are not missed.
    let told = verify(&["--manifests-only"]);
    assert!(told.contains("\nexit 0\n"), "{told}");
}
