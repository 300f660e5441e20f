//! Reads events: what somebody did, as `{at, by, reason}`.

use super::faults::Faults;
use super::fields::Fields;
use super::keys;
use super::node::Node;
use super::scalar;
use super::when::time;
use crate::domain::release::Event;
use crate::domain::rules::text;
use crate::formats::fault::Spot;

pub(super) fn event(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Event> {
    of(&Fields::of(node, at, &keys::EVENT, faults)?, faults)
}

/// Reads the keys of an event from a map that can have other keys too.
pub(super) fn of(fields: &Fields<'_, '_>, faults: &mut Faults<'_>) -> Option<Event> {
    let at = fields.read("at", faults, time);
    let by = fields.read("by", faults, scalar::line(text::AUTHOR));
    let reason = fields.read("reason", faults, scalar::line(text::REASON));
    Some(Event::new(at?, by?, reason?))
}
