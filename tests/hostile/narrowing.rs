//! What is not refused, since the online key may narrow what is on offer: what it comes to then.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tidegate::domain::payload::Payload;
use tidegate::formats::manifest::ReleaseManifest;
use tidegate::formats::tuf::names;

use super::forge::{Forge, NEW_ONLINE, ONLINE, day, key};
use super::scene::{CHANNEL, CURRENT, GOOD, Scene, TARGET, told};

/// One thing that the online key can do.
pub struct Narrowing {
    /// As the documentation has it.
    pub name: &'static str,
    pub make: fn() -> Forge<'static>,
    /// The channel and the version of who asks.
    pub asks: (&'static str, &'static str),
    pub answer: &'static str,
}

const BARRIER: &str = "1.8.5-tectonic.1";
const AFTER: &str = "1.8.7-tectonic.1";
const PRODUCTION: &str = "channel.1.8-production.json";
const PREPRODUCTION: &str = "channel.1.8-preproduction.json";

/// A repository with a barrier between the two releases, and one more release after it; both are
/// offered.
fn with_barrier() -> Forge<'static> {
    let mut forge = Forge::new(3);
    let repository = &mut forge.repository;
    let line = repository.catalog.lines().find(|line| line.name.as_str() == "1.8").unwrap().clone();
    let now = repository.now;
    for (version, barrier) in [(BARRIER, true), (AFTER, false)] {
        let mut release = line.releases.values().next().unwrap().clone();
        release.version = version.parse().unwrap();
        release.barrier = barrier;
        release.payloads = [].into();
        let manifest = ReleaseManifest::of(&line, &release, now);
        repository.releases.insert(release.version.clone(), manifest);
        for channel in ["1.8-preproduction", CHANNEL] {
            let channel = repository.channel(channel);
            let mut entry = channel.releases[0].clone();
            entry.version = release.version.clone();
            entry.barrier = barrier;
            channel.releases.push(entry);
            channel.releases.sort_by(|a, b| a.version.cmp(&b.version));
        }
    }
    forge
}

const GATE: &str = "1.7.14-tectonic.2";
const GATE_BARRIER: &str = "1.7.16-tectonic.1";
const GATE_TOP: &str = "1.7.18-tectonic.1";

/// A repository with a barrier in the line before, and one more release after it; both are signed,
/// and on offer if `offered`.
fn with_gate_barrier(version: u64, offered: bool) -> Forge<'static> {
    let mut forge = Forge::new(version);
    let repository = &mut forge.repository;
    let line = repository.catalog.lines().find(|line| line.name.as_str() == "1.7").unwrap().clone();
    let now = repository.now;
    for (version, barrier) in [(GATE_BARRIER, true), (GATE_TOP, false)] {
        let mut release = line.releases.values().next().unwrap().clone();
        release.version = version.parse().unwrap();
        release.barrier = barrier;
        release.payloads = [].into();
        let manifest = ReleaseManifest::of(&line, &release, now);
        repository.releases.insert(release.version.clone(), manifest);
        for channel in ["1.7-preproduction", "1.7-production"].into_iter().filter(|_| offered) {
            let channel = repository.channel(channel);
            let mut entry = channel.releases[0].clone();
            entry.version = release.version.clone();
            entry.barrier = barrier;
            channel.releases.push(entry);
            channel.latest = Some(release.version.clone());
        }
    }
    forge
}

/// Yanks releases in both channels of the line, each with the one to take instead.
fn yank(mut forge: Forge<'static>, yanks: &'static [(&str, &str)]) -> Forge<'static> {
    for channel in [PRODUCTION, PREPRODUCTION] {
        forge = forge.edit(channel, move |manifest| {
            let releases = manifest["releases"].as_array_mut().unwrap();
            for (version, to) in yanks {
                let release = releases.iter_mut().find(|release| release["version"] == *version).unwrap();
                release["yank"] = json!({"at": day(-1), "reason": "trust me"});
                if !to.is_empty() {
                    release["yank"]["to"] = json!(to);
                }
            }
            let kept = releases.iter().rfind(|release| release["yank"].is_null());
            let latest = kept.map_or(Value::Null, |release| release["version"].clone());
            manifest["latest"] = latest;
            if manifest["latest"].is_null() {
                manifest.as_object_mut().unwrap().remove("latest");
            }
        });
    }
    forge
}

fn drop_release(forge: Forge<'static>, version: &'static str) -> Forge<'static> {
    [PRODUCTION, PREPRODUCTION].into_iter().fold(forge, |forge, channel| {
        forge.edit(channel, move |manifest| {
            manifest["releases"].as_array_mut().unwrap().retain(|release| release["version"] != version);
        })
    })
}

/// A release that release keys allow in production in three days.
fn soaking() -> Forge<'static> {
    let mut forge = Forge::new(3);
    let later = forge.repository.now + TimeDelta::days(3);
    let release = forge.repository.releases.get_mut(&TARGET.parse().unwrap()).unwrap();
    release.not_before.insert("production".parse().unwrap(), later);
    forge
}

const ASKS: (&str, &str) = (CHANNEL, CURRENT);

pub const NARROWINGS: &[Narrowing] = &[
    Narrowing {
        name: "offers a release in production before its time",
        make: soaking,
        asks: ASKS,
        answer: "none up_to_date",
    },
    Narrowing {
        name: "offers a release in production before its time, as if it had waited",
        make: || {
            soaking().edit(PRODUCTION, |manifest| {
                manifest["releases"][1]["since"] = json!(day(3));
            })
        },
        asks: ASKS,
        answer: "none up_to_date",
    },
    Narrowing {
        name: "calls production by another stage's name before a first look",
        make: || {
            let mut forge = soaking();
            let production = forge.repository.channel(CHANNEL);
            production.stage = "anything".parse().unwrap();
            production.stages = vec![production.stages[1].clone()];
            production.stages[0].stage = "anything".parse().unwrap();
            forge
        },
        asks: ASKS,
        answer: "none up_to_date",
    },
    Narrowing {
        name: "yanks all newer releases in favour of an older release",
        make: || yank(Forge::new(3), &[(TARGET, CURRENT)]),
        asks: (CHANNEL, TARGET),
        answer: "blocked yanked",
    },
    Narrowing {
        name: "yanks everything",
        make: || yank(Forge::new(3), &[(TARGET, ""), (CURRENT, "")]),
        asks: ASKS,
        answer: "blocked yanked",
    },
    Narrowing {
        name: "drops all newer releases",
        make: || {
            drop_release(Forge::new(3), TARGET).set(PRODUCTION, "latest", CURRENT).set(
                PREPRODUCTION,
                "latest",
                CURRENT,
            )
        },
        asks: (CHANNEL, TARGET),
        answer: "none unknown_version",
    },
    Narrowing {
        name: "drops the mark of a barrier",
        make: || {
            with_barrier()
                .edit(PRODUCTION, |manifest| manifest["releases"][1]["barrier"] = json!(false))
                .edit(PREPRODUCTION, |manifest| manifest["releases"][1]["barrier"] = json!(false))
        },
        asks: ASKS,
        answer: "update barrier 1.8.5-tectonic.1",
    },
    Narrowing {
        name: "drops a barrier altogether",
        make: || drop_release(with_barrier(), BARRIER),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "dates a barrier in the future",
        make: || {
            with_barrier().edit(PRODUCTION, |manifest| {
                manifest["releases"][1]["since"] = json!("9999-12-31T23:59:59Z");
            })
        },
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier",
        make: || yank(with_barrier(), &[(BARRIER, "")]),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier in favour of an older release",
        make: || yank(with_barrier(), &[(BARRIER, CURRENT)]),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier in favour of an older release, by way of a newer one",
        make: || yank(with_barrier(), &[(BARRIER, AFTER), (AFTER, CURRENT)]),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier in favour of a release that does not exist",
        make: || yank(with_barrier(), &[(BARRIER, "1.8.99-tectonic.1")]),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier and its replacement in a circle",
        make: || yank(with_barrier(), &[(BARRIER, AFTER), (AFTER, BARRIER)]),
        asks: ASKS,
        answer: "blocked barrier",
    },
    Narrowing {
        name: "yanks a barrier in favour of a later release, which is the barrier then",
        make: || yank(with_barrier(), &[(BARRIER, AFTER)]),
        asks: ASKS,
        answer: "update barrier 1.8.7-tectonic.1",
    },
    Narrowing {
        name: "drops a barrier of the line before, and all above it",
        make: || with_gate_barrier(3, false),
        asks: (CHANNEL, GATE),
        answer: "blocked barrier",
    },
    Narrowing {
        name: "names a grace longer than time itself",
        make: || {
            [PRODUCTION, PREPRODUCTION].into_iter().fold(Forge::new(3), |forge, channel| {
                forge.edit(channel, |manifest| manifest["follows"]["grace"] = json!((1_u64 << 53) - 1))
            })
        },
        asks: (CHANNEL, "1.7.14-tectonic.2"),
        answer: "update next_line 1.8.9-tectonic.4",
    },
    Narrowing {
        name: "lets lines follow each other in a circle",
        make: || {
            ["1.7-preproduction", "1.7-production"].into_iter().fold(Forge::new(3), |mut forge, channel| {
                let follows = forge.repository.channel("1.9-production").follows.clone();
                forge.repository.channel(channel).follows = follows;
                forge
            })
        },
        asks: ("1.9-production", "1.7.14-tectonic.2"),
        answer: "blocked minor_gate",
    },
    Narrowing {
        name: "pauses the channel",
        make: || {
            let pause = json!({"at": day(-1), "reason": "trust me"});
            Forge::new(3).set(PRODUCTION, "paused", pause)
        },
        asks: ASKS,
        answer: "wait paused",
    },
];

#[test]
fn whatever_the_online_key_does_no_answer_goes_beyond_what_release_keys_allow() {
    for Narrowing { name, make, asks: (channel, current), answer } in NARROWINGS {
        let scene = Scene::at(make().seal());
        let checked = scene.check_as(channel, current).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(told(&checked), *answer, "{name}");
        if let Some(target) = checked.answer().advice.target() {
            assert!(target.version > checked.current, "{name}");
        }
    }
}

#[test]
fn the_next_line_is_not_entered_around_a_barrier_that_its_channel_does_not_offer_any_more() {
    let scene = Scene::at(with_gate_barrier(3, true).seal());
    let answer = || told(&scene.check_as(CHANNEL, GATE).unwrap());
    assert_eq!(answer(), "blocked minor_gate");
    let known = || scene.client().recheck(&CHANNEL.parse().unwrap(), &GATE.parse().unwrap());
    scene.server.serve(with_gate_barrier(4, false).seal());
    assert_eq!((answer().as_str(), told(&known().unwrap()).as_str()), ("blocked barrier", "blocked barrier"));

    // Nor on a first look, nor without its manifest: the index of the line says that it is one.
    let cold = Scene::at(with_gate_barrier(3, false).seal());
    cold.server.remove(&format!("release.{GATE_BARRIER}"));
    assert_eq!(told(&cold.check_as(CHANNEL, GATE).unwrap()), "blocked barrier");
    // Who has taken it goes on.
    let beyond = Scene::at(with_gate_barrier(3, true).seal());
    assert_eq!(told(&beyond.check_as(CHANNEL, GATE_TOP).unwrap()), "update next_line 1.8.9-tectonic.4");
}

#[test]
fn no_architecture_leads_around_a_barrier_that_the_line_before_does_not_offer() {
    const FITS: &str = "1.7.15-tectonic.1";
    let mut forge = with_gate_barrier(3, false);
    let repository = &mut forge.repository;
    let line = repository.catalog.lines().find(|line| line.name.as_str() == "1.7").unwrap().clone();
    // What production offers is for another architecture, and what comes before the barrier is not there yet.
    for release in repository.releases.values_mut().filter(|release| release.line == line.name) {
        let payloads = release.payloads.iter().cloned();
        release.payloads =
            payloads.map(|payload| Payload { arch: Some("amd64".to_owned()), ..payload }).collect();
    }
    let mut release = line.releases.values().next().unwrap().clone();
    (release.version, release.payloads) = (FITS.parse().unwrap(), [].into());
    let manifest = ReleaseManifest::of(&line, &release, repository.now);
    repository.releases.insert(release.version.clone(), manifest);
    let channel = repository.channel("1.7-preproduction");
    let mut entry = channel.releases[0].clone();
    entry.version = release.version.clone();
    channel.releases.push(entry);
    channel.latest = Some(release.version.clone());
    let scene = Scene::at(forge.seal());
    for (arch, current) in [("arm64", FITS), ("amd64", FITS), ("amd64", GATE), ("x86_64", FITS)] {
        let client = scene.client().for_arch(Some(arch));
        let checked = client.check(&CHANNEL.parse().unwrap(), &current.parse().unwrap());
        assert_eq!(told(&checked.unwrap()), "blocked barrier", "{current} on {arch}");
    }
}

#[test]
fn a_barrier_of_the_line_before_counts_from_its_time_on() {
    let mut forge = with_gate_barrier(3, false);
    let from = forge.repository.now + TimeDelta::days(3);
    let release = forge.repository.releases.get_mut(&GATE_BARRIER.parse().unwrap()).unwrap();
    release.not_before.insert("production".parse().unwrap(), from);
    let scene = Scene::at(forge.seal());
    let mut answers = [from - TimeDelta::seconds(1), from].map(|now| {
        scene.clock.set(now);
        told(&scene.check_as(CHANNEL, GATE).unwrap())
    });
    assert_eq!(
        answers.each_mut().map(|answer| answer.as_str()),
        ["update next_line 1.8.9-tectonic.4", "blocked barrier"]
    );
}

#[test]
fn a_barrier_that_was_yanked_while_it_soaked_stands_where_its_replacement_does() {
    let mut forge = yank(with_barrier(), &[(BARRIER, AFTER)]);
    let later = forge.repository.now + TimeDelta::days(3);
    let release = forge.repository.releases.get_mut(&BARRIER.parse().unwrap()).unwrap();
    release.not_before.insert("production".parse().unwrap(), later);
    let forge = forge.edit(PRODUCTION, |manifest| {
        manifest["releases"].as_array_mut().unwrap().retain(|release| release["version"] != BARRIER);
    });
    let scene = Scene::at(forge.seal());
    assert_eq!(scene.answer(), "update barrier 1.8.7-tectonic.1");
}

#[test]
fn an_early_release_is_told_and_the_others_of_its_channel_go_on() {
    let mut forge = with_barrier();
    let later = forge.repository.now + TimeDelta::days(3);
    let release = forge.repository.releases.get_mut(&TARGET.parse().unwrap()).unwrap();
    release.not_before.insert("production".parse().unwrap(), later);
    let scene = Scene::at(forge.seal());
    let checked = scene.check().unwrap();
    assert_eq!(told(&checked), "update barrier 1.8.5-tectonic.1");
    assert_eq!(told(&scene.check_as(CHANNEL, BARRIER).unwrap()), "update latest 1.8.7-tectonic.1");
    let skipped = &checked.skipped[0];
    assert_eq!((skipped.version.to_string().as_str(), skipped.not_before), (TARGET, Some(later)));
    assert_eq!(skipped.channel.as_str(), CHANNEL);
}

/// Gives a channel of a line another name.
fn alias(version: u64, channel: &str) -> Forge<'static> {
    let mut forge = Forge::new(version);
    forge.repository.channel(channel).aliases = vec!["stable".parse().unwrap()];
    forge
}

#[test]
fn an_alias_that_is_followed_stays_with_its_channel() {
    let scene = Scene::at(alias(3, CHANNEL).seal());
    assert_eq!(told(&scene.check_as("stable", CURRENT).unwrap()), GOOD);
    let other = alias(4, "1.9-production");
    // The same by a channel of that very name.
    let mut named = Forge::new(5);
    let mut manifest = named.repository.channel("1.9-production").clone();
    manifest.channel = "stable".parse().unwrap();
    manifest.stages = vec![manifest.stages[1].clone()];
    manifest.stages[0].channel = manifest.channel.clone();
    named.repository.channels.insert(manifest.channel.clone(), manifest);
    for files in [other.seal(), named.seal()] {
        scene.server.serve(files);
        let checked = scene.check_as("stable", TARGET).unwrap();
        assert_eq!((checked.channel.as_str(), told(&checked).as_str()), (CHANNEL, "none up_to_date"));
    }
}

/// Delegates a role to these keys.
pub fn delegated(forge: Forge<'static>, role: &'static str, seeds: &'static [u8]) -> Forge<'static> {
    forge.edit("targets", move |targets| {
        let keys = seeds.iter().map(|seed| key(*seed).public());
        let keys: Vec<_> = keys.map(|key| (key.id().to_string(), json!(key.key()))).collect();
        let delegations = &mut targets["delegations"];
        for (id, key) in &keys {
            delegations["keys"][id] = key.clone();
        }
        let mut roles = delegations["roles"].as_array_mut().unwrap().iter_mut();
        let found = roles.find(|found| found["name"] == role).unwrap();
        found["keyids"] = keys.iter().map(|(id, _)| json!(id)).collect();
    })
}

#[test]
fn a_key_that_is_added_makes_a_cluster_forget_nothing_that_another_has_signed() {
    let scene = Scene::at(alias(3, CHANNEL).seal());
    assert_eq!(told(&scene.check_as("stable", CURRENT).unwrap()), GOOD);
    let both = |forge| delegated(forge, names::CHANNELS, &[ONLINE, NEW_ONLINE]);
    scene.server.serve(both(alias(4, "1.9-production")).seal());
    for _ in 0..2 {
        assert_eq!(scene.check_as("stable", TARGET).unwrap().channel.as_str(), CHANNEL);
    }
    let manifest = format!("channel.{CHANNEL}.json");
    scene.server.serve(both(Forge::new(5)).set(&manifest, "version", 3).seal());
    assert_eq!(scene.check().unwrap_err().kind(), "Rollback");
    // What the stolen key has signed is forgotten as soon as it no longer counts.
    let mut forge = delegated(Forge::new(6), names::CHANNELS, &[NEW_ONLINE]).set(&manifest, "version", 1);
    let channels = forge.repository.channels.keys().map(names::channel_target);
    let signed: Vec<_> = channels.chain([names::CHANNELS.to_owned()]).collect();
    for name in signed {
        forge = forge.by(&name, &[NEW_ONLINE]);
    }
    scene.server.serve(forge.seal());
    assert_eq!(scene.answer(), GOOD);
}

#[test]
fn an_old_state_within_its_life_keeps_clusters_where_they_are_and_no_further_back() {
    let scene = Scene::new();
    let before = scene.trusted();
    // The owners yank the release, and somebody keeps that from the cluster.
    scene.clock.set(Forge::new(1).repository.now + TimeDelta::days(7) - TimeDelta::seconds(1));
    assert_eq!(scene.answer(), GOOD);
    assert_eq!(scene.trusted(), before);
    scene.clock.set(Forge::new(1).repository.now + TimeDelta::days(7));
    assert_eq!(scene.check().unwrap_err().kind(), "Expired");
}
