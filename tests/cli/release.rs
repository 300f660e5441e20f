//! `release`: a release's life.

use std::fs;

use insta::assert_snapshot;

use super::desk::Desk;

fn with_payload() -> Desk {
    let desk = Desk::with_keys();
    desk.write("build/payload.json", "{\"version\":\"1.8.4\"}\n");
    desk
}

const ADD: [&str; 13] = [
    "release",
    "add",
    "1.8.4",
    "--payload",
    "build/payload.json",
    "--summary",
    "Kubernetes 1.8.4",
    "--component",
    "kubernetes=1.8.4",
    "--link",
    "notes=https://example.com/1.8.4",
    "--urgency",
    "security",
];

#[test]
fn a_release_is_added_signed_and_promoted() {
    let desk = with_payload();
    assert_snapshot!("add", desk.run(&ADD));
    assert_snapshot!(
        "add_file",
        desk.read("channels/1.8/1.8.4.yaml")
            .lines()
            .filter(|line| !line.contains("sha256"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert_snapshot!("add_unsigned", desk.run(&["promote"]));
    assert_snapshot!("sign", desk.run(&["release", "sign", "--key", "keys/release.pem"]));
    assert_snapshot!("sign_again", desk.run(&["release", "sign", "--key", "keys/release.pem"]));
    assert_snapshot!("promote", desk.run(&["promote"]));
    assert_snapshot!("show", desk.run(&["release", "show", "1.8.4"]));
    assert_snapshot!("show_json", desk.run(&["release", "show", "1.8.4", "--output", "json"]));
    assert_snapshot!("promote_again", desk.run(&["promote"]));
}

#[test]
fn adding_the_same_again_changes_nothing_and_another_content_is_refused() {
    let desk = with_payload();
    desk.done(&ADD);
    let before = (desk.files("channels"), desk.files("payloads"));
    assert_snapshot!("add_same", desk.run(&ADD));
    desk.write("build/payload.json", "{\"version\":\"other\"}\n");
    assert_snapshot!("add_other", desk.run(&ADD));
    assert_snapshot!(
        "add_other_summary",
        desk.run(&["release", "add", "1.8.4", "--payload", "payloads/1.8.4/payload.json", "--summary", "x"])
    );
    assert!(before == (desk.files("channels"), desk.files("payloads")));
}

#[test]
fn what_a_crash_left_of_adding_is_no_obstacle() {
    let desk = with_payload();
    // A payload without a release, of a run that had another file.
    desk.write("payloads/1.8.4/payload.json", "{}");
    desk.done(&ADD);
    assert_eq!(desk.read("payloads/1.8.4/payload.json"), desk.read("build/payload.json"));
    // A release whose payload was lost.
    fs::remove_file(desk.path("payloads/1.8.4/payload.json")).unwrap();
    desk.done(&ADD);
    assert_eq!(desk.read("payloads/1.8.4/payload.json"), desk.read("build/payload.json"));
}

#[test]
fn nothing_is_copied_for_a_release_that_would_be_faulty() {
    let desk = with_payload();
    fs::remove_dir_all(desk.path("payloads")).unwrap();
    let add = |more: &[&str]| {
        desk.run(&[&["release", "add", "1.8.5", "--payload", "build/payload.json"][..], more].concat())
    };
    assert_snapshot!("add_bad_link", add(&["--link", "notes=gopher://x"]));
    let told = add(&["--link", "docs=https://ada:secret@h"]);
    assert!(
        told.contains("links are published") && !told.split_once("exit 1").unwrap().1.contains("secret"),
        "{told}"
    );
    assert_snapshot!("add_other_line", add(&["--line", "1.9"]));
    desk.write("channels/1.8/1.8.4.yaml", "format: 1\nversion: 1.8.5\n");
    assert_snapshot!("add_to_faulty", add(&[]));
    assert!(!desk.path("payloads").exists());
}

#[test]
fn a_respin_holds_what_it_replaces() {
    let desk = with_payload();
    desk.done(&ADD);
    assert_snapshot!(
        "replaces",
        desk.run(&["release", "add", "1.8.5", "--payload", "build/payload.json", "--replaces", "1.8.4"])
    );
    assert_eq!(desk.json(&["release", "show", "1.8.4"])["hold"]["reason"], "replaced by 1.8.5");
}

#[test]
fn payloads_that_are_not_there_are_not_signed_for() {
    let desk = with_payload();
    desk.done(&ADD);
    desk.release("1.8.5", "");
    desk.write("payloads/1.8.5/payload.json", "tampered");
    assert_snapshot!("sign_tampered", desk.run(&["release", "sign", "--key", "keys/release.pem"]));
    assert!(!desk.path("payloads/1.8.5/release.json").exists());
}

#[test]
fn a_new_line_takes_the_targets_key() {
    let desk = with_payload();
    desk.line("1.9", "follows: { line: \"1.8\", grace: 0d }\n");
    desk.release("1.9.0", "");
    assert_snapshot!("sign_new_line_refused", desk.run(&["release", "sign", "--key", "keys/release.pem"]));
    assert_snapshot!(
        "sign_new_line",
        desk.run(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"])
    );
    desk.done(&["verify"]);
    // A role whose delegation was not written, as after a crash, is made anew.
    let desk = with_payload();
    let other = Desk::with_keys();
    other.line("1.9", "");
    other.release("1.9.0", "");
    other.done(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"]);
    desk.write("channels/trust/releases-1.9.json", &other.read("channels/trust/releases-1.9.json"));
    desk.line("1.9", "");
    desk.release("1.9.0", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"]);
    desk.done(&["verify"]);
}

#[test]
fn an_edit_after_signing_takes_a_new_signature_and_a_wrong_key_is_refused() {
    let desk = with_payload();
    desk.done(&ADD);
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.edit("channels/1.8/1.8.4.yaml", "Kubernetes 1.8.4", "Kubernetes");
    assert_snapshot!("edited_explain", desk.run(&["explain", "1.8.4"]));
    assert_snapshot!("edited_wrong_key", desk.run(&["release", "sign", "--key", "keys/root.pem"]));
    assert_snapshot!("edited_sign", desk.run(&["release", "sign", "--key", "keys/release.pem"]));
}

#[test]
fn a_stage_is_brought_forward_for_a_reason_and_never_put_off() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    let sign = |not_before: &str, reason: &str| {
        let named = ["release", "sign", "1.8.4", "--key", "keys/release.pem", "--not-before", not_before];
        desk.run(&[&named[..], &["--reason", reason]].concat())
    };
    assert_snapshot!("sign_later_than_due", sign("production=2018-01-15T00:00:01Z", "slow"));
    assert_snapshot!("sign_no_such_stage", sign("canary=2018-01-15T00:00:00Z", "slow"));
    assert!(sign("production=2018-01-02T00:00:00Z", " ").contains("the reason is empty"));
    assert!(!desk.path("payloads/1.8.4/release.json").exists());
    assert_snapshot!("sign_forward", sign("production=2018-01-02T00:00:00Z", "closes a hole – früh"));
    let signed: serde_json::Value = serde_json::from_str(&desk.read("payloads/1.8.4/release.json")).unwrap();
    assert_eq!(signed["signed"]["not_before"]["production"], "2018-01-02T00:00:00Z");
    assert_eq!(signed["signed"]["not_before_reason"], "closes a hole - frueh");
    desk.done(&["verify"]);
    desk.done(&["promote", "1.8.4", "--early", "--reason", "a hole"]);
    assert_snapshot!("sign_forward_entered", sign("production=2018-01-01T00:00:00Z", "closes a hole"));
    let bare = [
        "release",
        "sign",
        "1.8.4",
        "--key",
        "keys/release.pem",
        "--not-before",
        "production=2018-01-02T00:00:00Z",
    ];
    assert!(desk.run(&bare).contains("\nexit 2\n"));
}

#[test]
fn a_release_is_held_and_resumed() {
    let desk = with_payload();
    desk.done(&ADD);
    assert_snapshot!("hold", desk.run(&["release", "hold", "1.8.4", "--reason", "etcd loses quorum"]));
    assert_snapshot!("hold_same", desk.run(&["release", "hold", "1.8.4", "--reason", "etcd loses quorum"]));
    assert_snapshot!("hold_other", desk.run(&["release", "hold", "1.8.4", "--reason", "something else"]));
    assert_snapshot!("resume", desk.run(&["release", "resume", "1.8.4", "--reason", "fixed"]));
    assert_snapshot!("resume_again", desk.run(&["release", "resume", "1.8.4", "--reason", "fixed"]));
    let release = desk.read("channels/1.8/1.8.4.yaml");
    assert!(!release.contains("hold:") && release.contains("resumed: [{ from: "), "{release}");
    assert!(release.contains(", by: ada, reason: fixed }]"), "{release}");
    assert_snapshot!(
        "hold_as_schedule",
        desk.run(&["release", "hold", "1.8.4", "--reason", "x", "--by", "schedule"])
    );
}

#[test]
fn a_release_is_yanked_and_restored() {
    let desk = with_payload();
    desk.done(&ADD);
    desk.release("1.8.5", "barrier: true\n");
    desk.release("1.8.6", "");
    assert_snapshot!("yank_barrier", desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS"]));
    assert_snapshot!(
        "yank_to_itself",
        desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS", "--to", "1.8.5"])
    );
    assert_snapshot!(
        "yank_to_older",
        desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS", "--to", "1.8.4"])
    );
    assert_snapshot!(
        "yank",
        desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS", "--to", "1.8.6"])
    );
    assert_snapshot!(
        "yank_same",
        desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS", "--to", "1.8.6"])
    );
    assert_snapshot!("yank_other", desk.run(&["release", "yank", "1.8.5", "--reason", "breaks more"]));
    assert_snapshot!("unyank", desk.run(&["release", "unyank", "1.8.5", "--reason", "it was the network"]));
    let release = desk.read("channels/1.8/1.8.5.yaml");
    assert!(!release.contains("yank:") && release.contains("unyanked: [{ from: "), "{release}");
    assert_snapshot!("unyank_again", desk.run(&["release", "unyank", "1.8.5", "--reason", "fixed"]));
}

#[test]
fn what_replaces_a_yanked_barrier_is_not_yanked_without_a_replacement() {
    let desk = Desk::new();
    let since = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", &format!("barrier: true\n{since}"));
    desk.release("1.8.5", since);
    desk.release("1.8.6", since);
    desk.done(&["release", "yank", "1.8.4", "--reason", "breaks DNS", "--to", "1.8.5"]);
    let told = desk.run(&["release", "yank", "1.8.5", "--reason", "breaks DNS, too"]);
    assert!(told.contains("exit 1") && told.contains("yanked barrier `1.8.4`"), "{told}");
    desk.done(&["release", "yank", "1.8.5", "--reason", "breaks DNS, too", "--to", "1.8.6"]);
}

#[test]
fn a_replacement_that_is_not_to_be_had_yet_is_taken_and_told_of() {
    let desk = Desk::new();
    let ahead = "stages:\n  preproduction: { since: 2118-01-01T00:00:00Z, by: ada }\n";
    let in_both = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n  production: { since: 2018-01-15T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", in_both);
    desk.release("1.8.5", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.release("1.8.6", ahead);
    desk.release("1.8.7", "");
    let yank = |to: &str| {
        let told = desk.run(&["release", "yank", "1.8.4", "--reason", "breaks DNS", "--to", to]);
        desk.done(&["release", "unyank", "1.8.4", "--reason", "fixed"]);
        told
    };
    assert_snapshot!("yank_to_due", yank("1.8.5"));
    assert_snapshot!("yank_to_coming", yank("1.8.6"));
    assert_snapshot!("yank_to_new", yank("1.8.7"));
    desk.release("1.8.8", in_both);
    assert!(!yank("1.8.8").contains("warning"), "what is on offer everywhere takes no word");
    std::fs::remove_file(desk.path("payloads/1.8.8/payload.json")).unwrap();
    let told = yank("1.8.8");
    assert!(
        told.contains("warning: `1.8.8` cannot be installed: payload `payload.json` is missing"),
        "{told}"
    );
}

#[test]
fn a_replaced_release_in_its_last_stage_is_not_held_and_that_is_told() {
    let desk = with_payload();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n  production: { since: 2018-01-15T00:00:00Z, by: schedule }\n");
    let told =
        desk.run(&["release", "add", "1.8.5", "--payload", "build/payload.json", "--replaces", "1.8.4"]);
    assert!(told.contains("\nexit 0\n") && !told.contains("is held"), "{told}");
    assert!(told.contains("`1.8.4` is not held: it is in `1.8-production`, its last stage"), "{told}");
    assert!(told.contains("`tidegate release yank 1.8.4 --to 1.8.5 --reason TEXT`"), "{told}");
}

#[test]
fn what_is_signed_and_its_payload_may_be_read_by_a_server_of_another_user_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with_keys();
    desk.write("build/payload.json", "{}\n");
    let tidegate = env!("CARGO_BIN_EXE_tidegate");
    for command in ["release add 1.8.4 --payload build/payload.json", "release sign --key keys/release.pem"] {
        let done = std::process::Command::new("sh")
            .args(["-c", &format!("umask 077; exec {tidegate} {command}")])
            .current_dir(desk.path("."))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let mode = |path: &str| std::fs::metadata(desk.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("payloads/1.8.4") & 0o555, 0o555);
    for file in
        ["payloads/1.8.4/payload.json", "payloads/1.8.4/release.json", "channels/trust/releases-1.8.json"]
    {
        assert_eq!(mode(file), 0o644, "{file}");
    }
}

#[test]
fn nothing_is_signed_over_what_cannot_be_read() {
    for (file, why) in [
        ("payloads/1.8.4/release.json", "`release.json` cannot be read: this is not a regular file"),
        (
            "channels/trust/releases-1.8.json",
            "the role of line `1.8` cannot be used: `trust/releases-1.8.json`",
        ),
    ] {
        let desk = Desk::with_keys();
        desk.write("build/payload.json", "{}\n");
        desk.done(&["release", "add", "1.8.4", "--payload", "build/payload.json"]);
        desk.done(&["release", "sign", "--key", "keys/release.pem"]);
        std::fs::remove_file(desk.path(file)).unwrap();
        // Root, as whom tests may run, may read all that is a file.
        if file.starts_with("payloads/") {
            std::fs::create_dir(desk.path(file)).unwrap();
        } else {
            std::os::unix::fs::symlink("/", desk.path(file)).unwrap();
        }
        let keys = ["--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
        let told = desk.run(&[&["release", "sign"][..], &keys].concat());
        assert!(told.contains("exit 1\n") && told.contains(why), "{told}");
        assert!(desk.run(&["catalog", "check"]).contains("cannot be read: th"), "{told}");
    }
}

#[test]
fn what_explain_tells_people_to_do_about_a_signature_works_as_it_is_told() {
    let desk = Desk::new();
    desk.release("1.8.1", "");
    let follow = |version: &str, name: &str, expected: &str| {
        let explained = desk.json(&["explain", version]);
        let remedies = explained["remedies"].as_array().unwrap().clone();
        let remedy = remedies.iter().filter_map(|one| one.as_str()).find(|one| one.contains(expected));
        let remedy = remedy.unwrap_or_else(|| panic!("{version}: {name}: {explained}"));
        let command = remedy.split('`').nth(1).unwrap();
        assert_eq!(command, expected);
        let command = command
            .replace("--key FILE", "--key keys/release.pem")
            .replace("--targets-key FILE", "--targets-key keys/targets.pem")
            .replace("DIR", "keys --no-encrypt");
        desk.done(&command.split(' ').skip(1).collect::<Vec<_>>());
    };
    follow("1.8.1", "a catalog without keys", "tidegate init --offline-keys DIR");
    follow("1.8.1", "a line that was there", "tidegate release sign 1.8.1 --key FILE");
    desk.line("1.9", "");
    desk.release("1.9.0", "");
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("`tidegate release sign --key FILE --targets-key FILE`"), "{told}");
    follow("1.9.0", "a new line", "tidegate release sign 1.9.0 --key FILE --targets-key FILE");
    desk.release("1.9.1", "");
    follow("1.9.1", "a line that is no longer new", "tidegate release sign 1.9.1 --key FILE");
    for version in ["1.8.1", "1.9.0", "1.9.1"] {
        let signed = desk.json(&["explain", version])["next"]["gates"].to_string();
        assert!(signed.contains("signed by a release key"), "{signed}");
    }
}
