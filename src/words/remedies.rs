//! Remedies: what people can do, who can do it, and the commands to copy.

use super::gates::{Remedy, RemedyKind, gate_remedy, unyank};
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, Verdict};

/// Returns what people can do about the gates that do not pass, without duplicates.
pub fn remedies(decision: &Decision<'_>) -> Vec<Remedy> {
    let version = &decision.release.version;
    // Nothing can promote a release of a retired line, but faults in the releases that it offers can be
    // fixed.
    let retired = decision.retired().is_some();
    let helps = |gate: &&Gate<'_>| !retired || gate.fact.outlasts_retirement();
    let of_gates = decision.obstacles().filter(helps).filter_map(|gate| match gate.fact {
        Fact::Hold { .. } => replace_barrier(decision).or_else(|| gate_remedy(gate, version)),
        _ => gate_remedy(gate, version),
    });
    once(of_gates.chain(early_remedy(decision)))
}

/// Returns how another release can take the place of a held barrier that it replaces. To end the hold would
/// promote what was replaced.
fn replace_barrier(decision: &Decision<'_>) -> Option<Remedy> {
    let barrier = Some(&decision.release.version).filter(|_| decision.release.barrier)?;
    let by = decision.line.releases.values().find(|release| release.replaces.as_ref() == Some(barrier))?;
    Some(Remedy::new(
        RemedyKind::YankTo,
        format!("anyone who may change the catalog can let `{}` take the barrier's place", by.version),
        format!("tidegate release yank {barrier} --to {} --reason TEXT", by.version),
    ))
}

/// Returns how a person can promote the release early, if that would help.
pub fn early_remedy(decision: &Decision<'_>) -> Option<Remedy> {
    let way = decision.early_way()?;
    let signed = if way.once_signed { ", once a release key has signed an earlier time" } else { "" };
    let during = if way.during_freeze { " --during-freeze" } else { "" };
    let version = &decision.release.version;
    Some(Remedy::new(
        RemedyKind::PromoteEarly,
        format!("a release engineer can promote it early{signed}"),
        format!("tidegate promote {version} --early{during} --reason TEXT"),
    ))
}

/// Returns what people can do to change a release's situation, without duplicates.
pub fn remedies_of_explanation(explanation: &Explanation<'_>) -> Vec<Remedy> {
    let Explanation { release, now, decision, .. } = *explanation;
    let version = &release.version;
    let withheld = Gate::withholding(release, now).and_then(|gate| gate_remedy(&gate, version));
    let faulty = explanation.is_not_promoted().filter(|why| *why != NotPromoting::Off).map(|_| {
        let who =
            "whoever runs the server can mend it; this says how, as does `/readyz` at its admin address";
        Remedy::new(RemedyKind::MendServer, who, "tidegate status".to_owned())
    });
    let is_due = decision.is_some_and(|decision| decision.verdict == Verdict::Promote)
        && faulty.is_none()
        && explanation.refused.is_none();
    let promote = is_due.then(|| {
        let who = "anyone who may change the catalog can promote what is due";
        Remedy::new(RemedyKind::Promote, who, format!("tidegate promote {version}"))
    });
    let check = explanation.stands_still().map(|refusal| {
        // The files of a line that takes back what was published have no fault in themselves.
        let command = match refusal {
            LineRefusal::Faulty { .. } => "tidegate catalog check",
            LineRefusal::StepsBack(_) | LineRefusal::Claims { .. } => "tidegate status",
        };
        let who = "a release engineer can find and mend the fault";
        Remedy::new(RemedyKind::Check, who, command.to_owned())
    });
    let is_restorable = decision.is_none() && release.yanked(now).is_some() && !release.is_withdrawn(now);
    let of_decision = decision.map(remedies).unwrap_or_default();
    let restore = is_restorable.then(|| unyank(version));
    once(withheld.into_iter().chain(of_decision).chain(promote).chain(faulty).chain(check).chain(restore))
}

fn once(remedies: impl IntoIterator<Item = Remedy>) -> Vec<Remedy> {
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in remedies {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}
