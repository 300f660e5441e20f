//! Keys that only a command has.

use crate::keepers::{founded, key};

/// What an HSM's tool would be: it finds the private key by its id, and signs stdin.
const TOOL: &str = "echo $TIDEGATE_DOCUMENT >> documents; cat > message; openssl pkeyutl -sign -inkey hsm/$TIDEGATE_KEYID.pem -rawin -in message | base64";

#[test]
fn a_command_signs_in_the_place_of_each_key() {
    let desk = founded();
    for name in ["root", "targets", "release"] {
        let id = desk.json(&["key", "list", &format!("{name}.pem")])["keys"][0]["keyid"].clone();
        desk.write(&format!("hsm/{}.pem", id.as_str().unwrap()), &desk.read(&format!("keys/{name}.pem")));
    }
    desk.release("1.8.2", "");
    desk.done(&["release", "sign", "--key", "release.pem", "--sign-with", TOOL]);
    desk.done(&["root", "change", "c.json", "--renew", "root", "--renew", "targets"]);
    desk.done(&[
        "ceremony",
        "sign",
        "c.json",
        "--key",
        "root.pem",
        "--key",
        "targets.pem",
        "--sign-with",
        TOOL,
        "--yes",
        "--root",
        "channels/trust/1.root.json",
        "--targets",
        "channels/trust/targets.json",
    ]);
    desk.done(&["ceremony", "finish", "c.json"]);
    desk.done(&["verify"]);
    // It is told what it signs, the roles by their names.
    let documents = desk.read("documents");
    assert_eq!(documents, "release 1.8.2\nreleases-1.8 3\nroot 2\ntargets 2\n");
    desk.done(&["root", "change", "d.json", "--renew", "release", "--renew", "targets"]);
    let keys = ["--key", "targets.pem", "--key", "release.pem", "--sign-with", TOOL, "--yes"];
    desk.done(&[&["ceremony", "sign", "d.json"][..], &keys].concat());
    let documents = desk.read("documents").replace(&documents, "");
    assert_eq!(documents, "targets 3\nreleases-1.8 4\nreleases-1.9 3\n");
}

#[test]
fn a_command_that_does_not_sign_leaves_all_as_it_was() {
    let desk = founded();
    key(&desk, "ada", 11);
    desk.release("1.8.2", "");
    let trust = desk.files("channels/trust");
    for (tool, expected) in [
        ("exit 1", "failed"),
        ("cat", "wrote no signature"),
        (
            "cat > message; openssl pkeyutl -sign -inkey keys/ada.pem -rawin -in message",
            "wrote a signature that does not match the key",
        ),
    ] {
        let told = desk.run(&["release", "sign", "--key", "release.pem", "--sign-with", tool]);
        assert!(told.contains("\nexit 1\n") && told.contains(expected), "{told}");
        assert!(desk.files("channels/trust") == trust);
    }
    let told = desk.run(&["release", "sign", "--key", "release.pem"]);
    assert!(told.contains("is a public key, which cannot sign"), "{told}");
}
