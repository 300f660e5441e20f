//! A line's file and the policy, each by itself.

use std::collections::BTreeMap;

use super::event::event;
use super::faults::Faults;
use super::fields::{Fields, list, map};
use super::keys::{self, Shape};
use super::node::Node;
use super::scalar;
use super::soak::soak;
use super::spots::in_line;
use super::when::{duration, time, window};
use crate::domain::channel::{ChannelName, StageName};
use crate::domain::line::{Follows, Line, Prefix};
use crate::domain::policy::{Freeze, SoakPolicy, Window};
use crate::domain::release::Event;
use crate::domain::rules::{self, At, Rule, text};
use crate::formats::fault::Spot;

/// What `policy.yaml` says.
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub stages: Vec<RawStage>,
    pub freezes: Vec<Freeze>,
}

/// What a `line.yaml` says, before the policy is merged into it.
#[derive(Debug)]
pub(super) struct RawLine {
    /// The line without stages and releases.
    pub line: Line,
    pub stages: Option<Vec<RawStage>>,
    pub paused: Vec<(StageName, Event)>,
}

/// One stage of a list of stages.
#[derive(Debug)]
pub(super) struct RawStage {
    pub name: StageName,
    pub channel: Option<ChannelName>,
    pub aliases: Vec<ChannelName>,
    pub soak: Option<SoakPolicy>,
    pub window: Option<Window>,
}

/// Without a policy, a line that names no stages has these.
impl Default for RawPolicy {
    fn default() -> Self {
        let names =
            ["preproduction", "production"].into_iter().filter_map(|name| StageName::parse(name).ok());
        let stages =
            names.map(|name| RawStage { name, channel: None, aliases: Vec::new(), soak: None, window: None });
        Self { stages: stages.collect(), freezes: Vec::new() }
    }
}

/// Reads the policy. `None` where there was a fault.
pub(super) fn policy(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<RawPolicy> {
    let fields = Fields::of(node, Spot::START, &keys::POLICY, faults)?;
    let stages = stages(node, fields, &keys::POLICY_STAGE, faults);
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    let stages = stages.unwrap_or_else(|| RawPolicy::default().stages);
    faults.is_empty().then_some(RawPolicy { stages, freezes })
}

/// Reads a line. `folder` is the name of its folder. `None` where there was a fault.
pub(super) fn line(node: &Node<'_>, folder: &str, faults: &mut Faults<'_>) -> Option<RawLine> {
    let fields = Fields::of(node, Spot::START, &keys::LINE, faults)?;
    let name_spot = fields.get("line").map_or(Spot::START, |entry| entry.value.spot);
    let name = fields.read("line", faults, scalar::line_name);
    if let Some(name) = name.as_ref().filter(|name| name.as_str() != folder) {
        let message = format!("line `{name}` is in a folder named `{folder}`");
        faults.push(name_spot, message, format!("name the folder `{name}`"));
    }
    let title = fields.read("title", faults, scalar::line(text::LINE));
    let prefix = match (fields.get("prefix"), &name) {
        (Some(entry), _) => scalar::prefix(&entry.value, faults),
        (None, Some(name)) => {
            let prefix = Prefix::parse(name.as_str()).ok();
            if prefix.is_none() {
                let message = format!("no version begins with the line's name, `{name}`");
                faults.push(name_spot, message, "add `prefix`, as in `prefix: \"1.8\"`");
            }
            prefix
        }
        (None, None) => None,
    };
    let follows = fields.nested("follows", faults, follows);
    let stages = stages(node, fields, &keys::LINE_STAGE, faults);
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    let paused = fields.read("paused", faults, paused).unwrap_or_default();
    let retired = fields.nested("retired", faults, event);
    if !faults.is_empty() {
        return None;
    }
    let line = Line {
        name: name?,
        title,
        prefix: prefix?,
        follows,
        stages: Vec::new(),
        freezes,
        retired,
        releases: BTreeMap::new(),
    };
    Some(RawLine { line, stages, paused })
}

fn follows(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Follows> {
    let fields = Fields::of(node, at, &keys::FOLLOWS, faults)?;
    let line = fields.read("line", faults, scalar::line_name);
    let grace = fields.read("grace", faults, duration).unwrap_or_default();
    Some(Follows { line: line?, grace })
}

/// The stages of a file, with what is wrong with their list.
fn stages(
    root: &Node<'_>,
    fields: Fields<'_, '_>,
    shape: &'static Shape,
    faults: &mut Faults<'_>,
) -> Option<Vec<RawStage>> {
    let read =
        |node, faults: &mut Faults<'_>| list(node, faults, |item, faults| Some(stage(item, shape, faults)));
    let stages = fields.read("stages", faults, read)?;
    let known = stages.iter().map(|stage| stage.as_ref().map(|stage| (&stage.name, stage.soak.as_ref())));
    for (at, rule) in rules::stages(known) {
        let spot = in_line(root, &at);
        match rule {
            Rule::StageTwice { first, .. } => {
                faults.broken_beside(spot, &rule, in_line(root, &At::Stage(first)));
            }
            _ => faults.broken(spot, &rule),
        }
    }
    stages.into_iter().collect()
}

fn stage(node: &Node<'_>, shape: &'static Shape, faults: &mut Faults<'_>) -> Option<RawStage> {
    let fields = Fields::of(node, node.spot, shape, faults)?;
    let name = fields.read("name", faults, scalar::stage_name);
    let (mut channel, mut aliases) = (None, None);
    if shape.has("channel") {
        channel = fields.read("channel", faults, scalar::channel_name);
        aliases = fields.read("aliases", faults, |node, faults| list(node, faults, scalar::channel_name));
    }
    let soak = fields.nested("soak", faults, soak);
    let window = fields.nested("windows", faults, window);
    Some(RawStage { name: name?, channel, aliases: aliases.unwrap_or_default(), soak, window })
}

fn freezes(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Freeze>> {
    list(node, faults, |item, faults| {
        let fields = Fields::of(item, item.spot, &keys::FREEZE, faults)?;
        let from = fields.read("from", faults, time);
        let until = fields.read("until", faults, time);
        let reason = fields.read("reason", faults, scalar::line(text::REASON));
        let except = fields.read("except", faults, |node, faults| list(node, faults, scalar::urgency));
        if let (Some(from), Some(until), Some(entry)) = (from, until, fields.get("until"))
            && let Some(rule) = rules::freeze(from, until)
        {
            faults.broken(entry.value.spot, &rule);
        }
        Some(Freeze { from: from?, until: until?, reason: reason?, except: except.unwrap_or_default() })
    })
}

fn paused(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<(StageName, Event)>> {
    map(node, faults, |key, value, faults| {
        let stage = scalar::stage_name(key, faults);
        let event = event(value, key.spot, faults);
        Some((stage?, event?))
    })
}
