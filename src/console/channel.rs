//! A channel: what it offers, what is on its way there, and what a cluster would be told.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde::Deserialize;

use super::board::{legend, track};
use super::frame::{Place, page, table};
use super::mark::{Mark, mark};
use super::text::{channel as link, day, release, said, sentence, time};
use super::view::LineView;
use crate::domain::Time;
use crate::domain::line::Stage;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::Gate;
use crate::domain::release::Release;
use crate::domain::span::Span;
use crate::words::counted;

/// How many releases the page lists, and how many that are on their way.
const LISTED: usize = 30;

/// For which day a reader may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    Today,
    /// Any day; the time that was asked for, if one was, and why the server does not promote now.
    Any(Option<(Time, Option<NotPromoting>)>),
}

/// Makes the page of the channel of a stage.
pub fn channel(view: &LineView<'_>, index: usize, asks: Day) -> Markup {
    let LineView { line, now, .. } = *view;
    let stage = &line.stages[index];
    let name = stage.channel.as_str();
    let latest = line.latest(index, now);
    let entered: Vec<&Release> =
        line.releases.values().rev().filter(|release| release.entered(index, now).is_some()).collect();
    let mut coming: Vec<_> = view.decisions.iter().filter(|one| one.stage == index).collect();
    coming.sort_by_key(|one| (one.blocking().is_none(), one.verdict.earliest(now)));
    let content = html! {
        div {
            p.soft.small { a href="/" { "Board" } " / " (line.name) }
            h1.v { (name) }
            (offers(view, index, latest))
            p.soft {
                "The " (stage.name) " stage of line " (line.name)
                @if let Some(title) = &line.title { ", " bdi { (title) } }
                "." (aliases(stage))
            }
            (other_stages(view, index))
        }
        (ask(name, &Asked { version: "", arch: None, arches: line.architectures() }, asks))
        @if !coming.is_empty() {
            section.card aria-labelledby="coming" {
                h2 #coming { "On the way here (" (coming.len()) ")" }
                (legend())
                @for one in coming.iter().take(LISTED) { (track(one)) }
                @if coming.len() > LISTED { p.small { "and " (coming.len() - LISTED) " more, in " a href="/v1/promotions" { code { "/v1/promotions" } } } }
            }
        }
        section.card aria-labelledby="releases" {
            h2 #releases { "Releases in this channel (" (entered.len()) ")" }
            @if entered.is_empty() { p.soft { "None yet." } } @else {
                @let rows = html! { @for one in entered.iter().take(LISTED) { (row(one, latest, index, now)) } };
                @let before = index.checked_sub(1).map(|before| format!("Was in {} for", line.stages[before].name));
                @match &before {
                    Some(before) => (table(&["Release", "Entered", before, "State"], &rows)),
                    None => (table(&["Release", "Entered", "State"], &rows)),
                }
                @if entered.len() > LISTED {
                    p.small { "and " (entered.len() - LISTED) " older ones, in " a href={ "/v1/channels/" (name) } { code { "/v1/channels/" (name) } } }
                }
            }
        }
    };
    page(name, Place::Inner, &content)
}

fn offers(view: &LineView<'_>, index: usize, latest: Option<&Release>) -> Markup {
    let LineView { line, now, refused, .. } = *view;
    let stage = &line.stages[index];
    html! {
        p.say {
            @match latest {
                Some(latest) => {
                    "Offers " (release(&latest.version.to_string()))
                    @if let Some(entry) = latest.entered(index, now) { " since " (day(entry.since)) }
                    "."
                }
                None if line.releases.values().any(|one| one.is_in(index, now)) => {
                    (mark(Mark::Stop, "Offers nothing")) ": none of its releases can be served."
                }
                None => "Offers nothing yet.",
            }
        }
        @if let Some(pause) = stage.paused(now) {
            p { (mark(Mark::Stop, "Paused")) " since " (time(pause.at)) ": " bdi { (pause.reason) } ". As long as it stays so, its clusters wait, nothing enters, and what soaks here stands still. "
                "Once that ends, clusters go on at once, and each soak goes on where it stopped. "
                "A release engineer can end it: " code { "tidegate channel resume " (stage.channel) " --reason TEXT" } }
        }
        @if let Some(why) = refused {
            p { (mark(Mark::Stop, "Not updated")) " " (sentence(&crate::words::refused_line(line.name.as_str(), why))) }
        }
        @if let Some(retired) = line.retired(now) {
            p { "Line " (line.name) " was retired on " (day(retired.at)) ": " bdi { (retired.reason) } ". What it offers stays on offer." }
        }
    }
}

fn aliases(stage: &Stage) -> Markup {
    html! {
        @if !stage.aliases.is_empty() {
            " Also known as " @for (place, alias) in stage.aliases.iter().enumerate() { @if place > 0 { ", " } code { (alias) } } "."
        }
    }
}

fn other_stages(view: &LineView<'_>, index: usize) -> Markup {
    let others = view.line.stages.iter().enumerate().filter(|(place, _)| *place != index);
    html! {
        p.soft { "Other stages: " @for (place, (_, stage)) in others.enumerate() { @if place > 0 { ", " } (link(stage.channel.as_str())) } ". "
            @if let Some(follows) = &view.line.follows { "Its clusters come from line " (follows.line) "." } }
    }
}

fn row(one: &Release, latest: Option<&Release>, index: usize, now: Time) -> Markup {
    let since = one.entered(index, now).map(|entry| entry.since);
    let before = index.checked_sub(1).and_then(|before| one.entered(before, now)).map(|entry| entry.since);
    let stayed = since.zip(before).map(|(since, before)| Span(since - before).rough());
    html! {
        tr {
            td { (release(&one.version.to_string())) }
            td data-head="entered" { @if let Some(since) = since { (day(since)) } }
            @if 0 < index { td data-head="after" { @if let Some(stayed) = stayed { (stayed) } } }
            td.state {
                @if one.yanked(now).is_some() { (mark(Mark::Stop, "Yanked")) }
                @else if Gate::withholding(one, now).is_some() { (mark(Mark::Stop, "Not on offer")) }
                @else if latest.is_some_and(|latest| latest.version == one.version) { (mark(Mark::Go, "Latest")) }
                @else if one.barrier { "Barrier" }
                @else { span.soft { "Superseded" } }
            }
        }
    }
}

/// What a cluster is asked for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The version that it runs.
    pub version: &'a str,
    /// Its architecture, if it is said, and those that there are.
    pub arch: Option<&'a str>,
    pub arches: BTreeSet<&'a str>,
}

/// The form that asks as a cluster.
fn ask(name: &str, Asked { version, arch, arches }: &Asked<'_>, asks: Day) -> Markup {
    html! {
        section.card aria-labelledby="ask" {
            h2 #ask { "What would a cluster be told?" }
            form.ask method="get" action={ "/channels/" (name) } {
                label { "It runs" input name="version" value=(version) size="24" required autocomplete="off" placeholder="1.8.4-tectonic.1"; }
                @if 1 < arches.len() || arch.is_some() {
                    label { "On this architecture"
                        select name="arch" {
                            option value="" { "any" }
                            @for one in arches.iter().chain(arch.iter().filter(|arch| !arches.contains(**arch))) {
                                option value=(one) selected[*arch == Some(*one)] { (one) }
                            }
                        }
                    }
                }
                @if let Day::Any(asked) = asks {
                    @let at = asked.map(|(at, _)| at);
                    label { "On which day (UTC; empty for now)" input type="date" name="at" value=[at.map(|at| at.date_naive().to_string())]; }
                }
                button { "Ask" }
            }
        }
    }
}

/// What `/v1/channels/CHANNEL/update` says, as far as it is shown.
#[derive(Debug, Deserialize)]
pub struct Told {
    pub action: String,
    pub message: String,
    #[serde(default)]
    pub target: Option<Target>,
    /// With `blocked`: where the way goes on.
    #[serde(default)]
    pub next: Option<Step>,
}

/// The release to install.
#[derive(Debug, Deserialize)]
pub struct Target {
    pub version: String,
}

/// A step on a cluster's way: the channel that leads there, and the release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Step {
    pub channel: String,
    pub version: String,
}

/// How many steps of a way are followed.
const STEPS: usize = 40;

/// A cluster's way to what a channel offers.
#[derive(Debug)]
pub struct Way {
    pub steps: Vec<Step>,
    /// What the channel tells a cluster that has taken them all.
    pub then: Option<Told>,
}

/// Follows a cluster's way. `ask` returns what the channel tells a version.
pub fn way(name: &str, version: &str, ask: impl Fn(&str) -> Option<Told>) -> Way {
    let mut way = Way { steps: Vec::new(), then: None };
    while way.steps.len() < STEPS {
        let current = way.steps.last().map_or(version, |step| &step.version);
        let Some(told) = ask(current) else { break };
        let own = |target: &Target| Step { channel: name.to_owned(), version: target.version.clone() };
        let next = told.target.as_ref().map(own).or_else(|| told.next.clone());
        // Advice that leads nowhere new would go round for ever.
        let next = next.filter(|step| step.version != current && !way.steps.contains(step));
        way.then = Some(told);
        let Some(step) = next else { break };
        way.steps.push(step);
    }
    way
}

/// What a channel tells a cluster.
fn advice(told: &Told) -> Markup {
    let (state, word) = match told.action.as_str() {
        "update" => (Mark::Go, "Update available"),
        "wait" => (Mark::Wait, "Wait"),
        "blocked" => (Mark::Stop, "Blocked"),
        _ => (Mark::Go, "Nothing to do"),
    };
    // The message begins with the same word.
    let said_already = ["wait: ", "blocked: ", "nothing to do: "];
    let message =
        said_already.iter().find_map(|word| told.message.strip_prefix(word)).unwrap_or(&told.message);
    html! { (mark(state, word)) " " (sentence(message)) }
}

/// Makes the page that says what a cluster on `version` would be told by a channel, and its whole way.
pub fn told(name: &str, cluster: &Asked<'_>, (told, way): (&Told, &Way), asks: Day) -> Markup {
    let Asked { version, arch, .. } = cluster;
    let steps = &way.steps;
    let asked = match asks {
        Day::Today => None,
        Day::Any(asked) => asked,
    };
    let at = asked.map(|(at, _)| at);
    let content = html! {
        div {
            p.soft.small { a href="/" { "Board" } " / " (link(name)) }
            h1 { "A cluster on " span.v { (version) } @if let Some(arch) = arch { " (" (arch) ")" } @if let Some(at) = at { ", on " (day(at)) } }
            @if let Some((at, not_promoting)) = asked {
                p.note {
                    (mark(Mark::Wait, "Forecast")) " for " (time(at)) ", if nobody stops anything, and what is due is promoted at once."
                    @if let Some(why) = not_promoting { " " (sentence(&crate::words::not_promoting(why))) }
                }
            }
            p.say { (advice(told)) }
        }
        @if !steps.is_empty() {
            section.card aria-labelledby="way" {
                h2 #way { "Its way (" (counted(steps.len(), "step")) ")" }
                ol.path {
                    li { div.here { span.small.soft { "runs" } span.v { (version) } } }
                    @for step in steps {
                        li { div { span.small.soft { (said(&step.channel)) } (release(&step.version)) } }
                    }
                }
                p.soft.small { @if at.is_some() { "As things will stand then. " } @else { "As things stand now. " } "No step can be left out: each is the newest release that the one before it may take." }
                @if let Some(then) = &way.then { p { "Then: " (advice(then)) } }
            }
        }
        (ask(name, cluster, asks))
    };
    page(&format!("A cluster on {version}"), Place::Inner, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(target: Option<&str>, next: Option<(&str, &str)>) -> Told {
        Told {
            action: "update".to_owned(),
            message: String::new(),
            target: target.map(|version| Target { version: version.to_owned() }),
            next: next
                .map(|(channel, version)| Step { channel: channel.to_owned(), version: version.to_owned() }),
        }
    }

    #[test]
    fn a_way_goes_through_the_lines_on_it_and_ends_where_nothing_follows() {
        let ask = |version: &str| match version {
            "1.7.9" => Some(told(None, Some(("1.7-production", "1.7.14")))),
            "1.7.14" => Some(told(Some("1.8.4"), None)),
            "1.8.4" => Some(told(Some("1.8.9"), None)),
            _ => Some(told(None, None)),
        };
        let way = way("1.8-production", "1.7.9", ask);
        assert!(way.then.is_some_and(|told| told.target.is_none()));
        let steps: Vec<_> = way.steps.iter().map(|step| (&*step.channel, &*step.version)).collect();
        assert_eq!(
            steps,
            [("1.7-production", "1.7.14"), ("1.8-production", "1.8.4"), ("1.8-production", "1.8.9")]
        );
    }

    #[test]
    fn a_way_that_goes_round_ends() {
        let other = |version: &str| if version == "1.0.1" { "1.0.2" } else { "1.0.1" };
        let way = way("1.0-production", "1.0.1", |version| Some(told(Some(other(version)), None)));
        assert_eq!(way.steps.len(), 2);
    }
}
