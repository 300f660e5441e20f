//! What the server answers with: lookups only.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::Document;
use crate::domain::Time;
use crate::domain::channel::ChannelName;
use crate::domain::payload::Sha256;
use crate::domain::version::Version;

/// Everything the server answers with, made once from one state of the catalog.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The version of its snapshot and timestamp roles.
    pub version: u64,
    pub made: Time,
    /// When the first of its online roles and manifests expires.
    pub expires: Time,
    /// Whether it was signed by throw-away keys.
    pub demo: bool,
    pub(crate) channels: Document,
    pub(crate) promotions: Document,
    /// By every name of a channel, aliases among them.
    pub(crate) channel: HashMap<ChannelName, Arc<ChannelDocuments>>,
    pub(crate) release: HashMap<Version, ReleaseDocuments>,
    /// By path below `/tuf/`: `metadata/timestamp.json`, `targets/HASH.NAME`.
    pub(crate) tuf: HashMap<Box<str>, TufFile>,
}

/// A file of the TUF repository.
#[derive(Debug, Clone)]
pub enum TufFile {
    /// Metadata, and signed manifests as targets.
    Document(Document),
    /// A payload as a target: it stays on disk.
    Payload(PayloadFile),
}

/// What is answered about one channel.
#[derive(Debug, Clone)]
pub struct ChannelDocuments {
    pub(crate) manifest: Document,
    pub(crate) updates: Updates,
}

/// The answers of a channel by the version that asks: exact ones for known versions, and one for
/// each span between two neighbouring breakpoints.
#[derive(Debug, Clone)]
pub struct Updates {
    /// The distinct answers.
    pub(crate) bodies: Vec<Document>,
    /// Known versions, ascending, with the place of their answer.
    pub(crate) known: Vec<(Version, u32)>,
    /// `spans[i]` answers unknown versions between `known[i - 1]` and `known[i]`.
    pub(crate) spans: Vec<u32>,
}

/// What is answered about one release.
#[derive(Debug, Clone)]
pub struct ReleaseDocuments {
    pub(crate) manifest: Option<Document>,
    pub(crate) explain: Document,
    pub(crate) payloads: Vec<PayloadFile>,
}

/// A payload file, to be served from the copy that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    pub file: String,
    pub sha256: Sha256,
    pub size: u64,
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
        self.release.get(version)?.manifest.as_ref()
    }

    /// `GET /v1/releases/{version}/explain`.
    #[must_use]
    pub fn explain(&self, version: &Version) -> Option<&Document> {
        Some(&self.release.get(version)?.explain)
    }

    /// `GET /v1/payloads/{version}/{file}`.
    #[must_use]
    pub fn payload(&self, version: &Version, file: &str) -> Option<&PayloadFile> {
        self.release.get(version)?.payloads.iter().find(|payload| payload.file == file)
    }

    /// `GET /tuf/{path}`.
    #[must_use]
    pub fn tuf(&self, path: &str) -> Option<&TufFile> {
        self.tuf.get(path)
    }
}

impl Updates {
    /// The answer for a cluster that runs `current`.
    #[must_use]
    pub fn answer(&self, current: &Version) -> &Document {
        let place = match self.known.binary_search_by(|(version, _)| version.cmp(current)) {
            Ok(i) => self.known[i].1,
            Err(i) => self.spans[i],
        };
        &self.bodies[place as usize]
    }
}
