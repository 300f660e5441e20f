//! The trusted state of a cluster, on disk.
//!
//! `state.json` names the newest documents that were verified together. The documents and all other
//! verified files are in `files/`, each under its digest, and nothing else is. A successful check first
//! writes its files, and then replaces `state.json`. So an interrupted check leaves the state unchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::folder;
use super::refusal::Refusal;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::payload::Sha256;
use crate::domain::version::Version;
use crate::domain::{Time, chain};
use crate::formats::manifest::{IndexEntry, IndexError, LineIndex};
use crate::formats::seconds;
use crate::formats::tuf::{KeyId, Root, Snapshot, TIMESTAMP_LIFETIME, Target, Targets, Timestamp};
use crate::signing::continuity::Known;
use crate::signing::verify::Verified;
use crate::signing::{ParseError, Signed};
use crate::store::durable::{self, Batch, Mode};
use crate::store::plain;

/// The folder of a cluster's trusted state.
#[derive(Debug, Clone)]
pub struct Trusted {
    folder: PathBuf,
}

/// The content of `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    /// When this state was verified, by this machine's clock.
    #[serde(with = "seconds")]
    verified: Time,
    seen: Seen,
    root: Sha256,
    timestamp: Sha256,
    snapshot: Sha256,
}

/// What the cluster has seen of the channels and lines. Other fields are ignored: a state may come from a
/// version that kept more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The keys that sign channels.
    pub keys: BTreeSet<KeyId>,
    /// The keys that have signed each channel's last manifest; `keys`, if the channel is not listed.
    #[serde(default)]
    pub signers: BTreeMap<ChannelName, BTreeSet<KeyId>>,
    /// The highest version seen of each channel's manifest.
    pub versions: BTreeMap<ChannelName, u64>,
    /// The line and the stage of each channel, which must never change. Otherwise the online key could lead
    /// a cluster into the next minor against its operator's will, or bypass `not_before`.
    pub places: BTreeMap<ChannelName, (LineName, StageName)>,
    /// The channel that each alias first stood for, which must not change for the same reason as `places`.
    pub aliases: BTreeMap<ChannelName, ChannelName>,
    /// The last index of each line, which the next one must follow. Its files are kept while other lines are
    /// looked at.
    #[serde(default)]
    pub indexes: BTreeMap<LineName, SeenIndex>,
}

/// The last index of a line that was verified, and the role that lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenIndex {
    pub role: Sha256,
    /// `None` if the role lists no releases.
    pub index: Option<Sha256>,
    /// What narrows the entries of releases until their manifests are there, which say whether it still counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unconfirmed: BTreeMap<Version, Unconfirmed>,
}

/// What a line's indexes have said of a release whose manifest is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// All of it together.
    pub entry: IndexEntry,
    /// Since when the release bars the way if it is a barrier: the earliest time, for each stage for which all
    /// entries have one. A later time narrows an offer, but it would let clusters past a barrier.
    #[serde(with = "seconds::by_stage")]
    pub bars_from: BTreeMap<StageName, Time>,
}

impl Unconfirmed {
    pub fn new(entry: IndexEntry) -> Self {
        Self { bars_from: entry.not_before.clone(), entry }
    }

    /// Adds what another index says.
    #[must_use]
    pub fn and(&self, other: &IndexEntry) -> Self {
        let mut bars_from = self.bars_from.clone();
        bars_from.retain(|stage, from| {
            let earliest = other.not_before.get(stage).map(|other| *other.min(from));
            earliest.inspect(|earliest| *from = *earliest).is_some()
        });
        Self { entry: other.narrowed(&self.entry), bars_from }
    }
}

impl Seen {
    /// What still counts when these keys sign channels. The cluster forgets about channels what none of them
    /// has signed, so that it recovers from whatever a thief has signed, such as the highest possible
    /// versions. What a key has signed that still counts is never forgotten: adding a key must not help the
    /// thief of another.
    pub fn under(mut self, keys: BTreeSet<KeyId>) -> Self {
        let Self { keys: before, signers, versions, places, aliases, indexes: _ } = &mut self;
        let counts = |name: &ChannelName| !signers.get(name).unwrap_or(before).is_disjoint(&keys);
        versions.retain(|name, _| counts(name));
        places.retain(|name, _| counts(name));
        aliases.retain(|_, name| counts(name));
        // A channel without signers of its own must not count as signed by keys that came later.
        let signed = versions.keys().map(|name| (name.clone(), signers.get(name).unwrap_or(before).clone()));
        self.signers = signed.collect();
        self.keys = keys;
        self
    }
}

/// A verified state.
#[derive(Debug)]
pub struct State {
    files: PathBuf,
    memory: Memory,
    root: Signed<Root>,
    pub timestamp: Signed<Timestamp>,
    snapshot: Signed<Snapshot>,
}

impl State {
    /// The latest time that has certainly passed: when the timestamp was signed. If the clock shows an
    /// earlier time, it is wrong, and expired documents would be accepted. What the clock showed at the last
    /// check proves nothing: it may have been fast.
    pub fn passed(&self) -> Time {
        let signed = self.timestamp.signed().expires.checked_sub_signed(TIMESTAMP_LIFETIME);
        self.memory.verified.min(signed.unwrap_or(Time::MIN_UTC))
    }

    pub const fn seen(&self) -> &Seen {
        &self.memory.seen
    }

    /// The documents that the next state must follow.
    pub const fn known(&self) -> Known<'_> {
        Known { root: &self.root, timestamp: Some(&self.timestamp), snapshot: Some(&self.snapshot) }
    }

    /// Reads a file by its digest. The copy on disk may be damaged, so the caller checks it.
    pub fn file(&self, digest: &Sha256) -> Option<Bytes> {
        plain::whole(&self.files.join(digest.to_string())).ok().map(Bytes::from)
    }

    /// The last index of a line that was verified, and the role that lists it.
    ///
    /// # Errors
    /// When a file is missing or damaged. That must not count as "none yet", or the next index could take
    /// back what this one says.
    pub fn index(&self, line: &LineName) -> Result<Option<(Signed<Targets>, LineIndex)>, Refusal> {
        let Some(seen) = self.memory.seen.indexes.get(line) else { return Ok(None) };
        let role = document(&self.files, &seen.role)?;
        let index = match &seen.index {
            None => LineIndex::new(line.clone(), BTreeMap::new()),
            Some(digest) => {
                let damaged =
                    |e: IndexError| Refusal::damaged(self.files.join(digest.to_string()), chain(&e));
                LineIndex::parse_again(&intact(&self.files, digest)?).map_err(damaged)?
            }
        };
        Ok(Some((role, index)))
    }
}

/// Reads a file that was verified before, and checks its digest. Otherwise a damaged document would count as
/// unsigned, and the cluster would forget it.
fn intact(files: &Path, digest: &Sha256) -> Result<Bytes, Refusal> {
    let path = files.join(digest.to_string());
    let raw = plain::whole(&path).map(Bytes::from).map_err(Refusal::state(&path))?;
    if sha256(&raw) == *digest {
        return Ok(raw);
    }
    Err(Refusal::damaged(path, "it does not have the digest in its name"))
}

fn document<T: DeserializeOwned>(files: &Path, digest: &Sha256) -> Result<Signed<T>, Refusal> {
    let damaged = |e: ParseError| Refusal::damaged(files.join(digest.to_string()), chain(&e));
    Signed::parse(intact(files, digest)?).map_err(damaged)
}

impl Trusted {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn memory(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Reads the trusted state. `None` if there is none yet.
    ///
    /// # Errors
    /// When the folder is damaged. That must not count as "no state yet", which would permit a rollback.
    pub fn read(&self) -> Result<Option<State>, Refusal> {
        let Some(memory) = folder::read::<Memory>(&self.memory())? else { return Ok(None) };
        let files = self.files();
        let root = document(&files, &memory.root)?;
        let timestamp = document(&files, &memory.timestamp)?;
        let snapshot = document(&files, &memory.snapshot)?;
        Ok(Some(State { files, memory, root, timestamp, snapshot }))
    }

    /// Makes verified documents, and the verified files that they list, the trusted state. Those in `kept` are
    /// part of it already. Returns whether anything changed.
    ///
    /// # Errors
    /// When they cannot be written. The state is then unchanged.
    pub fn commit(
        &self,
        before: Option<&State>,
        verified: (&Verified, Time),
        seen: Seen,
        mut files: BTreeMap<Sha256, Bytes>,
        kept: &BTreeSet<Sha256>,
    ) -> Result<bool, Refusal> {
        let (Verified { root, timestamp, snapshot, .. }, time) = verified;
        let [root, timestamp, snapshot] = [root.raw(), timestamp.raw(), snapshot.raw()].map(|raw| {
            let digest = sha256(raw);
            files.insert(digest, raw.clone());
            digest
        });
        let memory = Memory { verified: time, seen, root, timestamp, snapshot };
        let path = |digest: &Sha256| self.files().join(digest.to_string());
        let is_new = |(digest, bytes): &(&Sha256, &Bytes)| {
            !kept.contains(*digest) && plain::whole(&path(digest)).ok().as_deref() != Some(bytes)
        };
        let new: Vec<_> = files.iter().filter(is_new).collect();
        let is_same = |before: &State| Memory { verified: time, ..before.memory.clone() } == memory;
        if new.is_empty() && before.is_some_and(is_same) {
            return Ok(false);
        }
        let cluster = self.folder.parent().unwrap_or(&self.folder);
        durable::create_below(cluster, &self.files(), Mode::Private)?;
        let mut batch = Batch::default();
        for (digest, bytes) in new {
            batch.fill(&path(digest), Mode::Private, |file| file.write_all(bytes))?;
        }
        batch.finish(&self.folder)?;
        folder::write(&self.memory(), &memory)?;
        let seen = memory.seen.indexes.values().flat_map(|seen| seen.index.into_iter().chain([seen.role]));
        self.sweep(&files.into_keys().chain(seen).collect());
        Ok(true)
    }

    /// Removes all files but those in `keep`. Ignores errors, since a leftover file only takes up space.
    fn sweep(&self, keep: &BTreeSet<Sha256>) {
        for entry in fs::read_dir(self.files()).into_iter().flatten().flatten() {
            let digest = entry.file_name().to_str().and_then(|name| Sha256::parse(name).ok());
            if digest.is_none_or(|digest| !keep.contains(&digest)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn sha256(bytes: &[u8]) -> Sha256 {
    Target::of(bytes).hashes.sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> BTreeSet<KeyId> {
        let ids = text.chars().map(|digit| serde_json::json!(digit.to_string().repeat(64)));
        ids.map(|id| serde_json::from_value(id).unwrap()).collect()
    }

    /// What a state says that was written without signers, and with an `ETag`.
    fn earlier() -> Seen {
        let seen = serde_json::json!({
            "keys": keys("a"),
            "versions": {"1.8-production": 7},
            "places": {"1.8-production": ["1.8", "production"]},
            "aliases": {"stable": "1.8-production"},
            "timestamp_tag": "*",
        });
        serde_json::from_value(seen).unwrap()
    }

    #[test]
    fn what_was_seen_counts_until_none_of_the_keys_that_signed_it_does() {
        let both = earlier().under(keys("ab"));
        assert_eq!((both.versions.len(), both.places.len(), both.aliases.len()), (1, 1, 1));
        assert_eq!(both.clone().under(keys("ab")), both);
        let after = both.clone().under(keys("b"));
        assert_eq!(after, Seen { keys: keys("b"), ..Seen::default() });
        let mut signed_again = both;
        signed_again.signers.insert("1.8-production".parse().unwrap(), keys("b"));
        assert_eq!(signed_again.clone().under(keys("b")).versions, signed_again.versions);
        assert!(signed_again.under(keys("a")).versions.is_empty());
    }
}
