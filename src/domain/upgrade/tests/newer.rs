//! What clusters are told of newer releases that they cannot have yet.

use super::super::super::release::{ManifestState, PayloadState, SignedFacts};
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
        let Advice::None { newer, .. } = &answer.advice else { panic!("{answer:?}") };
        let coming = newer.coming.unwrap();
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

#[test]
fn a_release_on_its_way_to_an_earlier_channel_is_told_with_both_dates() {
    let base = || {
        line("1.8", None)
            .with(release("1.8.1", &["2017-12-01", "2017-12-15"]))
            .frozen("2018-01-01", "2018-01-08", &[])
            .with(release("1.8.2", &[]))
    };
    let coming = |line: Line, now: &str| {
        let catalog = catalog([line]);
        let decisions = decide(&catalog, t(now));
        let channel = ChannelName::parse("1.8-production").unwrap();
        let answer = answer(&catalog, &decisions, &channel, &v("1.8.1"), t(now)).unwrap();
        let Advice::None { newer, .. } = &answer.advice else { panic!("{answer:?}") };
        let coming = newer.coming.unwrap();
        let first = coming.first.map(|first| (first.channel.name().to_string(), first.until));
        (coming.release.version.to_string(), coming.when, first)
    };
    let first = |until: Option<&str>| Some(("1.8-preproduction".to_owned(), until.map(t)));
    let told = |version: &str, when, first| (version.to_owned(), when, first);
    let reaches = When::At(t("2018-01-22"));
    assert_eq!(coming(base(), "2018-01-02"), told("1.8.2", reaches, first(Some("2018-01-08"))));
    // Nobody knows when what is due gets promoted.
    assert_eq!(coming(base(), "2018-01-09"), told("1.8.2", When::Due, first(None)));
    // What waits for its day comes before what is due for an earlier channel.
    let soaking = base().with(release("1.8.3", &["2018-01-08"]));
    assert_eq!(coming(soaking.clone(), "2018-01-09"), told("1.8.3", reaches, None));
    let mut paused = base();
    paused.stages[0].paused = Some(event(t("2018-01-02"), "an outage"));
    assert_eq!(coming(paused, "2018-01-03"), told("1.8.2", When::SomebodyActs, None));
    // A barrier that comes later than the release itself could holds it back in the last channel.
    let barrier = release("1.8.1-rc.9", &["2018-01-08"]).barrier();
    let mut line = soaking.with(barrier);
    line.releases.get_mut(&v("1.8.3")).unwrap().entries[0] = None;
    line.releases.remove(&v("1.8.2"));
    assert_eq!(coming(line, "2018-01-07"), told("1.8.3", reaches, first(Some("2018-01-08"))));
}

#[test]
fn a_release_that_is_stuck_is_told_beside_one_that_comes_unless_that_takes_its_place() {
    let base = line("1.8", None).with(release("1.8.1", &["2018-01-01", "2018-01-15"]));
    let held = |version: &str| release(version, &["2018-02-01"]).held_at("2018-02-02");
    let told = |line: Line| {
        let (catalog, now) = (catalog([line]), t("2018-02-10"));
        let decisions = decide(&catalog, now);
        let channel = ChannelName::parse("1.8-production").unwrap();
        let answer = answer(&catalog, &decisions, &channel, &v("1.8.1"), now).unwrap();
        let Advice::None { newer, .. } = answer.advice else { panic!("{answer:?}") };
        [newer.coming, newer.stuck].map(|one| one.map(|one| one.release.version.to_string()))
    };
    let both = |coming: &str, stuck: Option<&str>| [Some(coming.to_owned()), stuck.map(str::to_owned)];
    let soaking = release("1.8.3", &["2018-02-01"]);
    assert_eq!(told(base.clone().with(held("1.8.2")).with(soaking.clone())), both("1.8.3", None));
    assert_eq!(told(base.clone().with(soaking).with(held("1.8.4"))), both("1.8.3", Some("1.8.4")));
    // It is not in the earlier channel yet.
    let far = base.with(held("1.8.2")).with(release("1.8.3", &[])).frozen("2018-02-09", "2018-02-12", &[]);
    assert_eq!(told(far), both("1.8.3", Some("1.8.2")));
}

#[test]
fn a_newer_release_that_was_yanked_is_told_unless_one_above_it_is_on_offer() {
    let both = ["2018-01-01", "2018-01-15"];
    let base = line("1.8", None)
        .with(release("1.8.1", &both))
        .with(release("1.8.2", &["2018-01-01"]).yanked_at("2018-01-20", None))
        .with(release("1.8.3", &[]).yanked_at("2018-01-20", None));
    let withdrawn = |line: &Line, channel: &str| {
        let (catalog, now) = (catalog([line.clone()]), t("2018-02-01"));
        let answer = answer(&catalog, &[], &channel.parse().unwrap(), &v("1.8.1"), now).unwrap();
        match answer.advice {
            Advice::None { newer, .. } => newer.withdrawn.map(|gone| gone.release.version.to_string()),
            other => Some(other.action().to_owned()),
        }
    };
    for channel in ["1.8-preproduction", "1.8-production"] {
        assert_eq!(withdrawn(&base, channel).as_deref(), Some("1.8.2"), "{channel}");
    }
    let fixed = base.with(release("1.8.4", &both));
    assert_eq!(withdrawn(&fixed, "1.8-production").as_deref(), Some("update"));
}

#[test]
fn at_a_closed_gate_the_release_that_the_way_lacks_is_told() {
    let both = ["2018-01-01", "2018-01-15"];
    let seven = line("1.7", None).with(release("1.7.9", &both));
    let eight = line("1.8", Some("1.7")).with(release("1.8.1", &["2018-01-20"]).held_at("2018-01-21"));
    let nine = line("1.9", Some("1.8")).with(release("1.9.1", &both));
    let told = |eight: Line| {
        let (catalog, now) = (catalog([seven.clone(), eight, nine.clone()]), t("2018-01-25"));
        let decisions = decide(&catalog, now);
        let channel = ChannelName::parse("1.9-production").unwrap();
        let answer = answer(&catalog, &decisions, &channel, &v("1.7.9"), now).unwrap();
        match answer.advice {
            Advice::Blocked(Blocked::MinorGate { next: None, through, coming, .. }) => {
                format!("{} {}", through.name(), coming.unwrap().release.version)
            }
            Advice::Blocked(Blocked::Barrier { barrier, channel, .. }) => {
                format!("barrier {barrier} {}", channel.name())
            }
            other => format!("{other:?}"),
        }
    };
    let mut unsigned = eight.clone();
    unsigned.releases.get_mut(&v("1.8.1")).unwrap().evidence.manifest = ManifestState::Unsigned;
    assert_eq!(told(unsigned), "1.8-production 1.8.1");
    // Something higher is on offer there, and only a barrier is in the way.
    let barred = eight
        .with(release("1.8.2", &both).barrier().yanked_at("2018-01-20", Some("1.8.3")))
        .with(release("1.8.3", &["2018-01-20"]).held_at("2018-01-21"))
        .with(release("1.8.4", &both));
    assert_eq!(told(barred), "barrier 1.8.3 1.8-production");
}

#[test]
fn a_reader_of_signed_documents_hears_when_the_signature_lets_a_release_in() {
    let mut soaking = release("1.8.2", &["2018-02-01"]);
    let allowed = [("production".parse().unwrap(), t("2018-02-15"))].into();
    soaking.evidence.manifest = ManifestState::Signed(SignedFacts::new(allowed));
    let base = line("1.8", None).with(release("1.8.1", &["2018-01-01", "2018-01-15"]));
    let told = |line: Line, now: &str| {
        let catalog = catalog([line]);
        let channel = catalog.channel(&"1.8-production".parse().unwrap()).unwrap();
        let answer = Views::signed(&catalog, t(now)).answer(channel, &v("1.8.1"));
        let Advice::None { newer, .. } = answer.advice else { panic!("{answer:?}") };
        newer.coming.map(|coming| (coming.when, coming.gate.map(|gate| gate.fact.name())))
    };
    let line = base.clone().with(soaking.clone());
    assert_eq!(told(line.clone(), "2018-02-10"), Some((When::At(t("2018-02-15")), Some("not_before"))));
    // Nothing that is signed says why it has not come.
    assert_eq!(told(line, "2018-02-15"), Some((When::Unsigned, None)));
    assert_eq!(told(base.with(soaking.yanked_at("2018-02-05", None)), "2018-02-10"), None);
}
