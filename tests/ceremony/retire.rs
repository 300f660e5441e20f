//! A line ends.

use insta::assert_snapshot;

use crate::keepers::{founded, key, role, sign};

const RETIRE: [&str; 8] =
    ["line", "retire", "1.8", "--leave-behind", "--reason", "no fixes any more", "--key", "keys/release.pem"];

#[test]
fn a_retired_line_takes_nothing_new_and_need_not_be_renewed() {
    let desk = founded();
    desk.edit("channels/1.8/line.yaml", "format: 1\n", "format: 1\n# kept by Ada\n");
    desk.done(&["promote"]);
    assert_snapshot!("retire", desk.run(&RETIRE));
    assert!(desk.read("channels/1.8/line.yaml").contains("# kept by Ada\n"));
    desk.done(&["catalog", "check"]);
    desk.done(&["verify"]);
    assert_snapshot!("line_list", desk.run(&["line", "list"]));
    let roles = desk.json(&["root", "show"]);
    let expires = |name: &str| {
        let mut roles = roles["roles"].as_array().unwrap().iter();
        let role = roles.find(|role| role["role"] == name).unwrap();
        role["expires"].as_str().unwrap()[..4].parse::<u32>().unwrap()
    };
    assert!(expires("release:1.8") >= expires("release:1.9") + 8);

    // Again is nothing to do, and there is no second reason.
    let trust = desk.files("channels");
    let told = desk.run(&RETIRE);
    assert!(told.contains("\nexit 0\n") && told.contains("unchanged"), "{told}");
    let told = desk.run(&["line", "retire", "1.8", "--reason", "other", "--key", "keys/release.pem"]);
    assert!(told.contains("\nexit 1\n") && told.contains("was retired at"), "{told}");
    desk.write("new.json", "new");
    let told = desk.run(&["release", "add", "1.8.2", "--payload", "new.json"]);
    assert!(told.contains("\nexit 1\n") && told.contains("line `1.8` was retired at"), "{told}");
    let told = desk.run(&["line", "add", "1.8"]);
    assert!(told.contains("and is retired") && !told.contains("release add"), "{told}");
    assert!(desk.files("channels") == trust);
    // What was added before may be signed, and goes nowhere.
    desk.edit("channels/1.8/1.8.1.yaml", "\npayloads:", "\nsummary: Signed again\npayloads:");
    let told = desk.run(&["release", "sign", "1.8.1", "--key", "keys/release.pem"]);
    assert!(told.contains("\nexit 0\n") && !told.contains("next:"), "{told}");

    let told = desk.run(&["explain", "1.8.1"]);
    assert!(told.contains("line `1.8` was retired at"), "{told}");
    desk.done(&["release", "add", "1.9.2", "--payload", "new.json"]);
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
}

#[test]
fn a_line_is_retired_by_its_own_keys_or_not_at_all() {
    let desk = founded();
    key(&desk, "ada", 11);
    let before = desk.files("channels");
    let other = ["line", "retire", "1.8", "--leave-behind", "--reason", "none", "--key", "keys/targets.pem"];
    let told = desk.run(&other);
    assert!(told.contains("\nexit 1\n") && told.contains("does not count for any document"), "{told}");
    assert!(desk.files("channels") == before);

    desk.done(&[
        "root",
        "change",
        "--add",
        "release=ada.pem",
        "--threshold",
        "release=2",
        "--key",
        "keys/targets.pem",
        "--key",
        "keys/release.pem",
        "--key",
        "keys/ada.pem",
    ]);
    let before = desk.files("channels");
    let told = desk.run(&RETIRE);
    assert!(told.contains("\nexit 1\n") && told.contains("signatures are missing"), "{told}");
    assert!(desk.files("channels") == before);
    desk.done(&[&RETIRE[..], &["--ceremony", "c.json"]].concat());
    // It goes on until all have signed.
    assert!(desk.files("channels") == before);
    assert!(desk.run(&["ceremony", "show", "c.json"]).contains("line `1.8` is RETIRED"));
    assert!(desk.run(&["ceremony", "finish", "c.json"]).contains("\nexit 1\n"));
    assert!(desk.files("channels") == before);
    sign(&desk, "c.json", "ada");
    // Whoever passes the file on cannot have their signatures end another line.
    let signed = desk.read("c.json");
    let other = signed.replace(r#""line": "1.8""#, r#""line": "1.9""#);
    assert_ne!(other, signed);
    desk.write("other.json", &other);
    let told = desk.run(&["ceremony", "finish", "other.json"]);
    assert!(told.contains("\nexit 1\n") && told.contains("retires line `1.9`"), "{told}");
    assert!(desk.files("channels") == before);
    // What is on its way by then is left behind only if that was meant when it began.
    desk.write("other.json", &signed.replace(r#""leave_behind": true"#, r#""leave_behind": false"#));
    let told = desk.run(&["ceremony", "finish", "other.json"]);
    assert!(
        told.contains("\nexit 1\n") && told.contains("`1.8.1`") && told.contains("--leave-behind"),
        "{told}"
    );
    assert!(desk.files("channels") == before);
    desk.done(&["ceremony", "finish", "c.json"]);
    assert!(desk.read("channels/1.8/line.yaml").contains("retired:"));
    desk.done(&["ceremony", "finish", "c.json"]);
    desk.done(&["verify"]);
    assert_eq!(role(&desk, "release:1.8").1, 2);
}
