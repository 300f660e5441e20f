//! Deciding on a large catalog: `cargo bench --bench decide`.

use chrono::TimeDelta;
use tidegate::domain::Time;
use tidegate::domain::catalog::Catalog;
use tidegate::domain::channel::{ChannelName, LineName, StageName};
use tidegate::domain::labels::Labels;
use tidegate::domain::line::{Follows, Line, Prefix, Stage};
use tidegate::domain::payload::{Payload, Sha256};
use tidegate::domain::policy::{SoakPolicy, Urgency};
use tidegate::domain::promotion::decide;
use tidegate::domain::release::{
    Entry, Evidence, ManifestState, PayloadState, Release, ReleaseFile, SignedFacts,
};
use tidegate::domain::rules::Unusable;
use tidegate::domain::upgrade::Views;
use tidegate::domain::version::Version;

fn main() {
    divan::main();
}

/// 100,000 releases in 50 lines. All of them soak, which is the most work there can be.
fn catalog(now: Time) -> Catalog {
    let payload =
        Payload { file: "payload.json".to_owned(), sha256: Sha256::new([7; 32]), size: 7, arch: None };
    let line = |n: u32| {
        let name = LineName::parse(&format!("1.{n}")).expect("it is a name");
        let stage = |stage: &str, soak| {
            let stage = StageName::parse(stage).expect("it is a name");
            let channel = ChannelName::of(&name, &stage).expect("it is short");
            Stage { soak, ..Stage::new(stage, channel) }
        };
        let stages = vec![stage("preproduction", None), stage("production", Some(SoakPolicy::default()))];
        let release = |i: u32| {
            let version = Version::parse(&format!("1.{n}.{i}-bench.1")).expect("it is a version");
            let since = now - TimeDelta::days(i64::from(i % 20));
            let entry = Entry::new(since, "schedule".to_owned(), None);
            let manifest = ManifestState::Signed(SignedFacts::default());
            let release = Release::new(
                ReleaseFile {
                    urgency: Urgency::Normal,
                    summary: None,
                    links: Labels::default(),
                    components: Labels::default(),
                    payloads: [payload.clone()].into(),
                    barrier: false,
                    replaces: None,
                    hold: None,
                    yank: None,
                    past: None,
                    version: version.clone(),
                },
                vec![Some(entry), None],
                Evidence { manifest, payload: PayloadState::Present },
            );
            (version, release)
        };
        Line {
            title: None,
            prefix: Prefix::parse(name.as_str()).expect("it is a prefix"),
            follows: n.checked_sub(1).map(|before| Follows {
                line: LineName::parse(&format!("1.{before}")).expect("it is a name"),
                grace: TimeDelta::zero(),
            }),
            stages,
            freezes: Vec::new(),
            retired: None,
            signed_until: None,
            releases: (0..2000).map(release).collect(),
            name,
        }
    };
    let (catalog, broken) = Catalog::assemble((0..50).map(line).collect(), &Unusable::new());
    assert_eq!(broken, []);
    catalog
}

fn now() -> Time {
    Time::from_timestamp(1_514_764_800, 0).expect("it is a time")
}

/// The figure that the issue bounds: 100,000 decisions, each with all its gates.
#[divan::bench]
fn decide_on_100_000_releases(bencher: divan::Bencher<'_, '_>) {
    let catalog = catalog(now());
    bencher.bench_local(|| decide(&catalog, now()).len());
}

/// What every channel offers, ready for questions.
#[divan::bench]
fn views_of_100_000_releases(bencher: divan::Bencher<'_, '_>) {
    let catalog = catalog(now());
    let decisions = decide(&catalog, now());
    bencher.bench_local(|| {
        let views = Views::new(&catalog, &decisions, now());
        // A line is prepared once it is asked about.
        catalog.channels().filter_map(|channel| views.latest(channel)).count()
    });
}

/// One answer from them.
#[divan::bench]
fn one_answer(bencher: divan::Bencher<'_, '_>) {
    let catalog = catalog(now());
    let decisions = decide(&catalog, now());
    let views = Views::new(&catalog, &decisions, now());
    let channel = catalog.channels().nth(1).expect("there are channels");
    let current = Version::parse("1.0.7-bench.1").expect("it is a version");
    bencher.bench_local(|| divan::black_box(views.answer(channel, &current)).advice.code().len());
}
