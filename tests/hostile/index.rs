//! Attacks on the index of a line, and what the role of another line can do.

use serde_json::{Value, json};
use tidegate::formats::tuf::Target;

use super::attacks::{Attack, attack, flip, nested, release, replace, third};
use super::forge::{Forge, ONLINE, RELEASE, day};
use super::scene::{CHANNEL, CURRENT, GOOD, Scene, TARGET, told};

/// The target name of the line's index.
pub const INDEX: &str = "release.1.8.index.json";

/// A publication with an index that the cluster does not have yet.
fn new_index() -> Forge<'static> {
    third().set(&release(), "barrier", true)
}

/// Serves an index that all release keys have listed, whatever they made of it.
fn index(scene: &Scene, edit: impl Fn(&mut Value) + 'static) {
    scene.server.serve(third().edit(INDEX, edit).seal());
}

/// Every attack on an index that is refused, by what the thief holds.
pub const INDEX_ATTACKS: &[Attack] = &[
    attack("a line's index with other bytes", "WrongDigest", |scene| {
        let mut files = new_index().seal();
        replace(&mut files, INDEX, flip);
        scene.server.serve(files);
    }),
    attack("an older index of a line under a newer name", "Truncated", |scene| {
        let mut files = new_index().seal();
        let old = scene.first.iter().find(|(path, _)| path.ends_with(INDEX)).unwrap().1.clone();
        replace(&mut files, INDEX, |_| old.to_vec());
        scene.server.serve(files);
    }),
    attack("a missing index of a line", "Missing", |scene| {
        scene.server.serve(new_index().seal());
        scene.server.remove(INDEX);
    }),
    attack("online key: another index in a line's role", "NotEnoughSignatures", |scene| {
        scene.server.serve(new_index().by("releases-1.8", &[ONLINE]).seal());
    }),
    attack("one of two release keys: another index in a line's role", "NotEnoughSignatures", |scene| {
        let forge = third().edit(INDEX, |index| index["releases"][TARGET]["barrier"] = json!(true));
        scene.server.serve(forge.by("releases-1.8", &RELEASE[..1]).seal());
    }),
    attack("all release keys: no index of their line", "NoIndex", |scene| {
        let drop = |role: &mut Value| drop(role["targets"].as_object_mut().unwrap().remove(INDEX).unwrap());
        scene.server.serve(third().edit("releases-1.8", drop).seal());
    }),
    attack("all release keys: the index of another line", "Contradiction", |scene| {
        index(scene, |index| index["line"] = json!("1.7"));
    }),
    attack("all release keys: an index that lacks a release", "Contradiction", |scene| {
        index(scene, |index| drop(index["releases"].as_object_mut().unwrap().remove(CURRENT).unwrap()));
    }),
    attack("all release keys: a line without a release that it had", "Rollback", |scene| {
        let drop = |role: &mut Value, member: &str, name: &str| {
            drop(role[member].as_object_mut().unwrap().remove(name).unwrap());
        };
        let forge = third().edit(INDEX, move |index| drop(index, "releases", CURRENT));
        let manifest = format!("release.{CURRENT}.json");
        scene.server.serve(forge.edit("releases-1.8", move |role| drop(role, "targets", &manifest)).seal());
    }),
    attack("all release keys: an index with a release more", "Contradiction", |scene| {
        index(scene, |index| index["releases"]["1.8.99"] = index["releases"][TARGET].clone());
    }),
    attack("all release keys: an index that spells a version differently", "Contradiction", |scene| {
        index(scene, |index| {
            let releases = index["releases"].as_object_mut().unwrap();
            let entry = releases.remove(CURRENT).unwrap();
            releases.insert(format!("v{CURRENT}"), entry);
        });
    }),
    attack("all release keys: an index that says something else than a manifest", "Contradiction", |scene| {
        index(scene, |index| index["releases"][TARGET]["barrier"] = json!(true));
    }),
    attack(
        "all release keys: an index of an earlier `not_before` than a manifest's",
        "Contradiction",
        |scene| {
            index(scene, |index| index["releases"][CURRENT]["not_before"]["production"] = json!(day(-300)));
        },
    ),
    attack("all release keys: an index with a release twice", "Malformed", |scene| {
        let twice =
            |text: String| text.replacen(r#""releases":{"#, &format!(r#""releases":{{"{TARGET}":{{}},"#), 1);
        scene.server.serve(third().text(INDEX, twice).seal());
    }),
    attack("all release keys: an index with a release twice, spelt differently", "Malformed", |scene| {
        index(scene, |index| index["releases"][format!("v{TARGET}")] = index["releases"][TARGET].clone());
    }),
    attack("all release keys: an index that is not sorted", "Malformed", |scene| {
        let turn =
            |text: String| text.replacen(r#""format":1,"line":"1.8""#, r#""line":"1.8","format":1"#, 1);
        scene.server.serve(third().text(INDEX, turn).seal());
    }),
    attack("all release keys: an unknown field in an index", "Malformed", |scene| {
        index(scene, |index| index["releases"][CURRENT]["evil"] = json!(true));
    }),
    attack("all release keys: an index of a later format", "TooNew", |scene| {
        index(scene, |index| (index["format"], index["releases"]) = (json!(2), json!([])));
    }),
    attack("all release keys: an index of a hundred thousand levels", "Unreadable", |scene| {
        scene.server.serve(third().text(INDEX, |_| nested(100_000)).seal());
    }),
];

#[test]
fn an_index_takes_back_what_it_said_of_a_release_only_with_its_manifest() {
    let between = "1.8.4-tectonic.1";
    let barrier = |version| Forge::new(version).set(&format!("release.{between}.json"), "barrier", true);
    let scene = Scene::at(barrier(3).seal());
    assert_eq!(scene.answer(), GOOD);
    // The manifest still says that it is a barrier.
    let hidden = |index: &mut Value| {
        drop(index["releases"][between].as_object_mut().unwrap().remove("barrier").unwrap());
    };
    scene.server.serve(barrier(4).edit(INDEX, hidden).seal());
    assert_eq!(scene.check().unwrap_err().kind(), "Contradiction");
    // Release keys have signed another manifest.
    scene.server.serve(Forge::new(5).seal());
    scene.server.asked();
    assert_eq!(scene.answer(), GOOD);
    assert!(scene.server.asked().iter().any(|path| path.ends_with(&format!("release.{between}.json"))));
}

#[test]
fn until_its_manifest_is_served_the_narrower_of_two_entries_counts() {
    let between = "1.8.5-tectonic.1";
    let manifest = format!("release.{between}.json");
    // A release that the channel does not offer.
    let with = |version, barrier| {
        let mut forge = Forge::new(version);
        let mut release = forge.repository.releases[&CURRENT.parse().unwrap()].clone();
        (release.version, release.barrier, release.payloads) = (between.parse().unwrap(), barrier, [].into());
        forge.repository.releases.insert(release.version.clone(), release);
        forge.seal()
    };
    for (before, after) in [(true, false), (false, true)] {
        let scene = Scene::at(with(3, before));
        assert_eq!(scene.answer(), if before { "blocked barrier" } else { GOOD });
        // Also if the next index says something else again.
        for (version, barrier) in [(4, after), (5, false)] {
            scene.server.serve(with(version, barrier));
            scene.server.remove(&manifest);
            assert_eq!(scene.answer(), "blocked barrier", "{before} {version}");
            assert_eq!(scene.known(), Ok("blocked barrier".to_owned()), "{before} {version}");
        }
        scene.server.serve(with(6, false));
        assert_eq!(scene.answer(), GOOD, "{before}");
        // It is asked for once.
        scene.server.serve(with(7, false));
        scene.server.asked();
        assert_eq!(scene.answer(), GOOD, "{before}");
        assert!(!scene.server.asked().iter().any(|path| path.ends_with(&manifest)), "{before}");
    }
}

#[test]
fn until_its_manifest_is_served_a_barrier_of_a_line_that_is_left_counts_from_the_earliest_time() {
    let (current, barrier) = ("1.7.14-tectonic.2", "1.7.16-tectonic.1");
    let manifest = format!("release.{barrier}.json");
    // A barrier that no channel offers.
    let with = |version, not_before: Option<i64>| {
        let mut forge = Forge::new(version);
        let mut release = forge.repository.releases[&current.parse().unwrap()].clone();
        (release.version, release.barrier, release.payloads) = (barrier.parse().unwrap(), true, [].into());
        let now = forge.repository.now;
        let production = |days| ("production".parse().unwrap(), now + chrono::TimeDelta::days(days));
        release.not_before = not_before.map(production).into_iter().collect();
        forge.repository.releases.insert(release.version.clone(), release);
        forge.seal()
    };
    let answer = |scene: &Scene| told(&scene.check_as(CHANNEL, current).unwrap());
    for (before, after) in [(Some(-9), Some(60)), (Some(60), Some(-9)), (Some(60), None), (None, Some(60))] {
        let scene = Scene::at(with(3, before));
        let is_early = before == Some(60);
        assert_eq!(answer(&scene) != "blocked barrier", is_early, "{before:?}");
        // Also if the next index says something else again.
        for (version, not_before) in [(4, after), (5, Some(90))] {
            scene.server.serve(with(version, not_before));
            scene.server.remove(&manifest);
            assert_eq!(answer(&scene), "blocked barrier", "{before:?} {version}");
        }
        scene.server.serve(with(6, Some(60)));
        assert_ne!(answer(&scene), "blocked barrier", "{before:?}");
    }
}

#[test]
fn a_role_of_another_line_is_read_by_those_who_need_it_and_lists_nothing_for_others() {
    let list = |role: &mut Value| role["targets"][release()] = json!(Target::of(b"evil"));
    let scene = Scene::new();
    scene.server.serve(third().edit("releases-1.7", list).seal());
    scene.server.asked();
    assert_eq!(scene.answer(), GOOD);
    assert!(!scene.server.asked().iter().any(|path| path.ends_with(".releases-1.7.json")));
    // Who comes from that line needs its role.
    let refusal = scene.check_as(CHANNEL, "1.7.14-tectonic.2").unwrap_err();
    assert_eq!(refusal.kind(), "OutOfScope", "{refusal}");
}
