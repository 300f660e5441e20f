//! What a check takes, and what it refuses.

use chrono::TimeDelta;
use tidegate::domain::upgrade::{Advice, NoneCode};
use tidegate::domain::version::Version;
use tidegate::formats::manifest::Notice;
use tidegate::formats::tuf::{Root, Targets, names};

use super::memory::World;
use super::repository::{Keys, Repository, signers};

const CHANNEL: &str = "1.8-production";
const CURRENT: &str = "1.8.4-tectonic.1";

/// The highest version that has a canonical form.
const MOST: u64 = (1 << 53) - 1;

fn told(action: &str, code: &str, target: &str) -> (String, String, String) {
    (action.to_owned(), code.to_owned(), target.to_owned())
}

#[test]
fn a_cluster_works_out_its_answer_from_what_it_has_verified() {
    let world = World::new();
    for (channel, current, expected) in [
        (CHANNEL, CURRENT, told("update", "latest", "1.8.9-tectonic.4")),
        (CHANNEL, "1.8.9-tectonic.4", told("none", "up_to_date", "")),
        (CHANNEL, "1.7.14-tectonic.2", told("update", "next_line", "1.8.9-tectonic.4")),
        (CHANNEL, "1.7.9-tectonic.1", told("blocked", "unknown_version", "")),
        (CHANNEL, "v1.9.6+rke2r1", told("none", "ahead", "")),
        ("1.9-production", "1.8.9-tectonic.4", told("update", "next_line", "v1.9.6+rke2r1")),
        ("1.9-production", "1.8.4-tectonic.1", told("blocked", "minor_gate", "")),
        ("1.9-production", "1.7.14-tectonic.2", told("blocked", "minor_gate", "")),
        ("1.9-production", "3.0.0", told("none", "unknown_version", "")),
    ] {
        assert_eq!(world.answer(channel, current), expected, "{current} on {channel}");
    }
}

#[test]
fn a_line_that_is_not_delegated_yet_offers_nothing_and_keeps_nobody_from_an_answer() {
    let mut world = World::new();
    // Nobody has signed a release of line 1.9 yet, so no role is delegated to it, and its channels are empty.
    let repository = &mut world.repository;
    let delegations = repository.targets.delegations.as_mut().unwrap();
    delegations.roles.retain(|role| role.name != "releases-1.9");
    repository.roles.remove("releases-1.9");
    repository.releases.retain(|_, release| release.line.as_str() != "1.9");
    for name in ["1.9-preproduction", "1.9-production"] {
        let channel = repository.channel(name);
        (channel.latest, channel.releases) = (None, Vec::new());
    }
    world.server.serve(world.repository.seal());
    for (channel, current, expected) in [
        (CHANNEL, CURRENT, told("update", "latest", "1.8.9-tectonic.4")),
        ("1.9-production", "1.8.9-tectonic.4", told("none", "nothing_offered", "")),
        ("1.9-production", "1.9.0-rc.1", told("none", "unknown_version", "")),
    ] {
        assert_eq!(world.answer(channel, current), expected, "{current} on {channel}");
    }
    // What it offers must be delegated.
    let mut offering = World::new();
    let delegations = offering.repository.targets.delegations.as_mut().unwrap();
    delegations.roles.retain(|role| role.name != "releases-1.9");
    offering.server.serve(offering.repository.seal());
    offering.refused("1.9-production", "1.8.9-tectonic.4", "Missing");
}

#[test]
fn a_warm_check_with_nothing_new_asks_for_two_files_and_changes_nothing() {
    let world = World::new();
    assert!(world.check(CHANNEL, CURRENT).unwrap().changed);
    let state = super::memory::tree(world.folder.path());
    world.server.asked();
    assert!(!world.check(CHANNEL, CURRENT).unwrap().changed);
    assert_eq!(world.server.asked(), ["tuf/metadata/2.root.json", "tuf/metadata/timestamp.json"]);
    assert_eq!(super::memory::tree(world.folder.path()), state);
}

#[test]
fn what_was_verified_counts_without_the_server_until_it_expires() {
    let world = World::new();
    let recheck = || world.client().recheck(&CHANNEL.parse().unwrap(), &Version::parse(CURRENT).unwrap());
    assert!(recheck().is_err(), "nothing was verified yet");
    world.check(CHANNEL, CURRENT).unwrap();
    world.server.asked();
    assert_eq!(recheck().unwrap().answer().advice.code(), "latest");
    assert!(world.server.asked().is_empty());
    world.clock.set(world.repository.now + TimeDelta::days(7));
    assert_eq!(recheck().unwrap_err().kind(), "Expired");
}

#[test]
fn what_has_expired_is_refused_unless_that_is_allowed_for_so_long() {
    let mut world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    world.clock.set(world.repository.now + TimeDelta::days(7));
    world.refused(CHANNEL, CURRENT, "Expired");
    world.options.stale_ok = TimeDelta::days(2);
    let checked = world.check(CHANNEL, CURRENT).unwrap();
    assert_eq!(checked.age(), Some(TimeDelta::zero()));
    world.clock.set(world.repository.now + TimeDelta::days(9));
    world.refused(CHANNEL, CURRENT, "Expired");
}

#[test]
fn a_clock_that_was_turned_back_behind_the_last_state_is_refused() {
    let mut world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    world.clock.set(world.repository.now - TimeDelta::seconds(1));
    world.refused(CHANNEL, CURRENT, "ClockBack");
    // Though what is served is newer, and though old documents are accepted.
    world.publish();
    world.options.stale_ok = TimeDelta::days(90);
    let refusal = world.refused(CHANNEL, CURRENT, "ClockBack");
    assert!(refusal.to_string().contains("signed at `2018-06-01T00:00:00Z`"), "{refusal}");
    let recheck = world.client().recheck(&CHANNEL.parse().unwrap(), &Version::parse(CURRENT).unwrap());
    assert_eq!(recheck.unwrap_err().kind(), "ClockBack");
    world.clock.set("2018-06-01T00:00:00Z".parse().unwrap());
    world.check(CHANNEL, CURRENT).unwrap();
}

#[test]
fn a_clock_that_was_fast_for_one_check_silences_nothing_once_it_is_right() {
    let mut world = World::new();
    let now = world.repository.now;
    world.clock.set(now + TimeDelta::days(5));
    world.check(CHANNEL, CURRENT).unwrap();
    world.clock.set(now);
    assert!(!world.check(CHANNEL, CURRENT).unwrap().changed);
    world.publish();
    assert!(world.check(CHANNEL, CURRENT).unwrap().changed);
    world.clock.set(now - TimeDelta::seconds(1));
    world.refused(CHANNEL, CURRENT, "ClockBack");
}

#[test]
fn a_role_of_a_line_that_does_not_count_is_not_fetched_and_its_version_counts_all_the_same() {
    let mut world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    let asked = world.server.asked();
    let roles: Vec<_> = asked.iter().filter(|path| path.contains("releases-")).collect();
    assert_eq!(roles, ["tuf/metadata/1.releases-1.8.json"]);
    // Nobody who follows 1.8 has seen the role, and all have seen its version.
    world.publish();
    world.check(CHANNEL, CURRENT).unwrap();
    world.publish();
    world.repository.role("releases-1.7").version = 1;
    world.server.serve(world.repository.seal());
    world.refused(CHANNEL, CURRENT, "Rollback");
}

#[test]
fn an_older_state_is_refused_after_a_newer_one() {
    let mut world = World::new();
    let old = world.repository.seal();
    world.publish();
    world.check(CHANNEL, CURRENT).unwrap();
    world.server.serve(old);
    world.refused(CHANNEL, CURRENT, "Rollback");
}

#[test]
fn a_channel_manifest_never_goes_back_even_under_newer_roles() {
    let mut world = World::new();
    world.publish();
    world.check(CHANNEL, CURRENT).unwrap();
    world.publish();
    world.repository.channel(CHANNEL).version = 1;
    world.server.serve(world.repository.seal());
    world.refused(CHANNEL, CURRENT, "Rollback");
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let mut world = World::new();
    let old = world.repository.seal();
    world.check(CHANNEL, CURRENT).unwrap();
    world.publish();
    let name = names::metadata_path("releases-1.8", 2);
    // The same length, other bytes.
    world.server.change(&name, |mut bytes| {
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        bytes
    });
    world.refused(CHANNEL, CURRENT, "MixAndMatch");
    world.server.change(&name, |_| old[&names::metadata_path("releases-1.8", 1)][..100].to_vec());
    world.refused(CHANNEL, CURRENT, "Truncated");
    world.server.change(&name, |mut bytes| {
        bytes.resize(1 << 20, b' ');
        bytes
    });
    world.refused(CHANNEL, CURRENT, "TooLarge");
    world.server.remove("releases-1.8");
    world.refused(CHANNEL, CURRENT, "Missing");
}

#[test]
fn another_channels_document_is_refused() {
    let mut world = World::new();
    let other = world.repository.channel("1.7-production").clone();
    *world.repository.channel(CHANNEL) = other;
    world.server.serve(world.repository.seal());
    world.refused(CHANNEL, CURRENT, "WrongChannel");
    world.refused("1.8-beta", CURRENT, "UnknownChannel");
}

#[test]
fn throw_away_keys_are_refused_unless_they_are_wanted() {
    for release in [false, true] {
        let mut repository = Repository::new("2018-06-01T00:00:00Z".parse().unwrap());
        if release {
            repository.releases.get_mut(&Version::parse("1.8.9-tectonic.4").unwrap()).unwrap().demo = true;
        } else {
            repository.channel(CHANNEL).demo = true;
        }
        let mut world = World::of(repository);
        world.refused(CHANNEL, CURRENT, "DemoKeys");
        world.options.demo = true;
        world.check(CHANNEL, CURRENT).unwrap();
    }
}

#[test]
fn a_release_that_comes_early_is_skipped_and_its_channel_goes_on() {
    let mut world = World::new();
    let version = Version::parse("1.8.9-tectonic.4").unwrap();
    let later = world.repository.now + TimeDelta::days(3);
    let release = world.repository.releases.get_mut(&version).unwrap();
    release.not_before.insert("production".parse().unwrap(), later);
    world.server.serve(world.repository.seal());
    let checked = world.check(CHANNEL, CURRENT).unwrap();
    assert_eq!(checked.answer().advice.code(), "up_to_date");
    assert_eq!((&checked.skipped[0].version, checked.skipped[0].not_before), (&version, Some(later)));
    // One second early, and in time.
    for (since, code) in [(later - TimeDelta::seconds(1), "up_to_date"), (later, "latest")] {
        world.clock.set(later);
        world.repository.channel(CHANNEL).releases[1].since = since;
        world.publish();
        assert_eq!(world.check(CHANNEL, CURRENT).unwrap().answer().advice.code(), code, "{since}");
    }
}

#[test]
fn a_barrier_that_release_keys_signed_is_not_jumped() {
    // A third release between the two, a barrier.
    let barrier = |offered: bool| {
        let mut repository = Repository::new("2018-06-01T00:00:00Z".parse().unwrap());
        let now = repository.now;
        let mut line = repository.catalog.lines().find(|line| line.name.as_str() == "1.8").unwrap().clone();
        let mut release = line.releases.values().next().unwrap().clone();
        release.version = Version::parse("1.8.5-tectonic.1").unwrap();
        release.barrier = true;
        release.payloads = [].into();
        line.releases.insert(release.version.clone(), release.clone());
        let manifest = tidegate::formats::manifest::ReleaseManifest::of(&line, &release, now);
        repository.releases.insert(release.version.clone(), manifest);
        if offered {
            for channel in ["1.8-preproduction", CHANNEL] {
                let channel = repository.channel(channel);
                let mut entry = channel.releases[0].clone();
                entry.version = release.version.clone();
                channel.releases.insert(1, entry);
            }
        }
        World::of(repository)
    };
    // The channel's manifest has dropped the flag, and the release's counts.
    assert_eq!(barrier(true).answer(CHANNEL, CURRENT), told("update", "barrier", "1.8.5-tectonic.1"));
    // The channel has dropped the release.
    assert_eq!(barrier(false).answer(CHANNEL, CURRENT), told("blocked", "barrier", ""));
    // The index says so, even if the server withholds the manifest.
    let world = barrier(false);
    world.server.remove("release.1.8.5-tectonic.1.json");
    assert_eq!(world.answer(CHANNEL, CURRENT), told("blocked", "barrier", ""));
    // Above it, it is no matter.
    assert_eq!(
        barrier(false).answer(CHANNEL, "1.8.6-tectonic.1"),
        told("update", "latest", "1.8.9-tectonic.4")
    );
}

#[test]
fn a_payload_or_a_release_that_release_keys_do_not_list_is_refused() {
    for target in ["release.1.8.9-tectonic.4.json", "payload.1.8.9-tectonic.4.payload.json"] {
        let mut repository = Repository::new("2018-06-01T00:00:00Z".parse().unwrap());
        repository.listed_without = Some(target.to_owned());
        let refusal = World::of(repository).refused(CHANNEL, CURRENT, "NotListed");
        assert!(refusal.to_string().contains(target), "{refusal}");
    }
}

#[test]
fn manifests_that_contradict_each_other_are_refused() {
    type Change = fn(&mut Repository);
    let table: [Change; 3] = [
        |repository| repository.channel(CHANNEL).latest = "1.8.4-tectonic.1".parse().ok(),
        |repository| repository.channel("1.8-preproduction").follows = None,
        |repository| repository.channel(CHANNEL).stages.truncate(1),
    ];
    for change in table {
        let mut repository = Repository::new("2018-06-01T00:00:00Z".parse().unwrap());
        change(&mut repository);
        World::of(repository).refused(CHANNEL, CURRENT, "Contradiction");
    }
}

#[test]
fn a_fault_of_another_line_is_that_lines_own() {
    let mut world = World::new();
    world.repository.channel("1.7-production").latest = None;
    world.repository.role("releases-1.9").expires = world.repository.now - TimeDelta::days(1);
    world.server.serve(world.repository.seal());
    assert_eq!(world.answer(CHANNEL, CURRENT), told("update", "latest", "1.8.9-tectonic.4"));
    world.refused(CHANNEL, "1.7.14-tectonic.2", "Contradiction");
    world.refused("1.9-production", "v1.9.6+rke2r1", "Expired");
}

#[test]
fn an_alias_is_followed_and_the_lines_between_are_looked_at() {
    let mut world = World::new();
    world.repository.channel(CHANNEL).aliases = vec!["tectonic-1.8-production".parse().unwrap()];
    world.server.serve(world.repository.seal());
    let checked = world.check("tectonic-1.8-production", CURRENT).unwrap();
    assert_eq!(checked.channel.as_str(), CHANNEL);

    // The online key cannot let it stand for another channel.
    world.repository.channel("1.9-production").aliases =
        std::mem::take(&mut world.repository.channel(CHANNEL).aliases);
    world.publish();
    let checked = world.check("tectonic-1.8-production", CURRENT).unwrap();
    assert_eq!(checked.channel.as_str(), CHANNEL);
}

#[test]
fn a_channel_stays_one_of_its_line() {
    let mut world = World::new();
    world.check(CHANNEL, "1.8.9-tectonic.4").unwrap();
    // The channel takes the place of the next line's: what it offers is signed by release keys.
    let next = world.repository.channel("1.9-production").clone();
    for channel in ["1.9-preproduction", CHANNEL] {
        let manifest = world.repository.channel(channel);
        (manifest.line, manifest.follows) = (next.line.clone(), next.follows.clone());
        (manifest.stages, manifest.releases) = (next.stages.clone(), next.releases.clone());
        manifest.stages[1].channel = CHANNEL.parse().unwrap();
        manifest.latest = next.latest.clone();
    }
    world.publish();
    world.refused(CHANNEL, "1.8.9-tectonic.4", "WrongChannel");
}

#[test]
fn the_online_key_does_not_say_from_where_a_line_is_entered() {
    let mut world = World::new();
    for channel in ["1.9-preproduction", "1.9-production"] {
        let follows = world.repository.channel(CHANNEL).follows.clone();
        world.repository.channel(channel).follows = follows;
    }
    world.server.serve(world.repository.seal());
    world.refused("1.9-production", "1.7.14-tectonic.2", "WrongLine");
}

#[test]
fn a_cluster_comes_back_from_versions_at_their_maximum() {
    let mut world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    // Whoever has stolen the online key drives every version that it signs as far as it goes.
    world.repository.version = MOST;
    world.repository.role(names::CHANNELS).version = MOST;
    for manifest in world.repository.channels.values_mut() {
        manifest.version = MOST;
    }
    world.server.serve(world.repository.seal());
    assert!(world.check(CHANNEL, CURRENT).unwrap().changed);

    // The owners put another key in its place, and go on with the versions that they had.
    let mut repository = Repository::new(world.repository.now);
    let stolen = repository.keys.online;
    repository.keys.online = tidegate::signing::PrivateKey::from_seed(&[9; 32]);
    let Keys { root, targets, release, online } = &repository.keys;
    let lines = repository.catalog.lines().map(|line| (&line.name, &line.prefix, line));
    let release = signers(release);
    let lines: Vec<_> = lines.map(|(name, prefix, _)| (name, prefix, &release)).collect();
    repository.targets = Targets::delegating(2, repository.now, lines, &signers(online));
    repository.root = Root::of(2, repository.now, &signers(root), &signers(targets), &signers(online));
    repository.version = 2;
    repository.role(names::CHANNELS).version = 2;
    for manifest in repository.channels.values_mut() {
        manifest.version = 2;
    }
    world.server.serve(repository.seal());
    assert!(world.check(CHANNEL, CURRENT).unwrap().changed);
    assert_eq!(world.answer(CHANNEL, CURRENT), told("update", "latest", "1.8.9-tectonic.4"));

    // What the thief signs is refused from now on.
    let mut files = repository.seal();
    repository.version = 3;
    let new = std::mem::replace(&mut repository.keys.online, stolen);
    let forged = repository.seal();
    files.insert(names::TIMESTAMP_PATH.to_owned(), forged[names::TIMESTAMP_PATH].clone());
    world.server.serve(files);
    world.refused(CHANNEL, CURRENT, "NotEnoughSignatures");
    repository.keys.online = new;
    world.server.serve(repository.seal());
    world.check(CHANNEL, CURRENT).unwrap();
}

#[test]
fn a_damaged_trusted_state_is_not_taken_for_none() {
    let world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    let trusted = world.folder.path().join("trusted");
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(trusted.join("state.json")).unwrap()).unwrap();
    let file = |name: &str| trusted.join("files").join(state[name].as_str().unwrap());
    // Each document, too: one with a broken signature would count as unsigned.
    for name in ["root", "timestamp", "snapshot"] {
        let good = std::fs::read(file(name)).unwrap();
        let mut bad = good.clone();
        let at = bad.windows(7).position(|text| text == b"\"sig\":\"").unwrap() + 7;
        bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
        std::fs::write(file(name), bad).unwrap();
        world.refused(CHANNEL, CURRENT, "State");
        std::fs::remove_file(file(name)).unwrap();
        world.refused(CHANNEL, CURRENT, "State");
        std::fs::write(file(name), good).unwrap();
        world.check(CHANNEL, CURRENT).unwrap();
    }
    for damaged in ["", "{}"] {
        std::fs::write(trusted.join("state.json"), damaged).unwrap();
        world.refused(CHANNEL, CURRENT, "State");
    }
}

#[test]
fn a_cached_file_that_was_damaged_is_fetched_again() {
    let world = World::new();
    world.check(CHANNEL, CURRENT).unwrap();
    let trusted = world.folder.path().join("trusted");
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(trusted.join("state.json")).unwrap()).unwrap();
    let needed = ["root", "timestamp", "snapshot"].map(|name| state[name].as_str().unwrap());
    let mut damaged = 0;
    for entry in std::fs::read_dir(trusted.join("files")).unwrap() {
        let entry = entry.unwrap();
        // Without the documents that the state names, it cannot be used at all.
        if !needed.contains(&entry.file_name().to_str().unwrap()) {
            std::fs::write(entry.path(), "damaged").unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    assert!(world.check(CHANNEL, CURRENT).unwrap().changed);
    world.server.asked();
    world.check(CHANNEL, CURRENT).unwrap();
    assert_eq!(world.server.asked().len(), 2);
}

#[test]
fn a_retired_line_tells_where_to_go_on() {
    let mut world = World::new();
    let at = world.repository.now - TimeDelta::days(1);
    for channel in ["1.7-preproduction", "1.7-production"] {
        let reason = "no fixes any more".to_owned();
        world.repository.channel(channel).retired = Some(Notice { at, reason });
    }
    world.publish();
    let next = |world: &World| {
        let checked = world.check("1.7-production", "1.7.14-tectonic.2").unwrap();
        match checked.answer().advice {
            Advice::None { code: NoneCode::Retired { next, .. }, .. } => {
                next.map(|next| next.name().to_string())
            }
            advice => panic!("{advice:?}"),
        }
    };
    assert_eq!(next(&world).as_deref(), Some("1.8-production"));
    let again = world
        .client()
        .recheck(&"1.7-production".parse().unwrap(), &Version::parse("1.7.14-tectonic.2").unwrap());
    assert!(tidegate::words::answer(&again.unwrap().answer()).contains("1.8-production"));
    // A fault of that line is its own.
    world.repository.channel("1.8-production").expires = at;
    for role in world.repository.roles.values_mut() {
        role.version += 1;
    }
    world.repository.version += 1;
    for manifest in world.repository.channels.values_mut() {
        manifest.version += 1;
    }
    world.server.serve(world.repository.seal());
    assert_eq!(next(&world), None);
}
