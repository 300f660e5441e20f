//! Decisions and answers are compared with a second implementation, slow and plain, on many random
//! catalogs. `TIDEGATE_CATALOGS=100000 cargo test --release --test model` compares more of them.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::option_option,
    clippy::struct_excessive_bools,
    clippy::format_collect,
    reason = "this is a test, and its numbers are small"
)]

mod made;
mod plain;
mod vanish;

use std::collections::{BTreeMap, BTreeSet};

use made::{Dice, LAST, World, text, time};
use plain::{At, Told, Verdict};
use serde_json::Value;
use tidegate::domain::Time;
use tidegate::domain::catalog::Catalog;
use tidegate::domain::channel::LineName;
use tidegate::domain::promotion::{self, Decision};
use tidegate::domain::release::{Evidence, ManifestState, PayloadState, Release, SignedFacts};
use tidegate::domain::restraint::Restraint;
use tidegate::domain::upgrade::{Paths, Views};
use tidegate::domain::version::Version;
use tidegate::formats::yaml::{Source, read};
use tidegate::publish::updates::{ViewsByArch, answer, channel_updates, line_updates};
use vanish::vanished;

/// The catalog that a made-up world's files make, with the evidence for its releases.
fn catalog(world: &World) -> Catalog {
    let files = world.files();
    let sources = files.iter().map(|(path, text)| Source { path, bytes: text.as_bytes() });
    let reading = read(sources);
    assert!(reading.faults.is_empty(), "{:?}\n{files:?}", reading.faults);
    let made: BTreeMap<String, &made::Release> = world
        .lines
        .iter()
        .flat_map(|line| &line.releases)
        .map(|release| (text(release.version), release))
        .collect();
    reading.catalog.map_evidence(|release: &Release| {
        let made = made[&release.version.to_string()];
        let not_before = made.not_before.map(|at| ("production".parse().unwrap(), at_hour(at)));
        let signed = ManifestState::Signed(SignedFacts::new(not_before.into_iter().collect()));
        let missing = PayloadState::Missing { file: "payload.json".to_owned() };
        Evidence {
            manifest: if made.signed { signed } else { ManifestState::Unsigned },
            payload: if made.missing { missing } else { PayloadState::Present },
        }
    })
}

fn at_hour(hour: i64) -> Time {
    time(hour).parse().unwrap()
}

fn verdict(decision: &Decision<'_>) -> String {
    match decision.verdict {
        promotion::Verdict::Promote => "promote".to_owned(),
        promotion::Verdict::Wait { until } => {
            format!("wait until {}", tidegate::domain::rfc3339(until))
        }
        promotion::Verdict::Blocked => "blocked".to_owned(),
    }
}

/// What the two implementations said differently: for each kind of difference, how often, and the first.
#[derive(Default)]
struct Differences(BTreeMap<String, (u64, String)>);

impl Differences {
    fn compare(&mut self, kind: &str, found: &str, expected: &str, context: impl FnOnce() -> String) {
        if found != expected {
            let kind = format!("{kind}: {found}, but by the plain rules {expected}");
            // Without figures, all differences with one cause are mostly of one kind.
            let kind = kind.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            let first = || format!("{found}, but by the plain rules {expected}\n{}", context());
            self.0.entry(kind).or_insert_with(|| (0, first())).0 += 1;
        }
    }
}

fn compare_decisions(
    at: &At<'_>,
    decisions: &[Decision<'_>],
    seen: &mut BTreeMap<String, u64>,
    differences: &mut Differences,
) {
    let releases = at.world.lines.iter().flat_map(|line| line.releases.iter().map(move |one| (line, one)));
    for (line, release) in releases {
        let version = text(release.version);
        let expected = at.decided.get(&release.version).map_or_else(
            || "arrived".to_owned(),
            |&(stage, verdict)| {
                let overdue = if at.is_overdue(line, release, stage) { ", overdue" } else { "" };
                let verdict = match verdict {
                    Verdict::Promote => "promote".to_owned(),
                    Verdict::Wait(until) => format!("wait until {}", time(until)),
                    Verdict::Blocked => "blocked".to_owned(),
                };
                *seen.entry(verdict.split(' ').next().unwrap().to_owned()).or_default() += 1;
                format!("{}: {verdict}{overdue}", line.stages[stage].name)
            },
        );
        let found = decisions.iter().find(|decision| decision.release.version.to_string() == version);
        let found = found.map_or_else(
            || "arrived".to_owned(),
            |decision| {
                let overdue = if decision.overdue { ", overdue" } else { "" };
                format!("{}: {}{overdue}", decision.target().name, verdict(decision))
            },
        );
        differences.compare("decision", &found, &expected, || {
            format!("{version} at {}\n{}", time(at.now), all_files(at.world))
        });
    }
}

fn all_files(world: &World) -> String {
    world.files().into_iter().map(|(path, text)| format!("--- {path}\n{text}")).collect()
}

/// What a body of `update` says.
fn said(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let target = word(&body["target"]["version"]).map(|target| format!(" {target}"));
    let until = word(&body["coming"]["until"]).unwrap_or_else(|| "once it is promoted".to_owned());
    let coming = word(&body["coming"]["version"]).map(|version| format!(", {version} coming {until}"));
    let (action, code) = (body["action"].as_str().unwrap(), body["code"].as_str().unwrap());
    format!("{action} {code}{}{}", target.unwrap_or_default(), coming.unwrap_or_default())
}

/// The versions that clusters may run: all in the catalog, and unknown ones around each of them.
fn asked(world: &World) -> Vec<made::Version> {
    let mut asked = vec![(0, 9, 0, 1), (2, 0, 0, 1), (3, 9, 0, 1), (9, 0, 0, 1)];
    for line in &world.lines {
        for patch in 0..=4 {
            asked.extend((0..=4).map(|revision| (line.prefix.0, line.prefix.1, patch, revision)));
        }
    }
    asked
}

fn compare_answers(
    at: &At<'_>,
    catalog: &Catalog,
    decisions: &[Decision<'_>],
    seen: &mut BTreeMap<String, u64>,
    differences: &mut Differences,
) {
    let now = at_hour(at.now);
    let views = ViewsByArch::of(catalog, Views::new(catalog, decisions, now));
    let paths = Paths::of(catalog);
    let far: BTreeMap<_, _> =
        catalog.lines().map(|line| (&line.name, line_updates(catalog, &views, line))).collect();
    // An architecture that no release names is told something, too.
    let has_arches = at.world.lines.iter().flat_map(|line| &line.releases).any(|one| one.only.is_some());
    let arches: &[&str] = if has_arches { &["amd64", "arm64", "s390x"] } else { &[] };
    let mut askers = vec![(None, at, Views::new(catalog, decisions, now))];
    let on: Vec<At<'_>> = arches.iter().map(|arch| at.on(arch)).collect();
    let asking = arches.iter().zip(&on);
    askers.extend(
        asking.map(|(arch, on)| (Some(*arch), on, Views::new(catalog, decisions, now).for_arch(arch))),
    );
    for (place, line) in at.world.lines.iter().enumerate() {
        for (index, stage) in line.stages.iter().enumerate() {
            let name = format!("{}-{}", line.name, stage.name).parse().unwrap();
            let channel = catalog.channel(&name).unwrap();
            let mut bodies = BTreeMap::new();
            let mut entering = BTreeSet::new();
            let table = channel_updates(catalog, &views, channel, None, None);
            let asked = asked(at.world);
            let asked = askers.iter().flat_map(|asker| asked.iter().map(move |version| (asker, *version)));
            for ((arch, at, views), version) in asked {
                let Told { action, code, target, coming } = at.answer(place, index, version);
                *seen.entry(format!("{action} {code}")).or_default() += 1;
                let asked = Version::parse(&text(version)).unwrap();
                // What is due has no date: it waits for whoever promotes.
                let date =
                    |until| if until > at.now { time(until) } else { "once it is promoted".to_owned() };
                let coming =
                    coming.map(|(version, until)| format!(", {} coming {}", text(version), date(until)));
                let target = target.map(|target| format!(" {}", text(target)));
                let advice = format!("{action} {code}{}", target.unwrap_or_default());
                let expected = format!("{advice}{}", coming.unwrap_or_default());
                let context = || {
                    format!(
                        "{version:?} on {arch:?} asks {name} at {}\n{}",
                        time(at.now),
                        all_files(at.world)
                    )
                };
                // What a request gets. Many versions get the same body.
                let own = catalog.line_of(&asked).map(|line| &line.name);
                let lines = (&paths, |line: &LineName| far.get(line));
                let body = answer(lines, (&channel.line.name, &table), (own, &asked, *arch));
                let found = bodies.entry(body.sha256).or_insert_with(|| said(&body.identity));
                differences.compare("HTTP", found, &expected, context);
                // What commands say.
                let answer = views.answer(channel, &asked).advice;
                let target = answer.target().map(|release| format!(" {}", release.version));
                let found = format!("{} {}{}", answer.action(), answer.code(), target.unwrap_or_default());
                differences.compare("command", &found, &advice, context);
                // An architecture that no release names lets nobody into a line whom the gate stops otherwise.
                if answer.code() == "next_line" {
                    let is_let_in = *arch != Some("s390x") || entering.contains(&version);
                    let (found, expected) = (is_let_in.to_string(), true.to_string());
                    differences.compare("let in", &found, &expected, context);
                    entering.extend(arch.is_none().then_some(version));
                }
            }
        }
    }
}

/// Counts the cases that must occur among the catalogs.
fn note(at: &At<'_>, covered: &mut BTreeMap<&'static str, u64>) {
    let lines = &at.world.lines;
    let pending = |line: &made::Line| {
        let barriers = line.releases.iter().filter(|release| release.barrier);
        barriers.filter(|release| at.decided.contains_key(&release.version)).count()
    };
    let releases = || lines.iter().flat_map(|line| &line.releases);
    for (case, is_there) in [
        ("empty line", lines.iter().any(|line| line.releases.is_empty())),
        (
            "unsigned line",
            lines.iter().any(|line| !line.releases.is_empty() && line.releases.iter().all(|one| !one.signed)),
        ),
        ("payloads for one architecture", releases().any(|one| one.only.is_some())),
        ("three stages", lines.iter().any(|line| line.stages.len() > 2)),
        ("retired line", lines.iter().any(|line| line.retired.is_some_and(|when| when <= at.now))),
        ("pause", lines.iter().flat_map(|line| &line.stages).any(|stage| stage.paused.is_some())),
        ("two pending barriers", lines.iter().any(|line| pending(line) > 1)),
        ("outage", releases().any(|release| !release.unavailable.0.is_empty())),
        ("outage that lasts", releases().any(|release| release.missing && release.unavailable.1.is_some())),
    ] {
        *covered.entry(case).or_default() += u64::from(is_there);
    }
}

#[test]
fn decisions_and_answers_are_those_of_the_plain_rules_on_random_catalogs() {
    let count = std::env::var("TIDEGATE_CATALOGS").map_or(2000, |count| count.parse().unwrap());
    let (mut decided, mut answered, mut covered) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut differences = Differences::default();
    for seed in 0..count {
        let mut dice = Dice::new(seed);
        let before = World::random(&mut dice);
        let now = dice.number(0, LAST);
        // What vanishes from the files counts all the same, unless somebody has recorded that it was meant.
        let (files, world) = if dice.once_in(3) {
            vanished(&before, now, &mut dice)
        } else {
            (before.clone(), before.clone())
        };
        let known = Restraint::all(&catalog(&before), at_hour(now));
        let catalog = catalog(&files);
        let lost = Restraint::lost(&known, &catalog, at_hour(now));
        let at = At::new(&world, now);
        note(&at, &mut covered);
        for (case, is_there) in [("lost", !lost.is_empty()), ("loosened", !files.loosened.is_empty())] {
            *covered.entry(case).or_default() += u64::from(is_there);
        }
        let catalog = catalog.with_restraints(&lost);
        let decisions = promotion::decide(&catalog, at_hour(now));
        compare_decisions(&at, &decisions, &mut decided, &mut differences);
        compare_answers(&at, &catalog, &decisions, &mut answered, &mut differences);
    }
    for (kind, (times, first)) in &differences.0 {
        println!("{times} times {kind}\nthe first: {first}");
    }
    assert!(differences.0.is_empty(), "{} kinds of differences", differences.0.len());
    assert_eq!(decided.len(), 3, "every verdict must occur: {decided:?}");
    assert_eq!(answered.len(), 17, "every code must occur: {answered:?}");
    assert!(covered.values().all(|times| 10 * times > count / 10), "every case must occur: {covered:?}");
}
