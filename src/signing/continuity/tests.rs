use super::*;
use crate::domain::Time;
use crate::formats::tuf::Signers;
use crate::signing::PrivateKey;

const ROOT: u8 = 1;
const ONLINE: u8 = 4;
const OTHER: u8 = 5;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn keys(seeds: &[u8], threshold: u64) -> Signers {
    Signers::new(seeds.iter().map(|seed| key(*seed).public().key()), threshold)
}

fn sign<T: serde::Serialize>(document: T, seeds: &[u8]) -> Signed<T> {
    Signed::sign(document, &seeds.iter().map(|seed| key(*seed)).collect::<Vec<_>>()).unwrap()
}

/// A root of some version, with these keys for root and online, signed by those.
fn root(version: u64, named: &Signers, online: &Signers, by: &[u8]) -> Signed<Root> {
    sign(Root::of(version, Time::UNIX_EPOCH, named, &keys(&[2], 1), online), by)
}

/// The roles of a repository by name, each with its version and with what its bytes are made of.
type Roles<'a> = &'a [(&'a str, u64, &'a str)];

const ROLES: Roles<'_> = &[("channels", 7, "a"), ("releases-1.8", 3, "b"), ("targets", 2, "c")];

struct Documents {
    root: Signed<Root>,
    timestamp: Signed<Timestamp>,
    snapshot: Signed<Snapshot>,
}

impl Documents {
    /// Documents under a root whose online keys are `online`, signed online by `by`.
    fn new((timestamp, snapshot): (u64, u64), roles: Roles<'_>, online: &Signers, by: &[u8]) -> Self {
        let meta = roles
            .iter()
            .map(|(name, version, bytes)| ((*name).to_owned(), Meta::of(*version, bytes.as_bytes())));
        let signed = sign(Snapshot::of(snapshot, Time::UNIX_EPOCH, meta), by);
        let meta = Meta::of(snapshot, signed.raw());
        Self {
            root: root(1, &keys(&[ROOT], 1), online, &[ROOT]),
            timestamp: sign(Timestamp::of(timestamp, Time::UNIX_EPOCH, meta), by),
            snapshot: signed,
        }
    }

    fn usual(versions: (u64, u64), roles: Roles<'_>) -> Self {
        Self::new(versions, roles, &keys(&[ONLINE], 1), &[ONLINE])
    }

    fn then(&self, next: &Self) -> String {
        let known =
            Known { root: &self.root, timestamp: Some(&self.timestamp), snapshot: Some(&self.snapshot) };
        let outcome = known.check(&next.root, &next.timestamp, &next.snapshot);
        outcome.map_or_else(|violation| violation.to_string(), |()| "taken".to_owned())
    }
}

#[test]
fn nothing_goes_back_or_vanishes_and_no_version_is_two_documents() {
    let known = Documents::usual((9, 8), ROLES);
    assert_eq!(known.then(&known), "taken");
    for (versions, roles, expected) in [
        ((10, 9), ROLES, "taken"),
        // A new timestamp may name the snapshot that is known, and no older one.
        ((10, 8), ROLES, "taken"),
        ((10, 7), ROLES, "`snapshot` was rolled back from version `8` to `7`"),
        ((8, 8), ROLES, "`timestamp` was rolled back from version `9` to `8`"),
        ((9, 9), ROLES, "the role `timestamp` changed, but still has version `9`"),
        ((10, 8), &ROLES[..2], "the role `snapshot` changed, but still has version `8`"),
        ((10, 9), &ROLES[1..], "the role `channels` was in the last snapshot, but is missing from this one"),
        ((10, 9), &ROLES[..2], "the role `targets` was in the last snapshot, but is missing from this one"),
        (
            (10, 9),
            &[("channels", 6, "a"), ROLES[1], ROLES[2]],
            "`channels` was rolled back from version `7` to `6`",
        ),
        (
            (10, 9),
            &[ROLES[0], ROLES[1], ("targets", 1, "c")],
            "`targets` was rolled back from version `2` to `1`",
        ),
        (
            (10, 9),
            &[ROLES[0], ("releases-1.8", 3, "other"), ROLES[2]],
            "the role `releases-1.8` changed, but still has version `3`",
        ),
        ((10, 9), &[ROLES[0], ("releases-1.8", 4, "other"), ROLES[2], ("releases-1.9", 1, "d")], "taken"),
    ] {
        assert_eq!(known.then(&Documents::usual(versions, roles)), expected, "{versions:?} {roles:?}");
    }
}

#[test]
fn what_the_newest_root_no_longer_accepts_is_forgotten_and_nothing_else() {
    let old = |by: &[u8]| Documents::new((9, 8), ROLES, &keys(&[ONLINE], 1), by);
    let back = "`timestamp` was rolled back from version `9` to `1`";
    for (by, online, next_by, expected) in [
        // Another key in the place of the stolen one.
        (&[ONLINE][..], keys(&[OTHER], 1), &[OTHER][..], "taken"),
        // A key that only joins it would let a thief go back.
        (&[ONLINE], keys(&[ONLINE, OTHER], 1), &[OTHER], back),
        // From now on two must sign, and only one has.
        (&[ONLINE], keys(&[ONLINE, OTHER], 2), &[ONLINE, OTHER], "taken"),
        // The key that stays has signed it, too.
        (&[ONLINE, OTHER], keys(&[OTHER], 1), &[OTHER], back),
        (&[ONLINE], keys(&[ONLINE], 1), &[ONLINE], back),
    ] {
        let mut next = Documents::new((1, 1), &[("targets", 1, "x")], &online, next_by);
        next.root = root(2, &keys(&[ROOT], 1), &online, &[ROOT]);
        assert_eq!(old(by).then(&next), expected, "{online:?}");
    }
}

#[test]
fn timestamp_and_snapshot_are_each_remembered_as_long_as_their_own_keys_count() {
    let known = Documents::usual((9, 8), ROLES);
    let mut changed = Root::of(2, Time::UNIX_EPOCH, &keys(&[ROOT], 1), &keys(&[2], 1), &keys(&[OTHER], 1));
    let other = keys(&[ONLINE], 1);
    let old = Root::of(2, Time::UNIX_EPOCH, &keys(&[ROOT], 1), &keys(&[2], 1), &other);
    changed.keys.extend(old.keys.clone());
    changed.roles.snapshot = old.roles.snapshot;
    let next = Documents::new((1, 7), ROLES, &keys(&[OTHER], 1), &[OTHER]);
    let next = Documents {
        root: sign(changed, &[ROOT]),
        snapshot: sign(next.snapshot.into_signed(), &[ONLINE]),
        timestamp: next.timestamp,
    };
    assert_eq!(known.then(&next), "`snapshot` was rolled back from version `8` to `7`");
}

#[test]
fn a_root_that_was_replaced_never_comes_back() {
    let known = Documents {
        root: root(2, &keys(&[ROOT], 1), &keys(&[ONLINE], 1), &[ROOT]),
        ..Documents::usual((1, 1), ROLES)
    };
    let next = Documents::usual((9, 9), ROLES);
    assert_eq!(known.then(&next), "`root` was rolled back from version `2` to `1`");
    let other = Documents { root: root(2, &keys(&[ROOT], 1), &keys(&[OTHER], 1), &[ROOT]), ..next };
    assert_eq!(known.then(&other), "the role `root` changed, but still has version `2`");
}

#[test]
fn a_root_follows_if_the_keys_of_both_signed_it_and_it_is_the_very_next_one() {
    const A: u8 = 11;
    const B: u8 = 12;
    const C: u8 = 13;
    let online = keys(&[ONLINE], 1);
    let first = root(1, &keys(&[A, B], 2), &online, &[A, B]);
    for (version, named, by, expected) in [
        (2, keys(&[A, B], 2), &[A, B][..], "taken"),
        (2, keys(&[B, C], 2), &[A, B, C], "taken"),
        (2, keys(&[C], 1), &[A, B, C], "taken"),
        (2, keys(&[C], 1), &[C], "NotEnoughSignatures"),
        (2, keys(&[C], 1), &[A, B], "NotEnoughSignatures"),
        (2, keys(&[B, C], 2), &[B, C], "NotEnoughSignatures"),
        (2, keys(&[A], 1), &[A], "NotEnoughSignatures"),
        (2, keys(&[A, B], 2), &[A], "NotEnoughSignatures"),
        (2, keys(&[A, B], 2), &[], "NotEnoughSignatures"),
        (1, keys(&[A, B], 2), &[A, B], "BrokenChain"),
        (3, keys(&[A, B], 2), &[A, B], "BrokenChain"),
    ] {
        let next = root(version, &named, &online, by);
        let outcome = check_next_root("2.root.json", Some(&first), &next)
            .map_or_else(|violation| violation.kind(), |()| "taken");
        assert_eq!(outcome, expected, "version {version}, {named:?}, signed by {by:?}");
    }
}
