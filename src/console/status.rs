//! Status: what is degraded, and how fresh the answers are, as a page for a wall.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::frame::{Place, page};
use super::mark::{Mark, mark};
use super::text::{channel, release, sentence, until};
use crate::domain::Time;
use crate::domain::degraded::DegradedKind;
use crate::domain::not_promoting::NotPromoting;
use crate::words::{self, problem};

/// How the server is.
#[derive(Debug)]
pub struct Health {
    pub now: Time,
    pub degraded: Vec<Trouble>,
    /// Whether only the admin listener shows the details of problems.
    pub is_brief: bool,
    pub not_promoting: Option<NotPromoting>,
    /// How many releases are due, wait, are blocked and are overdue.
    pub counts: [usize; 4],
    pub publication: Option<Published>,
}

/// One thing that is degraded.
#[derive(Debug)]
pub struct Trouble {
    pub kind: DegradedKind,
    /// What it is, and how to mend it, if the reader may know.
    pub detail: Option<String>,
    pub since: Option<Time>,
    /// The channels of the line that is concerned.
    pub channels: Vec<String>,
    /// The first release that is concerned.
    pub release: Option<String>,
}

/// The publication that is served.
#[derive(Debug)]
pub struct Published {
    pub version: u64,
    pub made: Time,
    pub expires: Time,
}

/// Says on top of a page what is degraded. The script keeps it current.
pub fn note<'a>(
    kinds: impl Iterator<Item = &'a DegradedKind>,
    not_promoting: Option<NotPromoting>,
) -> Markup {
    let failing = not_promoting.and_then(|why| match why {
        NotPromoting::Off => None,
        NotPromoting::Clock(_) => Some(DegradedKind::ClockUntrusted),
        NotPromoting::Failing(kind) => Some(kind),
    });
    let kinds: BTreeSet<DegradedKind> = kinds.copied().chain(failing).collect();
    html! {
        div #degraded {
            @if !kinds.is_empty() {
                p.note {
                    (mark(Mark::Stop, "Degraded")) ": "
                    @for (place, kind) in kinds.iter().enumerate() { @if place > 0 { ", " } (problem(*kind).title) }
                    ". " a href="/status" { "Status" }
                }
            }
        }
    }
}

/// The same page with another note on top.
pub fn with_note(page: &str, note: &Markup) -> String {
    let begin = page.find(NOTE);
    let parts = begin.and_then(|begin| Some((&page[..begin], page[begin..].split_once("</div>")?.1)));
    parts.map_or_else(|| page.to_owned(), |(before, after)| format!("{before}{}{after}", note.0))
}

/// How the note begins. It has no other `div` in it.
const NOTE: &str = r#"<div id="degraded">"#;

/// Makes the page.
pub fn status(health: &Health) -> Markup {
    let Health { now, degraded, is_brief, not_promoting, counts, publication } = health;
    let [due, waiting, blocked, overdue] = counts;
    let content = html! {
        div {
            h1 { "Status" }
            p.wall {
                @match publication {
                    None => (mark(Mark::Stop, "Nothing published")),
                    Some(publication) if publication.expires <= *now => (mark(Mark::Stop, "Stale")),
                    Some(_) if degraded.is_empty() => (mark(Mark::Go, "The server is well")),
                    Some(_) => (mark(Mark::Stop, "Degraded")),
                }
            }
            p.say {
                @match publication {
                    Some(Published { version, made, expires }) => {
                        "Publication " (version) " was made " (until(*made)) ". "
                        @if expires <= now { "Its timestamp expired " (until(*expires)) ", so clusters refuse it." }
                        @else { "Its timestamp expires " (until(*expires)) "." }
                    }
                    None => "Clusters get no answer yet.",
                }
            }
            @if *blocked > 0 {
                p { (mark(Mark::Stop, &format!("{blocked} blocked"))) " until somebody acts: see the " a href="/" { "board" } "." }
            }
            @if let Some(why) = not_promoting { p { (sentence(&words::not_promoting(*why))) } }
        }
        @if !degraded.is_empty() {
            section.card.halt-edge aria-labelledby="problems" {
                h2 #problems { "What is degraded" }
                ul.plain { @for one in degraded { li { (trouble(one)) } } }
                @if *is_brief {
                    p.soft.small { "This listener names only the kinds. The details are on the server's admin listener: "
                        code { "/status" } " and " code { "/readyz" } " there, or " code { "tidegate status" } " on the machine." }
                }
            }
        }
        section.card aria-labelledby="counts" {
            h2 #counts { "Releases on the way" }
            dl.facts {
                dt { "Due" } dd { (due) }
                dt { "Waiting" } dd { (waiting) }
                dt { "Blocked" } dd { (blocked) }
                dt { "Overdue" } dd { (overdue) }
            }
        }
        p.soft.small { "For probes, the same is at " a href="/readyz" { code { "/readyz" } } "." }
    };
    page(if degraded.is_empty() { "Status" } else { "Status: degraded" }, Place::Status, &content)
}

/// What is wrong, what it means for clusters, since when, and who can mend it.
fn trouble(Trouble { kind, detail, since, channels, release: version }: &Trouble) -> Markup {
    let words::Problem { title, clusters, who, command } = problem(*kind);
    html! {
        h3 { (sentence(title)) }
        p { (sentence(clusters)) }
        @if let Some(detail) = detail { p { (sentence(detail)) } }
        p.soft.small {
            @if let Some(since) = since { "Known since " (until(*since)) ". " }
            (sentence(&format!("{who} can mend it: `{command}`")))
            @if let Some(version) = version { " " (release(version)) }
            @for name in channels { " " (channel(name)) }
            " " code { (kind.as_str()) }
        }
    }
}
