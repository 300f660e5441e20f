//! Reads stages, and merges a line's stage with the policy's.

use std::iter;

use super::faults::Faults;
use super::fields::{Fields, list};
use super::keys::{self, Form, Key, Shape, may, must};
use super::node::{Node, Value};
use super::scalar;
use super::soak::soak;
use super::spots::in_line;
use super::when::window;
use crate::domain::channel::{ChannelName, StageName};
use crate::domain::line::Stage;
use crate::domain::policy::{SoakPolicy, Window};
use crate::domain::rules::{self, At, Rule};

pub const POLICY_STAGE: Shape =
    Shape { about: "A stage of every line", keys: &[STAGE_NAME, STAGE_SOAK, STAGE_WINDOWS] };

pub const LINE_STAGE: Shape = Shape {
    about: "A stage, and the channel that clusters follow there",
    keys: &[
        STAGE_NAME,
        may("channel", Form::Name, "The channel's name, if it is not `LINE-STAGE`."),
        may("aliases", Form::List(&Form::Name), "Other names of the channel."),
        STAGE_SOAK,
        STAGE_WINDOWS,
    ],
};

const STAGE_NAME: Key = must("name", Form::Name, "The stage's name.");
const STAGE_SOAK: Key = may(
    "soak",
    Form::Shape(&keys::SOAK),
    "How long a release stays in the previous stage. The first stage has no soak.",
);
const STAGE_WINDOWS: Key =
    may("windows", Form::Shape(&keys::WINDOWS), "When promotions into this stage may happen.");

/// One stage in a file's list of stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawStage {
    pub name: StageName,
    pub channel: Option<ChannelName>,
    pub aliases: Vec<ChannelName>,
    pub soak: Option<SoakPolicy>,
    pub window: Option<Window>,
}

impl RawStage {
    /// Creates a stage with a name and nothing else.
    pub fn named(name: StageName) -> Self {
        Self { name, channel: None, aliases: Vec::new(), soak: None, window: None }
    }

    /// Returns the stage for this place in a line. It inherits what it omits from the policy's stage of the
    /// same name.
    pub fn stage(&self, policy: &[Self], place: usize, channel: ChannelName) -> Stage {
        let either = || iter::once(self).chain(policy.iter().find(|stage| stage.name == self.name));
        let soak = either().find_map(|stage| stage.soak.clone());
        Stage {
            aliases: self.aliases.clone(),
            soak: (place > 0).then(|| soak.unwrap_or_default()),
            window: either().find_map(|stage| stage.window.clone()),
            ..Stage::new(self.name.clone(), channel)
        }
    }
}

/// Reads the stages of a file, and reports faults in the list as a whole.
pub(super) fn stages(
    root: &Node<'_>,
    fields: Fields<'_, '_>,
    shape: &'static Shape,
    faults: &mut Faults<'_>,
) -> Option<Vec<RawStage>> {
    let read =
        |node, faults: &mut Faults<'_>| list(node, faults, |item, faults| Some(stage(item, shape, faults)));
    let mut stages = fields.read("stages", faults, read)?;
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
    let items = match fields.get("stages").map(|entry| &entry.value.value) {
        Some(Value::List(items)) => &items[..],
        _ => &[],
    };
    for (stage, item) in stages.iter_mut().zip(items) {
        *stage = stage.take().or_else(|| salvaged(item));
    }
    Some(stages.into_iter().flatten().collect())
}

/// A stage that is written wrong, with the name that was probably meant. It has a fault, so nothing but its stops
/// counts.
fn salvaged(node: &Node<'_>) -> Option<RawStage> {
    let name = |node: &Node<'_>| match &node.value {
        Value::Scalar { text, .. } => StageName::parse(&text.trim().to_ascii_lowercase()).ok(),
        _ => None,
    };
    let Value::Map(entries) = &node.value else { return name(node).map(RawStage::named) };
    let value = |key: &str| entries.iter().find(|entry| entry.name() == key).map(|entry| &entry.value);
    let misspelt = || entries.iter().filter(|entry| !LINE_STAGE.has(entry.name())).map(|entry| &entry.value);
    let found = value("name").into_iter().chain(misspelt()).chain(value("channel")).find_map(name)?;
    let mut unread = Faults::new("", "");
    let channel = value("channel").and_then(|node| scalar::channel_name(node, &mut unread));
    let aliases = value("aliases").and_then(|node| list(node, &mut unread, scalar::channel_name));
    let aliases = aliases.unwrap_or_default();
    Some(RawStage { channel, aliases, ..RawStage::named(found) })
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
