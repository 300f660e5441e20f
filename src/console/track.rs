//! A soak that one can see: from the entry over the gate at `min` to `max`.

use chrono::TimeDelta;
use maud::{Markup, html};

use super::text::moment;
use crate::domain::promotion::{Decision, Fact, SoakEnd};
use crate::domain::span::Span;
use crate::domain::{Time, rfc3339};

/// The width of the picture, and the height of the bar.
const WIDTH: i64 = 336;

/// The soak of a release that is on its way.
pub(super) struct Track {
    since: Time,
    /// The time that counts, up to now.
    passed: TimeDelta,
    min: TimeDelta,
    max: TimeDelta,
    /// Whether somebody must act before the release goes on.
    is_stopped: bool,
}

impl Track {
    /// `None` if the next stage has no soak.
    pub fn of(decision: &Decision<'_>) -> Option<Self> {
        let found = decision.gates.iter().find_map(|gate| match gate.fact {
            Fact::Soak { since, soak, ends, .. } => Some((since, soak, ends)),
            _ => None,
        });
        let (since, soak, ends) = found?;
        let passed = match ends {
            // What lies ahead of now is not lost yet.
            SoakEnd::At { lost, .. } => decision.now - since - lost.min(decision.now - since),
            SoakEnd::Paused { rest, .. } => soak.min - rest,
            SoakEnd::Yanked | SoakEnd::Unavailable => decision.now - since,
        };
        let passed = passed.max(TimeDelta::zero());
        let is_stopped = decision.blocking().is_some();
        Some(Self { since, passed, min: soak.min, max: soak.max, is_stopped })
    }

    /// The soak in words, for those who do not see the picture.
    pub fn words(&self) -> String {
        format!(
            "soaking since {}, for {} at least and {} at most",
            moment(self.since),
            Span(self.min),
            Span(self.max)
        )
    }

    pub fn picture(&self) -> Markup {
        let whole = self.max.max(self.min).num_seconds().max(1);
        let place = |time: TimeDelta| (time.num_seconds().clamp(0, whole)) * WIDTH / whole;
        let (gate, done) = (place(self.min), place(self.passed));
        let class = if self.is_stopped { "held" } else { "done" };
        html! {
            svg.soak viewBox="0 0 340 18" preserveAspectRatio="none" role="img" aria-label=(self.words()) {
                rect.rest x="2" y="5" width=(gate) height="8" rx="2" {}
                rect.late x=(2 + gate) y="5" width=(WIDTH - gate) height="8" rx="2" {}
                rect class=(class) x="2" y="5" width=(done) height="8" rx="2"
                    data-since=[(!self.is_stopped).then(|| rfc3339(self.since))] data-whole=(whole) {}
                line.gate x1=(2 + gate) x2=(2 + gate) y1="1" y2="17" {}
            }
        }
    }

    /// The ends of the picture, as a head for several of them.
    pub fn axis(&self) -> Markup {
        html! {
            div.axis aria-hidden="true" {
                span {} span { span { "entered" } span { (Span(self.min)) } span { (Span(self.max)) } } span {}
            }
        }
    }
}
