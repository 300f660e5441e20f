//! The online key is rotated under a server that runs.

use super::*;
use crate::domain::Time;
use crate::signing::ceremony::{KeyChange, RoleName, change_keys};
use crate::signing::signer::SignerError;
use crate::signing::trust::Trust;
use crate::signing::{PrivateKey, PublicKey};
use crate::store::durable::{self, Mode};

pub fn key(place: &Place, name: &str, key: &PrivateKey) {
    let folder = place.path("state/keys");
    fs::create_dir_all(&folder).unwrap();
    let pem = key.to_pem().unwrap();
    durable::write(&folder.join(name), pem.as_bytes(), Mode::Private).unwrap();
}

/// Adds and drops online keys, as the keepers of root and targets do.
fn change(place: &Place, add: Option<&PrivateKey>, drop: Option<&PrivateKey>) {
    let now: Time = place.clock.at();
    let files = place.directory().keys().unwrap();
    let trust = Trust::read(&files).unwrap().unwrap();
    let change = KeyChange {
        add: add.map(|key| (RoleName::Online, key.public())).into_iter().collect(),
        drop: drop.map(|key| (RoleName::Online, key.id().to_string())).into_iter().collect(),
        ..KeyChange::default()
    };
    let mut ceremony = change_keys(&trust, &change, &|_, _| Ok(None), now).unwrap();
    ceremony.sign(&[&place.keys.root, &place.keys.targets]).unwrap();
    for (name, raw) in ceremony.finish(&files, &|_, _| Ok(None), now).unwrap().trust {
        fs::write(place.path("channels/trust").join(name), raw).unwrap();
    }
}

/// Who signed the timestamp that is served.
fn signer(shared: &Handle) -> serde_json::Value {
    let publication = shared.publication.load_full().unwrap();
    let Some(crate::publish::publication::TufFile::Document(timestamp)) =
        publication.tuf("metadata/timestamp.json")
    else {
        panic!("no timestamp")
    };
    json(&timestamp.identity)["signatures"][0]["keyid"].clone()
}

#[test]
fn a_rotated_online_key_takes_over_in_the_turn_that_reads_the_new_root() {
    let place = Place::with(&["1.8.4"]);
    let next = PrivateKey::from_seed(&[9; 32]);
    key(&place, "online.pem", &place.keys.online);
    let (mut promoter, shared) = place.promoter_with("state", Online::State);
    place.settle(&mut promoter);
    let (old, new) = (place.keys.online.id().to_string(), next.id().to_string());
    assert_eq!(signer(&shared), old.as_str());

    // Both count: the old one goes on, and the new one may lie beside it.
    change(&place, Some(&next), None);
    place.settle(&mut promoter);
    assert_eq!((signer(&shared), degraded(&shared)), (old.as_str().into(), vec![]));
    key(&place, "next.pem", &next);
    change(&place, None, Some(&place.keys.online));
    place.settle(&mut promoter);
    assert_eq!((signer(&shared), degraded(&shared)), (new.as_str().into(), vec![]));
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");

    // The old one may go, also from a server that starts anew.
    fs::remove_file(place.path("state/keys/online.pem")).unwrap();
    place.pass(DAY * 2);
    let (mut promoter, shared) = place.promoter_with("state", Online::State);
    place.settle(&mut promoter);
    assert_eq!((signer(&shared), degraded(&shared)), (new.as_str().into(), vec![]));
}

#[test]
fn a_server_without_the_new_online_key_goes_on_with_its_last_publication() {
    let place = Place::with(&["1.8.4"]);
    key(&place, "online.pem", &place.keys.online);
    let (mut promoter, shared) = place.promoter_with("state", Online::State);
    place.settle(&mut promoter);
    let before = version(&shared);
    let next = PrivateKey::from_seed(&[9; 32]);
    change(&place, Some(&next), Some(&place.keys.online));
    place.settle(&mut promoter);
    assert_eq!((version(&shared), degraded(&shared)), (before, vec![DegradedKind::SigningFailing]));
    assert!(detail(&shared).contains("does not have the online key"), "{}", detail(&shared));
    key(&place, "next.pem", &next);
    place.pass(TimeDelta::seconds(10));
    place.settle(&mut promoter);
    assert!(version(&shared) > before);
    assert_eq!(degraded(&shared), []);
}

/// A token that is pulled out.
#[derive(Debug)]
struct Broken(PublicKey);

impl Signer for Broken {
    fn public(&self) -> PublicKey {
        self.0
    }

    fn sign_as(&self, _role: Option<&str>, _message: &[u8]) -> Result<[u8; 64], SignerError> {
        Err(SignerError::Deadline("token".to_owned()))
    }
}

#[test]
fn a_signer_that_fails_is_told_of_while_the_last_publication_is_served() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let before = version(&shared);
    drop(promoter);
    let broken = Broken(place.keys.online.public());
    let (mut promoter, shared) = place.promoter_with("state", Online::Given(Box::new(broken)));
    place.pass(DAY * 2);
    place.settle(&mut promoter);
    assert_eq!((version(&shared), degraded(&shared)), (before, vec![DegradedKind::SigningFailing]));
    assert!(detail(&shared).contains("did not sign within"), "{}", detail(&shared));
}

#[test]
fn a_new_line_whose_role_cannot_be_used_delays_no_other_line() {
    use crate::signing::Signed;
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::create_dir(place.path("channels/1.9")).unwrap();
    fs::write(place.path("channels/1.9/line.yaml"), LINE.replace("1.8", "1.9")).unwrap();
    let catalog = place.directory().read(place.clock.at()).unwrap().reading.catalog.clone();
    let files = crate::signing::ceremony::found(&catalog, &place.keys, place.clock.at()).unwrap();
    let mut targets = Trust::read(&files).unwrap().unwrap().targets().signed().clone();
    targets.version = 2;
    let targets = Signed::sign(targets, [&place.keys.targets]).unwrap();
    fs::write(place.path("channels/trust/targets.json"), targets.raw()).unwrap();
    let role = place.path("channels/trust/releases-1.9.json");
    for (torn, why) in
        [(Some("torn"), "releases-1.9.json` cannot be read"), (None, "releases-1.9.json` is missing")]
    {
        let _ = fs::remove_file(&role);
        if let Some(torn) = torn {
            fs::write(&role, torn).unwrap();
        }
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::ReadFailing], "{}", detail(&shared));
        assert!(detail(&shared).contains(why), "{}", detail(&shared));
    }
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5");
    assert_eq!(channel(&shared, "1.9-production")["releases"], serde_json::json!([]));
    fs::write(&role, &files["releases-1.9.json"]).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    let publication = shared.publication.load_full().unwrap();
    assert!(publication.parts.line(&LineName::parse("1.9").unwrap()).is_some_and(|part| part.role.is_some()));
}
