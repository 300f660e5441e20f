//! A stage's soak.

use super::faults::Faults;
use super::fields::Fields;
use super::keys;
use super::node::Node;
use super::scalar;
use super::when::duration;
use crate::domain::policy::{Soak, SoakPolicy, Urgency};
use crate::domain::rules::{Limit, text};
use crate::formats::fault::Spot;

/// A stage's soak and its places.
#[derive(Debug)]
pub(super) struct RawSoak {
    pub policy: SoakPolicy,
    /// The place of `soak`.
    pub key: Spot,
    normal: Limits,
    security: Limits,
}

/// The places of `min` and `max`, where they are given.
type Limits = [Option<Spot>; 2];

impl RawSoak {
    /// The place of one limit; where that is not given, the other's or that of the whole.
    pub fn limit(&self, urgency: Urgency, limit: Limit) -> Spot {
        let [min, max] = match urgency {
            Urgency::Normal => self.normal,
            Urgency::Security => self.security,
        };
        let given = match limit {
            Limit::Min => min.or(max),
            Limit::Max => max.or(min),
        };
        given.unwrap_or(self.key)
    }
}

/// Reads the soak of a stage.
pub(super) fn soak(node: &Node<'_>, key: Spot, faults: &mut Faults<'_>) -> Option<RawSoak> {
    let fields = Fields::of(node, key, &keys::SOAK, faults)?;
    let why = fields.read("why", faults, scalar::line(text::REASON));
    let default = SoakPolicy::default().normal;
    let (normal, normal_limits) = part(fields, default, faults);
    let (mut security, mut security_limits, mut security_why) = (normal, [None, None], None);
    if let Some(entry) = fields.get("security") {
        let fields = Fields::of(&entry.value, entry.key.spot, &keys::SECURITY_SOAK, faults)?;
        security_why = fields.read("why", faults, scalar::line(text::REASON));
        (security, security_limits) = part(fields, normal.unwrap_or(default), faults);
    }
    let policy = SoakPolicy { normal: normal?, security: security?, why, security_why };
    Some(RawSoak { policy, key, normal: normal_limits, security: security_limits })
}

/// `min` and `max` for one urgency.
fn part(fields: Fields<'_, '_>, default: Soak, faults: &mut Faults<'_>) -> (Option<Soak>, Limits) {
    let mut limit = |name, default| match fields.get(name) {
        Some(entry) => (duration(&entry.value, faults), Some(entry.value.spot)),
        None => (Some(default), None),
    };
    let ((min, min_spot), (max, max_spot)) = (limit("min", default.min), limit("max", default.max));
    (min.zip(max).map(|(min, max)| Soak { min, max }), [min_spot, max_spot])
}
