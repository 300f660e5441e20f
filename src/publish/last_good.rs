//! A refused line as it was last published, rebuilt from its signed documents. This way the server can
//! still answer for that line, and the lines that follow it keep their minor gate.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::Document;
use super::publication::{Publication, ReleaseDocuments, Standing};
use super::updates::json;
use super::{Decided, PublishError};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::release::{Evidence, ManifestState, Release, SignedFacts, Yank};
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
        let mut line = last.map(|last| published(last, name)).transpose()?.flatten();
        if let (Some(line), Some(current)) = (&mut line, decided.catalog.stoppable(name)) {
            narrow(line, current, decided.now);
        }
        lines.push((name.clone(), line));
    }
    Ok(Cow::Owned(decided.catalog.clone().with_published(lines)))
}

/// A line as it was last published. `None` if it never was.
fn published(last: &Publication, name: &LineName) -> Result<Option<Line>, PublishError> {
    let Some(prefix) = last.prefix(name) else { return Ok(None) };
    let channels = last.channel.values().map(|documents| documents.manifest.signed());
    let channels: Vec<&ChannelManifest> = channels.filter(|manifest| manifest.line == *name).collect();
    let mut releases = BTreeMap::new();
    for version in channels.iter().flat_map(|manifest| &manifest.releases).map(|release| &release.version) {
        // Manifests are parsed again, since keeping ten thousand of them parsed would take too much memory.
        if let Some(document) = last.release(version).filter(|_| !releases.contains_key(version)) {
            let manifest: Signed<ReleaseManifest> = Signed::parse(document.identity.clone())
                .map_err(|e| PublishError::LastGood(format!("the manifest of `{version}`: {e}")))?;
            releases.insert(version.clone(), manifest.into_signed());
        }
    }
    manifest::line(name, prefix, &channels, releases).map_err(|e| PublishError::LastGood(e.to_string()))
}

/// Applies the stops that were added to the catalog since the line was last published. A yank or a pause is
/// an emergency measure, and must reach clusters even if the rest of the line is refused.
fn narrow(line: &mut Line, current: &Line, now: Time) {
    for stage in &mut line.stages {
        let other = current.stages.iter().find(|other| other.name == stage.name);
        if let Some(pause) = other.and_then(|other| other.paused(now)) {
            stage.paused = Some(pause.clone());
        }
    }
    if let Some(retired) = current.retired(now) {
        line.retired = Some(retired.clone());
    }
    let known: BTreeSet<Version> = line.releases.keys().cloned().collect();
    for (version, release) in &mut line.releases {
        let Some(other) = current.releases.get(version) else { continue };
        release.barrier |= other.barrier;
        if let Some(yank) = other.yanked(now) {
            // A replacement that was never published cannot be checked, so a yanked barrier bars by itself.
            let to = yank.to.clone().filter(|to| known.contains(to));
            release.yank = Some(Box::new(Yank { to, ..yank.clone() }));
        }
        // Signed documents do not say who made an entry or why, but the catalog does.
        for (stage, entry) in line.stages.iter().zip(&mut release.entries) {
            let other = current.stage(&stage.name).and_then(|stage| other.entries.get(stage)?.as_ref());
            if let (Some(entry), Some(other)) = (entry, other)
                && entry.since == other.since
            {
                entry.clone_from(other);
            }
        }
    }
}

/// The documents of a refused line's releases as they were last published, with explanations that tell of
/// the refusal and of later yanks. `line` is the line that [`catalog`] returns, and `current` is the refused
/// line, as far as it could be read.
pub fn releases(
    last: Option<&Publication>,
    line: &Line,
    current: Option<&Line>,
    refusal: &LineRefusal,
    now: Time,
) -> impl Iterator<Item = (Version, ReleaseDocuments)> {
    let all = last.into_iter().flat_map(|last| &last.release);
    all.filter(|(_, release)| release.line == line.name).map(move |(version, last)| {
        let mut documents = last.clone();
        let yanked = current.and_then(|current| current.releases.get(version));
        if let Some(yanked) = yanked.filter(|release| release.yanked(now).is_some()) {
            documents.at_hand &= !yanked.is_withdrawn(now);
        }
        // The last explanation may promise a promotion that does not happen.
        if let Some(release) = line.releases.get(version) {
            let explanation = Explanation {
                line,
                release,
                now,
                decision: None,
                refused: Some(refusal),
                not_promoting: None,
            };
            let body = json(&ExplainBody::of(&explanation));
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
    let explanation =
        Explanation { line, release, now, decision: None, refused: Some(refusal), not_promoting: None };
    ReleaseDocuments {
        line: line.name.clone(),
        standing: Standing::Unsigned,
        manifest: None,
        explain: Some(Document::reusing(None, json(&ExplainBody::of(&explanation)))),
        payloads: Arc::clone(&release.payloads),
        at_hand: false,
    }
}
