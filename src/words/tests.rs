//! Sentences of each kind, as people read them.

use super::*;
use crate::domain::promotion::{Decision, decide, decide_line};
use crate::domain::release::PayloadState;
use crate::domain::testing::{catalog, event as said, line, release, t, v};

fn remedies_of(decision: &Decision<'_>) -> String {
    remedies(decision).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn in_a_retired_line_only_remedies_that_still_help_are_shown() {
    let mut held = release("1.8.4", &["2018-01-01"]).held_at("2018-01-02");
    held.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
    let mut line = line("1.8", None).with(held);
    line.stages[1].paused = Some(said(t("2018-01-02"), "an outage"));
    let told = |line: &crate::domain::line::Line| remedies_of(&decide_line(line, t("2018-06-01"))[0]);
    assert!(told(&line).contains("release resume") && told(&line).contains("channel resume"));
    line.retired = Some(said(t("2018-01-03"), "no fixes any more"));
    let told = told(&line);
    assert!(!told.contains("resume"), "{told}");
    assert!(told.contains("payloads/1.8.4/") && told.contains("retiring cannot be undone"), "{told}");
}

#[test]
fn a_gate_says_what_it_waits_for_and_until_when() {
    let mut line = line("1.8", None)
        .frozen("2018-01-10", "2018-01-20", &[])
        .with(release("1.8.4", &["2018-01-01"]).barrier().held_at("2018-01-02"))
        .with(release("1.8.5", &["2018-01-01"]));
    line.stages[1].paused = Some(said(t("2018-01-02"), "an outage"));
    line.retired = Some(said(t("2018-01-10"), "no fixes any more"));
    let gates = |version: &str, now: &str| -> Vec<String> {
        let decisions = decide_line(&line, t(now));
        let decision = decisions.iter().find(|decision| decision.release.version == v(version)).unwrap();
        decision.obstacles().map(gate).collect()
    };
    assert_eq!(
        gates("1.8.4", "2018-01-11"),
        [
            "soaking for 14d since 2018-01-01T00:00:00Z, until 2018-01-15T00:00:00Z",
            "line `1.8` was retired at 2018-01-10T00:00:00Z by ada: no fixes any more",
            "held since 2018-01-02T00:00:00Z by ada: etcd loses quorum",
            "channel `1.8-production` has been paused since 2018-01-02T00:00:00Z by ada: an outage",
            "frozen from 2018-01-10T00:00:00Z until 2018-01-20T00:00:00Z: end of year",
        ]
    );
    assert_eq!(gates("1.8.5", "2018-01-09")[2], "waiting for barrier `1.8.4`, which is itself blocked");
}

#[test]
fn an_answer_names_what_is_missing_and_what_comes_next() {
    let eighteen = || line("1.8", Some("1.7")).with(release("1.8.0", &["2017-12-01", "2017-12-20"]));
    let old = line("1.7", None)
        .with(release("1.7.3", &["2018-01-01", "2018-01-15"]))
        .with(
            release("1.7.2", &["2018-01-02", "2018-01-16"]).barrier().yanked_at("2018-02-01", Some("1.7.5")),
        )
        .with(release("1.7.5", &["2018-02-01"]).held_at("2018-02-01"));
    let told = |old: &crate::domain::line::Line, channel: &str| {
        let (catalog, now) = (catalog([old.clone(), eighteen()]), t("2018-02-02"));
        let decisions = decide(&catalog, now);
        let channel = channel.parse().unwrap();
        answer(&crate::domain::upgrade::answer(&catalog, &decisions, &channel, &v("1.7.3"), now).unwrap())
    };
    let held = "`1.7.5` is not on offer in `1.7-production` until its vendor acts: held since 2018-02-01T00:00:00Z by ada: etcd loses quorum";
    assert_eq!(
        told(&old, "1.7-production"),
        format!("up to date: this is the latest in `1.7-production`; {held}")
    );
    assert_eq!(
        told(&old, "1.8-production"),
        format!(
            "blocked: `1.7.5` must be installed first, and `1.7-production` does not offer it yet; {held}"
        )
    );
    let coming = old.clone().with(release("1.7.4", &["2018-02-01"]));
    assert_eq!(
        told(&coming, "1.8-production"),
        "wait: the upgrade path to line `1.8` leads through `1.7-production`, and nothing there may be installed yet; `1.7.4` follows at 2018-02-15T00:00:00Z at the earliest: soaking for 14d since 2018-02-01T00:00:00Z, until 2018-02-15T00:00:00Z"
    );
    let due = line("1.7", None)
        .with(release("1.7.3", &["2017-12-01", "2017-12-15"]))
        .with(release("1.7.4", &["2018-01-01"]));
    assert_eq!(
        told(&due, "1.7-production"),
        "up to date: this is the latest in `1.7-production`; `1.7.4` is due for `1.7-production`, and is overdue, but the server has not promoted it yet"
    );
    let mut retired = old;
    retired.retired = Some(said(t("2018-01-20"), "no fixes any more"));
    assert_eq!(
        told(&retired, "1.7-production"),
        "up to date: line `1.7` was retired at 2018-01-20T00:00:00Z: no fixes any more; continue with line `1.8` in channel `1.8-production`"
    );
}
