//! Reads a line's file and the policy, each on its own.

use std::collections::BTreeMap;

use super::event;
use super::faults::Faults;
use super::fields::{Fields, list, map};
use super::keys::{self, FORMAT, Form, Key, Shape, may, must};
use super::node::Node;
use super::scalar;
use super::stage::{LINE_STAGE, POLICY_STAGE, RawStage, stages};
use super::when::{duration, time};
use crate::domain::channel::{LineName, StageName};
use crate::domain::line::{Follows, Line, Prefix};
use crate::domain::loosened::Loosened;
use crate::domain::policy::Freeze;
use crate::domain::release::{Ended, Event};
use crate::domain::rules::{self, text};
use crate::formats::fault::Spot;

const FREEZES: Key =
    may("freezes", Form::List(&Form::Shape(&keys::FREEZE)), "Periods in which nothing is promoted.");

pub const POLICY: Shape = Shape {
    about: "Tidegate: the defaults of every line",
    keys: &[
        FORMAT,
        may(
            "stages",
            Form::List(&Form::Shape(&POLICY_STAGE)),
            "The stages, in the order in which releases go through them.",
        ),
        FREEZES,
        may(
            "loosened",
            Form::List(&Form::Shape(&keys::LOOSENED)),
            "The restraints that were taken back on purpose.",
        ),
    ],
};

pub const LINE: Shape = Shape {
    about: "Tidegate: a release line",
    keys: &[
        FORMAT,
        must("line", Form::Name, "The line's name, which must match its folder's name."),
        may("title", Form::Line(text::LINE), "The line's title, for people to read."),
        may("prefix", Form::Prefix, "The prefix of its versions, if it is not the line's name."),
        may("follows", Form::Shape(&keys::FOLLOWS), "The line from which clusters may enter this one."),
        may(
            "stages",
            Form::List(&Form::Shape(&LINE_STAGE)),
            "The stages, if they differ from the policy's. Defaults come from the policy's stage of the same name.",
        ),
        FREEZES,
        may("paused", Form::Map(&Form::Shape(&keys::EVENT)), "The channels that are paused, by stage."),
        may("resumed", Form::Map(&keys::ENDED_STOPS), "The pauses that somebody ended, by stage."),
        may("retired", Form::Shape(&keys::EVENT), "Set once the line takes no new releases."),
    ],
};

/// The content of `policy.yaml`.
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub stages: Vec<RawStage>,
    pub freezes: Vec<Freeze>,
    pub loosened: Vec<Loosened>,
}

/// The content of a `line.yaml`, before the policy is merged into it.
#[derive(Debug)]
pub(super) struct RawLine {
    /// The line without stages and releases.
    pub line: Line,
    pub stages: Option<Vec<RawStage>>,
    pub paused: Vec<(StageName, Event)>,
    /// A pause of nobody knows which stage, which pauses them all.
    pub all_paused: Option<Event>,
    pub resumed: Vec<(StageName, Vec<Ended>)>,
}

impl RawLine {
    /// Creates a line with a name and nothing else.
    pub fn named(name: LineName, prefix: Prefix) -> Self {
        let line = Line {
            name,
            title: None,
            prefix,
            follows: None,
            stages: Vec::new(),
            freezes: Vec::new(),
            retired: None,
            signed_until: None,
            releases: BTreeMap::new(),
        };
        Self { line, stages: None, paused: Vec::new(), all_paused: None, resumed: Vec::new() }
    }

    /// Returns the pause of a stage's channel.
    pub fn paused(&self, stage: &StageName) -> Option<Event> {
        self.paused.iter().find(|(paused, _)| paused == stage).map(|(_, pause)| pause.clone())
    }

    /// Returns the pauses of a stage's channel that somebody ended.
    pub fn resumed(&self, stage: &StageName) -> Vec<Ended> {
        let resumed = self.resumed.iter().find(|(resumed, _)| resumed == stage);
        resumed.map_or_else(Vec::new, |(_, ended)| ended.clone())
    }
}

/// The defaults without a policy: the stages of a line that does not list its own.
impl Default for RawPolicy {
    fn default() -> Self {
        let names = StageName::DEFAULT.into_iter().filter_map(|name| StageName::parse(name).ok());
        let stages = names.map(RawStage::named);
        Self { stages: stages.collect(), freezes: Vec::new(), loosened: Vec::new() }
    }
}

/// Reads the policy, as far as it has no faults.
pub(super) fn policy(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<RawPolicy> {
    let fields = Fields::of(node, Spot::START, &POLICY, faults)?;
    let stages = stages(node, fields, &POLICY_STAGE, faults);
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    let stages = stages.unwrap_or_else(|| RawPolicy::default().stages);
    let loosened = fields.read("loosened", faults, loosened).unwrap_or_default();
    Some(RawPolicy { stages, freezes, loosened })
}

/// Reads a line. `folder` is the name of its folder. If there is a fault, the line has what could be read, and
/// nothing but its stops may be relied on.
pub(super) fn line(node: &Node<'_>, folder: &str, faults: &mut Faults<'_>) -> Option<RawLine> {
    let fields = Fields::of(node, Spot::START, &LINE, faults)?;
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
    let stages = stages(node, fields, &LINE_STAGE, faults);
    let freezes = fields.read("freezes", faults, freezes).unwrap_or_default();
    let paused = fields.read("paused", faults, paused).unwrap_or_default();
    let resumed = fields.read("resumed", faults, resumed).unwrap_or_default();
    let retired = fields.nested("retired", faults, event::event);
    let name = LineName::parse(folder).ok().or(name)?;
    let prefix = prefix.or_else(|| Prefix::parse(name.as_str()).ok())?;
    let raw = RawLine::named(name, prefix);
    let line = Line { title, follows, freezes, retired, ..raw.line };
    Some(RawLine { line, stages, paused, all_paused: None, resumed })
}

fn follows(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Follows> {
    let fields = Fields::of(node, at, &keys::FOLLOWS, faults)?;
    let line = fields.read("line", faults, scalar::line_name);
    let grace = fields.read("grace", faults, duration).unwrap_or_default();
    Some(Follows { line: line?, grace })
}

fn loosened(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Loosened>> {
    list(node, faults, |item, faults| {
        let fields = Fields::of(item, item.spot, &keys::LOOSENED, faults)?;
        let what = fields.read("what", faults, scalar::what);
        let event = event::of(&fields, faults);
        Some(Loosened { what: what?, event: event? })
    })
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
        let event = event::stop(value, key.spot, faults);
        Some((stage?, event?))
    })
}

fn resumed(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<(StageName, Vec<Ended>)>> {
    map(node, faults, |key, value, faults| {
        let stage = scalar::stage_name(key, faults);
        let ended = event::ended(value, faults);
        Some((stage?, ended?))
    })
}
