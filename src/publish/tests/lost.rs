//! Lines whose stored documents cannot be read after a restart.

use super::*;
use crate::publish::continuity::check_seen;

/// What becomes of a segment.
type Harm = fn(&mut Packed, crate::domain::payload::Sha256);

const HARMS: [(&str, Harm); 4] = [
    ("lost", |packed, own| drop(packed.segments.remove(&own))),
    ("cut", |packed, own| packed.segments.get_mut(&own).unwrap().truncate(99)),
    ("changed", |packed, own| {
        let segment = packed.segments.get_mut(&own).unwrap();
        let place = segment.len() / 2;
        segment[place] ^= 1;
    }),
    ("another line's", |packed, own| {
        let other = packed.segments.iter().find(|(sha256, _)| **sha256 != own);
        let other = other.map(|(_, bytes)| bytes.clone()).unwrap();
        packed.segments.insert(own, other);
    }),
];

fn line_name(name: &str) -> LineName {
    LineName::parse(name).unwrap()
}

/// A publication as it is read after harm came to the segment of a line.
fn without(publication: &Publication, line: &str, harm: Harm) -> Publication {
    let mut packed = Packed::of(publication);
    let own = publication.parts.line(&line_name(line)).unwrap().stored().unwrap().sha256;
    harm(&mut packed, own);
    packed.unpack().unwrap()
}

fn lost(publication: &Publication) -> Vec<&str> {
    publication.lost_lines().map(|(line, _)| line.as_str()).collect()
}

#[test]
fn a_line_whose_segment_is_lost_cut_or_changed_is_lost_and_the_others_are_served_as_before() {
    let now = t("2018-01-01");
    let first = world(now).publish(None, now).publication;
    for (what, harm) in HARMS {
        let read = without(&first, "1.7", harm);
        assert_eq!(lost(&read), ["1.7"], "{what}");
        // Everything that could be asked of the line is known to be lost, and not unknown.
        for channel in ["1.7-preproduction", "1.7-production"] {
            assert!(read.channel(&name(channel)).is_none());
            assert_eq!(read.lost_channel(&name(channel)).unwrap().as_str(), "1.7");
        }
        for version in ["1.7.9", "1.7.14", "1.7.99"] {
            assert!(read.release(&v(version)).is_none());
            assert_eq!(read.lost_release(&v(version)).unwrap().as_str(), "1.7");
        }
        assert!(read.lost_channel(&name("1.8-production")).is_none());
        assert!(read.lost_release(&v("1.8.4")).is_none() && read.lost_release(&v("9.9.9")).is_none());
        // A file of the repository is the same as before, or is known to be lost.
        for (path, file) in first.files() {
            let TufFile::Document(document) = file else { continue };
            match read.tuf(&path) {
                Some(TufFile::Document(found)) => assert_eq!(found.identity, document.identity, "{path}"),
                _ => assert_eq!(read.lost_file(&path).map(LineName::as_str), Some("1.7"), "{path}"),
            }
        }
        // A cluster of the other line is answered as before. One on the way from a lost line is not answered.
        for version in ["1.8.4", "1.8.5", "1.8.99"] {
            let body = |of: &Publication| {
                of.update(&name("1.8-production"), &v(version), None).unwrap().identity.clone()
            };
            assert_eq!(body(&read), body(&first));
            assert!(read.lost_on_the_way(&name("1.8-production"), &v(version)).is_none());
        }
        assert!(read.lost_on_the_way(&name("1.8-production"), &v("1.7.14")).is_some());
    }
}

#[test]
fn nothing_takes_the_place_of_a_lost_line_and_the_others_go_on() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let mut last = without(&first, "1.7", HARMS[0].1);
    let listed = |of: &Publication| {
        let seven = |name: &String| name.contains("1.7");
        let channels = of.roles.channels.signed().targets.iter().filter(|(name, _)| seven(name));
        let channels: Vec<_> = channels.map(|(name, target)| (name.clone(), *target)).collect();
        (channels, *of.roles.snapshot.signed().role("releases-1.7").unwrap())
    };
    // It stays as it was: while another line goes on, when the catalog takes something back, when the line's files
    // cannot be read, when they are gone, and when documents are renewed.
    for step in 0..5 {
        let now = now + TimeDelta::days(step) + TimeDelta::hours(1);
        match step {
            0 => world.release("1.8.5").hold = Some(Box::new(event(now, "it eats data"))),
            1 => world.release("1.7.14").entries = vec![None; 2].into(),
            2 => drop(world.faulty.insert(line_name("1.7"), "broken".to_owned())),
            3 => drop(world.lose("1.7")),
            _ => {}
        }
        let Outcome { publication, refused, .. } = world.publish(Some(&last), now);
        assert!(
            matches!(refused[&line_name("1.7")], crate::domain::degraded::LineRefusal::Lost { .. }),
            "{step}"
        );
        assert_eq!(refused.len(), 1, "{step}");
        assert_eq!(listed(&publication), listed(&first), "{step}");
        assert_eq!(lost(&publication), ["1.7"]);
        assert!(publication.lost_channel(&name("1.7-production")).is_some());
        assert!(publication.channel(&name("1.8-production")).is_some());
        // After another restart it is still lost, and known by its segment.
        last = Packed::of(&publication).unpack().unwrap();
        assert_eq!(lost(&last), ["1.7"], "{step}");
    }
    // When its bytes are there again, so is the line.
    let mut packed = Packed::of(&last);
    packed.segments.extend(Packed::of(&first).segments);
    let back = packed.unpack().unwrap();
    assert!(back.lost_lines().next().is_none());
    assert_eq!(
        back.channel(&name("1.7-production")).unwrap().identity,
        first.channel(&name("1.7-production")).unwrap().identity
    );
}

#[test]
fn another_line_cannot_claim_what_a_lost_one_has() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let last = without(&first, "1.7", HARMS[0].1);
    let _ = world.lose("1.7");
    world.faulty.clear();
    let eight = world.lines.iter_mut().find(|line| line.name.as_str() == "1.8").unwrap();
    eight.stages[1].aliases = vec![name("1.7-production")];
    let outcome = world.publish(Some(&last), now + TimeDelta::hours(1));
    let refused: Vec<_> = outcome.refused.iter().map(|(line, why)| (line.as_str(), why.name())).collect();
    assert_eq!(refused, [("1.7", "lost"), ("1.8", "claims")]);
}

#[test]
fn a_lost_line_is_restored_from_a_copy_of_the_very_documents_that_were_published() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let later = now + TimeDelta::hours(1);
    let lost_one = without(&first, "1.7", HARMS[0].1);
    let next = world.publish(Some(&lost_one), later).publication;
    // That a witness still has what is lost here is no contradiction.
    check_seen(Some(&next), &first).unwrap();

    let mut restored = Packed::of(&next).unpack().unwrap();
    assert_eq!(restored.restore_lost(&first), [line_name("1.7")]);
    assert!(restored.lost_lines().next().is_none());
    let back = Packed::of(&restored).unpack().unwrap();
    assert_eq!(back.offers(), first.offers());
    // What it takes back is noticed again.
    world.release("1.7.14").entries = vec![None; 2].into();
    let outcome = world.publish(Some(&back), later + TimeDelta::hours(1));
    assert_eq!(outcome.refused.keys().map(LineName::as_str).collect::<Vec<_>>(), ["1.7"]);

    // Older documents would not show what was offered since.
    let mut newer = crate::publish::tests::world(now);
    let old = newer.publish(None, now).publication;
    newer.release("1.7.14").yank =
        Some(Box::new(crate::domain::release::Yank { event: event(later, "it holds a secret"), to: None }));
    let new = newer.publish(Some(&old), later).publication;
    let mut read = without(&new, "1.7", HARMS[0].1);
    assert_eq!(read.restore_lost(&old), []);
    assert_eq!(lost(&read), ["1.7"]);
    assert_eq!(read.restore_lost(&new), [line_name("1.7")]);
}

#[test]
fn a_lost_line_begins_anew_with_a_record_once_its_role_is_not_older_than_the_published_one() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let first = world.publish(None, now).publication;
    let later = now + TimeDelta::hours(1);
    let mut read = without(&first, "1.7", HARMS[0].1);
    let said = || (later, "ann".to_owned(), "no copy".to_owned());
    assert!(
        !read.begin_anew(&line_name("1.8"), said()),
        "a line that is not lost keeps what it has published"
    );
    assert!(read.begin_anew(&line_name("1.7"), said()));
    let read = Packed::of(&read).unpack().unwrap();
    // Until its documents are made, it is lost to clients.
    assert!(read.lost_channel(&name("1.7-production")).is_some());
    check_seen(Some(&read), &first).unwrap();

    // A catalog whose line cannot be read, or whose role is gone, gets no place of its own, and stops no other.
    let files = world.files.clone();
    world.files.remove("releases-1.7.json");
    world.resign(crate::signing::ceremony::Files::new());
    let broken = world.publish(Some(&read), later).publication;
    assert_eq!(lost(&broken), ["1.7"]);
    assert!(broken.channel(&name("1.8-production")).is_some());
    world.resign(files);
    let outcome = world.publish(Some(&Packed::of(&broken).unpack().unwrap()), later);
    assert!(outcome.refused.is_empty());
    assert!(outcome.publication.channel(&name("1.7-production")).is_some());
    let [record] = &outcome.publication.anew[..] else { panic!() };
    assert_eq!((record.line.as_str(), &*record.by, &*record.reason), ("1.7", "ann", "no copy"));
    // The record is about this loss alone.
    let again = without(&outcome.publication, "1.7", HARMS[0].1);
    assert_eq!(world.publish(Some(&again), later).refused.len(), 1);
}
