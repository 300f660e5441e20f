//! What clusters are told.

mod arch;
mod newer;

use chrono::TimeDelta;

use super::super::line::Line;
use super::super::promotion::decide;
use super::super::testing::{catalog, event, line, release, t, v};
use super::*;

/// Asks, and gives action, code and the version that the answer is about.
fn ask(catalog: &Catalog, channel: &str, current: &str, now: &str) -> String {
    let decisions = decide(catalog, t(now));
    let channel = ChannelName::parse(channel).unwrap();
    said(&answer(catalog, &decisions, &channel, &v(current), t(now)).unwrap())
}

fn said(answer: &Answer<'_>) -> String {
    let about = match &answer.advice {
        Advice::Update { target, .. } => Some(target.version.to_string()),
        Advice::None { newer, .. } => newer.coming.map(|coming| match (coming.when, coming.gate) {
            (When::At(_), _) => format!("coming {}", coming.release.version),
            (When::Due, _) => format!("due {}", coming.release.version),
            (When::Unsigned, _) => format!("unsigned {}", coming.release.version),
            (When::SomebodyActs, gate) => {
                format!("stuck {} {}", coming.release.version, gate.unwrap().fact.name())
            }
        }),
        Advice::Wait(Wait::Coming(coming)) => Some(coming.release.version.to_string()),
        Advice::Wait(Wait::Paused { pause, .. }) => Some(pause.reason.clone()),
        Advice::Blocked(Blocked::MinorGate { take, next, .. }) => {
            let name = |step: &Option<Step<'_>>| {
                step.map_or("-".to_owned(), |step| {
                    format!("{} {}", step.release.version, step.channel.name())
                })
            };
            Some(format!("{}, next {}", name(take), name(next)))
        }
        Advice::Blocked(Blocked::UnknownVersion { take }) => {
            take.map(|step| step.release.version.to_string())
        }
        Advice::Blocked(Blocked::Yanked { fix, .. }) => {
            fix.as_ref().map(|fix| format!("fix {}", fix.release.version))
        }
        Advice::Blocked(Blocked::Barrier { barrier, .. }) => Some(barrier.to_string()),
        Advice::Blocked(Blocked::NoPayload { unfit, .. }) => {
            Some(format!("{} for {}", unfit.release.version, unfit.arch))
        }
        Advice::Blocked(Blocked::NoWay { stay }) => Some(format!("stay in {}", stay.name())),
    };
    let about = about.map(|about| format!(": {about}")).unwrap_or_default();
    format!("{} {}{about}", answer.advice.action(), answer.advice.code())
}

fn check(catalog: &Catalog, now: &str, table: &[(&str, &str, &str)]) {
    for (channel, current, expected) in table {
        assert_eq!(ask(catalog, channel, current, now), *expected, "{current} asking {channel}");
    }
}

fn seventeen() -> Line {
    line("1.7", None)
        .with(release("1.7.5-t.1", &["2017-10-10", "2017-10-24"]))
        .with(release("1.7.9-t.3", &["2017-12-11", "2017-12-25"]))
        .with(release("1.7.14-t.2", &["2018-04-09", "2018-04-23"]))
}

fn eighteen() -> Line {
    line("1.8", Some("1.7"))
        .with(release("1.8.4-t.1", &["2017-12-19", "2018-01-02"]))
        .with(release("1.8.9-t.4", &["2018-12-06", "2018-12-20"]))
        .with(release("1.8.9-t.5", &["2018-12-30"]))
}

#[test]
fn the_highest_offer_above_is_taken_and_nothing_else() {
    check(
        &catalog([seventeen(), eighteen()]),
        "2019-01-01",
        &[
            ("1.8-production", "1.8.4-t.1", "update latest: 1.8.9-t.4"),
            ("1.8-preproduction", "1.8.4-t.1", "update latest: 1.8.9-t.5"),
            ("1.8-production", "1.8.9-t.4", "none up_to_date: coming 1.8.9-t.5"),
            ("1.8-production", "1.8.9-t.5", "none ahead: coming 1.8.9-t.5"),
            ("1.8-preproduction", "1.8.9-t.5", "none up_to_date"),
        ],
    );
}

#[test]
fn a_version_that_is_not_known_is_never_taken_for_the_newest() {
    check(
        &catalog([seventeen(), eighteen()]),
        "2019-01-01",
        &[
            ("1.7-production", "1.7.5-t.1-rc.5", "update latest: 1.7.14-t.2"),
            ("1.7-production", "1.7.14-t.99", "none unknown_version"),
            ("1.8-production", "1.7.14-t.99", "blocked unknown_version"),
            ("1.8-production", "1.7.1-t.99", "blocked unknown_version: 1.7.14-t.2"),
            ("1.8-production", "1.5.0", "blocked unknown_version: 1.7.14-t.2"),
            ("1.8-production", "3.0.0", "none unknown_version"),
        ],
    );
}

#[test]
fn a_line_is_entered_only_from_the_top_of_the_line_before() {
    let nineteen = line("1.9", Some("1.8")).with(release("1.9.6-t.3", &["2018-05-21", "2018-06-04"]));
    let catalog = catalog([seventeen(), eighteen(), nineteen]);
    check(
        &catalog,
        "2019-01-01",
        &[
            ("1.8-production", "1.7.14-t.2", "update next_line: 1.8.9-t.4"),
            (
                "1.8-production",
                "1.7.9-t.3",
                "blocked minor_gate: 1.7.14-t.2 1.7-production, next 1.7.14-t.2 1.7-production",
            ),
            ("1.9-production", "1.8.9-t.5", "update next_line: 1.9.6-t.3"),
            // Lines are never skipped; the way leads through 1.8.
            (
                "1.9-production",
                "1.7.14-t.2",
                "blocked minor_gate: 1.8.9-t.4 1.8-production, next 1.8.9-t.4 1.8-production",
            ),
            (
                "1.9-production",
                "1.7.5-t.1",
                "blocked minor_gate: 1.8.9-t.4 1.8-production, next 1.7.14-t.2 1.7-production",
            ),
            ("1.7-production", "1.9.6-t.3", "none ahead"),
            ("1.7-production", "1.8.4-t.1", "none ahead"),
        ],
    );
}

#[test]
fn within_the_grace_what_was_the_highest_still_opens_the_way() {
    let mut eighteen = eighteen();
    eighteen.follows.as_mut().unwrap().grace = TimeDelta::days(7);
    let catalog = catalog([seventeen(), eighteen]);
    let asked = |now: &str| ask(&catalog, "1.8-production", "1.7.9-t.3", now);
    assert!(asked("2018-04-22").starts_with("update next_line"));
    assert!(asked("2018-04-29T23:59:59Z").starts_with("update next_line"));
    assert!(asked("2018-04-30T00:00:01Z").starts_with("blocked minor_gate"));
}

#[test]
fn the_replacement_of_a_yanked_barrier_is_one_wherever_it_is() {
    let eighteen = line("1.8", None)
        .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
        .with(release("1.8.5", &["2018-02-01"]).barrier().yanked_at("2018-02-02", Some("1.8.6")))
        .with(release("1.8.6", &["2018-02-03", "2018-02-17"]))
        .with(release("1.8.7", &["2018-02-04", "2018-02-18"]));
    check(
        &catalog([eighteen]),
        "2018-03-01",
        &[
            ("1.8-production", "1.8.4", "update barrier: 1.8.6"),
            ("1.8-production", "1.8.6", "update latest: 1.8.7"),
        ],
    );
}

#[test]
fn a_barrier_that_was_added_below_what_is_on_offer_bars_the_way_there() {
    let eighteen = line("1.8", None)
        .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
        .with(release("1.8.5", &["2018-02-20"]).barrier())
        .with(release("1.8.6", &["2018-02-03", "2018-02-17"]));
    check(
        &catalog([eighteen]),
        "2018-03-01",
        &[
            ("1.8-production", "1.8.4", "wait coming: 1.8.5"),
            ("1.8-production", "1.8.5", "update latest: 1.8.6"),
        ],
    );
}

#[test]
fn the_grace_is_no_way_around_a_barrier() {
    let mut eighteen = eighteen();
    eighteen.follows.as_mut().unwrap().grace = TimeDelta::days(7);
    let mut seventeen = seventeen();
    seventeen.releases.get_mut(&v("1.7.14-t.2")).unwrap().barrier = true;
    let catalog = catalog([seventeen, eighteen]);
    check(
        &catalog,
        "2018-04-24",
        &[
            (
                "1.8-production",
                "1.7.9-t.3",
                "blocked minor_gate: 1.7.14-t.2 1.7-production, next 1.7.14-t.2 1.7-production",
            ),
            ("1.8-production", "1.7.14-t.2", "update next_line: 1.8.4-t.1"),
        ],
    );
}

#[test]
fn a_barrier_whose_replacement_is_not_on_offer_closes_the_way_into_the_next_line() {
    let before = || {
        line("1.7", None).with(release("1.7.1", &["2018-01-01", "2018-01-15"])).with(
            release("1.7.2", &["2018-01-02", "2018-01-16"]).barrier().yanked_at("2018-02-01", Some("1.7.3")),
        )
    };
    let soaking = before().with(release("1.7.3", &["2018-02-01"]));
    check(
        &catalog([soaking, eighteen()]),
        "2018-02-02",
        &[("1.8-production", "1.7.1", "wait coming: 1.7.3")],
    );
    let held = before().with(release("1.7.3", &["2018-02-01"]).held_at("2018-02-01"));
    check(
        &catalog([held, eighteen()]),
        "2019-01-01",
        &[("1.8-production", "1.7.1", "blocked barrier: 1.7.3")],
    );
    let offered = before().with(release("1.7.3", &["2018-02-01", "2018-02-15"]));
    check(
        &catalog([offered, eighteen()]),
        "2019-01-01",
        &[("1.8-production", "1.7.3", "update next_line: 1.8.9-t.4")],
    );
}

#[test]
fn an_answer_about_a_barrier_names_the_channel_that_lacks_it() {
    let before = line("1.7", None)
        .with(release("1.7.1", &["2018-01-01", "2018-01-15"]))
        .with(release("1.7.3", &["2018-01-01", "2018-01-15"]))
        .with(
            release("1.7.2", &["2018-01-02", "2018-01-16"]).barrier().yanked_at("2018-02-01", Some("1.7.5")),
        )
        .with(release("1.7.5", &["2018-02-01"]).held_at("2018-02-01"));
    let lacking = |line: &super::super::line::Line, channel: &str| {
        let catalog = catalog([line.clone(), eighteen()]);
        let now = t("2018-02-02");
        let decisions = decide(&catalog, now);
        let answer = answer(&catalog, &decisions, &channel.parse().unwrap(), &v("1.7.3"), now).unwrap();
        match answer.advice {
            Advice::Blocked(Blocked::Barrier { barrier, channel, .. }) => {
                format!("{barrier} {}", channel.name())
            }
            Advice::Wait(Wait::Coming(coming)) => {
                format!("{} {} {:?}", coming.release.version, coming.channel.name(), coming.when)
            }
            other => other.code().to_owned(),
        }
    };
    assert_eq!(lacking(&before, "1.7-production"), "up_to_date");
    assert_eq!(lacking(&before, "1.8-production"), "1.7.5 1.7-production");
    let coming = before.with(release("1.7.4", &["2018-02-01"]));
    assert_eq!(lacking(&coming, "1.8-production"), "1.7.4 1.7-production At(2018-02-15T00:00:00Z)");
}

#[test]
fn the_gate_looks_at_the_stage_before_where_the_last_one_is_empty() {
    let young =
        line("1.7", None).with(release("1.7.1", &["2018-01-01"])).with(release("1.7.2", &["2018-01-02"]));
    let none = line("1.7", None);
    let eighteen = || line("1.8", Some("1.7")).with(release("1.8.0", &["2017-12-01", "2017-12-20"]));
    check(
        &catalog([young, eighteen()]),
        "2018-01-05",
        &[
            ("1.8-production", "1.7.2", "update next_line: 1.8.0"),
            (
                "1.8-production",
                "1.7.1",
                "blocked minor_gate: 1.7.2 1.7-preproduction, next 1.7.2 1.7-preproduction",
            ),
        ],
    );
    check(
        &catalog([none, eighteen()]),
        "2018-01-05",
        &[("1.8-production", "1.7.1", "blocked unknown_version")],
    );
}

#[test]
fn no_cluster_jumps_over_a_barrier() {
    let catalog = catalog([
        seventeen(),
        eighteen()
            .with(release("1.8.5-t.1", &["2018-01-10", "2018-01-30"]).barrier())
            .with(release("1.8.7-t.1", &["2018-02-10", "2018-02-28"]).barrier()),
    ]);
    check(
        &catalog,
        "2019-01-01",
        &[
            ("1.8-production", "1.8.4-t.1", "update barrier: 1.8.5-t.1"),
            ("1.8-production", "1.8.4-t.9", "update barrier: 1.8.5-t.1"),
            ("1.8-production", "1.8.5-t.1", "update barrier: 1.8.7-t.1"),
            ("1.8-production", "1.8.7-t.1", "update latest: 1.8.9-t.4"),
            ("1.8-production", "1.7.14-t.2", "update next_line: 1.8.5-t.1"),
        ],
    );
}

#[test]
fn a_yanked_barrier_stands_where_its_replacement_does() {
    let base = || {
        line("1.8", None)
            .with(release("1.8.1", &["2018-01-01", "2018-01-15"]))
            .with(
                release("1.8.2", &["2018-01-02", "2018-01-16"])
                    .barrier()
                    .yanked_at("2018-02-01", Some("1.8.3")),
            )
            .with(release("1.8.4", &["2018-01-03", "2018-01-17"]))
    };
    let offered = base().with(release("1.8.3", &["2018-02-01", "2018-02-15"]).barrier());
    check(&catalog([offered]), "2018-03-01", &[("1.8-production", "1.8.1", "update barrier: 1.8.3")]);
    let soaking = base().with(release("1.8.3", &["2018-02-01"]).barrier());
    check(
        &catalog([soaking]),
        "2018-02-02",
        &[
            ("1.8-production", "1.8.1", "wait coming: 1.8.3"),
            ("1.8-production", "1.8.2", "wait coming: 1.8.3"),
            ("1.8-production", "1.8.4", "none up_to_date"),
        ],
    );
    let held = base().with(release("1.8.3", &["2018-02-01"]).barrier().held_at("2018-02-01"));
    check(&catalog([held]), "2018-03-01", &[("1.8-production", "1.8.1", "blocked barrier: 1.8.3")]);
}

#[test]
fn from_a_yanked_release_the_way_leads_up_or_nowhere() {
    let base = || {
        line("1.8", None)
            .with(release("1.8.1", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.2", &["2018-01-02", "2018-01-16"]).yanked_at("2018-02-01", None))
    };
    check(
        &catalog([base()]),
        "2018-03-01",
        &[("1.8-production", "1.8.2", "blocked yanked"), ("1.8-production", "1.8.1", "none up_to_date")],
    );
    let soaking = base().with(release("1.8.3", &["2018-02-20"]));
    check(&catalog([soaking]), "2018-03-01", &[("1.8-production", "1.8.2", "blocked yanked: fix 1.8.3")]);
    let fixed = base().with(release("1.8.3", &["2018-02-01", "2018-02-15"]));
    check(&catalog([fixed]), "2018-03-01", &[("1.8-production", "1.8.2", "update yanked: 1.8.3")]);
}

#[test]
fn a_yanked_top_opens_no_way_and_names_nothing_lower() {
    let seventeen =
        seventeen().with(release("1.7.15", &["2018-05-01", "2018-05-15"]).yanked_at("2018-06-01", None));
    check(&catalog([seventeen, eighteen()]), "2019-01-01", &[("1.8-production", "1.7.15", "blocked yanked")]);
}

#[test]
fn a_paused_channel_tells_everybody_to_wait_and_why() {
    let mut paused = eighteen();
    paused.stages[1].paused = Some(event(t("2018-12-30"), "an outage"));
    check(
        &catalog([seventeen(), paused]),
        "2019-01-01",
        &[
            ("1.8-production", "1.8.4-t.1", "wait paused: an outage"),
            ("1.8-production", "1.8.9-t.4", "wait paused: an outage"),
            ("1.8-production", "1.8.0-x", "wait paused: an outage"),
            ("1.8-preproduction", "1.8.4-t.1", "update latest: 1.8.9-t.5"),
        ],
    );
}

#[test]
fn an_empty_channel_says_when_its_first_release_comes() {
    let empty = line("1.8", Some("1.7")).with(release("1.8.0", &["2018-12-30"]));
    check(
        &catalog([seventeen(), empty]),
        "2019-01-01",
        &[
            ("1.8-production", "1.7.14-t.2", "wait coming: 1.8.0"),
            ("1.8-production", "1.8.0", "none ahead: coming 1.8.0"),
        ],
    );
    let bare = line("1.8", Some("1.7"));
    check(
        &catalog([seventeen(), bare]),
        "2019-01-01",
        &[("1.8-production", "1.7.14-t.2", "none nothing_offered")],
    );
}

#[test]
fn lines_that_are_not_joined_lead_nowhere() {
    let other = line("2.0", None).with(release("2.0.0", &["2018-01-01", "2018-02-01"]));
    check(
        &catalog([seventeen(), other]),
        "2019-01-01",
        &[
            ("2.0-production", "1.7.14-t.2", "blocked no_way: stay in 1.7-production"),
            ("1.7-production", "2.0.0", "none ahead"),
        ],
    );
}

#[test]
fn at_the_top_of_a_retired_line_the_way_into_the_next_is_told() {
    let mut old = seventeen();
    old.retired = Some(event(t("2018-06-01"), "no fixes any more"));
    let lines = catalog([old, eighteen()]);
    check(
        &lines,
        "2018-07-01",
        &[
            ("1.7-production", "1.7.9-t.3", "update latest: 1.7.14-t.2"),
            ("1.7-production", "1.7.14-t.2", "none retired"),
            ("1.8-production", "1.7.14-t.2", "update next_line: 1.8.4-t.1"),
        ],
    );
    check(&lines, "2018-05-31", &[("1.7-production", "1.7.14-t.2", "none up_to_date")]);
    let decisions = decide(&lines, t("2018-07-01"));
    let channel = ChannelName::parse("1.7-production").unwrap();
    let answer = answer(&lines, &decisions, &channel, &v("1.7.14-t.2"), t("2018-07-01")).unwrap();
    let Advice::None { code: NoneCode::Retired { retired, next }, .. } = answer.advice else {
        panic!("the line is retired")
    };
    assert_eq!((retired.at, retired.reason.as_str()), (t("2018-06-01"), "no fixes any more"));
    assert_eq!(next.unwrap().name().as_str(), "1.8-production");
}
