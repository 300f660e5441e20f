//! Rebuilds a line from its manifests.
//!
//! The manifests contain everything that `upgrade::answer` needs, so a server can answer for a line whose
//! catalog files it can no longer read, and a cluster can work out its own answer from verified documents.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;

use chrono::TimeDelta;

use super::{ChannelManifest, Notice, ReleaseManifest};
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::{Follows, Line, Prefix, Stage};
use crate::domain::policy::SoakPolicy;
use crate::domain::release::{
    Entries, Entry, Event, Evidence, ManifestState, PayloadState, Release, ReleaseFile, SCHEDULE,
    SignedFacts, Yank,
};
use crate::domain::version::Version;

/// Why a line cannot be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("channel `{0}` is missing")]
    Channel(ChannelName),
    #[error("the manifest of `{0}` is missing")]
    Release(Version),
}

/// The prefix of a line that no role is delegated to yet, as in the time between its first file and its
/// first signed release. Only delegations say which versions are a line's, so this is what its name says,
/// unless `delegated` has those versions. Such a line offers nothing, so nobody is led astray.
pub fn undelegated_prefix(line: &LineName, delegated: impl IntoIterator<Item = Prefix>) -> Prefix {
    let named = Prefix::parse(line.as_str()).unwrap_or(Prefix::NONE);
    let is_taken = delegated.into_iter().any(|other| other.overlaps(&named));
    if is_taken { Prefix::NONE } else { named }
}

/// Rebuilds a line from the manifests of all its channels and of every release in them. Releases that are
/// in no channel are left out. Returns `None` if there are no channels.
///
/// # Errors
/// When a manifest is missing.
pub fn line(
    name: &LineName,
    prefix: Prefix,
    channels: &[impl Borrow<ChannelManifest>],
    mut manifests: BTreeMap<Version, ReleaseManifest>,
) -> Result<Option<Line>, LineError> {
    line_of(name, prefix, channels, |version, stages| Some(release(manifests.remove(version)?, stages)))
}

/// Rebuilds a line as [`line()`] does. `known` makes a release that has not entered any stage yet from what is
/// known about it, given its version and the number of stages.
///
/// # Errors
/// When a channel is missing, or nothing is known about a release.
pub fn line_of(
    name: &LineName,
    prefix: Prefix,
    channels: &[impl Borrow<ChannelManifest>],
    mut known: impl FnMut(&Version, usize) -> Option<Release>,
) -> Result<Option<Line>, LineError> {
    let channels = || channels.iter().map(Borrow::<ChannelManifest>::borrow);
    let Some(first) = channels().next() else { return Ok(None) };
    let mut stages = Vec::new();
    let mut releases: BTreeMap<Version, Release> = BTreeMap::new();
    for (index, stage) in first.stages.iter().enumerate() {
        let manifest = channels()
            .find(|manifest| manifest.stage == stage.stage)
            .ok_or_else(|| LineError::Channel(stage.channel.clone()))?;
        stages.push(Stage {
            aliases: manifest.aliases.clone(),
            soak: (index > 0).then(SoakPolicy::default),
            paused: manifest.paused.as_ref().map(event),
            ..Stage::new(stage.stage.clone(), stage.channel.clone())
        });
        for offered in &manifest.releases {
            let release = match releases.entry(offered.version.clone()) {
                Place::Occupied(found) => found.into_mut(),
                Place::Vacant(free) => {
                    let release = known(&offered.version, first.stages.len())
                        .ok_or_else(|| LineError::Release(offered.version.clone()))?;
                    free.insert(release)
                }
            };
            release.entries[index] = Some(Entry::new(offered.since, SCHEDULE.to_owned(), None));
            release.barrier |= offered.barrier;
            release.yank = offered.yank.as_ref().map(|yank| {
                let event = event(&Notice { at: yank.at, reason: yank.reason.clone() });
                Box::new(Yank { event, to: yank.to.clone() })
            });
        }
    }
    let follows = first.follows.as_ref().map(|follows| Follows {
        line: follows.line.clone(),
        grace: TimeDelta::try_seconds(follows.grace.cast_signed()).unwrap_or_default(),
    });
    let (name, retired) = (name.clone(), first.retired.as_ref().map(event));
    Ok(Some(Line {
        name,
        title: None,
        prefix,
        follows,
        stages,
        freezes: Vec::new(),
        retired,
        signed_until: None,
        releases,
    }))
}

/// Converts a published notice to an event, whose author is never published. The event is in effect at
/// once, even if its time is still in the future by the reader's clock.
fn event(notice: &Notice) -> Event {
    let by = "the catalog".to_owned();
    Event { at: notice.at, by, reason: notice.reason.clone(), at_once: true }
}

/// Creates a release from its manifest. It has not entered any of the line's stages yet; `stages` is their
/// number.
pub fn release(manifest: ReleaseManifest, stages: usize) -> Release {
    Release::new(
        ReleaseFile {
            version: manifest.version,
            urgency: manifest.urgency,
            summary: manifest.summary,
            links: manifest.links,
            components: manifest.components,
            payloads: manifest.payloads,
            barrier: manifest.barrier,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
        },
        Entries::none(stages),
        Evidence {
            manifest: ManifestState::Signed(SignedFacts::new(manifest.not_before)),
            payload: PayloadState::Present,
        },
    )
}
