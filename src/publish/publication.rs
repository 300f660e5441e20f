//! Everything that the server answers with. A request is a lookup in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::joined::Pieces;
use super::page::Pages;
use super::part::{Loss, Part, Parts, ReleaseDocuments, Standing};
use super::roles::Roles;
use super::segment::{Segment, Stored};
use super::served::Served;
use super::sources::Sources;
use super::updates::Arches;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::payload::{Payload, Sha256};
use crate::domain::restraint::{Limit, Restraint};
use crate::domain::stepback::Offer;
use crate::domain::version::Version;
use crate::formats::tuf::names::{self, TargetName};
use crate::formats::tuf::{Root, Target};
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
    /// The pages about all lines. A publication of an older version has none.
    #[serde(default)]
    pub pages: Option<Pages>,
    /// Everything about each line. Each part is stored by itself.
    #[serde(skip)]
    pub(crate) parts: Parts,
    pub(crate) roles: Roles,
    /// The lines that somebody has said begin anew after their documents were lost.
    #[serde(default)]
    pub anew: Vec<Anew>,
    /// Documents of the repository that were replaced, by path, and until when they are still served to
    /// clients in the middle of an update.
    pub(crate) retired: HashMap<Box<str>, (Arc<Document>, Time)>,
    /// What the parts were made from, if this process made and verified them.
    #[serde(skip)]
    pub(crate) sources: BTreeMap<LineName, Sources>,
    /// What `channels`, `promotions` and the board say about each line, if this process made them.
    #[serde(skip)]
    pub(crate) pieces: Pieces,
}

/// The record that a line begins anew: its documents were lost, so its next ones were not compared with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anew {
    pub line: LineName,
    /// The segment that was lost.
    pub(crate) segment: Sha256,
    pub at: Time,
    pub by: String,
    pub reason: String,
}

/// A file of the TUF repository.
#[derive(Debug, Clone, Copy)]
pub enum TufFile<'a> {
    /// Metadata, and signed manifests as targets.
    Document(&'a Arc<Document>),
    /// A payload as a target, which stays on disk.
    Payload(&'a Payload),
}

impl Publication {
    /// `GET /v1/channels/{channel}`: the signed channel manifest.
    pub fn channel(&self, name: &ChannelName) -> Option<&Document> {
        Some(&self.parts.channel(name)?.1.manifest.document)
    }

    /// The page of a channel, if a version that makes pages has made the publication.
    pub fn page(&self, name: &ChannelName) -> Option<&Document> {
        self.parts.channel(name)?.1.page.as_deref()
    }

    /// The line that a channel belongs to.
    pub fn line_of(&self, name: &ChannelName) -> Option<&LineName> {
        self.parts.channel(name).map(|(part, _)| &part.line).or_else(|| self.lost_channel(name))
    }

    /// The line that a release belongs to.
    pub fn line_of_release(&self, version: &Version) -> Option<&LineName> {
        self.parts.release(version).map(|(part, _)| &part.line).or_else(|| self.lost_release(version))
    }

    /// `GET /v1/channels/{channel}/update`. `None` for a channel that does not exist.
    pub fn update(
        &self,
        name: &ChannelName,
        current: &Version,
        arch: Option<&str>,
    ) -> Option<Cow<'_, Document>> {
        self.parts.update(name, current, arch)
    }

    /// The architectures that a channel's releases name, and those of the line that its line follows.
    pub fn architectures(&self, name: &ChannelName) -> impl Iterator<Item = &str> {
        let arches = self.parts.channel(name).and_then(|(_, channel)| channel.updates.arches.as_ref());
        arches.into_iter().flat_map(Arches::names)
    }

    /// Whether it has answers by architecture. What an older version has published has none, which matters once a
    /// release is not for every architecture.
    pub const fn has_arches(&self) -> bool {
        self.parts.has_arches()
    }

    /// The parts of all lines.
    pub fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.parts.iter()
    }

    /// The lines whose stored documents cannot be read, and why.
    pub fn lost_lines(&self) -> impl Iterator<Item = (&LineName, &str)> {
        self.parts.iter().filter_map(|part| Some((&part.line, part.lost.as_ref()?.loss.why.as_str())))
    }

    /// Why the stored documents of a line cannot be used, if they cannot.
    pub fn loss(&self, line: &LineName) -> Option<&Loss> {
        self.parts.line(line)?.lost.as_ref().map(|lost| &lost.loss)
    }

    /// The segments of lines whose documents could not be read, but may still be there.
    pub fn unread(&self) -> Vec<Segment> {
        let may_pass = |part: &&Arc<Part>| part.lost.as_ref().is_some_and(|lost| lost.loss.may_pass);
        self.parts.iter().filter(may_pass).filter_map(|part| part.segment()).collect()
    }

    /// The publication with parts that were read again. `None` if their lines are not lost in it any more.
    pub fn with_read(&self, mut found: Vec<Arc<Part>>) -> Option<Self> {
        found.retain(|part| {
            let own = self.parts.line(&part.line).filter(|own| own.is_lost());
            own.is_some_and(|own| own.stored() == part.stored())
        });
        (!found.is_empty())
            .then(|| Self { parts: Parts::of(self.parts.iter().cloned().chain(found)), ..self.clone() })
    }

    /// Takes the documents of lost lines from another publication, if they are the very ones that are listed here.
    /// Returns the lines that were restored. Older documents would not show what newer ones had, and clients would
    /// find others than the listed ones.
    pub fn restore_lost(&mut self, from: &Self) -> Vec<LineName> {
        let is_listed = |part: &&Arc<Part>| {
            let role = self.roles.snapshot.signed().role(&names::releases_role(&part.line));
            let channels = part.channels.iter().map(|channel| &channel.manifest);
            role.copied() == part.role.as_ref().map(Served::meta)
                && channels.into_iter().all(|manifest| {
                    let name = names::channel_target(&manifest.signed().channel);
                    self.roles.channels.signed().targets.get(&name) == Some(&manifest.document.target())
                })
                && part.names().collect::<BTreeSet<_>>() == self.lost_names(&part.line)
        };
        let found = self.lost_lines().filter_map(|(line, _)| from.parts.line(line)).filter(is_listed);
        let found: Vec<Arc<Part>> = found.cloned().collect();
        let restored = found.iter().map(|part| part.line.clone()).collect();
        self.parts = Parts::of(self.parts.iter().cloned().chain(found));
        restored
    }

    fn lost_names(&self, line: &LineName) -> BTreeSet<&ChannelName> {
        self.parts.line(line).into_iter().flat_map(|part| part.names()).collect()
    }

    /// Lets a lost line begin anew with the next publication. Returns whether it was lost.
    pub fn begin_anew(&mut self, line: &LineName, (at, by, reason): (Time, String, String)) -> bool {
        let lost = self.parts.line(line).filter(|part| part.is_lost()).and_then(|part| part.stored());
        let record =
            lost.map(|Stored { sha256, .. }| Anew { line: line.clone(), segment: sha256, at, by, reason });
        self.anew.extend(record);
        lost.is_some()
    }

    /// Whether somebody has said that a lost line begins anew.
    pub(super) fn begins_anew(&self, part: &Part) -> bool {
        let lost = part.stored().filter(|_| part.is_lost());
        lost.is_some_and(|lost| {
            self.anew.iter().any(|anew| anew.line == part.line && anew.segment == lost.sha256)
        })
    }

    /// The line of a channel whose stored documents cannot be read.
    pub fn lost_channel(&self, name: &ChannelName) -> Option<&LineName> {
        let lost = self.parts.iter().find(|part| part.is_lost() && part.names().any(|own| own == name));
        lost.map(|part| &part.line)
    }

    /// The stage of a channel of a lost line, if the channel has its default name, which alone shows that.
    pub fn lost_stage(&self, name: &ChannelName) -> Option<(&LineName, StageName)> {
        let line = self.lost_channel(name)?;
        let stage = name.as_str().strip_prefix(line.as_str())?.strip_prefix('-')?;
        Some((line, StageName::parse(stage).ok()?))
    }

    /// The line of a release, if what was published of the line cannot be read.
    pub fn lost_release(&self, version: &Version) -> Option<&LineName> {
        let part = self.parts.of_version(version).find(|part| part.is_lost())?;
        Some(&part.line)
    }

    /// The line of a file of the repository, if what was published of the line cannot be read.
    pub fn lost_file(&self, path: &str) -> Option<&LineName> {
        let Some((_, name)) = names::target_at(path) else {
            let line = names::line_of(names::role_at(path)?.1)?;
            return self.lost_line(&line);
        };
        match TargetName::parse(name)? {
            TargetName::Channel(name) => self.lost_channel(&name),
            TargetName::Index(prefix) => {
                let lost = self.parts.iter().find(|part| part.is_lost() && part.prefix == Some(prefix));
                lost.map(|part| &part.line)
            }
            TargetName::Release(version) => self.lost_release(&version),
            TargetName::Payload(name) => name.readings().find_map(|(version, _)| self.lost_release(&version)),
        }
    }

    /// A line on the way of a cluster that runs `current` to a channel, if what was published of that line cannot
    /// be read.
    pub fn lost_on_the_way(&self, name: &ChannelName, current: &Version) -> Option<&LineName> {
        self.parts.has_lost().then(|| self.parts.lost_on_the_way(name, current)).flatten()
    }

    fn lost_line(&self, line: &LineName) -> Option<&LineName> {
        self.parts.line(line).filter(|part| part.is_lost()).map(|part| &part.line)
    }

    fn documents(&self, version: &Version) -> Option<&ReleaseDocuments> {
        Some(self.parts.release(version)?.1)
    }

    /// `GET /v1/releases/{version}`: the signed release manifest.
    pub fn release(&self, version: &Version) -> Option<&Document> {
        self.documents(version)?.published()?.manifest.as_deref()
    }

    /// Whether a release is signed by release keys. It need not be on offer yet.
    pub fn is_signed(&self, version: &Version) -> bool {
        let known = self.documents(version).filter(|release| release.explain.is_some());
        known.is_some_and(|release| release.standing != Standing::Unsigned)
    }

    /// `GET /v1/releases/{version}/explain`.
    pub fn explain(&self, version: &Version) -> Option<&Document> {
        self.documents(version)?.explain.as_deref()
    }

    /// `GET /v1/payloads/{version}/{file}`.
    pub fn payload(&self, version: &Version, file: &str) -> Option<&Payload> {
        self.documents(version)?.offered_payloads().iter().find(|payload| payload.file == file)
    }

    /// Whether a payload was withdrawn after its release was yanked.
    pub fn is_withdrawn(&self, version: &Version, file: &str) -> bool {
        let release = self.documents(version).and_then(ReleaseDocuments::published);
        release.is_some_and(|release| {
            !release.at_hand && release.payloads.iter().any(|payload| payload.file == file)
        })
    }

    /// Records which payloads exist, for a publication that was made from a repository. `is_there` takes a
    /// path below `/tuf/`. Payloads of yanked or waiting releases may be missing; all others must exist.
    pub fn find_payloads(&mut self, is_there: impl Fn(&str) -> bool) {
        let found = self.parts.iter().map(|part| {
            let mut part = Part::clone(part);
            let offered = part.channels.iter().flat_map(|channel| &channel.manifest.signed().releases);
            let yanked: BTreeSet<&Version> =
                offered.filter(|release| release.yank.is_some()).map(|release| &release.version).collect();
            for (version, release) in &mut part.releases {
                if release.standing == Standing::Waiting || yanked.contains(version) {
                    release.at_hand = release.payloads.iter().all(|payload| {
                        let name = names::payload_target(version, &payload.file);
                        is_there(&names::target_path(&name, &payload.sha256))
                    });
                }
            }
            Arc::new(part)
        });
        self.parts = Parts::of(found.collect::<Vec<_>>());
    }

    /// `GET /tuf/{path}`.
    pub fn tuf(&self, path: &str) -> Option<TufFile<'_>> {
        self.current(path).or_else(|| Some(TufFile::Document(&self.retired.get(path)?.0)))
    }

    /// Like [`tuf`](Self::tuf), but without files that were replaced.
    pub(super) fn current(&self, path: &str) -> Option<TufFile<'_>> {
        match names::target_at(path) {
            Some((sha256, name)) => self.target(name, sha256),
            None => self.role(path).map(TufFile::Document),
        }
    }

    /// The role at a path below `/tuf/`.
    pub(super) fn role(&self, path: &str) -> Option<&Arc<Document>> {
        self.roles.file(path).or_else(|| {
            let (version, role) = names::role_at(path)?;
            self.parts.line(&names::line_of(role)?)?.role.as_ref()?.of_version(version)
        })
    }

    /// Every role, by its path below `/tuf/`.
    pub(super) fn role_files(&self) -> impl Iterator<Item = (String, &Arc<Document>)> {
        let lines = self.parts.iter().filter_map(|part| {
            let role = part.role.as_ref()?;
            Some(role.file(&names::releases_role(&part.line)))
        });
        self.roles.files().chain(lines)
    }

    /// Every target that `channels` or a line's role lists.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&String, &Target)> {
        let lines = self.parts.iter().filter_map(|part| part.role.as_ref());
        lines.chain([&self.roles.channels]).flat_map(|role| &role.signed().targets)
    }

    /// The file of a target, if the server has it with this digest.
    pub(super) fn target(&self, name: &str, sha256: Sha256) -> Option<TufFile<'_>> {
        let document = match TargetName::parse(name)? {
            // An alias has no manifest of its own.
            TargetName::Channel(name) => &self.parts.channel(&name)?.0.channel(&name)?.manifest.document,
            TargetName::Index(_) => {
                let mut indexes = self.parts.iter().filter_map(|part| part.index.as_ref());
                indexes.find(|index| index.sha256 == sha256)?
            }
            TargetName::Release(version) => self.documents(&version)?.manifest.as_ref()?,
            TargetName::Payload(name) => {
                return name.readings().find_map(|(version, file)| {
                    let release = self.documents(&version).filter(|release| release.at_hand)?;
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
        let manifests = self.parts.channels().map(|channel| channel.manifest.signed().version);
        manifests.chain(roles).max().unwrap_or_default()
    }

    /// The names of all channels, including aliases.
    pub fn channel_names(&self) -> impl Iterator<Item = &ChannelName> {
        self.parts.names()
    }

    /// Every payload on offer, with the version of its release.
    pub fn payloads(&self) -> impl Iterator<Item = (&Version, &Payload)> {
        self.parts.releases().flat_map(|(version, release)| {
            release.offered_payloads().iter().map(move |payload| (version, payload))
        })
    }

    /// Every current file of the TUF repository, by its path below `/tuf/`.
    pub fn files(&self) -> impl Iterator<Item = (String, TufFile<'_>)> {
        let roles = self.role_files().map(|(path, document)| (path, TufFile::Document(document)));
        roles.chain(self.listed().filter_map(|(name, target)| {
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
        self.parts
            .releases()
            .filter_map(|(version, release)| Some((version, release.published()?.manifest.as_deref()?)))
    }

    /// The number of known releases.
    pub fn releases(&self) -> usize {
        self.parts.releases().filter(|(_, release)| release.explain.is_some()).count()
    }

    /// What every channel offers, without details that may change later, sorted by line and stage.
    pub fn offers(&self) -> Vec<Offer> {
        self.parts.iter().flat_map(|part| part.offers()).collect()
    }

    /// Whether the release or the stage that is stopped was published.
    pub fn has_published(&self, stop: &Restraint) -> bool {
        match &stop.limit {
            Limit::Pause { stage, .. } => self.parts.line(&stop.line).is_some_and(|part| {
                part.channels.iter().any(|channel| channel.manifest.signed().stage == *stage)
            }),
            _ => stop.release().is_some_and(|version| self.release(version).is_some()),
        }
    }

    /// Whether it has documents of a line.
    pub fn has_line(&self, line: &LineName) -> bool {
        self.parts.line(line).is_some_and(|part| part.is_published())
    }

    /// The expiry of each online role and each channel's manifest, sorted by name.
    pub fn online_expiries(&self) -> Vec<(String, Time)> {
        let Roles { channels, snapshot, timestamp, .. } = &self.roles;
        let roles = [
            (names::CHANNELS, channels.signed().expires),
            ("snapshot", snapshot.signed().expires),
            ("timestamp", timestamp.signed().expires),
        ];
        let manifests = self.parts.channels().map(|channel| {
            let manifest = channel.manifest.signed();
            (format!("channel {}", manifest.channel), manifest.expires)
        });
        let mut found: Vec<_> =
            roles.into_iter().map(|(role, at)| (role.to_owned(), at)).chain(manifests).collect();
        found.sort();
        found
    }
}
