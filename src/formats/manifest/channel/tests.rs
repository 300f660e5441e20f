use super::*;
use crate::domain::catalog::Catalog;
use crate::domain::labels::Labels;
use crate::domain::line::{Follows, Line, Prefix, Stage};
use crate::domain::payload::Payload;
use crate::domain::policy::{SoakPolicy, Urgency};
use crate::domain::release::{Entry, Event, Evidence, Release, ReleaseFile};
use chrono::TimeDelta;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn event(time: &str, reason: &str) -> Event {
    Event::new(at(time), "jo@example.com".to_owned(), reason.to_owned())
}

fn payload() -> Payload {
    Payload { file: "payload.json".to_owned(), sha256: Sha256::new([7; 32]), size: 7, arch: None }
}

fn release(version: &str, since: &str) -> Release {
    let entry = |since| Entry::new(since, "jo@example.com".to_owned(), None);
    Release::new(
        ReleaseFile {
            version: Version::parse(version).unwrap(),
            urgency: Urgency::Normal,
            summary: None,
            links: Labels::default(),
            components: Labels::default(),
            payloads: [payload()].into(),
            barrier: false,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
        },
        vec![Some(entry(at("2017-12-01T00:00:00Z"))), Some(entry(at(since)))],
        Evidence::default(),
    )
}

fn catalog() -> Catalog {
    let stage = |name: &str, paused| Stage {
        name: StageName::parse(name).unwrap(),
        channel: ChannelName::parse(&format!("1.8-{name}")).unwrap(),
        aliases: vec![ChannelName::parse(&format!("tectonic-1.8-{name}")).unwrap()],
        soak: (name == "production").then(SoakPolicy::default),
        window: None,
        paused,
        resumed: Vec::new(),
    };
    let mut releases = vec![
        release("1.8.4-tectonic.1", "2018-01-02T00:00:00Z"),
        release("1.8.4-tectonic.2", "2018-01-03T00:00:00Z"),
        release("1.8.7-tectonic.1", "2018-01-04T00:00:00Z"),
        release("1.8.9-tectonic.1", "2018-03-01T00:00:00Z"),
    ];
    releases[0].barrier = true;
    let to = Some(releases[1].version.clone());
    releases[2].yank =
        Some(Box::new(Yank { event: event("2018-01-05T00:00:00Z", "loses “volumes”"), to }));
    crate::domain::testing::catalog([Line {
        name: LineName::parse("1.8").unwrap(),
        title: None,
        prefix: Prefix::parse("1.8").unwrap(),
        follows: Some(Follows { line: LineName::parse("1.7").unwrap(), grace: TimeDelta::days(2) }),
        stages: vec![
            stage("preproduction", None),
            stage("production", Some(event("2018-01-06T00:00:00Z", "outage"))),
        ],
        freezes: vec![],
        retired: None,
        signed_until: None,
        releases: releases.into_iter().map(|release| (release.version.clone(), release)).collect(),
    }])
}

fn manifest_at(now: &str) -> ChannelManifest {
    let catalog = catalog();
    let channel = catalog.channel(&ChannelName::parse("1.8-production").unwrap()).unwrap();
    let digest =
        |version: &Version| (version.to_string() != "1.8.4-tectonic.2").then_some(Sha256::new([7; 32]));
    ChannelManifest::of(channel, 3, digest, at(now), at(now) + TimeDelta::days(7))
}

fn versions(manifest: &ChannelManifest) -> Vec<String> {
    manifest.releases.iter().map(|release| release.version.to_string()).collect()
}

#[test]
fn a_channel_offers_what_entered_it_is_signed_and_is_not_yanked() {
    let before = manifest_at("2018-01-04T12:00:00Z");
    assert_eq!(versions(&before), ["1.8.4-tectonic.1", "1.8.7-tectonic.1"]);
    assert_eq!(before.latest, Version::parse("1.8.7-tectonic.1").ok());
    assert!(before.releases[0].barrier && !before.releases[1].barrier);

    let after = manifest_at("2018-01-05T00:00:00Z");
    assert_eq!(versions(&after), versions(&before), "what was yanked stays known");
    assert_eq!(after.latest, Version::parse("1.8.4-tectonic.1").ok());
    let yank = after.releases[1].yank.as_ref().unwrap();
    assert_eq!(yank.reason, "loses \"volumes\"");
    assert_eq!(yank.to, Version::parse("1.8.4-tectonic.2").ok());
}

#[test]
fn a_pause_is_told_with_its_reason_once_it_has_happened() {
    assert_eq!(manifest_at("2018-01-05T23:59:59Z").paused, None);
    let paused = manifest_at("2018-01-06T00:00:00Z").paused.unwrap();
    assert_eq!(paused.reason, "outage");
}

#[test]
fn a_channel_names_its_line_s_stages_and_the_way_in() {
    let manifest = manifest_at("2018-01-06T00:00:00Z");
    let stages: Vec<_> = manifest.stages.iter().map(|s| (s.stage.as_str(), s.channel.as_str())).collect();
    assert_eq!(stages, [("preproduction", "1.8-preproduction"), ("production", "1.8-production")]);
    let follows = manifest.follows.unwrap();
    assert_eq!((follows.line.as_str(), follows.grace), ("1.7", 2 * 86400));
}

#[test]
fn nobody_s_name_is_published_and_the_bytes_are_ascii() {
    let manifest = manifest_at("2018-01-06T00:00:00Z");
    let bytes = crate::formats::canonical::canonical(&manifest).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.is_ascii() && !text.contains("jo@") && !text.contains("\"by\""), "{text}");
    let (again, _) = crate::formats::canonical::read::<ChannelManifest>(&bytes).unwrap();
    assert_eq!(again, manifest);
}

#[test]
fn only_a_change_of_the_offer_calls_for_a_new_manifest() {
    let first = manifest_at("2018-01-06T00:00:00Z");
    assert!(first.offers_the_same_as(&manifest_at("2018-01-07T00:00:00Z")));
    assert!(!first.offers_the_same_as(&manifest_at("2018-01-05T00:00:00Z")));
    assert!(!first.offers_the_same_as(&manifest_at("2018-03-01T00:00:00Z")));
}

#[test]
fn what_is_published_counts_by_every_clock() {
    // A stop that was dated ahead and counted at once reaches clusters with its date; theirs may also
    // be behind.
    let mut line = catalog().lines().next().unwrap().clone();
    line.stages[1].paused = Some(event("2118-01-06T00:00:00Z", "outage"));
    let ahead = crate::domain::testing::catalog([line]).judged_by(at("2018-01-20T00:00:00Z"));
    let now = at("2018-01-20T00:00:00Z");
    let manifests: Vec<_> = ahead
        .channels()
        .map(|channel| ChannelManifest::of(channel, 1, |_| None, now, now + TimeDelta::days(7)))
        .collect();
    assert_eq!(manifests[1].paused.as_ref().unwrap().at, at("2118-01-06T00:00:00Z"));
    let name = LineName::parse("1.8").unwrap();
    let rebuilt = crate::formats::manifest::line(&name, Prefix::parse("1.8").unwrap(), &manifests, [].into());
    assert!(rebuilt.unwrap().unwrap().stages[1].paused(now).is_some());
}
