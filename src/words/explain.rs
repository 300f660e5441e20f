//! Explains where a release is, why and until when, and who can change that, as a colleague would.

use std::fmt::Write;

use super::{PROMOTES, event, gate, not_promoting, promotion, remedies_of_explanation, yanked};
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::line::{Follows, Line, Stage};
use crate::domain::promotion::{Gate, Verdict};
use crate::domain::release::SCHEDULE;
use crate::domain::rfc3339;

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
        let (line, fault) = (&line.name, fault(refusal));
        return format!("{here} and will not be promoted until a fault of line `{line}` is mended: {fault}");
    }
    let Some(decision) = decision else { return format!("{here}, its last stage") };
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
            "{here} and waits until {} for `{next}`: its entry has that date, ahead of the clock, so somebody's clock was fast",
            rfc3339(until)
        ),
        Verdict::Wait { until } => {
            let until = rfc3339(until);
            match explanation.is_not_promoted() {
                Some(why) => format!(
                    "{here} and can enter `{next}` at {until} at the earliest; {}",
                    not_promoting(why)
                ),
                None => format!("{here} and will enter `{next}` at {until} unless somebody stops it"),
            }
        }
        Verdict::Blocked if decision.retired().is_some() => {
            format!("{here} and will not be promoted: line `{}` is retired", line.name)
        }
        Verdict::Blocked => {
            let (_, why) = promotion(decision);
            format!("{here} and will not enter `{next}` until somebody acts: {why}")
        }
    }
}

/// Says that clusters on a yanked release have nowhere to go.
pub fn nothing_higher(Stage { channel, .. }: &Stage) -> String {
    format!(
        "nothing higher is on offer in `{channel}`, so clusters that run it stay on it until a higher release comes"
    )
}

/// Says which clusters can enter the line of a release that is in its last stage.
fn entry(line: &Line) -> String {
    let Line { name, follows, .. } = line;
    match follows {
        Some(Follows { line: before, .. }) => format!(
            "Clusters of line `{before}` enter line `{name}` only from the highest release that `{before}` offers; a cluster's way: `tidegate explain --on CHANNEL --from VERSION`"
        ),
        None => format!(
            "Line `{name}` follows no line, so no cluster of another line can enter it, unless a release engineer adds `follows` to its `line.yaml`"
        ),
    }
}

/// Says why a line was refused, without what only its owners may see: names of files and people.
pub(super) const fn fault(refusal: &LineRefusal) -> &'static str {
    match refusal {
        LineRefusal::Faulty { .. } => "its files cannot be read",
        LineRefusal::StepsBack(_) => "its files take back what was published",
        LineRefusal::Claims { .. } => "it claims a channel or versions of another refused line",
    }
}

/// Returns the full explanation: the sentence, the stages entered, every gate, and who can change that.
pub fn explanation_page(all: &Explanation<'_>) -> String {
    let mut page = format!("{}.\n", explanation(all));
    // Writing to a `String` cannot fail.
    if let Some(decision) = all.decision.filter(|decision| decision.overdue) {
        let deadline = decision.deadline.map(rfc3339).unwrap_or_default();
        let _ = writeln!(page, "It is overdue: it should have been promoted by {deadline}.");
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
    let is_yanked = all.release.yanked(all.now).is_some();
    if all.decision.is_none() && all.refused.is_none() && !is_yanked {
        let _ = writeln!(page, "\n{}.", entry(all.line));
    }
    let remedies = remedies_of_explanation(all);
    if !remedies.is_empty() {
        page.push_str("\nWho can change that:\n");
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
