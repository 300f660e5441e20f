//! What outlives a check: only what was verified, and all of it that the next check is compared with.

use serde_json::Value;
use tidegate::formats::manifest::Notice;

use super::forge::{Forge, NEW_ONLINE, NOW, RELEASE};
use super::index::INDEX;
use super::narrowing::delegated;
use super::repository::Files;
use super::scene::{CURRENT, GOOD, Scene, TARGET, told};

const OF_1_7: (&str, &str) = ("1.7-production", "1.7.14-tectonic.2");

/// Line 1.7 is retired, so who follows it looks for the next line and ignores what is wrong there.
fn retired(version: u64) -> Forge<'static> {
    let mut forge = Forge::new(version);
    for channel in ["1.7-preproduction", "1.7-production"] {
        let reason = "no fixes any more".to_owned();
        forge.repository.channel(channel).retired = Some(Notice { at: *NOW, reason });
    }
    forge
}

/// A release that is a barrier according to its manifest.
fn barrier(forge: Forge<'static>) -> Forge<'static> {
    forge.set(&format!("release.{CURRENT}.json"), "barrier", true)
}

/// The index of line 1.8 no longer says what the manifest of the barrier says.
fn hidden(forge: Forge<'static>) -> Forge<'static> {
    barrier(forge).edit(INDEX, |index| {
        drop(index["releases"][CURRENT].as_object_mut().unwrap().remove("barrier").unwrap());
    })
}

/// The file that the server has of a target.
fn served<'f>(files: &'f Files, name: &str) -> &'f [u8] {
    files.iter().find(|(path, _)| path.ends_with(&format!(".{name}"))).unwrap().1
}

#[test]
fn a_file_that_was_refused_in_passing_is_not_kept_and_no_better_the_next_time() {
    let unsorted =
        |text: String| text.replacen(r#""format":1,"line":"1.8""#, r#""line":"1.8","format":1"#, 1);
    let unknown = |manifest: &mut Value| manifest["evil"] = true.into();
    let manifest = "channel.1.8-production.json";
    for (name, files) in [
        (INDEX, retired(3).text(INDEX, unsorted).seal()),
        (manifest, retired(3).edit(manifest, unknown).seal()),
    ] {
        let scene = Scene::at(files);
        for _ in 0..2 {
            let checked = scene.check_as(OF_1_7.0, OF_1_7.1).unwrap();
            assert_eq!(told(&checked), "none retired", "{name}");
            let next = tidegate::words::answer(&checked.answer());
            assert!(!next.contains("1.8-production"), "{name}: {next}");
            let refused = served(&scene.second, name);
            assert!(scene.trusted().iter().all(|(_, kept)| kept != refused), "{name} is kept");
        }
        assert_eq!(scene.check().unwrap_err().kind(), "Malformed", "{name}");
    }
}

#[test]
fn an_index_follows_the_last_one_that_was_verified_whatever_was_looked_at_since() {
    let first = || Scene::at(barrier(Forge::new(3)).seal());
    // The line is not looked at, or what is wrong there is ignored.
    for between in [hidden(Forge::new(4)), hidden(retired(4))] {
        let scene = first();
        assert_eq!(scene.answer(), GOOD);
        scene.server.serve(between.seal());
        scene.check_as(OF_1_7.0, OF_1_7.1).unwrap();
        assert_eq!(scene.check().unwrap_err().kind(), "Contradiction");
        scene.server.serve(barrier(Forge::new(5)).seal());
        assert_eq!(scene.answer(), GOOD);
    }
    // A check that is refused changes nothing about it.
    let scene = first();
    assert_eq!(scene.answer(), GOOD);
    for version in [4, 5] {
        scene.server.serve(hidden(Forge::new(version)).seal());
        assert_eq!(scene.check().unwrap_err().kind(), "Contradiction");
    }
}

#[test]
fn a_release_vanishes_from_a_line_only_with_the_keys_that_have_signed_it() {
    let other = "1.8.5-tectonic.1";
    let with = |version| {
        let mut forge = Forge::new(version);
        let mut manifest = forge.repository.releases[&CURRENT.parse().unwrap()].clone();
        manifest.version = other.parse().unwrap();
        forge.repository.releases.insert(manifest.version.clone(), manifest);
        forge
    };
    let scene = Scene::at(with(3).seal());
    assert_eq!(scene.answer(), GOOD);
    // Whether the index says so at once or after a check of another line.
    for version in [4, 5] {
        scene.server.serve(Forge::new(version).seal());
        assert_eq!(scene.check().unwrap_err().kind(), "Rollback");
        scene.check_as(OF_1_7.0, OF_1_7.1).unwrap();
    }
    // A thief of the release keys had signed it, and the owners have replaced one of them.
    let keys = &[RELEASE[0], NEW_ONLINE];
    let mut forge = delegated(Forge::new(6), "releases-1.8", keys);
    for name in ["releases-1.8", &format!("release.{CURRENT}.json"), &format!("release.{TARGET}.json")] {
        forge = forge.by(name, keys);
    }
    scene.server.serve(forge.seal());
    assert_eq!(scene.answer(), GOOD);
}

#[test]
fn an_index_still_counts_if_a_key_that_was_added_since_has_an_invalid_signature_of_it() {
    let scene = Scene::at(barrier(Forge::new(3)).wrongly_by("releases-1.8", NEW_ONLINE).seal());
    assert_eq!(scene.answer(), GOOD);
    let added = delegated(hidden(Forge::new(4)), "releases-1.8", &[RELEASE[0], RELEASE[1], NEW_ONLINE]);
    scene.server.serve(added.seal());
    assert_eq!(scene.check().unwrap_err().kind(), "Contradiction");
}
