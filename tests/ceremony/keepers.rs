//! A desk with keys that are the same each time, and founding by several.

use insta::assert_snapshot;
use tidegate::signing::PrivateKey;

use crate::desk::Desk;

/// Writes a key that is made from a number, with its public half: `keys/NAME.pem` and `NAME.pem`.
pub fn key(desk: &Desk, name: &str, seed: u8) -> String {
    let key = PrivateKey::from_seed(&[seed; 32]);
    desk.write(&format!("keys/{name}.pem"), &key.to_pem().unwrap());
    desk.write(&format!("{name}.pem"), &key.public().to_pem().unwrap());
    key.id().to_string()
}

/// A desk with a root, a targets, a release and an online key, two lines, and a release in each.
pub fn founded() -> Desk {
    let desk = Desk::new();
    desk.line("1.9", "");
    for (seed, name) in (1..).zip(["root", "targets", "release"]) {
        key(&desk, name, seed);
    }
    let online = PrivateKey::from_seed(&[4; 32]);
    desk.write(".tidegate/keys/online.pem", &online.to_pem().unwrap());
    desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    desk.release("1.8.1", "");
    desk.release("1.9.1", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk
}

/// Signs a ceremony. A keeper has kept the first root, once there is one.
pub fn sign(desk: &Desk, file: &str, key: &str) {
    let key = format!("keys/{key}.pem");
    let sign = ["ceremony", "sign", file, "--key", &key, "--yes"];
    let root = "channels/trust/1.root.json";
    let kept = if desk.path(root).exists() {
        &["--root", root, "--targets", "channels/trust/targets.json"][..]
    } else {
        &[]
    };
    desk.done(&[&sign[..], kept].concat());
}

/// The keys and the threshold of a role.
pub fn role(desk: &Desk, name: &str) -> (Vec<String>, u64) {
    let roles = desk.json(&["root", "show"]);
    let role = roles["roles"].as_array().unwrap().iter().find(|role| role["role"] == name).unwrap().clone();
    let keys = role["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
    (keys.collect(), role["threshold"].as_u64().unwrap())
}

#[test]
fn the_roles_are_shown_with_their_keys() {
    assert_snapshot!("root_show", founded().run(&["root", "show"]));
}

#[test]
fn three_keepers_found_a_root_that_two_of_them_sign() {
    let desk = Desk::new();
    for (seed, name) in (11..).zip(["ada", "ben", "eve"]) {
        key(&desk, name, seed);
    }
    let mut init = vec!["init", "--offline-keys", "keys", "--no-encrypt", "--root-threshold", "2"];
    for file in ["ada.pem", "ben.pem", "eve.pem"] {
        init.extend(["--root-key", file]);
    }
    desk.done(&init);
    assert!(!desk.path("keys/root.pem").exists());
    assert!(!desk.path("channels/trust/1.root.json").exists());

    sign(&desk, "founding.json", "ada");
    let told = desk.run(&["ceremony", "finish", "founding.json"]);
    assert!(told.contains("exit 1") && told.contains("has 1 of 2 root keys"), "{told}");
    sign(&desk, "founding.json", "eve");
    desk.done(&["ceremony", "finish", "founding.json"]);
    desk.done(&["verify"]);
    assert_eq!((role(&desk, "root").0.len(), role(&desk, "root").1), (3, 2));

    desk.release("1.8.1", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.done(&["verify"]);
}
