//! `promote`.

use insta::assert_snapshot;

use super::desk::Desk;

/// A signed release that began to soak on a day of 2018.
fn soaking(since: &str) -> Desk {
    let desk = Desk::with_keys();
    desk.release("1.8.4", &format!("stages:\n  preproduction: {{ since: {since}, by: schedule }}\n"));
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk
}

#[test]
fn a_release_is_promoted_one_second_after_it_waits_and_not_before() {
    let desk = soaking("2018-01-01T00:00:00Z");
    assert_snapshot!("promote_waits", desk.run(&["promote", "--at", "2018-01-14T23:59:59Z"]));
    assert_snapshot!("promote_due", desk.run(&["promote", "--at", "2018-01-15T00:00:00Z"]));
    assert_snapshot!(
        "promote_backfill",
        desk.run(&["promote", "--at", "2018-01-15T00:00:00Z", "--backfill"])
    );
    assert_snapshot!("promote_done", desk.run(&["promote", "1.8.4"]));
    assert!(
        desk.read("channels/1.8/1.8.4.yaml")
            .contains("  production: { since: 2018-01-15T00:00:00Z, by: schedule, reason: soaked 14d }\n")
    );
}

#[test]
fn what_was_promoted_is_json_too() {
    let desk = soaking("2018-01-01T00:00:00Z");
    assert_snapshot!(desk.run(&["promote", "--at", "2018-01-15T00:00:00Z", "--output", "json"]));
}

#[test]
fn the_past_is_no_way_around_a_hold() {
    let desk = soaking("2018-01-01T00:00:00Z");
    desk.done(&["release", "hold", "1.8.4", "--reason", "etcd loses quorum"]);
    let told = desk.run(&["promote", "--at", "2018-01-15T00:00:00Z", "--backfill"]);
    assert!(told.contains("first run `tidegate release resume 1.8.4 --reason TEXT`"), "{told}");
    assert!(!desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
}

#[test]
fn an_early_promotion_takes_a_person_a_reason_and_a_release_key() {
    let desk = Desk::with_keys();
    desk.write("build/payload.json", "{}\n");
    desk.done(&["release", "add", "1.8.4", "--payload", "build/payload.json"]);
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.done(&["promote"]);
    assert_snapshot!("early_without_reason", desk.run(&["promote", "1.8.4", "--early"]));
    let early = ["promote", "1.8.4", "--early", "--reason", "fixes the outage", "--by", "grace"];
    assert_snapshot!("early_without_key", desk.run(&early));
    desk.done(&[
        "release",
        "sign",
        "1.8.4",
        "--not-before",
        "production=2018-01-01T00:00:00Z",
        "--reason",
        "closes a hole that is in use",
        "--key",
        "keys/release.pem",
    ]);
    assert_snapshot!("early", desk.run(&early));
    let shown = desk.json(&["release", "show", "1.8.4"]);
    assert_eq!(shown["entered"][1]["by"], "grace");
    assert_eq!(shown["manifest"], "signed");
    assert_snapshot!("early_again", desk.run(&early));
}

#[test]
fn a_hold_stops_an_early_promotion_and_a_freeze_unless_it_is_told() {
    let desk = Desk::new();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.edit("channels/1.8/line.yaml", "line: \"1.8\"\n", "line: \"1.8\"\nfreezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z, reason: no more of this }\n");
    let early = |more: &[&str]| {
        desk.run(&[&["promote", "1.8.4", "--early", "--reason", "fixes the outage"][..], more].concat())
    };
    assert_snapshot!("early_frozen", early(&[]));
    desk.done(&["release", "hold", "1.8.4", "--reason", "etcd loses quorum"]);
    assert_snapshot!("early_held", early(&["--during-freeze"]));
    desk.done(&["release", "resume", "1.8.4", "--reason", "fixed"]);
    assert_snapshot!("early_during_freeze", early(&["--during-freeze"]));
}

#[test]
fn a_barrier_and_what_waits_behind_it_go_in_one_run() {
    let desk = Desk::new();
    let since = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", &format!("barrier: true\n{since}"));
    desk.release("1.8.5", since);
    assert_snapshot!(desk.run(&["promote"]));
}

#[test]
fn a_faulty_line_stops_no_other_and_is_told() {
    let desk = soaking("2018-01-01T00:00:00Z");
    desk.line("1.9", "follows: { line: \"2.0\" }\n");
    assert_snapshot!(desk.run(&["promote"]));
}

#[test]
fn a_named_release_that_is_blocked_is_a_refusal_and_one_among_all_is_not() {
    let desk = soaking("2018-01-01T00:00:00Z");
    desk.done(&["release", "hold", "1.8.4", "--reason", "etcd loses quorum"]);
    desk.done(&["promote"]);
    let told = desk.run(&["promote", "1.8.4"]);
    assert!(told.contains("\nexit 1\n") && told.contains("blocked"), "{told}");
}

#[test]
fn where_every_line_is_faulty_nothing_is_claimed_of_its_releases() {
    let desk = soaking("2018-01-01T00:00:00Z");
    desk.edit("channels/1.8/line.yaml", "format: 1", "format: one");
    assert!(desk.run(&["promote"]).contains("in the lines without faults"));
    assert!(
        desk.run(&["release", "list"]).contains(
            "there are no releases to list: some lines have faults, and the others have no releases"
        )
    );
}

#[test]
fn nothing_is_promoted_with_keys_that_cannot_be_used() {
    let desk = soaking("2018-01-01T00:00:00Z");
    desk.write("channels/trust/targets.json", "{}");
    assert_snapshot!("keys_broken", desk.run(&["promote"]));
    // Holding must go on working all the same.
    desk.done(&["release", "hold", "1.8.4", "--reason", "keys are lost"]);
}

#[test]
fn history_is_filled_in_from_a_first_stage_and_a_run_that_writes_none_says_why() {
    let desk = Desk::new();
    desk.release("1.8.4", "");
    let backfill = |desk: &Desk| desk.run(&["promote", "--at", "2018-01-15T00:00:00Z", "--backfill"]);
    assert_snapshot!("backfill_nothing_recorded", backfill(&desk));
    let recorded = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: ada }\n";
    desk.release("1.8.4", recorded);
    backfill(&desk);
    let production = "  production: { since: 2018-01-15T00:00:00Z, by: schedule, reason: soaked 14d }\n";
    assert!(desk.read("channels/1.8/1.8.4.yaml").contains(production));
    // With keys it takes a signature, and one that reaches back.
    let desk = Desk::with_keys();
    desk.release("1.8.4", recorded);
    assert_snapshot!("backfill_unsigned", backfill(&desk));
    let forward = ["--not-before", "production=2018-01-15T00:00:00Z", "--reason", "history"];
    desk.done(&[&["release", "sign", "1.8.4", "--key", "keys/release.pem"][..], &forward].concat());
    backfill(&desk);
    assert!(desk.read("channels/1.8/1.8.4.yaml").contains(production));
}

#[test]
fn the_releases_of_a_retired_line_are_told_of_once() {
    let desk = Desk::new();
    let since = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", since);
    desk.release("1.8.5", &format!("{since}hold: {{ at: 2018-01-02T00:00:00Z, by: ada, reason: etcd }}\n"));
    desk.line("1.9", "follows: { line: \"1.8\" }\n");
    desk.edit(
        "channels/1.8/line.yaml",
        "line: \"1.8\"\n",
        "line: \"1.8\"\nretired: { at: 2018-01-03T00:00:00Z, by: ada, reason: no fixes any more }\n",
    );
    assert_snapshot!("promote_retired", desk.run(&["promote"]));
    assert_eq!(desk.json(&["promote"])["promotions"].as_array().unwrap().len(), 2, "data keep each");
    assert!(desk.run(&["promote", "1.8.5"]).contains("\n1.8.5  "), "who asks for one is told of it");
    assert_snapshot!("explain_retired", desk.run(&["explain", "1.8.5"]));
}

#[test]
fn an_early_promotion_names_all_that_it_passed_over() {
    let desk = Desk::new();
    let yesterday = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", yesterday);
    desk.edit(
        "channels/policy.yaml",
        "soak: { min: 14d, max: 28d }",
        "soak: { min: 3650d, max: 3650d, why: a test }",
    );
    desk.edit("channels/1.8/line.yaml", "line: \"1.8\"\n", "line: \"1.8\"\nfreezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2100-01-01T00:00:00Z, reason: no more of this }\n");
    let early = [
        "promote",
        "1.8.4",
        "--early",
        "--during-freeze",
        "--reason",
        "an outage",
        "--at",
        "2019-01-01T00:00:00Z",
    ];
    let told = desk.run(&early);
    assert!(told.contains("skipped: the soak of 3650d since 2018-01-01T00:00:00Z"), "{told}");
    assert!(told.contains("; skipped: frozen from 2018-01-01T00:00:00Z"), "{told}");
}

#[test]
fn a_release_that_no_machine_can_edit_is_told_of_and_leaves_the_others_alone() {
    let desk = Desk::new();
    let soaked = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", &soaked.replace("stages:\n  pre", "? stages # c\n: pre"));
    desk.release("1.8.5", soaked);
    desk.release("1.8.6", &soaked.replace("stages:\n  pre", "? stages\n: pre"));
    assert_snapshot!("check_not_by_a_machine", desk.run(&["catalog", "check"]));
    let told = desk.run(&["promote"]);
    assert!(told.starts_with("$ tidegate promote\nexit 1\n"), "{told}");
    let row = |version: &str| told.lines().find(|line| line.starts_with(version)).unwrap().to_owned();
    assert!(row("1.8.5").contains("promoted"), "{told}");
    for version in ["1.8.4", "1.8.6"] {
        assert!(row(version).contains("due"), "{told}");
        assert!(told.contains(&format!("error: `{version}` was not promoted: ")), "{told}");
        assert!(told.contains(&format!("1.8/{version}.yaml")), "{told}");
        assert!(!desk.read(&format!("channels/1.8/{version}.yaml")).contains("\n  production"));
    }
    assert!(desk.read("channels/1.8/1.8.5.yaml").contains("\n  production: "));
    let again = desk.run(&["promote", "1.8.5"]);
    assert!(again.contains("`1.8.5` is in `1.8-production` already"), "{again}");
}

#[test]
fn what_a_commit_lost_is_not_promoted_until_it_is_loosened() {
    let desk = Desk::new();
    let hold = "hold: { at: 2018-01-02T00:00:00Z, by: ada, reason: etcd }\n";
    desk.release(
        "1.8.4",
        &format!("stages:\n  preproduction: {{ since: 2018-01-01T00:00:00Z, by: schedule }}\n{hold}"),
    );
    desk.commit();
    desk.edit("channels/1.8/1.8.4.yaml", hold, "");
    desk.commit();
    desk.write("channels/README.md", "A later commit.");
    desk.commit();
    let told = desk.run(&["promote"]);
    assert!(told.contains("the hold of `1.8.4` is gone") && told.contains("loosen hold/1.8.4"), "{told}");
    assert!(!desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
    assert!(desk.run(&["explain", "1.8.4"]).contains("held since"));
    desk.done(&["catalog", "loosen", "hold/1.8.4", "--reason", "etcd is fixed"]);
    desk.done(&["promote"]);
    assert!(desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
}

#[test]
fn what_the_state_cannot_tell_any_more_is_put_right_as_the_refusal_says() {
    let desk = Desk::new();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.write(".tidegate/restraints.json", "{ torn");
    for way in ["backup", "record"] {
        for command in [&["promote"][..], &["promote", "1.8.4", "--early", "--reason", "x"]] {
            let told = desk.run(command);
            assert!(told.starts_with(&format!("$ tidegate {}\nexit 1\n", command.join(" "))), "{told}");
            assert!(told.contains("nothing is promoted") && told.contains("restraints.json"), "{told}");
        }
        assert!(desk.run(&["explain", "1.8.4"]).contains("nothing is promoted until somebody decides"));
        assert!(desk.run(&["status"]).contains("restraints_forgotten"));
        desk.done(&["release", "hold", "1.8.4", "--reason", "a stop gets through"]);
        desk.done(&["release", "resume", "1.8.4", "--reason", "a test"]);
        if way == "backup" {
            let torn = desk.read(".tidegate/restraints.json");
            desk.write(".tidegate/restraints.json", "{\"format\":1,\"restraints\":[]}");
            desk.done(&["promote", "--dry-run"]);
            desk.write(".tidegate/restraints.json", &torn);
        } else {
            let degraded = desk.json(&["status"])["degraded"].clone();
            let is_forgotten = |one: &&serde_json::Value| one["kind"] == "restraints_forgotten";
            let one = degraded.as_array().unwrap().iter().find(is_forgotten).unwrap();
            desk.done(&["catalog", "loosen", one["what"].as_str().unwrap(), "--reason", "reviewed"]);
            desk.done(&["promote"]);
        }
    }
    assert!(desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
}
