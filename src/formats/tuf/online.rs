//! Snapshot and timestamp: what the online key renews.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::role::{SpecVersion, at_least_one, role};
use super::targets::{Hashes, Target};
use crate::domain::Time;

/// As [`CHANNELS_LIFETIME`](super::CHANNELS_LIFETIME).
pub const SNAPSHOT_LIFETIME: TimeDelta = TimeDelta::days(90);
/// How long an old state can be passed off as the newest. The timestamp is renewed daily, so a server
/// may be down over a long weekend before its clients stop.
pub const TIMESTAMP_LIFETIME: TimeDelta = TimeDelta::days(7);
/// As [`TIMESTAMP_LIFETIME`], for clients that verify manifests without TUF.
pub const CHANNEL_MANIFEST_LIFETIME: TimeDelta = TIMESTAMP_LIFETIME;

role! {
    /// Snapshot: which versions of the targets roles belong together.
    pub struct Snapshot(SnapshotKind::Snapshot, "snapshot") {
        pub meta: BTreeMap<String, Meta>,
    }
}

/// A role's file: its version, length and digest. Both are optional to TUF; with them a client
/// refuses a wrong file before it reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    pub hashes: Hashes,
    pub length: u64,
    #[serde(deserialize_with = "at_least_one")]
    #[schema(minimum = 1)]
    pub version: u64,
}

impl Meta {
    /// The file with these bytes.
    #[must_use]
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let Target { hashes, length } = Target::of(bytes);
        Self { hashes, length, version }
    }
}

impl Snapshot {
    /// A snapshot of these roles by name, `targets` and every delegated one among them. A role that
    /// was in the last snapshot must be in the next.
    #[must_use]
    pub fn of(version: u64, now: Time, roles: impl IntoIterator<Item = (String, Meta)>) -> Self {
        Self {
            kind: SnapshotKind::Snapshot,
            spec_version: SpecVersion,
            version,
            expires: now + SNAPSHOT_LIFETIME,
            meta: roles.into_iter().map(|(role, meta)| (format!("{role}.json"), meta)).collect(),
        }
    }

    /// The entry of a role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Meta> {
        self.meta.get(&format!("{name}.json"))
    }
}

role! {
    /// Timestamp: which snapshot is the newest.
    pub struct Timestamp(TimestampKind::Timestamp, "timestamp") {
        pub meta: TimestampMeta,
    }
}

/// The one file that a timestamp lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimestampMeta {
    #[serde(rename = "snapshot.json")]
    pub snapshot: Meta,
}

impl Timestamp {
    /// A timestamp for a snapshot.
    #[must_use]
    pub fn of(version: u64, now: Time, snapshot: Meta) -> Self {
        Self {
            kind: TimestampKind::Timestamp,
            spec_version: SpecVersion,
            version,
            expires: now + TIMESTAMP_LIFETIME,
            meta: TimestampMeta { snapshot },
        }
    }
}
