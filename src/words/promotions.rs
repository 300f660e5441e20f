//! Where a release stands on its way to a stage, in a word or two, and why.

use super::gate;
use crate::domain::promotion::{Decision, GateState, Verdict};
use crate::domain::rfc3339;

/// Who promotes what is due, as far as is known.
pub const PROMOTES: &str = "a server with `--promote on`, or `tidegate promote`, promotes it";

/// Returns the state of a promotion, and what keeps the release out: the gate that opens last, or every gate
/// that blocks.
pub fn promotion(decision: &Decision<'_>) -> (String, String) {
    let overdue = if decision.overdue { "overdue, " } else { "" };
    let (state, decisive) = match decision.verdict {
        Verdict::Promote => ("due".to_owned(), None),
        Verdict::Wait { until } => {
            // Of several gates that open at the same time, the first explains most: the soak, and not the
            // signed time that follows from the soak.
            let last = decision.obstacles().reduce(|a, b| if a.opens() < b.opens() { b } else { a });
            (format!("waits until {}", rfc3339(until)), last)
        }
        Verdict::Blocked => ("blocked".to_owned(), None),
    };
    let blocking = decision.gates.iter().filter(|gate| gate.state == GateState::Blocks);
    let why: Vec<String> = decisive.into_iter().chain(blocking).map(gate).collect();
    (format!("{overdue}{state}"), why.join("; "))
}
