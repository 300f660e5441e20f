//! What promotes, when, and what stands in the way.

use chrono::{NaiveTime, TimeDelta, Weekday};

use super::super::policy::{Soak, Urgency, Window};
use super::super::release::{ManifestFault, ManifestState, Outage, Past, PayloadState, Release, SignedFacts};
use super::super::testing::{catalog, ended, entry, event, line, release, t, v};
use super::*;

/// The verdict on one release, with the names of the gates that do not pass.
fn judge(line: &Line, version: &str, now: &str) -> (Verdict, Vec<&'static str>) {
    let decisions = decide_line(line, t(now));
    let decision = decisions.iter().find(|decision| decision.release.version == v(version)).unwrap();
    (decision.verdict, decision.obstacles().map(|gate| gate.fact.name()).collect())
}

fn wait(until: &str) -> Verdict {
    Verdict::Wait { until: t(until) }
}

#[test]
fn a_release_is_due_on_the_second_at_which_its_soak_ends() {
    let line = line("1.8", None).with(release("1.8.4", &["2017-12-19T17:30:31Z"]));
    for (now, verdict) in
        [("2018-01-02T17:30:30Z", wait("2018-01-02T17:30:31Z")), ("2018-01-02T17:30:31Z", Verdict::Promote)]
    {
        assert_eq!(judge(&line, "1.8.4", now).0, verdict, "{now}");
    }
}

#[test]
fn a_first_stage_is_entered_at_once_when_the_release_is_signed_and_its_payload_is_there() {
    let ready = release("1.8.4", &[]);
    let mut unsigned = release("1.8.5", &[]);
    unsigned.evidence.manifest = ManifestState::Unsigned;
    let mut missing = release("1.8.6", &[]);
    missing.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
    let line = line("1.8", None).with(ready).with(unsigned).with(missing);
    assert_eq!(judge(&line, "1.8.4", "2018-01-01"), (Verdict::Promote, vec![]));
    assert_eq!(judge(&line, "1.8.5", "2018-01-01"), (Verdict::Blocked, vec!["signed"]));
    assert_eq!(judge(&line, "1.8.6", "2018-01-01"), (Verdict::Blocked, vec!["payload"]));
}

#[test]
fn nothing_is_promoted_in_a_line_whose_signature_has_expired_not_even_early() {
    let mut line = line("1.8", None).with(release("1.8.4", &["2017-12-01"]));
    line.signed_until = Some(t("2018-01-02"));
    assert_eq!(judge(&line, "1.8.4", "2018-01-01T23:59:59Z"), (Verdict::Promote, vec![]));
    assert_eq!(judge(&line, "1.8.4", "2018-01-02"), (Verdict::Blocked, vec!["expired"]));
    let catalog = catalog([line]);
    let early = Early { during_freeze: true };
    let decision = decide_early(&catalog, &v("1.8.4"), t("2018-01-02"), early).unwrap();
    assert_eq!(decision.verdict, Verdict::Blocked);
}

#[test]
fn a_history_without_keys_goes_on_past_the_first_stage_and_never_into_it() {
    let mut new = release("1.8.5", &[]);
    new.evidence.manifest = ManifestState::NoTrust;
    let mut old = release("1.8.4", &["2017-12-01"]);
    old.evidence.manifest = ManifestState::NoTrust;
    let line = line("1.8", None).with(new).with(old);
    assert_eq!(judge(&line, "1.8.4", "2018-01-01").0, Verdict::Promote);
    assert_eq!(judge(&line, "1.8.5", "2018-01-01").0, Verdict::Blocked);
}

#[test]
fn every_gate_is_looked_at_and_not_only_the_first_that_fails() {
    let mut held = release("1.8.4", &["2017-12-19"]).held_at("2017-12-20");
    held.evidence.manifest = ManifestFault::Missing.into();
    let mut line = line("1.8", None).with(held);
    line.stages[1].paused = Some(event(t("2017-12-20"), "an outage"));
    let (verdict, obstacles) = judge(&line, "1.8.4", "2017-12-21");
    assert_eq!(verdict, Verdict::Blocked);
    assert_eq!(obstacles, ["signed", "soak", "hold", "paused"]);
}

#[test]
fn events_dated_ahead_do_not_exist_yet() {
    let line = line("1.8", None)
        .with(release("1.8.4", &["2017-12-01"]).held_at("2018-01-01").yanked_at("2018-01-01", None));
    assert_eq!(judge(&line, "1.8.4", "2017-12-31").0, Verdict::Promote);
    assert_eq!(judge(&line, "1.8.4", "2018-01-01"), (Verdict::Blocked, vec!["yanked", "hold"]));
}

#[test]
fn a_stage_with_an_entry_dated_ahead_gets_no_second_one() {
    let line = line("1.8", None).with(release("1.8.4", &["2017-12-01", "2018-02-01"]));
    assert_eq!(judge(&line, "1.8.4", "2018-01-01"), (wait("2018-02-01"), vec!["recorded"]));
    assert!(decide_line(&line, t("2018-02-01")).is_empty());

    let held =
        self::line("1.8", None).with(release("1.8.4", &["2017-12-01", "2018-02-01"]).held_at("2017-12-02"));
    assert_eq!(judge(&held, "1.8.4", "2018-01-01").0, wait("2018-02-01"));

    let mut ahead = release("1.8.5", &[]);
    ahead.entries[1] = Some(entry(t("2018-02-01")));
    let line = self::line("1.8", None).with(ahead);
    assert_eq!(judge(&line, "1.8.5", "2018-01-01").0, wait("2018-02-01"));
}

#[test]
fn a_wait_ends_after_every_freeze_and_in_a_window() {
    let mut line = line("1.8", None)
        .frozen("2017-12-22", "2018-01-02", &[Urgency::Security])
        .frozen("2018-01-02", "2018-01-05", &[])
        .with(release("1.8.4", &["2017-12-19"]));
    assert_eq!(judge(&line, "1.8.4", "2017-12-20"), (wait("2018-01-05"), vec!["soak", "freeze"]));
    let hour = |h| NaiveTime::from_hms_opt(h, 0, 0).unwrap();
    let days = [Weekday::Mon, Weekday::Tue];
    line.stages[1].window = Some(Window::new(&days, hour(9), hour(16), chrono_tz::UTC).unwrap());
    // The fifth was a Friday.
    let expected = (wait("2018-01-08T09:00:00Z"), vec!["soak", "freeze", "window"]);
    assert_eq!(judge(&line, "1.8.4", "2017-12-20"), expected);
    let sunday = Window::new(&[Weekday::Sun], hour(9), hour(16), chrono_tz::UTC).unwrap();
    line.stages[1].window = line.stages[1].window.take().map(|window| window.and(sunday));
    assert_eq!(judge(&line, "1.8.4", "2018-02-01"), (Verdict::Blocked, vec!["window"]), "never");
}

#[test]
fn a_security_fix_soaks_shorter_and_passes_the_freezes_that_except_it() {
    let mut fix = release("1.8.4", &["2017-12-23"]);
    fix.urgency = Urgency::Security;
    let mut line = line("1.8", None).frozen("2017-12-22", "2018-01-02", &[Urgency::Security]).with(fix);
    let soak = line.stages[1].soak.as_mut().unwrap();
    soak.security = Soak { min: TimeDelta::days(3), max: TimeDelta::days(14) };
    assert_eq!(judge(&line, "1.8.4", "2017-12-25").0, wait("2017-12-26"));
    assert_eq!(judge(&line, "1.8.4", "2017-12-26").0, Verdict::Promote);
}

#[test]
fn an_older_barrier_goes_first() {
    let line = line("1.8", None)
        .with(release("1.8.4", &["2017-12-10"]).barrier())
        .with(release("1.8.3", &["2017-12-01"]))
        .with(release("1.8.5", &["2017-12-01"]));
    assert_eq!(judge(&line, "1.8.3", "2017-12-16").0, Verdict::Promote);
    assert_eq!(judge(&line, "1.8.5", "2017-12-16"), (wait("2017-12-24"), vec!["order"]));
    // The barrier itself enters now, if somebody promotes; what is behind it follows in the next run. Until
    // then, nobody knows when that will be.
    for now in ["2017-12-24", "2018-02-01"] {
        assert_eq!(judge(&line, "1.8.4", now).0, Verdict::Promote);
        assert_eq!(judge(&line, "1.8.5", now), (Verdict::Blocked, vec!["order"]));
    }

    let held = line.releases[&v("1.8.4")].clone().held_at("2017-12-11");
    let line = line.with(held);
    assert_eq!(judge(&line, "1.8.5", "2017-12-24"), (Verdict::Blocked, vec!["order"]));
    let yanked = line.releases[&v("1.8.4")].clone().yanked_at("2017-12-12", Some("1.8.5"));
    assert_eq!(judge(&line.with(yanked), "1.8.5", "2017-12-24").0, Verdict::Promote);
}

#[test]
fn a_barrier_that_waits_for_an_earlier_stage_lets_later_ones_wait_and_blocks_nobody() {
    // The barrier is a stage behind what it keeps back.
    let three = |barrier: Release| {
        let mut line = line("1.8", None);
        let mut canary = line.stages[1].clone();
        canary.name = "canary".parse().unwrap();
        canary.channel = "1.8-canary".parse().unwrap();
        line.stages.insert(1, canary);
        let mut ready = release("1.8.5", &["2017-11-01", "2017-11-15"]);
        ready.entries = ready.entries.resized(3);
        let mut barrier = barrier.barrier();
        barrier.entries = barrier.entries.resized(3);
        line.frozen("2018-01-06", "2018-01-09", &[]).with(ready).with(barrier)
    };
    let soaking = || release("1.8.4", &["2017-12-10"]);
    let line = three(soaking());
    // Two weeks for each of the two stages, and the freeze.
    assert_eq!(judge(&line, "1.8.4", "2017-12-16").0, wait("2017-12-24"));
    assert_eq!(judge(&line, "1.8.5", "2017-12-16"), (wait("2018-01-09"), vec!["order"]));
    assert_eq!(judge(&line, "1.8.5", "2017-12-25"), (wait("2018-01-09"), vec!["order"]));
    let mut signed = soaking();
    let facts = SignedFacts::new([("production".parse().unwrap(), t("2018-02-01"))].into());
    signed.evidence.manifest = ManifestState::Signed(facts);
    assert_eq!(judge(&three(signed), "1.8.5", "2017-12-16").0, wait("2018-02-01"));

    let held = three(soaking().held_at("2017-12-11"));
    assert_eq!(judge(&held, "1.8.5", "2017-12-16"), (Verdict::Blocked, vec!["order"]));
    let mut paused = three(soaking());
    paused.stages[1].paused = Some(event(t("2017-12-11"), "an outage"));
    assert_eq!(judge(&paused, "1.8.5", "2017-12-16"), (Verdict::Blocked, vec!["order"]));
}

#[test]
fn a_barrier_waits_for_an_older_one_in_every_stage_on_its_way() {
    let min = |days| Soak { min: TimeDelta::days(days), max: TimeDelta::days(28) };
    let mut line = line("1.8", None);
    let mut canary = line.stages[1].clone();
    canary.name = "canary".parse().unwrap();
    canary.channel = "1.8-canary".parse().unwrap();
    canary.soak.as_mut().unwrap().security = min(3);
    line.stages[1].soak.as_mut().unwrap().security = min(20);
    line.stages.insert(1, canary);
    for (version, entered, urgency) in [
        ("1.8.3", &["2018-01-10"][..], Urgency::Normal),
        ("1.8.4", &["2018-01-10"], Urgency::Security),
        ("1.8.5", &["2017-11-01", "2017-11-15"], Urgency::Normal),
    ] {
        let mut one = release(version, entered);
        one.entries = one.entries.resized(3);
        one.barrier = version != "1.8.5";
        one.urgency = urgency;
        line = line.with(one);
    }
    // The fix could be in the canary stage on the 13th, but not before the older barrier on the 24th.
    assert_eq!(judge(&line, "1.8.5", "2018-01-11"), (wait("2018-02-13"), vec!["order"]));
}

#[test]
fn what_replaces_a_yanked_barrier_goes_first_as_the_barrier_did() {
    let line = line("1.8", None)
        .with(release("1.8.4", &["2017-12-01"]).barrier().yanked_at("2017-12-10", Some("1.8.5")))
        .with(release("1.8.5", &["2017-12-12"]))
        .with(release("1.8.6", &["2017-12-02"]));
    assert_eq!(judge(&line, "1.8.6", "2017-12-20"), (wait("2017-12-26"), vec!["order"]));
}

#[test]
fn the_signed_earliest_time_counts_like_the_soak() {
    let mut signed = release("1.8.4", &["2017-12-01"]);
    let facts = SignedFacts::new([("production".parse().unwrap(), t("2018-01-01"))].into());
    signed.evidence.manifest = ManifestState::Signed(facts);
    let line = line("1.8", None).with(signed);
    assert_eq!(judge(&line, "1.8.4", "2017-12-20"), (wait("2018-01-01"), vec!["not_before"]));
    assert_eq!(judge(&line, "1.8.4", "2018-01-01").0, Verdict::Promote);
}

#[test]
fn past_max_a_release_is_overdue_and_frozen_time_does_not_count() {
    let mut unsigned = release("1.8.4", &["2017-12-01"]);
    unsigned.evidence.manifest = ManifestState::Unsigned;
    let line = line("1.8", None).frozen("2017-12-22", "2018-01-01", &[]).with(unsigned);
    let overdue = |now: &str| {
        let decisions = decide_line(&line, t(now));
        (decisions[0].overdue, decisions[0].deadline.unwrap())
    };
    // 28 days, and the ten of the freeze.
    assert_eq!(overdue("2018-01-07T23:59:59Z"), (false, t("2018-01-08")));
    assert_eq!(overdue("2018-01-08"), (true, t("2018-01-08")));
    assert_eq!(judge(&line, "1.8.4", "2018-01-08").0, Verdict::Blocked);
}

#[test]
fn an_early_promotion_passes_soak_and_window_and_a_freeze_only_if_told_so() {
    let hour = |h| NaiveTime::from_hms_opt(h, 0, 0).unwrap();
    let mut line = line("1.8", None)
        .frozen("2017-12-22", "2018-01-02", &[])
        .with(release("1.8.4", &["2017-12-19"]))
        .with(release("1.8.5", &["2017-12-19"]).held_at("2017-12-20"));
    line.stages[1].window = Some(Window::new(&[Weekday::Mon], hour(9), hour(10), chrono_tz::UTC).unwrap());
    let catalog = catalog([line]);
    let early = |version: &str, now: &str, during_freeze| {
        decide_early(&catalog, &v(version), t(now), Early { during_freeze }).unwrap().verdict
    };
    assert_eq!(early("1.8.4", "2017-12-20", false), Verdict::Promote);
    assert_eq!(early("1.8.4", "2017-12-23", false), wait("2018-01-02"));
    assert_eq!(early("1.8.4", "2017-12-23", true), Verdict::Promote);
    assert_eq!(early("1.8.5", "2017-12-21", true), Verdict::Blocked);
}

#[test]
fn an_early_promotion_never_passes_signature_order_pause_or_the_signed_earliest_time() {
    let base = || line("1.8", None).with(release("1.8.5", &["2017-12-19"]));
    let with = |change: fn(&mut Release)| {
        let mut line = base();
        change(line.releases.get_mut(&v("1.8.5")).unwrap());
        line
    };
    let unsigned = with(|release| release.evidence.manifest = ManifestState::Unsigned);
    let dated = with(|release| {
        let not_before = [("production".parse().unwrap(), t("2018-01-02"))].into();
        release.evidence.manifest = ManifestState::Signed(SignedFacts::new(not_before));
    });
    let behind = base().with(release("1.8.4", &["2017-12-19"]).barrier());
    let mut paused = base();
    paused.stages[1].paused = Some(event(t("2017-12-19"), "an outage"));
    for (line, gate) in [(unsigned, "signed"), (dated, "not_before"), (behind, "order"), (paused, "paused")] {
        let catalog = catalog([line]);
        let decision =
            decide_early(&catalog, &v("1.8.5"), t("2017-12-20"), Early { during_freeze: true }).unwrap();
        let obstacles: Vec<_> = decision.obstacles().map(|gate| gate.fact.name()).collect();
        assert_eq!(obstacles, [gate]);
    }
}

#[test]
fn a_release_in_its_last_stage_is_not_decided_on() {
    let line = line("1.8", None).with(release("1.8.4", &["2017-12-01", "2017-12-15"]));
    assert!(decide_line(&line, t("2018-01-01")).is_empty());
    let catalog = catalog([line]);
    let early = Early { during_freeze: false };
    assert!(decide_early(&catalog, &v("1.8.4"), t("2018-01-01"), early).is_none());
}

#[test]
fn in_a_retired_line_nothing_is_overdue() {
    let mut unsigned = release("1.8.4", &["2018-01-01"]);
    unsigned.evidence.manifest = ManifestState::Unsigned;
    let mut line = line("1.8", None).with(unsigned);
    assert!(decide_line(&line, t("2018-06-01"))[0].overdue);
    line.retired = Some(event(t("2018-01-03"), "no fixes any more"));
    assert!(!decide_line(&line, t("2018-06-01"))[0].overdue);
}

#[test]
fn nothing_enters_a_stage_of_a_retired_line() {
    let mut line = line("1.8", None).with(release("1.8.4", &["2018-01-01"]));
    line.retired = Some(event(t("2018-01-10"), "no fixes any more"));
    assert_eq!(judge(&line, "1.8.4", "2018-01-09"), (wait("2018-01-15"), vec!["soak"]));
    assert_eq!(judge(&line, "1.8.4", "2018-02-01"), (Verdict::Blocked, vec!["retired"]));
    let catalog = catalog([line]);
    let decisions = decide(&catalog, t("2018-02-01"));
    assert!(decisions[0].early_way().is_none());
}

/// The first decision about a line: its verdict, whether it is overdue, and its deadline.
fn first(line: &Line, now: &str) -> (Verdict, bool, Option<Time>) {
    let decision = decide_line(line, t(now)).remove(0);
    (decision.verdict, decision.overdue, decision.deadline)
}

#[test]
fn a_held_release_is_not_overdue_and_held_time_does_not_count() {
    let held = line("1.8", None).with(release("1.8.4", &["2018-01-01"]).held_at("2018-01-11"));
    assert_eq!(first(&held, "2018-06-01"), (Verdict::Blocked, false, None));
    let mut resumed = release("1.8.4", &["2018-01-01"]);
    resumed.evidence.manifest = ManifestState::Unsigned;
    resumed.past =
        Some(Box::new(Past { resumed: vec![ended("2018-01-11", "2018-01-21")], ..Past::default() }));
    let resumed = line("1.8", None).with(resumed);
    let deadline = Some(t("2018-02-08"));
    assert_eq!(first(&resumed, "2018-02-07T23:59:59Z"), (Verdict::Blocked, false, deadline));
    assert_eq!(first(&resumed, "2018-02-08"), (Verdict::Blocked, true, deadline));
}

#[test]
fn a_hold_does_not_lengthen_the_soak() {
    let mut resumed = release("1.8.4", &["2018-01-01"]);
    resumed.past =
        Some(Box::new(Past { resumed: vec![ended("2018-01-02", "2018-01-12")], ..Past::default() }));
    let line = line("1.8", None).with(resumed);
    assert_eq!(first(&line, "2018-01-15").0, Verdict::Promote);
}

#[test]
fn a_soak_stands_still_while_the_previous_channel_is_paused_and_goes_on_when_it_is_resumed() {
    let mut line = line("1.8", None).with(release("1.8.4", &["2018-01-01"]));
    line.stages[0].paused = Some(event(t("2018-01-11"), "an outage"));
    assert_eq!(judge(&line, "1.8.4", "2018-01-10").0, wait("2018-01-15"));
    assert_eq!(judge(&line, "1.8.4", "2018-01-20"), (Verdict::Blocked, vec!["soak"]));
    assert_eq!(first(&line, "2018-06-01"), (Verdict::Blocked, false, None));
    line.stages[0].paused = None;
    line.stages[0].resumed.push(ended("2018-01-11", "2018-01-21"));
    assert_eq!(first(&line, "2018-01-24T23:59:59Z"), (wait("2018-01-25"), false, Some(t("2018-02-08"))));
    assert_eq!(first(&line, "2018-01-25").0, Verdict::Promote);
}

#[test]
fn a_soak_that_is_over_when_the_previous_channel_is_paused_stays_over() {
    let mut line = line("1.8", None).with(release("1.8.4", &["2018-01-01"]));
    line.stages[0].paused = Some(event(t("2018-01-15"), "an outage"));
    assert_eq!(judge(&line, "1.8.4", "2018-02-01").0, Verdict::Promote);
    let early = Early { during_freeze: false };
    line.stages[0].paused = Some(event(t("2018-01-14"), "an outage"));
    let paused = catalog([line]);
    assert!(decide(&paused, t("2018-01-20"))[0].early_way().is_some());
    assert_eq!(decide_early(&paused, &v("1.8.4"), t("2018-01-20"), early).unwrap().verdict, Verdict::Promote);
}

#[test]
fn time_in_which_a_release_was_yanked_is_no_soak() {
    let mut unyanked = release("1.8.4", &["2018-01-01"]);
    unyanked.past =
        Some(Box::new(Past { unyanked: vec![ended("2018-01-04", "2018-01-14")], ..Past::default() }));
    let line = line("1.8", None).with(unyanked);
    assert_eq!(judge(&line, "1.8.4", "2018-01-20"), (wait("2018-01-25"), vec!["soak"]));
}

#[test]
fn of_several_pending_barriers_the_last_one_decides() {
    let with = |four: Release, five: Release| {
        line("1.8", None).with(four.barrier()).with(five.barrier()).with(release("1.8.6", &["2018-01-01"]))
    };
    let (early, late) = (|v: &str| release(v, &["2018-01-02"]), |v: &str| release(v, &["2018-01-10"]));
    for line in [with(early("1.8.4"), late("1.8.5")), with(late("1.8.4"), early("1.8.5"))] {
        assert_eq!(judge(&line, "1.8.6", "2018-01-12"), (wait("2018-01-24"), vec!["soak", "order"]));
    }
    let held = |v: &str| early(v).held_at("2018-01-03");
    for line in [with(early("1.8.4"), held("1.8.5")), with(held("1.8.4"), early("1.8.5"))] {
        assert_eq!(judge(&line, "1.8.6", "2018-01-16"), (Verdict::Blocked, vec!["order"]));
    }
}

#[test]
fn time_in_which_a_payload_was_missing_is_no_soak_once_it_is_recorded() {
    let with = |until: Option<&str>, payload: PayloadState| {
        let mut one = release("1.8.4", &["2018-01-01"]);
        one.evidence.payload = payload;
        let unavailable = vec![Outage { from: t("2018-01-04"), until: until.map(t) }];
        one.past = Some(Box::new(Past { unavailable, ..Past::default() }));
        line("1.8", None).with(one)
    };
    let missing = || PayloadState::Missing { file: "payload.json".to_owned() };
    let lasting = with(None, missing());
    assert_eq!(judge(&lasting, "1.8.4", "2018-01-20"), (Verdict::Blocked, vec!["payload", "soak"]));
    assert!(!first(&lasting, "2018-06-01").1);
    let back = with(Some("2018-01-14"), PayloadState::Present);
    assert_eq!(judge(&back, "1.8.4", "2018-01-20"), (wait("2018-01-25"), vec!["soak"]));
    // The payload is back, and the record does not say so yet.
    let unrecorded = with(None, PayloadState::Present);
    assert_eq!(judge(&unrecorded, "1.8.4", "2018-01-20"), (wait("2018-01-31"), vec!["soak"]));
}

#[test]
fn an_outage_is_recorded_when_it_begins_and_when_it_ends() {
    let missing = || PayloadState::Missing { file: "payload.json".to_owned() };
    let mut one = release("1.8.4", &["2018-01-01"]);
    assert_eq!(one.outages_at(t("2018-01-04")), None);
    one.evidence.payload = missing();
    assert_eq!(one.outages_at(t("2017-12-31")), None, "no stage has it yet");
    let began = one.outages_at(t("2018-01-04")).unwrap();
    assert_eq!(began, [Outage { from: t("2018-01-04"), until: None }]);
    one.past = Some(Box::new(Past { unavailable: began, ..Past::default() }));
    assert_eq!(one.outages_at(t("2018-01-05")), None);
    one.evidence.payload = PayloadState::Present;
    let over = one.outages_at(t("2018-01-14")).unwrap();
    assert_eq!(over, [Outage { from: t("2018-01-04"), until: Some(t("2018-01-14")) }]);
    one.past = Some(Box::new(Past { unavailable: over, ..Past::default() }));
    assert_eq!(one.outages_at(t("2018-01-15")), None);
    one.evidence.payload = missing();
    assert_eq!(one.outages_at(t("2018-01-16")).unwrap().len(), 2);
}

#[test]
fn outages_that_come_and_go_are_few_records_and_shorten_no_soak() {
    let missing = || PayloadState::Missing { file: "payload.json".to_owned() };
    let mut one = release("1.8.4", &["2018-01-01"]);
    let (mut now, mut began) = (t("2018-01-01"), Vec::new());
    let mut record = |minutes: i64, payload: PayloadState| {
        now += TimeDelta::minutes(minutes);
        began.extend((payload != PayloadState::Present).then_some(now));
        one.evidence.payload = payload;
        let unavailable = one.outages_at(now).unwrap();
        one.past = Some(Box::new(Past { unavailable: unavailable.clone(), ..Past::default() }));
        let covers = |at: &Time| {
            unavailable.iter().any(|one| one.from <= *at && one.until.is_none_or(|until| *at < until))
        };
        assert!(began.iter().all(covers), "{unavailable:?}");
        (now, unavailable)
    };
    for _ in 0..100 {
        record(14, missing());
        record(1, PayloadState::Present);
    }
    let (end, records) = record(15, missing());
    let first = Outage { from: t("2018-01-01T00:14:00Z"), until: Some(t("2018-01-02T01:00:00Z")) };
    assert_eq!(records, [first, Outage { from: end, until: None }]);
    record(10, PayloadState::Present);
    for gap in 0..100 {
        record(60 + gap, missing());
        let (_, records) = record(1, PayloadState::Present);
        assert!(records.len() <= 50 && records[0].from == first.from);
        assert!(records.windows(2).all(|two| two[0].until.unwrap() < two[1].from), "{records:?}");
    }
    let (_, records) = record(600, missing());
    assert_eq!((records.len(), records.last().unwrap().until), (50, None));
    assert!(
        records[47].until.unwrap() + TimeDelta::minutes(150) < records[48].from,
        "the nearest are joined"
    );
}
