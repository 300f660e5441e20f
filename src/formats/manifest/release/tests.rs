use super::*;
use crate::domain::channel::ChannelName;
use crate::domain::labels::Labels;
use crate::domain::line::{Follows, Prefix, Stage};
use crate::domain::payload::Sha256;
use crate::domain::policy::{Soak, SoakPolicy};
use crate::domain::release::{Entry, Evidence, ReleaseFile};
use chrono::TimeDelta;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn stage(name: &str, days: Option<i64>) -> Stage {
    let soak = days.map(|days| {
        let soak = Soak { min: TimeDelta::days(days), max: TimeDelta::days(28) };
        let security = Soak { min: TimeDelta::days(3), ..soak };
        SoakPolicy { normal: soak, security, why: None, security_why: None }
    });
    Stage {
        name: StageName::parse(name).unwrap(),
        channel: ChannelName::parse(&format!("1.8-{name}")).unwrap(),
        aliases: vec![],
        soak,
        window: None,
        paused: None,
        resumed: vec![],
    }
}

fn line() -> Line {
    Line {
        name: LineName::parse("1.8").unwrap(),
        title: None,
        prefix: Prefix::parse("1.8").unwrap(),
        follows: Some(Follows { line: LineName::parse("1.7").unwrap(), grace: TimeDelta::zero() }),
        stages: vec![stage("preproduction", None), stage("production", Some(14)), stage("lts", Some(21))],
        freezes: vec![],
        retired: None,
        signed_until: None,
        releases: BTreeMap::new(),
    }
}

fn release() -> Release {
    Release::new(
        ReleaseFile {
            version: Version::parse("1.8.4-tectonic.1").unwrap(),
            urgency: Urgency::Normal,
            summary: Some("Kubernetes 1.8.4 – größer".to_owned()),
            links: Labels::from([("notes".to_owned(), "https://example.com/a b".to_owned())]),
            components: Labels::from([("etcd".to_owned(), "3.1.8".to_owned())]),
            payloads: [Payload {
                file: "payload.json".to_owned(),
                sha256: Sha256::new([1; 32]),
                size: 9999,
                arch: None,
            }]
            .into(),
            barrier: false,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
        },
        vec![None, None, None],
        Evidence::default(),
    )
}

fn entered(times: [Option<&str>; 3]) -> Release {
    let entry = |time: &str| Entry::new(at(time), "schedule".to_owned(), None);
    Release { entries: times.into_iter().map(|time| time.map(entry)).collect(), ..release() }
}

type Edit = fn(&mut Release);

const SIGNED: &str = "2017-12-19T17:30:31Z";

#[test]
fn each_later_stage_is_bounded_by_the_signing_or_by_what_happened() {
    for (times, production, lts) in [
        ([None; 3], "2018-01-02T17:30:31Z", "2018-01-23T17:30:31Z"),
        // Signed again during its soak: the clock is the entry's.
        ([Some("2017-12-10T00:00:00Z"), None, None], "2017-12-24T00:00:00Z", "2018-01-14T00:00:00Z"),
        (
            [Some("2017-12-01T00:00:00Z"), Some("2017-12-16T00:00:00Z"), None],
            "2017-12-16T00:00:00Z",
            "2018-01-06T00:00:00Z",
        ),
        // An entry after the signing does not exist yet.
        ([Some("2017-12-20T00:00:00Z"), None, None], "2018-01-02T17:30:31Z", "2018-01-23T17:30:31Z"),
    ] {
        let manifest = ReleaseManifest::of(&line(), &entered(times), at(SIGNED));
        let bounds: Vec<_> = manifest.not_before.iter().map(|(name, at)| (name.as_str(), *at)).collect();
        assert_eq!(bounds, [("lts", at(lts)), ("production", at(production))], "{times:?}");
    }
    let mut security = release();
    security.urgency = Urgency::Security;
    let manifest = ReleaseManifest::of(&line(), &security, at(SIGNED));
    let production = StageName::parse("production").unwrap();
    assert_eq!(manifest.not_before[&production], at("2017-12-22T17:30:31Z"));
    assert!(!manifest.allows(&production, at("2017-12-22T17:30:30Z")));
    assert!(manifest.allows(&production, at("2017-12-22T17:30:31Z")));
}

#[test]
fn an_edit_after_signing_is_noticed() {
    let signed = ReleaseManifest::of(&line(), &release(), at(SIGNED));
    assert_eq!(signed.matches(&line(), &release()), Ok(()));
    assert_eq!(signed.matches(&line(), &entered([Some("2017-12-20T00:00:00Z"), None, None])), Ok(()));

    let edits: [(&str, Edit); 7] = [
        ("version", |r| r.version = Version::parse("v1.8.4-tectonic.1").unwrap()),
        ("urgency", |r| r.urgency = Urgency::Security),
        ("summary", |r| r.summary = None),
        ("links", |r| r.links = Labels::default()),
        ("components", |r| r.components = Labels::default()),
        ("payloads", |r| Arc::make_mut(&mut r.payloads)[0].sha256 = Sha256::new([2; 32])),
        ("payloads", |r| Arc::make_mut(&mut r.payloads)[0].size += 1),
    ];
    for (field, edit) in edits {
        let mut edited = release();
        edit(&mut edited);
        assert_eq!(signed.matches(&line(), &edited).unwrap_err().field, field);
    }
    let other = Line { follows: None, ..line() };
    let mismatch = signed.matches(&other, &release()).unwrap_err();
    assert_eq!(mismatch.to_string(), "the signed manifest has `1.7` as follows, but the catalog has `none`");
}

#[test]
fn a_barrier_may_be_added_without_a_signature_and_not_taken_away() {
    let mut barrier = release();
    barrier.barrier = true;
    let plain = ReleaseManifest::of(&line(), &release(), at(SIGNED));
    assert_eq!(plain.matches(&line(), &barrier), Ok(()));
    let signed = ReleaseManifest::of(&line(), &barrier, at(SIGNED));
    assert_eq!(signed.matches(&line(), &release()).unwrap_err().field, "barrier");
}

#[test]
fn a_manifest_survives_its_bytes_and_is_ascii() {
    let manifest = ReleaseManifest::of(&line(), &release(), at(SIGNED));
    let bytes = crate::formats::canonical::canonical(&manifest).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.is_ascii());
    let (again, _) = crate::formats::canonical::read::<ReleaseManifest>(&bytes).unwrap();
    assert_eq!(again, manifest);
    let expected = concat!(
        r#"{"_type":"release","barrier":false,"components":{"etcd":"3.1.8"},"follows":"1.7","format":1,"#,
        r#""line":"1.8","links":{"notes":"https://example.com/a%20b"},"#,
        r#""not_before":{"lts":"2018-01-23T17:30:31Z","production":"2018-01-02T17:30:31Z"},"#,
        r#""payloads":[{"file":"payload.json","sha256":"#,
        r#""0101010101010101010101010101010101010101010101010101010101010101","size":9999}],"#,
        r#""signed_at":"2017-12-19T17:30:31Z","summary":"Kubernetes 1.8.4 - groesser","#,
        r#""urgency":"normal","version":"1.8.4-tectonic.1"}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn a_manifest_of_another_kind_or_form_is_refused() {
    let manifest = ReleaseManifest::of(&line(), &release(), at(SIGNED));
    let text = serde_json::to_string(&manifest).unwrap();
    for (from, to) in [
        (r#""_type":"release""#, r#""_type":"channel""#),
        (r#""format":1"#, r#""format":2"#),
        (r#""barrier":false"#, r#""barrier":false,"note":"x""#),
        ("17:30:31Z", "17:30:31+00:00"),
        (r#""urgency":"normal""#, r#""urgency":"NORMAL""#),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(serde_json::from_str::<ReleaseManifest>(&changed).is_err(), "{to}");
    }
}
