//! A line's file and the policy's, each by itself.

use chrono::TimeDelta;

use super::event::event;
use super::faults::Faults;
use super::fields::{Fields, list, map};
use super::keys::{self, Shape};
use super::node::Node;
use super::scalar::{self, Located};
use super::soak::{RawSoak, soak};
use super::when::{duration, time, window};
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::policy::{Freeze, Window};
use crate::domain::release::Event;
use crate::domain::rules::{self, At, Rule, text};
use crate::formats::fault::Spot;

/// What `policy.yaml` says.
#[derive(Debug, Default)]
pub(super) struct RawPolicy {
    pub stages: Option<Vec<RawStage>>,
    pub freezes: Vec<Freeze>,
}

/// What a `line.yaml` says, before the policy is merged into it.
#[derive(Debug)]
pub(super) struct RawLine {
    pub name: Located<LineName>,
    pub title: Option<String>,
    pub prefix: Located<Prefix>,
    pub follows: Option<(Located<LineName>, TimeDelta)>,
    pub stages: Option<Vec<RawStage>>,
    pub freezes: Vec<Freeze>,
    pub paused: Vec<(Located<StageName>, Event)>,
    pub retired: Option<Event>,
}

/// One stage of a list of stages.
#[derive(Debug)]
pub(super) struct RawStage {
    pub name: Located<StageName>,
    pub channel: Option<Located<ChannelName>>,
    pub aliases: Vec<Located<ChannelName>>,
    pub soak: Option<RawSoak>,
    pub window: Option<Window>,
}

/// Reads the policy. `None` where there was a fault.
pub(super) fn policy(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<RawPolicy> {
    let fields = Fields::of(node, Spot::START, &keys::POLICY, faults)?;
    let stages =
        fields.nested("stages", faults, |node, at, faults| stages(node, at, &keys::POLICY_STAGE, faults));
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    faults.is_empty().then_some(RawPolicy { stages, freezes })
}

/// Reads a line. `folder` is the name of its folder. `None` where there was a fault.
pub(super) fn line(node: &Node<'_>, folder: &str, faults: &mut Faults<'_>) -> Option<RawLine> {
    let fields = Fields::of(node, Spot::START, &keys::LINE, faults)?;
    let name = fields.read("line", faults, scalar::line_name);
    if let Some(name) = &name
        && name.value.as_str() != folder
    {
        let message = format!("line `{}` is in a folder named `{folder}`", name.value);
        faults.push(name.spot, message, format!("name the folder `{}`", name.value));
    }
    let title = fields.read("title", faults, scalar::line(text::LINE));
    let prefix = match fields.get("prefix") {
        Some(entry) => scalar::prefix(&entry.value, faults),
        None => name.as_ref().and_then(|name| {
            let value = Prefix::parse(name.value.as_str()).ok();
            if value.is_none() {
                let message = format!("no version begins with the line's name, `{}`", name.value);
                faults.push(name.spot, message, "add `prefix`, as in `prefix: \"1.8\"`");
            }
            Some(Located { spot: name.spot, value: value? })
        }),
    };
    let follows = fields.nested("follows", faults, follows);
    let stages =
        fields.nested("stages", faults, |node, at, faults| stages(node, at, &keys::LINE_STAGE, faults));
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    let paused = fields.read("paused", faults, paused).unwrap_or_default();
    let retired = fields.nested("retired", faults, event);
    if !faults.is_empty() {
        return None;
    }
    Some(RawLine { name: name?, title, prefix: prefix?, follows, stages, freezes, paused, retired })
}

fn follows(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<(Located<LineName>, TimeDelta)> {
    let fields = Fields::of(node, at, &keys::FOLLOWS, faults)?;
    let line = fields.read("line", faults, scalar::line_name);
    let grace = fields.read("grace", faults, duration).unwrap_or_default();
    Some((line?, grace))
}

fn stages(
    node: &Node<'_>,
    key: Spot,
    shape: &'static Shape,
    faults: &mut Faults<'_>,
) -> Option<Vec<RawStage>> {
    let stages = list(node, faults, |item, faults| Some(stage(item, shape, faults)))?;
    let known = stages.iter().map(|stage| {
        let stage = stage.as_ref()?;
        Some((&stage.name.value, stage.soak.as_ref().map(|soak| &soak.policy)))
    });
    let spot = |at: &At| in_stages(|place| stages.get(place)?.as_ref(), at).unwrap_or(key);
    for (at, rule) in rules::stages(known) {
        match &rule {
            Rule::StageTwice { first, .. } => {
                faults.broken_beside(spot(&at), &rule, spot(&At::Stage(*first)));
            }
            _ => faults.broken(spot(&at), &rule),
        }
    }
    stages.into_iter().collect()
}

/// A place in a list of stages. `None` where the list does not have it.
pub(super) fn in_stages<'s>(stage: impl Fn(usize) -> Option<&'s RawStage>, at: &At) -> Option<Spot> {
    match *at {
        At::Stage(place) => Some(stage(place)?.name.spot),
        At::Channel { stage: place, alias } => {
            let stage = stage(place)?;
            match alias {
                Some(alias) => Some(stage.aliases.get(alias)?.spot),
                None => Some(stage.channel.as_ref().map_or(stage.name.spot, |channel| channel.spot)),
            }
        }
        At::Soak(place) => Some(stage(place)?.soak.as_ref()?.key),
        At::SoakLimit { stage: place, urgency, limit } => {
            Some(stage(place)?.soak.as_ref()?.limit(urgency, limit))
        }
        _ => None,
    }
}

fn stage(node: &Node<'_>, shape: &'static Shape, faults: &mut Faults<'_>) -> Option<RawStage> {
    let fields = Fields::of(node, node.spot, shape, faults)?;
    let name = fields.read("name", faults, scalar::stage_name);
    let channel =
        own(shape, "channel", &fields, |fields| fields.read("channel", faults, scalar::channel_name));
    let aliases = own(shape, "aliases", &fields, |fields| {
        fields.read("aliases", faults, |node, faults| list(node, faults, scalar::channel_name))
    });
    let soak = fields.nested("soak", faults, soak);
    let window = fields.nested("windows", faults, window);
    Some(RawStage { name: name?, channel, aliases: aliases.unwrap_or_default(), soak, window })
}

/// Reads a key that only some shapes of a stage have.
fn own<'n, 'a, T>(
    shape: &'static Shape,
    name: &str,
    fields: &Fields<'n, 'a>,
    read: impl FnOnce(&Fields<'n, 'a>) -> Option<T>,
) -> Option<T> {
    if shape.keys.iter().any(|key| key.name == name) { read(fields) } else { None }
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

fn paused(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<(Located<StageName>, Event)>> {
    map(node, faults, |key, value, faults| {
        let stage = scalar::stage_name(key, faults);
        let event = event(value, key.spot, faults);
        Some((stage?, event?))
    })
}
