//! A catalog with every feature, its keys, and a clock that stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tidegate::clock::{Clock, SharedClock};
use tidegate::domain::Time;
use tidegate::domain::channel::ChannelName;
use tidegate::domain::version::Version;
use tidegate::promoter::status::{Handle, Shared};
use tidegate::promoter::{Online, Promoter, Setup};
use tidegate::publish::Publication;
use tidegate::publish::publication::TufFile;
use tidegate::signing::PrivateKey;
use tidegate::store::directory::Directory;
use tidegate::store::payloads::PayloadFolder;
use tidegate::store::state::StateFolder;

pub struct World {
    folder: TempDir,
    clock: Arc<Stopped>,
    published: Option<Arc<Publication>>,
}

/// A clock that stands where it was put.
struct Stopped(Mutex<Time>);

impl Clock for Stopped {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        (self.now() - Time::UNIX_EPOCH).to_std().unwrap()
    }
}

const POLICY: &str = "\
format: 1
stages:
  - name: preproduction
  - name: production
    soak: { min: 14d, max: 28d, security: { min: 3d, max: 14d, why: fixes go out faster } }
freezes:
  - { from: 2018-04-01T00:00:00Z, until: 2018-04-08T00:00:00Z, reason: a week of holidays, except: [security] }
";

const LINES: [(&str, &str); 4] = [
    ("1.6", "title: The old one\n"),
    ("1.7", "follows: { line: \"1.6\", grace: 7d }\n"),
    (
        "1.8",
        "title: The middle one
follows: { line: \"1.7\", grace: 0d }
stages:
  - name: preproduction
    aliases: [tectonic-1.8-preproduction]
  - name: production
    aliases: [tectonic-1.8-production, middle]
    windows: { days: mon-thu, hours: 09:00-16:00, zone: Europe/Berlin }
",
    ),
    (
        "newest",
        "prefix: \"1.9\"
follows: { line: \"1.8\" }
stages:
  - name: candidate
    channel: early-birds
  - name: preproduction
    soak: { min: 7d, max: 21d, why: a release candidate needs a week }
  - name: production
    soak: { min: 14d, max: 28d }
freezes:
  - { from: 2018-03-10T00:00:00Z, until: 2018-03-11T00:00:00Z, reason: the data centre moves }
",
    ),
];

/// Releases by line and version, with what else is in their files.
const RELEASES: [(&str, &str, &str); 14] = [
    (
        "1.6",
        "1.6.9",
        "stages: { preproduction: { since: 2017-10-01T00:00:00Z, by: ada }, production: { since: 2017-10-20T00:00:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    (
        "1.6",
        "1.6.10",
        "stages: { preproduction: { since: 2017-11-01T00:00:00Z, by: ada }, production: { since: 2017-11-20T00:00:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    (
        "1.7",
        "1.7.3",
        "stages: { preproduction: { since: 2017-11-02T00:00:00Z, by: ada }, production: { since: 2017-11-22T00:00:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    (
        "1.7",
        "1.7.5",
        "barrier: true\nstages: { preproduction: { since: 2017-12-02T00:00:00Z, by: ada }, production: { since: 2017-12-22T00:00:00Z, by: schedule, reason: soaked 14d } }\nyank: { at: 2018-01-10T00:00:00Z, by: ben, reason: its migration fails, to: 1.7.6 }\n",
    ),
    (
        "1.7",
        "1.7.6",
        "stages: { preproduction: { since: 2018-01-02T00:00:00Z, by: ada }, production: { since: 2018-01-09T00:00:00Z, by: ben, reason: it replaces 1.7.5 } }\nnote: never published\n",
    ),
    ("1.7", "1.7.9", "stages: { preproduction: { since: 2018-02-28T00:00:00Z, by: ada } }\n"),
    (
        "1.8",
        "1.8.4",
        "summary: The first of its line\nlinks: { notes: \"https://example.com/1.8.4\", advisory: \"https://example.com/a\" }\ncomponents: { kubernetes: 1.8.4+tectonic.1, etcd: 3.1.8 }\nstages: { preproduction: { since: 2018-01-03T00:00:00Z, by: ada }, production: { since: 2018-01-24T08:30:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    (
        "1.8",
        "1.8.5",
        "stages: { preproduction: { since: 2018-02-03T00:00:00Z, by: ada }, production: { since: 2018-02-20T08:00:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    ("1.8", "1.8.6", "barrier: true\nstages: { preproduction: { since: 2018-02-25T00:00:00Z, by: ada } }\n"),
    (
        "1.8",
        "1.8.7",
        "urgency: security\nreplaces: 1.8.6\nstages: { preproduction: { since: 2018-02-27T00:00:00Z, by: ada } }\n",
    ),
    (
        "newest",
        "1.9.0-rc.1",
        "stages: { candidate: { since: 2018-01-15T00:00:00Z, by: ada }, preproduction: { since: 2018-01-25T00:00:00Z, by: schedule, reason: soaked 7d }, production: { since: 2018-02-10T00:00:00Z, by: schedule, reason: soaked 14d } }\n",
    ),
    (
        "newest",
        "1.9.1",
        "stages: { candidate: { since: 2018-01-20T00:00:00Z, by: ada }, preproduction: { since: 2018-02-01T00:00:00Z, by: schedule, reason: soaked 7d } }\nhold: { at: 2018-02-02T00:00:00Z, by: ben, reason: it is slow }\n",
    ),
    ("newest", "1.9.2", "stages: { candidate: { since: 2018-02-28T00:00:00Z, by: ada } }\n"),
    ("newest", "1.9.3", ""),
];

/// What clusters ask about beside the versions of the catalog.
const UNKNOWN: [&str; 7] = ["0.9.0", "1.6.1", "1.7.5-hotfix.1", "1.8.5-hotfix.1", "1.8.99", "1.9.0", "2.0.0"];

impl World {
    /// The catalog, signed at `now`.
    pub fn new(now: &str) -> Self {
        let clock = Arc::new(Stopped(Mutex::new(now.parse().unwrap())));
        let world = Self { folder: tempfile::tempdir().unwrap(), clock, published: None };
        world.write("channels/policy.yaml", POLICY);
        for (line, more) in LINES {
            world.write(
                &format!("channels/{line}/line.yaml"),
                &format!("format: 1\nline: \"{line}\"\n{more}"),
            );
        }
        for (line, version, more) in RELEASES {
            let mut payloads = String::new();
            // One of them has a payload for each machine.
            let files = if version == "1.8.4" { &[Some("amd64"), Some("arm64")][..] } else { &[None] };
            for arch in files {
                let file =
                    arch.map_or_else(|| "payload.json".to_owned(), |arch| format!("payload-{arch}.json"));
                let text = format!(
                    "{{\"version\":\"{version}\",\"image\":\"registry.example.com/os:{version}\"}}\n"
                );
                world.write(&format!("payloads/{version}/{file}"), &text);
                let arch = arch.map_or_else(String::new, |arch| format!(", arch: {arch}"));
                let digest = hex::encode(Sha256::digest(&text));
                let size = text.len();
                writeln!(payloads, "  - {{ file: {file}, sha256: {digest}, size: {size}{arch} }}").unwrap();
            }
            let text = format!("format: 1\nversion: {version}\npayloads:\n{payloads}{more}");
            world.write(&format!("channels/{line}/{version}.yaml"), &text);
        }
        for (number, path) in
            (1..).zip(["keys/root.pem", "keys/targets.pem", "keys/release.pem", "state/keys/online.pem"])
        {
            world.write(path, &PrivateKey::from_seed(&[number; 32]).to_pem().unwrap());
            fs::set_permissions(world.path(path), fs::Permissions::from_mode(0o600)).unwrap();
        }
        world.must(&["init", "--offline-keys", "keys", "--no-encrypt"]);
        world.must(&["release", "sign", "--key", "keys/release.pem"]);
        world
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn at(&self, now: &str) {
        *self.clock.0.lock().unwrap() = now.parse().unwrap();
    }

    /// Runs a command that must succeed.
    pub fn must(&self, arguments: &[&str]) {
        let mut all = vec!["tidegate".to_owned()];
        for argument in arguments {
            let is_path = argument.starts_with("keys") || *argument == "mirror";
            all.push(if is_path {
                self.path(argument).display().to_string()
            } else {
                (*argument).to_owned()
            });
        }
        for (flag, name) in [("--catalog", "channels"), ("--payloads", "payloads"), ("--state", "state")] {
            all.extend([flag.to_owned(), self.path(name).display().to_string()]);
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = tidegate::cli::run(&all, Arc::clone(&self.clock) as SharedClock, &mut out, &mut err);
        assert_eq!(code.unwrap(), ExitCode::SUCCESS, "{arguments:?}: {}", String::from_utf8_lossy(&err));
    }

    /// Lets a server that does not promote publish what is there.
    pub fn publish(&mut self) {
        let state = self.path("state");
        let setup = Setup {
            catalog: Arc::new(Directory::open(&self.path("channels"), &self.path("payloads")).unwrap()),
            payloads: Arc::new(PayloadFolder::new(&self.path("payloads"), &state)),
            state: Arc::new(StateFolder::new(&state)),
            online: Online::State,
            promote: false,
            names: true,
            demo: None,
        };
        let shared = Handle::new(Shared::default());
        let mut promoter =
            Promoter::start(setup, Arc::clone(&self.clock) as SharedClock, Arc::clone(&shared)).unwrap();
        promoter.turn();
        let published = shared.publication.load_full().unwrap();
        let before = self.published.as_ref().map_or(0, |before| before.version);
        assert!(published.version > before, "{:?}", shared.status.load().degraded);
        self.published = Some(published);
    }

    fn published(&self) -> &Publication {
        self.published.as_ref().unwrap()
    }

    /// The digest of every signed document, by its path.
    pub fn signed(&self) -> BTreeMap<String, String> {
        let files = self.published().files();
        let documents = files.filter_map(|(path, file)| match file {
            TufFile::Document(document) => Some((path, hex::encode(Sha256::digest(&document.identity)))),
            TufFile::Payload(_) => None,
        });
        documents.collect()
    }

    /// Every unsigned body of `/v1`, by its path.
    pub fn bodies(&self) -> BTreeMap<String, String> {
        let published = self.published();
        let mut bodies = BTreeMap::new();
        let mut add = |path: String, body: &[u8]| {
            bodies.insert(path, String::from_utf8(body.to_vec()).unwrap());
        };
        add("/v1/channels".to_owned(), &published.channels.identity);
        add("/v1/promotions".to_owned(), &published.promotions.identity);
        let known = RELEASES.iter().map(|(_, version, _)| *version);
        let versions: Vec<&str> = known.clone().chain(UNKNOWN).collect();
        for version in known {
            let explained = published.explain(&Version::parse(version).unwrap()).unwrap();
            add(format!("/v1/releases/{version}/explain"), &explained.identity);
        }
        let names: BTreeSet<&ChannelName> = published.channel_names().collect();
        for name in names {
            // Most versions get the same answer, which is noted once.
            let mut askers: Vec<(String, Vec<&str>)> = Vec::new();
            for version in &versions {
                let answer = published.update(name, &Version::parse(version).unwrap(), None).unwrap();
                let body = String::from_utf8(answer.identity.to_vec()).unwrap();
                match askers.iter_mut().find(|(same, _)| *same == body) {
                    Some((_, askers)) => askers.push(version),
                    None => askers.push((body, vec![version])),
                }
            }
            for (body, askers) in askers {
                add(format!("/v1/channels/{name}/update?version={}", askers.join("|")), body.as_bytes());
            }
        }
        bodies
    }

    /// The digest of every file of an export, by its path.
    pub fn export(&self) -> BTreeMap<String, String> {
        self.must(&["export", "mirror"]);
        let mut files = BTreeMap::new();
        collect(&self.path("mirror"), &self.path("mirror"), &mut files);
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, hex::encode(Sha256::digest(fs::read(path).unwrap())));
        }
    }
}
