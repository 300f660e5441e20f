//! Trust: the roles, their keys, what expires when, and how to verify.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::frame::{Place, page, table};
use super::mark::{Mark, mark};
use super::text::until;
use crate::domain::Time;
use crate::words::counted;

/// A role of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// What the role says, in a few words.
    pub says: &'static str,
    pub version: u64,
    pub expires: Time,
    pub threshold: u64,
    pub keys: Vec<String>,
    /// Where it is served.
    pub path: String,
}

/// How long before its expiry a role is marked.
const SOON: TimeDelta = TimeDelta::days(30);

/// Makes the page. `demo` says that the keys are throw-away ones. `renewed` has the roles that the server signs by
/// itself; they expire soon at any time.
pub fn trust(kept: &[Role], renewed: &[Role], root: &str, demo: bool, now: Time) -> Markup {
    let content = html! {
        div {
            h1 { "Trust" }
            p.say { "Whatever this server answers can be verified without trusting it. Keys do not expire; what they sign does." }
            @if demo { p.note { (mark(Mark::Stop, "Demo")) " These keys were made for this demo alone. Trust nothing that they sign." } }
        }
        (roles("Signed by keepers of keys", "keepers", kept, (now, SOON)))
        (roles("Signed by this server, and renewed every day", "server", renewed, (now, TimeDelta::zero())))
        section.card aria-labelledby="verify" {
            h2 #verify { "How to verify" }
            p { "Get the first root from somebody you trust, not from this page, and compare its digest with the one here:" }
            dl.facts { dt { "SHA-256 of the newest root" } dd { code { (root) } } }
            p { "Then let the client check everything that it is told:" }
            code.cmd { "tidegate cluster add NAME --server URL --root 1.root.json --channel CHANNEL --current COMMAND" @if demo { " --demo" } }
            p { "Any client of The Update Framework can do the same with " a href="/tuf/metadata/timestamp.json" { code { "/tuf" } } ". Whoever has a copy of the repository verifies it with:" }
            code.cmd { "tidegate verify --from DIR --root 1.root.json" }
        }
    };
    page("Trust", Place::Trust, &content)
}

/// What is true of a role now. A role that is served has all its signatures, or clients would refuse it.
fn state(role: &Role, (now, soon): (Time, TimeDelta)) -> Markup {
    match () {
        () if role.expires <= now => mark(Mark::Stop, "Expired"),
        () if role.expires - soon <= now => mark(Mark::Wait, "Expires soon"),
        () => mark(Mark::Go, "Valid"),
    }
}

fn roles(title: &str, id: &str, roles: &[Role], time: (Time, TimeDelta)) -> Markup {
    html! {
        section.card aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @let rows = html! {
                @for role in roles {
                    tr {
                        td { a.v href=(role.path) { (role.name) } }
                        td.state { (state(role, time)) }
                        td { (role.says) }
                        td data-head="version" { (role.version) }
                        td data-head="expires" { (until(role.expires)) }
                        td data-head="signed by" {
                            (role.threshold) " of " (counted(role.keys.len(), "key")) ": "
                            @for key in &role.keys { code { (key.get(..12).unwrap_or(key)) } " " }
                        }
                    }
                }
            };
            (table(&["Role", "State", "Says", "Version", "Expires", "Signed by"], &rows))
        }
    }
}
