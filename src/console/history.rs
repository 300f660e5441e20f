//! History: what has happened, when and why.

use std::borrow::Cow;

use atom_syndication::{Entry, Feed, Link, Person, Text};
use maud::{Markup, html};

use super::frame::{Place, page};
use super::mark::{Mark, mark};
use super::text::{channel, day, moment, release, time};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::history::{Happened, What};
use crate::domain::release::SCHEDULE;
use crate::domain::soak_record;

/// How many items a page and the feed list.
pub const LISTED: usize = 100;

/// What a reader wants to see. Everything that is empty is no condition.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub line: String,
    /// A [`What`], by its name.
    pub what: String,
    /// A part of a version, a channel or a reason.
    pub text: String,
    /// Only what is as old, or older.
    pub before: Option<Time>,
    /// How many of the latest of these to leave out: they are on the pages before.
    pub skip: usize,
}

/// The kinds to choose from, with their names on the page.
const KINDS: [(&str, &str); 9] = [
    ("", "Everything"),
    ("entered", "Promotions"),
    ("held", "Holds"),
    ("resumed", "Ends of holds"),
    ("yanked", "Yanks"),
    ("unyanked", "Ends of yanks"),
    ("paused", "Pauses"),
    ("unpaused", "Ends of pauses"),
    ("retired", "Retirements"),
];

impl Filter {
    /// Returns whether something is wanted.
    pub fn wants(&self) -> impl Fn(&Happened<'_>) -> bool {
        let text = self.text.to_lowercase();
        move |one| {
            let has = |of: &str| of.to_lowercase().contains(&text);
            (self.line.is_empty() || one.line.name.as_str() == self.line)
                && (self.what.is_empty() || one.what.name() == self.what)
                && self.before.is_none_or(|before| one.at <= before)
                && (text.is_empty() || has(&subject(&one.what)) || one.reason.is_some_and(has))
        }
    }
}

/// The version or the channel that something happened to.
fn subject(what: &What<'_>) -> String {
    match what {
        What::Entered { version, channel } => format!("{version} {channel}"),
        What::Held { version }
        | What::Resumed { version, .. }
        | What::Yanked { version, .. }
        | What::Unyanked { version, .. } => version.to_string(),
        What::Paused { channel } | What::Unpaused { channel, .. } => channel.to_string(),
        What::Retired => String::new(),
    }
}

/// What happened in a line, in a few words.
pub fn says(line: &LineName, what: &What<'_>) -> String {
    match *what {
        What::Entered { version, channel } => format!("{version} entered {channel}"),
        What::Held { version } => format!("{version} was put on hold"),
        What::Resumed { version, from } => format!("The hold of {version} since {} ended", moment(from)),
        What::Yanked { version, to: Some(to) } => format!("{version} was yanked; {to} replaces it"),
        What::Yanked { version, to: None } => format!("{version} was yanked"),
        What::Unyanked { version, from } => format!("The yank of {version} since {} ended", moment(from)),
        What::Paused { channel } => format!("{channel} was paused"),
        What::Unpaused { channel, from } => format!("The pause of {channel} since {} ended", moment(from)),
        What::Retired => format!("Line {line} was retired"),
    }
}

/// Who did it, if names are shown. The schedule is nobody.
fn by(one: &Happened<'_>, names: bool) -> Option<String> {
    (names && !one.by.is_empty() && one.by != SCHEDULE).then(|| format!("by {}", one.by))
}

/// Why it was done. What the schedule records is the soak that was asked for, and not how long the release stayed.
fn reason<'a>(one: &Happened<'a>) -> Option<Cow<'a, str>> {
    let reason = one.reason?;
    let soak = Some(reason).filter(|_| one.by == SCHEDULE).and_then(soak_record::read);
    Some(
        soak.map_or(Cow::Borrowed(reason), |soak| {
            format!("by itself, after a soak of {soak} at least").into()
        }),
    )
}

/// Makes the history page. `all` has what the filter wants, the latest first. `is_known` is false if no catalog was
/// read: right after a start, and on a mirror.
pub fn history(all: &[Happened<'_>], filter: &Filter, names: bool, is_known: bool) -> Markup {
    let shown = &all[..all.len().min(LISTED)];
    let content = html! {
        div {
            h1 { "History" }
            p.soft { "What the catalog records: promotions, and stops with their reasons. Also as an " a href="/history.atom" { "Atom feed" } "." }
            @if !names { p.soft { "Who did it is shown on the server's admin listener, or everywhere with " code { "serve --show-names" } "." } }
            @if !is_known { p.note { (mark(Mark::Wait, "Not known")) " This server has not read a catalog yet, or is a mirror, which has no records." } }
        }
        section.card aria-label="Filter" {
            form.ask method="get" action="/history" {
                label { "What" select name="what" {
                    @for (kind, name) in KINDS { option value=(kind) selected[kind == filter.what] { (name) } }
                } }
                label { "Line" input name="line" value=(filter.line) size="10" autocomplete="off"; }
                label { "Version, channel or reason" input name="text" value=(filter.text) size="24" autocomplete="off"; }
                button { "Show" }
            }
        }
        section.card aria-label="What happened" {
            @if shown.is_empty() { p.soft { "Nothing is recorded that fits." } }
            @for one in shown.chunk_by(|one, next| one.at.date_naive() == next.at.date_naive()) {
                div.day {
                    h2 { (day(one[0].at)) }
                    ul.plain { @for one in one { li { (item(one, names)) } } }
                }
            }
            @if all.len() > LISTED && let Some(last) = shown.last() {
                p.small { a rel="next" href=(older(filter, shown, last.at)) { "Older" } }
            }
        }
    };
    page("History", Place::History, &content)
}

/// What happened, by whom if that is shown, and why.
pub(super) fn item(one: &Happened<'_>, names: bool) -> Markup {
    html! {
        p { (linked(one)) @if let Some(by) = by(one, names) { ", " (by) } }
        @if let Some(reason) = reason(one) { p.soft.small { (reason) } }
    }
}

/// The address of the next page, which has what is older. `last` is the time of the last item shown.
fn older(filter: &Filter, shown: &[Happened<'_>], last: Time) -> String {
    let Filter { line, what, text, before, skip } = filter;
    let own = shown.iter().filter(|one| one.at == last).count();
    // A page may have nothing but what happened at one time.
    let skip = if *before == Some(last) { skip + own } else { own };
    let mut address = format!("/history?before={}&skip={skip}", last.timestamp());
    for (name, value) in [("line", line), ("what", what), ("text", text)] {
        if !value.is_empty() {
            address.extend(["&", name, "="]);
            address.extend(value.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            }));
        }
    }
    address
}

fn linked(one: &Happened<'_>) -> Markup {
    let version = |version: &crate::domain::version::Version| release(&version.to_string());
    match one.what {
        What::Entered { version: own, channel: name } => {
            html! { (version(own)) " entered " (channel(name.as_str())) }
        }
        What::Held { version: own } => html! { (version(own)) " was put on hold" },
        What::Resumed { version: own, from } => {
            html! { "The hold of " (version(own)) " since " (time(from)) " ended" }
        }
        What::Yanked { version: own, to } => {
            html! { (version(own)) " was yanked" @if let Some(to) = to { "; " (version(to)) " replaces it" } }
        }
        What::Unyanked { version: own, from } => {
            html! { "The yank of " (version(own)) " since " (time(from)) " ended" }
        }
        What::Paused { channel: name } => html! { (channel(name.as_str())) " was paused" },
        What::Unpaused { channel: name, from } => {
            html! { "The pause of " (channel(name.as_str())) " since " (time(from)) " ended" }
        }
        What::Retired => html! { "Line " (one.line.name) " was retired" },
    }
}

/// Makes the history as a feed (Atom, RFC 4287). Its links are relative to its own address.
pub fn feed(all: &[Happened<'_>], names: bool, now: Time) -> String {
    let stamp = |at: Time| at.fixed_offset();
    let link = |path: &str| Link { href: path.to_owned(), ..Link::default() };
    let entries = all.iter().take(LISTED).map(|one| {
        let reason = reason(one).unwrap_or_default();
        let by = by(one, names).map(|by| format!(" ({by})")).unwrap_or_default();
        let summary = format!("{reason}{by}");
        Entry {
            title: Text::plain(says(&one.line.name, &one.what)),
            id: format!(
                "urn:tidegate:{}:{}:{}",
                one.what.name(),
                subject(&one.what).replace(' ', ":"),
                one.at.timestamp()
            ),
            updated: stamp(one.at),
            summary: (!summary.is_empty()).then(|| Text::plain(summary)),
            links: vec![link(&page_of(one))],
            ..Entry::default()
        }
    });
    let feed = Feed {
        title: Text::plain("What happened"),
        id: "urn:tidegate:history".to_owned(),
        updated: stamp(all.first().map_or(now, |one| one.at)),
        authors: vec![Person { name: "Tidegate".to_owned(), ..Person::default() }],
        links: vec![link("/history")],
        entries: entries.collect(),
        ..Feed::default()
    };
    feed.to_string()
}

fn page_of(one: &Happened<'_>) -> String {
    match one.what {
        What::Entered { version, .. }
        | What::Held { version }
        | What::Resumed { version, .. }
        | What::Yanked { version, .. }
        | What::Unyanked { version, .. } => format!("/releases/{version}"),
        What::Paused { channel } | What::Unpaused { channel, .. } => format!("/channels/{channel}"),
        What::Retired => "/".to_owned(),
    }
}
