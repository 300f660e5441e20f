//! Small payloads in memory, with the header values of all payloads that were asked for.
//!
//! The bytes never change: they are checked against their digest before they are kept, and found by it. So
//! nothing that happens to a file later can change what is served from here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::HeaderValue;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use sha2::Digest as _;

use super::limits::{KEPT_PAYLOADS, SMALL_PAYLOAD};
use crate::domain::payload::Sha256;

/// What an entry takes in addition to a payload's bytes, in bytes: its header values and its places in the
/// map and in the queue.
const OVERHEAD: usize = 512;

/// A cache of payloads, bounded in bytes.
///
/// It is a clock: a queue of entries, from which the first one is removed to make room, unless it was used
/// since it joined the queue. Then it joins again.
#[derive(Debug)]
pub struct PayloadCache {
    entries: Mutex<Entries>,
    most: usize,
}

#[derive(Debug, Default)]
struct Entries {
    by_digest: HashMap<Sha256, Entry>,
    queue: VecDeque<Sha256>,
    size: usize,
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    is_used: bool,
}

/// What is kept about a payload.
#[derive(Debug, Clone)]
pub struct Kept {
    /// `ETag`: the digest in quotes.
    pub etag: HeaderValue,
    /// `Repr-Digest`: the digest of the whole file (RFC 9530).
    pub repr_digest: HeaderValue,
    /// The bytes, if they have been loaded.
    pub bytes: Option<Bytes>,
}

/// Bytes do not have the digest that they should have.
#[derive(Debug, thiserror::Error)]
#[error("the copy has the digest `{0}`")]
pub struct Differs(Sha256);

impl Default for PayloadCache {
    fn default() -> Self {
        Self::bounded(KEPT_PAYLOADS)
    }
}

impl PayloadCache {
    /// Makes a cache that takes at most this many bytes of memory.
    pub fn bounded(most: usize) -> Self {
        Self { entries: Mutex::default(), most }
    }

    /// Returns what is kept about a payload. The first request for it makes its header values.
    pub fn get(&self, sha256: &Sha256) -> Kept {
        self.with(|entries| {
            if let Some(entry) = entries.by_digest.get_mut(sha256) {
                entry.is_used = true;
                return entry.kept.clone();
            }
            let kept = Kept::of(sha256);
            entries.put(*sha256, kept.clone(), self.most);
            kept
        })
    }

    /// Keeps the bytes of a payload, after checking that they have this digest. Larger ones than
    /// [`SMALL_PAYLOAD`] are only checked.
    ///
    /// # Errors
    /// When they have another digest.
    pub fn keep(&self, sha256: &Sha256, bytes: &Bytes) -> Result<(), Differs> {
        let found = Sha256::new(sha2::Sha256::digest(bytes).into());
        if found != *sha256 {
            return Err(Differs(found));
        }
        if bytes.len() as u64 <= SMALL_PAYLOAD {
            let kept = Kept { bytes: Some(bytes.clone()), ..self.get(sha256) };
            self.with(|entries| entries.put(*sha256, kept, self.most));
        }
        Ok(())
    }

    fn with<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        change(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Entries {
    /// Adds or replaces an entry, if there is room for it.
    fn put(&mut self, sha256: Sha256, kept: Kept, most: usize) {
        let size = kept.size();
        self.remove(&sha256);
        while self.size + size > most {
            let Some(first) = self.queue.pop_front() else { return };
            match self.by_digest.get_mut(&first) {
                Some(entry) if entry.is_used => {
                    entry.is_used = false;
                    self.queue.push_back(first);
                }
                _ => self.remove(&first),
            }
        }
        self.size += size;
        self.by_digest.insert(sha256, Entry { kept, is_used: false });
        // An entry that was replaced still has its place, unless that has just been used up.
        if self.queue.len() < self.by_digest.len() {
            self.queue.push_back(sha256);
        }
    }

    fn remove(&mut self, sha256: &Sha256) {
        self.size -= self.by_digest.remove(sha256).map_or(0, |entry| entry.kept.size());
    }
}

impl Kept {
    /// Makes the header values of a payload.
    fn of(sha256: &Sha256) -> Self {
        let value = |text: String| HeaderValue::from_maybe_shared(Bytes::from(text));
        let digest = Base64::encode_string(sha256.as_bytes());
        // A digest in hexadecimal or Base64 is a valid header value.
        let [etag, repr_digest] = [format!("\"{sha256}\""), format!("sha-256=:{digest}:")]
            .map(|text| value(text).expect("it is printable ASCII"));
        Self { etag, repr_digest, bytes: None }
    }

    /// The memory that an entry with this takes, in bytes.
    fn size(&self) -> usize {
        OVERHEAD + self.bytes.as_ref().map_or(0, Bytes::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &Bytes) -> Sha256 {
        Sha256::new(sha2::Sha256::digest(bytes).into())
    }

    /// Payloads of 1000 bytes.
    fn payload(number: u8) -> (Sha256, Bytes) {
        let bytes = Bytes::from(vec![number; 1000]);
        (digest(&bytes), bytes)
    }

    /// A cache with room for three of them.
    fn cache() -> PayloadCache {
        PayloadCache::bounded(3 * (1000 + OVERHEAD))
    }

    fn kept(cache: &PayloadCache) -> Vec<u8> {
        let entries = cache.entries.lock().unwrap();
        let bytes = |entry: &Entry| entry.kept.bytes.as_ref().map(|bytes| bytes[0]);
        let mut kept: Vec<u8> = entries.by_digest.values().filter_map(bytes).collect();
        let size: usize = entries.by_digest.values().map(|entry| entry.kept.size()).sum();
        assert_eq!(size, entries.size, "the count is right");
        assert!(size <= cache.most, "{size}");
        assert_eq!(entries.queue.len(), entries.by_digest.len());
        kept.sort_unstable();
        kept
    }

    fn keep(cache: &PayloadCache, number: u8) {
        let (sha256, bytes) = payload(number);
        cache.keep(&sha256, &bytes).unwrap();
    }

    #[test]
    fn a_payload_is_found_by_its_digest() {
        let cache = cache();
        let (sha256, bytes) = payload(1);
        let first = cache.get(&sha256);
        assert_eq!(first.bytes, None);
        cache.keep(&sha256, &bytes).unwrap();
        let second = cache.get(&sha256);
        assert_eq!(second.bytes, Some(bytes));
        assert_eq!(second.etag, format!("\"{sha256}\""));
        // Header values share their bytes, so a request for them copies nothing.
        assert_eq!(first.etag.as_bytes().as_ptr(), second.etag.as_bytes().as_ptr());
        assert_eq!(kept(&cache), [1]);
    }

    #[test]
    fn other_bytes_than_the_digest_says_are_never_kept() {
        let cache = cache();
        let ((sha256, _), (_, other)) = (payload(1), payload(2));
        assert!(cache.keep(&sha256, &other).is_err());
        assert_eq!(cache.get(&sha256).bytes, None);
    }

    #[test]
    fn what_was_not_used_lately_makes_room_within_the_bound() {
        let cache = cache();
        (1..=3).for_each(|number| keep(&cache, number));
        assert_eq!(kept(&cache), [1, 2, 3]);
        cache.get(&payload(1).0);
        keep(&cache, 4);
        assert_eq!(kept(&cache), [1, 3, 4], "1 was used, and 2 came before 3");
        (5..=100).for_each(|number| keep(&cache, number));
        assert_eq!(kept(&cache), [98, 99, 100]);
        for number in 1..=100 {
            cache.get(&payload(number).0);
        }
        kept(&cache);
    }

    #[test]
    fn a_payload_that_is_kept_again_counts_once() {
        let cache = cache();
        (0..10).for_each(|_| keep(&cache, 1));
        assert_eq!(kept(&cache), [1]);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let cache = PayloadCache::bounded(2 * usize::try_from(SMALL_PAYLOAD).unwrap());
        let bytes = Bytes::from(vec![0; usize::try_from(SMALL_PAYLOAD).unwrap() + 1]);
        cache.keep(&digest(&bytes), &bytes).unwrap();
        assert_eq!(cache.get(&digest(&bytes)).bytes, None);
        let cache = PayloadCache::bounded(1000);
        keep(&cache, 1);
        keep(&cache, 2);
        assert_eq!(kept(&cache), [0; 0]);
    }

    #[test]
    fn a_digest_is_a_structured_byte_sequence() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let kept = Kept::of(&Sha256::parse(text).unwrap());
        assert_eq!(kept.repr_digest, "sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:");
    }
}
