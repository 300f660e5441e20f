//! A mirror whose imports cannot be read at first.

use std::os::unix::fs::symlink;

use super::*;
use crate::store::payloads::PayloadFolder;
use crate::store::state::StateFolder;

#[test]
fn an_import_that_could_not_be_read_at_first_is_served_once_it_can() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, origin) = place.promoter();
    place.settle(&mut promoter);
    let state = Arc::new(StateFolder::new(&place.path("state")));
    let payloads = PayloadFolder::new(&place.path("payloads"), &place.path("state"));
    let shared = Handle::default();
    let clock = Arc::clone(&place.clock) as SharedClock;
    let mut mirror = Mirror::start(state, Arc::new(payloads), clock, Arc::clone(&shared)).unwrap();
    let before = version(&shared);

    stops::stop(&place, &stops::pause("1.8-preproduction"));
    place.settle(&mut promoter);
    let publication = origin.publication.load_full().unwrap();
    let stored = publication.parts().next().unwrap().stored().unwrap().sha256.to_string();
    let segment = place.path("state/segments").join(stored);
    fs::rename(&segment, place.path("kept")).unwrap();
    symlink(&segment, &segment).unwrap();
    mirror.turn();
    assert_eq!((degraded(&shared), version(&shared)), (vec![DegradedKind::LineRefused], before));

    fs::rename(place.path("kept"), &segment).unwrap();
    mirror.turn();
    assert_eq!(version(&shared), before, "it is not tried at every turn");
    place.pass(SECOND * 5);
    mirror.turn();
    assert_eq!((degraded(&shared), version(&shared)), (vec![], version(&origin)));
    assert_eq!(channel(&shared, "1.8-preproduction")["paused"]["reason"], "eats data");
}
