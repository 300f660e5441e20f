//! Reads events: what somebody did, as `{at, by, reason}`, and stops that are over, as lists of `{from,
//! until, by, reason}`.

use super::faults::Faults;
use super::fields::{Fields, list};
use super::keys;
use super::node::{Node, Value};
use super::scalar;
use super::when::time;
use crate::domain::Time;
use crate::domain::release::{Ended, Event};
use crate::domain::rules::text;
use crate::formats::fault::Spot;

pub(super) fn event(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Event> {
    of(&Fields::of(node, at, &keys::EVENT, faults)?, faults)
}

/// Reads a stop. One that is written wrong still stops: it is a fault of its file, and what stands in a file with
/// a fault counts for nothing else.
pub(super) fn stop(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Event> {
    event(node, at, faults).or_else(|| (!is_nothing(node)).then(unread))
}

/// Whether the value of a stop is one with which people write that nothing is stopped, or none at all.
pub(super) fn is_nothing(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Scalar { text, plain: true } => {
            ["", "~", "null", "false", "no", "off"].contains(&&*text.to_ascii_lowercase())
        }
        Value::Scalar { text, .. } => text.is_empty(),
        // What was rejected inside is not there, but it takes space.
        Value::List(items) => items.is_empty() && node.bytes.len() <= "{ }".len(),
        Value::Map(entries) => entries.is_empty() && node.bytes.len() <= "{ }".len(),
        Value::Refused => false,
    }
}

/// The event of a stop that is written wrong.
pub(super) fn unread() -> Event {
    Event::new(Time::UNIX_EPOCH, "unknown".to_owned(), "its catalog file has a fault".to_owned())
}

/// Reads the keys of an event from a map that can have other keys too.
pub(super) fn of(fields: &Fields<'_, '_>, faults: &mut Faults<'_>) -> Option<Event> {
    let at = fields.read("at", faults, time);
    let by = fields.read("by", faults, scalar::line(text::AUTHOR));
    let reason = fields.read("reason", faults, scalar::line(text::REASON));
    Some(Event::new(at?, by?, reason?))
}

/// Reads the stops that somebody ended.
pub(super) fn ended(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Ended>> {
    list(node, faults, |item, faults| {
        let fields = Fields::of(item, item.spot, &keys::ENDED, faults)?;
        let from = fields.read("from", faults, time);
        let until = fields.read("until", faults, time);
        let by = fields.read("by", faults, scalar::line(text::AUTHOR));
        let reason = fields.read("reason", faults, scalar::line(text::REASON));
        Some(Ended { from: from?, until: until?, by: by?, reason: reason? })
    })
}
