//! One check's view of the repository: each file is had once, from the trusted state or the server.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tough::{Transport, TransportError, TransportErrorKind, TransportStream, async_trait};
use url::Url;

use super::fetch::{Ask, Fetch, Reply, read_all};
use super::refusal::Refusal;
use super::trusted::State;
use crate::clock::SharedClock;
use crate::formats::tuf::names::{TIMESTAMP_PATH, metadata_path};
use crate::formats::tuf::{Snapshot, Target, Timestamp};
use crate::signing::Signed;

/// A root with dozens of keys and signatures has a few kilobytes.
const LARGEST_ROOT: u64 = 1024 * 1024;
/// A timestamp has less than one kilobyte; another maker's may have more signatures.
const LARGEST_TIMESTAMP: u64 = 64 * 1024;
/// Roles and manifests have their sizes listed, by somebody whose keys may be stolen.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// All files of one check together. Whoever holds the online key may list as many as he likes.
const LARGEST_CHECK: u64 = 256 * 1024 * 1024;
/// After so long no further file is asked for: each may take a minute, and meanwhile nobody else can
/// check.
const LONGEST_CHECK: Duration = Duration::from_secs(600);

/// The address that tough is told. Nothing is ever asked there: the path is all that counts.
pub const PLACE: &str = "http://repository.invalid/";

/// The files of one check.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    fetch: Arc<dyn Fetch>,
    clock: SharedClock,
    /// By the clock's monotonic time.
    start: Duration,
    state: Option<State>,
    /// What all files together may have, in bytes.
    most: u64,
    had: Mutex<Had>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", self.fetch)
    }
}

#[derive(Debug, Default)]
struct Had {
    /// What is in the repository, by path below `tuf/`.
    files: HashMap<String, Bytes>,
    /// Their sizes together, in bytes.
    size: u64,
    absent: BTreeSet<String>,
    /// Length and digest, as somebody lists them. This only tells which copy is worth a look: what
    /// is taken is verified from the top.
    listed: HashMap<String, Target>,
    timestamp_tag: Option<String>,
    refusal: Option<Refusal>,
}

impl Session {
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, state: Option<State>, clock: SharedClock) -> Self {
        Self::bounded(fetch, state, clock, LARGEST_CHECK)
    }

    fn bounded(fetch: Arc<dyn Fetch>, state: Option<State>, clock: SharedClock, most: u64) -> Self {
        let start = clock.monotonic();
        Self(Arc::new(Inner { fetch, clock, start, state, most, had: Mutex::default() }))
    }

    /// Checks that there is time for another file.
    fn check_time(&self, path: &str) -> Result<(), Refusal> {
        if self.0.clock.monotonic().saturating_sub(self.0.start) < LONGEST_CHECK {
            return Ok(());
        }
        let detail = format!("the check has taken {} minutes already", LONGEST_CHECK.as_secs() / 60);
        Err(Refusal::TooSlow { path: path.to_owned(), detail })
    }

    /// The trusted state that this check began with.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.0.state.as_ref()
    }

    fn had(&self) -> MutexGuard<'_, Had> {
        self.0.had.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every file that was had, but for roots and the timestamp, which are kept apart.
    #[must_use]
    pub fn files(&self) -> HashMap<String, Bytes> {
        let had = self.had();
        let keep = |path: &str| path != TIMESTAMP_PATH && !path.ends_with(".root.json");
        had.files.iter().filter(|(path, _)| keep(path)).map(|(p, b)| (p.clone(), b.clone())).collect()
    }

    /// A file that was had already.
    #[must_use]
    pub fn known(&self, path: &str) -> Option<Bytes> {
        self.had().files.get(path).cloned()
    }

    #[must_use]
    pub fn timestamp_tag(&self) -> Option<String> {
        self.had().timestamp_tag.clone()
    }

    /// Why a file could not be had, if tough asked for one that could not.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.had().refusal.take()
    }

    /// A file of the repository by its path below `tuf/`. `None` if there is no such file.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn file(&self, path: &str) -> Result<Option<Bytes>, Refusal> {
        if let Some(known) = self.known(path) {
            return Ok(Some(known));
        }
        if self.had().absent.contains(path) {
            return Ok(None);
        }
        let file = if path == TIMESTAMP_PATH { self.timestamp()? } else { self.other(path)? };
        let mut had = self.had();
        match &file {
            Some(bytes) => {
                list(&mut had.listed, path, bytes);
                had.size += bytes.len() as u64;
                had.files.insert(path.to_owned(), bytes.clone());
            }
            None => {
                had.absent.insert(path.to_owned());
            }
        }
        Ok(file)
    }

    /// A target, by its path and what is listed of it.
    ///
    /// # Errors
    /// When it cannot be had, or is not what is listed.
    pub fn target(&self, path: &str, target: &Target) -> Result<Option<Bytes>, Refusal> {
        self.had().listed.insert(path.to_owned(), *target);
        let Some(bytes) = self.file(path)? else { return Ok(None) };
        let found = Target::of(&bytes);
        if found.hashes != target.hashes {
            return Err(Refusal::WrongDigest {
                path: path.to_owned(),
                expected: target.hashes.sha256.to_string(),
                found: found.hashes.sha256.to_string(),
            });
        }
        Ok(Some(bytes))
    }

    fn timestamp(&self) -> Result<Option<Bytes>, Refusal> {
        let state = self.0.state.as_ref();
        let held = state.and_then(|state| state.seen.timestamp_tag.as_deref());
        self.check_time(TIMESTAMP_PATH)?;
        let path = format!("tuf/{TIMESTAMP_PATH}");
        match self.0.fetch.get(&Ask { path: &path, held, ..Ask::default() })? {
            Reply::NotFound => Ok(None),
            Reply::NotModified => {
                self.had().timestamp_tag = held.map(str::to_owned);
                Ok(state.map(|state| state.timestamp.clone()))
            }
            Reply::Found(mut found) => {
                let bytes = Bytes::from(read_all(TIMESTAMP_PATH, &mut found.body, LARGEST_TIMESTAMP)?);
                self.had().timestamp_tag = found.tag;
                Ok(Some(bytes))
            }
        }
    }

    fn other(&self, path: &str) -> Result<Option<Bytes>, Refusal> {
        let listed = self.had().listed.get(path).copied();
        // A file is told by its name and its digest: after a theft a version may stand for another.
        if let (Some(listed), Some(state)) = (listed, &self.0.state)
            && let Some(kept) = state.file(path).filter(|kept| Target::of(kept) == listed)
        {
            return Ok(Some(kept));
        }
        self.check_time(path)?;
        let limit = match listed {
            Some(listed) => listed.length.min(LARGEST_FILE),
            None => LARGEST_ROOT,
        };
        let limit = limit.min(self.0.most.saturating_sub(self.had().size));
        let asked = format!("tuf/{path}");
        match self.0.fetch.get(&Ask { path: &asked, ..Ask::default() })? {
            Reply::NotFound => Ok(None),
            Reply::NotModified => Err(Refusal::Status { url: asked, status: 304 }),
            Reply::Found(mut found) => {
                let bytes = read_all(path, &mut found.body, limit)?;
                if let Some(listed) = listed.filter(|listed| (bytes.len() as u64) < listed.length) {
                    return Err(Refusal::Truncated {
                        path: path.to_owned(),
                        expected: listed.length,
                        found: bytes.len() as u64,
                    });
                }
                Ok(Some(bytes.into()))
            }
        }
    }
}

/// Remembers what a timestamp or a snapshot says about other files.
fn list(listed: &mut HashMap<String, Target>, path: &str, bytes: &Bytes) {
    if path == TIMESTAMP_PATH {
        if let Ok(timestamp) = Signed::<Timestamp>::parse(bytes.clone()) {
            let meta = timestamp.signed().meta.snapshot;
            let target = Target { hashes: meta.hashes, length: meta.length };
            listed.insert(metadata_path("snapshot", meta.version), target);
        }
    } else if path.ends_with(".snapshot.json")
        && let Ok(snapshot) = Signed::<Snapshot>::parse(bytes.clone())
    {
        for (name, meta) in &snapshot.signed().meta {
            let role = name.trim_end_matches(".json");
            let target = Target { hashes: meta.hashes, length: meta.length };
            listed.insert(metadata_path(role, meta.version), target);
        }
    }
}

#[async_trait]
impl Transport for Session {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let path = url.as_str().strip_prefix(PLACE).unwrap_or_default().to_owned();
        let session = self.clone();
        let asked = path.clone();
        let file = tokio::task::spawn_blocking(move || session.file(&asked)).await;
        let file = file.map_err(|e| TransportError::new_with_cause(TransportErrorKind::Other, &path, e))?;
        let item = match file {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(TransportError::new(TransportErrorKind::FileNotFound, &path)),
            Err(refusal) => {
                let words = refusal.to_string();
                self.had().refusal.get_or_insert(refusal);
                Err(TransportError::new_with_cause(TransportErrorKind::Other, &path, words))
            }
        };
        // As a stream, and not as an error at once: tough takes any of those for "there is no newer
        // root".
        Ok(Box::pin(futures_util::stream::once(std::future::ready(item))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::fetch::Found;
    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;

    /// A server that has ten bytes for everybody.
    #[derive(Debug)]
    struct Ten;

    impl Fetch for Ten {
        fn get(&self, _ask: &Ask<'_>) -> Result<Reply, Refusal> {
            Ok(Reply::Found(Found { tag: None, from: 0, body: Box::new(Cursor::new([7; 10])) }))
        }

        fn place(&self) -> String {
            "memory".to_owned()
        }
    }

    /// A clock of seconds that a test puts forward.
    #[derive(Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Time {
            Time::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn many_slow_files_are_no_way_around_the_bound_on_one() {
        let clock = Arc::new(Hand::default());
        clock.0.store(5, Ordering::SeqCst);
        let session = Session::new(Arc::new(Ten), None, Arc::clone(&clock) as _);
        clock.0.store(604, Ordering::SeqCst);
        session.file("metadata/1.a.json").unwrap();
        clock.0.store(605, Ordering::SeqCst);
        for path in ["metadata/1.b.json", TIMESTAMP_PATH] {
            assert_eq!(session.file(path).unwrap_err().kind(), "TooSlow");
        }
        session.file("metadata/1.a.json").unwrap();
    }

    #[test]
    fn many_small_files_are_no_way_around_the_bound_on_a_large_one() {
        let session = Session::bounded(Arc::new(Ten), None, Arc::new(Hand::default()), 25);
        assert_eq!(session.file("metadata/1.a.json").unwrap().unwrap().len(), 10);
        session.file("metadata/1.b.json").unwrap();
        session.file("metadata/1.b.json").unwrap();
        let refused = session.file("metadata/1.c.json").unwrap_err();
        assert_eq!(refused.kind(), "TooLarge");
    }
}
