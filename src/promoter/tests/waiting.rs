//! Releases that are signed, while a freeze keeps them out of their first stage.

use super::*;
use crate::store::payloads::{PayloadFolder, measure};

/// Where `1.8.5` is signed and waits, and `1.8.4` is on offer.
pub fn waits() -> (Place, Promoter, Handle) {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let freeze = "freezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2018-01-08T00:00:00Z, reason: audit }\n";
    fs::write(place.path("channels/1.8/line.yaml"), format!("{LINE}{freeze}")).unwrap();
    place.add("1.8.5", false);
    (place, promoter, shared)
}

/// Puts something where the copy of a release's payload should be that is not a file.
pub fn in_the_way(place: &Place, version: &str) {
    let (sha256, _) = measure(&place.path("payloads").join(version).join("payload.json")).unwrap();
    let copy = PayloadFolder::new(&place.path("payloads"), &place.path("state")).copy_path(&sha256);
    if copy.is_file() {
        fs::remove_file(&copy).unwrap();
    }
    fs::create_dir_all(copy.join("in the way")).unwrap();
}

fn has_payload(shared: &Handle) -> bool {
    let publication = shared.publication.load();
    publication.as_ref().unwrap().payload_files().any(|(path, _)| path.contains(".payload.1.8.5."))
}

#[test]
fn its_payload_is_copied_and_listed_and_on_offer_after_the_freeze() {
    let (place, mut promoter, shared) = waits();
    place.settle(&mut promoter);
    assert!(has_payload(&shared));
    assert!(shared.publication.load().as_ref().unwrap().payload(&v("1.8.5"), "payload.json").is_none());
    let (sha256, _) = measure(&place.path("payloads/1.8.5/payload.json")).unwrap();
    assert!(PayloadFolder::new(&place.path("payloads"), &place.path("state")).copy_path(&sha256).is_file());
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    place.pass(DAY * 7);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
}

#[test]
fn a_copy_that_cannot_be_made_of_it_stops_nothing_else() {
    let (place, mut promoter, shared) = waits();
    in_the_way(&place, "1.8.5");
    let line = place.path("channels/1.8/line.yaml");
    let titled = fs::read_to_string(&line).unwrap().replacen("stages:", "title: Eight\nstages:", 1);
    fs::write(&line, titled).unwrap();
    let before = version(&shared);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::NotOffered], "{}", detail(&shared));
    assert!(version(&shared) > before);
    assert!(!has_payload(&shared));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    // A release that comes later is not held up by it either.
    place.pass(t("2018-01-15") - place.clock.at());
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
}
