//! A publication made from what clients see of another.

use super::*;
use crate::publish::restore::{RestoreError, made, restore};

fn fetch(publication: &Publication) -> impl Fn(&str) -> Option<Bytes> {
    |path| match publication.tuf.get(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    }
}

#[test]
fn it_serves_the_same_documents_and_gives_the_same_answers() {
    let now = t("2018-01-01");
    let mut world = world(now);
    world.release("1.8.4").yank =
        Some(crate::domain::release::Yank { event: event(t("2017-12-20"), "broken"), to: None });
    let publication = world.publish(None, now).publication;
    let restored = restore(world.trust.root(), now, &fetch(&publication)).unwrap();
    assert_eq!(restored.highest, publication.version);
    let restored = restored.publication;
    assert_eq!(restored.version, publication.version);
    assert_eq!(restored.made, publication.made);
    assert_eq!(restored.expires, publication.expires);
    assert_eq!(restored.offers, publication.offers);
    let paths = |of: &Publication| of.tuf.keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(paths(&restored), paths(&publication));
    for channel in publication.channel_names() {
        assert_eq!(
            restored.channel(channel).unwrap().identity,
            publication.channel(channel).unwrap().identity
        );
        for version in ["1.7.1", "1.7.9", "1.7.14", "1.7.99", "1.8.4", "1.8.5", "1.9.0"] {
            let [a, b] = [&restored, &publication].map(|of| answer(of, channel.as_str(), version));
            // Until when something soaks is in the catalog alone.
            let same = a == b || b["action"] == "wait" || b.get("coming").is_some();
            assert!(same, "{channel} {version}: {a} {b}");
        }
    }
    for version in ["1.7.9", "1.8.5"] {
        assert_eq!(
            restored.release(&v(version)).unwrap().identity,
            publication.release(&v(version)).unwrap().identity
        );
    }
    // What is published after it goes on from it.
    let next = world.publish(Some(&restored), now + TimeDelta::days(1)).publication;
    assert!(next.version > publication.version);
}

#[test]
fn what_expired_can_be_taken_up_as_of_when_it_was_made() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let publication = world.publish(None, now).publication;
    let fetch = fetch(&publication);
    let late = t("2018-02-01");
    let refused = restore(world.trust.root(), late, &fetch);
    assert!(matches!(refused, Err(RestoreError::Violation(Violation::Expired { .. }))));
    let made = made(&fetch).unwrap();
    assert_eq!(made, now);
    assert!(restore(world.trust.root(), made, &fetch).is_ok());
}

#[test]
fn a_repository_without_a_file_that_a_channel_needs_is_refused() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let publication = world.publish(None, now).publication;
    let fetch = fetch(&publication);
    let needed: Vec<&str> =
        publication.tuf.keys().map(AsRef::as_ref).filter(|path| !path.contains(".payload.")).collect();
    for gone in needed {
        let without = |path: &str| (path != gone).then(|| fetch(path)).flatten();
        assert!(restore(world.trust.root(), now, &without).is_err(), "without {gone}");
    }
}
