//! Stops that are dated ahead of the clock.

use super::*;
use crate::domain::channel::StageName;
use crate::domain::release::Yank;
use crate::operations::{Author, Operation, Subject};

const EATS: &str = "eats data";

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
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted, DegradedKind::ExpiryNear]);
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
    for (file, text) in BROKEN {
        let (place, mut promoter, shared) = beside(file, text);
        stop(&place, &yank("1.8.4"));
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{file}: {text}");
        stop(&place, &Operation::Hold { version: v("1.8.3"), reason: EATS.to_owned(), by: ada() });
        // A pause is in the line's own file, which must be YAML.
        if !text.ends_with("{ na") {
            stop(&place, &pause("1.8-preproduction"));
            place.settle(&mut promoter);
            assert_eq!(channel_of(&shared)["paused"]["reason"], "eats data", "{file}: {text}");
        }
    }
}

#[test]
fn a_misspelt_stage_name_keeps_no_hold_and_no_pause_out() {
    let line = LINE.replace("    soak: { min: 14d, max: 28d }\n", "");
    let stage = |text: &str| line.replace("- name: production", text);
    for wrong in ["- name: Production", "- nam: production", "- production", "- { channel: 1.8-production }"]
    {
        for (file, text) in [
            ("1.8/line.yaml", stage(wrong)),
            ("policy.yaml", format!("format: 1\nstages:\n  - name: preproduction\n  {wrong}\n")),
        ] {
            let (place, mut promoter, shared) = beside(file, &text);
            if file == "policy.yaml" {
                fs::write(place.path("channels/1.8/line.yaml"), "format: 1\nline: \"1.8\"\n").unwrap();
            }
            stop(&place, &Operation::Hold { version: v("1.8.3"), reason: EATS.to_owned(), by: ada() });
            stop(&place, &pause("1.8-production"));
            place.settle(&mut promoter);
            assert_eq!(channel(&shared, "1.8-production")["paused"]["reason"], EATS, "{file}: {wrong}");
        }
    }
}

#[test]
fn a_stop_that_is_half_typed_counts_only_until_its_file_is_put_right() {
    let place = Place::with(&["1.8.3", "1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    for (file, text) in [
        ("1.8/1.8.4.yaml", "yank: { reason: eats data }\n"),
        ("1.8/1.8.4.yaml", "hold: soon\n"),
        ("1.8/line.yaml", "paused: { preproduction: soon }\n"),
        ("1.8/line.yaml", "paused: true\n"),
    ] {
        let path = place.path("channels").join(file);
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, before.clone() + text).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared)[0], DegradedKind::LineRefused, "{text}");
        let is_stopped =
            latest(&shared, "1.8-preproduction") == "1.8.3" || channel_of(&shared)["paused"].is_object();
        assert_eq!(is_stopped, !text.starts_with("hold"), "{text}");
        fs::write(&path, before).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [], "{text}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4", "{text}");
        assert!(!channel_of(&shared)["paused"].is_object(), "{text}");
    }
}

#[test]
fn a_stop_by_command_replaces_one_that_is_half_typed() {
    let place = Place::with(&["1.8.4"]);
    let path = place.path("channels/1.8/1.8.4.yaml");
    let before = fs::read_to_string(&path).unwrap();
    for value in ["", " soon", " { reason: slow }", " {}"] {
        let hold = Operation::Hold { version: v("1.8.4"), reason: EATS.to_owned(), by: ada() };
        for (key, operation) in [("hold", hold), ("yank", yank("1.8.4"))] {
            fs::write(&path, format!("{before}{key}:{value}\n")).unwrap();
            stop(&place, &operation);
            assert!(place.directory().read(place.clock.at()).unwrap().reading.faults.is_empty(), "{value}");
        }
    }
}

fn ada() -> Author {
    Author::named("ada").unwrap()
}

pub fn yank(version: &str) -> Operation {
    Operation::Yank { version: v(version), to: None, reason: EATS.to_owned(), by: ada() }
}

pub fn pause(channel: &str) -> Operation {
    Operation::Pause { channel: channel.parse().unwrap(), reason: EATS.to_owned(), by: ada() }
}

/// Stops something by command.
pub fn stop(place: &Place, operation: &Operation) -> Subject {
    let (directory, now) = (place.directory(), place.clock.at());
    let snapshot = directory.read(now).unwrap();
    let outcome = operation.plan(&snapshot.reading.catalog, now).unwrap();
    assert!(outcome.is_change(), "{operation:?}");
    let failed = directory.commit(&snapshot.revision, &outcome.changes, now).err();
    assert!(failed.is_none(), "{operation:?}: {failed:?}");
    outcome.subject
}

/// The folder of a line is copied, as a backup or to begin another line.
fn copied(place: &Place, to: &str) {
    let (from, to) = (place.path("channels/1.8"), place.path("channels").join(to));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn is_in(place: &Place, file: &str) -> bool {
    fs::read_to_string(place.path("channels").join(file)).unwrap().contains(EATS)
}

#[test]
fn a_stop_by_command_goes_into_the_line_that_is_served_and_not_into_a_copy_of_it() {
    for copy in ["1.8-old", "1.80", "1.8.bak", "1.9", "0.1"] {
        let (place, mut promoter, shared) = beside("1.8/1.8.5.yaml", "}");
        copied(&place, copy);
        stop(&place, &yank("1.8.4"));
        stop(&place, &Operation::Hold { version: v("1.8.3"), reason: EATS.to_owned(), by: ada() });
        stop(&place, &pause("1.8-preproduction"));
        for file in ["1.8.3.yaml", "1.8.4.yaml", "line.yaml"] {
            assert!(is_in(&place, &format!("1.8/{file}")), "{copy}: {file}");
            assert!(!is_in(&place, &format!("{copy}/{file}")), "{copy}: {file}");
        }
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{copy}");
        assert_eq!(channel_of(&shared)["paused"]["reason"], EATS, "{copy}");
    }
}

#[test]
fn a_pause_of_a_name_that_two_faulty_lines_claim_pauses_both() {
    let place = Place::with(&["1.8.4"]);
    let text = LINE.replace("name: preproduction\n", "name: preproduction\n    aliases: [next]\n");
    fs::write(place.path("channels/1.8/line.yaml"), &text).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::create_dir(place.path("channels/1.6")).unwrap();
    fs::write(place.path("channels/1.6/line.yaml"), text.replace("1.8", "1.6")).unwrap();
    let subject = stop(&place, &pause("next"));
    assert_eq!(subject, Subject::Channel { channel: "next".parse().unwrap() });
    assert!(is_in(&place, "1.6/line.yaml") && is_in(&place, "1.8/line.yaml"));
    place.settle(&mut promoter);
    assert_eq!(channel_of(&shared)["paused"]["reason"], EATS);
}

#[test]
fn a_stop_is_served_from_whichever_folder_has_it() {
    let (place, mut promoter, shared) = beside("1.8/1.8.5.yaml", "}");
    let (from, to) = (place.path("channels/1.8"), place.path("channels/1.8x"));
    fs::rename(from, to).unwrap();
    stop(&place, &yank("1.8.4"));
    assert!(is_in(&place, "1.8x/1.8.4.yaml"));
    let line = place.path("channels/1.8x/line.yaml");
    let paused =
        format!("paused: {{ preproduction: {{ at: 2018-01-01T00:00:00Z, by: ada, reason: {EATS} }} }}\n");
    let text = LINE.replace("name: preproduction\n", "name: preproduction\n    channel: 1.8-preproduction\n");
    fs::write(line, text + &paused).unwrap();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert_eq!(channel_of(&shared)["paused"]["reason"], EATS);
}

#[test]
fn a_copy_beside_the_file_of_a_release_lifts_no_stop() {
    for copy in ["1.8.4_BACKUP_4711.yaml", "1.8.4copy.yaml", "v1.8.4.yaml", "0.yaml", "1.8.4 (1).yaml"] {
        let place = Place::with(&["1.8.3", "1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        let own = place.path("channels/1.8/1.8.4.yaml");
        fs::copy(&own, own.with_file_name(copy)).unwrap();
        stop(&place, &yank("1.8.4"));
        assert!(is_in(&place, "1.8/1.8.4.yaml"), "{copy}");
        stop(&place, &Operation::Hold { version: v("1.8.4"), reason: EATS.to_owned(), by: ada() });
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{copy}");
        let reading = place.directory().read(place.clock.at()).unwrap().reading;
        let (_, release) = reading.catalog.stoppable_release(&v("1.8.4")).unwrap();
        assert!(release.hold.is_some() && release.yank.is_some(), "{copy}");
        assert_eq!(reading.faults.is_empty(), copy.contains("BACKUP"), "{copy}");
    }
}

#[test]
fn a_pause_that_nobody_can_understand_pauses_what_is_served_of_its_line() {
    for text in ["paused: true\n", "paused: { prodction: { reason: slow } }\n", "Paused: [production]\n"] {
        let place = Place::with(&["1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        fs::write(place.path("channels/1.8/line.yaml"), format!("{LINE}{text}")).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared)[0], DegradedKind::LineRefused);
        let pause = channel(&shared, "1.8-production")["paused"].clone();
        assert_eq!(pause["reason"], "its catalog file has a fault", "{text}");
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
    let body = publication.update(&channel, &from, None).unwrap();
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
