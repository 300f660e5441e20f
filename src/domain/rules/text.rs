//! Rules for single values. Each function returns the rule that a value breaks, if any. The length of
//! published text is limited, since every cluster downloads it.

use chrono::TimeDelta;

use super::super::payload::{Payload, is_file_name};
use super::super::release::{Ended, Event};
use super::Rule;

/// The maximum length of a reason in bytes, enough for a sentence or two.
pub const REASON: usize = 1000;
/// The maximum length of a note in bytes. A note may be a whole report.
pub const NOTE: usize = 10_000;
/// The maximum length in bytes of titles, summaries and component versions, which tables show on one line.
pub const LINE: usize = 200;
/// The maximum length of an author's name in bytes.
pub const AUTHOR: usize = 200;
/// The maximum length of a link in bytes. Browsers and proxies accept addresses of this length.
pub const LINK: usize = 2000;
/// The largest payload size: 2^53 - 1, the largest integer that every JSON parser reads exactly.
pub const SIZE: u64 = 9_007_199_254_740_991;
/// The longest duration, in days. A longer one is a typo.
pub const DAYS: i64 = 3650;

/// Checks a string of one line and at most `most` bytes.
pub fn line(text: &str, most: usize) -> Option<Rule> {
    lines(text, most).or_else(|| text.contains('\n').then_some(Rule::SeveralLines))
}

/// Checks a string of any number of lines and at most `most` bytes in total.
pub fn lines(text: &str, most: usize) -> Option<Rule> {
    if text.trim().is_empty() {
        return Some(Rule::EmptyText);
    }
    if text.len() > most {
        return Some(Rule::LongText { length: text.len(), most });
    }
    // Most strings are printable ASCII, and checking for that is much faster.
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    (!plain && text.chars().any(|c| is_unprintable(c) && c != '\n')).then_some(Rule::ControlCharacter)
}

/// Checks the name of a component or a link, which becomes a key in signed documents.
pub fn label(text: &str) -> Option<Rule> {
    line(text, LINE).or_else(|| (!is_key(text)).then(|| Rule::NotALabel(text.to_owned())))
}

/// Whether a string can be a key in signed documents. Some readers sort keys with their quotes and escapes, others
/// without. As long as no key contains a space, `!`, `"` or `\`, both orders are the same.
pub fn is_key(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'#'..=b'[' | b']'..=b'~'))
}

/// Checks the address of a web page, which everybody is shown.
pub fn link(text: &str) -> Option<Rule> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let valid = rest.is_some_and(|rest| !rest.is_empty()) && !text.contains(' ');
    let host = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next());
    let has_user = host.is_some_and(|host| host.contains('@'));
    let broken = line(text, LINK).or_else(|| has_user.then_some(Rule::LinkWithUser));
    broken.or_else(|| (!valid).then(|| Rule::NotALink(text.to_owned())))
}

/// Checks the name of an architecture, such as `amd64`.
pub fn arch(text: &str) -> Option<Rule> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let valid = (1..=32).contains(&text.len()) && text.bytes().all(plain);
    (!valid).then(|| Rule::NotAnArch(text.to_owned()))
}

/// Checks the name of a payload file.
pub fn file_name(text: &str) -> Option<Rule> {
    (!is_file_name(text)).then(|| Rule::NotAFileName(text.to_owned()))
}

/// Checks the size of a payload, in bytes.
pub fn size(size: u64) -> Option<Rule> {
    (!(1..=SIZE).contains(&size)).then_some(Rule::Size(size))
}

/// Checks a duration. The limit ensures that adding durations to a time never overflows.
pub fn duration(duration: TimeDelta) -> Option<Rule> {
    let allowed = TimeDelta::zero()..=TimeDelta::days(DAYS);
    (!allowed.contains(&duration)).then_some(Rule::Duration(duration))
}

pub(super) fn event(event: &Event) -> Option<Rule> {
    line(&event.by, AUTHOR).or_else(|| line(&event.reason, REASON))
}

/// Checks the record of a stop that is over.
pub(super) fn ended(ended: &Ended) -> Option<Rule> {
    let backwards = (ended.until < ended.from).then_some(Rule::StopBackwards);
    backwards.or_else(|| line(&ended.by, AUTHOR)).or_else(|| line(&ended.reason, REASON))
}

pub(super) fn payload(payload: &Payload) -> Option<Rule> {
    let arch = || payload.arch.as_deref().and_then(arch);
    file_name(&payload.file).or_else(|| size(payload.size)).or_else(arch)
}

/// Whether a character changes how a terminal or a page shows the text around it. No text of a catalog may have
/// one.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether a character cannot be seen, so that it could hide a difference. Some languages need such characters,
/// so a catalog may have them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many marks a letter may bear. No language needs more, and a heap of them covers other lines.
const MARKS: usize = 4;

/// The characters of a text, and whether each must be shown in another way: it is
/// [unprintable](is_unprintable), cannot be seen, or is one mark too many on a letter.
pub fn hidden(text: &str) -> impl Iterator<Item = (char, bool)> {
    text.chars().scan(0, |marks, c| {
        let is_mark = matches!(c,
            '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}');
        *marks = if is_mark { *marks + 1 } else { 0 };
        Some((c, is_unprintable(c) || is_invisible(c) || *marks > MARKS))
    })
}
