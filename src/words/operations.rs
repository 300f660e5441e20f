//! Sentences about operations: their outcome, why they are refused, and what to do about a refusal.

use std::fmt::Write;

use super::{because, counted, rules};
use crate::domain::change::ChangeError;
use crate::domain::payload::MAX_NAMES;
use crate::domain::rfc3339;
use crate::domain::rules::Broken;
use crate::operations::sign::Obstacle;
use crate::operations::yank::Until;
use crate::operations::{Note, Operation, Outcome, PromoteEarly, Refused, Subject};

/// Returns the name in JSON for what was done: `held`, `yanked` …, or `unchanged`.
pub fn result(operation: &Operation, outcome: &Outcome) -> &'static str {
    if outcome.is_change() { told(operation).0 } else { "unchanged" }
}

/// Says in one sentence what was done.
pub fn sentence(operation: &Operation, outcome: &Outcome) -> String {
    let subject = match &outcome.subject {
        Subject::Release { version, .. } => format!("`{version}`"),
        Subject::Channel { channel } => format!("`{channel}`"),
        Subject::Line { line } => format!("line `{line}`"),
        Subject::Restraint { what } => format!("`{what}`"),
    };
    let to = match (&outcome.subject, operation) {
        (Subject::Release { line, .. }, Operation::Add(_)) => format!(" to line `{line}`"),
        _ => String::new(),
    };
    let (done, details, already) = told(operation);
    if outcome.is_change() {
        let is_stranded = outcome.notes.iter().any(|note| matches!(note, Note::Stranded { .. }));
        let then = match operation {
            Operation::Resume { .. } if !is_stranded => "; it will move on to the next stage when it is due",
            _ => "",
        };
        format!("{done} {subject}{to}{details}{then}")
    } else {
        format!("unchanged: {subject} {already}")
    }
}

/// The words for an operation: what was done, the details, and why there was nothing to do.
fn told(operation: &Operation) -> (&'static str, String, &'static str) {
    match operation {
        Operation::AddLine { line, .. } => {
            let channels: Vec<String> =
                line.stages.iter().map(|stage| format!("`{}`", stage.channel)).collect();
            let details = format!(" with {}", channels.join(", "));
            ("added", details, "is already in the catalog")
        }
        Operation::Add(ask) => {
            let size: u64 = ask.payloads.iter().map(|payload| payload.size).sum();
            let details = format!(": {} of {size} bytes", counted(ask.payloads.len(), "payload"));
            ("added", details, "is already in the catalog")
        }
        Operation::Hold { reason, .. } => {
            ("held", because(Some(reason)), "is already on hold for that reason")
        }
        Operation::Resume { reason, .. } => ("resumed", because(Some(reason)), "is not on hold"),
        Operation::Yank { reason, to, .. } => {
            let to = to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
            ("yanked", format!(": {reason}{to}"), "has already been yanked for that reason")
        }
        Operation::Unyank { reason, .. } => ("unyanked", because(Some(reason)), "has not been yanked"),
        Operation::Pause { reason, .. } => {
            ("paused", because(Some(reason)), "is already paused for that reason")
        }
        Operation::Unpause { reason, .. } => ("resumed", because(Some(reason)), "is not paused"),
        Operation::Retire { reason, .. } => {
            ("retired", because(Some(reason)), "has already been retired for that reason")
        }
        Operation::Loosen { reason, .. } => ("loosened", because(Some(reason)), "is loosened already"),
        Operation::PromoteEarly(PromoteEarly { reason, .. }) => {
            ("promoted", format!(" early: {reason}"), "is already in its last stage")
        }
    }
}

/// Returns a remark or warning about an operation that was not refused.
pub fn note(note: &Note) -> String {
    match note {
        Note::Doubtful(doubtful) => format!("warning: {}", super::doubtful(doubtful)),
        Note::Held { replaced } => format!("`{replaced}` is on hold because it is replaced"),
        Note::StaysOnOffer { replaced, by, channel } => format!(
            "`{replaced}` is not held: it is in `{channel}`, its last stage, and stays on offer; to stop offering it, run `tidegate release yank {replaced} --to {by} --reason TEXT`"
        ),
        Note::Left { version, channel, since } => format!(
            "warning: the entry of `{version}` into `{channel}` at {} is removed, since it is ahead of this machine's clock; if this clock is slow, put the entry back",
            rfc3339(*since)
        ),
        Note::Stranded { version, channel } => {
            format!(
                "warning: `{version}` has not entered `{channel}`, and never will: its line takes no promotions any more"
            )
        }
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
                Until::After(channel) => format!("it has gone through `{channel}`"),
            };
            format!(
                "warning: `{version}` is not in `{channel}` yet: clusters there wait for it until {until}"
            )
        }
        Note::FaultyLine { line } => format!(
            "warning: line `{line}` has faults (`tidegate catalog check`): until they are fixed, nothing in it is promoted, and what it offers already is served with this stop"
        ),
    }
}

/// Says why an operation is refused, with every gate or rule that is in its way.
pub fn refusal(refused: &Refused<'_>) -> String {
    let mut message = refused.to_string();
    if let Refused::NotEarly(decision) = refused {
        for gate in decision.obstacles() {
            // Writing to a `String` cannot fail.
            let _ = write!(message, "\n  {}: {}", gate.fact.name(), super::gate(gate));
        }
    }
    match broken(refused) {
        Some(broken) => format!("{message}: {}", rules::message_and_hint(&broken.rule).0),
        None => message,
    }
}

/// Returns the first rule of the catalog that an operation would break.
fn broken<'a>(refused: &'a Refused<'_>) -> Option<&'a Broken> {
    match refused {
        Refused::Change(ChangeError::Broken { broken, .. }) => broken.first(),
        _ => None,
    }
}

/// Says what to do about a refusal, with a sentence for each option.
pub fn remedies(refused: &Refused<'_>) -> Vec<String> {
    let remedy = match refused {
        Refused::NoRelease(_) => "list all releases: `tidegate release list`".to_owned(),
        Refused::NoChannel(_) => "list all channels: `tidegate channel list`".to_owned(),
        Refused::NoLine(_) => "list all lines: `tidegate line list`".to_owned(),
        Refused::NoStage { stages, .. } if stages.is_empty() => {
            "list all lines: `tidegate line list`".to_owned()
        }
        Refused::NoStage { stages, .. } => {
            let names: Vec<String> = stages.iter().map(|stage| format!("`{stage}`")).collect();
            format!("name one of these stages: {}", names.join(", "))
        }
        Refused::NoAuthor => {
            "give the name to record with `--by NAME`, or set `TIDEGATE_BY`; where git is installed, its `user.name` is taken".to_owned()
        }
        Refused::ReservedAuthor => "name the person who does this: `--by NAME`".to_owned(),
        Refused::NoLineFor(_) => "create its line first: `tidegate line add LINE`".to_owned(),
        Refused::LongName { .. } => {
            "give the payload file a shorter name, or the release a shorter version".to_owned()
        }
        Refused::Differs { .. } => "add the changed release as a new version".to_owned(),
        Refused::ReplacesBarrier { version, barrier } => format!(
            "add `{version}` without `--replaces`, sign it, and let it take the barrier's place: `tidegate release yank {barrier} --to {version} --reason TEXT`"
        ),
        Refused::Held { version, .. } => {
            format!("to give another reason, first run `tidegate release resume {version} --reason TEXT`")
        }
        Refused::InLastStage { version, .. } => {
            format!("to stop offering it, run `tidegate release yank {version} --reason TEXT`")
        }
        Refused::Yanked { version, .. } => {
            format!("to change the yank, first run `tidegate release unyank {version} --reason TEXT`")
        }
        Refused::ReplacementYanked { line, .. } => {
            format!("name a release of line `{line}` that is on offer: `tidegate release list --line {line}`")
        }
        Refused::Paused { channel, .. } => {
            format!("to give another reason, first run `tidegate channel resume {channel} --reason TEXT`")
        }
        Refused::LineRetired { .. } => {
            "retiring cannot be undone: add new releases to the line that follows it".to_owned()
        }
        Refused::Strands { line, versions, .. } => {
            let first = versions.first().map(ToString::to_string).unwrap_or_default();
            format!(
                "retire the line once they have arrived (`tidegate explain {first}`), or leave them behind: `tidegate line retire {line} --leave-behind --reason TEXT --key FILE`"
            )
        }
        Refused::NotEarly(decision) => {
            let remedies: Vec<String> = super::remedies(decision).iter().map(ToString::to_string).collect();
            return if remedies.is_empty() { vec!["wait".to_owned()] } else { remedies };
        }
        Refused::HistoryAhead(_) => "leave out `--backfill` to see what would be promoted then".to_owned(),
        Refused::Expired { role, .. } => format!(
            "if the clock is right, renew it first: `tidegate root change renew.json --renew {role} --reason TEXT`; otherwise correct the clock"
        ),
        Refused::ClockBehind { .. } => "correct the clock, and try again".to_owned(),
        Refused::ClockAhead { .. } => {
            "correct the clock; if it is right, find out why the server does not renew what it serves"
                .to_owned()
        }
        Refused::Change(ChangeError::LineExists(line)) => {
            format!("add a release to it with `tidegate release add VERSION --line {line} --payload FILE`")
        }
        Refused::Change(ChangeError::LineRetired(_)) => {
            "a retired line takes nothing new: add a line with another name".to_owned()
        }
        Refused::Change(_) => match broken(refused) {
            Some(broken) => rules::message_and_hint(&broken.rule).1,
            None => "see what is in the catalog: `tidegate release list`".to_owned(),
        },
    };
    vec![remedy]
}

/// Returns why a release is not signed, with a hint if the fix is not obvious.
pub fn obstacle(obstacle: &Obstacle) -> (String, Option<&'static str>) {
    match obstacle {
        Obstacle::Payload(payload) => (super::payload(payload), None),
        Obstacle::LongName { file } => (
            format!(
                "its version and the name of payload `{file}` are too long together: at most {MAX_NAMES} bytes are allowed"
            ),
            Some("remove the release from the catalog, and add it with a shorter file name or version"),
        ),
        Obstacle::BrokenRole { line, why } => (
            format!("the role of line `{line}` cannot be used: {why}"),
            Some(
                "restore `trust/` as it was, from git, a backup or the last publication: `tidegate recover --trust`",
            ),
        ),
        Obstacle::UnreadManifest(why) => (why.clone(), None),
        Obstacle::EnteredEarly { stage } => (
            format!("it entered `{stage}` before the time that was signed for it"),
            Some("if that is intended, sign it by naming its version"),
        ),
    }
}
