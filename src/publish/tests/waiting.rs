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
fn paths(publication: &Publication, kind: &str) -> usize {
    publication.tuf.keys().filter(|path| path.contains(kind)).count()
}

const MANIFEST: &str = ".release.1.8.5.json";
const PAYLOAD: &str = ".payload.1.8.5.payload.json";

#[test]
fn all_that_is_listed_of_it_is_in_the_repository_and_nobody_is_offered_it() {
    let now = t("2018-01-01");
    let mut world = waits(now);
    let publication = world.publish(None, now).publication;
    assert_eq!((paths(&publication, MANIFEST), paths(&publication, PAYLOAD)), (1, 1));
    assert!(publication.is_signed(&v("1.8.5")) && publication.release(&v("1.8.5")).is_none());
    assert!(publication.payload(&v("1.8.5"), "payload.json").is_none());
    assert_eq!(manifest(&publication, "1.8-preproduction").latest, Some(v("1.8.4")));
    // Every payload that is listed is there.
    for role in world.trust.releases().values() {
        for (name, target) in &role.signed().targets {
            let path = crate::formats::tuf::names::target_path(name, &target.hashes.sha256);
            assert!(publication.tuf.contains_key(path.as_str()), "{path}");
        }
    }

    world.missing.push(v("1.8.5"));
    let without = world.publish(Some(&publication), now).publication;
    assert_eq!((paths(&without, MANIFEST), paths(&without, PAYLOAD)), (1, 0));
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
    assert_eq!((paths(&second, MANIFEST), paths(&second, PAYLOAD)), (1, 1));

    // It can be read again, and steps back; what waits was yanked, and its payload taken away.
    (world.faulty, world.missing) = (BTreeMap::new(), vec![v("1.8.5")]);
    world.lines.push(eight);
    world.release("1.8.4").entries[1].as_mut().unwrap().since += TimeDelta::days(1);
    world.release("1.8.5").yank =
        Some(crate::domain::release::Yank { event: event(later, "it holds a secret"), to: None });
    let outcome = world.publish(Some(&second), later + TimeDelta::hours(1));
    assert_eq!(outcome.refused.len(), 1);
    assert_eq!((paths(&outcome.publication, MANIFEST), paths(&outcome.publication, PAYLOAD)), (1, 0));
}

#[test]
fn it_is_stored_and_what_was_stored_before_it_was_told_apart_is_read() {
    let now = t("2018-01-01");
    let publication = waits(now).publish(None, now).publication;
    let mut packed = Vec::new();
    pack(&publication, &mut packed).unwrap();
    let read = unpack(&mut &packed[..], packed.len() as u64).unwrap();
    assert!(read.is_signed(&v("1.8.5")) && read.is_signed(&v("1.8.4")));
    assert_eq!(paths(&read, PAYLOAD), 1);

    let old = without_signed(&packed);
    let read = unpack(&mut &old[..], old.len() as u64).unwrap();
    assert!(read.is_signed(&v("1.8.4")) && !read.is_signed(&v("1.8.5")));
    let next = waits(now).publish(Some(&read), now).publication;
    assert!(next.is_signed(&v("1.8.5")));
}

/// A packed publication as it was before its index said which releases are signed.
fn without_signed(packed: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    let head = b"tidegate publication 1\n".len();
    let length = u64::from_be_bytes(packed[head..head + 8].try_into().unwrap());
    let end = head + 8 + usize::try_from(length).unwrap();
    let index = std::str::from_utf8(&packed[head + 8..end]).unwrap();
    let index = index.replace("\"signed\":true,", "").replace("\"signed\":false,", "");
    assert!(!index.contains("signed\":") && index.len() < end - head - 8);
    let mut old = packed[..head].to_vec();
    old.extend((index.len() as u64).to_be_bytes());
    old.extend(index.as_bytes());
    old.extend(&packed[end..packed.len() - 32]);
    let digest = sha2::Sha256::digest(&old);
    old.extend(digest);
    old
}

#[test]
fn a_mirror_is_told_of_its_payload_and_knows_nothing_of_it() {
    let now = t("2018-01-01");
    let mut world = waits(now);
    let publication = world.publish(None, now).publication;
    let fetch = |path: &str| match publication.tuf.get(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let restored = restore(world.trust.root(), now, &fetch).unwrap();
    let waiting: Vec<&str> = restored.waiting.iter().map(|(path, _)| &**path).collect();
    assert!(matches!(waiting[..], [path] if path.ends_with(PAYLOAD)), "{waiting:?}");
    assert_eq!(paths(&restored.publication, PAYLOAD), 0);
    assert!(restored.publication.explain(&v("1.8.5")).is_none());
}
