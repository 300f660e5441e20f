//! What the server answers with: lookups only.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::document::Document;
use super::updates::{Known, Updates};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::payload::Payload;
use crate::domain::stepback::Offer;
use crate::domain::version::Version;
use crate::formats::tuf::names;

/// Everything the server answers with, made once from one state of the catalog.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The version of its timestamp role.
    pub version: u64,
    pub made: Time,
    /// When the first of its roles and manifests expires.
    pub expires: Time,
    /// When the first of what the online key signed is due to be signed anew.
    pub renew: Time,
    /// Whether it was signed by throw-away keys.
    pub demo: bool,
    pub(crate) channels: Arc<Document>,
    pub(crate) promotions: Arc<Document>,
    /// By every name of a channel, aliases among them.
    pub(crate) channel: HashMap<ChannelName, Arc<ChannelDocuments>>,
    pub(crate) release: HashMap<Version, ReleaseDocuments>,
    /// By path below `/tuf/`: `metadata/timestamp.json`, `targets/DIGEST.NAME`.
    pub(crate) tuf: HashMap<Box<str>, TufFile>,
    /// Online roles and channel manifests of publications before, by path, and until when they are
    /// still served: a client in the middle of an update asks for the files that it was told of.
    pub(crate) retired: HashMap<Box<str>, (TufFile, Time)>,
    /// What may not change any more.
    pub(crate) offers: Vec<Offer>,
    pub(crate) known: Known,
}

/// A file of the TUF repository.
#[derive(Debug, Clone)]
pub enum TufFile {
    /// Metadata, and signed manifests as targets.
    Document(Arc<Document>),
    /// A payload as a target: it stays on disk.
    Payload(OnePayload),
}

/// What is answered about one channel.
#[derive(Debug)]
pub struct ChannelDocuments {
    pub(crate) line: LineName,
    /// The channel's own name.
    pub(crate) name: ChannelName,
    pub(crate) manifest: Arc<Document>,
    pub(crate) updates: Updates,
}

/// What is answered about one release.
#[derive(Debug, Clone)]
pub struct ReleaseDocuments {
    pub(crate) line: LineName,
    pub(crate) manifest: Option<Arc<Document>>,
    /// Whether release keys stand behind it, on offer or not.
    pub(crate) signed: bool,
    pub(crate) explain: Arc<Document>,
    /// Shared with the catalog; empty where it is not on offer.
    pub(crate) payloads: Arc<[Payload]>,
}

/// A payload file, to be served from the copy that was checked: one of a release's list, which it
/// shares.
#[derive(Debug, Clone)]
pub struct OnePayload {
    all: Arc<[Payload]>,
    place: u32,
}

impl OnePayload {
    /// The first of the payloads of a release that is wanted.
    #[must_use]
    pub fn find(all: &Arc<[Payload]>, wanted: impl FnMut(&Payload) -> bool) -> Option<Self> {
        let place = u32::try_from(all.iter().position(wanted)?).ok()?;
        Some(Self { all: Arc::clone(all), place })
    }

    /// A payload that shares no list.
    #[must_use]
    pub fn alone(payload: Payload) -> Self {
        Self { all: [payload].into(), place: 0 }
    }
}

impl std::ops::Deref for OnePayload {
    type Target = Payload;

    fn deref(&self) -> &Payload {
        &self.all[self.place as usize]
    }
}

impl Publication {
    /// `GET /v1/channels`.
    #[must_use]
    pub fn channels(&self) -> &Document {
        &self.channels
    }

    /// `GET /v1/promotions`.
    #[must_use]
    pub fn promotions(&self) -> &Document {
        &self.promotions
    }

    /// `GET /v1/channels/{channel}`: the signed channel manifest.
    #[must_use]
    pub fn channel(&self, name: &ChannelName) -> Option<&Document> {
        Some(&self.channel.get(name)?.manifest)
    }

    /// `GET /v1/channels/{channel}/update`. `None` for a channel that does not exist.
    #[must_use]
    pub fn update(&self, name: &ChannelName, current: &Version) -> Option<&Document> {
        Some(self.channel.get(name)?.updates.answer(current))
    }

    /// `GET /v1/releases/{version}`: the signed release manifest.
    #[must_use]
    pub fn release(&self, version: &Version) -> Option<&Document> {
        self.release.get(version)?.manifest.as_deref()
    }

    /// Whether a release is signed by release keys: also one that is not on offer yet.
    #[must_use]
    pub fn is_signed(&self, version: &Version) -> bool {
        self.release.get(version).is_some_and(|release| release.signed)
    }

    /// `GET /v1/releases/{version}/explain`.
    #[must_use]
    pub fn explain(&self, version: &Version) -> Option<&Document> {
        Some(&self.release.get(version)?.explain)
    }

    /// `GET /v1/payloads/{version}/{file}`.
    #[must_use]
    pub fn payload(&self, version: &Version, file: &str) -> Option<&Payload> {
        self.release.get(version)?.payloads.iter().find(|payload| payload.file == file)
    }

    /// Whether a payload was taken away after its release was yanked.
    #[must_use]
    pub fn is_withdrawn(&self, version: &Version, file: &str) -> bool {
        let offered = self.offers.iter().filter_map(|offer| offer.releases.get(version));
        let mut had = offered.filter(|offered| offered.yanked).flat_map(|offered| &*offered.payloads);
        self.payload(version, file).is_none() && had.any(|payload| payload.file == file)
    }

    /// Takes the payloads of yanked releases out that are not all there, by their paths below `/tuf/`:
    /// where this publication comes from they were withdrawn.
    pub fn withdraw_missing(&mut self, is_there: impl Fn(&str) -> bool) {
        let offered = self.offers.iter().flat_map(|offer| &offer.releases);
        let yanked: BTreeSet<&Version> =
            offered.filter(|(_, offered)| offered.yanked).map(|(version, _)| version).collect();
        for version in yanked {
            let Some(release) = self.release.get_mut(version) else { continue };
            let path = |payload: &Payload| {
                names::target_path(&names::payload_target(version, &payload.file), &payload.sha256)
            };
            let paths: Vec<String> = release.payloads.iter().map(path).collect();
            if !paths.iter().all(|path| is_there(path)) {
                release.payloads = Arc::default();
                self.tuf.retain(|path, _| !paths.iter().any(|gone| **gone == **path));
            }
        }
    }

    /// `GET /tuf/{path}`.
    #[must_use]
    pub fn tuf(&self, path: &str) -> Option<&TufFile> {
        self.tuf.get(path).or_else(|| Some(&self.retired.get(path)?.0))
    }

    /// Every name of every channel.
    pub fn channel_names(&self) -> impl Iterator<Item = &ChannelName> {
        self.channel.keys()
    }

    /// Every payload of a release on offer, with its release.
    pub fn payloads(&self) -> impl Iterator<Item = (&Version, &Payload)> {
        self.release
            .iter()
            .flat_map(|(version, release)| release.payloads.iter().map(move |payload| (version, payload)))
    }

    /// Every file of the TUF repository as it is now, by its path below `/tuf/`.
    pub fn files(&self) -> impl Iterator<Item = (&str, &TufFile)> {
        self.tuf.iter().map(|(path, file)| (&**path, file))
    }

    /// The payloads among [`files`](Self::files).
    pub fn payload_files(&self) -> impl Iterator<Item = (&str, &Payload)> {
        self.files().filter_map(|(path, file)| match file {
            TufFile::Payload(payload) => Some((path, &**payload)),
            TufFile::Document(_) => None,
        })
    }

    /// The signed manifest of every release that has one.
    pub fn manifests(&self) -> impl Iterator<Item = (&Version, &Document)> {
        self.release.iter().filter_map(|(version, release)| Some((version, release.manifest.as_deref()?)))
    }

    /// How many releases it knows.
    #[must_use]
    pub fn releases(&self) -> usize {
        self.release.len()
    }
}
