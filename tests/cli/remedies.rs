//! Every remedy that `explain` shows can be done as it is written, and opens the gate.

use super::desk::Desk;

/// In preproduction for long enough, in a line that nothing else stops.
const SOAKED: &str = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";

/// A catalog with one release, signed.
fn signed(line: &str, release: &str) -> Desk {
    let desk = Desk::with_keys();
    desk.line("1.8", line);
    desk.release("1.8.1", release);
    sign(&desk);
    desk
}

fn sign(desk: &Desk) {
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"]);
}

fn now() -> String {
    tidegate::domain::rfc3339(tidegate::clock::Clock::now(&tidegate::clock::SystemClock::new()))
}

/// Runs every remedy of a release in the order in which they are shown, with its words in capitals filled
/// in, and returns their names.
fn follow(desk: &Desk, version: &str) -> Vec<String> {
    let explained = desk.json(&["explain", version]);
    let commands = explained["commands"].as_array().unwrap();
    let remedies: Vec<String> = commands
        .iter()
        .map(|remedy| {
            let command = remedy["command"].as_str().unwrap();
            let filled = command
                .replace("FILE", "keys/release.pem --targets-key keys/targets.pem")
                .replace("TIME", &now())
                .replace("TEXT", "because");
            let words: Vec<&str> = filled.split(' ').collect();
            assert_eq!(words[0], "tidegate");
            desk.done(&words[1..]);
            remedy["remedy"].as_str().unwrap().to_owned()
        })
        .collect();
    remedies
}

fn state(desk: &Desk, version: &str) -> String {
    desk.json(&["explain", version])["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_remedy_that_is_shown_can_be_done_and_helps() {
    // After the soak is over.
    let stop = |key: &str| format!("{key}: {{ at: 2018-02-01T00:00:00Z, by: ada, reason: slow }}\n");
    let paused = |stage: &str| format!("paused:\n  {}", stop(stage));
    for (what, desk, remedies, after) in [
        ("held", signed("", &format!("{SOAKED}{}", stop("hold"))), &["resume"][..], "due"),
        ("yanked", signed("", &format!("{SOAKED}{}", stop("yank"))), &["unyank"], "due"),
        ("paused", signed(&paused("production"), SOAKED), &["resume_channel"], "due"),
        ("due", signed("", SOAKED), &["promote"], "promoted"),
        (
            "soaking in a paused channel",
            signed("paused:\n  preproduction: { at: 2018-01-05T00:00:00Z, by: ada, reason: slow }\n", SOAKED),
            &["resume_channel", "promote_early"],
            "promoted",
        ),
        (
            "soaking",
            signed("", &format!("stages:\n  preproduction: {{ since: {}, by: schedule }}\n", now())),
            &["bring_forward", "promote_early"],
            "promoted",
        ),
    ] {
        assert_eq!(follow(&desk, "1.8.1"), remedies, "{what}");
        assert_eq!(state(&desk, "1.8.1"), after, "{what}");
    }
    let desk = signed("", "");
    desk.release("1.8.2", SOAKED);
    assert_eq!(follow(&desk, "1.8.2"), ["sign"]);
    assert_eq!(state(&desk, "1.8.2"), "due");
}

#[test]
fn a_held_barrier_gives_way_to_the_release_that_replaces_it() {
    let desk = signed(
        "",
        &format!(
            "barrier: true\n{SOAKED}hold: {{ at: 2018-01-05T00:00:00Z, by: ada, reason: replaced by 1.8.2 }}\n"
        ),
    );
    desk.release("1.8.2", &format!("replaces: 1.8.1\n{SOAKED}"));
    sign(&desk);
    assert_eq!(state(&desk, "1.8.2"), "blocked");
    assert_eq!(follow(&desk, "1.8.2"), ["explain"]);
    assert_eq!(follow(&desk, "1.8.1"), ["yank_to"]);
    assert_eq!(state(&desk, "1.8.2"), "due");
}

#[test]
fn a_barrier_that_is_under_way_is_replaced_as_the_refusal_says() {
    let desk = signed("", &format!("barrier: true\n{SOAKED}"));
    desk.write("new.json", "{}\n");
    let add = ["release", "add", "1.8.2", "--payload", "new.json"];
    let refused = desk.run(&[&add[..], &["--replaces", "1.8.1"]].concat());
    assert!(refused.contains("`tidegate release yank 1.8.1 --to 1.8.2 --reason TEXT`"), "{refused}");
    desk.done(&add);
    sign(&desk);
    desk.done(&["release", "yank", "1.8.1", "--to", "1.8.2", "--reason", "because"]);
    assert_eq!(state(&desk, "1.8.2"), "due");
}

#[test]
fn a_hold_with_an_earlier_date_is_mended_by_its_date() {
    let desk = Desk::with_keys();
    let promoted = format!("{SOAKED}  production: {{ since: 2018-01-15T00:00:00Z, by: schedule }}\n");
    desk.release("1.8.1", &promoted);
    desk.done(&["catalog", "check"]);
    let held = |at: &str| format!("{promoted}hold: {{ at: {at}, by: ada, reason: slow }}\n");
    desk.release("1.8.1", &held("2018-01-14T00:00:00Z"));
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("give the hold the time of the entry, or a later one, as its `at`"), "{told}");
    desk.release("1.8.1", &held("2018-01-15T00:00:00Z"));
    desk.done(&["catalog", "check"]);
}

#[test]
fn a_soak_with_one_figure_says_where_the_other_one_comes_from() {
    let desk = Desk::new();
    for (soak, told) in [
        ("{ min: 35d, why: slow }", "above its `max` of `28d`, by default"),
        ("{ max: 10d }", "has a `min` of `14d`, by default, above"),
        ("{ max: 10d, why: quick }", "has a `min` of `14d`, by default, above"),
    ] {
        desk.line(
            "1.8",
            &format!("stages:\n  - name: preproduction\n  - name: production\n    soak: {soak}\n"),
        );
        let checked = desk.run(&["catalog", "check"]);
        assert!(checked.contains(told), "{soak}: {checked}");
    }
    desk.line("1.8", "stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 35d, max: 40d, why: slow }\n");
    desk.done(&["catalog", "check"]);
}

#[test]
fn a_line_that_is_retired_names_the_releases_that_will_not_arrive() {
    let desk = signed("", SOAKED);
    let told = desk.run(&["line", "retire", "1.8", "--reason", "no fixes", "--key", "keys/release.pem"]);
    assert!(told.contains("`1.8.1` has not entered `1.8-production`, and never will"), "{told}");
}
