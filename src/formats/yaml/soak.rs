//! Reads a stage's soak.

use super::faults::Faults;
use super::fields::Fields;
use super::keys;
use super::node::Node;
use super::scalar;
use super::when::duration;
use crate::domain::policy::{Soak, SoakPolicy};
use crate::domain::rules::text;
use crate::formats::fault::Spot;

/// Reads the soak of a stage.
pub(super) fn soak(node: &Node<'_>, key: Spot, faults: &mut Faults<'_>) -> Option<SoakPolicy> {
    let fields = Fields::of(node, key, &keys::SOAK, faults)?;
    let why = fields.read("why", faults, scalar::line(text::REASON));
    let default = SoakPolicy::default().normal;
    let normal = limits(fields, default, faults);
    let (mut security, mut security_why) = (normal, None);
    if let Some(entry) = fields.get("security") {
        let fields = Fields::of(&entry.value, entry.key.spot, &keys::SECURITY_SOAK, faults)?;
        security_why = fields.read("why", faults, scalar::line(text::REASON));
        security = limits(fields, normal.unwrap_or(default), faults);
    }
    Some(SoakPolicy { normal: normal?, security: security?, why, security_why })
}

/// Reads `min` and `max` for one urgency.
fn limits(fields: Fields<'_, '_>, default: Soak, faults: &mut Faults<'_>) -> Option<Soak> {
    let mut limit = |name, default| match fields.get(name) {
        Some(entry) => duration(&entry.value, faults),
        None => Some(default),
    };
    let (min, max) = (limit("min", default.min), limit("max", default.max));
    Some(Soak { min: min?, max: max? })
}
