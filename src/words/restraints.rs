//! Sentences about restraints that a catalog has lost.

use crate::domain::loosened::What;
use crate::domain::restraint::{Forgotten, Limit, Restraint};
use crate::domain::rfc3339;
use crate::domain::span::Span;

/// Names a restraint.
fn restraint(Restraint { line, limit, .. }: &Restraint) -> String {
    match limit {
        Limit::Freeze(freeze) => format!("the freeze of line `{line}` until {}", rfc3339(freeze.until)),
        Limit::Window { stage, window } => format!("the window `{window}` of `{stage}` in line `{line}`"),
        Limit::Soak { stage, normal, .. } => {
            format!("the soak of {} before `{stage}` in line `{line}`", Span(*normal))
        }
        Limit::Pause { stage, .. } => format!("the pause of `{stage}` in line `{line}`"),
        Limit::Retired(_) => format!("the retirement of line `{line}`"),
        Limit::Hold { version, .. } => format!("the hold of `{version}`"),
        Limit::Yank { version, .. } => format!("the yank of `{version}`"),
        Limit::Barrier(version) => format!("the barrier `{version}`"),
    }
}

/// Says that a catalog has lost a restraint.
pub fn lost(lost: &Restraint) -> String {
    let since = match &lost.lost_in {
        Some(commit) => format!(" since commit `{}`", short(commit)),
        None => String::new(),
    };
    format!(
        "{} is gone from the catalog or demands less than before{since}, and nobody recorded why",
        restraint(lost)
    )
}

/// The beginning of a commit's name, as git takes it.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Says how to put a lost restraint right.
pub fn lost_hint(what: &What) -> String {
    format!("put it back or, if that was intended, run `tidegate catalog loosen {what} --reason TEXT`")
}

/// Says that what was remembered of restraints cannot be read.
pub fn forgotten(Forgotten { stored, why, is_denied }: &Forgotten) -> String {
    let (at, who) = if *is_denied {
        (String::new(), "this process cannot")
    } else {
        (format!(" at {}", rfc3339(*stored)), "nobody can")
    };
    format!(
        "the freezes, holds and other restraints that the server knew{at} cannot be read, so {who} tell whether the catalog has lost one ({why})"
    )
}

/// Says how to go on without what cannot be read.
pub fn forgotten_hint(forgotten: &Forgotten) -> String {
    let Some(what) = forgotten.what() else {
        return "give it that right, and start a server that reports this again".to_owned();
    };
    format!(
        "stop the server, restore that file from a backup and start it again or, if the catalog has everything that it should have, run `tidegate catalog loosen {what} --reason TEXT`"
    )
}
