//! What holds for every catalog, tried on many made-up ones.
//!
//! The rules are written out here a second time, plainly and slowly, so that the two can disagree.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::Time;
use super::catalog::Catalog;
use super::change::Change;
use super::line::Line;
use super::promotion::{Verdict, decide};
use super::release::{Entry, ManifestState, PayloadState, Release, SignedFacts};
use super::testing::{catalog, entry, event, line, release, t, v};
use super::upgrade::{Advice, Views};
use super::version::Version;

/// Day zero of the made-up histories.
pub(crate) fn day(n: i64) -> Time {
    t("2018-01-01") + TimeDelta::days(n)
}

/// One made-up release: its patch and revision, the day it entered, and what befell it.
#[derive(Debug, Clone)]
struct Life {
    patch: u64,
    revision: u64,
    born: i64,
    barrier: bool,
    unsigned: bool,
    missing: bool,
    not_before: Option<i64>,
    hold: Option<i64>,
    yank: Option<i64>,
}

prop_compose! {
    fn life()(
        patch in 0..4_u64,
        revision in 1..4_u64,
        born in 0..30_i64,
        barrier in prop::bool::weighted(0.2),
        unsigned in prop::bool::weighted(0.1),
        missing in prop::bool::weighted(0.1),
        not_before in prop::option::weighted(0.2, 0..60_i64),
        hold in prop::option::weighted(0.2, 0..60_i64),
        yank in prop::option::weighted(0.15, 0..60_i64),
    ) -> Life {
        Life { patch, revision, born, barrier, unsigned, missing, not_before, hold, yank }
    }
}

fn build(
    name: &str,
    follows: Option<&str>,
    lives: &[Life],
    freezes: &[(i64, i64)],
    paused: Option<i64>,
) -> Line {
    let mut line = line(name, follows);
    for life in lives {
        let mut one = release(&format!("{name}.{}-t.{}", life.patch, life.revision), &[]);
        one.entries[0] = Some(entry(day(life.born)));
        one.barrier = life.barrier;
        if life.unsigned {
            one.evidence.manifest = ManifestState::Unsigned;
        } else if let Some(not_before) = life.not_before {
            let not_before = [("production".parse().unwrap(), day(not_before))].into();
            one.evidence.manifest = ManifestState::Signed(SignedFacts::new(not_before));
        }
        if life.missing {
            one.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
        }
        one.hold = life.hold.map(|at| Box::new(event(day(at), "held")));
        line = line.with(one);
    }
    // A yank names the next release up, so that a yanked barrier has a replacement; the highest release
    // has none above, and may stand for a barrier below it.
    let bars = lives.iter().any(|life| life.barrier);
    let versions: Vec<Version> = line.releases.keys().cloned().collect();
    for life in lives {
        let version = v(&format!("{name}.{}-t.{}", life.patch, life.revision));
        let to = versions.iter().find(|other| **other > version).cloned();
        let one = line.releases.get_mut(&version).unwrap();
        if let Some(at) = life.yank
            && (!bars || to.is_some())
        {
            one.yank = Some(Box::new(super::release::Yank { event: event(day(at), "yanked"), to }));
        }
    }
    for (from, length) in freezes {
        let (from, until) = (day(*from), day(from + length));
        let reason = "frozen".to_owned();
        line.freezes.push(super::policy::Freeze { from, until, reason, except: Vec::new() });
    }
    line.freezes.sort_by_key(|freeze| freeze.from);
    line.stages[1].paused = paused.map(|at| event(day(at), "paused"));
    line
}

pub(crate) fn any_catalog() -> impl Strategy<Value = Catalog> {
    let lives = || prop::collection::vec(life(), 0..7);
    let freezes = prop::collection::vec((0..60_i64, 1..15_i64), 0..3);
    let paused = prop::option::weighted(0.1, 0..60_i64);
    (lives(), lives(), lives(), freezes, paused).prop_map(|(seven, eight, nine, freezes, paused)| {
        catalog([
            build("1.7", None, &seven, &freezes, None),
            build("1.8", Some("1.7"), &eight, &freezes, paused),
            build("1.9", Some("1.8"), &nine, &[], None),
        ])
    })
}

/// A line that follows some earlier one of a list, or none, is built of such lives, and may have been paused
/// or retired, or call its first stage by another name.
type Growth = (Option<prop::sample::Index>, Vec<Life>, [Option<i64>; 2], Option<i64>, bool);

/// Six lines that follow each other in any way, in any order of their numbers.
pub(crate) fn any_forest() -> impl Strategy<Value = Catalog> {
    let growth = (
        prop::option::weighted(0.8, any::<prop::sample::Index>()),
        prop::collection::vec(life(), 0..5),
        prop::array::uniform2(prop::option::weighted(0.1, 0..60_i64)),
        prop::option::weighted(0.1, 0..60_i64),
        any::<bool>(),
    );
    let order = Just(["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]).prop_shuffle();
    (order, prop::collection::vec(growth, 6)).prop_map(|(names, growths): (_, Vec<Growth>)| {
        let grown = growths.into_iter().enumerate();
        catalog(grown.map(|(place, (before, lives, paused, retired, is_renamed))| {
            let before = before.filter(|_| place > 0).map(|before| names[before.index(place)]);
            let mut line = build(names[place], before, &lives, &[], paused[1]);
            line.stages[0].paused = paused[0].map(|at| event(day(at), "paused"));
            line.retired = retired.map(|at| event(day(at), "retired"));
            if is_renamed {
                line.stages[0].name = "candidate".parse().unwrap();
            }
            line
        }))
    })
}

/// Makes the promotions that are due, as a promoter does.
fn promote(catalog: Catalog, now: Time) -> Catalog {
    let changes: Vec<Change> = decide(&catalog, now)
        .iter()
        .filter(|decision| decision.verdict == Verdict::Promote)
        .map(|decision| Change::Enter {
            version: decision.release.version.clone(),
            stage: decision.target().name.clone(),
            entry: Entry::new(now, "schedule".to_owned(), None),
        })
        .collect();
    changes.iter().fold(catalog, |catalog, change| change.apply(catalog).unwrap())
}

/// Runs a promoter on each day until the last.
fn history(catalog: Catalog, days: i64) -> Catalog {
    (0..=days).fold(catalog, |catalog, n| promote(catalog, day(n)))
}

/// Why a release may not enter production at `now`, by the plain rules.
fn objection(line: &Line, release: &Release, now: Time) -> Option<&'static str> {
    let started = |at: Option<Time>| at.is_some_and(|at| at <= now);
    let not_before = match &release.evidence.manifest {
        ManifestState::Signed(facts) => facts.not_before(&"production".parse().unwrap()),
        _ => return Some("unsigned"),
    };
    let since = release.entries[0].as_ref().map(|entry| entry.since);
    let barrier_behind = line.releases.values().any(|other| {
        is_barrier(line, other, now)
            && other.version < release.version
            && !started(other.yank.as_ref().map(|yank| yank.event.at))
            && !started(other.entries[1].as_ref().map(|entry| entry.since).filter(|&since| since < now))
    });
    [
        ("payload", release.evidence.payload != PayloadState::Present),
        ("soak", !started(since.map(|since| since + TimeDelta::days(14)))),
        ("not before", not_before.is_some_and(|at| now < at)),
        ("held", started(release.hold.as_ref().map(|hold| hold.at))),
        ("yanked", started(release.yank.as_ref().map(|yank| yank.event.at))),
        ("frozen", line.freezes.iter().any(|freeze| freeze.from <= now && now < freeze.until)),
        ("paused", started(line.stages[1].paused.as_ref().map(|pause| pause.at))),
        ("barrier", barrier_behind),
    ]
    .into_iter()
    .find_map(|(name, holds)| holds.then_some(name))
}

/// Whether a release is a barrier, or stands for one that was yanked.
fn is_barrier(line: &Line, release: &Release, now: Time) -> bool {
    line.barriers(now).any(|(_, standing)| *standing == release.version)
}

pub(crate) fn any_version() -> impl Strategy<Value = Version> {
    (6..11_u64, 0..5_u64, 0..5_u64, prop::bool::weighted(0.2)).prop_map(
        |(minor, patch, revision, candidate)| {
            v(&format!("1.{minor}.{patch}-t.{revision}{}", if candidate { "-rc.1" } else { "" }))
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_promoted_against_a_gate_and_nothing_else_is_kept_back(catalog in any_catalog(), n in 0..70_i64) {
        let now = day(n);
        let catalog = history(catalog, n - 1);
        for decision in decide(&catalog, now) {
            if decision.stage == 0 { continue }
            let objection = objection(decision.line, decision.release, now);
            let promoted = decision.verdict == Verdict::Promote;
            prop_assert_eq!(promoted, objection.is_none(), "{}: {:?}", decision.release.version, objection);
        }
    }

    #[test]
    fn a_wait_ends_at_its_time_and_not_a_second_earlier(catalog in any_catalog(), n in 0..70_i64) {
        let now = day(n);
        let at = |version: &Version, when: Time| {
            decide(&catalog, when).into_iter().find(|decision| decision.release.version == *version).map(|decision| decision.verdict)
        };
        for decision in decide(&catalog, now) {
            let Verdict::Wait { until } = decision.verdict else { continue };
            // What comes of another release, or is dated ahead, may change the outcome by then.
            let alone = decision.obstacles().all(|gate| !matches!(gate.fact.name(), "order" | "recorded"));
            let release = decision.release;
            let ahead = [release.hold.as_ref().map(|hold| hold.at), release.yank.as_ref().map(|yank| yank.event.at),
                decision.target().paused.as_ref().map(|pause| pause.at)];
            if !alone || ahead.into_iter().flatten().any(|at| now < at && at <= until) { continue }
            prop_assert_eq!(at(&release.version, until), Some(Verdict::Promote));
            prop_assert_ne!(at(&release.version, until - TimeDelta::seconds(1)), Some(Verdict::Promote));
        }
    }

    #[test]
    fn one_late_run_promotes_what_daily_runs_do(lives in prop::collection::vec(life(), 0..7)) {
        let lives: Vec<Life> = lives.into_iter().map(|life| Life { barrier: false, hold: None, yank: None, ..life }).collect();
        let fresh = || catalog([build("1.8", None, &lives, &[], None)]);
        let set = |catalog: &Catalog| -> Vec<Version> {
            catalog.lines().flat_map(|line| line.releases.values())
                .filter(|release| release.entries[1].is_some()).map(|release| release.version.clone()).collect()
        };
        let daily = history(fresh(), 90);
        prop_assert_eq!(set(&daily), set(&promote(fresh(), day(90))));
        prop_assert_eq!(&promote(daily.clone(), day(90)), &daily);
    }

    #[test]
    fn a_latest_never_goes_back_without_a_yank(catalog in any_catalog()) {
        let mut catalog = catalog;
        let mut before: Vec<Option<Version>> = Vec::new();
        for n in 0..70 {
            catalog = promote(catalog, day(n));
            let latest: Vec<Option<Version>> = catalog.channels()
                .map(|channel| channel.line.latest(channel.index, day(n)).map(|release| release.version.clone())).collect();
            for (old, new) in before.iter().zip(&latest) {
                let yanked = old.as_ref().and_then(|old| catalog.release(old)).is_some_and(|(_, release)| release.yanked(day(n)).is_some());
                prop_assert!(yanked || old <= new, "{:?} then {:?}", old, new);
            }
            before = latest;
        }
    }

    #[test]
    fn an_answer_is_on_offer_above_the_asker_and_over_no_barrier_or_closed_gate(
        catalog in any_catalog(), n in 0..90_i64, current in any_version(), which in 0..6_usize,
    ) {
        let now = day(n);
        let catalog = history(catalog, n);
        let decisions = decide(&catalog, now);
        let views = Views::new(&catalog, &decisions, now);
        let channel = catalog.channels().nth(which).unwrap();
        let answer = views.answer(channel, &current);
        if let Some(target) = answer.advice.target() {
            prop_assert!(target.version > current);
            prop_assert!(target.is_offered(channel.index, now));
            prop_assert!(channel.stage().paused(now).is_none());
            let jumped = channel.line.releases.values().find(|barrier| {
                is_barrier(channel.line, barrier, now) && barrier.is_in(channel.index, now) && barrier.yanked(now).is_none()
                    && current < barrier.version && barrier.version < target.version
            });
            prop_assert!(jumped.is_none(), "over {:?}", jumped.map(|barrier| &barrier.version));
            if !channel.line.prefix.accepts(&current) {
                let (own, release) = catalog.release(&current).unwrap();
                prop_assert!(release.is_known(now) && release.yanked(now).is_none());
                prop_assert_eq!(&channel.line.follows.as_ref().unwrap().line, &own.name);
                let top = own.latest(1, now).or_else(|| own.latest(0, now)).unwrap();
                prop_assert!(current >= top.version);
            }
        }
    }

    #[test]
    fn a_cluster_that_follows_the_answers_arrives(catalog in any_catalog(), n in 0..90_i64, current in any_version(), which in 0..6_usize) {
        let now = day(n);
        let catalog = history(catalog, n);
        let decisions = decide(&catalog, now);
        let views = Views::new(&catalog, &decisions, now);
        let channel = catalog.channels().nth(which).unwrap();
        let mut at = current;
        let mut steps = 0;
        let last = loop {
            // A cluster that is kept out of a line takes the next step that it is told of.
            let step = match views.answer(channel, &at).advice {
                Advice::Update { target, .. } => target.version.clone(),
                Advice::Blocked(super::upgrade::Blocked::MinorGate { next: Some(next), .. }) => next.release.version.clone(),
                last => break last,
            };
            prop_assert!(step > at, "{} then {}", at, step);
            at = step;
            steps += 1;
            prop_assert!(steps <= 25);
        };
        let arrived = channel.line.latest(channel.index, now).is_none_or(|latest| at >= latest.version);
        let told = matches!(last, Advice::Wait(_) | Advice::Blocked(_));
        prop_assert!(arrived || told, "stopped at {} with {:?}", at, last.code());
    }
}
