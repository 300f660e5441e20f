//! A store in memory, for tests: it does what every store does, without files.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read as _};
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::port::{
    Blob, CatalogStore, CommitError, Content, Each, Exclusive, HeldKey, Incoming, News, Pack, PayloadError,
    PayloadStore, ReadError, Revision, Segments, Snapshot, Source, StateError, StateStore, Watch,
};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::clock::{Accepted, KnownTime};
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::{PayloadState, Release};
use crate::domain::report::Report;
use crate::domain::restraint::Remembered;
use crate::domain::topic::Topic;
use crate::domain::version::Version;
use crate::formats::tuf::next_version;
use crate::formats::yaml::Reading;

fn revision(count: u64) -> Revision {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&count.to_be_bytes());
    Revision::new(bytes)
}

fn blob(bytes: Vec<u8>, from: u64) -> Blob {
    let size = bytes.len() as u64;
    let mut bytes = Cursor::new(bytes);
    bytes.set_position(from);
    Blob { place: "memory".to_owned(), size, bytes: Source::Stream(Box::new(bytes)) }
}

/// Releases the lock when it is dropped.
struct Taken(Arc<AtomicBool>);

impl Taken {
    fn take(flag: &Arc<AtomicBool>) -> Option<Exclusive> {
        (!flag.swap(true, Ordering::SeqCst)).then(|| Exclusive::new(Self(Arc::clone(flag))))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// A catalog in memory.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    kept: Mutex<Kept>,
    writer: Arc<AtomicBool>,
}

#[derive(Debug, Default, Clone)]
struct Kept {
    count: u64,
    catalog: Catalog,
    trust: BTreeMap<String, Bytes>,
    manifests: HashMap<String, Bytes>,
}

impl MemoryCatalog {
    pub fn new(catalog: Catalog) -> Self {
        Self { kept: Mutex::new(Kept { catalog, ..Kept::default() }), ..Self::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }
}

impl Kept {
    fn check(&self, base: &Revision) -> Result<(), CommitError> {
        let found = revision(self.count);
        if found == *base { Ok(()) } else { Err(CommitError::Conflict { base: *base, found }) }
    }

    fn make(&mut self, change: &Change) -> Result<(), CommitError> {
        let after = change.apply(self.catalog.clone()).map_err(|error| CommitError::Edit(error.into()))?;
        self.count += u64::from(after != self.catalog);
        self.catalog = after;
        Ok(())
    }

    fn make_each(&mut self, changes: &[Change]) -> Each {
        let (mut made, mut failed) = (Vec::new(), Vec::new());
        for (place, change) in changes.iter().enumerate() {
            match self.make(change) {
                Ok(()) => made.push(place),
                Err(error) => failed.push((place, error)),
            }
        }
        Each { revision: revision(self.count), made, failed, stopped: None }
    }
}

impl CatalogStore for MemoryCatalog {
    fn read(&self, _now: Time) -> Result<Snapshot, ReadError> {
        let Kept { count, catalog, trust, manifests } = self.kept().clone();
        Ok(Snapshot {
            revision: revision(count),
            reading: Arc::new(Reading::of(catalog)),
            trust,
            unread_roles: BTreeMap::new(),
            touched: None,
            unsettled: None,
            manifests: Arc::new(
                manifests.into_iter().map(|(version, raw)| (version.into(), Ok(raw))).collect(),
            ),
        })
    }

    fn about(self: Arc<Self>, _topic: &Topic) -> Arc<dyn CatalogStore> {
        self
    }

    fn keys(&self) -> Result<BTreeMap<String, Bytes>, ReadError> {
        let mut keys = self.kept().trust.clone();
        keys.retain(|name, _| name == "targets.json" || name.ends_with(".root.json"));
        Ok(keys)
    }

    fn commit(&self, base: &Revision, changes: &[Change], _now: Time) -> Result<Revision, CommitError> {
        let _writer = self.exclusive()?;
        let mut kept = self.kept();
        kept.check(base)?;
        let mut after = kept.clone();
        changes.iter().try_for_each(|change| after.make(change))?;
        *kept = after;
        Ok(revision(kept.count))
    }

    fn commit_each(&self, base: &Revision, changes: &[Change], _now: Time) -> Result<Each, CommitError> {
        let _writer = self.exclusive()?;
        let mut kept = self.kept();
        kept.check(base)?;
        Ok(kept.make_each(changes))
    }

    fn try_each(
        &self,
        base: &Revision,
        changes: &[Change],
        _now: Time,
    ) -> Result<Vec<(usize, CommitError)>, CommitError> {
        let mut kept = self.kept().clone();
        kept.check(base)?;
        Ok(kept.make_each(changes).failed)
    }

    fn exclusive(&self) -> Result<Exclusive, CommitError> {
        loop {
            if let Some(taken) = Taken::take(&self.writer) {
                return Ok(taken);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn put(
        &self,
        manifests: &BTreeMap<Version, Bytes>,
        trust: &BTreeMap<String, Bytes>,
    ) -> Result<(), CommitError> {
        let mut kept = self.kept();
        kept.manifests.extend(manifests.iter().map(|(version, raw)| (version.to_string(), raw.clone())));
        kept.trust.extend(trust.clone());
        kept.count += 1;
        Ok(())
    }

    fn watch(self: Arc<Self>) -> Box<dyn Watch> {
        Box::new(MemoryWatch { catalog: self, read: None })
    }
}

struct MemoryWatch {
    catalog: Arc<MemoryCatalog>,
    read: Option<Revision>,
}

impl Watch for MemoryWatch {
    fn look(&mut self, _now: Duration, _thorough: bool) -> Result<News, ReadError> {
        let is_read = self.read == Some(revision(self.catalog.kept().count));
        Ok(if is_read { News::Nothing } else { News::Ready })
    }

    fn read(&mut self, now: Time) -> Result<Snapshot, ReadError> {
        let snapshot = self.catalog.read(now)?;
        self.read = Some(snapshot.revision);
        Ok(snapshot)
    }
}

/// A state in memory.
#[derive(Debug, Default)]
pub struct MemoryState {
    held: Mutex<Held>,
    lease: Arc<AtomicBool>,
    /// Whether no segment can be read. While a test locks this, whoever reads one waits.
    pub is_failing: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Held {
    version: u64,
    publication: Option<Vec<u8>>,
    /// The segments that it names, and those that the one before it named.
    segments: BTreeMap<Sha256, Vec<u8>>,
    last: BTreeMap<Sha256, Vec<u8>>,
    published: u64,
    is_new: bool,
    keys: BTreeMap<PathBuf, String>,
    restraints: Remembered,
    report: Option<Report>,
    time: Option<KnownTime>,
    accepted: Option<Accepted>,
}

impl MemoryState {
    pub fn keep(&self, place: &Path, pem: &str) {
        self.held().keys.insert(place.to_owned(), pem.to_owned());
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }
}

/// The segments of a publication that is being stored.
struct MemorySegments {
    found: BTreeMap<Sha256, Vec<u8>>,
    named: BTreeMap<Sha256, Vec<u8>>,
}

impl Segments for MemorySegments {
    fn keep(&mut self, sha256: &Sha256, size: u64) -> bool {
        let found = self.found.get(sha256).filter(|found| found.len() as u64 == size);
        self.named.extend(found.map(|found| (*sha256, found.clone())));
        found.is_some()
    }

    fn put(&mut self, content: &mut Content<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let sha256 = content(&mut bytes)?;
        self.named.insert(sha256, bytes);
        Ok(())
    }
}

impl StateStore for MemoryState {
    fn lease(&self) -> Result<Exclusive, StateError> {
        Taken::take(&self.lease).ok_or_else(|| StateError::InUse {
            place: "in memory".to_owned(),
            holder: "another test".to_owned(),
        })
    }

    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError> {
        let mut held = self.held();
        held.version = next_version(published.unwrap_or(0).max(held.version), now);
        Ok(held.version)
    }

    fn raise(&self, version: u64) -> Result<(), StateError> {
        let mut held = self.held();
        held.version = held.version.max(version);
        Ok(())
    }

    fn publication(&self) -> Result<Option<Blob>, StateError> {
        Ok(self.held().publication.clone().map(|bytes| blob(bytes, 0)))
    }

    fn segment(&self, sha256: &Sha256) -> Result<Blob, StateError> {
        if *self.is_failing.lock().unwrap() {
            let source = io::Error::other("the disk fails");
            return Err(StateError::Read { what: format!("segment {sha256}"), source });
        }
        let held = self.held();
        let found = held.segments.get(sha256).or_else(|| held.last.get(sha256)).cloned();
        let missing =
            || StateError::Read { what: format!("segment {sha256}"), source: io::ErrorKind::NotFound.into() };
        found.map(|bytes| blob(bytes, 0)).ok_or_else(missing)
    }

    fn publish(&self, pack: &mut Pack<'_>) -> Result<(), StateError> {
        let mut segments = MemorySegments { found: self.held().segments.clone(), named: BTreeMap::new() };
        let publication = pack(&mut segments).map_err(|error| StateError::Failed(Box::new(error)))?;
        let mut held = self.held();
        held.published += 1;
        held.last = mem::replace(&mut held.segments, segments.named);
        (held.publication, held.is_new) = (Some(publication), false);
        Ok(())
    }

    fn head(&self) -> Option<Revision> {
        let held = self.held();
        held.publication.as_ref().map(|_| revision(held.published))
    }

    fn found(&self) -> Result<(), StateError> {
        self.held().is_new = true;
        Ok(())
    }

    fn is_new(&self) -> bool {
        self.held().is_new
    }

    fn restraints(&self) -> Remembered {
        self.held().restraints.clone()
    }

    fn remember(&self, memory: &Remembered) -> Result<(), StateError> {
        self.held().restraints = memory.clone();
        Ok(())
    }

    fn reported(&self) -> Option<Report> {
        self.held().report.clone()
    }

    fn report(&self, report: &Report) -> Result<(), StateError> {
        self.held().report = Some(report.clone());
        Ok(())
    }

    fn known_time(&self) -> Option<KnownTime> {
        self.held().time.clone()
    }

    fn know_time(&self, known: &KnownTime) -> Result<(), StateError> {
        self.held().time = Some(known.clone());
        Ok(())
    }

    fn accepted(&self) -> Option<Accepted> {
        self.held().accepted.clone()
    }

    fn accept(&self, accepted: Option<&Accepted>) -> Result<(), StateError> {
        self.held().accepted = accepted.cloned();
        Ok(())
    }

    fn keys(&self) -> Result<Vec<HeldKey>, StateError> {
        let held = self.held();
        let keys = held.keys.iter().map(|(place, pem)| HeldKey {
            place: place.clone(),
            is_usual: place.ends_with("online.pem"),
            pem: Zeroizing::new(pem.clone().into_bytes()),
        });
        Ok(keys.collect())
    }
}

/// Payload files and their copies in memory.
#[derive(Debug, Default)]
pub struct MemoryPayloads {
    files: Mutex<HashMap<(String, String), Vec<u8>>>,
    copies: Mutex<HashMap<Sha256, Vec<u8>>>,
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(bytes).into())
}

impl MemoryPayloads {
    pub fn upload(&self, version: &str, file: &str, bytes: &[u8]) {
        self.files.lock().unwrap().insert((version.to_owned(), file.to_owned()), bytes.to_vec());
    }

    fn file(&self, version: &Version, file: &str) -> Option<Vec<u8>> {
        self.files.lock().unwrap().get(&(version.to_string(), file.to_owned())).cloned()
    }

    fn copy(&self, name: String, bytes: Vec<u8>, expected: Sha256) -> Result<(), PayloadError> {
        let found = digest(&bytes);
        if found != expected {
            return Err(PayloadError::Differs { payload: name, expected, found });
        }
        self.copies.lock().unwrap().insert(expected, bytes);
        Ok(())
    }
}

impl PayloadStore for MemoryPayloads {
    fn check(&self, release: &Release, _now: Time) -> PayloadState {
        for payload in &*release.payloads {
            let file = payload.file.clone();
            match self.file(&release.version, &payload.file) {
                None => return PayloadState::Missing { file },
                Some(bytes) if digest(&bytes) != payload.sha256 => {
                    return PayloadState::Differs { file, found: digest(&bytes).to_string(), altered: None };
                }
                Some(_) => {}
            }
        }
        PayloadState::Present
    }

    fn ensure_copies(
        &self,
        wanted: &[(&Version, &Payload)],
    ) -> Result<Vec<(usize, PayloadError)>, PayloadError> {
        let mut failed = Vec::new();
        for (place, (version, payload)) in wanted.iter().enumerate() {
            if self.copies.lock().unwrap().contains_key(&payload.sha256) {
                continue;
            }
            let copied = match self.file(version, &payload.file) {
                Some(bytes) => self.copy(payload.file.clone(), bytes, payload.sha256),
                None => Err(PayloadError::Read {
                    payload: payload.file.clone(),
                    source: io::ErrorKind::NotFound.into(),
                }),
            };
            failed.extend(copied.err().map(|error| (place, error)));
        }
        Ok(failed)
    }

    fn put(&self, files: &[Incoming]) -> Result<usize, PayloadError> {
        for Incoming { path, sha256, .. } in files {
            let payload = path.display().to_string();
            let bytes = super::plain::whole(path)
                .map_err(|source| PayloadError::Read { payload: payload.clone(), source })?;
            self.copy(payload, bytes, *sha256)?;
        }
        Ok(files.len())
    }

    fn open(&self, sha256: &Sha256, range: Range<u64>) -> io::Result<Blob> {
        let copies = self.copies.lock().unwrap();
        let bytes = copies.get(sha256).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(blob(bytes, range.start))
    }
}

/// Reads the rest of a blob.
pub fn text(mut blob: Blob) -> String {
    let mut text = String::new();
    blob.bytes.read_to_string(&mut text).unwrap();
    text
}
