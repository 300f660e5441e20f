//! Snapshot and timestamp, which the online key renews.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::role::{SpecVersion, at_least_one, role};
use super::targets::{Hashes, Target};
use crate::domain::Time;

/// The same as [`CHANNELS_LIFETIME`](super::CHANNELS_LIFETIME), for the same reason.
pub const SNAPSHOT_LIFETIME: TimeDelta = TimeDelta::days(90);
/// The maximum time for which an old state can be passed off as the newest. The timestamp is renewed daily,
/// so clients keep working even if the server is down over a long weekend.
pub const TIMESTAMP_LIFETIME: TimeDelta = TimeDelta::days(7);
/// Like [`TIMESTAMP_LIFETIME`], for clients that verify manifests without TUF.
pub const CHANNEL_MANIFEST_LIFETIME: TimeDelta = TIMESTAMP_LIFETIME;

role! {
    /// Snapshot: which versions of the targets roles belong together.
    pub struct Snapshot(SnapshotKind::Snapshot, "snapshot") {
        pub meta: BTreeMap<String, Meta>,
    }
}

/// The version, length and digest of a role's file. Length and digest are optional in TUF, but with them, a
/// client can reject a wrong file before parsing it.
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
    /// Describes a file with these bytes.
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let Target { hashes, length } = Target::of(bytes);
        Self { hashes, length, version }
    }
}

impl Snapshot {
    /// Creates a snapshot of roles, given by name: `targets` and every delegated role. A role that was in
    /// the previous snapshot must also be in this one.
    pub fn of(version: u64, now: Time, roles: impl IntoIterator<Item = (String, Meta)>) -> Self {
        Self {
            kind: SnapshotKind::Snapshot,
            spec_version: SpecVersion,
            version,
            expires: now + SNAPSHOT_LIFETIME,
            meta: roles.into_iter().map(|(role, meta)| (format!("{role}.json"), meta)).collect(),
        }
    }

    /// Returns the entry of a role.
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
    /// Creates a timestamp for a snapshot.
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
