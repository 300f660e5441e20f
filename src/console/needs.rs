//! What goes on only once somebody acts.

use maud::{Markup, html};

use super::mark::{Mark, mark};
use super::text::{channel, day, release, said, sentence, with_command};
use super::view::LineView;
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::degraded::{DegradedKind, LineRefusal};
use crate::domain::line::Stage;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, Verdict};
use crate::domain::release::{Event, Release};
use crate::words::{self, Remedy};

/// What needs somebody, and since when, if that is known.
pub(super) type Need = (Option<Time>, Markup);

/// Returns what of a line needs somebody, and what of that makes the server degraded. `on_the_way` are the decisions
/// about the releases that are on their way.
pub(super) fn needs(view: &LineView<'_>, on_the_way: &[&Decision<'_>]) -> (Vec<Need>, Vec<DegradedKind>) {
    let LineView { line, now, .. } = *view;
    let withheld = withheld(view).map(|item| (None, item));
    let degraded = [
        view.refused.map(|_| DegradedKind::LineRefused),
        withheld.as_ref().filter(|_| view.refused.is_none()).map(|_| DegradedKind::NotOffered),
        on_the_way.iter().any(|one| one.overdue).then_some(DegradedKind::PromotionsOverdue),
    ];
    let pauses = line.stages.iter().filter_map(|stage| Some((stage, stage.paused(now)?)));
    let mut needs: Vec<Need> =
        view.refused.map(|why| (None, refused(&line.name, why, view.flags))).into_iter().collect();
    needs.extend(pauses.map(|(stage, pause)| (Some(pause.at), paused(stage, pause, view.flags))));
    needs.extend(stranding(view, on_the_way));
    needs.extend(withheld);
    needs.extend(on_the_way.iter().filter_map(|one| need(view, one)));
    (needs, degraded.into_iter().flatten().collect())
}

/// What stops all promotions, if it needs somebody.
pub(super) fn nothing_promoted(why: NotPromoting) -> Option<Need> {
    let who = sentence(&words::not_promoting(why));
    let item = html! {
        div { p { (mark(Mark::Stop, "Nothing is promoted")) " " (who) " " a href="/status" { "Status" } } }
    };
    // Without promotions by the server, only what is due needs somebody.
    (why != NotPromoting::Off).then_some((None, item))
}

/// What people can do, with the command to copy.
fn helps(remedy: &Remedy, flags: &str) -> Markup {
    let command = remedy.command.as_ref().map(|command| format!("{command} {flags}").trim_end().to_owned());
    with_command(&words::with_flags(&remedy.to_string(), flags), command.as_deref())
}

/// Shows items as a list.
pub(super) fn items<'a>(items: impl Iterator<Item = &'a &'a Need>) -> Markup {
    html! {
        ul.list {
            @for (since, item) in items {
                li { @if let Some(since) = since { span.when { "since " (day(*since)) } } (item) }
            }
        }
    }
}

/// That a line was refused.
pub(super) fn refused(line: &LineName, why: &LineRefusal, flags: &str) -> Markup {
    html! {
        div {
            p { (sentence(&words::refused_line(line.as_str(), why))) }
            (helps(&words::mend_remedy(why), flags))
        }
    }
}

/// The releases of a line that should be on offer, and are not because a payload or a signature is missing.
fn withheld(view: &LineView<'_>) -> Option<Markup> {
    let LineView { line, now, .. } = *view;
    let mut all = line.releases.values().filter_map(|one| Some((one, Gate::withholding(one, now)?)));
    let (first, gate) = all.next()?;
    let more = all.count();
    Some(html! {
        div {
            p { (release(&first.version.to_string())) (words::and_more(more)) " is not on offer: " (said(&words::gate(&gate))) "." }
            @if let Some(remedy) = words::gate_remedy(&gate, &first.version) { (helps(&remedy, view.flags)) }
        }
    })
}

fn paused(stage: &Stage, Event { reason, .. }: &Event, flags: &str) -> Markup {
    html! {
        div {
            p { (channel(stage.channel.as_str())) " is paused: " bdi { (reason) } }
            (helps(&words::resume_remedy(&stage.channel), flags))
        }
    }
}

/// What keeps a release until somebody acts, and since when.
fn need(view: &LineView<'_>, decision: &Decision<'_>) -> Option<Need> {
    let version = decision.release.version.to_string();
    let blocking = decision.blocking();
    // A paused channel or a barrier is one item, not one for each release that waits for it.
    let is_shared = |fact: &Fact<'_>| matches!(fact, Fact::Paused { .. } | Fact::Order { .. });
    let why = match blocking {
        Some(gate) if is_shared(&gate.fact) => return None,
        // That it is not on offer is an item already.
        Some(_) if Gate::withholding(decision.release, view.now).is_some() => return None,
        Some(gate) => words::gate(gate),
        None if decision.overdue => "it is overdue".to_owned(),
        None if decision.verdict == Verdict::Promote && view.not_promoting == Some(NotPromoting::Off) => {
            "it is due, and nobody has promoted it".to_owned()
        }
        None if decision.ahead().is_some() => {
            decision.obstacles().find(|gate| matches!(gate.fact, Fact::Recorded { .. })).map(words::gate)?
        }
        None => return None,
    };
    let since = match blocking.map(|gate| gate.fact) {
        Some(Fact::Hold { hold }) => hold.map(|hold| hold.at),
        Some(_) => None,
        None => decision.deadline.filter(|_| decision.overdue),
    };
    let is_due = blocking.is_none() && decision.verdict == Verdict::Promote;
    let is_able = matches!(view.not_promoting, None | Some(NotPromoting::Off));
    let promote = (is_due && is_able).then(|| words::promote_remedy(&decision.release.version));
    let first = promote.or_else(|| words::remedies(decision).into_iter().next());
    let item = html! {
        div {
            p { (release(&version)) " does not enter " (channel(decision.target().channel.as_str())) ": " (said(&why)) "." }
            @if let Some(remedy) = first { (helps(&remedy, view.flags)) }
        }
    };
    Some((since, item))
}

/// The yanked releases from which clusters can go nowhere, unless something higher comes by itself.
pub(super) fn stranding(view: &LineView<'_>, on_the_way: &[&Decision<'_>]) -> Option<Need> {
    let LineView { line, now, .. } = *view;
    let stranding = |one: &&Release| line.stranding(one, now).is_some();
    let last = line.releases.values().rev().find(stranding)?;
    let comes = |one: &&&Decision<'_>| one.release.version > last.version && one.blocking().is_none();
    let yank = last.yanked(now).filter(|_| !on_the_way.iter().any(|one| comes(&one)))?;
    let remedy = words::higher_remedy();
    let item = html! {
        div {
            p { (release(&last.version.to_string())) " was yanked: " bdi { (yank.event.reason) } ". Nothing higher is on its way, so clusters that run it stay on it." }
            (helps(&remedy, view.flags))
        }
    };
    Some((Some(yank.event.at), item))
}
