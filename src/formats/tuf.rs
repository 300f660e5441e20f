//! The roles of a TUF 1.0.34 repository, as stock clients accept them.
//!
//! Builders and readers only: signing and verifying are in [`signing`](crate::signing). Clients are
//! stricter than the specification in places: unknown fields inside a delegated role stop tough,
//! `terminating` is mandatory, and the same key must not sign twice. So nothing optional is written
//! that is not needed, and no role holds `custom` data: stock clients never look inside it.

mod delegation;
mod key;
pub mod names;
mod role;

use chrono::TimeDelta;

use crate::domain::Time;

pub use delegation::{DelegatedRole, Delegations};
pub use key::{Key, KeyId};
pub use role::{
    Authority, Hashes, Meta, Role, RoleKeys, Root, RootRoles, Signers, Snapshot, Target, TargetError,
    Targets, Timestamp,
};

/// The version of the specification that is written. Clients want `1.0.x`.
pub const SPEC_VERSION: &str = "1.0.34";

/// Root is signed by hand, offline: a year leaves room for holidays and for a missed reminder.
pub const ROOT_LIFETIME: TimeDelta = TimeDelta::days(365);
/// Targets holds delegations only, changes with lines and keys, and is signed offline as root is.
pub const TARGETS_LIFETIME: TimeDelta = TimeDelta::days(365);
/// A line's role is signed with each release; a line that rests must outlast a year without one.
pub const RELEASES_LIFETIME: TimeDelta = TimeDelta::days(365);
/// The role of a retired line is signed for the last time: one expired role anywhere stops some
/// clients for every channel.
pub const RETIRED_LIFETIME: TimeDelta = TimeDelta::days(3650);
/// Signed online and renewed long before; freshness comes from the timestamp, so that this only has
/// to outlast a server that is down.
pub const CHANNELS_LIFETIME: TimeDelta = TimeDelta::days(90);
/// As [`CHANNELS_LIFETIME`].
pub const SNAPSHOT_LIFETIME: TimeDelta = TimeDelta::days(90);
/// How long an old state can be passed off as the newest. Renewed daily, so that a server may be
/// down over a long weekend before its clients stop.
pub const TIMESTAMP_LIFETIME: TimeDelta = TimeDelta::days(7);
/// As [`TIMESTAMP_LIFETIME`], for clients that verify manifests without TUF.
pub const CHANNEL_MANIFEST_LIFETIME: TimeDelta = TIMESTAMP_LIFETIME;

/// The version after `last` for what is signed online. It is at least the seconds since 1970, so
/// that lost or restored state never gives one version to two documents.
#[must_use]
pub fn next_version(last: u64, now: Time) -> u64 {
    last.saturating_add(1).max(u64::try_from(now.timestamp()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn online_versions_never_go_back_and_survive_lost_state() {
        let now = Time::from_timestamp(1_500_000_000, 0).unwrap();
        for (last, expected) in [
            (0, 1_500_000_000),
            (1_499_999_999, 1_500_000_000),
            (1_500_000_000, 1_500_000_001),
            (1_600_000_000, 1_600_000_001),
        ] {
            assert_eq!(next_version(last, now), expected, "after {last}");
        }
        assert_eq!(next_version(4, Time::from_timestamp(-1, 0).unwrap()), 5);
    }

    #[test]
    fn two_files_never_share_a_target_name() {
        let mut role = Targets::releases(1, Time::UNIX_EPOCH);
        role.insert("payload.1.8.4-a.b.c".to_owned(), Target::of(b"x")).unwrap();
        assert_eq!(role.insert("payload.1.8.4-a.b.c".to_owned(), Target::of(b"x")), Ok(()));
        let name = "payload.1.8.4-a.b.c".to_owned();
        assert_eq!(role.insert(name.clone(), Target::of(b"y")), Err(TargetError::Twice(name)));
        assert_eq!(role.insert("a/b".to_owned(), Target::of(b"x")), Err(TargetError::Name("a/b".to_owned())));
    }

    #[test]
    fn roles_are_read_strictly() {
        let role = Targets::releases(1, Time::UNIX_EPOCH);
        let text = serde_json::to_string(&role).unwrap();
        assert_eq!(serde_json::from_str::<Targets>(&text).unwrap(), role);
        for (from, to) in [
            (r#""_type":"targets""#, r#""_type":"root""#),
            (r#""version":1"#, r#""version":0"#),
            (r#""1.0.34""#, r#""2.0.0""#),
            ("00:00:00Z", "00:00:00.5Z"),
            (r#""targets":{}"#, r#""targets":{},"x":1"#),
            (r#""targets":{}"#, r#""targets":{"a":{"length":1,"hashes":{"sha512":"00"}}}"#),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(serde_json::from_str::<Targets>(&changed).is_err(), "{to}");
        }
    }
}
