//! Sentences and times as people read them.

use chrono::Datelike as _;
use maud::{Markup, html};

use crate::domain::{Time, rfc3339};

/// A time as people say it, with the exact one for programs: `Mon 7 Dec 2026, 21:12`.
pub(super) fn time(at: Time) -> Markup {
    html! { time datetime=(rfc3339(at)) { (moment(at)) } }
}

/// A day as people say it: `Mon 7 Dec 2026`.
pub(super) fn day(at: Time) -> Markup {
    html! { time datetime=(rfc3339(at)) { (date(at)) } }
}

/// The hour of a day that is named beside it.
pub(super) fn hour(at: Time) -> Markup {
    html! { time datetime=(rfc3339(at)) { (at.format("%H:%M")) } }
}

/// The hour of a day that is named beside it, and how far it is from now.
pub(super) fn at_hour(at: Time) -> Markup {
    html! { time datetime=(rfc3339(at)) data-far="" { (at.format("%H:%M")) } }
}

/// A time, and how far it is from now, which the script says.
pub(super) fn until(at: Time) -> Markup {
    html! { time datetime=(rfc3339(at)) data-far="" { (moment(at)) } }
}

pub(super) fn moment(at: Time) -> String {
    if is_sayable(at) { format!("{}, {}", date(at), at.format("%H:%M")) } else { rfc3339(at) }
}

fn date(at: Time) -> String {
    if is_sayable(at) { at.format("%a %-d %b %Y").to_string() } else { rfc3339(at) }
}

/// Whether a time is in a year of four digits.
fn is_sayable(at: Time) -> bool {
    (1..=9999).contains(&at.year())
}

/// A sentence of [`words`](crate::words): what is in backticks becomes code, and RFC 3339 becomes a time.
pub(super) fn said(sentence: &str) -> Markup {
    html! {
        @for (place, part) in sentence.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (timed(part)) }
        }
    }
}

/// The same, as a sentence of its own: with a capital and a full stop.
pub(super) fn sentence(text: &str) -> Markup {
    let ends = text.ends_with(['.', '!', '?', '…', ':']);
    html! { (said(&capital(text))) @if !ends && !text.is_empty() { "." } }
}

/// A remedy. If its command ends the sentence, it stands on a line of its own.
pub(super) fn with_command(remedy: &str, command: Option<&str>) -> Markup {
    let who = command.and_then(|command| remedy.strip_suffix(&format!(" `{command}`")));
    let Some((who, command)) = who.zip(command) else { return html! { p { (sentence(remedy)) } } };
    html! {
        p { (sentence(who)) }
        code.cmd { (command) }
    }
}

/// The same text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", characters.as_str())
}

const STAMP: usize = "2026-12-07T21:12:00Z".len();

fn timed(text: &str) -> Markup {
    let found = text.match_indices('T').find_map(|(at, _)| {
        let from = at.checked_sub("2026-12-07".len())?;
        let stamp = text.get(from..from + STAMP)?;
        Some((from, stamp.parse::<Time>().ok()?))
    });
    let Some((from, at)) = found else { return html! { (text) } };
    html! { (&text[..from]) (time(at)) (timed(&text[from + STAMP..])) }
}

/// A link to a release's page.
pub(super) fn release(version: &str) -> Markup {
    html! { a.v href={ "/releases/" (version) } { (version) } }
}

/// A link to a channel's page.
pub(super) fn channel(name: &str) -> Markup {
    html! { a.v href={ "/channels/" (name) } { (name) } }
}

/// A link to another server, if it is one to the web.
pub(super) fn link(address: &str, text: &str) -> Markup {
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    html! {
        @if is_web { a href=(address) rel="noreferrer nofollow" { (text) } } @else { (text) ": " code { (address) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_gets_code_and_times_and_nothing_else_is_markup() {
        assert_eq!(
            sentence("`1.8.4` enters `<b>` at 2026-12-07T21:12:00Z & no earlier").0,
            "<code>1.8.4</code> enters <code>&lt;b&gt;</code> at <time datetime=\"2026-12-07T21:12:00Z\">Mon 7 Dec 2026, 21:12</time> &amp; no earlier."
        );
        assert_eq!(sentence("it ends here.").0, "It ends here.");
        assert_eq!(said("T and 2026-99-99T00:00:00Z").0, "T and 2026-99-99T00:00:00Z");
        assert_eq!(sentence("").0, "");
    }

    #[test]
    fn only_the_web_is_linked_to() {
        for bad in ["javascript:alert(1)", "data:text/html,x", "//x", " https://x", "JavaScript:https://x"] {
            assert!(!link(bad, "notes").0.contains("href"), "{bad}");
        }
        for good in ["https://example.com/", "HTTP://example.com"] {
            assert!(link(good, "notes").0.contains("href"), "{good}");
        }
    }
}
