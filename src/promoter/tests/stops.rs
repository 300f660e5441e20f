//! Stops that are dated ahead of the clock.

use super::*;
use crate::domain::channel::StageName;
use crate::domain::release::Yank;

fn ahead(place: &Place, by: TimeDelta) -> Event {
    Event::new(place.clock.at() + by, "ada".to_owned(), "etcd".to_owned())
}

#[test]
fn a_hold_by_a_fast_clock_holds_before_its_date() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.pass(t("2018-01-15") - TimeDelta::seconds(30) - place.clock.at());
    place.commit(Change::Hold { version: v("1.8.4"), hold: ahead(&place, TimeDelta::minutes(5)) });
    place.pass(TimeDelta::seconds(30));
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(shared.status.load().blocked, 1);
    // Nor does it end when its date has come.
    place.pass(TimeDelta::minutes(10));
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_yank_and_a_pause_of_a_wrong_year_are_published_at_once_with_their_dates() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    let yank = Yank { event: ahead(&place, DAY * 365), to: None };
    place.commit(Change::Yank { version: v("1.8.4"), yank });
    let (line, stage) = (LineName::parse("1.8").unwrap(), StageName::parse("preproduction").unwrap());
    place.commit(Change::Pause { line, stage, pause: ahead(&place, DAY * 365) });
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
    let manifest = channel(&shared, "1.8-preproduction");
    for at in [&manifest["releases"][0]["yank"]["at"], &manifest["paused"]["at"]] {
        assert!(at.as_str().unwrap().starts_with("2019-01-01"), "{at}");
    }
}

#[test]
fn a_yank_by_a_clock_that_is_doubted_counts_all_the_same() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.turn(DAY * 20);
    promoter.turn();
    let yank = Yank { event: ahead(&place, TimeDelta::zero()), to: None };
    place.commit(Change::Yank { version: v("1.8.4"), yank });
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted]);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
}

/// What can be wrong beside a release that must be stopped: a file of the catalog, and what is in it.
const BROKEN: [(&str, &str); 9] = [
    ("1.8/1.8.5.yaml", "format: 1\nversion: 1.8.5\npayloads:\n  - { file: payl"),
    ("1.8/1.8.5.yaml", "<<<<<<< HEAD\nformat: 1\n=======\nformat: 1\n>>>>>>> main\n"),
    ("1.8/1.8.6.txt", "notes"),
    ("1.8/line.yaml", "format: 1\nline: \"1.8\"\nstages:\n  - { na"),
    ("1.8/line.yaml", "format: 1\nline: \"1.8\"\ncolour: green\n"),
    ("policy.yaml", "format: 1\nfreezes:\n  - { fr"),
    ("policy.yaml", "format: 1\nstages: []\n"),
    ("Policy.yaml", "format: 1\n"),
    ("1.9/line.yaml", "format: 1\nline: \"1.9\"\nprefix: \"1.8\"\n"),
];

/// Two releases on offer, and a file that makes their line faulty.
fn beside(file: &str, text: &str) -> (Place, Promoter, Handle) {
    let place = Place::with(&["1.8.3", "1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    let file = place.path("channels").join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared)[0], DegradedKind::LineRefused);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    (place, promoter, shared)
}

#[test]
fn a_yank_by_hand_is_served_beside_whatever_is_broken() {
    for (file, text) in BROKEN {
        let (place, mut promoter, shared) = beside(file, text);
        let path = place.path("channels/1.8/1.8.4.yaml");
        let yanked = "yank: { at: 2018-01-01T00:00:00Z, by: ada, reason: eats data }\ncolour: green\n";
        fs::write(&path, fs::read_to_string(&path).unwrap() + yanked).unwrap();
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{file}: {text}");
        // One that is written wrong stops, too.
        let path = place.path("channels/1.8/1.8.3.yaml");
        fs::write(&path, fs::read_to_string(&path).unwrap() + "yank: { reason: eats data }\n").unwrap();
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null, "{file}: {text}");
    }
}

#[test]
fn a_yank_a_hold_and_a_pause_are_taken_beside_whatever_is_broken() {
    use crate::operations::{Author, Operation};
    for (file, text) in BROKEN {
        let (place, mut promoter, shared) = beside(file, text);
        let (reason, by) = (|| "eats data".to_owned(), || Author::named("ada").unwrap());
        let stop = |operation: Operation| {
            let (directory, now) = (place.directory(), place.clock.at());
            let snapshot = directory.read(now).unwrap();
            let outcome = operation.plan(&snapshot.reading.catalog, now).unwrap();
            assert!(outcome.is_change());
            let failed = directory.commit(&snapshot.revision, &outcome.changes, now).err();
            assert!(failed.is_none(), "{file}: {text}: {failed:?}");
        };
        stop(Operation::Yank { version: v("1.8.4"), to: None, reason: reason(), by: by() });
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{file}: {text}");
        stop(Operation::Hold { version: v("1.8.3"), reason: reason(), by: by() });
        // A pause is in the line's own file, which must be YAML.
        if !text.ends_with("{ na") {
            let channel = "1.8-preproduction".parse().unwrap();
            stop(Operation::Pause { channel, reason: reason(), by: by() });
            place.settle(&mut promoter);
            assert_eq!(channel_of(&shared)["paused"]["reason"], "eats data", "{file}: {text}");
        }
    }
}

fn channel_of(shared: &Handle) -> serde_json::Value {
    channel(shared, "1.8-preproduction")
}

#[test]
fn a_yanked_barrier_whose_replacement_cannot_be_read_bars() {
    let place = Place::with(&["1.8.3"]);
    place.add("1.8.4", true);
    place.add("1.8.5", false);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::write(place.path("channels/1.8/1.8.6.yaml"), "format: 1\nversion: 1.8.6\npayl").unwrap();
    let path = place.path("channels/1.8/1.8.4.yaml");
    let yanked = "yank: { at: 2018-01-01T00:00:00Z, by: ada, reason: eats data, to: 1.8.6 }\n";
    fs::write(&path, fs::read_to_string(&path).unwrap() + yanked).unwrap();
    place.settle(&mut promoter);
    let manifest = channel_of(&shared);
    let barrier = &manifest["releases"][1];
    assert_eq!((&barrier["version"], &barrier["yank"]["to"]), (&"1.8.4".into(), &serde_json::Value::Null));
    let publication = shared.publication.load_full().unwrap();
    let (channel, from) = ("1.8-preproduction".parse().unwrap(), v("1.8.3"));
    let body = publication.update(&channel, &from).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body.identity).unwrap();
    assert_eq!(answer["target"], serde_json::Value::Null, "{answer}");
}

#[test]
fn what_an_editor_leaves_behind_delays_nothing() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    for left in ["1.8/#1.8.4.yaml#", "1.8/1.8.4.yaml.orig", "1.8/Thumbs.db", "policy.yaml.bak"] {
        fs::write(place.path("channels").join(left), "format: ").unwrap();
    }
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    let reading = place.directory().read(place.clock.at()).unwrap().reading;
    assert_eq!(reading.leftovers.len(), 4);
}
