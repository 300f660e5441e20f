//! One line's part of a publication, and the table of all parts.
//!
//! A part never changes after it is made, so the next publication shares it if nothing in its line has
//! changed.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::segment::{Segment, Stored};
use super::served::{Online, Served};
use super::updates::{ChannelUpdates, LineUpdates, answer};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Payload;
use crate::domain::stepback::{Offer, Offered};
use crate::domain::upgrade::{Paths, Relation};
use crate::domain::version::Version;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{Targets, names};

/// Everything that the server answers about one line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    pub line: LineName,
    /// The prefix of the line's versions, if it is known.
    pub(crate) prefix: Option<Prefix>,
    /// The line that this one follows.
    pub(crate) follows: Option<LineName>,
    /// The role that lists the line's manifests and payloads. `None` until release keys are delegated to.
    pub(crate) role: Option<Served<Targets>>,
    /// The index that the role lists. A role that an older version signed lists none.
    #[serde(default)]
    pub(crate) index: Option<Arc<Document>>,
    /// One for each stage, in order. Empty if no catalog with this line was ever published.
    pub(crate) channels: Vec<ChannelDocuments>,
    pub(crate) releases: BTreeMap<Version, ReleaseDocuments>,
    /// The answers to clusters whose channel is of a line far from theirs.
    pub(crate) updates: LineUpdates,
    /// If this is set, there are no documents.
    #[serde(skip)]
    pub(crate) lost: Option<Lost>,
    #[serde(skip)]
    pub(crate) stored: Memo,
}

/// What is known of a line whose stored documents cannot be read after a restart. Nothing is published of such a
/// line, since nothing shows what a new publication would take back.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    /// The names of its channels, including aliases.
    pub(crate) names: Vec<ChannelName>,
    pub(crate) loss: Loss,
}

/// Why the stored documents of a line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub why: String,
    /// Whether they may still be there, because reading them failed.
    pub may_pass: bool,
}

/// The segment in which a part is stored, once it is. A clone may be changed, so it remembers nothing.
#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<Option<Stored>>);

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// The answers about one channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelDocuments {
    pub(crate) manifest: Served<ChannelManifest>,
    pub(crate) updates: ChannelUpdates,
    /// Its page in the console. A publication of an older version has none.
    #[serde(default)]
    pub(crate) page: Option<Arc<Document>>,
}

/// The answers about one release.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseDocuments {
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
    /// The channel's own name, never an alias.
    pub(super) fn name(&self) -> &ChannelName {
        &self.manifest.signed().channel
    }
}

impl ReleaseDocuments {
    pub(super) fn published(&self) -> Option<&Self> {
        (self.standing == Standing::Published).then_some(self)
    }

    pub(super) fn offered_payloads(&self) -> &[Payload] {
        if self.standing == Standing::Published && self.at_hand { &self.payloads } else { &[] }
    }
}

impl Part {
    /// A part without any documents.
    pub(crate) fn empty(line: LineName) -> Self {
        let (channels, releases, updates, stored) = Default::default();
        let (prefix, follows, role, index, lost) = Default::default();
        Self { line, prefix, follows, role, index, channels, releases, updates, lost, stored }
    }

    /// The part of a line whose segment cannot be read.
    pub(crate) fn lost(segment: Segment, loss: Loss) -> Self {
        let Segment { line, prefix, follows, names, stored } = segment;
        let part = Self { prefix, follows, lost: Some(Lost { names, loss }), ..Self::empty(line) };
        part.store(stored);
        part
    }

    /// What the head of a stored publication knows of it. `None` if it was not stored yet.
    pub(super) fn segment(&self) -> Option<Segment> {
        Some(Segment {
            line: self.line.clone(),
            prefix: self.prefix,
            follows: self.follows.clone(),
            names: self.names().cloned().collect(),
            stored: self.stored()?,
        })
    }

    /// The segment in which it is stored, if it is.
    pub fn stored(&self) -> Option<Stored> {
        *self.stored.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the segment in which it is stored.
    pub(super) fn store(&self, stored: Stored) {
        *self.stored.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored);
    }

    /// Whether its documents are lost.
    pub const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// The names of its channels, including aliases.
    pub fn names(&self) -> impl Iterator<Item = &ChannelName> {
        let own = self.channels.iter().map(|channel| channel.manifest.signed());
        let own = own.flat_map(|manifest| [&manifest.channel].into_iter().chain(&manifest.aliases));
        own.chain(self.lost.iter().flat_map(|lost| &lost.names))
    }

    /// Whether a catalog with this line was ever published.
    pub fn is_published(&self) -> bool {
        !self.channels.is_empty()
    }

    /// The documents of the channel with this name, which is not an alias.
    pub(super) fn channel(&self, name: &ChannelName) -> Option<&ChannelDocuments> {
        self.channels.iter().find(|channel| channel.name() == name)
    }

    /// When the online key must sign one of its documents again.
    pub(super) fn renew(&self) -> Option<Time> {
        self.channels.iter().map(|channel| channel.manifest.signed().renew()).min()
    }

    /// Its documents in the repository, by their paths below `/tuf/`. What no role lists is left out.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, &Arc<Document>)> {
        let role = self.role.iter().map(|role| role.file(&names::releases_role(&self.line)));
        let channels = self
            .channels
            .iter()
            .map(move |channel| target(&names::channel_target(channel.name()), &channel.manifest.document));
        let releases = self.releases.iter().filter(|(_, release)| release.standing != Standing::Unsigned);
        let releases = releases.filter_map(move |(version, release)| {
            Some(target(&names::release_target(version), release.manifest.as_ref()?))
        });
        role.chain(channels).chain(releases)
    }

    /// What its channels offer, without details that may change later.
    pub(super) fn offers(&self) -> impl Iterator<Item = Offer> {
        self.channels.iter().map(|channel| self.offer(channel.manifest.signed()))
    }

    fn offer(&self, manifest: &ChannelManifest) -> Offer {
        let offered = manifest.releases.iter().filter_map(|release| {
            let payloads = Arc::clone(&self.releases.get(&release.version)?.payloads);
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
}

fn target<'d>(name: &str, document: &'d Arc<Document>) -> (String, &'d Arc<Document>) {
    (names::target_path(name, &document.sha256), document)
}

/// The parts of all lines, and where to find what a client names.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    lines: BTreeMap<LineName, Arc<Part>>,
    /// The part of each channel, and the channel's place in it, by every name of the channel.
    channels: HashMap<ChannelName, (Arc<Part>, usize)>,
    prefixes: HashMap<Prefix, Arc<Part>>,
    paths: Paths,
    /// The parts of releases whose version does not lead to their line, as in a copy of a line's folder.
    strays: HashMap<Version, Arc<Part>>,
    /// Whether a part is lost.
    lost: bool,
    /// Whether a part lacks the answers by architecture.
    without_arches: bool,
    /// Whether a release is for some architectures alone.
    named: bool,
}

impl Parts {
    /// Makes the table of these parts.
    pub(crate) fn of(parts: impl IntoIterator<Item = Arc<Part>>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.lost |= part.is_lost();
            all.without_arches |= part.channels.iter().any(|channel| channel.updates.arches.is_none());
            let mut payloads = part.releases.values().flat_map(|release| release.payloads.iter());
            all.named |= payloads.any(|payload| payload.arch.is_some());
            all.lines.insert(part.line.clone(), part);
        }
        all.paths = Paths::new(all.lines.values().map(|part| (&part.line, part.follows.as_ref())));
        // A channel's own name comes before an alias of another one.
        for part in all.lines.values() {
            for (place, channel) in part.channels.iter().enumerate() {
                all.channels.insert(channel.name().clone(), (Arc::clone(part), place));
            }
            if let Some(prefix) = part.prefix {
                all.prefixes.insert(prefix, Arc::clone(part));
            }
        }
        for part in all.lines.values() {
            for (place, channel) in part.channels.iter().enumerate() {
                for alias in &channel.manifest.signed().aliases {
                    all.channels.entry(alias.clone()).or_insert_with(|| (Arc::clone(part), place));
                }
            }
        }
        for part in all.lines.values() {
            let is_found =
                |prefix: &Prefix| all.prefixes.get(prefix).is_some_and(|found| Arc::ptr_eq(found, part));
            let prefix = part.prefix.filter(is_found);
            let is_stray = |version: &&Version| !prefix.is_some_and(|prefix| prefix.accepts(version));
            let strays = part.releases.keys().filter(is_stray);
            all.strays.extend(strays.map(|version| (version.clone(), Arc::clone(part))));
        }
        all
    }

    /// The part of a line.
    pub fn line(&self, line: &LineName) -> Option<&Arc<Part>> {
        self.lines.get(line)
    }

    /// The parts, ordered by line.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.lines.values()
    }

    /// The documents of a channel, by its name or one of its aliases, and the part that they are in.
    pub fn channel(&self, name: &ChannelName) -> Option<(&Part, &ChannelDocuments)> {
        let (part, place) = self.channels.get(name)?;
        Some((part, &part.channels[*place]))
    }

    /// Every channel, ordered by line and stage.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelDocuments> {
        self.iter().flat_map(|part| &part.channels)
    }

    /// The names of all channels, including aliases.
    pub fn names(&self) -> impl Iterator<Item = &ChannelName> {
        self.channels.keys()
    }

    /// What a channel tells a cluster that runs `current` and may name its architecture. `None` if there is no such
    /// channel.
    pub fn update(
        &self,
        name: &ChannelName,
        current: &Version,
        arch: Option<&str>,
    ) -> Option<Cow<'_, Document>> {
        let (goal, channel) = self.channel(name)?;
        let own = self.of_version(current).next();
        Some(answer(
            (&self.paths, |line: &LineName| Some(&self.lines.get(line)?.updates)),
            (&goal.line, &channel.updates),
            (own.map(|own| &own.line), current, arch),
        ))
    }

    /// The parts of lines that a version may belong to by its prefix, the likeliest first.
    pub(super) fn of_version(&self, version: &Version) -> impl Iterator<Item = &Arc<Part>> {
        Prefix::candidates(version).filter_map(|prefix| self.prefixes.get(&prefix))
    }

    /// The documents of a release, and the part that they are in.
    pub fn release(&self, version: &Version) -> Option<(&Part, &ReleaseDocuments)> {
        let mut parts = self.of_version(version).chain(self.strays.get(version));
        parts.find_map(|part| Some((&**part, part.releases.get(version)?)))
    }

    /// Whether every answer by architecture is there, or is what all clusters are told.
    pub(super) const fn has_arches(&self) -> bool {
        !(self.without_arches && self.named)
    }

    /// Whether a part is lost.
    pub(super) fn has_lost(&self) -> bool {
        self.lost
    }

    /// The first lost line that decides what a channel tells a cluster that runs `current`.
    pub(super) fn lost_on_the_way(&self, name: &ChannelName, current: &Version) -> Option<&LineName> {
        let (goal, _) = self.channel(name)?;
        let own = self.of_version(current).next()?;
        let after = match self.paths.relation(&own.line, &goal.line) {
            Relation::Before { after } => self.line(after),
            Relation::Own | Relation::After | Relation::Apart => None,
        };
        [own].into_iter().chain(after).find(|part| part.is_lost()).map(|part| &part.line)
    }

    /// Every release.
    pub fn releases(&self) -> impl Iterator<Item = (&Version, &ReleaseDocuments)> {
        self.iter().flat_map(|part| &part.releases)
    }
}
