//! Parts of publications, for tests of the code that serves them.

use std::collections::BTreeMap;

use super::Publication;
use super::pack::{PackError, pack, pack_part, unpack, unpack_part};
use super::part::Loss;
use super::roles::Roles;
use super::served::Served;
use crate::domain::Time;
use crate::domain::channel::ChannelName;
use crate::domain::payload::Sha256;
use crate::domain::testing::{catalog, line};
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{Meta, Root, Signers, Snapshot, Targets, Timestamp};
use crate::signing::{PrivateKey, Signed};

fn signed<T: serde::Serialize>(document: T) -> Served<T> {
    Served::new(Signed::sign(document, [&PrivateKey::from_seed(&[1; 32])]).unwrap(), None)
}

/// The roles of a repository without lines.
pub fn roles(now: Time) -> Roles {
    let key = Signers::any(vec![PrivateKey::from_seed(&[1; 32]).public().key()]);
    Roles {
        roots: vec![signed(Root::of(1, now, &key, &key, &key))],
        targets: signed(Targets::delegating(1, now, [], &key)),
        channels: signed(Targets::channels(1, now)),
        snapshot: signed(Snapshot::of(1, now, [])),
        timestamp: signed(Timestamp::of(1, now, Meta::of(1, b""))),
    }
}

/// A publication as it is stored.
#[derive(Debug, Clone)]
pub struct Packed {
    pub head: Vec<u8>,
    pub segments: BTreeMap<Sha256, Vec<u8>>,
}

impl Packed {
    pub fn of(publication: &Publication) -> Self {
        let mut segments = BTreeMap::new();
        for part in publication.parts.iter().filter(|part| !part.is_lost()) {
            let mut segment = Vec::new();
            segments.insert(pack_part(part, &mut segment).unwrap().sha256, segment);
        }
        Self { head: pack(publication).unwrap(), segments }
    }

    pub fn unpack(&self) -> Result<Publication, PackError> {
        unpack(&mut &self.head[..], self.head.len() as u64, &|segment| {
            let lost = |why: &str| Loss { why: why.to_owned(), may_pass: false };
            let bytes = self.segments.get(&segment.stored.sha256).ok_or_else(|| lost("it is missing"))?;
            let part = unpack_part(&mut &bytes[..], bytes.len() as u64, segment);
            part.map(Some).map_err(|error| lost(&error.to_string()))
        })
    }
}

/// The manifest of a channel of line `1.8` that offers nothing, with an alias.
pub fn channel_manifest(name: &ChannelName, alias: &str, now: Time) -> Served<ChannelManifest> {
    let mut line = line("1.8", None);
    let stage = line.stages.iter_mut().find(|stage| stage.channel == *name).unwrap();
    stage.aliases = vec![alias.parse().unwrap()];
    let catalog = catalog([line]);
    let channel = catalog.channel(name).unwrap();
    signed(ChannelManifest::of(channel, 1, |_| None, now, now))
}
