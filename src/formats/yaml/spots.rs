//! The place in a file of a place in the catalog.

use super::line::{RawLine, in_stages};
use super::release::RawRelease;
use crate::domain::channel::StageName;
use crate::domain::rules::{At, Part};
use crate::formats::fault::Spot;

/// A place in a line's file. What the line takes from the policy is at the line's name.
pub(super) fn in_line(raw: &RawLine, at: &At) -> Spot {
    let found = match at {
        At::Prefix => Some(raw.prefix.spot),
        At::Follows => raw.follows.as_ref().map(|(line, _)| line.spot),
        At::Pause(stage) => {
            raw.paused.iter().find(|(paused, _)| paused.value == *stage).map(|(paused, _)| paused.spot)
        }
        _ => in_stages(|place| raw.stages.as_ref()?.get(place), at),
    };
    found.unwrap_or(raw.name.spot)
}

/// A place in a release's file.
pub(super) fn in_release(raw: &RawRelease, part: &Part) -> Spot {
    let entry = |stage: &StageName| raw.stages.iter().find(|entry| entry.stage.value == *stage);
    let found = match part {
        Part::Replaces => raw.replaces.as_ref().map(|replaces| replaces.spot),
        Part::Entry(stage) => entry(stage).map(|entry| entry.stage.spot),
        Part::Since(stage) => entry(stage).map(|entry| entry.since),
        Part::Yank => raw.yank.as_ref().map(|yank| yank.key),
        Part::YankTo => raw.yank.as_ref().and_then(|yank| Some(yank.to.as_ref()?.spot)),
        _ => None,
    };
    found.unwrap_or(raw.version.spot)
}
