//! The cluster's own page: what its agent does, and the buttons of its operator.
//!
//! The page is served below a path that only its session knows, so that all addresses in it are relative.

mod advice;
mod history;
mod told;

use maud::{Markup, html};
use serde::Serialize;

use super::frame::{Frame, document};
use super::mark::{Mark, mark};
use super::text::{capital, said, sentence, until};
use crate::domain::Time;

pub use advice::Advice;
pub use history::{Entry, Order, What};
pub use told::{Outcome, Told};

/// The states that Tectonic's console shows, and `Unknown`, `Waiting` and `Blocked`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// The cluster has never been checked.
    Unknown,
    UpToDate,
    /// The advice is to wait.
    Waiting,
    /// No update is possible until somebody acts: for example, the release that the cluster runs was yanked.
    Blocked,
    UpdateAvailable,
    Requested,
    Updating,
    Pausing,
    Paused,
    Failed,
}

/// What the page shows.
#[derive(Debug)]
pub struct View {
    pub name: String,
    pub server: String,
    pub state: State,
    pub current: Option<String>,
    pub target: Option<String>,
    /// What the last check advises.
    pub advice: Option<Advice>,
    /// Whether the agent has a command that applies releases.
    pub can_apply: bool,
    /// Whether it applies each release at once.
    pub is_automatic: bool,
    /// Since when updates are paused, and why.
    pub paused: Option<(Time, Option<String>)>,
    /// What failed last.
    pub failure: Option<Failure>,
    /// The steps of the update that is in progress or has failed, and since when it is at the one that runs.
    pub steps: Vec<Step>,
    pub since: Option<Time>,
    /// How far that step is, in percent.
    pub percent: Option<u8>,
    /// When the last check succeeded, by when the next one is made if that is known, until when the advice counts, and how
    /// often the agent checks.
    pub checked: Option<Time>,
    pub due: Option<Time>,
    pub expires: Option<Time>,
    pub interval: String,
    pub notes: Vec<String>,
    pub channel: String,
    /// The other channels, and the one of them that is the next minor's.
    pub channels: Vec<String>,
    pub next: Option<String>,
    /// The latest entry comes last.
    pub history: Vec<Entry>,
}

/// Why a check or an update failed.
#[derive(Debug)]
pub struct Failure {
    pub at: Time,
    pub kind: String,
    pub reason: String,
    /// What to do about a release that was not applied. `None` for a check.
    pub hint: Option<String>,
}

/// One step of an update.
#[derive(Debug)]
pub struct Step {
    pub name: &'static str,
    /// `Completed`, `Running`, `Failed` or `NotStarted`.
    pub state: &'static str,
    pub reason: String,
}

/// Makes the page. `csrf` is the token that each of its forms carries.
pub fn cluster(view: &View, told: Option<&Told>, csrf: &str) -> Markup {
    let View { name, server, failure, notes, history, .. } = view;
    let content = html! {
        div {
            h1 { "Cluster updates" }
            p.soft { "Cluster " code { (name) } ", updates from " code { (server) } }
        }
        @if let Some(told) = told { (told::told(told, csrf)) }
        (standing(view, csrf))
        @if !view.steps.is_empty() { (progress(view)) }
        @if let Some(Failure { at, kind, reason, hint }) = failure {
            section.card.halt-edge aria-labelledby="failed" {
                h2 #failed { @if hint.is_some() { "What failed" } @else { "Why the last check failed" } }
                p { (sentence(reason)) }
                p.soft.small { code { (kind) } ", " (until(*at)) }
                @if let Some(hint) = hint { p.soft.small { (sentence(hint)) } }
            }
        }
        @if !notes.is_empty() {
            section.card aria-labelledby="notes" {
                h2 #notes { "To note" }
                ul.plain { @for note in notes { li { (sentence(note)) } } }
            }
        }
        div.two {
            (channel(view, csrf))
            (settings(view, csrf))
        }
        section.card aria-labelledby="history" {
            h2 #history { "History" }
            (history::past(history))
        }
        div { (order("leave", csrf, "Close this session", false, &html! {})) }
    };
    shell("Cluster updates", "./", Some("events"), &content)
}

/// A form with one button.
fn order(action: &str, csrf: &str, label: &str, is_main: bool, fields: &Markup) -> Markup {
    html! {
        form.ask method="post" action=(action) {
            input type="hidden" name="csrf" value=(csrf);
            (fields)
            @if is_main { button { (label) } } @else { button.quiet { (label) } }
        }
    }
}

/// The state, and the button for it.
fn standing(view: &View, csrf: &str) -> Markup {
    let View { state, current, target, advice, paused, .. } = view;
    let to = matches!(state, State::UpdateAvailable | State::Requested | State::Updating);
    let (sign, word) = match state {
        State::Unknown => (Mark::Wait, "Not checked yet"),
        State::UpToDate => (Mark::Go, "Up to date"),
        State::Waiting => (Mark::Wait, "Waiting"),
        State::Blocked => (Mark::Stop, "Blocked"),
        State::UpdateAvailable => (Mark::Wait, "Update available"),
        State::Requested => (Mark::Wait, "Update requested"),
        State::Updating => (Mark::Wait, "Updating"),
        State::Pausing => (Mark::Wait, "Pausing"),
        State::Paused => (Mark::Stop, "Paused"),
        State::Failed => (Mark::Stop, "Failed"),
    };
    let class = if sign == Mark::Stop { "card halt-edge" } else { "card coming" };
    let is_paused = paused.is_some();
    html! {
        section class=(class) aria-labelledby="standing" {
            h2.say #standing { (mark(sign, word)) @if to { @if let Some(target) = target { " " span.v { (target) } } } }
            p {
                @match current {
                    Some(current) => { "This cluster runs " span.v { (current) } "." }
                    None => "The version that this cluster runs is not known yet.",
                }
                @if let Some(advice) = advice { " " (sentence(&advice.text)) }
            }
            @if let Some(advice) = advice { (advice.unsigned()) }
            @if let Some((since, reason)) = paused {
                p { "Paused since " (until(*since)) @if let Some(reason) = reason { ": " (reason) } }
            }
            p { (then(view)) }
            div.acts {
                (button(view, csrf))
                @if !matches!(button_of(view), Button::Check) { (order("check", csrf, "Check for updates", false, &html! {})) }
                @if !is_paused && !matches!(button_of(view), Button::Pause) { (pause(csrf, "Pause updates", false)) }
            }
        }
    }
}

/// What comes next, if nobody does anything.
fn then(View { state, is_automatic, can_apply, due, interval, failure, .. }: &View) -> Markup {
    let who = if !can_apply {
        "The agent has no `--apply CMD`, so it only reports a new release."
    } else if *is_automatic {
        "A new release is applied by itself, at once."
    } else {
        "A new release waits here until you start it."
    };
    html! {
        @match state {
            State::Unknown | State::UpToDate | State::Waiting | State::Blocked => {
                @if let Some(due) = due { "The agent checks again by " (until(*due)) ". " }
                @else { "The agent checks every " (interval) ". " }
                (said(who))
            }
            State::UpdateAvailable if !can_apply => (said(who)),
            State::UpdateAvailable if *is_automatic => "The agent applies it by itself.",
            State::UpdateAvailable => "Nothing happens until you start it.",
            State::Requested => "The agent begins within a second.",
            State::Updating => "The agent downloads it, verifies it again, and applies it.",
            State::Pausing => "The agent stops what it is applying. Then nothing is applied until you resume updates.",
            State::Paused => "Nothing is applied until you resume updates. The agent goes on checking.",
            State::Failed if failure.as_ref().is_none_or(|failure| failure.hint.is_none()) => {
                "The agent checks again by itself, first after a minute, then less often."
            }
            State::Failed if *is_automatic => "The agent retries by itself a few times; after that, it waits for you.",
            State::Failed => "It is not retried until you say so.",
        }
    }
}

/// What the main button does.
enum Button<'a> {
    Check,
    /// Follows the channel that leads on.
    Follow(&'a str),
    Start,
    Pause,
    Resume,
    Retry,
}

fn button_of(view: &View) -> Button<'_> {
    match view.state {
        State::UpdateAvailable if view.can_apply && view.target.is_some() => Button::Start,
        State::Requested | State::Updating => Button::Pause,
        State::Pausing | State::Paused => Button::Resume,
        State::Failed if view.failure.as_ref().is_some_and(|failure| failure.hint.is_some()) => Button::Retry,
        State::Blocked => view
            .advice
            .as_ref()
            .and_then(|advice| advice.first.as_deref())
            .map_or(Button::Check, Button::Follow),
        State::Unknown | State::UpToDate | State::Waiting | State::UpdateAvailable | State::Failed => {
            Button::Check
        }
    }
}

fn button(view: &View, csrf: &str) -> Markup {
    match button_of(view) {
        Button::Check => order("check", csrf, "Check for updates", true, &html! {}),
        Button::Follow(channel) => follow(csrf, channel, true),
        // The version that the operator sees: another one may be advised by now.
        Button::Start => order(
            "approve",
            csrf,
            "Start update",
            true,
            &html! {
                input type="hidden" name="version" value=[view.target.as_ref()];
            },
        ),
        Button::Pause => pause(csrf, "Pause update", true),
        Button::Resume => order("resume", csrf, "Resume updates", true, &html! {}),
        Button::Retry => order("retry", csrf, "Retry", true, &html! {}),
    }
}

/// Asks about a channel once more, and follows it.
fn follow(csrf: &str, channel: &str, is_main: bool) -> Markup {
    order(
        "follow",
        csrf,
        &format!("Follow {channel}"),
        is_main,
        &html! {
            input type="hidden" name="channel" value=(channel);
        },
    )
}

fn pause(csrf: &str, label: &str, is_main: bool) -> Markup {
    order(
        "pause",
        csrf,
        label,
        is_main,
        &html! {
            label { "Reason (optional)" input name="reason" maxlength="200"; }
        },
    )
}

/// The steps of an update.
fn progress(View { steps, since, percent, .. }: &View) -> Markup {
    html! {
        section.card aria-labelledby="steps" {
            h2 #steps { "Steps of the update" }
            @if let Some(percent) = percent {
                svg.bar viewBox="0 0 400 10" preserveAspectRatio="none" role="img" aria-label={ (percent) " percent" } {
                    rect.rest width="400" height="10" {}
                    rect.done width=(u16::from(*percent) * 4) height="10" {}
                }
            }
            div.scroll {
                table {
                    thead { tr { th { "State" } th { "Step" } th { "Details" } } }
                    tbody {
                        @for Step { name, state, reason } in steps {
                            tr {
                                td {
                                    @match *state {
                                        "Completed" => (mark(Mark::Go, "Done")),
                                        "Running" => (mark(Mark::Wait, "Running")),
                                        "Failed" => (mark(Mark::Stop, "Failed")),
                                        _ => span.soft { "Not started" },
                                    }
                                }
                                td.step { (name) }
                                td.soft {
                                    @if !reason.is_empty() { p { (reason) } }
                                    @if *state == "Running" { @if let Some(since) = since { p { "since " (until(*since)) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The channel, and what another one would offer.
fn channel(View { channel, channels, next, .. }: &View, csrf: &str) -> Markup {
    html! {
        section.card aria-labelledby="channel" {
            h2 #channel { "Channel" }
            dl.facts {
                dt { "Follows" } dd { span.v { (channel) } }
                @if let Some(next) = next { dt { "Next minor" } dd { span.v { (next) } } }
            }
            @if let Some(next) = next {
                p.soft {
                    "The agent never enters the next minor by itself: somebody follows its channel. Its gate lets in only clusters that have come far enough in this minor. To see whether this one has, and which release it must install first, ask:"
                }
                (order("ask", csrf, &format!("Ask about {next}"), false, &html! { input type="hidden" name="channel" value=(next); }))
            } @else {
                p.soft { "The agent never changes the channel. Ask what another one would tell this cluster before you follow it." }
            }
            @let others: Vec<_> = channels.iter().filter(|other| next.as_ref() != Some(other)).collect();
            @if channels.is_empty() { p.soft { "The first check finds out which channels there are." } }
            @else if !others.is_empty() {
                (order("ask", csrf, "Ask", false, &html! {
                    label { "Another channel" select name="channel" { @for other in others { option { (other) } } } }
                }))
            }
        }
    }
}

/// How the cluster is updated.
fn settings(view: &View, csrf: &str) -> Markup {
    let View { is_automatic, checked, expires, interval, .. } = view;
    let (to, label) = if *is_automatic {
        ("admin", "Switch to admin approval")
    } else {
        ("automatic", "Switch to automatic")
    };
    html! {
        section.card aria-labelledby="settings" {
            h2 #settings { "Strategy and checks" }
            dl.facts {
                dt { "Strategy" }
                dd {
                    @if *is_automatic { "Automatic: each release that is advised is applied at once" }
                    @else { "Admin approval: a release is applied when somebody starts it" }
                }
                dt { "Last check" } dd { @match checked { Some(checked) => (until(*checked)), None => "never" } }
                dt { "Checks" } dd { "every " (interval) }
                @if let Some(expires) = expires { dt { "Advice expires" } dd { (until(*expires)) } }
            }
            (order("approval", csrf, label, false, &html! { input type="hidden" name="approval" value=(to); }))
        }
    }
}

/// The page to which the link of `tidegate cluster open` leads. It asks for one more click, so that a preview or a virus
/// scanner that loads the link does not use up its token.
pub fn entrance(name: &str, token: &str) -> Markup {
    let content = html! {
        div {
            h1 { "Cluster updates" }
            p { "This link opens the page of cluster " code { (name) } ". It works once, and only for a minute." }
        }
        div {
            form method="post" action="/open" {
                input type="hidden" name="token" value=(token);
                button { "Open" }
            }
        }
    };
    shell("Open", "/", None, &content)
}

/// A page that says why a request is refused.
pub fn refusal(title: &str, detail: &str, hint: &str) -> Markup {
    let content = html! {
        div {
            h1 { (title) }
            p.say { (sentence(detail)) }
            p.soft { (said(&capital(hint))) }
        }
    };
    shell(title, "/", None, &content)
}

fn shell(title: &str, home: &str, live: Option<&str>, content: &Markup) -> Markup {
    let nav = html! { a href=(home) aria-current="page" { "Cluster updates" } };
    let foot = html! { "All times are in UTC. Everything on this page is also a command of " code { "tidegate cluster" } "." };
    document(&Frame { title, home, links: html! {}, nav, live, foot }, content)
}

#[cfg(test)]
mod tests;
