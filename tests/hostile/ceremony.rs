//! A ceremony file with a forged base root. Whoever passes the file on has added his own keys to the root that
//! it begins from, so that what it shows says nothing of them: a yearly renewal. What the real keepers sign
//! would follow their real root, and name his keys.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tidegate::signing::PrivateKey;

use super::forge::{THIEF, envelope, key};
use super::spawn::{refused, run, tidegate};

/// Two of these three must sign. The third has not signed anything yet.
const KEEPERS: [(&str, u8); 3] = [("ada", 21), ("ben", 22), ("eve", 23)];
const FORGERS: [u8; 2] = [THIEF, 67];

fn write(folder: &Path, name: &str, key: &PrivateKey) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        fs::File::options().write(true).create_new(true).mode(0o600).open(folder.join(name)).unwrap();
    file.write_all(key.to_pem().unwrap().as_bytes()).unwrap();
}

/// A folder with the keepers' keys, a catalog whose root they have signed, and the forged `renew.json`.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut init = vec!["init", "--offline-keys", "keys", "--no-encrypt", "--root-threshold", "2"];
    for (name, seed) in KEEPERS {
        write(at, name, &key(seed));
        init.extend(["--root-key", name]);
    }
    run(at, &init);
    for name in ["ada", "ben"] {
        run(at, &["ceremony", "sign", "founding.json", "--key", name, "--yes"]);
    }
    run(at, &["ceremony", "finish", "founding.json"]);
    let real = fs::read_to_string(at.join("channels/trust/1.root.json")).unwrap();
    fs::write(at.join("real.json"), &real).unwrap();
    let mut root = serde_json::from_str::<Value>(&real).unwrap()["signed"].take();
    for key in FORGERS.map(key) {
        let (id, key) = (key.id().to_string(), json!(key.public().key()));
        root["keys"][&id] = key;
        root["roles"]["root"]["keyids"].as_array_mut().unwrap().push(json!(id));
    }
    fs::write(at.join("channels/trust/1.root.json"), envelope(&root.to_string(), &FORGERS)).unwrap();
    run(at, &["root", "change", "renew.json", "--renew", "root", "--reason", "yearly renewal"]);
    folder
}

/// Types a word where a keeper is asked whether to sign. Gives whether the command was done, and all it said.
fn typed(folder: &Path, word: &str, keeper: &str) -> (bool, String) {
    let program = env!("CARGO_BIN_EXE_tidegate");
    let sign = format!("'{program}' ceremony sign renew.json --key {keeper}");
    let mut command = Command::new("script");
    let mut child = command
        .args(["-qec", &sign, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(format!("{word}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n"))
}

#[test]
fn a_forged_base_root_is_refused_by_the_keepers_pin_and_by_the_root_they_have_kept() {
    let folder = scene();
    let at = folder.path();
    let before = fs::read(at.join("renew.json")).unwrap();
    let other = "its root version 1 is another one than that of the keeper";
    for keeper in ["ada", "ben"] {
        let sign = ["ceremony", "sign", "renew.json", "--key", keeper];
        for more in [&["--yes"][..], &[], &["--yes", "--root", "channels/trust/1.root.json"]] {
            let told = refused(at, &[&sign[..], more].concat());
            assert!(told.contains("does not lead on from its pin") && told.contains(other), "{told}");
        }
        let (done, told) = typed(at, "unchecked", keeper);
        assert!(!done && told.contains(other) && !told.contains("[unchecked/no]"), "{told}");
    }
    // A keeper without a pin.
    let sign = ["ceremony", "sign", "renew.json", "--key", "eve", "--yes"];
    let told = refused(at, &[&sign[..], &["--root", "real.json"]].concat());
    assert!(told.contains(other), "{told}");
    let told = refused(at, &sign);
    assert!(told.contains("nothing shows that the roots and roles in it are real"), "{told}");
    assert_eq!(fs::read(at.join("renew.json")).unwrap(), before);
}

#[test]
fn who_has_nothing_to_compare_with_sees_all_keys_and_thresholds_and_types_that_they_are_unchecked() {
    let folder = scene();
    let at = folder.path();
    let before = fs::read(at.join("renew.json")).unwrap();
    for word in ["yes", "no", "", "uncheck"] {
        let (done, told) = typed(at, word, "eve");
        assert!(!done && told.contains("nothing was signed"), "{word}: {told}");
        let (shown, _) = told.split_once("[unchecked/no]").unwrap();
        assert!(shown.contains("- `root` needs 2 of 5 keys:"), "{shown}");
        for key in FORGERS.iter().chain(&KEEPERS.map(|(_, seed)| seed)).map(|seed| key(*seed)) {
            assert!(shown.contains(&key.id().to_string()), "{shown}");
        }
        for role in ["targets", "online"] {
            assert!(shown.contains(&format!("- `{role}` needs 1 of 1 key:")), "{shown}");
        }
        assert_eq!(fs::read(at.join("renew.json")).unwrap(), before);
        assert!(!at.join("eve.pin.json").exists());
    }
    let (done, told) = typed(at, "unchecked", "eve");
    assert!(done && told.contains("signed `trust/2.root.json`"), "{told}");
    // `show` needs no key, and shows the same.
    let output = tidegate(at).args(["ceremony", "show", "renew.json"]).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("- `root` needs 2 of 5 keys:"), "{shown}");
}
