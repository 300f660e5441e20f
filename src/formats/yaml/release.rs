//! A release's file, by itself.

use std::sync::Arc;

use super::event::{self, event};
use super::faults::Faults;
use super::fields::{Fields, list, map};
use super::keys;
use super::node::Node;
use super::scalar::{self, Located};
use super::when::time;
use crate::domain::channel::StageName;
use crate::domain::labels::Labels;
use crate::domain::payload::Payload;
use crate::domain::policy::Urgency;
use crate::domain::release::{Entry, Event};
use crate::domain::rules::{self, Part, Rule, text};
use crate::domain::version::Version;
use crate::formats::fault::Spot;

/// What a release's file says, before its entries are put to the stages of its line.
#[derive(Debug)]
pub(super) struct RawRelease {
    pub version: Located<Version>,
    pub urgency: Urgency,
    pub summary: Option<String>,
    pub links: Labels,
    pub components: Labels,
    pub payloads: Arc<[Payload]>,
    pub barrier: bool,
    pub replaces: Option<Located<Version>>,
    pub stages: Box<[RawEntry]>,
    /// Few releases have these.
    pub hold: Option<Box<Event>>,
    pub yank: Option<Box<RawYank>>,
}

/// A release entering a stage.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub stage: Located<StageName>,
    /// The place of the time.
    pub since: Spot,
    pub entry: Entry,
}

/// The end of a release's offer.
#[derive(Debug)]
pub(super) struct RawYank {
    /// The place of `yank`.
    pub key: Spot,
    pub event: Event,
    pub to: Option<Located<Version>>,
}

/// Reads a release. `stem` is the file's name without `.yaml`. `None` where there was a fault.
pub(super) fn release(node: &Node<'_>, stem: &str, faults: &mut Faults<'_>) -> Option<RawRelease> {
    let fields = Fields::of(node, Spot::START, &keys::RELEASE, faults)?;
    let version = fields.read("version", faults, scalar::version);
    if let Some(version) = &version {
        let name = version.value.to_string();
        if name != stem {
            let message = format!("version `{name}` is in a file named `{stem}.yaml`");
            faults.push(version.spot, message, format!("name the file `{name}.yaml`"));
        }
    }
    let urgency = fields.read("urgency", faults, scalar::urgency).unwrap_or_default();
    let summary = fields.read("summary", faults, scalar::line(text::LINE));
    let links = fields.read("links", faults, |node, faults| labels(node, faults, scalar::link));
    let components =
        fields.read("components", faults, |node, faults| labels(node, faults, scalar::line(text::LINE)));
    let payloads = fields.nested("payloads", faults, payloads);
    let barrier = fields.read("barrier", faults, scalar::flag).unwrap_or_default();
    let replaces = fields.read("replaces", faults, scalar::version);
    let stages = fields.read("stages", faults, entries).unwrap_or_default();
    let hold = fields.nested("hold", faults, event);
    let yank = fields.nested("yank", faults, yank);
    // A note is checked and dropped, so that it cannot be published.
    fields.read("note", faults, scalar::lines(text::NOTE));
    if !faults.is_empty() {
        return None;
    }
    Some(RawRelease {
        version: version?,
        urgency,
        summary,
        links: links.unwrap_or_default(),
        components: components.unwrap_or_default(),
        payloads: payloads?.into(),
        barrier,
        replaces,
        stages: stages.into_boxed_slice(),
        hold: hold.map(Box::new),
        yank: yank.map(Box::new),
    })
}

/// Texts by name.
fn labels(
    node: &Node<'_>,
    faults: &mut Faults<'_>,
    read: impl Fn(&Node<'_>, &mut Faults<'_>) -> Option<String>,
) -> Option<Labels> {
    let entries = map(node, faults, |key, value, faults| {
        let name = scalar::part_name(key, faults);
        Some((name?, read(value, faults)?))
    })?;
    Some(entries.into_iter().collect())
}

fn payloads(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Vec<Payload>> {
    let mut files: Vec<Option<Located<String>>> = Vec::new();
    let payloads = list(node, faults, |item, faults| {
        let Some(fields) = Fields::of(item, item.spot, &keys::PAYLOAD, faults) else {
            files.push(None);
            return None;
        };
        let file = fields.get("file").and_then(|entry| {
            let value = scalar::file_name(&entry.value, faults)?;
            Some(Located { spot: entry.value.spot, value })
        });
        files.push(file.clone());
        let sha256 = fields.read("sha256", faults, scalar::digest);
        let size = fields.read("size", faults, scalar::size);
        let arch = fields.read("arch", faults, scalar::arch);
        Some(Payload { file: file?.value, sha256: sha256?, size: size?, arch })
    })?;
    let spot = |place: usize| files.get(place).and_then(Option::as_ref).map_or(at, |file| file.spot);
    for (part, rule) in rules::payloads(files.iter().map(|file| Some(&*file.as_ref()?.value))) {
        match (part, &rule) {
            (Part::Payload(place), Rule::PayloadTwice { first, .. }) => {
                faults.broken_beside(spot(place), &rule, spot(*first));
            }
            _ => faults.broken(at, &rule),
        }
    }
    Some(payloads)
}

fn entries(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<RawEntry>> {
    map(node, faults, |key, value, faults| {
        let stage = scalar::stage_name(key, faults);
        let fields = Fields::of(value, key.spot, &keys::ENTRY, faults)?;
        let since = fields.read("since", faults, time);
        let by = fields.read("by", faults, scalar::line(text::AUTHOR));
        let reason = fields.read("reason", faults, scalar::line(text::REASON));
        let spot = fields.get("since").map_or(key.spot, |entry| entry.value.spot);
        Some(RawEntry { stage: stage?, since: spot, entry: Entry { since: since?, by: by?, reason } })
    })
}

fn yank(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<RawYank> {
    let fields = Fields::of(node, at, &keys::YANK, faults)?;
    let event = event::of(&fields, faults);
    let to = fields.read("to", faults, scalar::version);
    Some(RawYank { key: at, event: event?, to })
}
