//! Releases that entered a stage and cannot be offered.

use super::*;
use crate::domain::channel::StageName;
use crate::domain::release::{Entry, Yank};

fn enter(place: &Place, version: &str) {
    let since = place.clock.at();
    let entry = Entry::new(since, "ada".to_owned(), Some("moved here".to_owned()));
    let stage = StageName::parse("preproduction").unwrap();
    place.commit(Change::Enter { version: v(version), stage, entry });
}

#[test]
fn a_release_that_entered_a_stage_and_lacks_its_payload_or_signature_is_told_of_until_it_is_offered() {
    for (file, text, told) in [
        ("payload.json", None, "payload `payload.json` is missing"),
        ("payload.json", Some("another text"), "payload `payload.json` does not match the catalog"),
        ("release.json", None, "`release.json` is missing next to the payloads"),
        ("release.json", Some("{}"), "its signed manifest cannot be used"),
    ] {
        let place = Place::with(&["1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        place.add("1.8.5", false);
        enter(&place, "1.8.5");
        let path = place.path("payloads/1.8.5").join(file);
        let before = fs::read(&path).unwrap();
        match text {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::NotOffered], "{told}");
        let detail = detail(&shared);
        assert!(detail.starts_with("`1.8.5` is not offered: ") && detail.contains(told), "{detail}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
        let publication = shared.publication.load_full().unwrap();
        let explained = json(&publication.explain(&v("1.8.5")).unwrap().identity);
        let message = explained["message"].as_str().unwrap();
        assert!(message.contains("; it is not on offer: ") && message.contains(told), "{message}");

        fs::write(&path, before).unwrap();
        // Payloads count as still after longer than the catalog does.
        place.settle(&mut promoter);
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [], "{told}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
    }
}

#[test]
fn a_payload_that_cannot_be_copied_is_reported_and_copied_as_soon_as_that_works() {
    // Of a release that waits for its first stage, and of one that is published.
    for is_published in [false, true] {
        let place = Place::with(&["1.8.5"]);
        let copies = place.path("state/payloads/sha256");
        if is_published {
            place.settle(&mut place.promoter().0);
        }
        let _ = fs::remove_dir_all(&copies);
        fs::create_dir_all(copies.parent().unwrap()).unwrap();
        fs::write(&copies, "not a folder").unwrap();
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        let expected = [DegradedKind::NotOffered, DegradedKind::LineRefused];
        assert_eq!(degraded(&shared), expected[..=usize::from(is_published)], "{}", detail(&shared));
        let detail = detail(&shared);
        assert!(detail.starts_with("payload `payload.json` of `1.8.5` cannot be copied"), "{detail}");
        assert!(!detail.contains("yank") && !detail.contains("does not match"), "{detail}");
        assert_eq!(shared.status.load().report(place.clock.at()).problems.len(), 1);
        let before = version(&shared);
        place.pass(TimeDelta::seconds(6));
        place.settle(&mut promoter);
        assert_eq!(version(&shared), before, "nothing is published for another try");

        fs::remove_file(&copies).unwrap();
        place.pass(TimeDelta::seconds(6));
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [], "{detail}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
    }
}

#[test]
fn many_that_are_not_offered_are_told_of_once_and_a_yanked_one_is_not() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    for version in ["1.8.5", "1.8.6", "1.8.7"] {
        place.add(version, false);
        enter(&place, version);
        fs::remove_file(place.path("payloads").join(version).join("payload.json")).unwrap();
    }
    let event = Event::new(place.clock.at(), "grace".to_owned(), "breaks DNS".to_owned());
    place.commit(Change::Yank { version: v("1.8.5"), yank: Yank { event, to: None } });
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::NotOffered]);
    let detail = detail(&shared);
    assert!(detail.starts_with("`1.8.6` (and 1 more) is not offered: payload"), "{detail}");
}

#[test]
fn a_missing_payload_of_a_release_that_soaks_is_recorded_and_its_time_is_no_soak() {
    let place = Place::with(&["1.8.4"]);
    enter(&place, "1.8.4");
    let path = place.path("payloads/1.8.4/payload.json");
    let payload = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let (mut promoter, _) = place.promoter();
    place.settle(&mut promoter);
    let file = || fs::read_to_string(place.path("channels/1.8/1.8.4.yaml")).unwrap();
    assert!(file().contains("unavailable: [{ from: 2018-01-01T"), "{}", file());
    assert!(!file().contains("until:"), "{}", file());
    place.pass(DAY * 20);
    fs::write(&path, payload).unwrap();
    place.settle(&mut promoter);
    place.settle(&mut promoter);
    assert!(file().contains(", until: 2018-01-21T"), "{}", file());
    assert_eq!(place.in_production("1.8.4"), None);
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
}
