//! What somebody did: `{at, by, reason}`.

use super::faults::Faults;
use super::fields::Fields;
use super::keys;
use super::limits;
use super::node::Node;
use super::scalar;
use super::when::time;
use crate::domain::release::Event;
use crate::formats::fault::Spot;

pub(super) fn event(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Event> {
    of(&Fields::of(node, at, &keys::EVENT, faults)?, faults)
}

/// The event's part of a map that may have more.
pub(super) fn of(fields: &Fields<'_, '_>, faults: &mut Faults<'_>) -> Option<Event> {
    let at = fields.read("at", faults, time);
    let by = fields.read("by", faults, scalar::line(limits::AUTHOR));
    let reason = fields.read("reason", faults, scalar::line(limits::REASON));
    Some(Event::new(at?, by?, reason?))
}
