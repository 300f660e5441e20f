//! Releases that are signed, and in no stage yet.

use super::*;
use crate::publish::restore::restore;

/// Where `1.8.5` is signed and waits for its first stage.
fn waits(now: Time) -> World {
    let mut world = world(now);
    world.release("1.8.5").entries[0] = None;
    world
}

/// How many files of a kind are in the repository.
fn count(publication: &Publication, kind: &str) -> usize {
    paths(publication).iter().filter(|path| path.contains(kind)).count()
}

const MANIFEST: &str = ".release.1.8.5.json";
const PAYLOAD: &str = ".payload.1.8.5.payload.json";

#[test]
fn all_that_is_listed_of_it_is_in_the_repository_and_nobody_is_offered_it() {
    let now = t("2018-01-01");
    let mut world = waits(now);
    let publication = world.publish(None, now).publication;
    assert_eq!((count(&publication, MANIFEST), count(&publication, PAYLOAD)), (1, 1));
    assert!(publication.is_signed(&v("1.8.5")) && publication.release(&v("1.8.5")).is_none());
    assert!(publication.payload(&v("1.8.5"), "payload.json").is_none());
    assert_eq!(manifest(&publication, "1.8-preproduction").latest, Some(v("1.8.4")));
    // Every payload that is listed is there.
    for role in world.trust.lines().values() {
        for (name, target) in &role.signed().targets {
            let path = crate::formats::tuf::names::target_path(name, &target.hashes.sha256);
            assert!(publication.tuf(&path).is_some(), "{path}");
        }
    }

    world.missing.push(v("1.8.5"));
    let without = world.publish(Some(&publication), now).publication;
    assert_eq!((count(&without, MANIFEST), count(&without, PAYLOAD)), (1, 0));
    assert!(without.is_signed(&v("1.8.5")));
    world.manifests.remove(&v("1.8.5"));
    assert!(!world.publish(Some(&without), now).publication.is_signed(&v("1.8.5")));
}

#[test]
fn a_refused_line_keeps_what_waits_in_it_until_that_is_withdrawn() {
    let now = t("2018-01-01");
    let mut world = waits(now);
    let first = world.publish(None, now).publication;
    let eight = world.lose("1.8");
    let later = now + TimeDelta::hours(1);
    let second = world.publish(Some(&first), later).publication;
    assert_eq!((count(&second, MANIFEST), count(&second, PAYLOAD)), (1, 1));

    // It can be read again, and steps back; what waits was yanked, and its payload taken away.
    (world.faulty, world.missing) = (BTreeMap::new(), vec![v("1.8.5")]);
    world.lines.push(eight);
    world.release("1.8.4").entries[1].as_mut().unwrap().since += TimeDelta::days(1);
    world.release("1.8.5").yank =
        Some(Box::new(crate::domain::release::Yank { event: event(later, "it holds a secret"), to: None }));
    let outcome = world.publish(Some(&second), later + TimeDelta::hours(1));
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!((count(&outcome.publication, MANIFEST), count(&outcome.publication, PAYLOAD)), (1, 0));
}

#[test]
fn it_is_stored() {
    let now = t("2018-01-01");
    let publication = waits(now).publish(None, now).publication;
    let read = Packed::of(&publication).unpack().unwrap();
    assert!(read.is_signed(&v("1.8.5")) && read.is_signed(&v("1.8.4")));
    assert_eq!(count(&read, PAYLOAD), 1);
}

#[test]
fn a_mirror_serves_its_payload_if_that_came_along_and_knows_nothing_of_it() {
    let now = t("2018-01-01");
    let mut world = waits(now);
    let publication = world.publish(None, now).publication;
    let fetch = |path: &str| match publication.tuf(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let mut mirror = restore(world.trust.root(), now, &fetch).unwrap();
    for (came_along, payloads) in [(false, 0), (true, 1)] {
        mirror.find_payloads(|_| came_along);
        assert_eq!((count(&mirror, MANIFEST), count(&mirror, PAYLOAD)), (1, payloads));
        assert_eq!(mirror.payload_files().count(), 3 + payloads);
    }
    assert!(mirror.explain(&v("1.8.5")).is_none() && !mirror.is_signed(&v("1.8.5")));
    assert_eq!(mirror.releases(), 3);
}

#[test]
fn a_process_that_stops_waits_for_no_publication() {
    let now = t("2018-01-01");
    let world = world(now);
    let catalog = world.catalog();
    let decided = Decided::of(&catalog, &BTreeMap::new(), None, now);
    world.stopping.store(true, Ordering::Relaxed);
    assert!(matches!(world.try_publish(&decided, None, 1), Err(PublishError::Stopping)));
}
