//! What is seen of the folders.

use std::os::unix::fs::symlink;

use super::stops::{self, stop};
use super::*;
use crate::store::durable;

pub fn yank(place: &Place, path: &str) {
    let path = place.path(path);
    let text = fs::read_to_string(&path).unwrap();
    let yank = "yank: { at: 2018-01-01T00:00:01Z, by: ada, reason: etcd }\n";
    fs::write(&path, format!("{text}{yank}")).unwrap();
}

#[test]
fn a_yank_is_served_while_a_payload_is_being_uploaded() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    yank(&place, "channels/1.8/1.8.4.yaml");
    fs::create_dir_all(place.path("payloads/1.8.5")).unwrap();
    for n in 0..10 {
        fs::write(place.path("payloads/1.8.5/payload.json"), vec![b'x'; n + 1]).unwrap();
        promoter.turn();
        place.pass(SECOND);
    }
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_yank_is_served_while_another_file_keeps_changing_and_nothing_is_promoted_meanwhile() {
    let place = Place::with(&["1.8.3", "1.8.4", "1.8.5"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
    place.pass(t("2018-01-15") - place.clock.at() - SECOND * 3);
    yank(&place, "channels/1.8/1.8.5.yaml");
    let other = place.path("channels/1.8/1.8.3.yaml");
    let text = fs::read_to_string(&other).unwrap();
    for n in 0..50 {
        fs::write(&other, format!("{text}# {n}\n")).unwrap();
        promoter.turn();
        place.pass(TimeDelta::milliseconds(100));
    }
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    assert_eq!(degraded(&shared), []);
    assert_eq!(place.in_production("1.8.4"), None);
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
}

#[test]
fn a_stop_waits_for_no_other_file_however_it_is_written() {
    for is_in_place in [false, true] {
        let place = Place::with(&["1.8.3", "1.8.4", "1.8.5"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        place.pass(t("2018-01-15") - place.clock.at() - SECOND);
        let others = ["channels/1.8/1.8.3.yaml", "channels/policy.yaml"].map(|name| place.path(name));
        let texts = others.clone().map(|other| fs::read_to_string(other).unwrap_or("format: 1\n".to_owned()));
        for n in 0..15 {
            if n == 0 && is_in_place {
                yank(&place, "channels/1.8/1.8.5.yaml");
            } else if n == 0 {
                stop(&place, &stops::yank("1.8.5"));
            }
            for (other, text) in others.iter().zip(&texts) {
                // Half of it.
                fs::write(other, format!("{text}# {n}\nx")).unwrap();
            }
            promoter.turn();
            if n >= if is_in_place { 3 } else { 0 } {
                assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4", "{is_in_place} {n}");
            }
            assert_eq!(degraded(&shared), []);
            let text = fs::read_to_string(place.path("channels/1.8/1.8.4.yaml")).unwrap();
            assert!(!text.contains(" production:"), "{is_in_place} {n}: {text}");
            place.pass(TimeDelta::milliseconds(100));
        }
        for (other, text) in others.iter().zip(&texts) {
            fs::write(other, text).unwrap();
        }
        // Dates in files have whole seconds.
        place.pass(TimeDelta::milliseconds(500));
        place.settle(&mut promoter);
        assert!(place.in_production("1.8.4").is_some());
        assert_eq!(degraded(&shared), []);
    }
}

/// Replaces a file as commands do.
fn replace(place: &Place, path: &str, text: &str) {
    durable::write(&place.path(path), text.as_bytes(), durable::Mode::Keep).unwrap();
}

/// Runs turns while a file keeps being written in place, and half of it is there.
fn turns_while_half_written(place: &Place, promoter: &mut Promoter, path: &str) {
    let path = place.path(path);
    let text = fs::read_to_string(&path).unwrap_or_default();
    for n in 0..4 {
        fs::write(&path, format!("{text}# {n}\nx")).unwrap();
        promoter.turn();
        place.pass(TimeDelta::milliseconds(100));
    }
    fs::write(&path, text).unwrap();
}

#[test]
fn beside_a_half_written_file_nothing_but_a_stop_is_published() {
    let place = Place::with(&["1.8.3", "1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    stop(&place, &stops::yank("1.8.4"));
    let aliased = LINE.replace("name: preproduction\n", "name: preproduction\n    aliases: [next]\n");
    replace(&place, "channels/1.8/line.yaml", &aliased);
    turns_while_half_written(&place, &mut promoter, "channels/1.8/1.8.3.yaml");
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert_eq!(channel(&shared, "1.8-preproduction")["aliases"], serde_json::Value::Null);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert_eq!(channel(&shared, "1.8-preproduction")["aliases"], serde_json::json!(["next"]));
    assert_eq!(degraded(&shared), []);
}

#[test]
fn beside_a_half_written_file_a_release_that_could_not_be_read_before_is_stopped() {
    for lost in ["1.8/1.8.4.yaml", "1.8"] {
        let place = Place::with(&["1.8.3", "1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        yank(&place, "channels/1.8/1.8.4.yaml");
        let path = place.path("channels").join(lost);
        fs::rename(&path, place.path("kept")).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::LineRefused], "{lost}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4", "{lost}");
        fs::rename(place.path("kept"), &path).unwrap();
        turns_while_half_written(&place, &mut promoter, "channels/policy.yaml");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3", "{lost}");
    }
}

#[test]
fn a_file_that_is_ignored_delays_nothing_however_often_it_changes() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let left = place.path("channels/1.8/1.8.4.yaml.tmp");
    fs::write(&left, "").unwrap();
    place.settle(&mut promoter);
    yank(&place, "channels/1.8/1.8.4.yaml");
    for n in 0..5 {
        fs::write(&left, vec![b'x'; n]).unwrap();
        promoter.turn();
        place.pass(TimeDelta::milliseconds(200));
    }
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
}

#[test]
fn a_yank_behind_a_link_is_served() {
    let place = Place::with(&["1.8.4"]);
    fs::create_dir(place.path("channels/.shared")).unwrap();
    let file = place.path("channels/1.8/1.8.4.yaml");
    fs::rename(&file, place.path("channels/.shared/1.8.4.yaml")).unwrap();
    symlink("../.shared/1.8.4.yaml", &file).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    yank(&place, "channels/.shared/1.8.4.yaml");
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_manifest_or_a_role_that_cannot_be_read_stops_its_line_alone_and_says_so() {
    let cases = [
        ("payloads/1.8.4/release.json", "`1.8.4` was published in"),
        (
            "channels/trust/releases-1.8.json",
            "`trust/releases-1.8.json` cannot be read: this link points outside the catalog folder",
        ),
    ];
    for (file, why) in cases {
        let place = Place::with(&["1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        let path = place.path(file);
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Root, as whom tests may run, may read all that is a file.
        if file.starts_with("payloads/") {
            fs::create_dir(&path).unwrap();
        } else {
            symlink("/", &path).unwrap();
        }
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::LineRefused], "{file}: {}", detail(&shared));
        assert!(detail(&shared).contains(why), "{file}: {}", detail(&shared));
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
        fs::remove_dir(&path).or_else(|_| fs::remove_file(&path)).unwrap();
        fs::write(&path, good).unwrap();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [], "{file}");
    }
}
