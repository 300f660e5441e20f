//! Nothing is promoted while nothing can be published.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::rotation::key;
use super::*;
use crate::signing::{PrivateKey, PublicKey, SignerError};

/// Whether the catalog has an entry for a release's first stage.
fn has_entered(place: &Place, version: &str) -> bool {
    let reading = place.directory().read(place.clock.at()).unwrap().reading;
    reading.catalog.release(&v(version)).unwrap().1.entries[0].is_some()
}

/// Until a failed operation is tried again, and what follows from it is done.
fn retry(place: &Place, promoter: &mut Promoter) {
    place.pass(TimeDelta::seconds(6));
    place.settle(promoter);
}

#[test]
fn while_nothing_can_be_signed_nothing_is_promoted_and_afterwards_all_goes_on() {
    let place = Place::with(&["1.8.4"]);
    key(&place, "online.pem", &place.keys.online);
    let (mut promoter, shared) = place.promoter_with("state", Online::State);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");

    fs::rename(place.path("state/keys"), place.path("away")).unwrap();
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    retry(&place, &mut promoter);
    assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));
    assert_eq!(place.in_production("1.8.4"), None);
    assert!(!has_entered(&place, "1.8.5"));

    fs::rename(place.path("away"), place.path("state/keys")).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
}

#[test]
fn a_state_that_was_removed_is_not_begun_anew_and_nothing_is_promoted_without_it() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::rename(place.path("state"), place.path("away")).unwrap();
    place.settle(&mut promoter);
    assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));
    place.pass(DAY * 14);
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    for _ in 0..20 {
        retry(&place, &mut promoter);
        assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));
    }
    assert!(!place.path("state").exists());
    assert_eq!(place.in_production("1.8.4"), None);
    assert!(!has_entered(&place, "1.8.5"));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");

    fs::rename(place.path("away"), place.path("state")).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
}

#[test]
fn under_a_volume_that_was_unmounted_nothing_is_signed_promoted_or_written() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    let lease = promoter.setup.state.lease().unwrap();
    place.settle(&mut promoter);
    let before = version(&shared);
    let (state, away) = (place.path("state"), place.path("away"));
    fs::rename(&state, &away).unwrap();
    fs::create_dir(&state).unwrap();
    place.pass(DAY * 14);
    place.add("1.8.5", false);
    for _ in 0..3 {
        retry(&place, &mut promoter);
        assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));
        assert!(detail(&shared).contains("volume is not mounted"), "{}", detail(&shared));
    }
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0);
    assert_eq!((version(&shared), place.in_production("1.8.4")), (before, None));
    assert!(!has_entered(&place, "1.8.5"));

    fs::remove_dir(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
    drop(lease);
}

#[test]
fn beside_another_last_publication_nothing_is_signed_and_a_copy_of_the_own_one_is_good() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    let lease = promoter.setup.state.lease().unwrap();
    place.settle(&mut promoter);
    let (state, publication) = (place.path("state"), place.path("state/publication"));
    let old = fs::read(&publication).unwrap();
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    let (own, before) = (fs::read(&publication).unwrap(), version(&shared));
    // A copy of the folder has another lock.
    fs::rename(state.join("lock"), place.path("lock")).unwrap();
    fs::write(state.join("lock"), "").unwrap();
    fs::write(&publication, &old).unwrap();
    place.add("1.8.6", false);
    place.settle(&mut promoter);
    retry(&place, &mut promoter);
    assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));
    assert_eq!(version(&shared), before);
    assert!(!has_entered(&place, "1.8.6"));
    assert_eq!(fs::read(&publication).unwrap(), old);

    fs::write(&publication, own).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.6");
    drop(lease);
}

#[test]
fn in_the_state_that_is_locked_a_publication_that_is_lost_or_older_is_replaced() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    let lease = promoter.setup.state.lease().unwrap();
    place.settle(&mut promoter);
    let publication = place.path("state/publication");
    let old = fs::read(&publication).unwrap();
    for (add, damage) in [("1.8.5", None), ("1.8.6", Some(&old))] {
        place.add(add, false);
        match damage {
            None => fs::remove_file(&publication).unwrap(),
            Some(old) => fs::write(&publication, old).unwrap(),
        }
        retry(&place, &mut promoter);
        assert_eq!(degraded(&shared), [], "{add}: {}", detail(&shared));
        assert_eq!(latest(&shared, "1.8-preproduction"), add);
        assert_ne!(fs::read(&publication).unwrap(), old);
    }
    drop(lease);
}

/// A key whose use takes away the state, as a volume that is unmounted right then.
#[derive(Debug)]
struct Last {
    key: PrivateKey,
    state: PathBuf,
    away: PathBuf,
    is_armed: Arc<AtomicBool>,
}

impl Signer for Last {
    fn public(&self) -> PublicKey {
        self.key.public()
    }

    fn sign_as(&self, _: Option<&str>, message: &[u8]) -> Result<[u8; 64], SignerError> {
        if self.is_armed.swap(false, Ordering::Relaxed) {
            fs::rename(&self.state, &self.away).unwrap();
            fs::write(&self.state, "nothing can be written below a file").unwrap();
        }
        Ok(self.key.sign(message))
    }
}

#[test]
fn a_state_that_goes_away_while_promotions_are_rehearsed_promotes_nothing() {
    let place = Place::with(&["1.8.4"]);
    let is_armed = Arc::new(AtomicBool::default());
    let key = PrivateKey::from_pem(&place.keys.online.to_pem().unwrap()).unwrap();
    let (state, away) = (place.path("state"), place.path("away"));
    let signer = Last { key, state: state.clone(), away: away.clone(), is_armed: Arc::clone(&is_armed) };
    let (mut promoter, shared) = place.promoter_with("state", Online::Given(Box::new(signer)));
    place.settle(&mut promoter);
    place.pass(DAY * 14);
    is_armed.store(true, Ordering::Relaxed);
    promoter.turn();
    assert!(away.exists(), "it was rehearsed");
    assert_eq!(place.in_production("1.8.4"), None);
    assert!(degraded(&shared).contains(&DegradedKind::SigningFailing), "{}", detail(&shared));

    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
}

#[test]
fn a_clock_that_is_years_ahead_at_the_start_promotes_nothing_and_uses_up_no_versions() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, _) = place.promoter();
    place.settle(&mut promoter);
    drop(promoter);
    place.add("1.8.5", false);
    place.clock.turn(DAY * 365 * 20);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    retry(&place, &mut promoter);
    assert!(degraded(&shared).contains(&DegradedKind::ClockUntrusted), "{}", detail(&shared));
    assert_eq!(place.in_production("1.8.4"), None);
    assert!(!has_entered(&place, "1.8.5"));
    drop(promoter);

    place.clock.turn(DAY * -365 * 20);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
    assert!(i64::try_from(version(&shared)).unwrap() <= place.clock.at().timestamp_millis());
}

#[test]
fn what_could_not_be_stored_must_be_before_anything_more_is_promoted() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let (publication, away) = (place.path("state/publication"), place.path("away"));
    fs::rename(&publication, &away).unwrap();
    fs::create_dir_all(publication.join("in the way")).unwrap();
    place.pass(DAY);
    promoter.turn();
    assert_eq!(degraded(&shared), [DegradedKind::PublishFailing], "{}", detail(&shared));
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    retry(&place, &mut promoter);
    assert!(!has_entered(&place, "1.8.5"));

    fs::remove_dir_all(&publication).unwrap();
    fs::rename(&away, &publication).unwrap();
    retry(&place, &mut promoter);
    assert_eq!(degraded(&shared), [], "{}", detail(&shared));
    assert!(has_entered(&place, "1.8.5"));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
}

#[test]
fn a_history_without_keys_is_recorded_although_nothing_can_be_published() {
    let place = Place::with(&["1.8.4"]);
    fs::remove_dir_all(place.path("channels/trust")).unwrap();
    let path = place.path("channels/1.8/1.8.4.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let entry = "stages:\n  preproduction: { since: 2017-12-01T00:00:00Z, by: ada }\n";
    fs::write(&path, format!("{text}{entry}")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None, "it is signed, so the catalog has lost its keys");
    fs::remove_file(place.path("payloads/1.8.4/release.json")).unwrap();
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
    assert_eq!(degraded(&shared), [DegradedKind::SigningFailing]);
}
