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
        "wait: the upgrade path to line `1.8` leads through `1.7-production`, and nothing there may be installed yet; `1.7.4` follows at 2018-02-15T00:00:00Z at the earliest: soaking for 14d since 2018-02-01T00:00:00Z, until 2018-02-15T00:00:00Z; only its vendor can let it in earlier"
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

/// What a cluster on `current` hears in a channel of line `1.8`.
fn heard(line: &crate::domain::line::Line, channel: &str, current: &str, now: &str) -> String {
    let others = [
        crate::domain::testing::line("1.7", None).with(release("1.7.9", &["2017-12-01", "2017-12-20"])),
        crate::domain::testing::line("3.0", None).with(release("3.0.1", &["2017-12-01", "2017-12-20"])),
    ];
    let (catalog, now) = (catalog(others.into_iter().chain([line.clone()])), t(now));
    let decisions = decide(&catalog, now);
    let channel = channel.parse().unwrap();
    answer(&crate::domain::upgrade::answer(&catalog, &decisions, &channel, &v(current), now).unwrap())
}

#[test]
fn an_answer_says_why_there_is_no_way_and_what_else_to_follow() {
    let eight = line("1.8", Some("1.7")).with(release("1.8.1", &["2018-01-01", "2018-01-15"]));
    assert_eq!(
        heard(&eight, "3.0-production", "1.7.9", "2018-02-01"),
        "blocked: there is no upgrade path from line `1.7`, which this version belongs to, to line `3.0`: line `3.0` can be entered from no other line; follow `1.7-production` to stay in line `1.7`; only its vendor can open a path, with `follows` in the `line.yaml` of line `3.0`"
    );
    let four = line("4.0", Some("3.0")).with(release("4.0.1", &["2018-01-01", "2018-01-15"]));
    let told = heard(&four, "4.0-production", "1.7.9", "2018-02-01");
    assert!(
        told.contains("to line `4.0`: line `4.0` can only be entered from line `3.0`; follow `1.7-prod"),
        "{told}"
    );
    let seven =
        line("1.7", None).with(release("1.7.9", &["2018-01-01", "2018-01-15"]).yanked_at("2018-01-20", None));
    let now = t("2018-02-01");
    let catalog = catalog([seven, eight]);
    let told =
        crate::domain::upgrade::answer(&catalog, &[], &"1.8-production".parse().unwrap(), &v("1.7.9"), now);
    assert_eq!(
        answer(&told.unwrap()),
        "blocked: this version was yanked (breaks DNS), so line `1.8` cannot be entered from it, and `1.7-production` offers nothing higher; its vendor must offer a higher release, or this one again"
    );
}

#[test]
fn an_answer_says_what_holds_up_the_barrier_that_a_release_waits_for() {
    let mut barrier = release("1.8.2", &["2018-01-01"]).barrier().held_at("2018-01-02");
    barrier.summary = Some("moves etcd to version 3".to_owned());
    let both = ["2017-12-01", "2017-12-15"];
    let base = line("1.8", Some("1.7")).with(release("1.8.1", &both));
    let waiting = base.clone().with(barrier).with(release("1.8.3", &["2018-01-01"]));
    assert_eq!(
        heard(&waiting, "1.8-production", "1.8.1", "2018-02-01"),
        "up to date: this is the latest in `1.8-production`; `1.8.3` is overdue, and not on offer in `1.8-production` until its vendor acts: waiting for barrier `1.8.2`, which is itself blocked: held since 2018-01-02T00:00:00Z by ada: etcd loses quorum"
    );
    let mut offered = release("1.8.2", &both).barrier();
    offered.summary = Some("moves etcd to version 3".to_owned());
    assert_eq!(
        heard(&base.with(offered).with(release("1.8.3", &both)), "1.8-production", "1.8.1", "2018-02-01"),
        "update to `1.8.2` (moves etcd to version 3) first: it is a barrier, and no cluster may skip it"
    );
}

#[test]
fn an_answer_tells_of_what_comes_through_an_earlier_channel_and_of_what_was_withdrawn() {
    let base = line("1.8", Some("1.7")).with(release("1.8.1", &["2017-12-01", "2017-12-15"]));
    let frozen = base.clone().frozen("2018-01-01", "2018-01-08", &[]).with(release("1.8.2", &[]));
    assert_eq!(
        heard(&frozen, "1.8-production", "1.8.1", "2018-01-02"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` enters `1.8-preproduction` first, at 2018-01-08T00:00:00Z at the earliest: frozen from 2018-01-01T00:00:00Z until 2018-01-08T00:00:00Z: end of year; it follows in `1.8-production` at 2018-01-22T00:00:00Z at the earliest; only its vendor can let it in earlier"
    );
    assert_eq!(
        heard(&frozen, "1.8-production", "1.8.1", "2018-01-09"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` is due for `1.8-preproduction`, but the server has not promoted it yet; it follows in `1.8-production` later"
    );
    let gone = base.with(release("1.8.2", &["2018-01-01"]).yanked_at("2018-01-05", None));
    assert_eq!(
        heard(&gone, "1.8-production", "1.8.1", "2018-01-09"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` was withdrawn at 2018-01-05T00:00:00Z: breaks DNS"
    );
    let mut ahead = release("1.8.2", &["2018-01-01", "2018-06-01"]);
    ahead.entries[1].as_mut().unwrap().ahead = true;
    let ahead = line("1.8", Some("1.7")).with(release("1.8.1", &["2017-12-01", "2017-12-15"])).with(ahead);
    let told = heard(&ahead, "1.8-production", "1.8.1", "2018-01-09");
    assert!(
        told.ends_with(
            "ahead of the clock; somebody's clock was fast, and only its vendor can date the entry anew"
        ),
        "{told}"
    );
}

#[test]
fn every_problem_of_a_server_comes_with_what_to_do_about_it() {
    use crate::domain::degraded::{ClockDoubt, Degraded, DegradedKind, LineRefusal};
    use crate::domain::restraint::{Forgotten, Restraint};
    let (now, why) = (t("2018-01-01"), || "it is full".to_owned());
    let held = catalog([line("1.8", None).with(release("1.8.1", &["2018-01-01"]).held_at("2018-01-01"))]);
    let evidence = Box::new(release("1.8.1", &[]).evidence);
    let expiry =
        |document: &str| Degraded::ExpiryNear { document: document.to_owned(), expires: now, expired: true };
    let mut all = vec![
        Degraded::LineRefused {
            line: "1.8".parse().unwrap(),
            keeps: true,
            refusal: LineRefusal::Faulty { why: why() },
        },
        Degraded::NotOffered { version: v("1.8.1"), evidence, more: 0 },
        Degraded::restraints_lost(&Restraint::all(&held, now)).unwrap(),
        Degraded::RestraintsForgotten(Forgotten { stored: now, why: why() }),
        Degraded::PromotionsOverdue { count: 1, version: v("1.8.1"), since: now },
        Degraded::DatedAhead {
            version: v("1.8.1"),
            channel: "1.8-production".parse().unwrap(),
            since: now,
            more: 0,
        },
        Degraded::MirrorExpiryNear { expires: now },
        Degraded::MirrorLacks { version: v("1.8.1"), file: "payload.json".to_owned(), more: 0 },
        Degraded::ClockUntrusted(ClockDoubt::Turned { now, expected: now }),
        Degraded::ClockUntrusted(ClockDoubt::Behind { now, made: now }),
        Degraded::NoKeys,
        Degraded::NoOnlineKey,
        Degraded::TrustKept { why: why() },
        Degraded::Unread { why: why() },
        Degraded::WitnessUnasked { why: why() },
        Degraded::MirrorGone,
        Degraded::Panicked { why: why() },
        Degraded::NotCommitted { why: vec![why()], more: 0 },
    ];
    all.extend(["publication", "root", "releases-1.8"].map(expiry));
    let failing = [DegradedKind::ReadFailing, DegradedKind::SigningFailing, DegradedKind::PublishFailing];
    all.extend(failing.map(|kind| Degraded::Failed { kind, why: why() }));
    for kind in DegradedKind::ALL {
        assert!(all.iter().any(|one| one.kind() == *kind), "{kind:?} has no sample");
    }
    for one in &all {
        let told = degraded(one);
        let remedies = ["`tidegate ", "mend that, and", "correct ", "restart the server", "start it"];
        assert!(remedies.iter().any(|remedy| told.contains(remedy)), "{told}");
    }
}

#[test]
fn flags_come_after_each_command_that_is_shown() {
    for (text, expected) in [
        ("see `tidegate status`", "see `tidegate status --state S`"),
        ("`tidegate a`, or `tidegate b`; `1.8`", "`tidegate a --state S`, or `tidegate b --state S`; `1.8`"),
        ("the line that follows `1.8`", "the line that follows `1.8`"),
        ("tidegate does it", "tidegate does it"),
    ] {
        assert_eq!(with_flags(text, "--state S"), expected);
        assert_eq!(with_flags(text, ""), text);
    }
}
