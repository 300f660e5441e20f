//! A line that was signed before lines had an index, and that lists a release whose manifest is lost.

use std::fs;

use tidegate::formats::tuf::Targets;
use tidegate::signing::{PrivateKey, Signed};

use super::desk::Desk;
use super::spawn::Server;

const ROLE: &str = "channels/trust/releases-1.8.json";
const INDEX: &str = "channels/trust/index-1.8.json";
const SIGN: [&str; 4] = ["release", "sign", "--key", "keys/release.pem"];
const DROP: [&str; 6] = ["release", "sign", "--key", "keys/release.pem", "--drop", "1.8.1"];
const RETIRE: [&str; 8] =
    ["line", "retire", "1.8", "--leave-behind", "--reason", "old", "--key", "keys/release.pem"];
const RENEW: [&str; 6] = ["root", "change", "--renew", "release:1.8", "--key", "keys/release.pem"];

/// Two releases, signed by a version that made no index.
fn desk(is_served: bool) -> Desk {
    let desk = Desk::with_keys();
    // What has entered no stage is not served.
    let entered = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.1", entered);
    desk.release("1.8.2", entered);
    desk.done(&SIGN);
    if is_served {
        drop(Server::ready(&desk.path("."), &["--promote", "off"]));
    }
    let mut role = role(&desk);
    role.version += 1;
    role.targets.remove("release.1.8.index.json").unwrap();
    let key = PrivateKey::from_pem(&desk.read("keys/release.pem")).unwrap();
    let signed = Signed::sign(role, [&key]).unwrap();
    desk.write(ROLE, std::str::from_utf8(signed.raw()).unwrap());
    fs::remove_file(desk.path(INDEX)).unwrap();
    desk
}

fn role(desk: &Desk) -> Targets {
    Signed::parse(desk.read(ROLE).into()).unwrap().into_signed()
}

/// The files of a release that the role of its line lists.
fn listed(desk: &Desk, version: &str) -> Vec<String> {
    let own = |name: &&String| name.contains(&format!(".{version}."));
    role(desk).targets.keys().filter(own).cloned().collect()
}

/// Removes a release from the catalog, with its payload and its manifest.
fn lose(desk: &Desk, version: &str) {
    fs::remove_file(desk.path(&format!("channels/1.8/{version}.yaml"))).unwrap();
    fs::remove_dir_all(desk.path(&format!("payloads/{version}"))).unwrap();
}

#[test]
fn a_manifest_that_is_lost_is_taken_from_the_last_publication() {
    for command in [&SIGN[..], &RETIRE, &RENEW] {
        let desk = desk(true);
        lose(&desk, "1.8.1");
        desk.done(command);
        assert_eq!(listed(&desk, "1.8.1"), ["payload.1.8.1.payload.json", "release.1.8.1.json"]);
        assert!(desk.read(INDEX).contains("\"1.8.1\""), "{}", desk.read(INDEX));
    }
}

#[test]
fn a_release_that_is_lost_altogether_is_dropped_only_as_the_hint_says_before_the_line_gets_its_index() {
    for command in [&RETIRE[..], &RENEW] {
        let desk = desk(false);
        lose(&desk, "1.8.1");
        let refused = desk.run(command);
        assert!(refused.contains("`payloads/1.8.1/release.json` is missing"), "{refused}");
        assert!(refused.contains("run `tidegate release sign --key FILE` first"), "{refused}");
        // Nobody can tell whether it was a barrier, so somebody must say so.
        let refused = desk.run(&SIGN);
        assert!(refused.contains("exit 1") && refused.contains("give `--drop VERSION`"), "{refused}");
        assert!(!listed(&desk, "1.8.1").is_empty());
        let signed = desk.json(&DROP);
        assert_eq!(signed["dropped"], serde_json::json!([{"version": "1.8.1", "line": "1.8"}]), "{signed}");
        assert_eq!(signed["indexed"], serde_json::json!(["1.8"]), "{signed}");
        assert!(listed(&desk, "1.8.1").is_empty());
        assert_eq!(listed(&desk, "1.8.2"), ["payload.1.8.2.payload.json", "release.1.8.2.json"]);
        desk.done(&["verify"]);
        desk.done(command);
    }
    // Nothing of the line is left.
    let desk = desk(false);
    lose(&desk, "1.8.1");
    lose(&desk, "1.8.2");
    let signed = desk.run(&[&DROP[..], &["--drop", "1.8.2"]].concat());
    assert!(signed.contains("line `1.8` no longer lists `1.8.2`: its manifest is lost"), "{signed}");
    assert!(role(&desk).targets.is_empty());
    desk.done(&["verify"]);
}

#[test]
fn a_release_of_the_catalog_is_never_dropped_and_what_the_hints_say_helps() {
    let manifest = "payloads/1.8.1/release.json";
    let lost = || {
        let desk = desk(false);
        fs::remove_file(desk.path(manifest)).unwrap();
        let refused = desk.run(&[&SIGN[..], &["1.8.2"]].concat());
        assert!(refused.contains("sign all pending releases in one run, without naming any"), "{refused}");
        desk
    };
    lost().done(&SIGN);
    // The release cannot be signed, because its payload is lost too.
    let desk = lost();
    let payload = desk.read("payloads/1.8.1/payload.json");
    fs::remove_file(desk.path("payloads/1.8.1/payload.json")).unwrap();
    let refused = desk.run(&SIGN);
    assert!(refused.contains("exit 1") && refused.contains("`1.8.1` is not signed"), "{refused}");
    assert!(refused.contains("the role of line `1.8` is not signed"), "{refused}");
    assert!(!refused.contains("with an index of its releases"), "{refused}");
    assert!(!listed(&desk, "1.8.1").is_empty() && !desk.path(INDEX).exists());
    desk.write("payloads/1.8.1/payload.json", &payload);
    desk.done(&SIGN);
    assert!(desk.read(INDEX).contains("\"1.8.1\""));
    // A half-written file is no reason to drop a release.
    let desk = self::desk(false);
    fs::remove_dir_all(desk.path("payloads/1.8.1")).unwrap();
    desk.write("channels/1.8/1.8.1.yaml", "format: 1\nversion: 1.8.1\npay");
    desk.run(&SIGN);
    assert!(!listed(&desk, "1.8.1").is_empty());
}

#[test]
fn a_manifest_that_is_lost_does_not_block_a_change_of_the_keys_of_a_line_with_an_index() {
    let desk = Desk::with_keys();
    for version in ["1.8.1", "1.8.2"] {
        desk.release(version, "");
    }
    desk.done(&SIGN);
    let before = (role(&desk), desk.read(INDEX));
    fs::remove_file(desk.path("payloads/1.8.1/release.json")).unwrap();
    desk.done(&["key", "generate", "--out", "keys/new.pem", "--no-encrypt"]);
    desk.done(&["key", "public", "keys/new.pem", "--out", "new.pub.pem"]);
    let shown = desk.json(&["root", "show"]);
    let roles = shown["roles"].as_array().unwrap();
    let old = roles.iter().find(|role| role["role"] == "release:1.8").unwrap()["keys"][0].as_str().unwrap();
    let mut change = vec!["root", "change", "--add", "release:1.8=new.pub.pem", "--drop"];
    let drop = format!("release:1.8={old}");
    change.push(&drop);
    for key in ["keys/targets.pem", "keys/new.pem"] {
        change.extend(["--key", key]);
    }
    desk.done(&change);
    let after = role(&desk);
    let of = |role: &Targets, name: &str| role.targets[name];
    // The lost one stays listed as it was, and the other is signed anew.
    assert_eq!(of(&after, "release.1.8.1.json"), of(&before.0, "release.1.8.1.json"));
    assert_ne!(of(&after, "release.1.8.2.json"), of(&before.0, "release.1.8.2.json"));
    assert_eq!(desk.read(INDEX), before.1);
}

#[test]
fn a_release_whose_manifest_may_exist_is_not_dropped_though_somebody_says_so() {
    let check = |is_served: bool, damage: &dyn Fn(&Desk), expected: &str| {
        let desk = desk(is_served);
        lose(&desk, "1.8.1");
        damage(&desk);
        let refused = desk.run(&DROP);
        assert!(refused.contains("exit 1") && refused.contains(expected), "{refused}");
        assert!(refused.contains("make it readable, then try again"), "{refused}");
        assert!(!listed(&desk, "1.8.1").is_empty() && !desk.path(INDEX).exists());
    };
    let unmount = |desk: &Desk| fs::rename(desk.path("payloads"), desk.path("elsewhere")).unwrap();
    check(false, &unmount, "the payload folder `payloads` is missing");
    let unreadable = |desk: &Desk| fs::create_dir_all(desk.path("payloads/1.8.1/release.json")).unwrap();
    check(false, &unreadable, "`payloads/1.8.1/release.json`: ");
    let damaged = |desk: &Desk| desk.write(".tidegate/publication", "?");
    check(true, &damaged, "cannot be used");
    // One that is not lost is not dropped either.
    let desk = desk(false);
    let refused = desk.run(&DROP);
    assert!(refused.contains("cannot drop `1.8.1`"), "{refused}");
}

#[test]
fn a_damaged_manifest_does_not_hide_the_one_in_the_last_publication() {
    let desk = desk(true);
    fs::remove_file(desk.path("channels/1.8/1.8.1.yaml")).unwrap();
    desk.write("payloads/1.8.1/release.json", "{}");
    desk.done(&SIGN);
    assert_eq!(listed(&desk, "1.8.1"), ["payload.1.8.1.payload.json", "release.1.8.1.json"]);
    assert!(desk.read(INDEX).contains("\"1.8.1\""));
}
