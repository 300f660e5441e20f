//! Every sentence that people read about the domain: gates, answers, explanations, refusals and remedies.
//!
//! The domain decides and returns figures; this room only turns them into English. Each function takes
//! one value of the domain and returns its sentence, without a full stop. A sentence is written once:
//! whoever shows the same fact calls the same function.

mod answers;
mod degraded;
mod evidence;
mod explain;
mod gates;
pub mod operations;
mod remedies;
pub mod rules;
mod step_backs;

use crate::domain::channel::LineName;
use crate::domain::release::{Event, Yank};
use crate::domain::rfc3339;

pub use answers::answer;
pub use degraded::{clock_doubt, degraded, line_refusal};
pub use evidence::{objection, payload};
pub use explain::{explanation, explanation_page, unknown_on_mirror};
pub use gates::{Remedy, gate, gate_remedy};
pub use remedies::{early_remedy, remedies, remedies_of_explanation};
pub use step_backs::{step_back, step_back_hint};

/// Since when, who decided it, and why.
pub fn event(Event { at, by, reason, .. }: &Event) -> String {
    format!("since {} by {by}: {reason}", rfc3339(*at))
}

/// Says that a release was yanked, and what replaces it.
pub fn yanked(Yank { event: yanked, to }: &Yank) -> String {
    let replaced = to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
    format!("yanked {}{replaced}", event(yanked))
}

/// Says that a line was retired.
pub fn retired(line: &LineName, Event { at, by, reason, .. }: &Event) -> String {
    format!("line `{line}` was retired at {} by {by}: {reason}", rfc3339(*at))
}

/// How many more there are than the first of a list: ` (and 3 more)`, or nothing.
pub fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}

/// A reason to append to a sentence: `: etcd loses quorum`, or nothing.
fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

/// A count with its noun: `1 release`, `2 releases`.
pub fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

#[cfg(test)]
mod tests;
