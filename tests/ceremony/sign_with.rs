//! Keys that only a command has.

use crate::keepers::{founded, key};

/// What an HSM's tool would be: it finds the private key by its id, and signs stdin.
const TOOL: &str =
    "cat > message; openssl pkeyutl -sign -inkey hsm/$TIDEGATE_KEYID.pem -rawin -in message | base64";

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
    ]);
    desk.done(&["ceremony", "finish", "c.json"]);
    desk.done(&["verify"]);
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
            "is not one by the key",
        ),
    ] {
        let told = desk.run(&["release", "sign", "--key", "release.pem", "--sign-with", tool]);
        assert!(told.contains("\nexit 1\n") && told.contains(expected), "{told}");
        assert!(desk.files("channels/trust") == trust);
    }
    let told = desk.run(&["release", "sign", "--key", "release.pem"]);
    assert!(told.contains("is a public key, which cannot sign"), "{told}");
}
