//! Status: what is wrong, and how fresh the answers are, as a page for a wall.

use maud::{Markup, html};

use super::frame::{Place, page};
use super::mark::{Mark, mark};
use super::text::{sentence, until};
use crate::domain::Time;
use crate::domain::not_promoting::NotPromoting;
use crate::words;

/// How the server is.
#[derive(Debug)]
pub struct Health {
    pub now: Time,
    /// The kind and the description of each problem.
    pub degraded: Vec<(&'static str, String)>,
    pub not_promoting: Option<NotPromoting>,
    /// How many releases are due, wait, are blocked and are overdue.
    pub counts: [usize; 4],
    pub publication: Option<Published>,
}

/// The publication that is served.
#[derive(Debug)]
pub struct Published {
    pub version: u64,
    pub made: Time,
    pub expires: Time,
}

/// Makes the page.
pub fn status(health: &Health) -> Markup {
    let Health { now, degraded, not_promoting, counts: [due, waiting, blocked, overdue], publication } =
        health;
    let is_served = publication.as_ref().is_some_and(|publication| *now < publication.expires);
    let content = html! {
        div {
            h1 { "Status" }
            p.say.big {
                @if !is_served { (mark(Mark::Stop, "Not ready")) }
                @else if degraded.is_empty() { (mark(Mark::Go, "All is well")) }
                @else { (mark(Mark::Stop, &words::counted(degraded.len(), "problem"))) }
            }
            @if let Some(why) = not_promoting { p { (sentence(&words::not_promoting(*why))) } }
        }
        @if !degraded.is_empty() {
            section.card.halt-edge aria-labelledby="problems" {
                h2 #problems { "What is wrong" }
                ul.plain { @for (kind, what) in degraded { li { p { (sentence(what)) } p.soft.small { code { (kind) } } } } }
            }
        }
        div.two {
            section.card aria-labelledby="publication" {
                h2 #publication { "What is served" }
                @match publication {
                    Some(publication) => dl.facts {
                        dt { "Published" } dd { (until(publication.made)) }
                        dt { "Expires" } dd { (until(publication.expires)) }
                        dt { "Version" } dd { (publication.version) }
                    },
                    None => p { "Nothing yet." },
                }
            }
            section.card aria-labelledby="counts" {
                h2 #counts { "On the way" }
                dl.facts {
                    dt { "Due" } dd { (due) }
                    dt { "Waiting" } dd { (waiting) }
                    dt { "Blocked" } dd { (blocked) }
                    dt { "Overdue" } dd { (overdue) }
                }
            }
        }
        p.soft.small { "For probes, the same is at " a href="/readyz" { code { "/readyz" } } "." }
    };
    page("Status", Place::Status, &content)
}
