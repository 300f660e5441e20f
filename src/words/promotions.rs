//! Where a release stands on its way to a stage, in a word or two, and why.

use super::gate;
use crate::domain::promotion::{Decision, Fact, Gate, GateState, Verdict};
use crate::domain::rfc3339;

/// Who promotes what is due, as far as is known.
pub const PROMOTES: &str = "a server with `--promote on`, or `tidegate promote`, promotes it";

/// Says since when a promotion is overdue, if it is.
pub(super) fn late(decision: &Decision<'_>) -> Option<String> {
    let deadline = decision.deadline.filter(|_| decision.overdue)?;
    Some(format!("it should have entered by {}", rfc3339(deadline)))
}

/// Returns the state of a promotion, and what keeps the release out: the gate that opens last, or every gate
/// that blocks.
pub fn promotion(decision: &Decision<'_>) -> (String, String) {
    let overdue = if decision.overdue { "overdue, " } else { "" };
    let (state, decisive) = match decision.verdict {
        Verdict::Promote => ("due".to_owned(), None),
        Verdict::Wait { until } => {
            // Of several gates that open at the same time, the first explains most: the soak, and not the
            // signed time that follows from the soak.
            // A recorded entry decides by itself.
            let is_recorded = |gate: &&Gate<'_>| matches!(gate.fact, Fact::Recorded { .. });
            let recorded = decision.obstacles().find(is_recorded);
            let last = || decision.obstacles().reduce(|a, b| if a.opens() < b.opens() { b } else { a });
            (format!("waits until {}", rfc3339(until)), recorded.or_else(last))
        }
        Verdict::Blocked => ("blocked".to_owned(), None),
    };
    // Whoever ends the soak early must know that the signature waits, too.
    let signed = decision.obstacles().find(|gate| matches!(gate.fact, Fact::NotBefore { .. }));
    let soaks = decisive.is_some_and(|gate| matches!(gate.fact, Fact::Soak { .. }));
    let blocking = decision.gates.iter().filter(|gate| gate.state == GateState::Blocks);
    let all = decisive.into_iter().chain(signed.filter(|_| soaks)).chain(blocking);
    let why: Vec<String> = all.map(gate).chain(late(decision)).collect();
    (format!("{overdue}{state}"), why.join("; "))
}
