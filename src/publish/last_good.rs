//! A refused line as it was last published, rebuilt from its signed documents. This way the server can
//! still answer for that line, and the lines that follow it keep their minor gate.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::document::Document;
use super::part::{Part, ReleaseDocuments, Standing};
use super::publication::Publication;
use super::updates::json;
use super::{Decided, PublishError};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::line::{Line, Prefix, Stage};
use crate::domain::release::{Event, Evidence, ManifestState, Release, SignedFacts, Yank};
use crate::domain::version::Version;
use crate::formats::api::ExplainBody;
use crate::formats::manifest::{self, ChannelManifest, ReleaseManifest};
use crate::signing::Signed;

/// The catalog, with refused lines as they were last published.
pub fn catalog<'a>(
    decided: &Decided<'a>,
    last: Option<&Publication>,
) -> Result<Cow<'a, Catalog>, PublishError> {
    if decided.refused.is_empty() {
        return Ok(Cow::Borrowed(decided.catalog));
    }
    let mut lines = Vec::new();
    for name in decided.refused.keys() {
        let part = last.and_then(|last| last.parts.line(name)).filter(|part| !part.is_lost());
        let mut line = part.map(|part| published(part)).transpose()?.flatten();
        if let Some(line) = &mut line {
            narrow(line, decided.catalog, decided.now);
        }
        lines.push((name.clone(), line));
    }
    Ok(Cow::Owned(decided.catalog.clone().with_published(lines)))
}

/// A line as it was last published. `None` if it never was.
fn published(part: &Part) -> Result<Option<Line>, PublishError> {
    let manifests: Vec<_> = part.channels.iter().map(|channel| channel.manifest.signed()).collect();
    line(part, &manifests)
}

/// The line of a part, whose channels have these manifests.
pub(super) fn line(part: &Part, channels: &[&ChannelManifest]) -> Result<Option<Line>, PublishError> {
    let mut releases = BTreeMap::new();
    for version in channels.iter().flat_map(|manifest| &manifest.releases).map(|release| &release.version) {
        // Manifests are parsed again, since keeping ten thousand of them parsed would take too much memory.
        let published = || part.releases.get(version)?.published()?.manifest.as_ref();
        if let Some(document) = published().filter(|_| !releases.contains_key(version)) {
            let manifest: Signed<ReleaseManifest> = Signed::parse(document.identity.clone())
                .map_err(|e| PublishError::LastGood(format!("the manifest of `{version}`: {e}")))?;
            releases.insert(version.clone(), manifest.into_signed());
        }
    }
    manifest::line(&part.line, part.prefix.unwrap_or(Prefix::NONE), channels, releases)
        .map_err(|e| PublishError::LastGood(e.to_string()))
}

/// Applies the stops that were added to the catalog since the line was last published. A yank or a pause is
/// an emergency measure, and must reach clusters even if the rest of the line is refused, and even if its
/// folder is gone, was renamed or copied: it counts wherever a file has it.
fn narrow(line: &mut Line, catalog: &Catalog, now: Time) {
    let current = catalog.stoppable(&line.name);
    let stray = catalog.salvaged(&line.name).and_then(|current| stray(line, current, now));
    for stage in &mut line.stages {
        if let Some(pause) = pause(stage, current, catalog, now).or(stray) {
            stage.paused = Some(pause.clone());
        }
    }
    if let Some(retired) = current.and_then(|current| current.retired(now)) {
        line.retired = Some(retired.clone());
    }
    let known: BTreeSet<Version> = line.releases.keys().cloned().collect();
    for (version, release) in &mut line.releases {
        if let Some(yank) = yanked(&line.name, version, catalog, now).and_then(|other| other.yanked(now)) {
            // A replacement that was never published cannot be checked, so a yanked barrier bars by itself.
            let to = yank.to.clone().filter(|to| known.contains(to));
            release.yank = Some(Box::new(Yank { to, ..yank.clone() }));
        }
        let Some((current, other)) = current.and_then(|line| Some((line, line.releases.get(version)?)))
        else {
            continue;
        };
        release.barrier |= other.barrier;
        // Signed documents do not say who made an entry or why, but the catalog does.
        for (stage, entry) in line.stages.iter().zip(release.entries.iter_mut()) {
            let other = current.stage(&stage.name).and_then(|stage| other.entries.get(stage)?.as_ref());
            if let (Some(entry), Some(other)) = (entry, other)
                && entry.since == other.since
            {
                entry.clone_from(other);
            }
        }
    }
}

/// The pause of a published stage: that of the same stage of its line, or of a channel of any line that has
/// one of its names.
fn pause<'a>(stage: &Stage, current: Option<&'a Line>, catalog: &'a Catalog, now: Time) -> Option<&'a Event> {
    let same = current.and_then(|line| line.stages.iter().find(|other| other.name == stage.name));
    let is_named = |other: &&Stage| other.names().any(|name| stage.names().any(|own| own == name));
    let named = catalog.stoppable_lines().flat_map(|line| &line.stages).filter(is_named);
    same.into_iter().chain(named).find_map(|other| other.paused(now))
}

/// A pause that pauses all of a published line: its stage is not one of the line's, so its name is probably
/// misspelt, or all stages are paused that can be read.
fn stray<'a>(line: &Line, current: &'a Line, now: Time) -> Option<&'a Event> {
    let is_known = |stage: &Stage| line.stage(&stage.name).is_some();
    let is_all = current.stages.iter().all(|stage| stage.paused(now).is_some());
    current.stages.iter().filter(|stage| is_all || !is_known(stage)).find_map(|stage| stage.paused(now))
}

/// A yanked release, as its own line has it, or else any other line.
fn yanked<'a>(line: &LineName, version: &Version, catalog: &'a Catalog, now: Time) -> Option<&'a Release> {
    let lines = catalog.stoppable(line).into_iter().chain(catalog.stoppable_lines());
    lines.filter_map(|line| line.releases.get(version)).find(|release| release.yanked(now).is_some())
}

/// The documents of a refused line's releases as they were last published, with explanations that tell of
/// the refusal and of later yanks. `line` is the line that [`catalog()`] returns.
pub fn releases(
    last: Option<&Publication>,
    line: &Line,
    decided: &Decided<'_>,
    refusal: &LineRefusal,
) -> impl Iterator<Item = (Version, ReleaseDocuments)> {
    let Decided { catalog, now, .. } = *decided;
    let part = last.and_then(|last| last.parts.line(&line.name));
    part.into_iter().flat_map(|part| &part.releases).map(move |(version, last)| {
        let mut documents = last.clone();
        if let Some(yanked) = yanked(&line.name, version, catalog, now) {
            documents.at_hand &= !yanked.is_withdrawn(now);
        }
        // The last explanation may promise a promotion that does not happen.
        if let Some(release) = line.releases.get(version) {
            let body = explanation(line, release, refusal, now);
            documents.explain = Some(Document::reusing(last.explain.as_ref(), body));
        }
        (version.clone(), documents)
    })
}

/// The explanation of a release of a refused line that was never published.
pub fn unpublished(line: &Line, release: &Release, refusal: &LineRefusal, now: Time) -> ReleaseDocuments {
    // Nobody looked for the evidence of a line that cannot be read.
    let evidence =
        Evidence { manifest: ManifestState::Signed(SignedFacts::default()), ..Evidence::default() };
    let release = &Release { evidence, ..release.clone() };
    ReleaseDocuments {
        standing: Standing::Unsigned,
        manifest: None,
        explain: Some(Document::reusing(None, explanation(line, release, refusal, now))),
        payloads: Arc::clone(&release.payloads),
        at_hand: false,
    }
}

/// The explanation of a release of a refused line.
fn explanation(line: &Line, release: &Release, refusal: &LineRefusal, now: Time) -> Bytes {
    let (decision, not_promoting, entry) = (None, None, None);
    let refused = Some(refusal);
    json(&ExplainBody::of(&Explanation { line, release, now, decision, refused, not_promoting, entry }))
}
