//! Gates: what a promotion waits for, and until when.

use super::{event, evidence, retired, yanked};
use crate::domain::promotion::{Fact, Gate, GateState};
use crate::domain::rfc3339;
use crate::domain::span::Span;

/// What a gate looked at, and what it found.
#[must_use]
pub fn gate(gate: &Gate<'_>) -> String {
    let passes = gate.state == GateState::Passes;
    let skipped = if gate.is_waived() { "skipped: " } else { "" };
    match gate.fact {
        Fact::Recorded { since } => format!("the catalog already has an entry dated {}", rfc3339(since)),
        Fact::Yanked { yank } => yanked(yank),
        Fact::Signed { manifest } => evidence::manifest(manifest, passes),
        Fact::Payload { payload } => evidence::payload(payload),
        Fact::Soak { since, soak, due, waived } => {
            let (min, since, due) = (Span(soak.min), rfc3339(since), rfc3339(due));
            match gate.state {
                GateState::Passes if waived => format!("{skipped}the soak of {min} since {since} ends {due}"),
                GateState::Passes => format!("the soak of {min} since {since} is over"),
                GateState::Waits { .. } | GateState::Blocks => {
                    format!("soaking for {min} since {since}, until {due}")
                }
            }
        }
        Fact::NotBefore { at, .. } => format!("signed for {} or later", rfc3339(at)),
        Fact::Retired { line, retired: event } => retired(line, event),
        Fact::Hold { hold: None } => "not held".to_owned(),
        Fact::Hold { hold: Some(hold) } => format!("held {}", event(hold)),
        Fact::Freeze { freeze: None, .. } => "no freeze".to_owned(),
        Fact::Freeze { freeze: Some(freeze), .. } => {
            let (from, until) = (rfc3339(freeze.from), rfc3339(freeze.until));
            format!("{skipped}frozen from {from} until {until}: {}", freeze.reason)
        }
        Fact::Window { window, .. } => match gate.state {
            GateState::Waits { until } => format!("promotions happen {window}; next at {}", rfc3339(until)),
            GateState::Passes | GateState::Blocks => format!("{skipped}promotions happen {window}"),
        },
        Fact::Order { barrier: None } => "no older barrier is pending".to_owned(),
        Fact::Order { barrier: Some(barrier) } => {
            let barrier = &barrier.version;
            match gate.state {
                GateState::Waits { until } => {
                    format!(
                        "waiting for barrier `{barrier}`, which enters at {} at the earliest",
                        rfc3339(until)
                    )
                }
                GateState::Passes | GateState::Blocks => {
                    format!("waiting for barrier `{barrier}`, which is blocked itself")
                }
            }
        }
        Fact::Paused { pause: None, .. } => "the channel is not paused".to_owned(),
        Fact::Paused { channel, pause: Some(pause) } => {
            format!("channel `{channel}` has been paused {}", event(pause))
        }
    }
}
