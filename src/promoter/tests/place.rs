//! A catalog with its keys in a temporary folder, and a clock that a test turns.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use super::super::*;
use crate::clock::Clock;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::release::{Entry, Evidence};
use crate::domain::testing::{release, t, v};
use crate::signing::PrivateKey;
use crate::signing::ceremony::{Keys, found, sign_releases};
use crate::signing::trust::Trust;
use crate::store::directory::Directory;
use crate::store::payloads::{PayloadFolder, measure};
use crate::store::state::StateFolder;

type Then = Box<dyn FnOnce() + Send>;

/// A clock that a test turns. Something can be done in the middle of a turn: when it is read for
/// the n-th time.
pub struct Fake {
    pub time: Mutex<(Time, Duration)>,
    then: Mutex<Option<(usize, Then)>>,
    synchronised: AtomicBool,
}

impl Fake {
    pub fn new(now: Time) -> Self {
        Self {
            time: Mutex::new((now, Duration::from_secs(3600))),
            then: Mutex::default(),
            synchronised: AtomicBool::default(),
        }
    }

    /// Time passes.
    pub fn pass(&self, by: TimeDelta) {
        let mut time = self.time.lock().unwrap();
        time.0 += by;
        time.1 += by.to_std().unwrap();
    }

    /// The clock is turned, and no time passes.
    pub fn turn(&self, by: TimeDelta) {
        self.time.lock().unwrap().0 += by;
    }

    /// From now on, the kernel says that a time server keeps the clock right.
    pub fn synchronise(&self) {
        self.synchronised.store(true, Ordering::Relaxed);
    }

    pub fn at(&self) -> Time {
        self.time.lock().unwrap().0
    }

    /// Does something when the clock is read for the n-th time from now.
    pub fn then(&self, n: usize, act: impl FnOnce() + Send + 'static) {
        *self.then.lock().unwrap() = Some((n, Box::new(act)));
    }
}

impl Clock for Fake {
    fn now(&self) -> Time {
        let mut then = self.then.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((n, act)) = then.take() {
            if n == 1 {
                drop(then);
                act();
            } else {
                *then = Some((n - 1, act));
            }
        }
        self.at()
    }

    fn exact(&self) -> Time {
        self.at()
    }

    fn is_synchronised(&self) -> Option<bool> {
        Some(self.synchronised.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.time.lock().unwrap().1
    }
}

/// A catalog with its keys in a temporary folder.
pub struct Place {
    pub folder: tempfile::TempDir,
    pub clock: Arc<Fake>,
    pub keys: Keys,
}

pub const LINE: &str = "format: 1\nline: \"1.8\"\nstages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, max: 28d }\n";

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = || PrivateKey::generate().unwrap();
        let keys = Keys { root: key(), targets: key(), release: key(), online: key() };
        let place = Self { folder, keys, clock: Arc::new(Fake::new(t("2018-01-01"))) };
        for name in ["channels/1.8", "channels/trust", "payloads"] {
            fs::create_dir_all(place.path(name)).unwrap();
        }
        fs::write(place.path("channels/1.8/line.yaml"), LINE).unwrap();
        let catalog = place.directory().read(place.clock.at()).unwrap().reading.catalog.clone();
        for (name, raw) in found(&catalog, &place.keys, place.clock.at()).unwrap() {
            fs::write(place.path("channels/trust").join(name), raw).unwrap();
        }
        place
    }

    /// With a release that enters its first stage with the first turn.
    pub fn with(releases: &[&str]) -> Self {
        let place = Self::new();
        for version in releases {
            place.add(version, false);
        }
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn directory(&self) -> Arc<dyn CatalogStore> {
        Arc::new(Directory::open(&self.path("channels"), &self.path("payloads")).unwrap())
    }

    pub fn commit(&self, change: Change) {
        let directory = self.directory();
        let revision = directory.read(self.clock.at()).unwrap().revision;
        directory.commit(&revision, &[change], self.clock.at()).unwrap();
    }

    /// Adds a release and signs it.
    pub fn add(&self, version: &str, barrier: bool) {
        let payload = self.path("payloads").join(version).join("payload.json");
        fs::create_dir_all(payload.parent().unwrap()).unwrap();
        fs::write(&payload, format!("payload of {version}")).unwrap();
        let mut release = release(version, &[]);
        let file = &mut Arc::make_mut(&mut release.payloads)[0];
        (file.sha256, file.size) = measure(&payload).unwrap();
        (release.evidence, release.barrier) = (Evidence::default(), barrier);
        self.commit(Change::Add { line: LineName::parse("1.8").unwrap(), release: Box::new(release) });
        self.sign(version);
    }

    pub fn sign(&self, version: &str) {
        let snapshot = self.directory().read(self.clock.at()).unwrap();
        let trust = Trust::read(&snapshot.trust).unwrap().unwrap();
        let line = snapshot.reading.catalog.line(&LineName::parse("1.8").unwrap()).unwrap();
        let signed =
            sign_releases(&trust, line, &[v(version)], &self.keys.release, self.clock.at(), |_| {}).unwrap();
        for (version, raw) in signed.manifests {
            fs::write(self.path("payloads").join(version.to_string()).join("release.json"), raw).unwrap();
        }
        for (name, raw) in signed.trust {
            fs::write(self.path("channels/trust").join(name), raw).unwrap();
        }
    }

    pub fn promoter_in(&self, state: &str) -> (Promoter, Handle) {
        self.promoter_with(state, self.online())
    }

    pub fn online(&self) -> Online {
        let online = PrivateKey::from_pem(&self.keys.online.to_pem().unwrap()).unwrap();
        Online::Given(Box::new(online))
    }

    pub fn promoter_with(&self, state: &str, online: Online) -> (Promoter, Handle) {
        self.promoter_of(self.setup(state, online))
    }

    pub fn setup(&self, state: &str, online: Online) -> Setup {
        let state = self.path(state);
        fs::create_dir_all(&state).unwrap();
        Setup {
            catalog: self.directory(),
            payloads: Arc::new(PayloadFolder::new(&self.path("payloads"), &state)),
            state: Arc::new(StateFolder::new(&state)),
            online,
            promote: true,
            names: true,
            demo: None,
        }
    }

    pub fn promoter_of(&self, setup: Setup) -> (Promoter, Handle) {
        let shared = Handle::default();
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        (Promoter::start(setup, clock, Arc::clone(&shared)).unwrap(), shared)
    }

    pub fn promoter(&self) -> (Promoter, Handle) {
        self.promoter_in("state")
    }

    /// Since when a release is in production, as the catalog has it.
    pub fn in_production(&self, version: &str) -> Option<Time> {
        let reading = self.directory().read(self.clock.at()).unwrap().reading;
        assert_eq!(reading.faults, []);
        reading.catalog.release(&v(version)).unwrap().1.entries[1].as_ref().map(|entry: &Entry| entry.since)
    }

    pub fn pass(&self, by: TimeDelta) {
        self.clock.pass(by);
    }

    /// Lets turns pass until something is so that another thread works on.
    pub fn until(&self, promoter: &mut Promoter, is_so: impl Fn() -> bool) {
        for _ in 0..10_000 {
            promoter.turn();
            if is_so() {
                return;
            }
            self.pass(TimeDelta::seconds(1));
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it is not so after 10000 turns");
    }

    /// Long enough for a folder to count as still, in as many turns as that takes.
    pub fn settle(&self, promoter: &mut Promoter) {
        for _ in 0..3 {
            promoter.turn();
            self.pass(TimeDelta::seconds(1));
        }
    }
}
