//! The online key is stolen and drives all versions to their maximum; the owners put another one in
//! its place and go on with the versions that they had.

use serde_json::json;
use tidegate::formats::tuf::Root;
use tidegate::formats::tuf::names::{self, TIMESTAMP_PATH};

use super::forge::{Forge, NEW_ONLINE, ONLINE, ROOT, TARGETS, any, both, day};
use super::scene::{CHANNEL, GOOD, Scene};

/// The highest version that has a canonical form.
const MOST: u64 = (1 << 53) - 1;

/// What the thief of the online key publishes.
fn fast_forward() -> Forge<'static> {
    let mut forge = Forge::new(2);
    forge.repository.version = MOST;
    forge.repository.role(names::CHANNELS).version = MOST;
    for manifest in forge.repository.channels.values_mut() {
        manifest.version = MOST;
    }
    forge
}

/// What the owners publish under a new root, with another key for snapshot, timestamp and `channels`.
fn recovered(version: u64) -> Forge<'static> {
    let mut forge = Forge::with(version, NEW_ONLINE);
    let now = forge.repository.now;
    forge.repository.root = Root::of(2, now, &both(ROOT), &any(TARGETS), &any(NEW_ONLINE));
    forge
}

fn moved_on() -> Scene {
    let scene = Scene::new();
    scene.server.serve(fast_forward().seal());
    assert_eq!(scene.answer(), GOOD, "the key is the right one, and no version is out of bounds");
    scene
}

fn assert_refused(scene: &Scene, kind: &str) {
    let before = scene.trusted();
    let refusal = scene.check().expect_err(kind);
    assert_eq!(refusal.kind(), kind, "{refusal}");
    assert_eq!(scene.trusted(), before);
    assert_eq!(scene.known().as_deref(), Ok(GOOD));
}

#[test]
fn a_cluster_that_saw_all_versions_at_their_maximum_follows_the_owners_new_key() {
    let scene = moved_on();
    // With the stolen key nothing normal is taken any more.
    scene.server.serve(Forge::new(3).seal());
    assert_refused(&scene, "Rollback");
    scene.server.serve(recovered(3).seal());
    assert_eq!(scene.answer(), GOOD);
    scene.server.serve(recovered(4).seal());
    assert_eq!(scene.answer(), GOOD);
    // From here on versions count again.
    scene.server.serve(recovered(3).seal());
    assert_refused(&scene, "Rollback");
    scene.server.serve(recovered(5).set(&format!("channel.{CHANNEL}.json"), "version", 3).seal());
    assert_refused(&scene, "Rollback");
}

#[test]
fn what_the_thief_signs_after_the_new_root_is_refused() {
    let scene = moved_on();
    scene.server.serve(recovered(3).seal());
    assert_eq!(scene.answer(), GOOD);
    for name in ["timestamp", "snapshot", "channels", "channel.1.8-production.json"] {
        let forge = recovered(4).set("timestamp", "version", 5).set(name, "expires", day(1));
        scene.server.serve(forge.by(name, &[ONLINE]).seal());
        assert_refused(&scene, "NotEnoughSignatures");
    }
    scene.server.serve(recovered(6).seal());
    assert_eq!(scene.answer(), GOOD);
}

#[test]
fn a_thief_who_hides_the_new_root_can_go_on_until_the_old_state_expires() {
    let scene = moved_on();
    let mut hidden = recovered(3).seal();
    hidden.remove("metadata/2.root.json");
    scene.server.serve(hidden);
    assert_refused(&scene, "NotEnoughSignatures");
    scene.server.serve(fast_forward().seal());
    assert_eq!(scene.answer(), GOOD);
    scene.clock.set(Forge::new(1).repository.now + chrono::TimeDelta::days(7));
    assert_eq!(scene.check().unwrap_err().kind(), "Expired");
}

#[test]
fn a_new_root_without_a_new_key_for_channels_does_not_forget_their_versions() {
    let scene = moved_on();
    // The thief's own `channels` are still trusted by the owners' targets.
    let mut forge = Forge::new(3).by("timestamp", &[NEW_ONLINE]).by("snapshot", &[NEW_ONLINE]);
    let now = forge.repository.now;
    forge.repository.root = Root::of(2, now, &both(ROOT), &any(TARGETS), &any(NEW_ONLINE));
    scene.server.serve(forge.seal());
    assert_refused(&scene, "Rollback");
}

#[test]
fn a_version_at_its_maximum_is_not_passed_by_adding_one() {
    let scene = moved_on();
    let mut files = fast_forward().seal();
    let forged = fast_forward().set("timestamp", "version", json!(MOST + 1)).seal();
    files.insert(TIMESTAMP_PATH.to_owned(), forged[TIMESTAMP_PATH].clone());
    scene.server.serve(files);
    assert_refused(&scene, "Malformed");
}
