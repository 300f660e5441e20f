//! The answers from the tables are those of the domain, and grow as they must.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::degraded::LineRefusal;
use crate::domain::line::Line;
use crate::domain::promotion::decide;
use crate::domain::properties::{any_catalog, any_forest, any_version, day};
use crate::domain::release::Release;
use crate::domain::steps;
use crate::domain::testing::{catalog, event, line, release, t, v};
use crate::domain::upgrade::Views;
use crate::formats::api::UpdateBody;

/// All answers of a catalog.
struct Answers<'a> {
    catalog: &'a Catalog,
    paths: Paths,
    far: HashMap<LineName, LineUpdates>,
    near: BTreeMap<String, (LineName, ChannelUpdates)>,
}

impl<'a> Answers<'a> {
    fn of(catalog: &'a Catalog, refused: &BTreeMap<LineName, LineRefusal>, now: Time) -> Self {
        let decisions = decide(catalog, now);
        let views = ViewsByArch::of(catalog, Views::new(catalog, &decisions, now));
        let far = catalog.lines().map(|line| (line.name.clone(), line_updates(catalog, &views, line)));
        let near = catalog.channels().map(|channel| {
            let line = &channel.line.name;
            let updates = channel_updates(catalog, &views, channel, refused.get(line), None);
            (channel.name().to_string(), (line.clone(), updates))
        });
        Self { catalog, paths: Paths::of(catalog), far: far.collect(), near: near.collect() }
    }

    fn answer(&self, channel: &str, current: &Version, arch: Option<&str>) -> Cow<'_, Document> {
        let (line, updates) = &self.near[channel];
        let own = self.catalog.line_of(current).map(|line| &line.name);
        answer((&self.paths, |line: &LineName| self.far.get(line)), (line, updates), (own, current, arch))
    }
}

/// Compares the answer of every channel to these versions with that of the domain, and returns these.
fn check_answers(catalog: &Catalog, now: Time, asked: &[Version]) -> BTreeSet<Bytes> {
    check_refused(catalog, &BTreeMap::new(), now, asked)
}

fn check_refused(
    catalog: &Catalog,
    refused: &BTreeMap<LineName, LineRefusal>,
    now: Time,
    asked: &[Version],
) -> BTreeSet<Bytes> {
    let answers = Answers::of(catalog, refused, now);
    let decisions = decide(catalog, now);
    let views = Views::new(catalog, &decisions, now);
    let mut different = BTreeSet::new();
    let arches: BTreeSet<&str> = catalog.lines().flat_map(Line::architectures).collect();
    // An architecture that no release names is told something, too.
    let arches = arches.into_iter().chain(["s390x"]).map(Some);
    let arches = arches.chain([None]);
    let views: Vec<_> = arches
        .map(|arch| {
            (arch, arch.map_or_else(|| Views::new(catalog, &decisions, now), |arch| views.for_arch(arch)))
        })
        .collect();
    for (channel, (arch, views)) in
        catalog.channels().flat_map(|channel| views.iter().map(move |views| (channel, views)))
    {
        let name = channel.name();
        for version in asked {
            let expected = views.answer(channel, version);
            let mut body = UpdateBody::of(&expected);
            if let Some(refusal) = refused.get(&channel.line.name)
                && expected.advice.target().is_none()
            {
                body.refuse_line(refusal);
            }
            let expected = json(&body);
            let found = answers.answer(name.as_str(), version, *arch);
            assert_eq!(found.identity, expected, "{version} on {arch:?} asking {name}");
            different.insert(expected);
        }
    }
    different
}

/// The versions of a catalog, and unknown ones just above and below each, where the answers change.
fn around(catalog: &Catalog) -> Vec<Version> {
    let releases = catalog.lines().flat_map(|line| line.releases.keys());
    let near = releases.flat_map(|release| ["", "-0", ".0", "+hotfix"].map(|end| format!("{release}{end}")));
    near.filter_map(|text| Version::parse(&text).ok()).collect()
}

/// A barrier that was on offer until it was yanked.
fn replaced_barrier(version: &str, to: &str) -> Release {
    release(version, &["2018-12-01", "2018-12-15"]).barrier().yanked_at("2018-12-20", Some(to))
}

/// Lines with everything that answers tell of: barriers, yanks, releases on their way, a pause, a line that
/// is retired, and some that follow none.
fn motley() -> Catalog {
    let mut retired = line("1.6", None)
        .with(release("1.6.1", &["2017-01-01", "2017-02-01"]))
        .with(release("1.6.2", &["2017-01-01", "2017-02-01"]).yanked_at("2017-03-01", None));
    retired.retired = Some(event(t("2018-01-01"), "no fixes any more"));
    let mut outage = line("6.0", None)
        .with(release("6.0.0", &["2018-10-01", "2018-10-15"]))
        .with(release("6.0.1", &["2018-12-01", "2018-12-15"]));
    outage.stages[1].paused = Some(event(t("2018-12-20"), "an outage"));
    catalog([
        retired,
        line("1.7", Some("1.6"))
            .with(release("1.7.5-t.1", &["2017-10-10", "2017-10-24"]))
            .with(release("1.7.9-t.3", &["2017-12-11", "2017-12-25"]).yanked_at("2018-01-01", None))
            .with(release("1.7.14-t.2", &["2018-04-09", "2018-04-23"])),
        line("1.8", Some("1.7"))
            .with(release("1.8.4-t.1", &["2017-12-19", "2018-01-02"]))
            .with(release("1.8.5-t.1", &["2018-01-10", "2018-01-30"]).barrier())
            .with(release("1.8.9-t.4", &["2018-12-06", "2018-12-20"]))
            .with(release("1.8.9-t.5", &["2018-12-30"])),
        line("1.9", Some("1.8")).with(release("1.9.6-t.3", &["2018-05-21"])),
        line("3", None).with(release("3.0.0", &["2018-05-21", "2018-06-30"])),
        line("4.0", None)
            .with(release("4.0.0", &["2018-12-01", "2018-12-15"]))
            .with(replaced_barrier("4.0.1", "4.0.2"))
            .with(release("4.0.2", &["2018-12-30"])),
        line("4.1", Some("4.0")).with(release("4.1.0", &["2018-12-01", "2018-12-15"])),
        line("4.2", Some("4.1")).with(release("4.2.0", &["2018-12-01", "2018-12-15"])),
        line("5.0", None)
            .with(release("5.0.0", &["2018-12-01", "2018-12-15"]))
            .with(replaced_barrier("5.0.1", "5.0.2"))
            .with(release("5.0.2", &["2018-12-30"]).held_at("2018-12-31")),
        line("5.1", Some("5.0")).with(release("5.1.0", &["2018-12-01", "2018-12-15"])),
        line("5.2", Some("5.1")).with(release("5.2.0", &["2018-12-01", "2018-12-15"])),
        outage,
        line("6.1", Some("6.0")).with(release("6.1.0", &["2018-12-01", "2018-12-15"])),
        line("6.2", Some("6.1")).with(release("6.2.0", &["2018-12-01", "2018-12-15"])),
        line("7.0", None)
            .with(release("7.0.0", &["2018-12-01", "2018-12-15"]))
            .with(release("7.0.1", &["2018-12-01", "2018-12-15"])),
        line("7.1", Some("7.0")),
        line("7.2", Some("7.1")).with(release("7.2.0", &["2018-12-01", "2018-12-15"])),
    ])
}

#[test]
fn every_kind_of_answer_that_can_be_far_from_its_line_is_filled_in() {
    let catalog = motley();
    let answers = Answers::of(&catalog, &BTreeMap::new(), t("2019-01-01"));
    let mut filled = BTreeSet::new();
    for channel in catalog.channels() {
        for version in catalog.lines().flat_map(|line| line.releases.keys()) {
            if let Cow::Owned(body) = answers.answer(channel.name().as_str(), version, None) {
                let body: serde_json::Value = serde_json::from_slice(&body.identity).unwrap();
                let word = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
                let take = if body["take"].is_null() { "" } else { ", take" };
                filled.insert(format!("{} {}{take}", word("action"), word("code")));
            }
        }
    }
    let expected = [
        "blocked barrier",
        "blocked minor_gate",
        "blocked minor_gate, take",
        "blocked no_way",
        "blocked yanked",
        "wait coming",
        "wait paused",
    ];
    assert_eq!(filled.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_version_gets_the_answer_that_the_domain_gives_it() {
    let catalog = motley();
    let mut asked = Vec::new();
    for minor in 4..=12 {
        for patch in 0..=15 {
            for end in ["", "-t.0", "-t.1", "-t.2", "-t.3", "-t.4", "-t.5", "-t.1-rc.5", "+build"] {
                asked.push(v(&format!("1.{minor}.{patch}{end}")));
            }
        }
    }
    asked.extend(["0.1.0", "2.0.0", "3.0.0", "3.0.1", "v1.8.4-t.1"].map(v));
    asked.extend(around(&catalog));
    let different = check_answers(&catalog, t("2019-01-01"), &asked);
    assert!(different.len() > 60, "the table must not be a dull one, and it has {}", different.len());
}

proptest! {
    #[test]
    fn an_unknown_version_gets_the_answer_that_the_domain_gives_it(
        catalog in any_catalog(),
        n in 0..70_i64,
        asked in prop::collection::vec(any_version(), 40),
    ) {
        let asked: Vec<Version> = around(&catalog).into_iter().chain(asked).collect();
        check_answers(&catalog, day(n), &asked);
    }

    #[test]
    fn lines_that_follow_each_other_in_any_way_get_the_answers_of_the_domain(
        catalog in any_forest(),
        n in 0..70_i64,
        is_refused in prop::collection::vec(prop::bool::weighted(0.2), 6),
    ) {
        let refused = catalog.lines().zip(is_refused).filter(|(_, is_refused)| *is_refused);
        let refused = refused.map(|(line, _)| {
            (line.name.clone(), LineRefusal::Faulty { why: "it is \"broken\"".to_owned() })
        });
        check_refused(&catalog, &refused.collect(), day(n), &around(&catalog));
    }
}

#[test]
fn no_answer_jumps_over_a_barrier_that_has_not_entered_any_stage() {
    let line = line("1.8", None)
        .with(release("1.8.1", &["2018-01-01", "2018-01-20"]))
        .with(
            release("1.8.3", &["2018-01-01", "2018-01-20"]).barrier().yanked_at("2018-02-01", Some("1.8.5")),
        )
        .with(release("1.8.5", &[]).barrier())
        .with(release("1.8.7", &["2018-01-01", "2018-01-20"]));
    let asked = ["1.8.2", "1.8.4", "1.8.4+hotfix", "1.8.5", "1.8.5+hotfix", "1.8.6", "1.8.8"].map(v);
    check_answers(&catalog([line]), t("2018-03-01"), &asked);
}

/// Lines in a chain, or all after the first. Each has releases that are on offer, on their way, and yanked,
/// and barriers.
fn large(lines: usize, releases: usize, follows: fn(usize) -> usize) -> Catalog {
    catalog((0..lines).map(|number| {
        let follows = number.checked_sub(1).map(|_| format!("1.{}", follows(number)));
        let mut line = line(&format!("1.{number}"), follows.as_deref());
        for patch in 0..releases {
            let version = format!("1.{number}.{patch}");
            line = line.with(match patch % 4 {
                0 => release(&version, &["2018-01-01", "2018-01-20"]),
                1 => release(&version, &["2018-01-01", "2018-01-20"]).yanked_at("2018-02-01", None),
                2 => release(&version, &["2018-02-25"]).barrier(),
                _ => release(&version, &["2018-02-26"]),
            });
        }
        line
    }))
}

#[test]
fn the_work_for_all_answers_grows_with_the_lines_and_releases_and_not_with_their_pairs() {
    let work = |lines, releases, follows| {
        let catalog = large(lines, releases, follows);
        steps::of(|| Answers::of(&catalog, &BTreeMap::new(), t("2018-03-01")))
    };
    for (shape, follows) in [("chain", (|number| number - 1) as fn(usize) -> usize), ("fan", |_| 0)] {
        let (half, full) = (work(20, 12, follows), work(40, 12, follows));
        assert!(half > 1000, "something is counted: {half}");
        assert!(full <= half * 21 / 10, "{shape}: {half} steps for 20 lines, {full} for 40");
    }
    let (half, full) = (work(2, 200, |_| 0), work(2, 400, |_| 0));
    assert!(full <= half * 23 / 10, "{half} steps for 200 releases a line, {full} for 400");
}

#[test]
fn the_work_grows_with_the_releases_where_each_barrier_waits_for_the_last_or_replaces_it() {
    let work = |releases: usize, is_yanked: bool| {
        let of = |patch: usize| {
            let one = release(&format!("1.8.{patch}"), &["2018-02-25"]).barrier();
            let to = format!("1.8.{}", patch + 1);
            let to = (patch + 1 < releases).then_some(&*to);
            if is_yanked && to.is_some() { one.yanked_at("2018-02-26", to) } else { one }
        };
        let catalog = catalog([(0..releases).map(of).fold(line("1.8", None), Line::with)]);
        steps::of(|| Answers::of(&catalog, &BTreeMap::new(), t("2018-03-01")))
    };
    for is_yanked in [false, true] {
        let (half, full) = (work(200, is_yanked), work(400, is_yanked));
        assert!(full <= half * 23 / 10, "{half} steps for 200 barriers, {full} for 400");
    }
}

/// What differs between two sets of answers: the lines of templates, and the channels.
fn changed(before: &Answers<'_>, after: &Answers<'_>) -> (Vec<String>, Vec<String>) {
    let text = |value: &dyn Fn() -> String| value();
    let far = after
        .far
        .iter()
        .filter(|(name, far)| text(&|| format!("{far:?}")) != text(&|| format!("{:?}", before.far[*name])));
    let near = after.near.iter().filter(|(name, near)| {
        text(&|| format!("{near:?}")) != text(&|| format!("{:?}", before.near[*name]))
    });
    let mut far: Vec<String> = far.map(|(name, _)| name.to_string()).collect();
    far.sort();
    (far, near.map(|(name, _)| name.clone()).collect())
}

#[test]
fn a_change_of_a_line_changes_the_answers_of_that_line_and_its_neighbours_alone() {
    let now = t("2018-03-01");
    let before = large(7, 8, |number| number - 1);
    let lines = before.lines().cloned().map(|mut line| {
        if line.name.as_str() == "1.3" {
            line.stages[1].paused = Some(event(t("2018-02-28"), "an outage"));
            line = line.with(release("1.3.9", &["2018-01-01", "2018-01-20"]));
        }
        line
    });
    let after = catalog(lines);
    let [before, after] = [&before, &after].map(|catalog| Answers::of(catalog, &BTreeMap::new(), now));
    let (far, near) = changed(&before, &after);
    assert_eq!(far, ["1.3", "1.4"]);
    let expected = ["1.3-preproduction", "1.3-production", "1.4-preproduction", "1.4-production"];
    assert_eq!(near, expected);
}

#[test]
fn what_an_older_version_has_stored_has_no_answers_by_architecture() {
    let catalog = large(2, 2, |number| number - 1);
    let views = ViewsByArch::of(&catalog, Views::new(&catalog, &[], t("2018-03-01")));
    let updates = line_updates(&catalog, &views, catalog.lines().next().unwrap());
    let mut stored = serde_json::to_value(updates).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("arches").is_some());
    assert!(serde_json::from_value::<LineUpdates>(stored).unwrap().arches.is_none());
}
