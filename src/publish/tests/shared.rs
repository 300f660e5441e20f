//! Parts that the next publication shares with the last one.

use proptest::prelude::*;

use std::io::Read as _;

use super::super::check::before;
use super::super::joined::Pieces;
use super::*;
use crate::domain::properties::{any_catalog, day};
use crate::domain::release::Yank;
use crate::formats::api::{ChannelsBody, PromotionsBody};
use crate::signing::verify::{Before, verify_after};

/// The lines of a publication whose parts are the very ones of another.
fn shared<'a>(next: &'a Publication, last: &Publication) -> Vec<&'a str> {
    let is_shared = |part: &&Arc<Part>| last.parts.line(&part.line).is_some_and(|old| Arc::ptr_eq(old, part));
    next.parts.iter().filter(is_shared).map(|part| part.line.as_str()).collect()
}

/// A publication as it is after a restart: the sources of its parts are unknown.
fn stored(publication: &Publication) -> Publication {
    let mut stored = publication.clone();
    stored.sources.clear();
    stored.pieces = Pieces::default();
    stored
}

/// Everything that a publication answers, by what is asked.
fn answers(publication: &Publication) -> BTreeMap<String, Bytes> {
    let mut all = BTreeMap::new();
    let mut add = |what: String, document: &Document| all.insert(what, document.identity.clone());
    add("channels".to_owned(), &publication.channels);
    add("promotions".to_owned(), &publication.promotions);
    for (path, file) in publication.files() {
        if let TufFile::Document(document) = file {
            add(path, document);
        }
    }
    let versions: Vec<&Version> = publication.parts.releases().map(|(version, _)| version).collect();
    for version in &versions {
        add(format!("explain {version}"), publication.explain(version).unwrap());
    }
    for channel in publication.channel_names() {
        for version in &versions {
            add(format!("{channel} {version}"), &publication.update(channel, version, None).unwrap());
        }
    }
    all
}

/// Does something to a release or its line.
fn edit(world: &mut World, line: usize, release: usize, what: usize, now: Time) {
    let (line, count) = (line % world.lines.len(), world.lines.len());
    let line = &mut world.lines[line];
    // A yanked barrier needs a replacement.
    let has_barriers = line.releases.values().any(|release| release.barrier);
    if what % 5 == 4 {
        line.stages[0].paused = Some(event(now, "datacentre move"));
    } else if let Some(release) = line.releases.values_mut().nth(release % count) {
        match what % 5 {
            0 => release.hold = Some(Box::new(event(now, "etcd"))),
            1 if !has_barriers => {
                release.yank = Some(Box::new(Yank { event: event(now, "breaks DNS"), to: None }));
            }
            2 => release.hold = None,
            _ => world.missing.push(release.version.clone()),
        }
    }
}

/// What a document's gzip body contains.
fn unzipped(document: &Document) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&document.gzip.as_ref()?[..]).read_to_end(&mut text).unwrap();
    Some(text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_publication_that_shares_parts_says_the_same_as_one_that_is_made_anew(
        catalog in any_catalog(),
        start in 0..40_i64,
        steps in prop::collection::vec((0..80_i64, any::<usize>(), any::<usize>(), 0..7_usize), 1..6),
    ) {
        let mut now = day(start);
        let mut world = World::new(catalog.lines().cloned().collect(), day(0));
        let mut last = world.publish(None, now).publication;
        for (hours, line, release, what) in steps {
            now += TimeDelta::hours(hours);
            edit(&mut world, line, release, what, now);
            let anew = world.publish(Some(&stored(&last)), now).publication;
            world.version -= 1;
            let (catalog, faulty) = (world.catalog(), world.faulty.clone());
            let Outcome { publication: next, refused, .. } = world.publish(Some(&last), now);
            let decided = Decided::of(&catalog, &faulty, Some(&last), now);
            let promotions = json(&PromotionsBody::of(&decided.decisions, None));
            prop_assert_eq!(&next.promotions.identity, &promotions);
            if refused.is_empty() {
                let channels = json(&ChannelsBody::of(&catalog, &decided.decisions, now));
                prop_assert_eq!(&next.channels.identity, &channels);
            }
            for body in [&next.channels, &next.promotions] {
                prop_assert!(unzipped(body).is_none_or(|text| text == body.identity));
            }
            let (anew, found) = (answers(&anew), answers(&next));
            for (what, body) in &anew {
                prop_assert_eq!(found.get(what), Some(body), "{}", what);
            }
            prop_assert_eq!(found.len(), anew.len());
            last = next;
        }
    }

    #[test]
    fn what_was_verified_before_hides_no_violation(
        catalog in any_catalog(),
        (line, release, what) in (any::<usize>(), any::<usize>(), 0..5_usize),
        (at, forged) in (any::<prop::sample::Index>(), 0..3_usize),
    ) {
        let now = day(30);
        let mut world = World::new(catalog.lines().cloned().collect(), day(0));
        let last = world.publish(None, now).publication;
        edit(&mut world, line, release, what, now);
        let next = world.publish(Some(&last), now).publication;
        let before = before(&last, &next);
        let paths: Vec<String> = next.files().map(|(path, _)| path).filter(|path| next.role(path).is_some()).collect();
        let hit = &paths[at.index(paths.len())];
        let fetch = |path: &str| {
            let TufFile::Document(document) = next.tuf(path)? else { return None };
            let bytes = document.identity.clone();
            match forged {
                _ if path != hit => Some(bytes),
                // A role of the last publication, or none, or one that is changed.
                0 => last.parts.iter().find_map(|part| Some(part.role.as_ref()?.raw().clone())),
                1 => None,
                _ => Some([&bytes[..], b" "].concat().into()),
            }
        };
        let root = world.trust.root();
        let whole = verify_after(root, now, &fetch, Extent::Channels, &Before::default());
        let short = verify_after(root, now, &fetch, Extent::Channels, &before);
        // A part that is shared is not read at all, so what is done to its bytes on the way does not matter.
        if short.is_ok() && whole.is_err() {
            prop_assert!(hit.contains(".releases-"), "{}", hit);
        } else {
            prop_assert_eq!(whole.err().map(|e| e.to_string()), short.err().map(|e| e.to_string()));
        }
        let checked = verify_after(root, now + CHANNEL_MANIFEST_LIFETIME, &|path: &str| match next.tuf(path)? {
            TufFile::Document(document) => Some(document.identity.clone()),
            TufFile::Payload(_) => None,
        }, Extent::Channels, &before);
        prop_assert!(checked.is_err(), "what has expired is refused");
    }
}

/// Lines that follow one another.
fn chain(count: usize) -> World {
    let now = t("2018-01-01");
    let names: Vec<String> = (0..count).map(|minor| format!("1.{minor}")).collect();
    let lines = names.iter().enumerate().map(|(place, name)| {
        line(name, place.checked_sub(1).map(|before| names[before].as_str()))
            .with(release(&format!("{name}.1"), &["2017-11-01", "2017-11-15"]))
            .with(release(&format!("{name}.2"), &["2017-12-28"]))
    });
    World::new(lines.collect(), now)
}

#[test]
fn an_edit_makes_only_the_parts_of_its_line_and_of_those_beside_it() {
    let now = t("2018-01-01");
    for count in [4, 40] {
        let mut world = chain(count);
        let first = world.publish(None, now).publication;
        world.release("1.1.2").hold = Some(Box::new(event(now, "etcd")));
        let second = world.publish(Some(&first), now + TimeDelta::minutes(1)).publication;
        assert_eq!(count - shared(&second, &first).len(), 2, "its own, and that of the line that follows it");
        let signed = second.parts.channels().filter(|channel| channel.manifest.signed().version == 2);
        assert_eq!(signed.count(), 0, "a hold changes no manifest");
        assert_eq!(explained(&second, "1.1.2")["state"], "blocked");
    }
}

#[test]
fn a_part_is_made_again_when_something_in_its_line_is_due() {
    let now = t("2018-01-01");
    let mut world = chain(4);
    let first = world.publish(None, now).publication;
    let soon = world.publish(Some(&first), now + TimeDelta::hours(1)).publication;
    assert_eq!(shared(&soon, &first).len(), 4);
    let renewed = world.publish(Some(&soon), now + RENEW_AFTER).publication;
    assert_eq!(shared(&renewed, &soon).len(), 0, "every manifest is renewed");
    let before = world.publish(Some(&renewed), now).publication;
    assert_eq!(shared(&before, &renewed).len(), 0, "the clock went back");
}

#[test]
fn the_part_of_a_line_in_which_something_is_due_is_made_again_each_time() {
    // 1.1.2 entered its first stage at the end of 2017, and nobody promotes it.
    let now = t("2018-01-20");
    let mut world = chain(3);
    world.lines[0].releases.remove(&v("1.0.2"));
    world.lines[2].releases.remove(&v("1.2.2"));
    let first = world.publish(None, now).publication;
    let soon = world.publish(Some(&first), now + TimeDelta::hours(1)).publication;
    assert_eq!(shared(&soon, &first), ["1.0"], "1.1 is due, and 1.2 follows it");
}
