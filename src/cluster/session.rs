//! The files of one check. Each is read once, from the trusted state or from the server.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;

use super::fetch::{Ask, Fetch, Reply, read_all};
use super::refusal::Refusal;
use super::trusted::State;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::payload::Sha256;
use crate::formats::tuf::Target;
use crate::formats::tuf::names::TIMESTAMP_PATH;
use crate::remote::{Place, Unanswered};
use crate::signing::is_document;
use crate::signing::verify::Files;

/// The maximum size of a root. One with dozens of keys and signatures takes a few kilobytes.
const LARGEST_ROOT: u64 = 1024 * 1024;
/// The maximum size of a timestamp. Ours are smaller than one kilobyte, but one from other software may
/// have more signatures.
const LARGEST_TIMESTAMP: u64 = 64 * 1024;
/// The maximum size of a role or manifest. Their sizes are listed, but the keys that signed the listing may
/// be stolen.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// The limit for all files of one check together, since somebody with the online key can list any number of
/// files.
const LARGEST_CHECK: u64 = 256 * 1024 * 1024;
/// How long the trusted timestamp may be confirmed by "not modified". The server renews it daily, so one
/// that is older is fetched in full: a broken cache must not keep the next one from the cluster.
const LONGEST_HELD: TimeDelta = TimeDelta::days(1);
/// After this time, the check fetches no more files: each can take a minute, and no other check can run
/// meanwhile.
const LONGEST_CHECK: Duration = Duration::from_secs(600);

/// The files of one check.
pub struct Session {
    fetch: Arc<dyn Fetch>,
    clock: SharedClock,
    /// When the check started.
    now: Time,
    /// The same in the clock's monotonic time.
    start: Duration,
    state: Option<State>,
    /// The limit for all files together, in bytes.
    limit: u64,
    had: RefCell<Had>,
}

/// The files that this check has read so far.
#[derive(Debug, Default)]
struct Had {
    /// All files, by path below `tuf/`. `None` if the server does not have the file.
    files: HashMap<String, Option<Bytes>>,
    /// The digests of those that the trusted state had, so that they were verified before.
    kept: BTreeSet<Sha256>,
    /// The total size of all files, in bytes.
    size: u64,
}

impl Session {
    pub fn new(fetch: Arc<dyn Fetch>, state: Option<State>, clock: SharedClock, now: Time) -> Self {
        let start = clock.monotonic();
        Self { fetch, clock, now, start, state, limit: LARGEST_CHECK, had: RefCell::default() }
    }

    /// The trusted state at the start of this check.
    pub const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// The digests of the files that were read from the trusted state.
    pub fn kept(&self) -> BTreeSet<Sha256> {
        self.had.borrow().kept.clone()
    }

    /// Checks that there is time to fetch another file.
    fn check_time(&self, path: &str) -> Result<(), Refusal> {
        if self.clock.monotonic().saturating_sub(self.start) < LONGEST_CHECK {
            return Ok(());
        }
        let detail = format!("the check has already taken {} minutes", LONGEST_CHECK.as_secs() / 60);
        Err(Refusal::TooSlow { path: path.to_owned(), detail })
    }

    fn timestamp(&self) -> Result<Option<Bytes>, Refusal> {
        let state = self.state.as_ref();
        let held = state.and_then(|state| self.held(state));
        let path = format!("tuf/{TIMESTAMP_PATH}");
        match self.fetch.get(&Ask { path: &path, held: held.as_deref(), ..Ask::default() })? {
            Reply::NotFound => Ok(None),
            Reply::NotModified => Ok(state.map(|state| state.timestamp.raw().clone())),
            Reply::Found(mut found) => {
                self.document(&path, read_all(TIMESTAMP_PATH, &mut found.body, LARGEST_TIMESTAMP)?)
            }
        }
    }

    /// The `ETag` that `tidegate serve` gives to the trusted timestamp, while a "not modified" can be right.
    fn held(&self, state: &State) -> Option<String> {
        let is_recent = self.now - state.passed() < LONGEST_HELD;
        let is_current = self.now < state.timestamp.signed().expires;
        let digest = Target::of(state.timestamp.raw()).hashes.sha256;
        (is_recent && is_current).then(|| format!("\"{}\"", digest.short()))
    }

    fn fetch(&self, path: &str, listed: Option<&Target>) -> Result<Option<Bytes>, Refusal> {
        let limit = listed.map_or(LARGEST_ROOT, |listed| listed.length.min(LARGEST_FILE));
        let limit = limit.min(self.limit.saturating_sub(self.had.borrow().size));
        let asked = format!("tuf/{path}");
        let unpacked = listed.map(|listed| listed.length);
        match self.fetch.get(&Ask { path: &asked, unpacked, ..Ask::default() })? {
            Reply::NotFound => Ok(None),
            Reply::NotModified => {
                let place = Place { url: asked, proxy: None };
                Err(Unanswered::Status { place, status: 304 }.into())
            }
            Reply::Found(mut found) => {
                let bytes = read_all(path, &mut found.body, limit)?;
                let (path, found) = (path.to_owned(), bytes.len() as u64);
                match listed {
                    None => self.document(&asked, bytes),
                    Some(&Target { length: expected, .. }) if found < expected => {
                        Err(Refusal::Truncated { path, expected, found })
                    }
                    Some(_) => Ok(Some(bytes.into())),
                }
            }
        }
    }

    /// A document whose size and digest are not listed.
    fn document(&self, asked: &str, bytes: Vec<u8>) -> Result<Option<Bytes>, Refusal> {
        if is_document(&bytes) { Ok(Some(bytes.into())) } else { Err(self.fetch.refuse_foreign(asked)) }
    }
}

impl Files for Session {
    type Error = Refusal;

    fn get(&self, path: &str, listed: Option<&Target>) -> Result<Option<Bytes>, Refusal> {
        if let Some(known) = self.had.borrow().files.get(path) {
            return Ok(known.clone());
        }
        let kept = listed.and_then(|listed| {
            let bytes = self.state.as_ref()?.file(&listed.hashes.sha256)?;
            (Target::of(&bytes) == *listed).then_some((listed.hashes.sha256, bytes))
        });
        let file = if let Some((digest, bytes)) = kept {
            self.had.borrow_mut().kept.insert(digest);
            Some(bytes)
        } else {
            self.check_time(path)?;
            if path == TIMESTAMP_PATH { self.timestamp()? } else { self.fetch(path, listed)? }
        };
        let mut had = self.had.borrow_mut();
        had.size += file.as_ref().map_or(0, |bytes| bytes.len() as u64);
        had.files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    fn was_verified(&self, listed: &Target) -> bool {
        self.had.borrow().kept.contains(&listed.hashes.sha256)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::fetch::Found;
    use super::*;
    use crate::clock::Clock;

    /// A server that answers every request with ten bytes.
    struct Ten;

    const TEN: [u8; 10] = [7; 10];

    impl Fetch for Ten {
        fn get(&self, _ask: &Ask<'_>) -> Result<Reply, Refusal> {
            Ok(Reply::Found(Found { from: 0, body: Box::new(Cursor::new(TEN)) }))
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
        let session = Session::new(Arc::new(Ten), None, Arc::clone(&clock) as _, Time::UNIX_EPOCH);
        clock.0.store(604, Ordering::SeqCst);
        session.get("metadata/1.a.json", Some(&Target::of(&TEN))).unwrap();
        clock.0.store(605, Ordering::SeqCst);
        for path in ["metadata/1.b.json", TIMESTAMP_PATH] {
            assert_eq!(session.get(path, None).unwrap_err().kind(), "TooSlow");
        }
        session.get("metadata/1.a.json", Some(&Target::of(&TEN))).unwrap();
    }

    /// A server whose bodies have no end.
    struct Endless;

    impl Fetch for Endless {
        fn get(&self, _ask: &Ask<'_>) -> Result<Reply, Refusal> {
            Ok(Reply::Found(Found { from: 0, body: Box::new(std::io::repeat(7)) }))
        }
    }

    #[test]
    fn no_file_is_read_beyond_its_limit_whatever_is_listed() {
        let session = Session::new(Arc::new(Endless), None, Arc::new(Hand::default()), Time::UNIX_EPOCH);
        let listed = Target { length: u64::MAX, ..Target::of(b"") };
        let refused = session.get("metadata/1.a.json", Some(&listed)).unwrap_err();
        assert_eq!(refused.kind(), "TooLarge");
        assert!(refused.to_string().contains("67108864"), "{refused}");
    }

    #[test]
    fn many_small_files_are_no_way_around_the_bound_on_a_large_one() {
        let mut session = Session::new(Arc::new(Ten), None, Arc::new(Hand::default()), Time::UNIX_EPOCH);
        session.limit = 25;
        assert_eq!(session.get("metadata/1.a.json", Some(&Target::of(&TEN))).unwrap().unwrap().len(), 10);
        session.get("metadata/1.b.json", Some(&Target::of(&TEN))).unwrap();
        session.get("metadata/1.b.json", Some(&Target::of(&TEN))).unwrap();
        let refused = session.get("metadata/1.c.json", Some(&Target::of(&TEN))).unwrap_err();
        assert_eq!(refused.kind(), "TooLarge");
    }
}
