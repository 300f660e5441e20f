//! A publication made from what clients see of another.

use super::*;
use crate::formats::tuf::{Root, Targets};
use crate::publish::continuity::check_follows;
use crate::publish::restore::{made, restore};

fn fetch(publication: &Publication) -> impl Fn(&str) -> Option<Bytes> {
    |path| match publication.tuf(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    }
}

#[test]
fn it_serves_the_same_documents_and_gives_the_same_answers() {
    let now = t("2018-01-01");
    let mut world = world(now);
    world.release("1.8.4").yank =
        Some(Box::new(crate::domain::release::Yank { event: event(t("2017-12-20"), "broken"), to: None }));
    let publication = world.publish(None, now).publication;
    let restored = restore(world.trust.root(), now, &fetch(&publication)).unwrap();
    assert_eq!(restored.highest(), publication.version);
    assert_eq!(restored.version, publication.version);
    assert_eq!(restored.made, publication.made);
    assert_eq!(restored.expires, publication.expires);
    assert_eq!(restored.offers(), publication.offers());
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
    assert!(matches!(refused, Err(Violation::Expired { .. })));
    let made = made(&fetch).unwrap().unwrap();
    assert_eq!(made, now);
    assert!(restore(world.trust.root(), made, &fetch).is_ok());
}

#[test]
fn a_repository_without_a_file_that_a_channel_needs_is_refused() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let publication = world.publish(None, now).publication;
    let fetch = fetch(&publication);
    for gone in paths(&publication).into_iter().filter(|path| !path.contains(".payload.")) {
        let without = |path: &str| (path != gone).then(|| fetch(path)).flatten();
        assert!(restore(world.trust.root(), now, &without).is_err(), "without {gone}");
    }
}

#[test]
fn what_was_verified_is_what_is_taken_whatever_comes_the_next_time() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let publication = world.publish(None, now).publication;
    let fetch = fetch(&publication);
    let asked = std::cell::RefCell::new(HashMap::<String, u32>::new());
    let fickle = |path: &str| {
        let times = *asked.borrow_mut().entry(path.to_owned()).and_modify(|times| *times += 1).or_insert(1);
        if times == 1 { fetch(path) } else { Some(Bytes::from_static(b"forged")) }
    };
    let trusted = world.trust.root();
    let restored = restore(trusted, now, &fickle).unwrap();
    for version in ["1.7.9", "1.8.5"] {
        assert_eq!(
            restored.release(&v(version)).unwrap().identity,
            publication.release(&v(version)).unwrap().identity
        );
    }
}

#[test]
fn a_line_that_nobody_signed_anew_keeps_no_other_from_being_taken_up() {
    let signed = t("2018-01-01");
    let mut world = world(signed);
    // The root and targets of the lines last as long as theirs; only one line's is older.
    let late = signed + crate::formats::tuf::RELEASES_LIFETIME - TimeDelta::days(3);
    let root = Root::of(
        2,
        late,
        &signers(&world.keys.root),
        &signers(&world.keys.targets),
        &signers(&world.keys.online),
    );
    let mut targets = world.trust.targets().signed().clone();
    (targets.version, targets.expires) = (2, late + TimeDelta::days(300));
    let mut eight = world.trust.line(&LineName::parse("1.8").unwrap()).unwrap().signed().clone();
    (eight.version, eight.expires) = (eight.version + 1, late + TimeDelta::days(300));
    world.resign(
        [
            ("2.root.json", Signed::sign(root, [&world.keys.root]).unwrap().raw().clone()),
            ("targets.json", Signed::sign(targets, [&world.keys.targets]).unwrap().raw().clone()),
            ("releases-1.8.json", Signed::sign(eight, [&world.keys.release]).unwrap().raw().clone()),
        ]
        .map(|(name, raw)| (name.to_owned(), raw))
        .into(),
    );
    let now = late + TimeDelta::days(5);
    let publication = world.publish(None, now).publication;
    let restored = restore(world.trust.root(), now, &fetch(&publication)).unwrap();
    assert_eq!(restored.expires, publication.expires);
    assert!(restored.expires > now);
}

fn signers(key: &PrivateKey) -> crate::formats::tuf::Signers {
    crate::formats::tuf::Signers::any(vec![key.public().key()])
}

#[test]
fn an_older_root_never_follows_however_new_what_its_keys_sign() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let old = world.publish(None, now).publication;
    let rotated = PrivateKey::from_seed(&[9; 32]);
    let online = signers(&rotated);
    let root = Root::of(2, now, &signers(&world.keys.root), &signers(&world.keys.targets), &online);
    let mut targets = Targets::delegating(
        2,
        now,
        [("1.7", "1.7"), ("1.8", "1.8")]
            .map(|(name, prefix)| {
                (LineName::parse(name).unwrap(), crate::domain::line::Prefix::parse(prefix).unwrap())
            })
            .iter()
            .map(|(name, prefix)| (name, prefix, &*Box::leak(Box::new(signers(&world.keys.release))))),
        &online,
    );
    targets.version = 2;
    world.resign(
        [
            ("2.root.json", Signed::sign(root, [&world.keys.root]).unwrap().raw().clone()),
            ("targets.json", Signed::sign(targets, [&world.keys.targets]).unwrap().raw().clone()),
        ]
        .map(|(name, raw)| (name.to_owned(), raw))
        .into(),
    );
    world.keys.online = rotated;
    let new = world.publish(Some(&old), now + TimeDelta::days(1)).publication;
    assert!(check_follows(&old, &new).is_ok());
    assert!(matches!(check_follows(&new, &old), Err(Violation::WentBack { .. })));
}
