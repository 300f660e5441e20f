//! A line as it was last published, rebuilt from its signed documents: so a line that cannot be read
//! any more goes on being answered for, and the lines that follow it keep their minor gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::publication::{ChannelDocuments, Publication, ReleaseDocuments};
use super::updates::json;
use super::{PublishError, reuse};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::version::Version;
use crate::formats::api::ExplainBody;
use crate::formats::manifest::{ChannelManifest, ReleaseManifest, line as rebuilt};
use crate::signing::Signed;

/// Rebuilds a line from the last publication. `None` if that does not have it.
pub fn line(last: &Publication, name: &LineName) -> Result<Option<Line>, PublishError> {
    let mut channels: BTreeMap<_, &ChannelDocuments> = BTreeMap::new();
    for documents in last.channel.values().filter(|documents| documents.line == *name) {
        channels.insert(&documents.name, documents);
    }
    let mut manifests: Vec<ChannelManifest> = Vec::new();
    for documents in channels.values() {
        manifests.push(parse(&documents.manifest.identity, &documents.name)?);
    }
    let Some(prefix) = prefix_of(last, name) else { return Ok(None) };
    let mut releases: BTreeMap<Version, ReleaseManifest> = BTreeMap::new();
    for offered in manifests.iter().flat_map(|manifest| &manifest.releases) {
        if let Some(signed) = last.release(&offered.version)
            && !releases.contains_key(&offered.version)
        {
            releases.insert(offered.version.clone(), parse(&signed.identity, &offered.version)?);
        }
    }
    rebuilt(name, prefix, &manifests, releases).map_err(|e| PublishError::Carry(e.to_string()))
}

/// A line as it was last published, with what has been narrowed in the catalog since: a yank or a
/// pause is an emergency, and reaches clusters though the rest of the line is refused.
pub fn narrowed(mut line: Line, current: &Line, now: Time) -> Line {
    for stage in &mut line.stages {
        let pause =
            current.stages.iter().find(|other| other.name == stage.name).and_then(|other| other.paused(now));
        if let Some(pause) = pause {
            stage.paused = Some(pause.clone());
        }
    }
    if let Some(retired) = current.retired(now) {
        line.retired = Some(retired.clone());
    }
    for (version, release) in &mut line.releases {
        let Some(other) = current.releases.get(version) else { continue };
        release.barrier |= other.barrier;
        if let Some(yank) = other.yanked(now) {
            release.yank = Some(yank.clone());
        }
        // Who made an entry, and why, is in no signed document.
        for (stage, entry) in line.stages.iter().zip(&mut release.entries) {
            let other = current.stage(&stage.name).and_then(|stage| other.entries.get(stage)?.as_ref());
            if let (Some(entry), Some(other)) = (entry, other)
                && entry.since == other.since
            {
                entry.clone_from(other);
            }
        }
    }
    line
}

/// The documents of a refused line's releases, as they were last published; but for what a yank in the
/// catalog says since, where that can be read. `line` is the line as it was published, narrowed.
pub fn releases(
    last: Option<&Publication>,
    line: &Line,
    current: Option<&Line>,
    now: Time,
) -> Vec<(Version, ReleaseDocuments)> {
    let all = last.into_iter().flat_map(|last| &last.release);
    let kept = all.filter(|(_, release)| release.line == line.name);
    let narrowed = kept.map(|(version, kept)| {
        let mut documents = kept.clone();
        let other = current.and_then(|current| current.releases.get(version));
        if let (Some(other), Some(release)) = (other, line.releases.get(version))
            && other.yanked(now).is_some()
        {
            let explanation = Explanation { line, release, now, decision: None };
            documents.explain = reuse(Some(&kept.explain), json(&ExplainBody::of(&explanation)));
            if other.is_withdrawn(now) {
                documents.payloads = Arc::default();
            }
        }
        (version.clone(), documents)
    });
    narrowed.collect()
}

fn prefix_of(last: &Publication, name: &LineName) -> Option<crate::domain::line::Prefix> {
    let offer = last.offers.iter().find(|offer| offer.line == *name)?;
    Some(offer.prefix)
}

fn parse<T: serde::de::DeserializeOwned>(
    raw: &bytes::Bytes,
    what: &impl std::fmt::Display,
) -> Result<T, PublishError> {
    let signed: Signed<T> = Signed::parse(raw.clone())
        .map_err(|e| PublishError::Carry(format!("the manifest of `{what}`: {e}")))?;
    Ok(signed.into_signed())
}
