//! The roles of a TUF 1.0.34 repository, in the form that stock clients accept.
//!
//! This module only builds and reads roles; [`signing`](crate::signing) signs and verifies them. In places,
//! clients are stricter than the specification: tough rejects unknown fields in a delegated role,
//! `terminating` is mandatory, and the same key must not sign twice. So nothing optional is written unless
//! it is needed, and no role has `custom` data, which stock clients ignore.

mod authority;
mod key;
pub mod names;
mod online;
mod role;
mod root;
mod targets;

use crate::domain::Time;

pub use authority::{Authority, RoleKeys, Signers};
pub use key::{Key, KeyId};
pub use online::{
    CHANNEL_MANIFEST_LIFETIME, Meta, SNAPSHOT_LIFETIME, Snapshot, TIMESTAMP_LIFETIME, Timestamp,
};
pub use role::Role;
pub use root::{ROOT_LIFETIME, Root, RootRoles};
pub use targets::{
    CHANNELS_LIFETIME, DelegatedRole, Delegations, Hashes, MAX_SIGNED, RELEASES_LIFETIME, RETIRED_LIFETIME,
    TARGETS_LIFETIME, Target, TargetError, Targets,
};

/// Returns the version that follows `last`, for a document that is signed online. It is at least the number
/// of milliseconds since 1970, so two documents never get the same version, even after state is lost or
/// restored. JSON readers that use floating point hold such numbers exactly (below 2^53).
pub fn next_version(last: u64, now: Time) -> u64 {
    last.saturating_add(1).max(version_at(now))
}

/// The lowest version of a document that is signed online at `now`.
pub fn version_at(now: Time) -> u64 {
    u64::try_from(now.timestamp_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn online_versions_never_go_back_and_survive_lost_state() {
        let now = Time::from_timestamp_millis(1_500_000_000_007).unwrap();
        for (last, expected) in [
            (0, 1_500_000_000_007),
            // As an earlier version of the server counted, in seconds.
            (1_600_000_000, 1_500_000_000_007),
            (1_500_000_000_006, 1_500_000_000_007),
            (1_500_000_000_007, 1_500_000_000_008),
            (1_600_000_000_000, 1_600_000_000_001),
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
