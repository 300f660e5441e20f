//! Every sentence that people read about the domain: gates, answers, explanations, refusals and remedies.
//!
//! The domain decides and returns data; this module only turns the data into English. Each function takes
//! one value of the domain and returns its sentence, without a full stop. Each sentence is written once:
//! all code that shows the same fact calls the same function.

mod ahead;
mod answers;
mod coming;
mod degraded;
mod doubtful;
mod evidence;
mod explain;
mod gates;
mod goal;
mod not_promoting;
pub mod operations;
mod problems;
mod promotions;
mod remedies;
pub mod restraints;
pub mod rules;
mod step_backs;

use crate::domain::channel::LineName;
use crate::domain::release::{Event, Yank};
use crate::domain::rfc3339;

pub use ahead::dated_ahead;
pub use answers::{advice, answer, refused_line, verified};
pub use coming::{Ask, coming_why};
pub use degraded::{DETAILS_ELSEWHERE, clock_doubt, clock_reading, degraded, line_refusal, renew};
pub use doubtful::doubtful;
pub use evidence::{objection, payload, payload_hint};
pub use explain::{explanation, explanation_page, nothing_higher, unknown_on_mirror};
pub use gates::{Remedy, RemedyKind, gate, gate_remedy, manifest_remedy, resume_remedy};
pub use goal::Goal;
pub use not_promoting::not_promoting;
pub use problems::{Problem, problem};
pub use promotions::{PROMOTES, promotion};
pub use remedies::{
    early_remedy, higher_remedy, mend_remedy, promote_remedy, remedies, remedies_of_explanation,
};
pub use step_backs::{step_back, step_back_hint};

/// Adds flags to every command that a text shows in backticks, each on one line.
pub fn with_flags(text: &str, flags: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find("`tidegate ").filter(|_| !flags.is_empty()) {
        let (before, command) = rest.split_at(begin + 1);
        let end = command.find(['`', '\n']).unwrap_or(command.len());
        shown = shown + before + &command[..end];
        rest = &command[end..];
        let is_command = command["tidegate ".len()..].starts_with(|c: char| c.is_ascii_lowercase());
        if is_command && rest.starts_with('`') {
            shown = shown + " " + flags;
        }
    }
    shown + rest
}

/// Describes an event: since when, by whom, and why.
pub fn event(Event { at, by, reason, .. }: &Event) -> String {
    format!("since {}{}: {reason}", rfc3339(*at), by_whom(by))
}

/// Says who did something, unless that is not for everybody.
fn by_whom(by: &str) -> String {
    if by.is_empty() { String::new() } else { format!(" by {by}") }
}

/// Says that a release was yanked, and what replaces it.
pub fn yanked(Yank { event: yanked, to }: &Yank) -> String {
    let replaced = to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
    format!("yanked {}{replaced}", event(yanked))
}

/// Says that a line was retired.
pub fn retired(line: &LineName, Event { at, by, reason, .. }: &Event) -> String {
    format!("line `{line}` was retired at {}{}: {reason}", rfc3339(*at), by_whom(by))
}

/// Returns a suffix that counts the items a sentence leaves out: ` (and 3 more)`, or nothing.
pub fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" (and {count} more)") }
}

/// Returns a reason as a suffix for a sentence: `: etcd loses quorum`, or nothing.
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
