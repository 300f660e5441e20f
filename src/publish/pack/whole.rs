//! A publication as earlier versions of tidegate stored it: in one file. It is read once after an upgrade, and
//! never written. Format 2 has the documents of all lines side by side; its answers to clusters are not read but
//! made from the signed documents, as in a mirror.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Payload;
use crate::domain::upgrade::Views;
use crate::domain::version::Version;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{Root, Snapshot, Targets, Timestamp};
use crate::publish::document::Document;
use crate::publish::joined::Pieces;
use crate::publish::last_good;
use crate::publish::part::{ChannelDocuments, Part, Parts, ReleaseDocuments, Standing};
use crate::publish::publication::Publication;
use crate::publish::served::Served;
use crate::publish::updates::{ViewsByArch, channel_updates, line_updates};
use crate::publish::{PublishError, roles};

/// The parts in a publication of format 3, which had them in its index.
#[derive(Deserialize)]
pub(super) struct Inline {
    pub(super) parts: Vec<Arc<Part>>,
}

#[derive(Deserialize)]
pub(super) struct Whole {
    version: u64,
    made: Time,
    expires: Time,
    renew: Time,
    demo: bool,
    channels: Arc<Document>,
    promotions: Arc<Document>,
    channel: HashMap<ChannelName, Channel>,
    release: HashMap<Version, Release>,
    roles: Roles,
    retired: HashMap<Box<str>, (Arc<Document>, Time)>,
    known: HashMap<Prefix, Known>,
}

#[derive(Deserialize)]
struct Channel {
    manifest: Served<ChannelManifest>,
}

#[derive(Deserialize)]
struct Release {
    line: LineName,
    standing: Standing,
    manifest: Option<Arc<Document>>,
    explain: Option<Arc<Document>>,
    payloads: Arc<[Payload]>,
    at_hand: bool,
}

#[derive(Deserialize)]
struct Roles {
    roots: Vec<Served<Root>>,
    targets: Served<Targets>,
    lines: BTreeMap<LineName, Served<Targets>>,
    channels: Served<Targets>,
    snapshot: Served<Snapshot>,
    timestamp: Served<Timestamp>,
}

#[derive(Deserialize)]
struct Known {
    line: LineName,
}

impl TryFrom<Whole> for Publication {
    type Error = PublishError;

    fn try_from(whole: Whole) -> Result<Self, PublishError> {
        let Whole { version, made, expires, renew, demo, channels, promotions, retired, .. } = whole;
        let mut parts: BTreeMap<LineName, Part> = BTreeMap::new();
        for (prefix, Known { line }) in whole.known {
            parts.entry(line.clone()).or_insert_with(|| Part::empty(line)).prefix = Some(prefix);
        }
        let Roles { roots, targets, lines, channels: role, snapshot, timestamp } = whole.roles;
        for (line, role) in lines {
            parts.entry(line.clone()).or_insert_with(|| Part::empty(line)).role = Some(role);
        }
        for (version, release) in whole.release {
            let Release { line, standing, manifest, explain, payloads, at_hand } = release;
            let documents = ReleaseDocuments { standing, manifest, explain, payloads, at_hand };
            let part = parts.entry(line.clone()).or_insert_with(|| Part::empty(line));
            part.releases.insert(version, documents);
        }
        answer(&mut parts, whole.channel, made)?;
        Ok(Self {
            version,
            made,
            expires,
            renew,
            demo,
            channels,
            promotions,
            pages: None,
            parts: Parts::of(parts.into_values().map(Arc::new)),
            roles: roles::Roles { roots, targets, channels: role, snapshot, timestamp },
            anew: Vec::new(),
            retired,
            sources: BTreeMap::new(),
            pieces: Pieces::default(),
        })
    }
}

/// Adds the channels to the parts of their lines, with their answers.
fn answer(
    parts: &mut BTreeMap<LineName, Part>,
    mut channels: HashMap<ChannelName, Channel>,
    now: Time,
) -> Result<(), PublishError> {
    let mut lines = Vec::new();
    for part in parts.values() {
        let manifests = channels.values().map(|channel| channel.manifest.signed());
        let own: Vec<_> = manifests.filter(|manifest| manifest.line == part.line).collect();
        lines.extend(last_good::line(part, &own)?);
    }
    let catalog = Catalog::published(lines);
    let views = ViewsByArch::of(&catalog, Views::new(&catalog, &[], now));
    for line in catalog.lines() {
        let part = parts.entry(line.name.clone()).or_insert_with_key(|line| Part::empty(line.clone()));
        part.follows = line.follows.as_ref().map(|follows| follows.line.clone());
        part.updates = line_updates(&catalog, &views, line);
        for index in 0..line.stages.len() {
            let channel = ChannelRef { line, index };
            let Some(Channel { manifest }) = channels.remove(channel.name()) else { continue };
            let updates = channel_updates(&catalog, &views, channel, None, None);
            part.channels.push(ChannelDocuments { manifest, updates, page: None });
        }
    }
    Ok(())
}
