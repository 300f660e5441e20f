//! Sentences of each kind, as people read them.

use super::*;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::promotion::{Decision, decide, decide_line};
use crate::domain::release::{PayloadState, Release};
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
    assert_eq!(
        gates("1.8.5", "2018-01-09")[2],
        "waiting for barrier `1.8.4` (no cluster may skip it), which is itself blocked"
    );
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
    let held = "`1.7.5` is held since 2018-02-01T00:00:00Z by ada (etcd loses quorum); it comes once the vendor ends the hold, at 2018-02-15T00:00:00Z at the earliest";
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
        "wait: the upgrade path to line `1.8` leads through `1.7-production`, and nothing there may be installed yet; `1.7.4` follows at 2018-02-15T00:00:00Z at the earliest: its soak of 14d began at 2018-02-01T00:00:00Z; its vendor can shorten this"
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
        "blocked: there is no upgrade path from line `1.7`, which this version belongs to, to line `3.0`; follow `1.7-production` to stay in line `1.7`; line `3.0` can be entered from no other line, unless the vendor's release engineers allow it with `follows: { line: \"1.7\" }` in `3.0/line.yaml` and new signatures for its releases"
    );
    let four = line("4.0", Some("3.0")).with(release("4.0.1", &["2018-01-01", "2018-01-15"]));
    let told = heard(&four, "4.0-production", "1.7.9", "2018-02-01");
    assert!(
        told.contains("stay in line `1.7`; line `4.0` can only be entered from line `3.0`, unless the vendor's release engineers allow it with `follows: { line: \"1.7\" }` in the `line.yaml` of line `3.0`, or of the first line on the way to it, and"),
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
        "blocked: this version was yanked (breaks DNS), so line `1.8` cannot be entered from it, and `1.7-production` neither offers nor expects a higher release: stay on it until the vendor offers a higher release in line `1.7`, or takes back the yank"
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
        "up to date: this is the latest in `1.8-production`; `1.8.3` is overdue: `1.8.2` must be installed first (no cluster may skip it: moves etcd to version 3), and it is held since 2018-01-02T00:00:00Z by ada (etcd loses quorum); they come once the vendor ends the hold"
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
        "up to date: this is the latest in `1.8-production`; `1.8.2` enters `1.8-preproduction` first, at 2018-01-08T00:00:00Z at the earliest: promotions in line `1.8` are frozen from 2018-01-01T00:00:00Z until 2018-01-08T00:00:00Z (end of year); then it soaks for 14d, and enters `1.8-production` at 2018-01-22T00:00:00Z at the earliest; its vendor can shorten this"
    );
    assert_eq!(
        heard(&frozen, "1.8-production", "1.8.1", "2018-01-09"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` is due for `1.8-preproduction`, but the server has not promoted it yet; it follows in `1.8-production` later"
    );
    let gone = base.with(release("1.8.2", &["2018-01-01"]).yanked_at("2018-01-05", None));
    assert_eq!(
        heard(&gone, "1.8-production", "1.8.1", "2018-01-09"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` was withdrawn at 2018-01-05T00:00:00Z (breaks DNS); nothing else is on its way until the vendor offers a higher release"
    );
    let mut ahead = release("1.8.2", &["2018-01-01", "2018-06-01"]);
    ahead.entries[1].as_mut().unwrap().ahead = true;
    let ahead = line("1.8", Some("1.7")).with(release("1.8.1", &["2017-12-01", "2017-12-15"])).with(ahead);
    let told = heard(&ahead, "1.8-production", "1.8.1", "2018-01-09");
    assert!(
        told.ends_with(
            "`1.8.2` follows at 2018-06-01T00:00:00Z at the earliest: the vendor's catalog records this promotion with that date, in the future; the vendor can correct the date"
        ),
        "{told}"
    );
}

#[test]
fn an_answer_says_who_must_do_what_before_a_release_comes() {
    use crate::domain::release::ManifestState;
    let base = line("1.8", Some("1.7")).with(release("1.8.1", &["2017-12-01", "2017-12-15"]));
    let told = |fault: fn(&mut Release), entries: &[&str]| {
        let mut next = release("1.8.2", entries);
        fault(&mut next);
        heard(&base.clone().with(next), "1.8-production", "1.8.1", "2018-02-01")
    };
    let soaked = ["2018-01-01"];
    for (fault, entries, said) in [
        (
            (|next| next.evidence.manifest = ManifestState::Unsigned) as fn(&mut Release),
            &[][..],
            "`1.8.2` is not on offer in `1.8-preproduction`: not signed by a release key yet; it comes once the vendor signs it with a release key; then it soaks for 14d, and enters `1.8-production`",
        ),
        (
            |next| next.evidence.manifest = ManifestState::Undelegated,
            &[],
            "; it comes once the vendor authorises a release key for line `1.8` and signs it; then it soaks for 14d, and enters `1.8-production`",
        ),
        (
            |next| next.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() },
            &soaked,
            "; it comes once the vendor puts the payload back",
        ),
    ] {
        let told = told(fault, entries);
        assert!(told.contains("; `1.8.2` ") && told.ends_with(said), "{told}");
    }
}

#[test]
fn a_cluster_that_verifies_promises_nothing_and_names_who_knows_more() {
    use crate::domain::upgrade::Views;
    let ask = Ask { server: "http://v".to_owned(), update: "http://v/update".to_owned() };
    let told = |next: Option<Release>, now: &str| {
        let first = release("1.8.1", &["2017-12-01", "2017-12-15"]);
        let line = next.into_iter().fold(line("1.8", None).with(first), Line::with);
        let catalog = catalog([line]);
        let channel = catalog.channel(&"1.8-production".parse().unwrap()).unwrap();
        verified(&Views::signed(&catalog, t(now)).answer(channel, &v("1.8.1")), &ask)
    };
    assert_eq!(
        told(None, "2018-01-02"),
        "up to date: no signed document names a newer release in `1.8-production`; the server may know of one: `curl 'http://v/update'`"
    );
    assert_eq!(
        told(Some(release("1.8.2", &["2018-01-01"])), "2018-01-02"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` is not on offer in `1.8-production` yet; when it comes, only the server can tell: `curl 'http://v/v1/releases/1.8.2/explain'`"
    );
    assert_eq!(
        told(Some(release("1.8.2", &["2018-01-01"]).yanked_at("2018-01-01", None)), "2018-01-02"),
        "up to date: this is the latest in `1.8-production`; `1.8.2` was withdrawn at 2018-01-01T00:00:00Z (breaks DNS); the server may know of a newer release: `curl 'http://v/update'`"
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
        Degraded::RestraintsForgotten(Forgotten { stored: now, why: why(), is_denied: false }),
        Degraded::PromotionsOverdue { count: 1, version: v("1.8.1"), since: now },
        Degraded::DatedAhead {
            version: v("1.8.1"),
            channel: "1.8-production".parse().unwrap(),
            since: now,
            more: 0,
        },
        Degraded::MirrorExpiryNear { expires: now },
        Degraded::MirrorLost { line: "1.8".parse().unwrap(), why: why() },
        Degraded::MirrorLacks { version: v("1.8.1"), file: "payload.json".to_owned(), more: 0 },
        Degraded::RefusedByClock { now, expires: now },
        Degraded::ClockUntrusted(ClockDoubt::Turned { now, expected: now, has_booted: false }),
        Degraded::ClockUntrusted(ClockDoubt::Turned { now, expected: now, has_booted: true }),
        Degraded::ClockUntrusted(ClockDoubt::Behind { now, made: now }),
        Degraded::NoKeys,
        Degraded::NoOnlineKey,
        Degraded::StateAway { version: 7, found: None },
        Degraded::StateAway { version: 7, found: Some(6) },
        Degraded::TrustKept { why: why(), is_unread: false },
        Degraded::TrustKept { why: why(), is_unread: true },
        Degraded::Unread { why: why() },
        Degraded::WitnessUnasked { why: why() },
        Degraded::MirrorGone,
        Degraded::Panicked { why: why() },
        Degraded::NotCommitted { why: vec![why()], more: 0 },
    ];
    all.extend([false, true].map(|may_pass| Degraded::LineRefused {
        line: "1.8".parse().unwrap(),
        keeps: false,
        refusal: LineRefusal::Lost { why: why(), may_pass },
    }));
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
        ("x `tidegate 2", "x `tidegate 2"),
        ("x `tidegate 2`", "x `tidegate 2`"),
        ("x `tidegate a\n`tidegate b`", "x `tidegate a\n`tidegate b --state S`"),
    ] {
        assert_eq!(with_flags(text, "--state S"), expected);
        assert_eq!(with_flags(text, ""), text);
    }
}

#[test]
fn what_a_cluster_needs_first_and_cannot_be_served_is_not_said_to_have_to_enter() {
    let mut last = release("1.7.9", &["2018-01-01", "2018-01-15"]);
    last.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
    let seven = line("1.7", None)
        .with(release("1.7.8", &["2017-12-01", "2017-12-15"]).yanked_at("2018-01-20", None))
        .with(last);
    let eight = line("1.8", Some("1.7")).with(release("1.8.1", &["2018-01-01", "2018-01-15"]));
    let (catalog, now) = (catalog([seven, eight]), t("2018-02-01"));
    let decisions = decide(&catalog, now);
    let channel = "1.8-production".parse().unwrap();
    let own = crate::domain::upgrade::answer(&catalog, &decisions, &channel, &v("1.7.8"), now).unwrap();
    let told = answer(&own);
    assert!(
        told.contains("`1.7.9` is not on offer in `1.7-production`: payload `payload.json` is missing"),
        "{told}"
    );
}

#[test]
fn a_stop_says_what_it_does_to_the_soak_and_what_is_left_after_it() {
    let mut line = line("1.8", None).with(release("1.8.4", &["2018-01-01"]).held_at("2018-01-05"));
    let told = |line: &Line, now: &str| {
        let (line, now) = (line.clone(), t(now));
        let decisions = decide_line(&line, now);
        let decision = Some(&decisions[0]);
        let release = decisions[0].release;
        let (refused, not_promoting, entry) = (None, None, None);
        explanation(&Explanation { line: &line, release, now, decision, refused, not_promoting, entry })
    };
    let held = told(&line, "2018-01-10");
    assert!(held.contains("and then at 2018-01-15T00:00:00Z at the earliest: held since"), "{held}");
    assert!(
        held.ends_with("the hold does not stop its soak, which counts from 2018-01-01T00:00:00Z; a release that stays held is never late"),
        "{held}"
    );
    line.stages[0].paused = Some(said(t("2018-01-07"), "an outage"));
    let paused = told(&line, "2018-01-10");
    assert!(paused.contains("and then only after the rest of its soak, `8d`: "), "{paused}");
}
