//! Finds the spot in a file at which to report a broken rule.
//!
//! A rule refers to a place in the catalog. A parsed file keeps its values but not their positions. So when
//! a rule is broken, the file's text is parsed again to find the spot of that place.

use super::node::{Node, Value};
use crate::domain::policy::Urgency;
use crate::domain::rules::{At, Limit, Part};
use crate::formats::fault::Spot;

/// Returns the spot of a place in a line's file, or in the policy. A fault in what a line inherits from the
/// policy is shown at the line's name.
pub(super) fn in_line(root: &Node<'_>, at: &At) -> Spot {
    first(root, &line_paths(at), "line")
}

/// Returns the spot of a place in a release's file.
pub(super) fn in_release(root: &Node<'_>, part: &Part) -> Spot {
    first(root, &release_paths(part), "version")
}

/// Returns the spot of the first path that exists in the file, or else of the value of `name`.
fn first(root: &Node<'_>, paths: &[String], name: &str) -> Spot {
    let spot = paths.iter().find_map(|path| find(root, path));
    spot.or_else(|| find(root, name)).unwrap_or(Spot::START)
}

/// Finds the value at a path of keys and list indices, or the key if the path ends with `:`.
fn find(root: &Node<'_>, path: &str) -> Option<Spot> {
    let (mut key, mut value) = (root.spot, root);
    for step in path.trim_end_matches(':').split('/') {
        match &value.value {
            Value::Map(entries) => {
                let entry = entries.iter().find(|entry| entry.name() == step)?;
                (key, value) = (entry.key.spot, &entry.value);
            }
            Value::List(items) => value = items.get(step.parse::<usize>().ok()?)?,
            Value::Scalar { .. } | Value::Refused => return None,
        }
    }
    Some(if path.ends_with(':') { key } else { value.spot })
}

/// Returns the possible paths of a place in a line's file, best first.
fn line_paths(at: &At) -> Vec<String> {
    match at {
        At::Prefix => vec!["prefix".to_owned()],
        At::Follows => vec!["follows/line".to_owned()],
        At::Stages => vec!["stages:".to_owned()],
        At::Stage(stage) => vec![format!("stages/{stage}/name"), "stages:".to_owned()],
        At::Channel { stage, alias: Some(alias) } => vec![format!("stages/{stage}/aliases/{alias}")],
        At::Channel { stage, alias: None } => {
            vec![format!("stages/{stage}/channel"), format!("stages/{stage}/name")]
        }
        At::Soak(stage) => vec![format!("stages/{stage}/soak:")],
        At::SoakLimit { stage, urgency, limit } => {
            let part = match urgency {
                Urgency::Normal => "soak",
                Urgency::Security => "soak/security",
            };
            let ends = match limit {
                Limit::Min => ["min", "max"],
                Limit::Max => ["max", "min"],
            };
            let ends = ends.map(|end| format!("stages/{stage}/{part}/{end}"));
            ends.into_iter().chain([format!("stages/{stage}/soak:")]).collect()
        }
        At::Pause(stage) => vec![format!("paused/{stage}:")],
        At::Resumed(stage, item) => {
            vec![format!("resumed/{stage}/{item}/until"), format!("resumed/{stage}:")]
        }
        At::Name | At::Freeze(_) | At::Text(_) | At::Release(..) => Vec::new(),
    }
}

/// Returns the possible paths of a place in a release's file, best first.
fn release_paths(part: &Part) -> Vec<String> {
    match part {
        Part::Replaces => vec!["replaces".to_owned()],
        Part::Payloads => vec!["payloads:".to_owned()],
        Part::Payload(payload) => vec![format!("payloads/{payload}/file"), "payloads:".to_owned()],
        Part::Entry(stage) => vec![format!("stages/{stage}:")],
        Part::Since(stage) => vec![format!("stages/{stage}/since")],
        Part::Yank => vec!["yank:".to_owned()],
        Part::YankTo => vec!["yank/to".to_owned()],
        Part::Resumed(item) => vec![format!("resumed/{item}/until")],
        Part::Unavailable(item) => vec![format!("unavailable/{item}/until")],
        Part::Unyanked(item) => vec![format!("unyanked/{item}/until")],
        Part::Version | Part::Text(_) => Vec::new(),
    }
}
