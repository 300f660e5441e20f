//! A repository as a client sees it: what is refused, and when.

use std::sync::Arc;

use chrono::TimeDelta;
use tidegate::domain::Time;
use tidegate::domain::version::Version;
use tidegate::formats::tuf::names::{TIMESTAMP_PATH, metadata_path};
use tidegate::formats::tuf::{Root, Target, Targets};
use tidegate::signing::verify::{Extent, Verified, Violation, verify};
use tidegate::signing::{PrivateKey, Signed};

use crate::repository::{Files, Repository, signers};

type Change = fn(&mut Repository);

fn now() -> Time {
    "2018-06-01T00:00:00Z".parse().unwrap()
}

fn verified(repository: &Repository, files: &Files, at: Time) -> Result<Verified, Violation> {
    verify(&repository.trusted(), at, &|path: &str| files.get(path).cloned(), Extent::Everything)
}

/// The error's chain in one line.
fn refusal(result: Result<Verified, Violation>) -> String {
    let error = result.map(|_| ()).unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}

#[test]
fn a_good_repository_is_verified_whole() {
    let repository = Repository::new(now());
    let files = repository.seal();
    let verified = verified(&repository, &files, now()).unwrap();
    let lines: Vec<_> = verified.lines.keys().map(ToString::to_string).collect();
    assert_eq!(lines, ["1.7", "1.8", "1.9"]);
    let roles: Vec<_> = verified.expiries().map(|(role, _)| role).collect();
    let expected = [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "channels",
        "releases-1.7",
        "releases-1.8",
        "releases-1.9",
    ];
    assert_eq!(roles, expected);
    let (expires, role) = verified.expiries().map(|(role, at)| (at, role)).min().unwrap();
    assert_eq!((expires, role.as_str()), (now() + TimeDelta::days(7), "timestamp"));
}

#[test]
fn a_repository_holds_until_the_second_of_its_first_expiry() {
    let repository = Repository::new(now());
    let files = repository.seal();
    let expiry = now() + TimeDelta::days(7);
    assert!(verified(&repository, &files, expiry - TimeDelta::seconds(1)).is_ok());
    let refusal = refusal(verified(&repository, &files, expiry));
    assert_eq!(refusal, "`metadata/timestamp.json` expired at `2018-06-08T00:00:00Z`");
}

#[test]
fn every_file_is_needed_and_every_byte_counts() {
    let repository = Repository::new(now());
    let files = repository.seal();
    for path in files.keys().filter(|path| *path != "metadata/1.root.json") {
        let mut without = files.clone();
        without.remove(path);
        assert_eq!(refusal(verified(&repository, &without, now())), format!("`{path}` is missing"));

        let mut changed = files.clone();
        let mut bytes = files[path].to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        changed.insert(path.clone(), bytes.into());
        assert!(verified(&repository, &changed, now()).is_err(), "{path}");

        let mut longer = files.clone();
        let mut bytes = files[path].to_vec();
        bytes.push(b'\n');
        longer.insert(path.clone(), bytes.into());
        // Only the timestamp has nobody to say how long it is.
        assert_eq!(verified(&repository, &longer, now()).is_ok(), path == TIMESTAMP_PATH, "{path}");
    }
}

#[test]
fn payloads_may_be_left_to_their_listing() {
    let repository = Repository::new(now());
    let files = repository.seal();
    let fetch = |path: &str| {
        assert!(!path.contains(".payload."), "{path} was fetched");
        files.get(path).cloned()
    };
    assert!(verify(&repository.trusted(), now(), &fetch, Extent::Manifests).is_ok());
}

#[test]
fn what_a_client_would_refuse_is_refused() {
    let changes: [(&str, Change); 20] = [
        ("`metadata/1.root.json` expired", |r| r.root.expires = r.now),
        ("`metadata/1.targets.json` expired", |r| r.targets.expires = r.now),
        ("`metadata/1.releases-1.7.json` expired", |r| r.role("releases-1.7").expires = r.now),
        ("`metadata/1.channels.json` expired", |r| r.role("channels").expires = r.now),
        ("channel.1.8-production.json` expired", |r| r.channel("1.8-production").expires = r.now),
        ("`metadata/timestamp.json` does not have enough valid signatures: it has 0 valid signatures", |r| {
            r.keys.online = PrivateKey::from_seed(&[9; 32]);
        }),
        ("`metadata/1.targets.json` does not have enough valid signatures: it has 0 valid signatures", |r| {
            r.keys.targets = PrivateKey::from_seed(&[9; 32]);
        }),
        (
            "`metadata/1.releases-1.7.json` does not have enough valid signatures: it has 0 valid signatures",
            |r| {
                r.keys.release = PrivateKey::from_seed(&[9; 32]);
            },
        ),
        ("the role `releases-2.0` is not in the snapshot", |r| {
            let delegations = r.targets.delegations.as_mut().unwrap();
            let mut role = delegations.roles[0].clone();
            role.name = "releases-2.0".to_owned();
            delegations.roles.push(role);
        }),
        // Other clients would take files from it.
        ("the delegated role `other` is neither `channels` nor the role of a line", |r| {
            let delegations = r.targets.delegations.as_mut().unwrap();
            let mut role = delegations.roles[0].clone();
            role.name = "other".to_owned();
            delegations.roles.push(role);
            let empty = Targets::releases(1, r.now);
            r.roles.insert("other".to_owned(), empty);
        }),
        ("the role `releases-1.7` may not list `release.1.8.0.json`", |r| {
            r.role("releases-1.7").insert("release.1.8.0.json".to_owned(), Target::of(b"x")).unwrap();
        }),
        ("the role `targets` may not list `x`", |r| {
            r.targets.insert("x".to_owned(), Target::of(b"x")).unwrap();
        }),
        ("the role `channels` may not list `channel.a/b`", |r| {
            r.role("channels").targets.insert("channel.a/b".to_owned(), Target::of(b"x"));
        }),
        ("clients disagree about what the path `channel.{a,b}` of the role `channels`", |r| {
            let delegations = r.targets.delegations.as_mut().unwrap();
            delegations.roles.last_mut().unwrap().paths = vec!["channel.{a,b}".to_owned()];
        }),
        (
            "clients disagree about what the path `releases-1.8%20` of the role `releases-1.8%20` matches",
            |r| {
                let role = r.roles["releases-1.8"].clone();
                r.roles.insert("releases-1.8%20".to_owned(), role);
                let roles = &mut r.targets.delegations.as_mut().unwrap().roles;
                let mut other = roles[0].clone();
                other.name = "releases-1.8%20".to_owned();
                roles.push(other);
            },
        ),
        ("the delegated role `releases-1.8` delegates further", |r| {
            r.role("releases-1.8").delegations = r.targets.delegations.clone();
        }),
        ("is `1.8.4-tectonic.1`, but the highest that it offers is `1.8.9-tectonic.4`", |r| {
            r.channel("1.8-production").latest = Version::parse("1.8.4-tectonic.1").ok();
        }),
        (
            "since `2018-05-22T00:00:00Z`, but its release keys do not allow that before `2018-05-22T00:00:01Z`",
            |r| {
                let version = Version::parse("1.8.9-tectonic.4").unwrap();
                let bounds = &mut r.releases.get_mut(&version).unwrap().not_before;
                let bound = bounds.get_mut(&"production".parse().unwrap()).unwrap();
                *bound += TimeDelta::seconds(1);
            },
        ),
        ("names `payload.1.8.9-tectonic.4.other.json`, but its line's role does not list", |r| {
            let version = Version::parse("1.8.9-tectonic.4").unwrap();
            r.listed_without = Some("payload.1.8.9-tectonic.4.other.json".to_owned());
            Arc::make_mut(&mut r.releases.get_mut(&version).unwrap().payloads)[0].file =
                "other.json".to_owned();
        }),
        ("names `release.1.7.14-tectonic.2.json`, but its line's role does not list", |r| {
            r.listed_without = Some("release.1.7.14-tectonic.2.json".to_owned());
        }),
    ];
    for (expected, change) in changes {
        let mut repository = Repository::new(now());
        change(&mut repository);
        let refusal = refusal(verified(&repository, &repository.seal(), now()));
        assert!(refusal.contains(expected), "{refusal}\nexpected: {expected}");
    }
}

#[test]
fn a_new_root_is_followed_only_if_the_old_one_s_keys_signed_it_too() {
    let old = Repository::new(now());
    let mut new = Repository::new(now());
    new.keys.root = PrivateKey::from_seed(&[11; 32]);
    new.keys.online = PrivateKey::from_seed(&[12; 32]);
    let online = signers(&new.keys.online);
    new.root = Root::of(2, now(), &signers(&new.keys.root), &signers(&new.keys.targets), &online);
    let release = signers(&new.keys.release);
    let lines = new.catalog.lines().map(|line| (&line.name, &line.prefix, &release));
    new.targets = tidegate::formats::tuf::Targets::delegating(2, now(), lines, &online);
    new.role("channels").version = 2;

    let path = metadata_path("root", 2);
    let mut files = new.seal();
    assert!(
        refusal(verified(&old, &files, now()))
            .contains("`metadata/2.root.json` does not have enough valid signatures")
    );
    let both = Signed::sign(new.root.clone(), [&old.keys.root, &new.keys.root]).unwrap();
    files.insert(path.clone(), both.raw().clone());
    let after = verified(&old, &files, now()).unwrap();
    assert_eq!(after.root.signed().version, 2);
    // Everything signed online was signed by new keys, so its versions may begin anew.
    let before = verified(&old, &old.seal(), now()).unwrap();
    assert!(follows(&before, &after).is_ok());

    new.root.version = 3;
    let skipped = Signed::sign(new.root, [&old.keys.root, &new.keys.root]).unwrap();
    files.insert(path, skipped.raw().clone());
    assert!(
        refusal(verified(&old, &files, now()))
            .contains("`metadata/2.root.json` has version `3`, but root version `2` must come next")
    );
}

#[test]
fn a_root_on_the_way_may_have_expired_and_the_last_one_may_not() {
    let mut repository = Repository::new(now());
    let trusted = repository.trusted();
    let mut files = repository.seal();
    let mut roots = |expired: u64| {
        for version in 2..=3 {
            repository.root.version = version;
            let offset = if version == expired { TimeDelta::zero() } else { TimeDelta::days(1) };
            repository.root.expires = now() + offset;
            files.insert(metadata_path("root", version), repository.trusted().raw().clone());
        }
        verify(&trusted, now(), &|path: &str| files.get(path).cloned(), Extent::Everything)
    };
    assert_eq!(roots(2).unwrap().root.signed().version, 3);
    assert_eq!(refusal(roots(3)), "`metadata/3.root.json` expired at `2018-06-01T00:00:00Z`");
}

#[test]
fn at_most_255_new_roots_are_followed_at_once() {
    let mut repository = Repository::new(now());
    let trusted = repository.trusted();
    let mut files = repository.seal();
    let mut roots = |versions: std::ops::RangeInclusive<u64>| {
        for version in versions {
            repository.root.version = version;
            files.insert(metadata_path("root", version), repository.trusted().raw().clone());
        }
        verify(&trusted, now(), &|path: &str| files.get(path).cloned(), Extent::Everything)
    };
    assert_eq!(roots(2..=256).unwrap().root.signed().version, 256);
    assert_eq!(refusal(roots(257..=257)), "there are 256 or more new roots");
}

/// Whether a client that saw the one takes the other.
fn follows(before: &Verified, after: &Verified) -> Result<(), Violation> {
    before.known().check(&after.root, &after.timestamp, &after.snapshot)
}

#[test]
fn a_client_that_saw_the_last_publication_takes_no_step_back() {
    let mut repository = Repository::new(now());
    repository.version = 7;
    repository.role("channels").version = 7;
    let before = verified(&repository, &repository.seal(), now()).unwrap();
    assert!(follows(&before, &before).is_ok());

    let changes: [(&str, Change); 4] = [
        ("`timestamp` was rolled back from version `7` to `6`", |r| r.version = 6),
        ("the role `timestamp` changed, but still has version `7`", |r| r.now += TimeDelta::days(1)),
        ("`channels` was rolled back from version `7` to `6`", |r| {
            r.version = 8;
            r.role("channels").version = 6;
        }),
        ("the role `releases-1.7` changed, but still has version `1`", |r| {
            r.version = 8;
            r.role("releases-1.7").expires += TimeDelta::days(1);
        }),
    ];
    for (expected, change) in changes {
        let mut repository = Repository::new(now());
        repository.version = 7;
        repository.role("channels").version = 7;
        change(&mut repository);
        let after = verified(&repository, &repository.seal(), now()).unwrap();
        assert_eq!(follows(&before, &after).unwrap_err().to_string(), expected);
    }
}
