//! Remedies: what people can do, who can do it, and the commands to copy.

use super::gates::{Remedy, RemedyKind, gate_remedy, unyank};
use super::promotion;
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::line::Follows;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, Verdict, decide_alone};
use crate::domain::release::Release;
use crate::domain::rfc3339;
use crate::domain::upgrade::Step;
use crate::domain::version::Version;

/// Returns what people can do about the gates that do not pass, without duplicates.
pub fn remedies(decision: &Decision<'_>) -> Vec<Remedy> {
    let version = &decision.release.version;
    // Nothing can promote a release of a retired line, but faults in the releases that it offers can be
    // fixed.
    let retired = decision.retired().is_some();
    let helps = |gate: &&Gate<'_>| !retired || gate.fact.outlasts_retirement();
    // While an entry is recorded, only that counts.
    let is_recorded = decision.ahead().is_some();
    let early = early_remedy(decision);
    let is_first = decision.early_way().is_some_and(|way| way.once_signed);
    let counts = |gate: &&Gate<'_>| match gate.fact {
        Fact::Recorded { .. } => true,
        // To sign an earlier time is no help while something blocks.
        Fact::NotBefore { .. } => !is_recorded && (is_first || decision.blocking().is_none()),
        _ => !is_recorded,
    };
    let of_gates = decision.obstacles().filter(helps).filter(counts).filter_map(|gate| match gate.fact {
        Fact::Hold { .. } => replace_barrier(decision).or_else(|| gate_remedy(gate, version)),
        Fact::Order { barrier: Some(barrier), .. } => {
            gate_remedy(gate, version).map(|remedy| barrier_remedy(remedy, decision, barrier))
        }
        Fact::Recorded { .. } => gate_remedy(gate, version).map(|remedy| remedy.then(after_redate(decision))),
        Fact::NotBefore { .. } if is_first => {
            gate_remedy(gate, version).map(|remedy| remedy.step("to bring it forward, 1"))
        }
        _ => gate_remedy(gate, version),
    });
    let all: Vec<Remedy> = of_gates.collect();
    once(all.into_iter().chain(early.map(|early| if is_first { early.step("then 2") } else { early })))
}

/// Says what a barrier is waiting for that must enter first, and who can change that.
fn barrier_remedy(remedy: Remedy, waiting: &Decision<'_>, barrier: &Release) -> Remedy {
    let version = &barrier.version;
    let Some(decision) = decide_alone(waiting.line, barrier, waiting.now) else { return remedy };
    let (state, why) = promotion(&decision);
    let why = if why.is_empty() { state } else { format!("{state}: {why}") };
    let who: Vec<String> = remedies(&decision).into_iter().map(|remedy| remedy.who).collect();
    let who = if who.is_empty() { String::new() } else { format!("; what helps: {}", who.join("; ")) };
    Remedy { who: format!("barrier `{version}` must enter first ({why}){who}"), ..remedy }
        .then(" has the commands")
}

/// Says what comes after an entry that is dated ahead was removed.
fn after_redate(decision: &Decision<'_>) -> String {
    let rest = decision.obstacles().filter(|gate| !matches!(gate.fact, Fact::Recorded { .. }));
    let after = match rest.filter_map(Gate::opens).max() {
        Some(until) => format!("still waits until {}", rfc3339(until)),
        None => "is promoted when every other gate is open".to_owned(),
    };
    format!(
        " (the soak counts as before, and the release {after}); otherwise the machine's operator must correct its clock"
    )
}

/// Returns how another release can take the place of a held barrier that it replaces. To end the hold would
/// promote what was replaced.
fn replace_barrier(decision: &Decision<'_>) -> Option<Remedy> {
    let barrier = Some(&decision.release.version).filter(|_| decision.release.barrier)?;
    let by = decision.line.releases.values().find(|release| release.replaces.as_ref() == Some(barrier))?;
    Some(Remedy::new(
        RemedyKind::YankTo,
        format!("a release engineer can let `{}` take the barrier's place", by.version),
        format!("tidegate release yank {barrier} --to {} --reason TEXT", by.version),
    ))
}

/// Returns how a person can promote the release early, if that would help.
pub fn early_remedy(decision: &Decision<'_>) -> Option<Remedy> {
    let way = decision.early_way()?;
    let during = if way.during_freeze { " --during-freeze" } else { "" };
    let version = &decision.release.version;
    Some(Remedy::new(
        RemedyKind::PromoteEarly,
        "a release engineer can promote it early",
        format!("tidegate promote {version} --early{during} --reason TEXT"),
    ))
}

/// Returns what people can do to change a release's situation, without duplicates.
pub fn remedies_of_explanation(explanation: &Explanation<'_>) -> Vec<Remedy> {
    let Explanation { line, release, now, decision, .. } = *explanation;
    let version = &release.version;
    let withheld = Gate::withholding(release, now).and_then(|gate| gate_remedy(&gate, version));
    let faulty = explanation.is_not_promoted().filter(|why| *why != NotPromoting::Off).map(|why| {
        let who = match why {
            NotPromoting::Clock(_) => "the server's operator must correct or confirm its clock",
            NotPromoting::Off | NotPromoting::Failing(_) => "the server's operator must mend its fault",
        };
        let after = match decision.and_then(|decision| decision.verdict.waits_until()) {
            Some(until) => format!("it still waits until {}", rfc3339(until)),
            None => "it enters at once".to_owned(),
        };
        Remedy::new(RemedyKind::MendServer, who, "tidegate status".to_owned())
            .then(format!(", or `/readyz` at its admin address, says how; after that, {after}"))
    });
    let is_due = decision.is_some_and(|decision| decision.verdict == Verdict::Promote)
        && faulty.is_none()
        && explanation.refused.is_none();
    let promote = is_due.then(|| promote_remedy(version));
    let check = explanation.stands_still().map(mend_remedy);
    let is_restorable = decision.is_none() && release.yanked(now).is_some() && !release.is_withdrawn(now);
    let mut of_decision = decision.map(remedies).unwrap_or_default();
    of_decision.extend(is_restorable.then(|| unyank(version)));
    let higher = line.stranding(release, now).map(|_| {
        for one in of_decision.iter_mut().filter(|one| one.kind == RemedyKind::Unyank) {
            one.who = format!("only if `{version}` is good after all, {}", one.who);
        }
        higher_remedy()
    });
    // Nothing else helps before what stops all of it has ended.
    let first = withheld.into_iter().chain(faulty).chain(check).chain(higher);
    let stop = explanation.enters_by_itself().then(|| {
        let who = "a release engineer can stop it";
        Remedy::new(RemedyKind::Hold, who, format!("tidegate release hold {version} --reason TEXT"))
    });
    once(first.chain(of_decision).chain(promote).chain(stop).chain(entry_remedy(explanation)))
}

/// How a release that is due is promoted by hand.
pub fn promote_remedy(version: &Version) -> Remedy {
    let who = "a release engineer can promote what is due";
    Remedy::new(RemedyKind::Promote, who, format!("tidegate promote {version}"))
}

/// What leads clusters on from a yanked release that has nothing above it.
pub fn higher_remedy() -> Remedy {
    let who = "a release engineer can add a higher release";
    Remedy::new(RemedyKind::AddHigher, who, "tidegate release add VERSION --payload FILE".to_owned())
}

/// How the fault of a line is found.
pub fn mend_remedy(refusal: &LineRefusal) -> Remedy {
    let command = match refusal {
        LineRefusal::Faulty { .. } => "tidegate catalog check",
        // The files of a line that takes back what was published have no fault in themselves.
        LineRefusal::Lost { .. } | LineRefusal::StepsBack(_) | LineRefusal::Claims { .. } => {
            "tidegate status"
        }
    };
    let who = "a release engineer can find and mend the fault";
    Remedy::new(RemedyKind::Check, who, command.to_owned())
}

/// Returns how clusters of another line get to a release that is in its last stage.
fn entry_remedy(explanation: &Explanation<'_>) -> Option<Remedy> {
    let Explanation { line, release, now, decision, refused, entry, .. } = *explanation;
    if decision.is_some() || refused.is_some() || release.yanked(now).is_some() {
        return None;
    }
    let (name, channel) = (&line.name, &line.stages.last()?.channel);
    let Some(Follows { line: before, .. }) = &line.follows else {
        let who = format!(
            "no cluster of another line can enter line `{name}`, because it follows no line; only the vendor's release engineers can change that, with {}",
            open_way("LINE", name.as_str(), None)
        );
        return Some(Remedy::new(RemedyKind::OpenWay, who, None));
    };
    let from = match entry {
        Some(Step { release, channel: through }) => format!(
            "`{}`, the highest release of `{through}`: the admin of such a cluster follows `{through}`, updates to `{}`, and then follows `{channel}`; for a cluster on VERSION",
            release.version,
            release.version,
            through = through.name()
        ),
        None => {
            format!("the highest release of line `{before}`, which has none on offer that opens the way yet")
        }
    };
    let who = format!("clusters of line `{before}` enter line `{name}` only from {from}");
    Some(Remedy::new(RemedyKind::Follow, who, format!("tidegate explain --on {channel} --from VERSION")))
}

/// What lets clusters of one line enter another, which follows `before`. The signed manifests say what their line
/// follows. A line follows one other, so that clusters of `before` would be locked out if `line` followed `from`.
pub(super) fn open_way(from: &str, line: &str, before: Option<&str>) -> String {
    let file = match before {
        Some(before) => format!("the `line.yaml` of line `{before}`, or of the first line on the way to it,"),
        None => format!("`{line}/line.yaml`"),
    };
    format!("`follows: {{ line: \"{from}\" }}` in {file} and new signatures for its releases")
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
