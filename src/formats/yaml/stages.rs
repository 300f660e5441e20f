//! A line's stages: its own, with what the policy says of stages of the same names, or the
//! policy's, or the usual two.

use super::ParsedFile;
use super::line::{RawLine, RawPolicy, RawStage};
use super::scalar::Located;
use crate::domain::channel::{ChannelName, StageName};
use crate::domain::line::Stage;
use crate::formats::fault::{Fault, Spot};

/// The stages of a line where neither it nor the policy names any.
const USUAL: [&str; 2] = ["preproduction", "production"];

/// A line's stages, and where each name of its channels stands.
pub(super) struct Staged {
    pub stages: Vec<Stage>,
    pub names: Vec<Located<ChannelName>>,
}

/// Merges a line's stages with the policy's. `None` where there was a fault.
pub(super) fn staged(
    file: &ParsedFile,
    raw: &RawLine,
    policy: &RawPolicy,
    faults: &mut Vec<Fault>,
) -> Option<Staged> {
    let before = faults.len();
    let line = &raw.name;
    let mut stages = Vec::new();
    let mut names = Vec::new();
    let mut add = |name: &StageName, spot: Spot, own: Option<&RawStage>, usual: Option<&RawStage>| {
        let channel = match own.and_then(|own| own.channel.clone()) {
            Some(channel) => channel,
            None => match ChannelName::of(&line.value, name) {
                Ok(value) => Located { spot, value },
                Err(e) => {
                    let message = format!("the channel of stage `{name}` has no name: {e}");
                    faults.push(file.fault(spot, &message, "give the stage a short `channel`"));
                    return;
                }
            },
        };
        let either = || own.into_iter().chain(usual);
        let aliases = own.map_or(&[][..], |own| &own.aliases);
        let first = stages.is_empty();
        stages.push(Stage {
            name: name.clone(),
            channel: channel.value.clone(),
            aliases: aliases.iter().map(|alias| alias.value.clone()).collect(),
            soak: (!first).then(|| either().find_map(|stage| stage.soak.clone()).unwrap_or_default()),
            window: either().find_map(|stage| stage.window.clone()),
            paused: raw
                .paused
                .iter()
                .find(|(paused, _)| paused.value == *name)
                .map(|(_, event)| event.clone()),
        });
        names.push(channel);
        names.extend_from_slice(aliases);
    };
    match (&raw.stages, &policy.stages) {
        (Some(own), usual) => {
            for stage in own {
                let usual = usual.iter().flatten().find(|usual| usual.name.value == stage.name.value);
                add(&stage.name.value, stage.name.spot, Some(stage), usual);
            }
        }
        (None, Some(usual)) => {
            for stage in usual {
                add(&stage.name.value, line.spot, None, Some(stage));
            }
        }
        (None, None) => {
            for name in USUAL {
                let name = StageName::parse(name).expect("the usual stages have plain names");
                add(&name, line.spot, None, None);
            }
        }
    }
    for (paused, _) in &raw.paused {
        if !stages.iter().any(|stage: &Stage| stage.name == paused.value) {
            let message =
                format!("line `{}` has no stage `{}` that could be paused", line.value, paused.value);
            faults.push(file.fault(paused.spot, &message, &known(&stages)));
        }
    }
    (faults.len() == before).then_some(Staged { stages, names })
}

/// Which stages there are, as a hint.
pub(super) fn known(stages: &[Stage]) -> String {
    let names: Vec<String> = stages.iter().map(|stage| format!("`{}`", stage.name)).collect();
    format!("its stages are {}", names.join(", "))
}
