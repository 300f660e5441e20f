//! A publication made from what clients see of another.

use proptest::prelude::*;

use super::alone::renamed;
use super::*;
use crate::formats::tuf::{Root, Targets};
use crate::publish::continuity::check_follows;
use crate::publish::restore::{made as made_at, restore};

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

/// What a line has to show for itself.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Absent,
    /// Delegated, and without a release.
    Empty,
    Released,
    Yanked,
    Retired,
    /// Not delegated yet, and without a release.
    New,
    /// Not delegated yet, with releases that nobody could sign.
    NewUnsigned,
    /// Not delegated yet, and its name says nothing about its versions.
    NewNamed,
}

fn kinds() -> impl Strategy<Value = [Kind; 4]> {
    use Kind::{Absent, Empty, New, NewNamed, NewUnsigned, Released, Retired, Yanked};
    let all = vec![Absent, Empty, Released, Yanked, Retired, New, NewUnsigned, NewNamed];
    prop::array::uniform4(prop::sample::select(all))
}

/// A line of a kind, and whether somebody has delegated it.
fn made(name: &str, follows: Option<&str>, kind: Kind) -> Option<(Line, bool)> {
    let version = format!("{name}.4");
    let entered = ["2017-12-01", "2017-12-15"];
    let line = line(name, follows);
    Some(match kind {
        Kind::Absent => return None,
        Kind::Empty => (line, true),
        Kind::Released => (line.with(release(&version, &entered)), true),
        Kind::Yanked => (line.with(release(&version, &entered).yanked_at("2017-12-20", None)), true),
        Kind::Retired => {
            let mut line = line.with(release(&version, &entered));
            line.retired = Some(event(t("2017-12-20"), "no fixes"));
            (line, true)
        }
        Kind::New => (line, false),
        Kind::NewUnsigned => (line.with(release(&version, &entered)), false),
        Kind::NewNamed => (renamed(line, &format!("next-{}", &name[2..])), false),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_published_can_be_restored_with_new_empty_and_retired_lines(kinds in kinds()) {
        let now = t("2018-01-01");
        let mut before: Option<&str> = None;
        let (mut delegated, mut new) = (Vec::new(), Vec::new());
        for (name, kind) in ["1.6", "1.7", "1.8", "1.9"].into_iter().zip(kinds) {
            let Some((line, is_delegated)) = made(name, before, kind) else { continue };
            before = matches!(kind, Kind::Empty | Kind::Released).then_some(name);
            if is_delegated { delegated.push(line) } else { new.push(line) }
        }
        let mut world = World::new(delegated, now);
        world.lines.extend(new);
        let publication = world.publish(None, now).publication;
        let restored = restore(world.trust.root(), now, &fetch(&publication)).unwrap();
        prop_assert_eq!(restored.offers(), publication.offers());
        prop_assert_eq!(paths(&restored), paths(&publication));
        prop_assert!(check_follows(&publication, &restored).is_ok());
        for channel in publication.channel_names() {
            for version in ["1.5.1", "1.6.4", "1.7.4", "1.8.4", "1.9.4", "1.9.9", "2.0.0"] {
                let [a, b] = [&restored, &publication].map(|of| answer(of, channel.as_str(), version));
                // Why an unsigned release does not come is in the catalog alone, as are its number and
                // that of a line that is not called by it.
                let same = a["target"] == b["target"];
                prop_assert!(same, "{} {}: {} {}", channel, version, a, b);
            }
        }
        // A server goes on from it, also when what is new gets signed or goes away.
        let next = world.publish(Some(&restored), now + TimeDelta::days(1));
        prop_assert!(next.refused.is_empty(), "{:?}", next.refused);
        world.lines.retain(|line| world.trust.line(&line.name).is_some());
        let gone = world.publish(Some(&next.publication), now + TimeDelta::days(2));
        prop_assert!(gone.refused.is_empty(), "{:?}", gone.refused);
        prop_assert!(restore(world.trust.root(), now + TimeDelta::days(2), &fetch(&gone.publication)).is_ok());
    }
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
    let made = made_at(&fetch).unwrap().unwrap();
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
