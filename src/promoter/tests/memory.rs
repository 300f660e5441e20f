//! The promoter knows no folder: here is one on a store in memory.

use std::collections::BTreeMap;

use super::place::Fake;
use super::*;
use crate::domain::testing::{catalog, line, release};
use crate::signing::PrivateKey;
use crate::signing::ceremony::{Keys, found, sign_releases};
use crate::signing::trust::Trust;
use crate::store::memory::{MemoryCatalog, MemoryPayloads, MemoryState};
use crate::store::port::CatalogStore as _;

#[test]
fn a_promoter_on_another_store_promotes_publishes_and_serves_it_again() {
    let clock = Arc::new(Fake::new(t("2018-01-01")));
    let key = || PrivateKey::generate().unwrap();
    let keys = Keys { root: key(), targets: key(), release: key(), online: key() };
    let store = Arc::new(MemoryCatalog::new(catalog([line("1.8", None)])));
    let payloads = Arc::new(MemoryPayloads::default());
    let state = Arc::new(MemoryState::default());

    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("payload"), "content").unwrap();
    let (sha256, size) = measure(&folder.path().join("payload")).unwrap();
    payloads.upload("1.8.4", "payload.json", b"content");
    let mut release = release("1.8.4", &[]);
    let payload = &mut Arc::make_mut(&mut release.payloads)[0];
    (payload.sha256, payload.size) = (sha256, size);
    let name = LineName::parse("1.8").unwrap();
    let now = clock.at();
    let add = Change::Add { line: name.clone(), release: Box::new(release) };
    store.commit(&store.read(now).unwrap().revision, &[add], now).unwrap();
    let catalog = store.read(now).unwrap().reading.catalog.clone();
    let files = found(&catalog, &keys, now).unwrap();
    store.put(&BTreeMap::new(), &files).unwrap();
    let trust = Trust::read(&files).unwrap().unwrap();
    let line = catalog.line(&name).unwrap();
    let signed = sign_releases(&trust, line, &[v("1.8.4")], &keys.release, now, |_| {}).unwrap();
    store.put(&signed.manifests, &signed.trust).unwrap();
    state.keep(Path::new("online.pem"), &keys.online.to_pem().unwrap());

    let start = || {
        let setup = Setup {
            catalog: Arc::clone(&store) as _,
            payloads: Arc::clone(&payloads) as _,
            state: Arc::clone(&state) as _,
            online: Online::State,
            promote: true,
            demo: None,
        };
        let shared = Handle::default();
        (Promoter::start(setup, Arc::clone(&clock) as SharedClock, Arc::clone(&shared)).unwrap(), shared)
    };
    let (mut promoter, shared) = start();
    promoter.turn();
    assert_eq!(degraded(&shared), []);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    clock.pass(DAY * 14);
    promoter.turn();
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
    assert_eq!(degraded(&shared), []);

    let (_, again) = start();
    assert_eq!(version(&again), version(&shared));
    assert_eq!(latest(&again, "1.8-production"), "1.8.4");
}
