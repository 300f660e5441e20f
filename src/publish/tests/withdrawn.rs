//! A payload that is taken away after its release was yanked.

use super::*;
use crate::domain::release::Yank;
use crate::publish::restore::restore;

fn yank(at: Time) -> Yank {
    Yank { event: event(at, "it holds a secret"), to: None }
}

/// The paths of a release's payloads in the repository, those of replaced files too.
fn payload_paths(publication: &Publication, version: &str) -> usize {
    let retired = publication.retired.keys().map(ToString::to_string);
    let all = paths(publication).into_iter().chain(retired);
    all.filter(|path| path.contains(&format!(".payload.{version}."))).count()
}

#[test]
fn the_payload_of_a_yanked_release_can_be_taken_away_and_all_else_stays() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    assert_eq!(payload_paths(&first, "1.8.4"), 1);
    let later = now + TimeDelta::hours(1);
    world.release("1.8.4").yank = Some(Box::new(yank(later)));
    let second = world.publish(Some(&first), later).publication;
    assert!(second.payload(&v("1.8.4"), "payload.json").is_some(), "a yank alone takes nothing away");
    assert!(!second.is_withdrawn(&v("1.8.4"), "payload.json"));

    world.missing.push(v("1.8.4"));
    let outcome = world.publish(Some(&second), later + TimeDelta::minutes(1));
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    let third = outcome.publication;
    assert_eq!(payload_paths(&third, "1.8.4"), 0);
    assert!(third.payload(&v("1.8.4"), "payload.json").is_none());
    assert!(third.is_withdrawn(&v("1.8.4"), "payload.json"));
    assert!(
        !third.is_withdrawn(&v("1.8.4"), "other.json") && !third.is_withdrawn(&v("1.8.5"), "payload.json")
    );
    assert_eq!(third.release(&v("1.8.4")).unwrap().identity, first.release(&v("1.8.4")).unwrap().identity);
    assert_eq!(explained(&third, "1.8.4")["state"], "yanked");
    assert_eq!(manifest(&third, "1.8-production"), manifest(&second, "1.8-production"));
    // What comes next in the line is published.
    world.release("1.8.5").entries[1] = Some(crate::domain::testing::entry(t("2018-01-11")));
    let fourth = world.publish(Some(&third), t("2018-01-12")).publication;
    assert_eq!(manifest(&fourth, "1.8-production").latest, Some(v("1.8.5")));

    // Without the yank it is missed.
    world.release("1.8.4").yank = None;
    let outcome = world.publish(Some(&fourth), t("2018-01-13"));
    assert_eq!(outcome.refused.len(), 1);
}

#[test]
fn a_mirror_knows_what_was_withdrawn_by_what_is_not_there() {
    let now = t("2018-01-01");
    let mut world = world(now);
    world.release("1.8.4").yank = Some(Box::new(yank(now)));
    world.missing.push(v("1.8.4"));
    let publication = world.publish(None, now).publication;
    let fetch = |path: &str| match publication.tuf(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let mut restored = restore(world.trust.root(), now, &fetch).unwrap();
    assert_eq!(payload_paths(&restored, "1.8.4"), 1);
    restored.find_payloads(|path| publication.tuf(path).is_some());
    assert_eq!(payload_paths(&restored, "1.8.4"), 0);
    assert!(restored.is_withdrawn(&v("1.8.4"), "payload.json"));
    // What is missing and not yanked is no such thing.
    restored.find_payloads(|_| false);
    assert_eq!(payload_paths(&restored, "1.7.9"), 1);
}

#[test]
fn in_a_refused_line_explain_follows_a_yank_and_its_payload_can_be_taken_away() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let by_ben = |entry: &mut crate::domain::release::Entry| {
        "ben".clone_into(&mut entry.by);
        entry.reason = Some("closes a hole".to_owned());
    };
    by_ben(world.release("1.8.4").entries[1].as_mut().unwrap());
    let first = world.publish(None, now).publication;
    // The line steps back: what was published in it changed.
    world.release("1.8.5").entries[0].as_mut().unwrap().since -= TimeDelta::hours(1);
    let later = now + TimeDelta::hours(1);
    world.release("1.8.4").yank = Some(Box::new(yank(later)));
    let outcome = world.publish(Some(&first), later);
    assert_eq!(outcome.refused.len(), 1);
    let second = outcome.publication;
    assert_eq!(answer(&second, "1.8-production", "1.8.4")["code"], "yanked");
    let told = explained(&second, "1.8.4");
    assert_eq!((&told["state"], &told["yanked"]["reason"]), (&"yanked".into(), &"it holds a secret".into()));
    assert!(told.to_string().contains("closes a hole"), "{told}");
    assert_eq!(explained(&second, "1.8.5")["entered"], explained(&first, "1.8.5")["entered"]);

    world.missing.push(v("1.8.4"));
    let third = world.publish(Some(&second), later + TimeDelta::minutes(1)).publication;
    assert_eq!(payload_paths(&third, "1.8.4"), 0);
    assert!(third.is_withdrawn(&v("1.8.4"), "payload.json"));
    assert!(third.payload(&v("1.8.5"), "payload.json").is_some());
}
