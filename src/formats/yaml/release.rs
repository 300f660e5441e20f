//! Reads a release's file on its own.

use super::event;
use super::faults::Faults;
use super::fields::{Fields, list, map};
use super::keys;
use super::node::Node;
use super::scalar;
use super::spots::in_release;
use super::when::time;
use crate::domain::channel::StageName;
use crate::domain::labels::Labels;
use crate::domain::payload::Payload;
use crate::domain::policy::Urgency;
use crate::domain::release::{Entries, Entry, Evidence, Outage, Past, Release, ReleaseFile, Yank};
use crate::domain::rules::{self, Part, Rule, text};
use crate::domain::version::Version;
use crate::formats::fault::Spot;

/// The content of a release's file, before its entries are assigned to the stages of its line.
#[derive(Debug)]
pub(super) struct RawRelease {
    /// The release without entries.
    pub release: Release,
    /// Whether the file has the name of the version that it describes. A copy beside it has not.
    pub named: bool,
    pub entries: Box<[(StageName, Entry)]>,
}

impl RawRelease {
    /// Creates a release of which nothing else can be read.
    pub fn unread(version: Version) -> Self {
        let release = Release::new(
            ReleaseFile {
                version,
                urgency: Urgency::default(),
                summary: None,
                links: Labels::default(),
                components: Labels::default(),
                payloads: [].into(),
                barrier: false,
                replaces: None,
                hold: None,
                yank: None,
                past: None,
            },
            Entries::default(),
            Evidence::default(),
        );
        Self { release, named: true, entries: Box::default() }
    }
}

/// Reads a release. `stem` is the file's name without `.yaml`. If there is a fault, the release has what could
/// be read, and nothing but its stops may be relied on.
pub(super) fn release(node: &Node<'_>, stem: &str, faults: &mut Faults<'_>) -> Option<RawRelease> {
    let fields = Fields::of(node, Spot::START, &keys::RELEASE, faults)?;
    let version = fields.read("version", faults, scalar::version);
    if let (Some(version), Some(entry)) = (&version, fields.get("version"))
        && version.to_string() != stem
    {
        let message = format!("version `{version}` is in a file named `{stem}.yaml`");
        faults.push(entry.value.spot, message, format!("name the file `{version}.yaml`"));
    }
    let urgency = fields.read("urgency", faults, scalar::urgency).unwrap_or_default();
    let summary = fields.read("summary", faults, scalar::line(text::LINE));
    let links = fields.read("links", faults, |node, faults| labels(node, faults, scalar::link));
    let components =
        fields.read("components", faults, |node, faults| labels(node, faults, scalar::line(text::LINE)));
    let payloads = payloads(node, fields, faults);
    let barrier = fields.read("barrier", faults, scalar::flag).unwrap_or_default();
    let replaces = fields.read("replaces", faults, scalar::version);
    let entries = fields.read("stages", faults, entries).unwrap_or_default();
    let hold = fields.nested("hold", faults, event::stop);
    let yank = fields.nested("yank", faults, yank);
    let past = Past {
        resumed: fields.read("resumed", faults, event::ended).unwrap_or_default(),
        unyanked: fields.read("unyanked", faults, event::ended).unwrap_or_default(),
        unavailable: fields.read("unavailable", faults, outages).unwrap_or_default(),
    };
    // A note is checked and dropped, so that it cannot be published.
    fields.read("note", faults, scalar::lines(text::NOTE));
    let named = version.as_ref().is_none_or(|version| version.to_string() == stem);
    // A new file often begins as a copy of another, with the version still to be changed.
    let version = Version::parse(stem).ok().or(version)?;
    let release = Release::new(
        ReleaseFile {
            version,
            urgency,
            summary,
            links: links.unwrap_or_default(),
            components: components.unwrap_or_default(),
            payloads: payloads.unwrap_or_default().into(),
            barrier,
            replaces,
            hold: hold.map(Box::new),
            yank: yank.map(Box::new),
            past: (past != Past::default()).then(|| Box::new(past)),
        },
        Entries::default(),
        Evidence::default(),
    );
    Some(RawRelease { release, named, entries: entries.into() })
}

/// Reads a map from names to text.
fn labels(
    node: &Node<'_>,
    faults: &mut Faults<'_>,
    read: impl Fn(&Node<'_>, &mut Faults<'_>) -> Option<String>,
) -> Option<Labels> {
    let entries = map(node, faults, |key, value, faults| {
        let name = scalar::label(key, faults);
        Some((name?, read(value, faults)?))
    })?;
    Some(entries.into_iter().collect())
}

/// Reads the payloads of a release, and reports faults in the list as a whole.
fn payloads(root: &Node<'_>, fields: Fields<'_, '_>, faults: &mut Faults<'_>) -> Option<Vec<Payload>> {
    let mut files: Vec<Option<String>> = Vec::new();
    let payloads = fields.read("payloads", faults, |node, faults| {
        list(node, faults, |item, faults| {
            let fields = Fields::of(item, item.spot, &keys::PAYLOAD, faults);
            let file = fields.and_then(|fields| fields.read("file", faults, scalar::file_name));
            files.push(file.clone());
            let fields = fields?;
            let sha256 = fields.read("sha256", faults, scalar::digest);
            let size = fields.read("size", faults, scalar::size);
            let arch = fields.read("arch", faults, scalar::arch);
            Some(Payload { file: file?, sha256: sha256?, size: size?, arch })
        })
    })?;
    for (part, rule) in rules::payloads(files.iter().map(Option::as_deref)) {
        let spot = in_release(root, &part);
        match rule {
            Rule::PayloadTwice { first, .. } => {
                faults.broken_beside(spot, &rule, in_release(root, &Part::Payload(first)));
            }
            _ => faults.broken(spot, &rule),
        }
    }
    Some(payloads)
}

fn outages(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Outage>> {
    list(node, faults, |item, faults| {
        let fields = Fields::of(item, item.spot, &keys::OUTAGE, faults)?;
        let from = fields.read("from", faults, time);
        let until = fields.read("until", faults, time);
        Some(Outage { from: from?, until })
    })
}

fn entries(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<(StageName, Entry)>> {
    map(node, faults, |key, value, faults| {
        let stage = scalar::stage_name(key, faults);
        let fields = Fields::of(value, key.spot, &keys::ENTRY, faults)?;
        let since = fields.read("since", faults, time);
        let by = fields.read("by", faults, scalar::line(text::AUTHOR));
        let reason = fields.read("reason", faults, scalar::line(text::REASON));
        Some((stage?, Entry::new(since?, by?, reason)))
    })
}

pub(super) fn yank(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Yank> {
    let fields = Fields::of(node, at, &keys::YANK, faults);
    let event = fields.and_then(|fields| event::of(&fields, faults));
    let to = fields.and_then(|fields| fields.read("to", faults, scalar::version));
    let event = event.or_else(|| (!event::is_nothing(node)).then(event::unread))?;
    Some(Yank { event, to })
}
