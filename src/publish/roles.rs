//! The roles that the online key signs: `channels`, snapshot and timestamp.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::TimeDelta;

use super::publication::{OnePayload, Publication, ReleaseDocuments, TufFile};
use super::{ChannelFile, Inputs, PublishError, RENEW_AFTER, Refusal};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::release::PayloadState;
use crate::domain::version::Version;
use crate::formats::tuf::{
    CHANNELS_LIFETIME, Meta, Role, SNAPSHOT_LIFETIME, Snapshot, TIMESTAMP_LIFETIME, Target, Targets,
    Timestamp, names,
};
use crate::signing::{InRole, Signed};

/// Long-lived online roles are signed anew once this much of their life is left.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(60);

/// The roles of a publication below the top.
pub struct Roles {
    /// The lines' own, by name.
    pub lines: Lines,
    pub channels: Signed<Targets>,
    pub snapshot: Signed<Snapshot>,
    pub timestamp: Signed<Timestamp>,
    /// Whether any of them was signed now.
    pub signed: bool,
}

impl Roles {
    /// When the first of them is due to be signed anew.
    pub fn renew(&self) -> Time {
        let channels = self.channels.signed().expires - RENEW_BEFORE;
        let snapshot = self.snapshot.signed().expires - RENEW_BEFORE;
        let timestamp = self.timestamp.signed().expires - TIMESTAMP_LIFETIME + RENEW_AFTER;
        channels.min(snapshot).min(timestamp)
    }
}

/// Whether the online key is the one that the trusted roles name.
///
/// # Errors
/// When it is not: clients would refuse everything signed with it.
pub fn check_key(inputs: &Inputs<'_>) -> Result<(), PublishError> {
    let id = inputs.online.id();
    let root = inputs.trust.root().signed();
    let named = [
        ("timestamp", root.timestamp().keyids.contains(&id)),
        ("snapshot", root.snapshot().keyids.contains(&id)),
        ("channels", inputs.trust.channels_authority().is_some_and(|channels| channels.keyids.contains(&id))),
    ];
    match named.into_iter().find(|(_, named)| !named) {
        Some((role, _)) => Err(PublishError::WrongKey { role }),
        None => Ok(()),
    }
}

/// The lines' roles, by name.
pub type Lines = BTreeMap<String, Signed<Targets>>;

/// The roles of lines that are published: for a refused line the one that was published last, so
/// that its documents stay listed by it; for the others the one that the release keys signed last.
///
/// # Errors
/// When a role that is delegated cannot be used and never was published.
pub fn lines(inputs: &Inputs<'_>, refused: &BTreeMap<LineName, Refusal>) -> Result<Lines, PublishError> {
    let trust = inputs.trust;
    let delegations = trust.targets().signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    let mut lines = Lines::new();
    for role in delegations.filter(|role| role.name != names::CHANNELS) {
        let line = refused.keys().find(|line| names::releases_role(line) == role.name);
        let last = line.and(inputs.last).and_then(|last| newest::<Targets>(last, &role.name));
        let authority = trust.targets().signed().delegated(&role.name).map(|(_, authority)| authority);
        let last = last.filter(|last| authority.is_some_and(|authority| last.verify(authority).is_ok()));
        let chosen = last.or_else(|| trust.releases().get(&role.name).cloned());
        lines.insert(role.name.clone(), chosen.ok_or_else(|| PublishError::NoRole(role.name.clone()))?);
    }
    Ok(lines)
}

/// Makes the online roles. One that says what it said before, and is not due for renewal, is kept.
pub fn roles(inputs: &Inputs<'_>, lines: Lines, manifests: &[ChannelFile]) -> Result<Roles, PublishError> {
    let super::Inputs { now, version, trust, online, last, .. } = *inputs;
    let mut signed = false;

    let mut wanted = Targets::channels(version, now);
    for manifest in manifests {
        let name = names::channel_target(&manifest.document.signed().channel);
        wanted.insert(name, Target::of(manifest.document.raw()))?;
    }
    let before = last.and_then(|last| newest::<Targets>(last, names::CHANNELS));
    let channels = match before {
        Some(before)
            if before.signed().targets == wanted.targets
                && trust.channels_authority().is_some_and(|keys| before.verify(keys).is_ok())
                && now < before.signed().expires - RENEW_BEFORE =>
        {
            before
        }
        Some(_) | None => {
            signed = true;
            Signed::sign(wanted, [&InRole(names::CHANNELS, online)])?
        }
    };

    let meta =
        |name: &str, role: &Signed<Targets>| (name.to_owned(), Meta::of(role.signed().version(), role.raw()));
    let mut listed = vec![meta("targets", trust.targets()), meta(names::CHANNELS, &channels)];
    listed.extend(lines.iter().map(|(name, role)| meta(name, role)));
    let wanted = Snapshot::of(version, now, listed);
    let before = last.and_then(|last| newest::<Snapshot>(last, "snapshot"));
    let snapshot = match before {
        Some(before)
            if before.signed().meta == wanted.meta
                && before.verify(trust.root().signed().snapshot()).is_ok()
                && now < before.signed().expires - RENEW_BEFORE =>
        {
            before
        }
        Some(_) | None => {
            signed = true;
            Signed::sign(wanted, [online])?
        }
    };

    let wanted = Timestamp::of(version, now, Meta::of(snapshot.signed().version, snapshot.raw()));
    let before = last.and_then(|last| newest::<Timestamp>(last, "timestamp"));
    let timestamp = match before {
        Some(before)
            if before.signed().meta == wanted.meta
                && before.verify(trust.root().signed().timestamp()).is_ok()
                && now < before.signed().expires - TIMESTAMP_LIFETIME + RENEW_AFTER =>
        {
            before
        }
        Some(_) | None => {
            signed = true;
            Signed::sign(wanted, [online])?
        }
    };
    debug_assert!(RENEW_BEFORE < CHANNELS_LIFETIME && RENEW_BEFORE < SNAPSHOT_LIFETIME);
    Ok(Roles { lines, channels, snapshot, timestamp, signed })
}

/// The file of a target of a line's role, if its release is served.
pub fn served_target(
    name: &str,
    target: &Target,
    releases: &HashMap<Version, ReleaseDocuments>,
) -> Option<TufFile> {
    if let Some(version) = name.strip_prefix("release.").and_then(|rest| rest.strip_suffix(".json")) {
        let manifest = releases.get(&Version::parse(version).ok()?)?.manifest.as_ref()?;
        // A refused line may still serve an older manifest than a newer role lists.
        let listed = Target::of(&manifest.identity) == *target;
        return listed.then(|| TufFile::Document(std::sync::Arc::clone(manifest)));
    }
    let rest = name.strip_prefix("payload.")?;
    // Versions hold dots, and so may the names of files: the right split is the one that is served.
    rest.match_indices('.').rev().find_map(|(dot, _)| {
        let release = releases.get(&Version::parse(&rest[..dot]).ok()?)?;
        let payload = OnePayload::find(&release.payloads, |payload| payload.file == rest[dot + 1..])?;
        (payload.sha256 == target.hashes.sha256).then_some(TufFile::Payload(payload))
    })
}

/// The manifest of a release that is signed and not on offer: one that is held before its first
/// stage, or whose payload is not at hand. A client that is about to pass it must be able to see
/// whether it is a barrier; one that cannot stays where it is.
pub fn listed_manifest(
    name: &str,
    target: &Target,
    manifests: &HashMap<Version, Bytes>,
    last: Option<&Publication>,
) -> Option<TufFile> {
    let version = name.strip_prefix("release.")?.strip_suffix(".json")?;
    let raw = manifests.get(&Version::parse(version).ok()?)?;
    if Target::of(raw) != *target {
        return None;
    }
    let path = names::target_path(name, &target.hashes.sha256);
    let before = last.and_then(|last| match last.tuf.get(path.as_str()) {
        Some(TufFile::Document(document)) => Some(document),
        Some(TufFile::Payload(_)) | None => None,
    });
    Some(TufFile::Document(super::reuse(before, raw.clone())))
}

/// The payload of a release that is signed and not on offer: a freeze keeps it out of its first
/// stage, say. Whoever verifies all that is listed must find it, and it is at hand.
pub fn listed_payload(name: &str, target: &Target, catalog: &Catalog) -> Option<TufFile> {
    let rest = name.strip_prefix("payload.")?;
    rest.match_indices('.').rev().find_map(|(dot, _)| {
        let (_, release) = catalog.release(&Version::parse(&rest[..dot]).ok()?)?;
        let at_hand = release.evidence.payload == PayloadState::Present;
        let payload = OnePayload::find(&release.payloads, |payload| payload.file == rest[dot + 1..])?;
        let listed = Target::new(payload.sha256, payload.size) == *target;
        (at_hand && listed).then_some(TufFile::Payload(payload))
    })
}

/// The file of a target of a refused line's role, as it was last published: what the catalog says of
/// it now cannot be read, perhaps. A payload that was withdrawn since does not come back.
pub fn kept_target(name: &str, path: &str, last: &Publication, inputs: &Inputs<'_>) -> Option<TufFile> {
    let rest = name.strip_prefix("payload.").unwrap_or_default();
    let withdrawn = rest.match_indices('.').any(|(dot, _)| {
        let release = Version::parse(&rest[..dot]).ok().and_then(|version| inputs.catalog.release(&version));
        release.is_some_and(|(_, release)| release.is_withdrawn(inputs.now))
    });
    last.tuf.get(path).filter(|_| !withdrawn).cloned()
}

/// The newest file of a role in a publication.
pub(super) fn newest<T: Role>(last: &Publication, role: &str) -> Option<Signed<T>> {
    let path = match role {
        "root" => (1..=u64::MAX)
            .map(|version| names::metadata_path("root", version))
            .take_while(|path| last.tuf.contains_key(path.as_str()))
            .last()?,
        "timestamp" => names::TIMESTAMP_PATH.to_owned(),
        "snapshot" => {
            let timestamp: Signed<Timestamp> = newest(last, "timestamp")?;
            names::metadata_path("snapshot", timestamp.signed().meta.snapshot.version)
        }
        other => {
            let snapshot: Signed<Snapshot> = newest(last, "snapshot")?;
            names::metadata_path(other, snapshot.signed().role(other)?.version)
        }
    };
    match last.tuf.get(path.as_str())? {
        TufFile::Document(document) => Signed::parse(document.identity.clone()).ok(),
        TufFile::Payload(_) => None,
    }
}
