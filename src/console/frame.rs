//! What all pages have in common: the head, the ways to the other pages, and the foot.

use maud::{DOCTYPE, Markup, html};

use super::mark;
use super::text::{capital, sentence};

/// The pages to which every page leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Board,
    Calendar,
    History,
    Trust,
    Status,
    /// A page below another one, such as that of a release.
    Inner,
}

/// Each place with its path and its name.
const PLACES: [(Place, &str, &str); 5] = [
    (Place::Board, "/", "Board"),
    (Place::Calendar, "/calendar", "Calendar"),
    (Place::History, "/history", "History"),
    (Place::Trust, "/trust", "Trust"),
    (Place::Status, "/status", "Status"),
];

impl Place {
    /// When the script takes the new page: at an event of this stream, or by the clock.
    const fn live(self) -> Option<&'static str> {
        match self {
            Self::Board | Self::Calendar => Some("/events"),
            Self::Status => Some("clock"),
            Self::History | Self::Trust | Self::Inner => None,
        }
    }
}

/// A page with this title.
pub fn page(title: &str, place: Place, content: &Markup) -> Markup {
    let frame = Frame {
        title,
        home: "/",
        links: html! { link rel="alternate" type="application/atom+xml" title="What happened" href="/history.atom"; },
        nav: html! {
            @for (own, path, name) in PLACES {
                a href=(path) aria-current=[(own == place).then_some("page")] { (name) }
            }
        },
        live: place.live(),
        foot: html! {
            "All times are in UTC. What these pages say is also at "
            a href="/openapi.json" { code { "/v1" } }
            " as JSON, and signed at "
            a href="/tuf/metadata/timestamp.json" { code { "/tuf" } } "."
        },
    };
    document(&frame, content)
}

/// What is around the content of a page.
pub(super) struct Frame<'a> {
    pub title: &'a str,
    /// Where the project's name leads.
    pub home: &'a str,
    pub links: Markup,
    pub nav: Markup,
    /// What the script follows: `clock`, or the address of a stream of events.
    pub live: Option<&'a str>,
    pub foot: Markup,
}

pub(super) fn document(frame: &Frame<'_>, content: &Markup) -> Markup {
    let Frame { title, home, links, nav, live, foot } = frame;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Tidegate" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/console.css";
                (links)
                script src="/console.js" defer {}
            }
            body {
                a.skip href="#main" { "To the content" }
                (mark::hatch())
                header.top {
                    div.wrap {
                        a.brand href=(home) { (mark::brand()) "Tidegate" }
                        nav.main aria-label="Main" { (nav) }
                    }
                }
                main.wrap #main tabindex="-1" data-live=[live] { div.stack { (content) } }
                footer.wrap { (foot) }
            }
        }
    }
}

/// A table. Where it is narrow, each row becomes a block: its `td.state` stands beside its first cell, and `data-head`
/// says what the others are.
pub(super) fn table(heads: &[&str], rows: &Markup) -> Markup {
    html! {
        table {
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            tbody { (rows) }
        }
    }
}

/// A page that says that something is not there, or not now.
pub fn problem(title: &str, detail: &str, hint: Option<&str>) -> Markup {
    let content = html! {
        div {
            h1 { (capital(title)) }
            p.say { (sentence(detail)) }
            @if let Some(hint) = hint { p.soft { (sentence(hint)) } }
            p { a href="/" { "To the board" } }
        }
    };
    page(title, Place::Inner, &content)
}
