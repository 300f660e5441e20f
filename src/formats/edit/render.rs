//! Writes domain values as the text of a catalog file.

use std::fmt::Write;

use super::scalar::scalar;
use crate::domain::labels::Labels;
use crate::domain::line::{Follows, Line, Prefix};
use crate::domain::loosened::Loosened;
use crate::domain::payload::Payload;
use crate::domain::policy::{Soak, SoakPolicy};
use crate::domain::release::{Ended, Entry, Event, Outage, Release, Yank};
use crate::domain::rfc3339;
use crate::domain::span::Span;

/// The maximum width of a line, in bytes. A mapping that does not fit is written as a block.
const WIDTH: usize = 110;

/// Writes an entry into a stage, in flow form.
pub fn entry(entry: &Entry) -> String {
    let mut pairs = vec![("since", rfc3339(entry.since)), ("by", scalar(&entry.by))];
    if let Some(reason) = &entry.reason {
        pairs.push(("reason", scalar(reason)));
    }
    flow(&pairs)
}

/// Writes a hold, a pause or a retirement, in flow form.
pub fn event(event: &Event) -> String {
    flow(&event_pairs(event))
}

/// Writes a yank, in flow form.
pub fn yank(yank: &Yank) -> String {
    let mut pairs = event_pairs(&yank.event).to_vec();
    if let Some(to) = &yank.to {
        pairs.push(("to", scalar(&to.to_string())));
    }
    flow(&pairs)
}

/// Writes the record of a stop that is over, in flow form.
pub fn ended(ended: &Ended) -> String {
    flow(&[
        ("from", rfc3339(ended.from)),
        ("until", rfc3339(ended.until)),
        ("by", scalar(&ended.by)),
        ("reason", scalar(&ended.reason)),
    ])
}

/// Writes the record of a restraint that no longer counts, in flow form.
pub fn loosened(loosened: &Loosened) -> String {
    let what = [("what", scalar(&loosened.what.to_string()))];
    flow(&[&what[..], &event_pairs(&loosened.event)].concat())
}

/// Writes the times in which a payload was missing, in flow form.
pub fn outages(outages: &[Outage]) -> String {
    let outages = outages.iter().map(|outage| {
        let until = outage.until.map(|until| ("until", rfc3339(until)));
        let pairs: Vec<_> = [("from", rfc3339(outage.from))].into_iter().chain(until).collect();
        flow(&pairs)
    });
    format!("[{}]", outages.collect::<Vec<_>>().join(", "))
}

fn event_pairs(event: &Event) -> [(&'static str, String); 3] {
    [("at", rfc3339(event.at)), ("by", scalar(&event.by)), ("reason", scalar(&event.reason))]
}

fn flow(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// Writes the file of a new line. What the line inherits is left out.
pub fn line(line: &Line, inherits_soak: bool) -> String {
    let inherited = if inherits_soak { "Stages, soak, windows and freezes" } else { "Windows and freezes" };
    let mut lines = Lines(format!("# {inherited} come from policy.yaml, unless they are set here.\n"));
    lines.push("format", "1");
    lines.push("line", &scalar(line.name.as_str()));
    if let Some(title) = &line.title {
        lines.push("title", &scalar(title));
    }
    if Prefix::parse(line.name.as_str()) != Ok(line.prefix) {
        lines.push("prefix", &scalar(&line.prefix.to_string()));
    }
    if let Some(Follows { line, grace }) = &line.follows {
        let grace = (!grace.is_zero()).then(|| ("grace", Span(*grace).to_string()));
        let pairs: Vec<_> = [("line", scalar(line.as_str()))].into_iter().chain(grace).collect();
        lines.push("follows", &flow(&pairs));
    }
    if !inherits_soak {
        lines.block(
            "stages",
            line.stages
                .iter()
                .map(|stage| {
                    let soak = stage.soak.as_ref().map(|own| ("soak", soak(own)));
                    flow(&[("name", scalar(stage.name.as_str()))].into_iter().chain(soak).collect::<Vec<_>>())
                })
                .map(|stage| format!("- {stage}")),
        );
    }
    lines.0
}

fn soak(SoakPolicy { normal, security, why, security_why }: &SoakPolicy) -> String {
    let limits = |soak: &Soak, why: &Option<String>| {
        let mut pairs = vec![("min", Span(soak.min).to_string()), ("max", Span(soak.max).to_string())];
        pairs.extend(why.iter().map(|why| ("why", scalar(why))));
        pairs
    };
    let mut pairs = limits(normal, why);
    if security != normal {
        pairs.push(("security", flow(&limits(security, security_why))));
    }
    flow(&pairs)
}

/// Writes the file of a new release.
pub fn release(line: &Line, release: &Release) -> String {
    let mut lines = Lines(String::new());
    lines.push("format", "1");
    lines.push("version", &scalar(&release.version.to_string()));
    lines.push("urgency", release.urgency.as_str());
    if let Some(summary) = &release.summary {
        lines.push("summary", &scalar(summary));
    }
    if let Some(replaces) = &release.replaces {
        lines.push("replaces", &scalar(&replaces.to_string()));
    }
    lines.map("links", &release.links);
    lines.map("components", &release.components);
    lines.block("payloads", release.payloads.iter().map(|one| format!("- {}", payload(one))));
    lines.push("barrier", if release.barrier { "true" } else { "false" });
    let entries = line.stages.iter().zip(&release.entries);
    lines.block(
        "stages",
        entries.filter_map(|(stage, one)| {
            Some(format!("{}: {}", scalar(stage.name.as_str()), entry(one.as_ref()?)))
        }),
    );
    if let Some(hold) = &release.hold {
        lines.push("hold", &event(hold));
    }
    if let Some(one) = &release.yank {
        lines.push("yank", &yank(one));
    }
    for (key, stops) in [("resumed", release.resumed()), ("unyanked", release.unyanked())] {
        lines.block(key, stops.iter().map(|one| format!("- {}", ended(one))));
    }
    if !release.unavailable().is_empty() {
        lines.push("unavailable", &outages(release.unavailable()));
    }
    lines.0
}

fn payload(payload: &Payload) -> String {
    let mut pairs = vec![
        ("file", scalar(&payload.file)),
        ("sha256", scalar(&payload.sha256.to_string())),
        ("size", payload.size.to_string()),
    ];
    if let Some(arch) = &payload.arch {
        pairs.push(("arch", scalar(arch)));
    }
    flow(&pairs)
}

/// Text that grows line by line. Writing to a `String` cannot fail.
struct Lines(String);

impl Lines {
    fn push(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.0, "{key}: {value}");
    }

    fn block(&mut self, key: &str, items: impl Iterator<Item = String>) {
        for (i, item) in items.enumerate() {
            if i == 0 {
                let _ = writeln!(self.0, "{key}:");
            }
            let _ = writeln!(self.0, "  {item}");
        }
    }

    fn map(&mut self, key: &str, map: &Labels) {
        if map.is_empty() {
            return;
        }
        let pairs: Vec<String> =
            map.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
        let line = format!("{{ {} }}", pairs.join(", "));
        if key.len() + 2 + line.len() <= WIDTH {
            self.push(key, &line);
        } else {
            self.block(key, pairs.into_iter());
        }
    }
}
