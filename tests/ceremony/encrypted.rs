//! Offline keys under passphrases.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::desk::Desk;

/// Runs a command with lines on its stdin, and gives whether it succeeded and what it said.
fn typed(desk: &Desk, arguments: &[&str], lines: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(desk.path(".")).args(arguments).args(["--passphrase-fd", "0"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses before it asks does not read them.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

#[test]
fn offline_keys_are_encrypted_unless_that_is_refused() {
    let desk = Desk::new();
    let told = desk.run(&["init", "--offline-keys", "keys"]);
    assert!(told.contains("exit 1") && told.contains("there is no terminal"), "{told}");
    assert!(told.contains("hint: give it with `--passphrase-fd N`"), "{told}");
    let (done, told) = typed(&desk, &["init", "--offline-keys", "keys"], "one\ntwo\nthree\n");
    assert!(done, "{told}");
    for name in ["root", "targets", "release"] {
        let pem = desk.read(&format!("keys/{name}.pem"));
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{pem}");
    }
    assert!(desk.read(".tidegate/keys/online.pem").starts_with("-----BEGIN PRIVATE KEY-----"));
    let listed = desk.json(&["key", "list", "keys/root.pem", ".tidegate/keys/online.pem"]);
    assert_eq!(
        (listed["keys"][0]["encrypted"].as_bool(), &listed["keys"][0]["roles"][0]),
        (Some(true), &"root".into())
    );
    assert_eq!(listed["keys"][1]["encrypted"], false);

    desk.release("1.8.1", "");
    let sign = ["release", "sign", "--key", "keys/release.pem"];
    for (lines, expected) in
        [("two\n", "the passphrase is wrong"), ("", "has no line for the passphrase of `keys/release.pem`")]
    {
        let (done, told) = typed(&desk, &sign, lines);
        assert!(!done && told.contains(expected), "{told}");
    }
    assert!(
        desk.run(&sign).contains("cannot ask for the passphrase of `keys/release.pem`: there is no terminal")
    );
    let (done, told) = typed(&desk, &sign, "three\n");
    assert!(done, "{told}");
    desk.done(&["verify"]);
}

#[test]
fn a_passphrase_is_changed_and_the_key_stays() {
    let desk = Desk::new();
    let (done, told) = typed(&desk, &["key", "generate", "--out", "ada.pem"], "old\n");
    assert!(done, "{told}");
    let keyid = desk.json(&["key", "list", "ada.pem"])["keys"][0]["keyid"].clone();
    let change = ["key", "passphrase", "ada.pem"];
    assert!(!typed(&desk, &change, "wrong\nnew\n").0);
    assert!(!typed(&desk, &["key", "passphrase", "ada.pem"], "old\n\n").0, "an empty passphrase");
    assert!(typed(&desk, &change, "old\nnew\n").0);
    assert!(!typed(&desk, &change, "old\nnew\n").0);
    assert!(typed(&desk, &["key", "passphrase", "ada.pem", "--no-encrypt"], "new\n").0);
    assert!(desk.read("ada.pem").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(desk.json(&["key", "list", "ada.pem"])["keys"][0]["keyid"], keyid);
    desk.done(&["key", "public", "ada.pem", "--out", "ada.pub.pem"]);
    assert_eq!(desk.json(&["key", "list", "ada.pub.pem"])["keys"][0]["keyid"], keyid);
}
