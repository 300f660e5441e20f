//! What is refused: one line for each attack, by what the thief holds.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tidegate::clock::Clock as _;
use tidegate::formats::tuf::names::{self, TIMESTAMP_PATH};
use tidegate::formats::tuf::{Root, Signers, Target};

use super::forge::{
    Forge, ONLINE, RELEASE, RELEASE_OF_1_7, ROOT, TARGETS, THIEF, any, both, day, envelope, key, meta_of,
};
use super::index::INDEX_ATTACKS;
use super::repository::Files;
use super::scene::{CHANNEL, GOOD, Scene, TARGET, told};

/// One attack on a cluster that trusts a good state.
pub struct Attack {
    /// As the documentation has it.
    pub name: &'static str,
    /// Puts it on the server, or moves the time.
    pub does: fn(&Scene),
    pub kind: &'static str,
}

pub const fn attack(name: &'static str, kind: &'static str, does: fn(&Scene)) -> Attack {
    Attack { name, does, kind }
}

/// What the thief makes of the third publication.
pub fn third() -> Forge<'static> {
    Forge::new(3)
}

/// Puts `bytes` in the place of a target, whatever they are.
pub fn replace(files: &mut Files, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let path = files.keys().find(|path| path.ends_with(&format!(".{name}"))).unwrap().clone();
    let bytes = files[&path].to_vec();
    files.insert(path, change(bytes).into());
}

pub fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    let last = bytes.len() - 4;
    bytes[last] ^= 1;
    bytes
}

fn channel() -> String {
    format!("channel.{CHANNEL}.json")
}

pub fn release() -> String {
    format!("release.{TARGET}.json")
}

/// Serves the third publication, in which the snapshot lists an older role.
fn roll_back(scene: &Scene, role: &str) {
    let old = scene.first[&names::metadata_path(role, 1)].clone();
    let entry = format!("{role}.json");
    let edit = |snapshot: &mut Value| snapshot["meta"][&entry] = meta_of(1, &old);
    let mut files = Forge::new(3).edit("snapshot", edit).seal();
    files.insert(names::metadata_path(role, 1), old.clone());
    scene.server.serve(files);
}

/// Serves the third publication, whose snapshot lacks a role.
fn drop_role(scene: &Scene, file: &str) {
    let drop = |snapshot: &mut Value| drop(snapshot["meta"].as_object_mut().unwrap().remove(file).unwrap());
    scene.server.serve(Forge::new(3).edit("snapshot", drop).seal());
}

/// Serves the second publication with a file of the first in the place of its own.
fn mix(scene: &Scene, role: &str) {
    let mut files = Forge::new(3).seal();
    files.insert(names::metadata_path(role, 3), scene.first[&names::metadata_path(role, 1)].clone());
    scene.server.serve(files);
}

/// Serves the third publication, in which one document expired just now.
fn expire(scene: &Scene, name: &str) {
    let forge = if name == "root" { root(2, &both(ROOT), &ROOT) } else { Forge::new(3) };
    let mut files = scene.first.clone();
    files.extend(forge.set(name, "expires", day(0)).seal());
    scene.server.serve(files);
}

/// The third publication under a new root with this version and these root keys, signed by those.
pub fn root(version: u64, named: &Signers, by: &[u8]) -> Forge<'static> {
    let mut forge = third().by("root", by);
    let now = forge.repository.now;
    forge.repository.root = Root::of(version, now, named, &any(TARGETS), &any(ONLINE));
    forge
}

fn serve_root(scene: &Scene, at: u64, forge: &Forge<'_>) {
    let mut files = forge.seal();
    let made = names::metadata_path("root", forge.repository.root.version);
    let bytes = files.remove(&made).unwrap();
    files.insert(names::metadata_path("root", at), bytes);
    scene.server.serve(files);
}

fn timestamp(scene: &Scene, bytes: impl Into<bytes::Bytes>) {
    let mut files = Forge::new(3).seal();
    files.insert(TIMESTAMP_PATH.to_owned(), bytes.into());
    scene.server.serve(files);
}

/// A document within so many others.
pub fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

/// Every attack that is refused. Who has no key holds the server, the network or a mirror; who has
/// the online key holds those too.
const ATTACKS: &[Attack] = &[
    // Without a key.
    attack("a timestamp that the thief signed with another key", "NotEnoughSignatures", |scene| {
        scene.server.serve(third().by("timestamp", &[THIEF]).seal());
    }),
    attack("a timestamp without signatures", "NotEnoughSignatures", |scene| {
        scene.server.serve(third().by("timestamp", &[]).seal());
    }),
    attack("an older timestamp with its files", "Rollback", |scene| {
        scene.server.serve(scene.first.clone());
    }),
    attack("the same state for ever (freeze)", "Expired", |scene| {
        scene.clock.set(Forge::new(1).repository.now + chrono::TimeDelta::days(7));
    }),
    attack("an older snapshot under a newer name", "MixAndMatch", |scene| mix(scene, "snapshot")),
    attack("an older `targets` under a newer name", "MixAndMatch", |scene| mix(scene, "targets")),
    attack("an older role of a line under a newer name", "MixAndMatch", |scene| mix(scene, "releases-1.8")),
    attack("an older `channels` under a newer name", "MixAndMatch", |scene| mix(scene, "channels")),
    attack("a channel manifest of one publication with the role of another", "WrongDigest", |scene| {
        let mut files = Forge::new(3).seal();
        let old = scene.first.iter().find(|(path, _)| path.ends_with(&channel())).unwrap().1.clone();
        replace(&mut files, &channel(), |_| old.to_vec());
        scene.server.serve(files);
    }),
    attack("a release manifest with other bytes", "WrongDigest", |scene| {
        // One that the cluster does not have yet.
        let mut files = third().set(&release(), "summary", "Another summary").seal();
        replace(&mut files, &release(), flip);
        scene.server.serve(files);
    }),
    attack("a role that ends early", "Truncated", |scene| {
        scene.server.serve(Forge::new(3).seal());
        scene.server.change("metadata/3.channels.json", |bytes| bytes[..100].to_vec());
    }),
    attack("a role that is longer than listed", "TooLarge", |scene| {
        scene.server.serve(Forge::new(3).seal());
        scene.server.change("metadata/3.channels.json", |bytes| [bytes, vec![b' '; 1 << 20]].concat());
    }),
    attack("an endless timestamp", "TooLarge", |scene| timestamp(scene, vec![b' '; 1 << 20])),
    attack("an endless root", "TooLarge", |scene| {
        let mut files = scene.second.clone();
        files.insert(names::metadata_path("root", 2), vec![b' '; 2 << 20].into());
        scene.server.serve(files);
    }),
    attack("a missing role", "Missing", |scene| {
        scene.server.serve(Forge::new(3).seal());
        scene.server.remove("3.releases-1.8");
    }),
    attack("a missing channel manifest", "Missing", |scene| {
        scene.server.serve(Forge::new(3).seal());
        scene.server.remove(&channel());
    }),
    attack("no timestamp", "Missing", |scene| scene.server.remove("timestamp")),
    attack("something that is not JSON", "Unreadable", |scene| {
        timestamp(scene, "<html>Please log in</html>");
    }),
    attack("an error message in JSON", "Unreadable", |scene| timestamp(scene, r#"{"error":"not found"}"#)),
    attack("half a compressed bomb as a timestamp", "Unreadable", |scene| {
        timestamp(scene, [&[0x1f, 0x8b, 8, 0][..], &[0; 1000]].concat());
    }),
    attack("JSON in JSON in JSON, ten thousand deep", "Unreadable", |scene| {
        timestamp(scene, envelope(&nested(10_000), &[THIEF]));
    }),
    attack("a duplicate key around what is signed", "Malformed", |scene| {
        let good = String::from_utf8(Forge::new(3).seal()[TIMESTAMP_PATH].to_vec()).unwrap();
        timestamp(scene, good.replacen('{', r#"{"signed":{},"#, 1));
    }),
    // Root's own keys, or the wrong ones.
    attack("a root that only its own new keys signed", "NotEnoughSignatures", |scene| {
        serve_root(scene, 2, &root(2, &any(THIEF), &[THIEF]));
    }),
    attack("a root that only the old keys signed", "NotEnoughSignatures", |scene| {
        serve_root(scene, 2, &root(2, &any(THIEF), &ROOT));
    }),
    attack("one of two root keys: a new root", "NotEnoughSignatures", |scene| {
        serve_root(scene, 2, &root(2, &both(ROOT), &ROOT[..1]));
    }),
    attack("one of two root keys, which takes the other away", "NotEnoughSignatures", |scene| {
        serve_root(scene, 2, &root(2, &any(ROOT[0]), &ROOT[..1]));
    }),
    attack("a chain of roots with a gap", "BrokenChain", |scene| {
        serve_root(scene, 2, &root(3, &both(ROOT), &ROOT));
    }),
    attack("an older root under the name of the next", "BrokenChain", |scene| {
        serve_root(scene, 2, &root(1, &both(ROOT), &ROOT));
    }),
    attack("256 new roots at once", "TooManyRoots", |scene| {
        let mut files = Forge::new(3).seal();
        for version in 2..=257 {
            let mut root = third().repository.root;
            root.version = version;
            let text = serde_json::to_string(&json!(root)).unwrap();
            files.insert(names::metadata_path("root", version), envelope(&text, &ROOT));
        }
        scene.server.serve(files);
    }),
    // Out of date, whoever let it be.
    attack("an expired root", "Expired", |scene| expire(scene, "root")),
    attack("an expired timestamp", "Expired", |scene| expire(scene, "timestamp")),
    attack("an expired snapshot", "Expired", |scene| expire(scene, "snapshot")),
    attack("an expired `targets`", "Expired", |scene| expire(scene, "targets")),
    attack("an expired role of the line", "Expired", |scene| expire(scene, "releases-1.8")),
    attack("an expired `channels`", "Expired", |scene| expire(scene, "channels")),
    attack("an expired channel manifest", "Expired", |scene| expire(scene, &channel())),
    // The online key.
    attack("online key: an older snapshot", "Rollback", |scene| {
        let old = scene.first[&names::metadata_path("snapshot", 1)].clone();
        let entry = meta_of(1, &old);
        let mut files = Forge::new(3)
            .edit("timestamp", |timestamp| timestamp["meta"]["snapshot.json"] = entry.clone())
            .seal();
        files.extend(
            scene
                .first
                .iter()
                .map(|(path, bytes)| (path.clone(), bytes.clone()))
                .filter(|(path, _)| path != TIMESTAMP_PATH),
        );
        scene.server.serve(files);
    }),
    attack("online key: an older `targets`", "Rollback", |scene| roll_back(scene, "targets")),
    attack("online key: an older role of a line", "Rollback", |scene| roll_back(scene, "releases-1.8")),
    attack("online key: an older `channels`", "Rollback", |scene| roll_back(scene, "channels")),
    attack("online key: an older role of another line", "Rollback", |scene| roll_back(scene, "releases-1.7")),
    attack("online key: other bytes under the timestamp's version", "VersionReused", |scene| {
        scene.server.serve(Forge::new(3).set("timestamp", "version", 2).seal());
    }),
    attack("online key: other bytes under the version of another line's role", "VersionReused", |scene| {
        let other = |snapshot: &mut Value| {
            let old = scene.second[&names::metadata_path("releases-1.7", 2)].len();
            snapshot["meta"]["releases-1.7.json"]["version"] = json!(2);
            snapshot["meta"]["releases-1.7.json"]["length"] = json!(old + 1);
        };
        scene.server.serve(Forge::new(3).edit("snapshot", other).seal());
    }),
    attack("online key: an older channel manifest in newer roles", "Rollback", |scene| {
        scene.server.serve(third().set(&channel(), "version", 1).seal());
    }),
    attack("online key: a line's role dropped from the snapshot", "Rollback", |scene| {
        drop_role(scene, "releases-1.8.json");
    }),
    attack("online key: another line's role dropped from the snapshot", "Rollback", |scene| {
        drop_role(scene, "releases-1.7.json");
    }),
    attack("online key: another payload's digest in a line's role", "NotEnoughSignatures", |scene| {
        let name = format!("payload.{TARGET}.payload.json");
        let other = move |role: &mut Value| role["targets"][&name] = json!(Target::of(b"evil"));
        scene.server.serve(third().edit("releases-1.8", other).by("releases-1.8", &[ONLINE]).seal());
    }),
    attack("online key: a release manifest of its own", "NotListed", |scene| {
        let forged = third().set(&release(), "summary", "Evil").by(&release(), &[ONLINE]).seal();
        let made = forged.iter().find(|(path, _)| path.ends_with(&release())).unwrap();
        let digest = json!(Target::of(made.1).hashes.sha256);
        let offer = move |manifest: &mut Value| manifest["releases"][1]["manifest"] = digest.clone();
        scene.server.serve(third().edit(&channel(), offer).seal());
    }),
    attack("online key: a release of its own, in its line's role too", "NotEnoughSignatures", |scene| {
        let forge = third().set(&release(), "summary", "Evil");
        scene.server.serve(forge.by(&release(), &[ONLINE]).by("releases-1.8", &[ONLINE]).seal());
    }),
    attack("online key: a release in `channels`", "OutOfScope", |scene| {
        let list = |role: &mut Value| role["targets"][release()] = json!(Target::of(b"evil"));
        scene.server.serve(third().edit("channels", list).seal());
    }),
    attack("online key: a target with `/` in its name", "OutOfScope", |scene| {
        let list = |role: &mut Value| role["targets"]["channel.a/b.json"] = json!(Target::of(b"evil"));
        scene.server.serve(third().edit("channels", list).seal());
    }),
    attack("online key: a target with `..` in its name", "OutOfScope", |scene| {
        let name = "channel./../../../etc/passwd";
        let list = move |role: &mut Value| role["targets"][name] = json!(Target::of(b"evil"));
        scene.server.serve(third().edit("channels", list).seal());
    }),
    attack("online key: a role below `channels`", "OutOfScope", |scene| {
        let public = key(THIEF).public().key();
        let delegations = json!({"keys": {public.id().to_string(): public}, "roles": [{
            "name": "evil", "keyids": [public.id()], "threshold": 1, "paths": ["channel.*"], "terminating": true,
        }]});
        scene.server.serve(third().set("channels", "delegations", delegations).seal());
    }),
    attack("online key: preproduction's manifest as production's", "WrongChannel", |scene| {
        let mut forge = third();
        let other = forge.repository.channel("1.8-preproduction").clone();
        *forge.repository.channel(CHANNEL) = other;
        scene.server.serve(forge.seal());
    }),
    attack("online key: the channel names another stage", "WrongChannel", |scene| {
        let mut forge = third();
        let production = forge.repository.channel(CHANNEL);
        production.stage = "preproduction".parse().unwrap();
        production.stages[0].channel = CHANNEL.parse().unwrap();
        production.stages.pop();
        scene.server.serve(forge.seal());
    }),
    attack("online key: the channel names the next line", "WrongChannel", |scene| {
        let mut forge = third();
        let mut next = forge.repository.channel("1.9-production").clone();
        next.channel = CHANNEL.parse().unwrap();
        next.stages[1].channel = CHANNEL.parse().unwrap();
        forge.repository.channel("1.9-preproduction").stages.clone_from(&next.stages);
        *forge.repository.channel(CHANNEL) = next;
        scene.server.serve(forge.seal());
    }),
    attack("online key: the channel dropped", "UnknownChannel", |scene| {
        let mut forge = third();
        forge.repository.channels.remove(&CHANNEL.parse().unwrap()).unwrap();
        scene.server.serve(forge.seal());
    }),
    attack("online key: a release of the next line in the channel", "NotListed", |scene| {
        let mut forge = third();
        let other = forge.repository.channel("1.9-production").releases[0].clone();
        let channel = forge.repository.channel(CHANNEL);
        channel.latest = Some(other.version.clone());
        channel.releases.push(other);
        scene.server.serve(forge.seal());
    }),
    attack("online key: a release that nobody signed", "NotListed", |scene| {
        let mut forge = third().edit(&channel(), |manifest| {
            manifest["releases"][1]["version"] = json!("1.8.99-tectonic.1");
            manifest["latest"] = json!("1.8.99-tectonic.1");
        });
        forge.repository.channel(CHANNEL).aliases.clear();
        scene.server.serve(forge.seal());
    }),
    attack("online key: an older release called the latest", "Contradiction", |scene| {
        scene.server.serve(third().set(&channel(), "latest", "1.8.4-tectonic.1").seal());
    }),
    attack("online key: two channels of a line disagree on its stages", "Contradiction", |scene| {
        let mut forge = third();
        forge.repository.channel("1.8-preproduction").stages.pop();
        scene.server.serve(forge.seal());
    }),
    attack("online key: a version beyond all numbers", "Malformed", |scene| {
        scene.server.serve(third().set("timestamp", "version", u64::MAX).seal());
    }),
    attack("online key: a channel manifest's version beyond all numbers", "Malformed", |scene| {
        scene.server.serve(third().set(&channel(), "version", u64::MAX).seal());
    }),
    attack("online key: a duplicate key in a channel manifest", "Malformed", |scene| {
        let twice =
            |text: String| text.replacen(r#""latest":"#, r#""latest":"1.8.4-tectonic.1","latest":"#, 1);
        scene.server.serve(third().text(&channel(), twice).seal());
    }),
    attack("online key: a duplicate key in a role", "Malformed", |scene| {
        let twice = |text: String| text.replacen(r#""version":3"#, r#""version":3,"version":3"#, 1);
        scene.server.serve(third().text("channels", twice).seal());
    }),
    attack("online key: an unknown field", "Malformed", |scene| {
        scene.server.serve(third().set(&channel(), "evil", true).seal());
    }),
    attack("online key: a timestamp of two files", "Malformed", |scene| {
        let two = |timestamp: &mut Value| {
            timestamp["meta"]["other.json"] = timestamp["meta"]["snapshot.json"].clone();
        };
        scene.server.serve(third().edit("timestamp", two).seal());
    }),
    attack("online key: a channel manifest of a hundred thousand levels", "Unreadable", |scene| {
        scene.server.serve(third().text(&channel(), |_| nested(100_000)).seal());
    }),
    attack("online key: a timestamp that lasts longer than two weeks", "ValidTooLong", |scene| {
        scene.server.serve(third().set("timestamp", "expires", day(15)).seal());
    }),
    attack("online key: a channel manifest that lasts longer than two weeks", "ValidTooLong", |scene| {
        scene.server.serve(third().set(&channel(), "expires", day(15)).seal());
    }),
    attack("online key: throw-away keys", "DemoKeys", |scene| {
        scene.server.serve(third().set(&channel(), "demo", true).seal());
    }),
    // Release keys: the line takes two of them.
    attack("one of two release keys: a line's role", "NotEnoughSignatures", |scene| {
        let forge = third().set(&release(), "summary", "Evil").by(&release(), &RELEASE[..1]);
        scene.server.serve(forge.by("releases-1.8", &RELEASE[..1]).seal());
    }),
    attack("one of two release keys, signing twice", "NotEnoughSignatures", |scene| {
        scene.server.serve(third().by("releases-1.8", &[RELEASE[0], RELEASE[0]]).seal());
    }),
    attack("one of two release keys: a release manifest that both listed", "NotEnoughSignatures", |scene| {
        let forge = third().set(&release(), "summary", "Other").by(&release(), &RELEASE[..1]);
        scene.server.serve(forge.seal());
    }),
    attack("one of two release keys, signing a release manifest twice", "NotEnoughSignatures", |scene| {
        let forge = third().set(&release(), "summary", "Other").by(&release(), &[RELEASE[0], RELEASE[0]]);
        scene.server.serve(forge.seal());
    }),
    attack("another line's release key: a line's role", "NotEnoughSignatures", |scene| {
        scene.server.serve(third().by("releases-1.8", &[RELEASE_OF_1_7]).seal());
    }),
    attack("all release keys: one release under the name of another", "WrongRelease", |scene| {
        scene.server.serve(third().set(&release(), "version", "1.8.10").seal());
    }),
    attack("all release keys: a payload that is not listed", "NotListed", |scene| {
        let other = |manifest: &mut Value| manifest["payloads"][0]["size"] = json!(1);
        scene.server.serve(third().edit(&release(), other).seal());
    }),
    attack("all release keys: a payload with `..` in its name", "OutOfScope", |scene| {
        let climb = |manifest: &mut Value| manifest["payloads"][0]["file"] = json!("../../etc/passwd");
        scene.server.serve(third().edit(&release(), climb).seal());
    }),
    attack("all release keys: throw-away keys", "DemoKeys", |scene| {
        scene.server.serve(third().set(&release(), "demo", true).seal());
    }),
];

/// All attacks, in the order of the documentation.
pub fn attacks() -> impl Iterator<Item = &'static Attack> {
    ATTACKS.iter().chain(INDEX_ATTACKS)
}

/// What is wrong with how an attack was met, if anything.
fn meet(Attack { name, does, kind }: &Attack) -> Vec<String> {
    let mut wrong = Vec::new();
    let scene = Scene::new();
    let now = Forge::new(1).repository.now;
    let before = scene.trusted();
    does(&scene);
    match scene.check() {
        Ok(_) => wrong.push(format!("{name}: taken, and not refused as {kind}")),
        Err(refusal) if refusal.kind() != *kind => {
            wrong.push(format!("{name}: {} instead of {kind}: {refusal}", refusal.kind()));
        }
        Err(_) => {}
    }
    if scene.trusted() != before {
        wrong.push(format!("{name}: what is trusted has changed"));
    }
    // What was known holds on, until it expires.
    let frozen = scene.clock.now() != now;
    let known = if frozen { Err("Expired") } else { Ok(GOOD.to_owned()) };
    if scene.known() != known {
        wrong.push(format!("{name}: the advice is now {:?}", scene.known()));
    }
    // And the good server is as good as it was.
    scene.clock.set(now);
    scene.server.serve(GOOD_AGAIN.clone());
    match scene.check() {
        Ok(checked) if told(&checked) == GOOD && scene.trusted() != before => {}
        Ok(checked) => wrong.push(format!("{name}: and then {}", told(&checked))),
        Err(refusal) => wrong.push(format!("{name}: and then the good server is refused: {refusal}")),
    }
    wrong
}

static GOOD_AGAIN: LazyLock<Files> = LazyLock::new(|| Forge::new(4).seal());

/// Meets all attacks, on a few threads. Gives all that is wrong.
fn meet_all(meet: fn(&Attack) -> Vec<String>) -> Vec<String> {
    const LANES: usize = 4;
    std::thread::scope(|scope| {
        let lane = |lane| move || attacks().skip(lane).step_by(LANES).flat_map(meet).collect::<Vec<_>>();
        let running: Vec<_> = (0..LANES).map(|number| scope.spawn(lane(number))).collect();
        running.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    })
}

#[test]
fn every_attack_is_refused_with_its_own_kind_and_leaves_what_is_trusted_as_it_was() {
    let wrong = meet_all(meet);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cluster_that_takes_what_has_expired_refuses_all_else_as_ever() {
    let wrong = meet_all(|Attack { name, does, kind }| {
        let mut scene = Scene::new();
        scene.options.stale_ok = chrono::TimeDelta::days(90);
        let before = scene.trusted();
        does(&scene);
        match scene.check() {
            Ok(checked) if *kind == "Expired" && told(&checked) == GOOD => Vec::new(),
            Err(refusal) if refusal.kind() == *kind && *kind != "Expired" && scene.trusted() == before => {
                Vec::new()
            }
            other => vec![format!("{name}: {other:?}")],
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
