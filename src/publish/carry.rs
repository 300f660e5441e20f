//! A line as it was last published, rebuilt from its signed documents.
//!
//! The manifests hold all that `upgrade::answer` looks at; so a line that cannot be read any more
//! goes on being answered for, and the lines that follow it keep their minor gate.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::PublishError;
use super::publication::{ChannelDocuments, Publication};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::line::{Follows, Line, Stage};
use crate::domain::policy::SoakPolicy;
use crate::domain::release::{
    Entry, Event, Evidence, ManifestState, PayloadState, Release, SCHEDULE, SignedFacts, Yank,
};
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, Notice, ReleaseManifest};
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
    let Some(first) = manifests.first() else { return Ok(None) };
    let Some(prefix) = prefix_of(last, name) else { return Ok(None) };
    let mut stages = Vec::new();
    let mut releases: BTreeMap<Version, Release> = BTreeMap::new();
    for (index, stage) in first.stages.iter().enumerate() {
        let manifest = manifests
            .iter()
            .find(|manifest| manifest.stage == stage.stage)
            .ok_or_else(|| PublishError::Carry(format!("channel `{}` is missing", stage.channel)))?;
        stages.push(Stage {
            name: stage.stage.clone(),
            channel: stage.channel.clone(),
            aliases: manifest.aliases.clone(),
            soak: (index > 0).then(SoakPolicy::default),
            window: None,
            paused: manifest.paused.as_ref().map(event),
        });
        for offered in &manifest.releases {
            let release = match releases.entry(offered.version.clone()) {
                std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    let signed = last.release(&offered.version).ok_or_else(|| {
                        PublishError::Carry(format!("the manifest of `{}` is missing", offered.version))
                    })?;
                    free.insert(release(parse(&signed.identity, &offered.version)?, first.stages.len()))
                }
            };
            release.entries[index] =
                Some(Entry { since: offered.since, by: SCHEDULE.to_owned(), reason: None });
            release.barrier |= offered.barrier;
            release.yank = offered.yank.as_ref().map(|yank| Yank {
                event: event(&Notice { at: yank.at, reason: yank.reason.clone() }),
                to: yank.to.clone(),
            });
        }
    }
    let follows = first.follows.as_ref().map(|follows| Follows {
        line: follows.line.clone(),
        grace: TimeDelta::try_seconds(follows.grace.cast_signed()).unwrap_or_default(),
    });
    let retired = first.retired.as_ref().map(event);
    let name = name.clone();
    Ok(Some(Line { name, title: None, prefix, follows, stages, freezes: Vec::new(), retired, releases }))
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
    }
    line
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

/// What is published never says who did something.
fn event(notice: &Notice) -> Event {
    Event { at: notice.at, by: "the catalog".to_owned(), reason: notice.reason.clone() }
}

fn release(manifest: ReleaseManifest, stages: usize) -> Release {
    Release {
        version: manifest.version,
        urgency: manifest.urgency,
        summary: manifest.summary,
        links: manifest.links,
        components: manifest.components,
        payloads: manifest.payloads,
        barrier: manifest.barrier,
        replaces: None,
        entries: vec![None; stages],
        hold: None,
        yank: None,
        evidence: Evidence {
            manifest: ManifestState::Signed(SignedFacts::new(manifest.not_before)),
            payload: PayloadState::Present,
        },
    }
}
