//! Releases that are signed, while a freeze keeps them out of their first stage.

use super::*;
use crate::store::payloads::Payloads;

/// Where `1.8.5` is signed and waits, and `1.8.4` is on offer.
fn waits() -> (Place, Promoter, Handle) {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let freeze = "freezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2018-01-08T00:00:00Z, reason: audit }\n";
    fs::write(place.path("channels/1.8/line.yaml"), format!("{LINE}{freeze}")).unwrap();
    place.add("1.8.5", false);
    (place, promoter, shared)
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
    let (sha256, _) = Payloads::measure(&place.path("payloads/1.8.5/payload.json")).unwrap();
    assert!(Payloads::new(&place.path("payloads"), &place.path("state")).open(&sha256).is_ok());
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    place.pass(DAY * 7);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
}

#[test]
fn a_copy_that_cannot_be_made_of_it_stops_nothing_else() {
    let (place, mut promoter, shared) = waits();
    // Something lies where the copy should be, and is no file.
    let (sha256, _) = Payloads::measure(&place.path("payloads/1.8.5/payload.json")).unwrap();
    let text = sha256.to_string();
    let (first, rest) = text.split_at(2);
    fs::create_dir_all(place.path("state/payloads/sha256").join(first).join(rest).join("in the way"))
        .unwrap();
    let line = place.path("channels/1.8/line.yaml");
    let titled = fs::read_to_string(&line).unwrap().replacen("stages:", "title: Eight\nstages:", 1);
    fs::write(&line, titled).unwrap();
    let before = version(&shared);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert!(version(&shared) > before);
    assert!(!has_payload(&shared));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    // A release that comes later is not held up by it either.
    place.pass(t("2018-01-15") - place.clock.at());
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
}
