//! Answers to clusters. They never name the cluster's version, so that the same sentence serves every
//! cluster.

use super::{gate, not_promoting};
use crate::domain::channel::ChannelName;
use crate::domain::promotion::{Fact, Gate};
use crate::domain::release::{Event, Release};
use crate::domain::rfc3339;
use crate::domain::upgrade::{
    Advice, Answer, Blocked, Coming, First, Newer, NoneCode, Step, UpdateCode, Wait, When, Withdrawn,
};
use crate::domain::version::Version;

/// Says what a cluster should do, and why.
pub fn answer(Answer { channel, advice }: &Answer<'_>) -> String {
    let (line, channel, follows) = (&channel.line.name, channel.name(), channel.line.follows.as_ref());
    // A line that follows none is entered from nowhere, so nobody is ever at its gate.
    let before = follows.map_or(line, |follows| &follows.line);
    match advice {
        Advice::Update { target, code } => {
            let version = &target.version;
            match code {
                UpdateCode::Latest => format!("update to `{version}`, the latest in `{channel}`"),
                UpdateCode::Barrier if target.barrier => format!(
                    "update to {} first: it is a barrier, and no cluster may skip it",
                    barrier(version, Some(target))
                ),
                UpdateCode::Barrier => {
                    format!(
                        "update to `{version}` first: nothing above it in `{channel}` may be installed yet"
                    )
                }
                UpdateCode::Yanked => format!("this version was yanked; update to `{version}`"),
                UpdateCode::NextLine => format!("update to `{version}`: line `{line}` can be entered now"),
            }
        }
        Advice::None { code, newer } => {
            let Newer { coming, stuck, withdrawn } = newer.as_ref();
            let why = match code {
                NoneCode::UpToDate => format!("up to date: this is the latest in `{channel}`"),
                NoneCode::Retired { retired: Event { at, reason, .. }, next } => {
                    let next = next.map(|next| {
                        format!("; continue with line `{}` in channel `{}`", next.line.name, next.name())
                    });
                    let next = next.unwrap_or_default();
                    format!("up to date: line `{line}` was retired at {}: {reason}{next}", rfc3339(*at))
                }
                NoneCode::Ahead => {
                    format!("nothing to do: `{channel}` offers nothing higher than this version")
                }
                NoneCode::UnknownVersion => format!(
                    "nothing to do: this version has never been on offer, and `{channel}` offers nothing higher"
                ),
                NoneCode::NothingOffered => {
                    format!("nothing to do: `{channel}` offers nothing higher than this version yet")
                }
            };
            let why = then(why, "; ", withdrawn.as_ref().map(gone));
            let why = then(why, "; ", coming.as_ref().map(expected));
            then(why, "; ", stuck.as_ref().map(expected))
        }
        Advice::Wait(Wait::Paused { pause: Event { at, reason, .. }, channel: paused }) => {
            let paused = paused.name();
            let way = if paused == channel {
                String::new()
            } else {
                format!("the upgrade path to line `{line}` leads through `{paused}`, and ")
            };
            format!(
                "wait: {way}`{paused}` has been paused since {}: {reason}; it stays paused until its vendor resumes it",
                rfc3339(*at)
            )
        }
        Advice::Wait(Wait::Coming(coming)) => {
            let through = coming.channel.name();
            let nothing = if coming.channel.line.name == *line {
                format!("wait: nothing in `{through}` may be installed yet")
            } else {
                format!(
                    "wait: the upgrade path to line `{line}` leads through `{through}`, and nothing there may be installed yet"
                )
            };
            then(nothing, "; ", Some(expected(coming)))
        }
        Advice::Blocked(Blocked::MinorGate { take, next, through, coming }) => {
            let why = match take {
                Some(take) => format!("blocked: line `{line}` can only be entered from {}", step(take)),
                None => format!("blocked: line `{line}` can only be entered from line `{before}`"),
            };
            let through = through.name();
            match (take, next) {
                (Some(take), Some(next)) if next.release.version == take.release.version => {
                    format!("{why}; update to that first (follow `{through}` until then)")
                }
                (Some(_), Some(next)) => {
                    format!("{why}; update to {} first (follow that channel until then)", step(next))
                }
                (None, Some(next)) => format!(
                    "{why}, and no release there opens the way yet; update to {} first (follow that channel until then)",
                    step(next)
                ),
                (_, None) => {
                    let why = format!(
                        "{why}; the way there leads through `{through}`, which offers nothing higher"
                    );
                    then(why, "; ", coming.as_deref().map(expected))
                }
            }
        }
        Advice::Blocked(Blocked::Yanked { yank, through, barrier: first, fix }) => {
            let (reason, through_name) = (&yank.event.reason, through.name());
            let elsewhere = if through_name == channel {
                String::new()
            } else {
                format!("so line `{line}` cannot be entered from it, ")
            };
            let lacks = match first {
                Some(first) => format!(
                    "{} must be installed next, which `{through_name}` does not offer yet",
                    barrier(first, through.line.releases.get(*first))
                ),
                None => format!("`{through_name}` offers nothing higher"),
            };
            let why = format!("blocked: this version was yanked ({reason}), {elsewhere}and {lacks}");
            let until = || "its vendor must offer a higher release, or this one again".to_owned();
            then(why, "; ", Some(fix.as_deref().map_or_else(until, expected)))
        }
        Advice::Blocked(Blocked::Barrier { barrier: first, channel, stuck }) => {
            let why = format!(
                "blocked: {} must be installed first, and `{}` does not offer it yet",
                barrier(first, channel.line.releases.get(*first)),
                channel.name()
            );
            then(why, "; ", stuck.as_deref().map(expected))
        }
        Advice::Blocked(Blocked::UnknownVersion { take }) => {
            let why = format!(
                "blocked: this version has never been on offer, and line `{line}` can only be entered from versions that have"
            );
            then(why, "; update to ", take.as_ref().map(|take| format!("{} first", step(take))))
        }
        Advice::Blocked(Blocked::NoWay { stay }) => {
            let own = &stay.line.name;
            let way = match follows {
                Some(follows) => format!("line `{line}` can only be entered from line `{}`", follows.line),
                None => format!("line `{line}` can be entered from no other line"),
            };
            format!(
                "blocked: there is no upgrade path from line `{own}`, which this version belongs to, to line `{line}`: {way}; follow `{}` to stay in line `{own}`; only its vendor can open a path, with `follows` in the `line.yaml` of line `{line}`",
                stay.name()
            )
        }
    }
}

fn then(mut sentence: String, joint: &str, more: Option<String>) -> String {
    if let Some(more) = more {
        sentence.push_str(joint);
        sentence.push_str(&more);
    }
    sentence
}

fn step(step: &Step<'_>) -> String {
    format!("`{}` in channel `{}`", step.release.version, step.channel.name())
}

/// A barrier, and what it is about.
fn barrier(version: &Version, release: Option<&Release>) -> String {
    match release.and_then(|release| release.summary.as_ref()) {
        Some(summary) => format!("`{version}` ({summary})"),
        None => format!("`{version}`"),
    }
}

fn gone(Withdrawn { release, yank }: &Withdrawn<'_>) -> String {
    let Event { at, reason, .. } = &yank.event;
    format!("`{}` was withdrawn at {}: {reason}", release.version, rfc3339(*at))
}

fn expected(coming: &Coming<'_>) -> String {
    let (version, through) = (&coming.release.version, coming.channel.name());
    let overdue = if coming.overdue { ", and is overdue" } else { "" };
    let why = coming_why(coming).map(|why| format!(": {why}")).unwrap_or_default();
    let server = coming.not_promoting.map(not_promoting);
    let due = |channel: &ChannelName| {
        let due =
            format!("`{version}` is due for `{channel}`{overdue}, but the server has not promoted it yet");
        then(due, ": ", server.clone())
    };
    let change = match (&server, coming.gate) {
        (Some(server), _) => server.as_str(),
        (None, Some(Gate { fact: Fact::Recorded { ahead: true, .. }, .. })) => {
            "somebody's clock was fast, and only its vendor can date the entry anew"
        }
        (None, _) => "only its vendor can let it in earlier",
    };
    match (coming.when, coming.first) {
        (When::At(until), None) => {
            format!("`{version}` follows at {} at the earliest{why}; {change}", rfc3339(until))
        }
        (When::At(until), Some(First { channel, until: first })) => format!(
            "`{version}` enters `{}` first, at {} at the earliest{why}; it follows in `{through}` at {} at the earliest; {change}",
            channel.name(),
            rfc3339(first.unwrap_or(until)),
            rfc3339(until)
        ),
        (When::Due, None) => due(through),
        (When::Due, Some(First { channel, .. })) => {
            format!("{}; it follows in `{through}` later", due(channel.name()))
        }
        (When::SomebodyActs, Some(First { channel, until })) => {
            let first = match until {
                Some(until) => {
                    format!("enters `{}` first, at {} at the earliest", channel.name(), rfc3339(until))
                }
                None => format!("is due for `{}`", channel.name()),
            };
            format!("`{version}` {first}{why}; it does not follow in `{through}` until its vendor acts")
        }
        (When::Unsigned, _) => format!(
            "`{version}` is not on offer in `{through}` yet, and no signed document says when or why: ask the server"
        ),
        (When::SomebodyActs, None) => {
            let overdue = if coming.overdue { "overdue, and " } else { "" };
            format!("`{version}` is {overdue}not on offer in `{through}` until its vendor acts{why}")
        }
    }
}

/// Says what keeps a release out, and what keeps out the barrier that it waits for.
pub fn coming_why(coming: &Coming<'_>) -> Option<String> {
    let why = gate(coming.gate.as_ref()?);
    let behind = coming.behind.and_then(|behind| behind.gate);
    Some(then(why, ": ", behind.as_ref().map(gate)))
}

/// Says that the line of a channel was refused, and offers nothing new.
pub fn refused_line(line: &str) -> String {
    format!("nothing new comes in line `{line}` until its vendor has mended a fault in its catalog")
}
