//! `jq` and `openssl` check any signed document, with no tool of ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tidegate::signing::{PrivateKey, PublicKey, Signed};

use crate::repository::Repository;

/// Runs a tool; one that is missing fails the test, since a check that did not run proves nothing.
fn run(tool: &str, arguments: &[&str], input: &[u8]) -> Output {
    let child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|e| panic!("install `{tool}` to run this test: {e}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).into_os_string().into_string().unwrap()
}

fn check<T>(document: &Signed<T>, key: &PrivateKey) {
    let folder = tempfile::tempdir().unwrap();
    let [file, signature, pem] = ["signed", "sig", "public.pem"].map(|name| path(folder.path(), name));
    let jq = run("jq", &["-cjS", ".signed"], document.raw());
    assert!(jq.status.success(), "{jq:?}");
    assert_eq!(jq.stdout, document.message(), "jq writes the bytes that are signed");

    std::fs::write(&pem, key.public().to_pem().unwrap()).unwrap();
    std::fs::write(&signature, document.signatures()[0].sig).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let arguments = ["pkeyutl", "-verify", "-pubin", "-inkey", &pem, "-rawin", "-in", &file];
        run("openssl", &[&arguments[..], &["-sigfile", &signature]].concat(), b"")
    };
    let good = verify(&jq.stdout);
    assert!(good.status.success(), "{good:?}");
    assert!(String::from_utf8_lossy(&good.stdout).contains("Verified Successfully"), "{good:?}");
    let mut changed = jq.stdout;
    *changed.last_mut().unwrap() ^= 1;
    assert!(!verify(&changed).status.success());
}

#[test]
fn jq_and_openssl_verify_manifests_and_roles() {
    let repository = Repository::new("2018-06-01T00:00:00Z".parse().unwrap());
    let keys = &repository.keys;
    let (channel, release) =
        (repository.channels.values().next().unwrap(), repository.releases.values().next().unwrap());
    check(&Signed::sign(channel.clone(), [&keys.online]).unwrap(), &keys.online);
    check(&Signed::sign(release.clone(), [&keys.release]).unwrap(), &keys.release);
    check(&Signed::sign(repository.root.clone(), [&keys.root]).unwrap(), &keys.root);
    check(&Signed::sign(repository.targets.clone(), [&keys.targets]).unwrap(), &keys.targets);
    // Texts with every printable character, and numbers at their limits.
    let printable: String = (' '..='~').collect();
    let hard = serde_json::json!({"B": printable, "a": [(1_u64 << 53) - 1, -1, 0], "_": null, "a-": {}, "a.": [], "b~": true});
    check(&Signed::sign(hard, [&keys.online]).unwrap(), &keys.online);
}

#[test]
fn openssl_reads_our_keys_and_we_read_its() {
    let key = PrivateKey::generate().unwrap();
    let public = run("openssl", &["pkey", "-pubout"], key.to_pem().unwrap().as_bytes());
    assert!(public.status.success(), "{public:?}");
    assert_eq!(String::from_utf8(public.stdout).unwrap(), key.public().to_pem().unwrap());

    let theirs = run("openssl", &["genpkey", "-algorithm", "ed25519"], b"");
    assert!(theirs.status.success(), "{theirs:?}");
    let theirs_public = run("openssl", &["pkey", "-pubout"], &theirs.stdout);
    let private = PrivateKey::from_pem(std::str::from_utf8(&theirs.stdout).unwrap()).unwrap();
    let public = PublicKey::from_pem(std::str::from_utf8(&theirs_public.stdout).unwrap()).unwrap();
    assert_eq!(private.public(), public);
}
