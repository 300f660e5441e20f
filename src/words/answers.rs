//! Answers to clusters. They never name the cluster's version, so that the same sentence serves every
//! cluster.

use super::{gate, not_promoting};
use crate::domain::release::Event;
use crate::domain::rfc3339;
use crate::domain::upgrade::{Advice, Answer, Blocked, Coming, NoneCode, Step, UpdateCode, Wait, When};

/// Says what a cluster should do, and why.
pub fn answer(Answer { channel, advice }: &Answer<'_>) -> String {
    let (line, channel) = (&channel.line.name, channel.name());
    match advice {
        Advice::Update { target, code } => {
            let version = &target.version;
            match code {
                UpdateCode::Latest => format!("update to `{version}`, the latest in `{channel}`"),
                UpdateCode::Barrier => {
                    format!(
                        "update to `{version}` first: nothing above it in `{channel}` may be installed yet"
                    )
                }
                UpdateCode::Yanked => format!("this version was yanked; update to `{version}`"),
                UpdateCode::NextLine => format!("update to `{version}`: line `{line}` can be entered now"),
            }
        }
        Advice::None { code, coming } => {
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
                NoneCode::NothingOffered => format!("nothing to do: `{channel}` offers nothing yet"),
            };
            then(why, "; ", coming.as_ref().map(expected))
        }
        Advice::Wait(Wait::Paused { pause: Event { at, reason, .. }, channel: paused }) => {
            let paused = paused.name();
            let way = if paused == channel {
                String::new()
            } else {
                format!("the upgrade path to line `{line}` leads through `{paused}`, and ")
            };
            format!("wait: {way}`{paused}` has been paused since {}: {reason}", rfc3339(*at))
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
        Advice::Blocked(Blocked::MinorGate { take: None, next: Some(next) }) => {
            format!(
                "blocked: line `{line}` can only be entered from the line that it follows, and no release there opens the way yet; update to {} first",
                step(next)
            )
        }
        Advice::Blocked(Blocked::MinorGate { take: None, next: None }) => {
            format!(
                "blocked: line `{line}` can only be entered from the line that it follows, and that line offers no release"
            )
        }
        Advice::Blocked(Blocked::MinorGate { take: Some(take), next }) => {
            let first = match next {
                Some(next) if next.release.version != take.release.version => step(next),
                Some(_) | None => "that".to_owned(),
            };
            format!("blocked: line `{line}` can only be entered from {}; update to {first} first", step(take))
        }
        Advice::Blocked(Blocked::Yanked { yank, fix }) => {
            let reason = &yank.event.reason;
            let why = format!("blocked: this version was yanked ({reason}), and nothing higher is on offer");
            then(why, "; ", fix.as_ref().map(expected))
        }
        Advice::Blocked(Blocked::Barrier { barrier, channel, stuck }) => {
            let why = format!(
                "blocked: `{barrier}` must be installed first, and `{}` does not offer it yet",
                channel.name()
            );
            then(why, "; ", stuck.as_ref().map(expected))
        }
        Advice::Blocked(Blocked::UnknownVersion { take }) => {
            let why = format!(
                "blocked: this version has never been on offer, and line `{line}` can only be entered from versions that have"
            );
            then(why, "; update to ", take.as_ref().map(|take| format!("{} first", step(take))))
        }
        Advice::Blocked(Blocked::NoWay) => {
            format!("blocked: there is no upgrade path from this version's line to line `{line}`")
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

fn expected(coming: &Coming<'_>) -> String {
    let (version, through) = (&coming.release.version, coming.channel.name());
    let overdue = if coming.overdue { ", and is overdue" } else { "" };
    let why = coming.gate.as_ref().map(|found| format!(": {}", gate(found))).unwrap_or_default();
    let server = coming.not_promoting.map(not_promoting);
    match coming.when {
        When::At(until) => {
            then(format!("`{version}` follows at {} at the earliest{why}", rfc3339(until)), "; ", server)
        }
        When::Due => {
            let due = format!(
                "`{version}` is due for `{through}`{overdue}, but the server has not promoted it yet"
            );
            then(due, ": ", server)
        }
        When::SomebodyActs => {
            format!("`{version}` is not on offer in `{through}`{overdue} until its vendor acts{why}")
        }
    }
}

/// Says that the line of a channel was refused, and offers nothing new.
pub fn refused_line(line: &str) -> String {
    format!("nothing new comes in line `{line}` until its vendor has mended a fault in its catalog")
}
