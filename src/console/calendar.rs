//! The calendar: what enters which channel when, and when nothing does.

use chrono::TimeDelta;
use icalendar::{Component as _, Event, EventLike as _};
use maud::{Markup, html};

use super::board::{Coming, LineOnBoard};
use super::frame::{Place, page};
use super::freezes::Frozen;
use super::mark::{Mark, mark};
use super::text::{channel, day, hour, release, sentence, time};
use crate::domain::channel::LineName;
use crate::domain::foresee::Foreseen;
use crate::domain::line::Line;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::policy::Freeze;
use crate::domain::{Time, rfc3339};
use crate::words::{self, counted};

/// How many promotions the page and the feed list.
const LISTED: usize = 500;

/// How long a promotion takes in a calendar, which shows nothing that has no length.
const MOMENT: TimeDelta = TimeDelta::minutes(15);

/// The promotions to come, by time.
fn sorted<'a>(lines: &[&'a LineOnBoard]) -> Vec<&'a Coming> {
    let mut coming: Vec<&Coming> = lines.iter().flat_map(|line| &line.coming).collect();
    coming.sort_unstable();
    coming
}

/// What a reader asks about another time.
#[derive(Debug, Default)]
pub struct WhatIf {
    /// The time, if one was given.
    pub at: Option<Time>,
    /// What will have been promoted by then.
    pub promotions: Vec<Foreseen>,
    /// Why the server does not promote now, if it does not.
    pub not_promoting: Option<NotPromoting>,
    /// The lines that are not updated, of which nothing is foreseen.
    pub left_out: Vec<LineName>,
}

/// The windows of all stages, each once, with the stages' names.
pub fn windows<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<(String, String)> {
    let stages = lines.into_iter().flat_map(|line| &line.stages);
    let mut all: Vec<_> = stages
        .filter_map(|stage| Some((stage.name.to_string(), stage.window.as_ref()?.to_string())))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Makes the page. Only some readers may ask what if.
pub fn calendar(
    lines: &[&LineOnBoard],
    freezes: &[Frozen<'_>],
    windows: &[(String, String)],
    what_if: Option<&WhatIf>,
    now: Time,
) -> Markup {
    let coming = sorted(lines);
    let is_forecast = what_if.is_some_and(|what_if| what_if.at.is_some());
    let shown = coming.iter().take(LISTED).copied();
    let days = shown.collect::<Vec<_>>();
    let content = html! {
        div {
            h1 { "Calendar" }
            p.soft { "What enters a channel by itself, " @if is_forecast { "as foreseen for " } @else { "as things stand on " } (time(now)) ". Holds, pauses and faults can delay it; nothing brings it forward but people."
                " " a href="/calendar.ics" { "Subscribe" } " with any calendar." }
        }
        @if let Some(what_if) = what_if { (foreseen(what_if)) }
        section.card aria-labelledby="coming" {
            h2 #coming { "Promotions to come (" (coming.len()) ")" }
            @if coming.is_empty() { p.soft { "Nothing is on its way." } }
            @for one in days.chunk_by(|one, next| one.at.date_naive() == next.at.date_naive()) {
                div.day {
                    h3 { (day(one[0].at)) }
                    ul.plain.columns { @for coming in one { li { (coming.says(is_forecast)) } } }
                }
            }
            @if coming.len() > LISTED { p.small { "and " (coming.len() - LISTED) " more, in " a href="/v1/promotions" { code { "/v1/promotions" } } } }
        }
        div.two {
            section.card aria-labelledby="freezes" {
                h2 #freezes { "Freezes (" (freezes.len()) ")" }
                @if freezes.is_empty() { p.soft { "None is planned." } } @else {
                    ul.list {
                        @for frozen in freezes {
                            @let freeze = frozen.freeze;
                            li {
                                span.when { (day(freeze.from)) }
                                div {
                                    p { "until " (time(freeze.until)) ": " bdi { (freeze.reason) } }
                                    p.soft.small { (frozen.for_lines(lines.len())) (except(freeze)) }
                                }
                            }
                        }
                    }
                }
            }
            section.card aria-labelledby="windows" {
                h2 #windows { "Windows" }
                @if windows.is_empty() { p.soft { "Promotions happen at any time." } }
                @else { ul.plain { @for (stage, window) in windows { li { "Into " (stage) ": " (window) } } } }
            }
        }
    };
    page("Calendar", Place::Calendar, &content)
}

fn foreseen(WhatIf { at, promotions, not_promoting, left_out }: &WhatIf) -> Markup {
    html! {
        section.card aria-labelledby="what-if" {
            h2 #what-if { "Forecast, if nobody acts" }
            form.ask method="get" action="/calendar" {
                label { "Until (UTC)" input type="date" name="at" required value=[at.map(|at| at.date_naive().to_string())]; }
                button { "Show" }
            }
            @if let Some(at) = at {
                p.say { "By the end of " (day(*at)) ", " (counted(promotions.len(), "promotion")) " will have happened, if what is due is promoted at once. The rest of this page is as of then." }
                @if let Some(why) = not_promoting { p { (sentence(&words::not_promoting(*why))) } }
                @if !left_out.is_empty() {
                    p { (mark(Mark::Stop, "Left out")) ", because nothing new is known of them: " @for line in left_out { "line " (line) " " } }
                }
                ul.list {
                    @for one in promotions.iter().take(LISTED) {
                        li {
                            span.when { (day(one.at)) }
                            p { (release(&one.version.to_string())) " enters " (channel(one.channel.as_str())) " at " (hour(one.at)) }
                        }
                    }
                }
                @if promotions.len() > LISTED { p.small { "and " (promotions.len() - LISTED) " more" } }
            }
        }
    }
}

fn except(Freeze { except, .. }: &Freeze) -> String {
    let names: Vec<String> = except.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; {} releases are promoted anyway", names.join(" and "))
    }
}

/// Makes the calendar as a feed (iCalendar, RFC 5545).
pub fn feed(lines: &[&LineOnBoard], freezes: &[Frozen<'_>], now: Time) -> String {
    let mut all = icalendar::Calendar::new();
    all.name("Tidegate");
    for Coming { at, version, channel, .. } in sorted(lines).into_iter().take(LISTED) {
        let summary = format!("{version} enters {channel}");
        let uid = format!("{channel}/{version}@tidegate");
        all.push(
            Event::new().uid(&uid).timestamp(now).summary(&summary).starts(*at).ends(*at + MOMENT).done(),
        );
    }
    for Frozen { freeze, .. } in freezes {
        let uid = format!("freeze/{}@tidegate", rfc3339(freeze.from));
        let summary = format!("Freeze: {}", freeze.reason);
        let event = Event::new()
            .uid(&uid)
            .timestamp(now)
            .summary(&summary)
            .starts(freeze.from)
            .ends(freeze.until)
            .done();
        all.push(event);
    }
    all.done().to_string()
}
