//! Rules of single values: each function returns the rule that a value breaks. Published texts have
//! limits, since every cluster loads them.

use chrono::TimeDelta;

use super::super::payload::{Payload, is_file_name};
use super::super::release::Event;
use super::Rule;

/// A reason is a sentence or two.
pub const REASON: usize = 1000;
/// A note may be a report.
pub const NOTE: usize = 10_000;
/// Titles, summaries and component versions fit into one line of a table.
pub const LINE: usize = 200;
/// Who did something.
pub const AUTHOR: usize = 200;
/// Browsers and proxies accept addresses of this length.
pub const LINK: usize = 2000;
/// The largest number that JSON carries without loss everywhere, 2^53 - 1.
pub const SIZE: u64 = 9_007_199_254_740_991;
/// The longest duration, in days. A longer one is a typo.
pub const DAYS: i64 = 3650;

/// A text of one line of at most `most` bytes.
pub fn line(text: &str, most: usize) -> Option<Rule> {
    lines(text, most).or_else(|| text.contains('\n').then_some(Rule::SeveralLines))
}

/// A text of any number of lines, of at most `most` bytes in total.
pub fn lines(text: &str, most: usize) -> Option<Rule> {
    if text.trim().is_empty() {
        return Some(Rule::EmptyText);
    }
    if text.len() > most {
        return Some(Rule::LongText { length: text.len(), most });
    }
    // Most texts are plain ASCII, and that check is much faster.
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    (!plain && text.chars().any(|c| is_unprintable(c) && c != '\n')).then_some(Rule::ControlCharacter)
}

/// The address of a page.
pub fn link(text: &str) -> Option<Rule> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let valid = rest.is_some_and(|rest| !rest.is_empty()) && !text.contains(' ');
    line(text, LINK).or_else(|| (!valid).then(|| Rule::NotALink(text.to_owned())))
}

/// The name of an architecture, `amd64`.
pub fn arch(text: &str) -> Option<Rule> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let valid = (1..=32).contains(&text.len()) && text.bytes().all(plain);
    (!valid).then(|| Rule::NotAnArch(text.to_owned()))
}

/// The name of a payload file.
pub fn file_name(text: &str) -> Option<Rule> {
    (!is_file_name(text)).then(|| Rule::NotAFileName(text.to_owned()))
}

/// The size of a payload, in bytes.
pub fn size(size: u64) -> Option<Rule> {
    (!(1..=SIZE).contains(&size)).then_some(Rule::Size(size))
}

/// A duration, short enough that no sum of a time and durations overflows.
pub fn duration(duration: TimeDelta) -> Option<Rule> {
    let allowed = TimeDelta::zero()..=TimeDelta::days(DAYS);
    (!allowed.contains(&duration)).then_some(Rule::Duration(duration))
}

pub(super) fn event(event: &Event) -> Option<Rule> {
    line(&event.by, AUTHOR).or_else(|| line(&event.reason, REASON))
}

pub(super) fn payload(payload: &Payload) -> Option<Rule> {
    let arch = || payload.arch.as_deref().and_then(arch);
    file_name(&payload.file).or_else(|| size(payload.size)).or_else(arch)
}

/// Whether a character changes how a terminal or a page shows the text around it.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
