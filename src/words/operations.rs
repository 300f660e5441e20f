//! What came of an operation, why one is refused, and what to do about that.

use std::fmt::Write;

use crate::domain::rfc3339;
use crate::operations::sign::Obstacle;
use crate::operations::yank::Until;
use crate::operations::{Note, Operation, Outcome, Refused, Subject};

/// The word for what was done, in JSON: `held`, `yanked` …, or `unchanged`.
#[must_use]
pub const fn result(operation: &Operation, outcome: &Outcome) -> &'static str {
    if !outcome.is_change() {
        return "unchanged";
    }
    match operation {
        Operation::Add(_) => "added",
        Operation::Hold(_) => "held",
        Operation::Resume(_) | Operation::Unpause(_) => "resumed",
        Operation::Yank(_) => "yanked",
        Operation::Unyank(_) => "unyanked",
        Operation::Pause(_) => "paused",
        Operation::Retire(_) => "retired",
        Operation::PromoteEarly(_) => "promoted",
    }
}

/// What was done, in one sentence.
#[must_use]
pub fn sentence(operation: &Operation, outcome: &Outcome) -> String {
    let subject = match &outcome.subject {
        Subject::Release { version, .. } => format!("`{version}`"),
        Subject::Channel(channel) => format!("`{channel}`"),
        Subject::Line(line) => format!("line `{line}`"),
    };
    if !outcome.is_change() {
        return format!("unchanged: {subject} {}", already(operation, &outcome.subject));
    }
    match operation {
        Operation::Add(ask) => {
            let size: u64 = ask.payloads.iter().map(|payload| payload.size).sum();
            let count = ask.payloads.len();
            let s = if count == 1 { "" } else { "s" };
            let line = line(&outcome.subject);
            format!("added {subject} to {line}: {count} payload{s} of {size} bytes")
        }
        Operation::Hold(ask) => format!("held {subject}: {}", ask.reason),
        Operation::Resume(_) => format!("resumed {subject}: it goes on when it is due"),
        Operation::Yank(ask) => {
            let to = ask.to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
            format!("yanked {subject}: {}{to}", ask.reason)
        }
        Operation::Unyank(ask) => {
            let reason = ask.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("restored {subject}{reason}")
        }
        Operation::Pause(ask) => format!("paused {subject}: {}", ask.reason),
        Operation::Unpause(_) => format!("resumed {subject}"),
        Operation::Retire(ask) => format!("retired {subject}: {}", ask.reason),
        Operation::PromoteEarly(ask) => format!("promoted {subject} early: {}", ask.reason),
    }
}

/// Why nothing was to do.
fn already(operation: &Operation, subject: &Subject) -> String {
    match operation {
        Operation::Add(_) => format!("is already in {}", line(subject)),
        Operation::Hold(_) => "is already on hold for that reason".to_owned(),
        Operation::Resume(_) => "is not on hold".to_owned(),
        Operation::Yank(_) => "has already been yanked for that reason".to_owned(),
        Operation::Unyank(_) => "has not been yanked".to_owned(),
        Operation::Pause(_) => "is already paused for that reason".to_owned(),
        Operation::Unpause(_) => "is not paused".to_owned(),
        Operation::Retire(_) => "has already been retired for that reason".to_owned(),
        Operation::PromoteEarly(_) => "is already in its last stage".to_owned(),
    }
}

fn line(subject: &Subject) -> String {
    match subject {
        Subject::Release { line, .. } | Subject::Line(line) => format!("line `{line}`"),
        Subject::Channel(channel) => format!("channel `{channel}`"),
    }
}

/// What to know about an operation that was carried out all the same.
#[must_use]
pub fn note(note: &Note) -> String {
    match note {
        Note::Held { replaced } => format!("`{replaced}` is on hold, since it is replaced"),
        Note::StaysOnOffer { replaced, by, channel } => format!(
            "`{replaced}` is not held: it is in `{channel}`, its last stage, and stays on offer; to end its offer, `tidegate release yank {replaced} --to {by} --reason TEXT`"
        ),
        Note::Withheld(release) => {
            let version = &release.version;
            let why = super::objection(&release.evidence).unwrap_or_default();
            format!("warning: `{version}` cannot be installed: {why} (`tidegate explain {version}`)")
        }
        Note::NotYet { version, channel, until } => {
            let until = match until {
                Until::NextRun => "the next run promotes it".to_owned(),
                Until::Time(time) => rfc3339(*time),
                Until::SomebodyActs => format!("somebody acts (`tidegate explain {version}`)"),
                Until::After(channel) => format!("it has been in `{channel}`"),
            };
            format!(
                "warning: `{version}` is not in `{channel}` yet: clusters there wait for it until {until}"
            )
        }
    }
}

/// Why an operation is refused, with everything that stands in its way.
#[must_use]
pub fn refusal(refused: &Refused<'_>) -> String {
    let mut message = refused.to_string();
    if let Refused::NotEarly(decision) = refused {
        for gate in decision.obstacles() {
            // Writing to a `String` cannot fail.
            let _ = write!(message, "\n  {}: {}", gate.fact.name(), super::gate(gate));
        }
    }
    message
}

/// What to do about a refusal, a sentence for each way.
#[must_use]
pub fn remedies(refused: &Refused<'_>) -> Vec<String> {
    let remedy = match refused {
        Refused::NoRelease(_) => "list all releases: `tidegate release list`".to_owned(),
        Refused::NoChannel(_) => "list all channels: `tidegate channel list`".to_owned(),
        Refused::NoLine(_) => "list all lines: `tidegate line list`".to_owned(),
        Refused::NoAuthor => {
            "name yourself: `--by NAME`, `TIDEGATE_BY`, or `git config user.name NAME`".to_owned()
        }
        Refused::ReservedAuthor => "name the person who does this: `--by NAME`".to_owned(),
        Refused::NoLineFor(_) => "write its line first, `LINE/line.yaml` in the catalog".to_owned(),
        Refused::OtherLine { prefix, .. } => format!("versions of this line begin with `{prefix}`"),
        Refused::Differs { .. } => {
            "a version stands for one content: add the changed one as a new version".to_owned()
        }
        Refused::LineRetired { .. } => {
            "this cannot be undone: add new releases to the line that follows".to_owned()
        }
        Refused::ReplacesItself(_) => "name another release of the line".to_owned(),
        Refused::NotInLine { line, .. } | Refused::ReplacementYanked { line, .. } => {
            format!("name a release of line `{line}` that is on offer: `tidegate release list --line {line}`")
        }
        Refused::BelowBarrier { line, .. } => {
            format!("name a higher release of line `{line}`, and add one first if there is none")
        }
        Refused::BarrierWithoutReplacement(_) => {
            "name the higher release to take instead: `--to VERSION`".to_owned()
        }
        Refused::Held { version, .. } => {
            format!("to give another reason, first run `tidegate release resume {version}`")
        }
        Refused::InLastStage { version, .. } => {
            format!("to end its offer, `tidegate release yank {version} --reason TEXT`")
        }
        Refused::Yanked { version, .. } => {
            format!("to change that, first run `tidegate release unyank {version}`")
        }
        Refused::Paused { channel, .. } => {
            format!("to give another reason, first run `tidegate channel resume {channel}`")
        }
        Refused::NotEarly(decision) => {
            let remedies: Vec<String> = super::remedies(decision).iter().map(super::remedy).collect();
            return if remedies.is_empty() { vec!["wait".to_owned()] } else { remedies };
        }
        Refused::HistoryAhead(_) => "leave out `--backfill` to see what would be promoted then".to_owned(),
    };
    vec![remedy]
}

/// What to do about a release that is not signed, beyond what the obstacle says itself.
#[must_use]
pub const fn sign_remedy(obstacle: &Obstacle) -> Option<&'static str> {
    match obstacle {
        Obstacle::PayloadMissing { .. } | Obstacle::PayloadDiffers { .. } | Obstacle::UnreadManifest(_) => {
            None
        }
        Obstacle::BrokenRole { .. } => Some("put `trust/` back as it was"),
        Obstacle::EnteredEarly { .. } => Some("if that is right, name the version to sign it"),
    }
}
