//! A small repository, made in memory: three lines, their channels, and every role around them.
//! What a test wants to go wrong is changed before [`Repository::seal`], or in the sealed files.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::TimeDelta;
use tidegate::domain::Time;
use tidegate::domain::catalog::Catalog;
use tidegate::domain::channel::{ChannelName, LineName, StageName};
use tidegate::domain::labels::Labels;
use tidegate::domain::line::{Follows, Line, Prefix, Stage};
use tidegate::domain::payload::{Payload, Sha256};
use tidegate::domain::policy::{SoakPolicy, Urgency};
use tidegate::domain::release::{Entry, Evidence, Release, ReleaseFile};
use tidegate::domain::rules::Unusable;
use tidegate::domain::version::Version;
use tidegate::formats::manifest::{ChannelManifest, IndexEntry, LineIndex, ReleaseManifest};
use tidegate::formats::tuf::names::{self, CHANNELS};
use tidegate::formats::tuf::{
    CHANNEL_MANIFEST_LIFETIME, Meta, Root, Signers, Snapshot, Target, Targets, Timestamp,
};
use tidegate::signing::{PrivateKey, Signed};

pub const VERSIONS: [(&str, &str); 4] = [
    ("1.7", "1.7.14-tectonic.2"),
    ("1.8", "1.8.4-tectonic.1"),
    ("1.8", "1.8.9-tectonic.4"),
    // A spelling with `v`, and a `+`, which clients percent-encode.
    ("1.9", "v1.9.6+rke2r1"),
];

pub fn payload(version: &str) -> Vec<u8> {
    format!("{{\"version\": \"{version}\"}}\n").into_bytes()
}

pub struct Keys {
    pub root: PrivateKey,
    pub targets: PrivateKey,
    pub release: PrivateKey,
    pub online: PrivateKey,
}

impl Keys {
    pub fn new() -> Self {
        let key = |seed| PrivateKey::from_seed(&[seed; 32]);
        Self { root: key(1), targets: key(2), release: key(3), online: key(4) }
    }
}

pub fn signers(key: &PrivateKey) -> Signers {
    Signers::any(vec![key.public().key()])
}

pub struct Repository {
    pub keys: Keys,
    pub now: Time,
    pub catalog: Catalog,
    pub root: Root,
    pub targets: Targets,
    pub roles: BTreeMap<String, Targets>,
    pub releases: BTreeMap<Version, ReleaseManifest>,
    pub channels: BTreeMap<ChannelName, ChannelManifest>,
    /// The version of snapshot and timestamp.
    pub version: u64,
    /// A target that its role fails to list.
    pub listed_without: Option<String>,
}

/// The files of a repository by path below `/tuf/`.
pub type Files = BTreeMap<String, Bytes>;

fn line(name: &str, follows: Option<&str>, now: Time) -> Line {
    let stage = |stage: &str, soak| {
        let stage = StageName::parse(stage).unwrap();
        let channel = ChannelName::of(&LineName::parse(name).unwrap(), &stage).unwrap();
        Stage { soak, ..Stage::new(stage, channel) }
    };
    let entry = |days| {
        let since = now - TimeDelta::days(days);
        Some(Entry::new(since, "schedule".to_owned(), None))
    };
    let releases = VERSIONS.iter().filter(|(line, _)| *line == name).map(|(_, text)| {
        Release::new(
            ReleaseFile {
                version: Version::parse(text).unwrap(),
                urgency: Urgency::Normal,
                summary: Some(format!("Release {text} – größer")),
                links: Labels::from([("notes".to_owned(), "https://example.com/notes".to_owned())]),
                components: Labels::from([("etcd".to_owned(), "3.1.8".to_owned())]),
                payloads: [Payload {
                    file: "payload.json".to_owned(),
                    sha256: Target::of(&payload(text)).hashes.sha256,
                    size: payload(text).len() as u64,
                    arch: None,
                }]
                .into(),
                barrier: false,
                replaces: None,
                hold: None,
                yank: None,
                past: None,
            },
            vec![entry(30), entry(10)],
            Evidence::default(),
        )
    });
    Line {
        name: LineName::parse(name).unwrap(),
        title: None,
        prefix: Prefix::parse(name).unwrap(),
        follows: follows
            .map(|line| Follows { line: LineName::parse(line).unwrap(), grace: TimeDelta::zero() }),
        stages: vec![stage("preproduction", None), stage("production", Some(SoakPolicy::default()))],
        freezes: vec![],
        retired: None,
        signed_until: None,
        releases: releases.map(|release| (release.version.clone(), release)).collect(),
    }
}

impl Repository {
    pub fn new(now: Time) -> Self {
        let keys = Keys::new();
        let lines =
            vec![line("1.7", None, now), line("1.8", Some("1.7"), now), line("1.9", Some("1.8"), now)];
        let (catalog, broken) = Catalog::assemble(lines, &Unusable::new());
        assert_eq!(broken, []);
        let (release, online) = (signers(&keys.release), signers(&keys.online));
        let lines = catalog.lines().map(|line| (&line.name, &line.prefix, &release));
        let targets = Targets::delegating(1, now, lines, &online);
        let root = Root::of(1, now, &signers(&keys.root), &signers(&keys.targets), &online);
        let mut roles: BTreeMap<_, _> = catalog
            .lines()
            .map(|line| (names::releases_role(&line.name), Targets::releases(1, now)))
            .collect();
        roles.insert(CHANNELS.to_owned(), Targets::channels(1, now));
        let releases = catalog
            .lines()
            .flat_map(|line| line.releases.values().map(move |release| (line, release)))
            .map(|(line, release)| (release.version.clone(), ReleaseManifest::of(line, release, now)))
            .collect();
        let channels = catalog
            .channels()
            .map(|channel| {
                let expires = now + CHANNEL_MANIFEST_LIFETIME;
                let digest = |_: &Version| Some(Sha256::new([0; 32]));
                (channel.name().clone(), ChannelManifest::of(channel, 1, digest, now, expires))
            })
            .collect();
        Self {
            keys,
            now,
            catalog,
            root,
            targets,
            roles,
            releases,
            channels,
            version: 1,
            listed_without: None,
        }
    }

    pub fn role(&mut self, name: &str) -> &mut Targets {
        self.roles.get_mut(name).unwrap()
    }

    pub fn channel(&mut self, name: &str) -> &mut ChannelManifest {
        self.channels.get_mut(&name.parse().unwrap()).unwrap()
    }

    /// Signs everything, and fills in what each role says about the files below it.
    pub fn seal(&self) -> Files {
        let Keys { root, targets, release, online } = &self.keys;
        let mut files = Files::new();
        let mut roles = self.roles.clone();
        let mut put = |name: String, bytes: Bytes| {
            files.insert(names::target_path(&name, &Target::of(&bytes).hashes.sha256), bytes);
        };

        let mut digests = BTreeMap::new();
        for (version, manifest) in &self.releases {
            let signed = Signed::sign(manifest.clone(), [release]).unwrap();
            digests.insert(version.clone(), Target::of(signed.raw()).hashes.sha256);
            let role = roles.get_mut(&names::releases_role(&manifest.line)).unwrap();
            role.insert_release(manifest, signed.raw()).unwrap();
            put(names::release_target(version), signed.raw().clone());
            put(names::payload_target(version, "payload.json"), payload(&version.to_string()).into());
        }
        for (channel, manifest) in &self.channels {
            let mut manifest = manifest.clone();
            for release in &mut manifest.releases {
                release.manifest = digests[&release.version];
            }
            let signed = Signed::sign(manifest, [online]).unwrap();
            roles.get_mut(CHANNELS).unwrap().insert_channel(channel, signed.raw()).unwrap();
            put(names::channel_target(channel), signed.raw().clone());
        }

        for line in self.catalog.lines() {
            let (name, bytes) = self.index(&line.name);
            let Some(role) = roles.get_mut(&names::releases_role(&line.name)) else { continue };
            role.insert(name.clone(), Target::of(&bytes)).unwrap();
            files.insert(names::target_path(&name, &Target::of(&bytes).hashes.sha256), bytes);
        }

        if let Some(name) = &self.listed_without {
            for role in roles.values_mut() {
                role.targets.remove(name);
            }
        }
        let mut meta = Vec::new();
        let mut put = |role: &str, version: u64, raw: &Bytes| {
            files.insert(names::metadata_path(role, version), raw.clone());
            meta.push((role.to_owned(), Meta::of(version, raw)));
        };
        for (name, role) in &roles {
            let key = if name == CHANNELS { online } else { release };
            put(name, role.version, Signed::sign(role.clone(), [key]).unwrap().raw());
        }
        let top = Signed::sign(self.targets.clone(), [targets]).unwrap();
        put("targets", self.targets.version, top.raw());
        let snapshot = Signed::sign(Snapshot::of(self.version, self.now, meta), [online]).unwrap();
        files.insert(names::metadata_path("snapshot", self.version), snapshot.raw().clone());
        let timestamp = Timestamp::of(self.version, self.now, Meta::of(self.version, snapshot.raw()));
        let timestamp = Signed::sign(timestamp, [online]).unwrap();
        files.insert(names::TIMESTAMP_PATH.to_owned(), timestamp.raw().clone());
        files.insert(names::metadata_path("root", self.root.version), self.sealed_root(root));
        files
    }

    /// The name and the bytes of a line's index.
    pub fn index(&self, line: &LineName) -> (String, Bytes) {
        let own = self.releases.iter().filter(|(version, manifest)| {
            manifest.line == *line && self.listed_without != Some(names::release_target(version))
        });
        let entries = own.map(|(version, manifest)| (version.clone(), IndexEntry::of(manifest)));
        let index = LineIndex::new(line.clone(), entries.collect());
        (names::index_target(&self.catalog.line(line).unwrap().prefix), index.bytes().unwrap())
    }

    fn sealed_root(&self, key: &PrivateKey) -> Bytes {
        Signed::sign(self.root.clone(), [key]).unwrap().raw().clone()
    }

    pub fn trusted(&self) -> Signed<Root> {
        Signed::parse(self.sealed_root(&self.keys.root)).unwrap()
    }
}
