//! Explains where a release is, why and until when, and who can change that, as a colleague would.

use std::fmt::Write;

use super::gates::RemedyKind;
use super::promotions::late;
use super::{PROMOTES, event, gate, not_promoting, remedies_of_explanation, yanked};
use crate::domain::degraded::{DegradedKind, LineRefusal};
use crate::domain::explain::Explanation;
use crate::domain::line::Stage;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, GateState, SoakEnd, Verdict};
use crate::domain::release::SCHEDULE;
use crate::domain::report::Report;
use crate::domain::rfc3339;
use crate::domain::span::Span;

/// Returns one sentence: where the release is, what comes next, and, if it is not on offer, why.
pub fn explanation(explanation: &Explanation<'_>) -> String {
    let place = place(explanation);
    match Gate::withholding(explanation.release, explanation.now) {
        Some(withheld) => format!("{place}; it is not on offer: {}", gate(&withheld)),
        None => place,
    }
}

fn place(explanation: &Explanation<'_>) -> String {
    let Explanation { line, release, now, decision, .. } = explanation;
    let version = &release.version;
    if let Some(yank) = release.yanked(*now) {
        let stranded = line.stranding(release, *now).map(|stage| format!("; {}", nothing_higher(stage)));
        let stranded = stranded.unwrap_or_default();
        return format!("`{version}` is not on offer anywhere: {}{stranded}", yanked(yank));
    }
    let here = match explanation.stage() {
        Some(stage) => format!("`{version}` is in `{}`", line.stages[stage].channel),
        None => format!("`{version}` is in no channel yet"),
    };
    if let Some(refusal) = explanation.stands_still() {
        let fault = match refusal {
            LineRefusal::Faulty { why } => why,
            LineRefusal::Lost { .. } | LineRefusal::StepsBack(_) | LineRefusal::Claims { .. } => {
                fault(refusal)
            }
        };
        let line = &line.name;
        let soak = if explanation.stage().is_some() { " (its soak goes on meanwhile)" } else { "" };
        return format!(
            "{here} and will not be promoted until a fault of line `{line}` is mended{soak}: {fault}"
        );
    }
    let Some(decision) = decision else { return format!("{here}, its last stage") };
    let said = going(explanation, decision, &here);
    match late(decision) {
        Some(late) => format!("{said}; it is overdue: {late}"),
        None => said,
    }
}

/// Says when a release goes on from `here`, or what keeps it there.
fn going(explanation: &Explanation<'_>, decision: &Decision<'_>, here: &str) -> String {
    let line = explanation.line;
    let next = &decision.target().channel;
    match decision.verdict {
        Verdict::Promote => {
            let promoter = match explanation.is_not_promoted() {
                Some(why) => not_promoting(why),
                None => PROMOTES.to_owned(),
            };
            format!("{here} and is due for `{next}`: {promoter}")
        }
        Verdict::Wait { until } if decision.ahead().is_some() => format!(
            "{here} and waits for `{next}`: its promotion there is already recorded, dated {}, which is ahead of this machine's clock, so it takes effect only then; either the clock that wrote it was fast, or this machine's is slow",
            rfc3339(until)
        ),
        Verdict::Wait { until } => {
            let until = rfc3339(until);
            match explanation.is_not_promoted() {
                Some(why) => format!(
                    "{here} and can enter `{next}` at {until} at the earliest; {}",
                    not_promoting(why)
                ),
                None if explanation.enters_by_itself() => {
                    format!("{here} and will enter `{next}` at {until} unless somebody stops it")
                }
                None => format!(
                    "{here} and can enter `{next}` at {until} at the earliest, after an older barrier"
                ),
            }
        }
        Verdict::Blocked if decision.retired().is_some() => {
            format!("{here} and will not be promoted: line `{}` is retired", line.name)
        }
        Verdict::Blocked => {
            let blocking = decision.gates.iter().filter(|gate| gate.state == GateState::Blocks);
            let why: Vec<String> = blocking.map(gate).collect();
            let then = afterwards(explanation, decision);
            let stays =
                decision.gates.iter().find_map(|gate| if_it_stays(gate, decision)).unwrap_or_default();
            format!(
                "{here} and will not enter `{next}` until somebody acts, and then {then}: {}{stays}",
                why.join("; ")
            )
        }
    }
}

/// Says what a hold or a pause means as long as nobody ends it.
fn if_it_stays(gate: &Gate<'_>, decision: &Decision<'_>) -> Option<String> {
    let blocks = gate.state == GateState::Blocks;
    match gate.fact {
        Fact::Hold { .. } if blocks => {
            let soak = decision.gates.iter().find_map(|gate| match gate.fact {
                Fact::Soak { since, ends: SoakEnd::At { .. }, .. } => Some(since),
                _ => None,
            });
            let counts = soak.map(|since| {
                format!("; the hold does not stop its soak, which counts from {}", rfc3339(since))
            });
            Some(format!("{}; a release that stays held is never late", counts.unwrap_or_default()))
        }
        Fact::Paused { channel, .. } if blocks => {
            Some(format!("; as long as that stays so, nothing enters `{channel}`"))
        }
        _ => None,
    }
}

/// Says when a blocked release enters its next stage, once somebody has opened every gate that blocks.
fn afterwards(explanation: &Explanation<'_>, decision: &Decision<'_>) -> String {
    let blocks = |wanted: fn(&Fact<'_>) -> bool| {
        decision.gates.iter().any(|gate| gate.state == GateState::Blocks && wanted(&gate.fact))
    };
    if blocks(|fact| matches!(fact, Fact::Order { .. })) {
        return "only after that barrier".to_owned();
    }
    if blocks(|fact| matches!(fact, Fact::Soak { .. })) {
        let rest = decision.gates.iter().find_map(|gate| match gate.fact {
            Fact::Soak { ends: SoakEnd::Paused { rest, .. }, .. } => {
                Some(format!(", `{}`", Span(rest).rough()))
            }
            _ => None,
        });
        return format!("only after the rest of its soak{}", rest.unwrap_or_default());
    }
    match (decision.gates.iter().filter_map(Gate::opens).max(), explanation.not_promoting) {
        (Some(until), _) => format!("at {} at the earliest", rfc3339(until)),
        (None, None) => "at once".to_owned(),
        (None, Some(NotPromoting::Off)) => "only when somebody runs `tidegate promote`".to_owned(),
        (None, Some(_)) => "only when the server promotes again".to_owned(),
    }
}

/// Says that clusters on a yanked release have nowhere to go.
pub fn nothing_higher(Stage { channel, .. }: &Stage) -> String {
    format!(
        "nothing higher is on offer in `{channel}`, so clusters that run it stay on it until a higher release comes"
    )
}

/// Says why a line was refused, without what only its owners may see: names of files.
pub(super) const fn fault(refusal: &LineRefusal) -> &'static str {
    match refusal {
        LineRefusal::Faulty { .. } => "its files cannot be read",
        LineRefusal::Lost { may_pass: false, .. } => "what was published of it is lost",
        LineRefusal::Lost { may_pass: true, .. } => "what was published of it cannot be read",
        LineRefusal::StepsBack(_) => "its files take back what was published",
        LineRefusal::Claims { .. } => "it claims a channel or versions of another refused line",
    }
}

/// Returns the full explanation: the sentence, the stages entered, every gate, and who can change that. `report` is
/// what a server last reported about itself.
pub fn explanation_page(all: &Explanation<'_>, report: Option<&Report>) -> String {
    let mut page = format!("{}.\n", explanation(all));
    // Writing to a `String` cannot fail.
    if let Some(Report { since, problems, .. }) = report {
        let since = rfc3339(*since);
        if all.is_not_promoted().is_some() {
            let _ = writeln!(page, "The server has reported since {since} that it does not promote.");
        }
        for (_, detail) in problems.iter().filter(|(kind, _)| *kind == DegradedKind::NotOffered) {
            let _ = writeln!(page, "The server has reported since {since}: {detail}.");
        }
    }
    if all.stage().is_some() {
        page.push('\n');
    }
    for (stage, entry) in all.line.stages.iter().zip(&all.release.entries) {
        let Some(entry) = entry.as_ref().filter(|entry| entry.since <= all.now) else { continue };
        let by = if entry.by == SCHEDULE { "the schedule" } else { &entry.by };
        let reason = entry.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(page, "  entered {:<14} {} by {by}{reason}", stage.name, rfc3339(entry.since));
    }
    if all.stands_still().is_some() {
        let pauses = all.line.stages.iter().filter_map(|stage| Some((stage, stage.paused(all.now)?)));
        for (stage, pause) in pauses {
            let _ = writeln!(page, "  channel `{}` has been paused {}", stage.channel, event(pause));
        }
        if let Some(hold) = all.release.held(all.now) {
            let _ = writeln!(page, "  held {}", event(hold));
        }
    }
    if let Some(decision) = all.decision {
        let _ = writeln!(page, "\nThe gates before `{}`:", decision.target().channel);
        for one in &decision.gates {
            let _ = writeln!(page, "  {:<7} {:<11} {}", one.state.name(), one.fact.name(), gate(one));
        }
    }
    let (ways, remedies): (Vec<_>, Vec<_>) = remedies_of_explanation(all)
        .into_iter()
        .partition(|one| matches!(one.kind, RemedyKind::Follow | RemedyKind::OpenWay));
    let entered = format!("Who can enter line `{}`", all.line.name);
    for (head, remedies) in [("Who can change that", remedies), (entered.as_str(), ways)] {
        if !remedies.is_empty() {
            let _ = writeln!(page, "\n{head}:");
        }
        for one in &remedies {
            let _ = writeln!(page, "  {one}");
        }
    }
    page
}

/// Says where a release is, on a mirror. A mirror has only the signed documents, which contain no plans.
pub fn unknown_on_mirror(version: &str, channel: Option<&str>) -> String {
    let channel = channel.map_or_else(|| "no channel".to_owned(), |channel| format!("`{channel}`"));
    format!(
        "`{version}` is in {channel}; this is a mirror, and only the vendor's server knows when the release will be promoted"
    )
}
