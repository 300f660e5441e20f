//! A publication as the last version of tidegate stored it: format 2, with the documents of all lines side by
//! side. It is read once after an upgrade, and never written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Payload;
use crate::domain::version::Version;
use crate::formats::tuf::{Root, Snapshot, Targets, Timestamp};
use crate::publish::document::Document;
use crate::publish::part::{ChannelDocuments, Part, Parts, ReleaseDocuments, Standing};
use crate::publish::publication::Publication;
use crate::publish::roles;
use crate::publish::served::Served;

#[derive(Deserialize)]
pub(super) struct Whole {
    version: u64,
    made: Time,
    expires: Time,
    renew: Time,
    demo: bool,
    channels: Arc<Document>,
    promotions: Arc<Document>,
    channel: HashMap<ChannelName, ChannelDocuments>,
    release: HashMap<Version, Release>,
    roles: Roles,
    retired: HashMap<Box<str>, (Arc<Document>, Time)>,
    known: HashMap<Prefix, Known>,
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
    versions: Box<[Version]>,
}

impl From<Whole> for Publication {
    fn from(whole: Whole) -> Self {
        let Whole { version, made, expires, renew, demo, channels, promotions, retired, .. } = whole;
        let mut parts: BTreeMap<LineName, Part> = BTreeMap::new();
        for (prefix, Known { line, versions }) in whole.known {
            let part = parts.entry(line.clone()).or_insert_with(|| Part::empty(line));
            (part.prefix, part.known) = (Some(prefix), versions);
        }
        let Roles { roots, targets, lines, channels: role, snapshot, timestamp } = whole.roles;
        for (line, role) in lines {
            parts.entry(line.clone()).or_insert_with(|| Part::empty(line)).role = Some(role);
        }
        for channel in whole.channel.into_values() {
            let line = channel.manifest.signed().line.clone();
            parts.entry(line.clone()).or_insert_with(|| Part::empty(line)).channels.push(channel);
        }
        for (version, release) in whole.release {
            let Release { line, standing, manifest, explain, payloads, at_hand } = release;
            let documents = ReleaseDocuments { standing, manifest, explain, payloads, at_hand };
            let part = parts.entry(line.clone()).or_insert_with(|| Part::empty(line));
            part.releases.insert(version, documents);
        }
        for part in parts.values_mut() {
            part.channels.sort_by_key(ChannelDocuments::stage);
        }
        Self {
            version,
            made,
            expires,
            renew,
            demo,
            channels,
            promotions,
            parts: Parts::of(parts.into_values().map(Arc::new)),
            roles: roles::Roles { roots, targets, channels: role, snapshot, timestamp },
            retired,
        }
    }
}
