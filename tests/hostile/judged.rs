//! Stock TUF clients judge the same documents: `tough` here, and python-tuf in a process beside. What
//! either refuses of that on which an answer rests, ours refuses too.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::clock::Clock as _;
use tidegate::formats::tuf::names::TIMESTAMP_PATH;

use super::attacks::{Attack, attacks, root};
use super::forge::{Forge, NOW, ROOT, both, day, key};
use super::index::INDEX;
use super::narrowing::NARROWINGS;
use super::place::Place;
use super::python::Python;
use super::repository::Files;
use super::scene::{CHANNEL, Scene, TARGET};
use super::site::{Site, file, folder};
use super::stock::tough;

/// What we refuse and stock clients take, with those that take it. Most of it is in manifests, which
/// are payloads to them.
const LAXER: &[(&str, &str)] = &[
    ("a duplicate key around what is signed", "python-tuf"),
    ("256 new roots at once", "tough, python-tuf"),
    ("an expired channel manifest", "tough, python-tuf"),
    ("online key: other bytes under the timestamp's version", "tough"),
    ("online key: other bytes under the version of another line's role", "python-tuf"),
    ("online key: an older channel manifest in newer roles", "tough, python-tuf"),
    ("online key: a release manifest of its own", "tough, python-tuf"),
    ("online key: a release in `channels`", "tough, python-tuf"),
    ("online key: a target with `/` in its name", "tough, python-tuf"),
    ("online key: a target with `..` in its name", "python-tuf"),
    ("online key: a role below `channels`", "tough, python-tuf"),
    ("online key: preproduction's manifest as production's", "tough, python-tuf"),
    ("online key: the channel names another stage", "tough, python-tuf"),
    ("online key: the channel names the next line", "tough, python-tuf"),
    ("online key: a release of the next line in the channel", "tough, python-tuf"),
    ("online key: a release that nobody signed", "tough, python-tuf"),
    ("online key: an older release called the latest", "tough, python-tuf"),
    ("online key: two channels of a line disagree on its stages", "tough, python-tuf"),
    ("online key: a version beyond all numbers", "tough, python-tuf"),
    ("online key: a channel manifest's version beyond all numbers", "tough, python-tuf"),
    ("online key: a duplicate key in a channel manifest", "tough, python-tuf"),
    ("online key: a duplicate key in a role", "python-tuf"),
    ("online key: an unknown field", "tough, python-tuf"),
    ("online key: a channel manifest of a hundred thousand levels", "tough, python-tuf"),
    ("online key: a timestamp that lasts longer than two weeks", "tough, python-tuf"),
    ("online key: a channel manifest that lasts longer than two weeks", "tough, python-tuf"),
    ("online key: throw-away keys", "tough, python-tuf"),
    ("one of two release keys: a release manifest that both listed", "tough, python-tuf"),
    ("one of two release keys, signing a release manifest twice", "tough, python-tuf"),
    ("all release keys: one release under the name of another", "tough, python-tuf"),
    ("all release keys: a payload that is not listed", "tough, python-tuf"),
    ("all release keys: a payload with `..` in its name", "tough, python-tuf"),
    ("all release keys: the index of another line", "tough, python-tuf"),
    ("all release keys: an index that lacks a release", "tough, python-tuf"),
    ("all release keys: a line without a release that it had", "tough, python-tuf"),
    ("all release keys: an index with a release more", "tough, python-tuf"),
    ("all release keys: an index that spells a version differently", "tough, python-tuf"),
    ("all release keys: an index that says something else than a manifest", "tough, python-tuf"),
    ("all release keys: an index of an earlier `not_before` than a manifest's", "tough, python-tuf"),
    ("all release keys: an index with a release twice", "tough, python-tuf"),
    ("all release keys: an index with a release twice, spelt differently", "tough, python-tuf"),
    ("all release keys: an index that is not sorted", "tough, python-tuf"),
    ("all release keys: an unknown field in an index", "tough, python-tuf"),
    ("all release keys: an index of a later format", "tough, python-tuf"),
    ("all release keys: an index of a hundred thousand levels", "tough, python-tuf"),
    ("all release keys: throw-away keys", "tough, python-tuf"),
];

/// The clients that take an attack, as the documentation has it.
pub fn taken_by(attack: &Attack) -> String {
    let found = LAXER.iter().find(|(name, _)| *name == attack.name);
    found.map_or_else(|| "nobody".to_owned(), |(_, who)| (*who).to_owned())
}

/// Both judges with what they remember, and a site where they ask.
struct Judges {
    python: RefCell<Python>,
    site: Site,
    files: Arc<Mutex<Files>>,
    folder: TempDir,
    /// What each remembers of a state that was good.
    warm: Option<[TempDir; 2]>,
}

impl Judges {
    /// Judges who begin with the root of these files.
    fn new(files: &Files) -> Self {
        let served = Arc::new(Mutex::new(Files::new()));
        let shared = Arc::clone(&served);
        let site = Site::new(move |request, send| {
            let path = request.path.strip_prefix("/tuf/").unwrap_or_default();
            let bytes = shared.lock().unwrap().get(path).cloned();
            file(request, send, bytes.as_deref());
        });
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("root.json"), &files["metadata/1.root.json"]).unwrap();
        Self { python: RefCell::new(Python::start()), site, files: served, folder, warm: None }
    }

    /// Has them remember a state.
    fn remember(&mut self, files: &Files) {
        let memories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        *self.files.lock().unwrap() = files.clone();
        for verdict in self.visit(&memories, &targets(CHANNEL)) {
            verdict.unwrap();
        }
        self.warm = Some(memories);
    }

    fn visit(&self, [one, two]: &[TempDir; 2], targets: &[String]) -> [Result<Vec<String>, String>; 2] {
        let (address, root) =
            (self.site.address.trim_start_matches("http://"), self.folder.path().join("root.json"));
        [
            tough(address, &root, one.path(), targets),
            self.python.borrow_mut().visit(address, &root, two, targets),
        ]
    }

    /// What each says to these files: `tough`, then python-tuf.
    fn judge(&self, files: Files, targets: &[String]) -> [Result<Vec<String>, String>; 2] {
        let memories = [0, 1].map(|judge| {
            let memory = tempfile::tempdir().unwrap();
            if let Some(warm) = &self.warm {
                copy(warm[judge].path(), memory.path());
            }
            memory
        });
        *self.files.lock().unwrap() = files;
        self.visit(&memories, targets)
    }
}

/// Copies a folder with all below it.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to: PathBuf = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The documents on which the answer of a scene rests.
fn targets(channel: &str) -> Vec<String> {
    vec![format!("channel.{channel}.json"), INDEX.to_owned(), format!("release.{TARGET}.json")]
}

/// Which of the judges took it.
fn takers(verdicts: &[Result<Vec<String>, String>; 2]) -> String {
    let names = ["tough", "python-tuf"].into_iter().zip(verdicts);
    let took: Vec<_> = names.filter(|(_, verdict)| verdict.is_ok()).map(|(name, _)| name).collect();
    if took.is_empty() { "nobody".to_owned() } else { took.join(", ") }
}

#[test]
fn every_attack_is_put_to_the_judges_and_the_documentation_says_who_takes_it() {
    let scene = Scene::new();
    let mut judges = Judges::new(&scene.first);
    judges.remember(&scene.second);
    let mut wrong = Vec::new();
    for attack in attacks() {
        let scene = Scene::new();
        (attack.does)(&scene);
        // Their clock is the machine's, and nothing else is wrong with a freeze.
        let said = if scene.clock.now() == *NOW {
            takers(&judges.judge(scene.server.files(), &targets(CHANNEL)))
        } else {
            "nobody".to_owned()
        };
        if said != taken_by(attack) {
            wrong.push(format!("    ({:?}, {said:?}),", attack.name));
        }
    }
    assert!(wrong.is_empty(), "the judges say otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn what_the_online_key_may_do_the_judges_take_too() {
    for narrowing in NARROWINGS {
        let files = (narrowing.make)().seal();
        let judges = Judges::new(&files);
        let verdicts = judges.judge(files, &targets(narrowing.asks.0)[..1]);
        assert!(verdicts.iter().all(Result::is_ok), "{}: {verdicts:?}", narrowing.name);
    }
}

type Change = fn(&mut Value);

/// The documents on which an answer rests, by name.
const DOCUMENTS: [&str; 6] = ["root", "timestamp", "snapshot", "targets", "channels", "releases-1.8"];

/// What can be wrong with a role, whoever signs it. A change that changes nothing is left out.
const CHANGES: &[(&str, Change)] = &[
    ("no change", |role| role["expires"] = json!(day(6))),
    ("a version of nothing", |role| role["version"] = json!(0)),
    ("a version below nothing", |role| role["version"] = json!(-1)),
    ("a version that is a text", |role| role["version"] = json!("3")),
    ("a version that is a fraction", |role| role["version"] = json!(3.5)),
    ("no version", |role| drop(role.as_object_mut().unwrap().remove("version"))),
    ("an older version", |role| role["version"] = json!(1)),
    ("the same version", |role| role["version"] = json!(2)),
    ("a much newer version", |role| role["version"] = json!(1_u64 << 40)),
    ("expired just now", |role| role["expires"] = json!(day(0))),
    ("expired long ago", |role| role["expires"] = json!("1970-01-01T00:00:00Z")),
    ("expires in another form", |role| role["expires"] = json!(day(5).replace('Z', "+00:00"))),
    ("expires within a second", |role| role["expires"] = json!(day(5).replace('Z', ".5Z"))),
    ("expires on no day", |role| role["expires"] = json!("2999-02-30T00:00:00Z")),
    ("expires never", |role| drop(role.as_object_mut().unwrap().remove("expires"))),
    ("another type", |role| role["_type"] = json!("mirrors")),
    ("another role's type", |role| {
        role["_type"] = json!(if role["_type"] == "snapshot" { "timestamp" } else { "snapshot" });
    }),
    ("no type", |role| drop(role.as_object_mut().unwrap().remove("_type"))),
    ("the next specification", |role| role["spec_version"] = json!("2.0.0")),
    ("the specification to come", |role| role["spec_version"] = json!("1.1.0")),
    ("half a specification", |role| role["spec_version"] = json!("1")),
    ("no specification", |role| drop(role.as_object_mut().unwrap().remove("spec_version"))),
    ("an unknown field", |role| role["evil"] = json!(true)),
    ("no consistent snapshots", |role| put(role, "consistent_snapshot", json!(false))),
    ("no keys", |role| put(role, "keys", json!({}))),
    ("a threshold of nothing", |role| each_role(role, |of| of["threshold"] = json!(0))),
    ("a threshold beyond the keys", |role| each_role(role, |of| of["threshold"] = json!(9))),
    ("a key twice in a role", |role| {
        each_role(role, |of| {
            let keys = of["keyids"].as_array_mut().unwrap();
            keys.push(keys[0].clone());
        });
    }),
    ("a key that nobody has described", |role| {
        each_role(role, |of| of["keyids"].as_array_mut().unwrap().push(json!("ab".repeat(32))));
    }),
    ("a key under another id", |role| {
        let keys =
            if role["keys"].is_object() { &mut role["keys"] } else { &mut role["delegations"]["keys"] };
        if let Some(keys) = keys.as_object_mut() {
            let key = keys.values().next().unwrap().clone();
            keys.insert("ab".repeat(32), key);
        }
    }),
    ("a role that is delegated twice", |role| {
        delegations(role, |roles| roles.push(roles[0].clone()));
    }),
    ("delegations that do not say whether they end", |role| {
        delegations(role, |roles| drop(roles[0].as_object_mut().unwrap().remove("terminating")));
    }),
    ("delegations without paths", |role| {
        delegations(role, |roles| roles.iter_mut().for_each(|role| role["paths"] = json!([])));
    }),
    ("delegations by digest", |role| {
        delegations(role, |roles| {
            for role in roles {
                role.as_object_mut().unwrap().remove("paths");
                role["path_hash_prefixes"] = json!(["0", "1"]);
            }
        });
    }),
    ("a delegated role that is not in the snapshot, before all others", |role| {
        delegations(role, |roles| {
            let mut other = roles[0].clone();
            other["name"] = json!("releases-0.1");
            roles.insert(0, other);
        });
    }),
    ("a longer file than is there", |role| each_meta(role, |meta| add(&mut meta["length"], 1))),
    ("a shorter file than is there", |role| each_meta(role, |meta| add(&mut meta["length"], -1))),
    ("a newer file than is there", |role| each_meta(role, |meta| add(&mut meta["version"], 1))),
    ("a file of version nothing", |role| each_meta(role, |meta| meta["version"] = json!(0))),
    ("a file with another digest", |role| {
        each_meta(role, |meta| meta["hashes"]["sha256"] = json!("ab".repeat(32)));
    }),
    ("a file with a digest of another kind", |role| {
        each_meta(role, |meta| meta["hashes"] = json!({"md5": "ab".repeat(16)}));
    }),
    ("a file without a length", |role| {
        each_meta(role, |meta| drop(meta.as_object_mut().unwrap().remove("length")));
    }),
    ("a file without a digest", |role| {
        each_meta(role, |meta| drop(meta.as_object_mut().unwrap().remove("hashes")));
    }),
    ("a file without a version", |role| {
        each_meta(role, |meta| drop(meta.as_object_mut().unwrap().remove("version")));
    }),
    ("no file", |role| put(role, "meta", json!({}))),
    ("a target with another length", |role| each_target(role, |target| add(&mut target["length"], 1))),
    ("a target with another digest", |role| {
        each_target(role, |target| target["hashes"]["sha256"] = json!("ab".repeat(32)));
    }),
    ("a target without a digest", |role| each_target(role, |target| target["hashes"] = json!({}))),
    ("a target without a length", |role| {
        each_target(role, |target| drop(target.as_object_mut().unwrap().remove("length")));
    }),
    ("no targets", |role| drop(role.as_object_mut().unwrap().remove("targets"))),
];

fn put(role: &mut Value, field: &str, value: Value) {
    if role[field].is_null() {
        return;
    }
    role[field] = value;
}

fn add(number: &mut Value, by: i64) {
    *number = json!(number.as_i64().unwrap() + by);
}

/// Every role that a role names with its keys.
fn each_role(role: &mut Value, change: impl Fn(&mut Value)) {
    if let Some(roles) = role["roles"].as_object_mut() {
        roles.values_mut().for_each(&change);
    }
    delegations(role, |roles| roles.iter_mut().for_each(&change));
}

fn delegations(role: &mut Value, change: impl Fn(&mut Vec<Value>)) {
    if role["delegations"].is_object() {
        change(role["delegations"]["roles"].as_array_mut().unwrap());
    }
}

fn each_meta(role: &mut Value, change: impl Fn(&mut Value)) {
    if let Some(meta) = role["meta"].as_object_mut() {
        meta.values_mut().for_each(change);
    }
}

fn each_target(role: &mut Value, change: impl Fn(&mut Value)) {
    if let Some(targets) = role["targets"].as_object_mut() {
        targets.values_mut().for_each(change);
    }
}

/// The third publication, in which one role is changed before it is signed.
fn changed(name: &'static str, change: Change) -> Option<Files> {
    // Looking at a field that is not there adds it; whoever is not changed has none of them.
    let clean = move |role: &mut Value| {
        let before = role.clone();
        change(role);
        role.as_object_mut().unwrap().retain(|field, value| !value.is_null() || !before[field].is_null());
    };
    let is_changed = std::cell::Cell::new(false);
    let edit = |role: &mut Value| {
        let before = role.clone();
        clean(role);
        is_changed.set(*role != before);
    };
    let forge = if name == "root" { root(2, &both(ROOT), &ROOT) } else { Forge::new(3) };
    let files = forge.edit(name, edit).seal();
    is_changed.get().then_some(files)
}

/// What can be wrong with signatures: of the timestamp, which nobody lists.
const SIGNATURES: &[(&str, Change)] = &[
    ("no signatures at all", |file| drop(file.as_object_mut().unwrap().remove("signatures"))),
    ("a signature twice", |file| {
        let signatures = file["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    }),
    ("a signature in capitals", |file| {
        let sig = file["signatures"][0]["sig"].as_str().unwrap().to_uppercase();
        file["signatures"][0]["sig"] = json!(sig);
    }),
    ("half a signature", |file| {
        let sig = file["signatures"][0]["sig"].as_str().unwrap()[..64].to_owned();
        file["signatures"][0]["sig"] = json!(sig);
    }),
    ("a signature of nothing", |file| file["signatures"][0]["sig"] = json!("00".repeat(64))),
    ("a signature by somebody unknown beside the good one", |file| {
        let other = json!({"keyid": key(99).public().id(), "sig": "00".repeat(64)});
        file["signatures"].as_array_mut().unwrap().push(other);
    }),
    ("a wrong signature by a root key beside the good one", |file| {
        let other = json!({"keyid": key(ROOT[0]).public().id(), "sig": "00".repeat(64)});
        file["signatures"].as_array_mut().unwrap().push(other);
    }),
    ("something beside the signatures", |file| file["evil"] = json!(true)),
];

#[test]
fn whatever_a_judge_refuses_ours_refuses_too() {
    let scene = Scene::new();
    let mut judges = Judges::new(&scene.first);
    judges.remember(&scene.second);
    let mut cases: Vec<(String, Files)> = Vec::new();
    for name in DOCUMENTS {
        for (what, change) in CHANGES {
            cases.extend(changed(name, *change).map(|files| (format!("{name}: {what}"), files)));
        }
    }
    for (what, change) in SIGNATURES {
        let mut files = Forge::new(3).seal();
        let mut file: Value = serde_json::from_slice(&files[TIMESTAMP_PATH]).unwrap();
        change(&mut file);
        files.insert(TIMESTAMP_PATH.to_owned(), Bytes::from(file.to_string()));
        cases.push((what.to_string(), files));
    }
    assert!(cases.len() > 150, "{}", cases.len());
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for (what, files) in cases {
        let scene = Scene::new();
        scene.server.serve(files.clone());
        let ours = scene.check();
        let verdicts = judges.judge(files, &targets(CHANNEL));
        taken += usize::from(ours.is_ok());
        if ours.is_ok() && verdicts.iter().any(Result::is_err) {
            wrong.push(format!("{what}: {verdicts:?}"));
        }
    }
    assert!(wrong.is_empty(), "ours takes:\n{}", wrong.join("\n"));
    assert!(taken > 5, "{taken}");
}

#[test]
fn the_judges_follow_a_mirror_of_plain_files_and_refuse_it_when_it_was_changed() {
    let place = Place::with(&["1.7.1", "1.8.1", "1.8.2"]);
    let server = place.serve();
    place.run(&["export", "mirror"]);
    drop(server);
    let site = folder(&place.path("mirror"));
    let address = site.address.trim_start_matches("http://");
    let root = place.path("channels/trust/1.root.json");
    let mut python = Python::start();
    let mut visit = |names: &[String]| {
        let memories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        [tough(address, &root, memories[0].path(), names), python.visit(address, &root, &memories[1], names)]
    };
    let names = ["channel.1.8-production.json", "release.1.8.2.json", "payload.1.8.2.payload.json"];
    let [one, two] = visit(&names.map(str::to_owned));
    assert_eq!(one.as_ref().unwrap(), two.as_ref().unwrap());

    let targets = place.path("mirror/tuf/targets");
    for name in names {
        let mut entries = fs::read_dir(&targets).unwrap().map(|entry| entry.unwrap().path());
        let path = entries.find(|path| path.to_str().unwrap().ends_with(&format!(".{name}"))).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        let verdicts = visit(&[name.to_owned()]);
        assert!(verdicts.iter().all(Result::is_err), "{name}: {verdicts:?}");
    }
}
