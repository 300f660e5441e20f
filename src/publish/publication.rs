//! Everything that the server answers with. A request is a lookup in it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::roles::{Online, Roles, Served};
use super::updates::{Known, Updates};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::stepback::{Offer, Offered};
use crate::domain::version::Version;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::Root;
use crate::formats::tuf::names::{self, TargetName};
use crate::signing::Signed;

/// Everything that the server answers with, made once from one state of the catalog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publication {
    /// The version of its timestamp role.
    pub version: u64,
    pub made: Time,
    /// The earliest expiry of its roles and manifests.
    pub expires: Time,
    /// The earliest time at which the online key must sign a document again.
    pub renew: Time,
    /// Whether it is signed with throw-away keys.
    pub demo: bool,
    /// `GET /v1/channels`.
    pub channels: Arc<Document>,
    /// `GET /v1/promotions`.
    pub promotions: Arc<Document>,
    /// By each channel's own name, never an alias.
    pub(crate) channel: HashMap<ChannelName, ChannelDocuments>,
    /// The aliases of channels, each with the channel's own name.
    pub(crate) aliases: HashMap<ChannelName, ChannelName>,
    pub(crate) release: HashMap<Version, ReleaseDocuments>,
    pub(crate) roles: Roles,
    /// Documents of the repository that were replaced, by path, and until when they are still served to
    /// clients in the middle of an update.
    pub(crate) retired: HashMap<Box<str>, (Arc<Document>, Time)>,
    pub(crate) known: Known,
}

/// A file of the TUF repository.
#[derive(Debug, Clone, Copy)]
pub enum TufFile<'a> {
    /// Metadata, and signed manifests as targets.
    Document(&'a Arc<Document>),
    /// A payload as a target, which stays on disk.
    Payload(&'a Payload),
}

/// The answers about one channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelDocuments {
    pub(crate) manifest: Served<ChannelManifest>,
    pub(crate) updates: Updates,
}

/// The answers about one release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseDocuments {
    pub(crate) line: LineName,
    pub(crate) standing: Standing,
    /// Its signed manifest. The repository serves it whenever the line's role lists it, since a client that
    /// skips a release must be able to see whether that release is a barrier.
    pub(crate) manifest: Option<Arc<Document>>,
    /// `None` for a waiting release in a mirror, which knows only its listing.
    pub(crate) explain: Option<Arc<Document>>,
    /// All payloads of the release. The list is shared with the catalog.
    pub(crate) payloads: Arc<[Payload]>,
    /// Whether the payload files can be served.
    pub(crate) at_hand: bool,
}

/// How much of a release is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Release keys have not signed it as it is in the catalog.
    Unsigned,
    /// It is signed but not on offer: it has not entered a stage yet, or its payload is missing.
    Waiting,
    /// It is on offer, or was on offer until it was yanked.
    Published,
}

impl ChannelDocuments {
    /// When its manifest must be signed again.
    pub(super) fn renew(&self) -> Time {
        self.manifest.signed().renew()
    }
}

impl ReleaseDocuments {
    pub(super) fn published(&self) -> Option<&Self> {
        (self.standing == Standing::Published).then_some(self)
    }

    fn offered_payloads(&self) -> &[Payload] {
        if self.standing == Standing::Published && self.at_hand { &self.payloads } else { &[] }
    }
}

impl Publication {
    fn documents(&self, name: &ChannelName) -> Option<&ChannelDocuments> {
        self.channel.get(name).or_else(|| self.channel.get(self.aliases.get(name)?))
    }

    /// `GET /v1/channels/{channel}`: the signed channel manifest.
    pub fn channel(&self, name: &ChannelName) -> Option<&Document> {
        Some(&self.documents(name)?.manifest.document)
    }

    /// The line that a channel belongs to.
    pub fn line_of(&self, name: &ChannelName) -> Option<&LineName> {
        Some(&self.documents(name)?.manifest.signed().line)
    }

    /// The line that a release belongs to.
    pub fn line_of_release(&self, version: &Version) -> Option<&LineName> {
        Some(&self.release.get(version)?.line)
    }

    /// `GET /v1/channels/{channel}/update`. `None` for a channel that does not exist.
    pub fn update(&self, name: &ChannelName, current: &Version) -> Option<&Document> {
        Some(self.documents(name)?.updates.answer(&self.known, current))
    }

    /// `GET /v1/releases/{version}`: the signed release manifest.
    pub fn release(&self, version: &Version) -> Option<&Document> {
        self.release.get(version)?.published()?.manifest.as_deref()
    }

    /// Whether a release is signed by release keys. It need not be on offer yet.
    pub fn is_signed(&self, version: &Version) -> bool {
        let known = self.release.get(version).filter(|release| release.explain.is_some());
        known.is_some_and(|release| release.standing != Standing::Unsigned)
    }

    /// `GET /v1/releases/{version}/explain`.
    pub fn explain(&self, version: &Version) -> Option<&Document> {
        self.release.get(version)?.explain.as_deref()
    }

    /// `GET /v1/payloads/{version}/{file}`.
    pub fn payload(&self, version: &Version, file: &str) -> Option<&Payload> {
        self.release.get(version)?.offered_payloads().iter().find(|payload| payload.file == file)
    }

    /// Whether a payload was withdrawn after its release was yanked.
    pub fn is_withdrawn(&self, version: &Version, file: &str) -> bool {
        let release = self.release.get(version).and_then(ReleaseDocuments::published);
        release.is_some_and(|release| {
            !release.at_hand && release.payloads.iter().any(|payload| payload.file == file)
        })
    }

    /// Records which payloads exist, for a publication that was made from a repository. `is_there` takes a
    /// path below `/tuf/`. Payloads of yanked or waiting releases may be missing; all others must exist.
    pub fn find_payloads(&mut self, is_there: impl Fn(&str) -> bool) {
        let offered = self.channel.values().flat_map(|documents| &documents.manifest.signed().releases);
        let yanked: BTreeSet<&Version> =
            offered.filter(|release| release.yank.is_some()).map(|release| &release.version).collect();
        for (version, release) in &mut self.release {
            if release.standing == Standing::Waiting || yanked.contains(version) {
                release.at_hand = release.payloads.iter().all(|payload| {
                    let name = names::payload_target(version, &payload.file);
                    is_there(&names::target_path(&name, &payload.sha256))
                });
            }
        }
    }

    /// `GET /tuf/{path}`.
    pub fn tuf(&self, path: &str) -> Option<TufFile<'_>> {
        let current = match names::target_at(path) {
            Some((sha256, name)) => self.target(name, sha256),
            None => self.roles.file(path).map(TufFile::Document),
        };
        current.or_else(|| Some(TufFile::Document(&self.retired.get(path)?.0)))
    }

    /// The file of a target, if the server has it with this digest.
    pub(super) fn target(&self, name: &str, sha256: Sha256) -> Option<TufFile<'_>> {
        let document = match TargetName::parse(name)? {
            TargetName::Channel(name) => &self.channel.get(&name)?.manifest.document,
            TargetName::Release(version) => self.release.get(&version)?.manifest.as_ref()?,
            TargetName::Payload(name) => {
                return name.readings().find_map(|(version, file)| {
                    let release = self.release.get(&version).filter(|release| release.at_hand)?;
                    let is_wanted = |payload: &&Payload| payload.file == file && payload.sha256 == sha256;
                    release.payloads.iter().find(is_wanted).map(TufFile::Payload)
                });
            }
        };
        (document.sha256 == sha256).then_some(TufFile::Document(document))
    }

    /// The newest root.
    pub fn root(&self) -> &Signed<Root> {
        self.roles.root()
    }

    /// The highest version among the documents that an online key has signed. Later documents must have a
    /// higher version, or clients refuse them as rolled back.
    pub fn highest(&self) -> u64 {
        let Roles { channels, snapshot, timestamp, .. } = &self.roles;
        let roles = [channels.signed().version, snapshot.signed().version, timestamp.signed().version];
        let manifests = self.channel.values().map(|documents| documents.manifest.signed().version);
        manifests.chain(roles).max().unwrap_or_default()
    }

    /// The names of all channels, including aliases.
    pub fn channel_names(&self) -> impl Iterator<Item = &ChannelName> {
        self.channel.keys().chain(self.aliases.keys())
    }

    /// Every payload on offer, with the version of its release.
    pub fn payloads(&self) -> impl Iterator<Item = (&Version, &Payload)> {
        self.release.iter().flat_map(|(version, release)| {
            release.offered_payloads().iter().map(move |payload| (version, payload))
        })
    }

    /// Every current file of the TUF repository, by its path below `/tuf/`.
    pub fn files(&self) -> impl Iterator<Item = (String, TufFile<'_>)> {
        let roles = self.roles.files().map(|(path, document)| (path, TufFile::Document(document)));
        roles.chain(self.roles.listed().filter_map(|(name, target)| {
            let sha256 = target.hashes.sha256;
            Some((names::target_path(name, &sha256), self.target(name, sha256)?))
        }))
    }

    /// The payloads among [`files`](Self::files).
    pub fn payload_files(&self) -> impl Iterator<Item = (String, &Payload)> {
        self.files().filter_map(|(path, file)| match file {
            TufFile::Payload(payload) => Some((path, payload)),
            TufFile::Document(_) => None,
        })
    }

    /// The signed manifest of every published release.
    pub fn manifests(&self) -> impl Iterator<Item = (&Version, &Document)> {
        self.release
            .iter()
            .filter_map(|(version, release)| Some((version, release.published()?.manifest.as_deref()?)))
    }

    /// The number of known releases.
    pub fn releases(&self) -> usize {
        self.release.values().filter(|release| release.explain.is_some()).count()
    }

    /// What every channel offers, without details that may change later, sorted by line and stage.
    pub fn offers(&self) -> Vec<Offer> {
        let mut manifests: Vec<_> =
            self.channel.values().map(|documents| documents.manifest.signed()).collect();
        manifests.sort_by_key(|manifest| {
            let stage = manifest.stages.iter().position(|stage| stage.stage == manifest.stage);
            (&manifest.line, stage, &manifest.channel)
        });
        manifests.into_iter().map(|manifest| self.offer(manifest)).collect()
    }

    fn offer(&self, manifest: &ChannelManifest) -> Offer {
        let offered = manifest.releases.iter().filter_map(|release| {
            let payloads = Arc::clone(&self.release.get(&release.version)?.payloads);
            let offered = Offered { since: release.since, yanked: release.yank.is_some(), payloads };
            Some((release.version.clone(), offered))
        });
        Offer {
            channel: manifest.channel.clone(),
            aliases: manifest.aliases.clone(),
            line: manifest.line.clone(),
            stage: manifest.stage.clone(),
            retired: manifest.retired.is_some(),
            releases: offered.collect(),
        }
    }

    /// The prefix of a line's versions.
    pub fn prefix(&self, line: &LineName) -> Option<Prefix> {
        self.known.iter().find(|(_, known)| known.line == *line).map(|(prefix, _)| *prefix)
    }

    /// The expiry of each online role and each channel's manifest, sorted by name.
    pub fn online_expiries(&self) -> Vec<(String, Time)> {
        let Roles { channels, snapshot, timestamp, .. } = &self.roles;
        let roles = [
            (names::CHANNELS, channels.signed().expires),
            ("snapshot", snapshot.signed().expires),
            ("timestamp", timestamp.signed().expires),
        ];
        let manifests = self.channel.iter();
        let manifests = manifests
            .map(|(name, documents)| (format!("channel {name}"), documents.manifest.signed().expires));
        let mut found: Vec<_> =
            roles.into_iter().map(|(role, at)| (role.to_owned(), at)).chain(manifests).collect();
        found.sort();
        found
    }
}
