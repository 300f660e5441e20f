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

/// A catalog with a signed release, its payload and its keys.
struct Stores {
    clock: Arc<Fake>,
    catalog: Arc<MemoryCatalog>,
    payloads: Arc<MemoryPayloads>,
    state: Arc<MemoryState>,
}

impl Stores {
    fn start(&self) -> (Promoter, Handle) {
        let setup = Setup {
            catalog: Arc::clone(&self.catalog) as _,
            payloads: Arc::clone(&self.payloads) as _,
            state: Arc::clone(&self.state) as _,
            online: Online::State,
            promote: true,
            names: true,
            demo: None,
        };
        let (clock, shared) = (Arc::clone(&self.clock) as SharedClock, Handle::default());
        (Promoter::start(setup, clock, Arc::clone(&shared)).unwrap(), shared)
    }
}

fn stores() -> Stores {
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
    Stores { clock, catalog: store, payloads, state }
}

#[test]
fn a_promoter_on_another_store_promotes_publishes_and_serves_it_again() {
    let stores = stores();
    let (mut promoter, shared) = stores.start();
    promoter.turn();
    assert_eq!(degraded(&shared), []);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    stores.clock.pass(DAY * 14);
    promoter.turn();
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
    assert_eq!(degraded(&shared), []);

    let (_, again) = stores.start();
    assert_eq!(version(&again), version(&shared));
    assert_eq!(latest(&again, "1.8-production"), "1.8.4");
}

#[test]
fn a_disk_that_hangs_while_lost_documents_are_read_again_delays_no_stop() {
    let stores = stores();
    stores.start().0.turn();
    stores.clock.pass(SECOND);
    *stores.state.is_failing.lock().unwrap() = true;
    let (mut promoter, shared) = stores.start();
    promoter.turn();
    assert_eq!(degraded(&shared), [DegradedKind::LineRefused]);
    let mut hanging = stores.state.is_failing.lock().unwrap();
    for _ in 0..3 {
        stores.clock.pass(SECOND * 5);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            promoter.turn();
            let _ = sender.send(promoter);
        });
        promoter = receiver.recv_timeout(Duration::from_secs(60)).expect("the turn waits for the disk");
    }
    *hanging = false;
    drop(hanging);
    for _ in 0..10_000 {
        promoter.turn();
        if degraded(&shared).is_empty() {
            return;
        }
        stores.clock.pass(SECOND);
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{}", detail(&shared));
}
