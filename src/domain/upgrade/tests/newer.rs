//! What clusters are told of newer releases that they cannot have yet.

use super::super::super::release::{ManifestState, PayloadState};
use super::*;

#[test]
fn a_cluster_hears_of_a_newer_release_that_does_not_come_and_why() {
    let mut unsigned = release("1.8.2", &[]);
    unsigned.evidence.manifest = ManifestState::Unsigned;
    let mut missing = release("1.8.2", &["2018-02-01"]);
    missing.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
    let soaking = || release("1.8.2", &["2018-02-01"]);
    let barrier = release("1.8.2", &["2018-02-01"]).barrier().held_at("2018-02-02");
    let base = || line("1.8", None).with(release("1.8.1", &["2018-01-01", "2018-01-15"]));
    let mut paused = base().with(soaking());
    paused.stages[0].paused = Some(event(t("2018-02-02"), "an outage"));
    for (line, now, told) in [
        (base().with(soaking()), "2018-02-10", ": coming 1.8.2"),
        (base().with(soaking()), "2018-03-10", ": due 1.8.2"),
        (base().with(soaking().held_at("2018-02-02")), "2018-02-10", ": stuck 1.8.2 hold"),
        (base().with(unsigned), "2018-02-10", ": stuck 1.8.2 signed"),
        (base().with(missing), "2018-02-10", ": stuck 1.8.2 payload"),
        (base().with(barrier).with(release("1.8.3", &["2018-02-01"])), "2018-02-10", ": stuck 1.8.3 order"),
        (paused, "2018-02-10", ": stuck 1.8.2 soak"),
        (base().with(soaking().yanked_at("2018-02-02", None)), "2018-02-10", ""),
        // What comes first is told, even if something else is stuck.
        (
            base().with(soaking().held_at("2018-02-02")).with(release("1.8.3", &["2018-02-01"])),
            "2018-02-10",
            ": coming 1.8.3",
        ),
    ] {
        let expected = format!("none up_to_date{told}");
        check(&catalog([line]), now, &[("1.8-production", "1.8.1", &expected)]);
    }
}

#[test]
fn a_release_that_is_late_is_told_as_overdue() {
    let line = line("1.8", None).with(release("1.8.2", &["2018-01-01"]));
    for (now, overdue) in [("2018-01-28", false), ("2018-01-29", true)] {
        let catalog = catalog([line.clone()]);
        let decisions = decide(&catalog, t(now));
        let channel = ChannelName::parse("1.8-production").unwrap();
        let answer = answer(&catalog, &decisions, &channel, &v("1.8.1"), t(now)).unwrap();
        let Advice::None { coming: Some(coming), .. } = answer.advice else { panic!("{answer:?}") };
        assert_eq!((coming.when, coming.overdue), (When::Due, overdue), "{now}");
    }
}

#[test]
fn a_way_through_a_paused_channel_waits_and_who_is_past_it_goes_on() {
    let both = ["2018-01-01", "2018-02-01"];
    let mut eight = line("1.8", None).with(release("1.8.1", &both)).with(release("1.8.3", &both));
    eight.stages[1].paused = Some(event(t("2018-02-10"), "1.8.3 loses its members"));
    let nine = line("1.9", Some("1.8")).with(release("1.9.0", &both));
    let ten = line("1.10", Some("1.9")).with(release("1.10.0", &both));
    check(
        &catalog([eight, nine, ten]),
        "2018-03-01",
        &[
            ("1.9-production", "1.8.1", "wait paused: 1.8.3 loses its members"),
            ("1.10-production", "1.8.1", "wait paused: 1.8.3 loses its members"),
            ("1.9-production", "1.8.3", "update next_line: 1.9.0"),
            (
                "1.10-production",
                "1.8.3",
                "blocked minor_gate: 1.9.0 1.9-production, next 1.9.0 1.9-production",
            ),
        ],
    );
}

#[test]
fn no_release_is_named_as_one_that_opens_the_gate_while_a_barrier_keeps_it_closed() {
    let both = ["2018-01-01", "2018-02-01"];
    let eight = line("1.8", None)
        .with(release("1.8.0", &both))
        .with(release("1.8.1", &both).barrier().yanked_at("2018-02-20", Some("1.8.3")))
        .with(release("1.8.2", &both))
        .with(release("1.8.3", &["2018-02-25"]));
    let nine = line("1.9", Some("1.8")).with(release("1.9.0", &both));
    let waits = "wait coming: 1.8.3";
    check(
        &catalog([eight, nine]),
        "2018-03-01",
        &[
            ("1.9-production", "1.8.0", waits),
            ("1.9-production", "1.8.1", waits),
            ("1.9-production", "1.8.2", waits),
        ],
    );
}

#[test]
fn a_yanked_version_is_never_told_that_all_is_well() {
    let both = ["2018-01-01", "2018-02-01"];
    let lines = catalog([
        seventeen(),
        line("1.8", Some("1.7")).with(release("1.8.1", &both).yanked_at("2018-02-10", None)),
    ]);
    check(
        &lines,
        "2019-01-01",
        &[("1.7-production", "1.8.1", "blocked yanked"), ("1.8-production", "1.8.1", "blocked yanked")],
    );
}
