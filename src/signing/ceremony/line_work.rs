//! The documents that one line's keys sign, and the index that the line's role lists.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{CeremonyError, SignError};
use crate::domain::channel::LineName;
use crate::domain::line::Prefix;
use crate::domain::version::Version;
use crate::formats::manifest::{IndexEntry, LineIndex, ReleaseManifest};
use crate::formats::tuf::{Target, Targets, names};
use crate::signing::Signed;
use crate::signing::trust::Trust;

/// Looks up the stored manifest of a release, as its role lists it. An error says what cannot be read: then the
/// manifest may exist, and must not be taken for lost.
pub type Stored<'a> = &'a dyn Fn(&Version, &Target) -> Result<Option<Bytes>, String>;

/// The documents that one line's keys sign.
#[derive(Debug)]
pub(super) struct LineWork {
    pub role: Signed<Targets>,
    /// The manifests to sign. The role lists their digests, which cover the signatures, so it can be signed
    /// only once they have all their signatures.
    pub manifests: BTreeMap<Version, Signed<ReleaseManifest>>,
    /// The index that the role lists; `None` if it lists no releases. It has no signatures and no digests, so
    /// it stays the same while manifests are signed.
    pub index: Option<Bytes>,
    /// Manifests that are signed already, and show that the index is right about releases which the index
    /// before does not have, or has differently.
    pub evidence: BTreeMap<Version, Signed<ReleaseManifest>>,
}

impl LineWork {
    /// The work for a line that lists no releases.
    pub fn empty(role: Targets) -> Result<Self, SignError> {
        let (manifests, evidence) = Default::default();
        Ok(Self { role: Signed::unsigned(role)?, manifests, index: None, evidence })
    }

    /// The work for a line's next role, and `manifests` to sign. Makes the index that the role lists: from
    /// these manifests, from the index before, and from the manifests that `stored` returns.
    ///
    /// A role that never had an index may list releases whose manifests are lost. Those that `may_drop` names
    /// are dropped. Each may have been a barrier, so somebody must have said so.
    pub fn new(
        trust: &Trust,
        (line, prefix): (&LineName, Prefix),
        mut role: Targets,
        manifests: BTreeMap<Version, Signed<ReleaseManifest>>,
        stored: Stored<'_>,
        may_drop: &dyn Fn(&Version) -> bool,
    ) -> Result<Self, CeremonyError> {
        let name = names::index_target(&prefix);
        let had_index = role.targets.remove(&name).is_some();
        let before = trust.index(line).and_then(Result::ok);
        let (mut entries, mut evidence, mut dropped) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (version, listed) in role.listed_releases() {
            let entry = if let Some(manifest) = manifests.get(&version) {
                IndexEntry::of(manifest.signed())
            } else if let Some(known) = before.and_then(|before| before.releases.get(&version)) {
                known.clone()
            } else if let Some(manifest) =
                listed_manifest(read_stored(line, &version, listed, stored)?, listed)
            {
                let entry = IndexEntry::of(manifest.signed());
                evidence.insert(version.clone(), manifest);
                entry
            } else if !had_index && may_drop(&version) {
                dropped.push(names::release_target(&version));
                continue;
            } else {
                return Err(CeremonyError::Manifest { line: line.clone(), version });
            };
            entries.insert(version, entry);
        }
        if !dropped.is_empty() {
            // Without an index before, the manifests of all other releases are here.
            let payloads: BTreeSet<_> =
                manifests.values().chain(evidence.values()).flat_map(payloads).collect();
            role.targets.retain(|target, _| {
                !dropped.contains(target) && (!names::is_payload(target) || payloads.contains(target))
            });
        }
        let mut index = None;
        if !entries.is_empty() {
            let bytes = LineIndex::new(line.clone(), entries).bytes().map_err(SignError::from)?;
            role.insert(name, Target::of(&bytes))?;
            index = Some(bytes);
        }
        Ok(Self { role: Signed::unsigned(role)?, manifests, index, evidence })
    }
}

/// The names of a release's payloads as targets.
fn payloads(manifest: &Signed<ReleaseManifest>) -> impl Iterator<Item = String> {
    let ReleaseManifest { version, payloads, .. } = manifest.signed();
    payloads.iter().map(move |payload| names::payload_target(version, &payload.file))
}

/// Looks up a stored manifest. `None` if it is lost.
///
/// # Errors
/// When something cannot be read that may be the manifest.
pub(super) fn read_stored(
    line: &LineName,
    version: &Version,
    listed: &Target,
    stored: Stored<'_>,
) -> Result<Option<Bytes>, CeremonyError> {
    let unread = |why| CeremonyError::Unread { line: line.clone(), version: version.clone(), why };
    stored(version, listed).map_err(unread)
}

/// Parses a stored manifest. `None` if it is missing, invalid or not the listed one.
pub(super) fn listed_manifest(raw: Option<Bytes>, listed: &Target) -> Option<Signed<ReleaseManifest>> {
    Signed::parse(raw.filter(|raw| Target::of(raw) == *listed)?).ok()
}
