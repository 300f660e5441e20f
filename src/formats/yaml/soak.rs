//! A stage's soak.

use chrono::TimeDelta;

use super::faults::Faults;
use super::fields::Fields;
use super::keys;
use super::limits;
use super::node::Node;
use super::scalar;
use super::when::duration;
use crate::domain::policy::{SOAK_MAX, SOAK_MIN, Soak, SoakPolicy};
use crate::domain::span::Span;
use crate::formats::fault::Spot;

/// Reads the soak of a stage.
pub(super) fn soak(node: &Node<'_>, at: Spot, stage: &str, faults: &mut Faults<'_>) -> Option<SoakPolicy> {
    let fields = Fields::of(node, at, &keys::SOAK, faults)?;
    let why = fields.read("why", faults, scalar::line(limits::REASON));
    let default = SoakPolicy::default().normal;
    let normal = Part { fields, at, stage, key: "soak", allowed: why.is_some() }.read(default, faults);
    let Some(entry) = fields.get("security") else {
        let normal = normal?;
        return Some(SoakPolicy { normal, security: normal, why });
    };
    let at = entry.key.spot;
    let fields = Fields::of(&entry.value, at, &keys::SECURITY_SOAK, faults)?;
    let other = fields.read("why", faults, scalar::line(limits::REASON));
    let allowed = why.is_some() || other.is_some();
    let part = Part { fields, at, stage, key: "soak.security", allowed };
    let security = part.read(normal.unwrap_or(default), faults);
    let why = match (why, other) {
        (Some(why), Some(other)) => Some(format!("{why}; security: {other}")),
        (why, other) => why.or(other),
    };
    Some(SoakPolicy { normal: normal?, security: security?, why })
}

/// `min` and `max` for one urgency.
struct Part<'s, 'n, 'a> {
    fields: Fields<'n, 'a>,
    /// Where the key stands that has them.
    at: Spot,
    stage: &'s str,
    /// The key as it is called in messages.
    key: &'static str,
    /// Whether a `why` allows values outside the usual.
    allowed: bool,
}

impl Part<'_, '_, '_> {
    fn read(&self, default: Soak, faults: &mut Faults<'_>) -> Option<Soak> {
        let min = self.bounded("min", default.min, faults);
        let max = self.bounded("max", default.max, faults);
        let (min, max) = (min?, max?);
        if min > max {
            let spot = self.fields.get("min").or_else(|| self.fields.get("max"));
            let message = format!(
                "`{}` of stage `{}` has a `min` of `{}`, above its `max` of `{}`",
                self.key,
                self.stage,
                Span(min),
                Span(max)
            );
            let spot = spot.map_or(self.at, |entry| entry.value.spot);
            faults.push(spot, message, "give both, `min` not above `max`");
            return None;
        }
        Some(Soak { min, max })
    }

    fn bounded(&self, name: &str, default: TimeDelta, faults: &mut Faults<'_>) -> Option<TimeDelta> {
        let Some(entry) = self.fields.get(name) else { return Some(default) };
        let value = duration(&entry.value, faults)?;
        let (word, bound) = match value {
            _ if self.allowed => return Some(value),
            value if value < SOAK_MIN => ("below the minimum", SOAK_MIN),
            value if value > SOAK_MAX => ("above the maximum", SOAK_MAX),
            _ => return Some(value),
        };
        let (shown, stage, bound) = (Span(value), self.stage, Span(bound));
        let message = format!("soak `{shown}` of stage `{stage}` is {word} `{bound}`");
        faults.push(entry.value.spot, message, format!("give `{}.why` to allow it", self.key));
        None
    }
}
