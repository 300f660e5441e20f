//! A release: where it stands, what keeps it, who can change that, and what is in it.
//!
//! The page is made when it is asked for, from the two documents that are published about a release. So it says the
//! same as they do, on a mirror as well.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::frame::{Place, page, table};
use super::history;
use super::mark::{Mark, mark};
use super::text::{channel, day, link, said, sentence, time, with_command};
use crate::domain::Time;
use crate::domain::history::Happened;
use crate::words::counted;

/// What `/v1/releases/VERSION/explain` says, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct Explained {
    pub version: String,
    pub line: String,
    pub urgency: String,
    pub state: String,
    pub message: String,
    pub entered: Vec<Entered>,
    pub next: Option<Next>,
    /// There if a payload or a signature is missing, so that no stage offers the release.
    #[serde(default)]
    pub withheld: Option<IgnoredAny>,
    pub remedies: Vec<String>,
    #[serde(default)]
    pub commands: Vec<Command>,
}

/// A stage that the release has entered.
#[derive(Debug, Deserialize)]
pub struct Entered {
    pub channel: String,
    pub since: Time,
}

/// The decision about its next stage.
#[derive(Debug, Deserialize)]
pub struct Next {
    pub from: Option<String>,
    pub to: String,
    pub overdue: bool,
    pub gates: Vec<Gate>,
}

/// One gate.
#[derive(Debug, Deserialize)]
pub struct Gate {
    pub gate: String,
    pub state: String,
    pub until: Option<Time>,
    pub message: String,
}

/// The command of a remedy, in the order of [`Explained::remedies`].
#[derive(Debug, Deserialize)]
pub struct Command {
    pub command: Option<String>,
}

/// A release manifest, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    pub signatures: Vec<Signature>,
    pub signed: Contents,
}

/// A signature of the manifest.
#[derive(Debug, Deserialize)]
pub struct Signature {
    pub keyid: String,
}

/// What the manifest says.
#[derive(Debug, Deserialize)]
pub struct Contents {
    pub summary: Option<String>,
    #[serde(default)]
    pub barrier: bool,
    pub follows: Option<String>,
    #[serde(default)]
    pub components: BTreeMap<String, String>,
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    #[serde(default)]
    pub not_before: BTreeMap<String, Time>,
    pub payloads: Vec<Payload>,
    pub signed_at: Option<Time>,
}

/// A payload.
#[derive(Debug, Deserialize)]
pub struct Payload {
    pub file: String,
    pub sha256: String,
    pub size: u64,
    pub arch: Option<String>,
}

/// What the catalog records of a release, and whether people are named.
#[derive(Debug)]
pub struct Records<'a> {
    /// As the catalog has it. A manifest has ASCII only.
    pub summary: Option<&'a str>,
    pub happened: Vec<Happened<'a>>,
    pub names: bool,
}

/// Makes the page of a release. `manifest` is its signed manifest, if it has one that is published.
pub fn release_page(
    explained: &Explained,
    manifest: Option<&Manifest>,
    records: Option<&Records<'_>>,
) -> Markup {
    let contents = manifest.map(|manifest| &manifest.signed);
    let signed = contents.and_then(|contents| contents.summary.as_deref());
    let summary = records.and_then(|records| records.summary).or(signed);
    let content = html! {
        div {
            p.soft.small { a href="/" { "Board" } " / " (explained.line) }
            h1.v { (explained.version) }
            p.say { (state(explained)) " " (sentence(&explained.message)) }
            @if let Some(summary) = summary { p dir="auto" { (summary) } }
            (stages(explained))
            @if explained.urgency == "security" { p { (mark(Mark::Stop, "Security release")) ": a shorter soak may apply." } }
            @if contents.is_some_and(|contents| contents.barrier) { p { "A barrier: no cluster may skip it." } }
        }
        (remedies(explained))
        @if let Some(next) = &explained.next { (gates(next)) }
        div.two {
            (happened(explained, records, contents.and_then(|contents| contents.signed_at)))
            (contents_of(explained, manifest))
        }
    };
    page(&explained.version, Place::Inner, &content)
}

/// The state of a release, in a word or two: whether it is on offer at all, and whether it goes on.
fn state(explained: &Explained) -> Markup {
    let withheld = explained.withheld.map(|_| mark(Mark::Stop, "Not on offer"));
    let is_held = || {
        explained
            .next
            .iter()
            .flat_map(|next| &next.gates)
            .any(|gate| gate.gate == "hold" && gate.state == "blocks")
    };
    let is_overdue = explained.next.as_ref().is_some_and(|next| next.overdue);
    let goes_on = match explained.state.as_str() {
        "promoted" if withheld.is_some() => html! {},
        "promoted" => mark(Mark::Go, "Released"),
        "due" => mark(Mark::Wait, "Due"),
        "waiting" if is_overdue => mark(Mark::Stop, "Overdue"),
        "waiting" => mark(Mark::Wait, "Waits"),
        "blocked" if is_held() => mark(Mark::Stop, "On hold"),
        "blocked" => mark(Mark::Stop, "Blocked"),
        "yanked" => mark(Mark::Stop, "Yanked"),
        _ => html! {},
    };
    html! { @if let Some(withheld) = withheld { (withheld) " " } (goes_on) }
}

/// The stages that the release has entered, each with what is true there now.
fn stages(Explained { entered, withheld, state, .. }: &Explained) -> Markup {
    let (sign, word) = match (state.as_str(), withheld) {
        ("yanked", _) => (Mark::Stop, "Yanked"),
        (_, Some(_)) => (Mark::Stop, "Not on offer"),
        (_, None) => (Mark::Go, "On offer"),
    };
    html! {
        @if !entered.is_empty() {
            ul.plain { @for one in entered { li { (mark(sign, word)) " in " (channel(&one.channel)) ", entered " (day(one.since)) } } }
        }
    }
}

/// What people can do: who, and with which command.
fn remedies(Explained { remedies, commands, state, .. }: &Explained) -> Markup {
    let stops = ["blocked", "yanked"].contains(&state.as_str());
    html! {
        @if !remedies.is_empty() {
            section.card.halt-edge[stops] aria-labelledby="remedies" {
                h2 #remedies { "What can be done" }
                ul.plain {
                    @for (place, remedy) in remedies.iter().enumerate() {
                        @let command = commands.get(place).and_then(|one| one.command.as_deref());
                        li { (with_command(remedy, command)) }
                    }
                }
            }
        }
    }
}

fn gates(next: &Next) -> Markup {
    html! {
        section.card aria-labelledby="gates" {
            h2 #gates {
                @match &next.from {
                    Some(from) => { "From " (channel(from)) " to " (channel(&next.to)) }
                    None => { "Into " (channel(&next.to)) }
                }
            }
            @let rows = html! { @for one in &next.gates { (gate(one)) } };
            (table(&["Gate", "State", "Why", "Opens"], &rows))
        }
    }
}

fn gate(gate: &Gate) -> Markup {
    html! {
        tr {
            td { (name(&gate.gate)) }
            td.state { (gate_state(&gate.state)) }
            td { (sentence(&gate.message)) }
            td.soft data-head="opens" {
                @match (gate.until, gate.state.as_str()) {
                    (Some(at), _) => (super::text::until(at)),
                    (None, "blocks") => "when somebody acts",
                    _ => "",
                }
            }
        }
    }
}

fn gate_state(state: &str) -> Markup {
    match state {
        "passes" => mark(Mark::Go, "Open"),
        "waits" => mark(Mark::Wait, "Waits"),
        _ => mark(Mark::Stop, "Closed"),
    }
}

/// The name of a gate as people say it.
fn name(gate: &str) -> String {
    let name = match gate {
        "not_before" => "signed time",
        "signed" => "signature",
        "expired" => "expiry",
        "paused" => "pause",
        "retired" => "retirement",
        "yanked" => "yank",
        "recorded" => "entry",
        other => other,
    };
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// What has happened to the release, the latest first. Without the catalog's records, which a mirror lacks, only its
/// entries are known.
fn happened(explained: &Explained, records: Option<&Records<'_>>, signed: Option<Time>) -> Markup {
    let mut all: Vec<(Time, Markup)> = if let Some(Records { happened, names, .. }) = records {
        happened.iter().map(|one| (one.at, history::item(one, *names))).collect()
    } else {
        let entered = explained.entered.iter();
        entered.map(|one| (one.since, html! { p { "Entered " (channel(&one.channel)) } })).collect()
    };
    all.extend(signed.map(|at| (at, html! { p { "Signed as it is now" } })));
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    html! {
        section.card aria-labelledby="history" {
            h2 #history { "History" }
            @if all.is_empty() { p.soft { "It has entered no stage yet." } }
            ul.list { @for (at, item) in &all { li { span.when { (day(*at)) } div { (item) } } } }
        }
    }
}

fn contents_of(explained: &Explained, manifest: Option<&Manifest>) -> Markup {
    let version = explained.version.as_str();
    let path = format!("/v1/releases/{version}");
    html! {
        section.card aria-labelledby="contents" {
            h2 #contents { "Contents" }
            dl.facts {
                dt { "Urgency" } dd { (explained.urgency) }
                @match manifest {
                    Some(Manifest { signed, signatures }) => {
                        @if !signed.components.is_empty() {
                            dt { "Components" }
                            dd { @for (place, (name, version)) in signed.components.iter().enumerate() { @if place > 0 { ", " } (name) " " span.v { (version) } } }
                        }
                        @for (name, address) in &signed.links { dt { "Link" } dd { (link(address, name)) } }
                        @if let Some(follows) = &signed.follows { dt { "Entered from" } dd { "line " (follows) } }
                        @for payload in &signed.payloads { (payload_of(version, payload)) }
                        dt { "Signed by" }
                        dd { (counted(signatures.len(), "key")) ": " @for one in signatures { code { (one.keyid.get(..12).unwrap_or(&one.keyid)) } " " } }
                        @for (stage, at) in &signed.not_before { dt { (stage) " from" } dd { (time(*at)) ", as signed" } }
                        dt { "Manifest" } dd { a href=(path) { code { (path) } } }
                    }
                    None => { dt { "Manifest" } dd { "not published" } }
                }
                dt { "As JSON" } dd { a href={ (path) "/explain" } { code { (path) "/explain" } } }
            }
        }
    }
}

fn payload_of(version: &str, Payload { file, sha256, size, arch }: &Payload) -> Markup {
    html! {
        dt { "Payload" }
        dd {
            a href={ "/v1/payloads/" (version) "/" (file) } { code { (file) } } ", " (size) " bytes"
            @if let Some(arch) = arch { ", for " (said(arch)) }
        }
        dt { "SHA-256" } dd { code { (sha256) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_cannot_be_served_is_not_marked_as_released() {
        let page = |withheld: Option<&str>| {
            let mut said = serde_json::json!({
                "version": "1.8.4", "line": "1.8", "urgency": "normal", "state": "promoted", "message": "it is here",
                "entered": [{"channel": "1.8-production", "since": "2018-01-02T00:00:00Z"}],
                "next": null, "remedies": [],
            });
            if let Some(missing) = withheld {
                said["withheld"] = serde_json::json!({"payload": missing});
            }
            release_page(&serde_json::from_value(said).unwrap(), None, None).into_string()
        };
        let served = page(None);
        assert!(served.contains("Released</span>") && served.contains("On offer</span> in"), "{served}");
        let withheld = page(Some("missing"));
        assert!(!withheld.contains("Released") && !withheld.contains("On offer"), "{withheld}");
        assert!(withheld.contains("Not on offer</span> in"), "{withheld}");
    }
}
