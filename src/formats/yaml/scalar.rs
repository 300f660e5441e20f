//! Reads scalars: text, numbers, and values that the catalog writes as text.

use std::fmt::Display;

use super::faults::Faults;
use super::node::{Node, Value};
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::loosened::What;
use crate::domain::payload::{DigestError, Sha256};
use crate::domain::policy::Urgency;
use crate::domain::rules::{Rule, text as rules};
use crate::domain::version::Version;

/// Describes a node, for messages.
pub(super) fn kind(node: &Node<'_>) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } if resolved(text) == Some("nothing") => "nothing".to_owned(),
        Value::Scalar { text, plain: true } => format!("`{text}`"),
        Value::Scalar { text, .. } => format!("the text `{text}`"),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Refused => "a rejected value".to_owned(),
    }
}

/// Reads text. Unquoted text is rejected if some YAML reader takes it for a number, a boolean, a date or
/// null: `1.10` would become the number 1.1.
pub(super) fn text<'n>(node: &'n Node<'_>, faults: &mut Faults<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, plain } => {
            match if *plain { resolved(text) } else { None } {
                None => return Some(text),
                Some("nothing") => {
                    faults.push(node.spot, "there is no value", "write one, or remove the key");
                }
                Some(kind) => faults.push(
                    node.spot,
                    format!("`{text}` without quotes is {kind}, not text"),
                    format!("write `\"{text}\"`"),
                ),
            }
            None
        }
        Value::Refused => None,
        _ => {
            faults.push(node.spot, format!("expected text, found {}", kind(node)), "write text");
            None
        }
    }
}

/// Reads a word that no YAML reader can take for something else and that this reader would accept: a day, a
/// time, an urgency. So whatever is found there is shown as it is written, because quotes would not help.
pub(super) fn word<'n>(node: &'n Node<'_>, faults: &mut Faults<'_>) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, .. } if resolved(text) != Some("nothing") => Some(text),
        _ => text(node, faults),
    }
}

/// Returns what some reader of YAML 1.1 or 1.2 takes an unquoted scalar for, if not for text.
fn resolved(text: &str) -> Option<&'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some("nothing"),
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" | "yes" | "Yes" | "YES" | "no" | "No"
        | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" | "y" | "Y" | "n" | "N" => {
            return Some("a boolean");
        }
        ".nan" | ".NaN" | ".NAN" => return Some("a number"),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some("a number");
    }
    let first = *unsigned.as_bytes().first()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    let digits = |radix| move |c: char| c == '_' || c.is_digit(radix);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let rest = unsigned.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if rest.is_some_and(|rest| rest.chars().all(digits(radix))) {
            return Some("a number");
        }
    }
    // In YAML 1.1, `1:30` is the number 90.
    if unsigned.contains(':')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'_' | b'.'))
    {
        return Some("a number");
    }
    if unsigned.replace('_', "").parse::<f64>().is_ok() {
        return Some("a number");
    }
    let date = (8..=10).contains(&text.len())
        && text.matches('-').count() == 2
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    date.then_some("a date")
}

/// Reads text, and parses it with a parser of the domain. Quotes are asked for only if the parser accepts the
/// text: otherwise they would be rejected next.
pub(super) fn parsed<T, E: Display>(
    node: &Node<'_>,
    faults: &mut Faults<'_>,
    parse: impl FnOnce(&str) -> Result<T, E>,
    hint: &str,
) -> Option<T> {
    let value = parse(word(node, faults)?).map_err(|e| faults.push(node.spot, e.to_string(), hint)).ok()?;
    text(node, faults).map(|_| value)
}

pub(super) fn version(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Version> {
    parsed(node, faults, Version::parse, "a version has three numbers, as in `1.8.4-tectonic.1`")
}

pub(super) fn what(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<What> {
    parsed(node, faults, What::parse, "write what `tidegate catalog loosen` writes, as in `hold/1.8.4`")
}

pub(super) fn prefix(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Prefix> {
    parsed(node, faults, Prefix::parse, "write the prefix of the versions, as in `\"1.8\"`")
}

/// The hint for an invalid name.
const NAME: &str = "a name looks like `1.8-production` and has at most 64 characters";

pub(super) fn line_name(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<LineName> {
    parsed(node, faults, LineName::parse, NAME)
}

pub(super) fn stage_name(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<StageName> {
    parsed(node, faults, StageName::parse, NAME)
}

pub(super) fn channel_name(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<ChannelName> {
    parsed(node, faults, ChannelName::parse, NAME)
}

/// Returns the value, or reports the rule that it breaks.
fn ruled<T>(
    node: &Node<'_>,
    faults: &mut Faults<'_>,
    value: T,
    broken: impl FnOnce(&T) -> Option<Rule>,
) -> Option<T> {
    match broken(&value) {
        None => Some(value),
        Some(rule) => {
            faults.broken(node.spot, &rule);
            None
        }
    }
}

/// Reads text, and checks it against a rule. Line breaks at its end, as in a folded scalar, are dropped. As in
/// [`parsed`], quotes are asked for only if the rule accepts the text.
fn ruled_text(
    node: &Node<'_>,
    faults: &mut Faults<'_>,
    broken: impl FnOnce(&str) -> Option<Rule>,
) -> Option<String> {
    let written = word(node, faults)?.trim_end_matches('\n').to_owned();
    let value = ruled(node, faults, written, |text| broken(text))?;
    text(node, faults).map(|_| value)
}

/// Reads one line of text, of at most `most` bytes.
pub(super) fn line(most: usize) -> impl Fn(&Node<'_>, &mut Faults<'_>) -> Option<String> {
    move |node, faults| ruled_text(node, faults, |text| rules::line(text, most))
}

/// Reads text of any number of lines, of at most `most` bytes.
pub(super) fn lines(most: usize) -> impl Fn(&Node<'_>, &mut Faults<'_>) -> Option<String> {
    move |node, faults| ruled_text(node, faults, |text| rules::lines(text, most))
}

/// Reads the name of a component or a link.
pub(super) fn label(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<String> {
    ruled_text(node, faults, rules::label)
}

/// Reads the address of a page.
pub(super) fn link(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<String> {
    ruled_text(node, faults, rules::link)
}

pub(super) fn urgency(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Urgency> {
    match word(node, faults)? {
        "normal" => Some(Urgency::Normal),
        "security" => Some(Urgency::Security),
        other => {
            faults.push(node.spot, format!("unknown urgency `{other}`"), "write `normal` or `security`");
            None
        }
    }
}

pub(super) fn flag(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<bool> {
    match &node.value {
        Value::Scalar { text, plain: true } if text == "true" => return Some(true),
        Value::Scalar { text, plain: true } if text == "false" => return Some(false),
        Value::Refused => return None,
        _ => {}
    }
    let message = format!("expected `true` or `false`, found {}", kind(node));
    // What YAML 1.1 takes for one of the two.
    let meant = match &node.value {
        Value::Scalar { text, .. } => match text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("true"),
            "no" | "off" | "n" | "false" => Some("false"),
            _ => None,
        },
        _ => None,
    };
    let hint = meant.map_or("write one of the two, without quotes".to_owned(), |meant| {
        format!("write one of the two, without quotes: `{meant}`")
    });
    faults.push(node.spot, message, hint);
    None
}

/// Reads a whole number in decimal digits.
pub(super) fn number(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<u64> {
    let value = match &node.value {
        Value::Scalar { text, plain: true } => text.parse::<u64>().ok().filter(|n| n.to_string() == *text),
        Value::Refused => return None,
        _ => None,
    };
    if value.is_none() {
        let message = format!("expected a whole number, found {}", kind(node));
        faults.push(node.spot, message, "write it in digits, without quotes");
    }
    value
}

/// Reads the size of a payload.
pub(super) fn size(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<u64> {
    let size = number(node, faults)?;
    ruled(node, faults, size, |size| rules::size(*size))
}

/// Reads a digest. It needs no quotes even if it is all digits, since it cannot be mistaken for anything
/// else here.
pub(super) fn digest(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Sha256> {
    let text = word(node, faults)?;
    let wrong = |e: DigestError| {
        faults.push(node.spot, e.to_string(), "`release add` and `sha256sum` compute it");
    };
    Sha256::parse(text).map_err(wrong).ok()
}

/// Reads the name of a payload file.
pub(super) fn file_name(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<String> {
    ruled_text(node, faults, rules::file_name)
}

/// Reads an architecture, such as `amd64`.
pub(super) fn arch(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<String> {
    ruled_text(node, faults, rules::arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_reader_takes_for_a_number_a_boolean_or_a_date_is_not_text() {
        for (text, kind) in [
            ("1.8", Some("a number")),
            ("1.10", Some("a number")),
            ("0x10", Some("a number")),
            ("0o17", Some("a number")),
            ("1_000", Some("a number")),
            ("-1", Some("a number")),
            ("1e3", Some("a number")),
            (".5", Some("a number")),
            ("-.inf", Some("a number")),
            ("1:30", Some("a number")),
            ("yes", Some("a boolean")),
            ("Off", Some("a boolean")),
            ("n", Some("a boolean")),
            ("2018-01-02", Some("a date")),
            ("null", Some("nothing")),
            ("", Some("nothing")),
            ("1.8.4", None),
            ("1.8.4-tectonic.1", None),
            ("09:00-16:00", None),
            ("14d", None),
            ("nobody", None),
            ("inf", None),
            ("-", None),
            ("2018-01-02T17:30:31Z", None),
        ] {
            assert_eq!(resolved(text), kind, "{text}");
        }
    }
}
