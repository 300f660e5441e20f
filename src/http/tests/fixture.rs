//! A publication made by hand, and a server for it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sha2::Digest as _;

use super::Client;
use crate::clock::{Clock, SystemClock};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::version::Version;
use crate::http::route::Route;
use crate::http::routes::ROUTES;
use crate::http::server::{Config, start_with};
use crate::promoter::status::{Handle, Shared};
use crate::publish::Publication;
use crate::publish::document::{Document, Media};
use crate::publish::joined::Pieces;
use crate::publish::part::{ChannelDocuments, Part, Parts, ReleaseDocuments, Standing};
use crate::publish::testing;
use crate::publish::updates::{Arches, ChannelUpdates, Cuts, Filling, LineUpdates};
use crate::store::payloads::PayloadFolder;
use crate::store::port::PayloadStore as _;

/// Seconds since 1970 of the fixture's `now`.
pub const NOW: i64 = 1_514_764_800;

/// The size of the large payload: more than the buffers between two sockets take.
pub const LARGE: usize = 32 << 20;

/// A clock that stands where a test puts it.
pub struct Stopped(AtomicI64, SystemClock);

impl Stopped {
    pub fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Stopped {
    fn now(&self) -> Time {
        Time::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.1.monotonic()
    }
}

/// A server that runs until it is dropped.
pub struct Spawned {
    pub address: SocketAddr,
    pub admin_address: Option<SocketAddr>,
    pub shared: Handle,
    pub clock: Arc<Stopped>,
    payloads: Arc<PayloadFolder>,
    _folder: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spawned {
    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Puts the copy of the large payload where the server looks for it, and says where.
    pub fn store_large(&self) -> std::path::PathBuf {
        let path = write(&self.payloads, &LARGE_DIGEST, &large());
        // A copy is checked before it is opened for the first time, which takes longer than some tests allow.
        self.payloads.open(&LARGE_DIGEST, 0..1).unwrap();
        path
    }

    /// Where the copy of a payload is.
    pub fn copy_path(&self, sha256: &Sha256) -> std::path::PathBuf {
        self.payloads.copy_path(sha256)
    }

    /// Tells the server to stop, without waiting for it.
    pub fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub fn wait(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.stop.take();
        self.thread.take().map(JoinHandle::join);
    }
}

pub fn spawn() -> Spawned {
    spawn_with(|_| {})
}

pub fn spawn_with(change: impl FnOnce(&mut Config)) -> Spawned {
    spawn_routes(&ROUTES, change)
}

/// Starts a server with routes of a test's own.
pub fn spawn_routes(routes: &'static [Route], change: impl FnOnce(&mut Config)) -> Spawned {
    let folder = tempfile::tempdir().unwrap();
    let payloads = Arc::new(PayloadFolder::new(folder.path(), folder.path()));
    let shared = Handle::new(Shared::default());
    shared.publication.store(Some(Arc::new(publication(&payloads))));
    let clock = Arc::new(Stopped(AtomicI64::new(NOW), SystemClock::new()));
    let mut config = Config::new("127.0.0.1:0".parse().unwrap());
    config.workers = 1;
    change(&mut config);

    let copies = Arc::clone(&payloads);
    let running = start_with(&config, routes, Arc::clone(&shared), copies, Arc::clone(&clock) as _).unwrap();
    let (address, admin_address) = (running.address(), running.admin_address());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(running.until(async { drop(stopped.await) })).unwrap();
    });
    Spawned {
        address,
        admin_address,
        shared,
        clock,
        payloads,
        _folder: folder,
        stop: Some(stop),
        thread: Some(thread),
    }
}

pub fn json(text: impl Into<String>) -> Arc<Document> {
    Arc::new(Document::new(Media::Json, Bytes::from(text.into())))
}

/// A body that is worth compressing.
pub fn long_json(kind: &str) -> String {
    let numbers: Vec<_> = (0..2000).map(|i: u32| i.to_string()).collect();
    format!("{{\"kind\":\"{kind}\",\"numbers\":[{}]}}", numbers.join(","))
}

/// The bytes of the large payload. They repeat at an odd length, so that no two chunks are alike.
pub fn large() -> Vec<u8> {
    let pattern: Vec<u8> = (0..=250).collect();
    let mut bytes = pattern.repeat(LARGE.div_ceil(pattern.len()));
    bytes.truncate(LARGE);
    bytes
}

/// The digest of the large payload.
static LARGE_DIGEST: LazyLock<Sha256> = LazyLock::new(|| Sha256::new(sha2::Sha256::digest(large()).into()));

/// Puts bytes where the copy with a digest is, and says where.
fn write(payloads: &PayloadFolder, sha256: &Sha256, bytes: &[u8]) -> std::path::PathBuf {
    let path = payloads.copy_path(sha256);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Stores a payload's copy.
fn payload(copies: &PayloadFolder, file: &str, bytes: &[u8]) -> Payload {
    let sha256 = Sha256::new(sha2::Sha256::digest(bytes).into());
    write(copies, &sha256, bytes);
    Payload { file: file.to_owned(), sha256, size: bytes.len() as u64, arch: None }
}

/// The path of a target with these bytes.
pub fn target(name: &str, bytes: &[u8]) -> String {
    format!("/tuf/targets/{}.{name}", hex::encode(sha2::Sha256::digest(bytes)))
}

fn publication(copies: &PayloadFolder) -> Publication {
    let version = |text| Version::parse(text).unwrap();
    let [old, new] = ["1.8.4-tectonic.1", "1.8.9-tectonic.4"].map(version);
    let updates = ChannelUpdates {
        stage: "production".parse().unwrap(),
        bodies: vec![json(r#"{"action":"update"}"#), json(r#"{"action":"none"}"#)],
        paused: None,
        own: vec![(old.clone(), 0), (new.clone(), 1)],
        unknown: Cuts { below: vec![(new.clone(), 0)], above: 1 },
        before: Vec::new(),
        elsewhere: Cuts { below: Vec::new(), above: 1 },
        ahead: 1,
        latest: Some(new.clone()),
        take: None,
        filling: Filling::default(),
        arches: Some(Arches::default()),
    };
    let line = LineName::parse("1.8").unwrap();
    let channel = ChannelName::parse("1.8-production").unwrap();
    let now = Time::from_timestamp(NOW, 0).unwrap();
    let mut manifest = testing::channel_manifest(&channel, "tectonic-1.8-production", now);
    manifest.document = json(long_json("channel"));
    let mut roles = testing::roles(now);
    roles.roots[0].document = json(r#"{"signed":"root"}"#);
    roles.timestamp.document = json(r#"{"signed":"timestamp"}"#);

    let small = payload(copies, "payload.json", b"{\"deployments\":[]}\n");
    let large =
        Payload { file: "large.bin".to_owned(), sha256: *LARGE_DIGEST, size: LARGE as u64, arch: None };
    let signed = ReleaseDocuments {
        standing: Standing::Published,
        manifest: Some(json(long_json("release"))),
        explain: Some(json(r#"{"explain":true}"#)),
        payloads: [small, large].into(),
        at_hand: true,
    };
    let unsigned = ReleaseDocuments {
        standing: Standing::Unsigned,
        manifest: None,
        explain: Some(json("{}")),
        payloads: [].into(),
        at_hand: false,
    };
    let waiting = ReleaseDocuments { standing: Standing::Waiting, ..unsigned.clone() };
    let built = ReleaseDocuments {
        standing: Standing::Published,
        manifest: Some(json(r#"{"built":true}"#)),
        ..unsigned.clone()
    };
    let releases = [
        (version("1.8.4-tectonic.1"), signed),
        (version("1.8.9-tectonic.4"), unsigned),
        (version("1.8.9-tectonic.5"), waiting),
        (version("1.8.4+rke2r1"), built),
    ];
    let part = Part {
        prefix: Prefix::parse("1.8").ok(),
        channels: vec![ChannelDocuments { manifest, updates, page: None }],
        releases: releases.into(),
        updates: LineUpdates { versions: [old, new].into(), ..LineUpdates::default() },
        ..Part::empty(line)
    };

    Publication {
        version: 7,
        made: Time::from_timestamp(NOW - 60, 0).unwrap(),
        expires: Time::from_timestamp(NOW + 3600, 0).unwrap(),
        renew: Time::from_timestamp(NOW + 1800, 0).unwrap(),
        demo: false,
        channels: json(long_json("channels")),
        promotions: json("[]"),
        parts: Parts::of([Arc::new(part)]),
        roles,
        anew: Vec::new(),
        retired: HashMap::new(),
        sources: BTreeMap::new(),
        pages: None,
        pieces: Pieces::default(),
    }
}
