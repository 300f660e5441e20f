//! Answers to clusters. They never name the cluster's version, so that the same sentence serves every
//! cluster.

use super::coming::{self, Ask};
use super::explain::fault;
use super::goal::Goal;
use super::remedies::open_way;
use crate::domain::degraded::LineRefusal;
use crate::domain::release::{Event, Release};
use crate::domain::rfc3339;
use crate::domain::upgrade::{
    Advice, Answer, Blocked, Coming, Newer, NoPayload, NoneCode, UpdateCode, Wait, Withdrawn,
};
use crate::domain::version::Version;

/// Says what a cluster should do, and why.
pub fn answer(answer: &Answer<'_>) -> String {
    advice(&Goal::of(answer), &answer.advice)
}

/// Says what a cluster that follows the channel of a goal should do, and why.
pub fn advice(goal: &Goal, advice: &Advice<'_>) -> String {
    told(goal, advice, None)
}

/// Says what a cluster should do that has worked that out from signed documents, and where to ask for what
/// they do not say.
pub fn verified(answer: &Answer<'_>, ask: &Ask) -> String {
    told(&Goal::of(answer), &answer.advice, Some(ask))
}

fn told(goal: &Goal, advice: &Advice<'_>, ask: Option<&Ask>) -> String {
    let Goal { channel, line, before, take } = goal;
    let expected = |coming: &Coming<'_>| coming::expected(coming, channel, ask);
    let unknown =
        |what: &str| ask.map(|ask| format!("the server may know of {what}: `curl '{}'`", ask.update));
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
            let Newer { coming, stuck, withdrawn, unfit } = newer.as_ref();
            let is_known = coming.is_some() || matches!(code, NoneCode::Retired { .. });
            let is_bare = matches!(code, NoneCode::UpToDate) && withdrawn.is_none() && unfit.is_none();
            let unknown = unknown(if is_bare { "one" } else { "a newer release" }).filter(|_| !is_known);
            let why = match code {
                NoneCode::UpToDate if is_bare && unknown.is_some() => {
                    format!("up to date: no signed document names a newer release in `{channel}`")
                }
                NoneCode::UpToDate => match unfit {
                    Some(NoPayload { arch, .. }) => {
                        format!("up to date: this is the latest in `{channel}` for `{arch}`")
                    }
                    None => format!("up to date: this is the latest in `{channel}`"),
                },
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
            let why = then(why, "; ", unfit.as_ref().map(no_payload));
            let why = then(why, "; ", withdrawn.as_ref().map(gone));
            let alone = withdrawn.is_some() && coming.is_none() && ask.is_none();
            let why = then(
                why,
                "; ",
                alone.then(|| {
                    "nothing else is on its way until the vendor offers a higher release".to_owned()
                }),
            );
            let why = then(why, "; ", unknown);
            let why = then(why, "; ", coming.as_ref().map(expected));
            then(why, "; ", stuck.as_ref().map(expected))
        }
        Advice::Wait(Wait::Paused { pause: Event { at, reason, .. }, channel: paused }) => {
            let paused = paused.name();
            let way = if paused.as_str() == channel {
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
            let nothing = if coming.channel.line.name.as_str() == line {
                format!("wait: nothing in `{through}` may be installed yet")
            } else {
                format!(
                    "wait: the upgrade path to line `{line}` leads through `{through}`, and nothing there may be installed yet"
                )
            };
            then(nothing, "; ", Some(expected(coming)))
        }
        Advice::Blocked(Blocked::MinorGate { next, through, coming, .. }) => {
            let from = match take {
                Some(take) => step(take),
                // A line that follows none is entered from nowhere, so nobody is ever at its gate.
                None => format!("line `{}`", before.as_ref().unwrap_or(line)),
            };
            let why = format!("blocked: line `{line}` can only be entered from {from}");
            let through = through.name();
            if let Some(next) = next {
                let yet = if take.is_none() { ", and no release there opens the way yet" } else { "" };
                return format!(
                    "{why}{yet}: follow `{through}`, update to `{}`, then follow `{channel}` again",
                    next.release.version
                );
            }
            let why = format!("{why}; the way there leads through `{through}`, which offers nothing higher");
            then(why, "; ", coming.as_deref().map(expected).or_else(|| unknown("a higher release")))
        }
        Advice::Blocked(Blocked::Yanked { yank, through, barrier: first, fix }) => {
            let reason = &yank.event.reason;
            let name = through.map_or(channel.as_str(), |through| through.name().as_str());
            let (elsewhere, place) = match through {
                Some(through) => (
                    format!("so line `{line}` cannot be entered from it, "),
                    format!(" in line `{}`", through.line.name),
                ),
                None => (String::new(), String::new()),
            };
            let offers = match (fix, ask) {
                (None, None) => format!("`{name}` neither offers nor expects a higher release"),
                _ => format!("`{name}` offers nothing higher"),
            };
            let lacks = first.map_or(offers, |first| {
                let release = through.and_then(|through| through.line.releases.get(first));
                format!(
                    "{} must be installed next, which `{name}` does not offer yet",
                    barrier(first, release)
                )
            });
            let why = format!(
                "blocked: this version was yanked ({reason}), {elsewhere}and {lacks}: stay on it until"
            );
            if let Some(fix) = fix {
                return format!("{why} a higher release comes; {}", expected(fix));
            }
            let why = format!("{why} the vendor offers a higher release{place}, or takes back the yank");
            then(why, "; ", unknown("a higher release"))
        }
        Advice::Blocked(Blocked::Barrier { barrier: first, channel, stuck }) => {
            let why = format!(
                "blocked: {} must be installed first, and `{}` does not offer it yet",
                barrier(first, channel.line.releases.get(*first)),
                channel.name()
            );
            let asked = || ask.map(|ask| coming::asked("what keeps it out", first, ask));
            then(why, "; ", stuck.as_deref().map(expected).or_else(asked))
        }
        Advice::Blocked(Blocked::NoPayload { unfit, yank }) => {
            let yanked = yank.map(|yank| format!("this version was yanked ({}), and ", yank.event.reason));
            let (yanked, release) = (yanked.unwrap_or_default(), unfit.release);
            let why = if release.barrier {
                let name = barrier(&release.version, Some(release));
                format!("{name} must be installed first, and {}", no_payload(unfit))
            } else {
                no_payload(unfit)
            };
            format!(
                "blocked: {yanked}{why}: stay on this version until the vendor offers a release that has one"
            )
        }
        Advice::Blocked(Blocked::UnknownVersion { .. }) => {
            let why = format!(
                "blocked: this version has never been on offer, and line `{line}` can only be entered from versions that have"
            );
            then(why, "; update to ", take.as_ref().map(|take| format!("{} first", step(take))))
        }
        Advice::Blocked(Blocked::NoWay { stay }) => {
            let own = &stay.line.name;
            let way = match before {
                Some(before) => format!("line `{line}` can only be entered from line `{before}`"),
                None => format!("line `{line}` can be entered from no other line"),
            };
            format!(
                "blocked: there is no upgrade path from line `{own}`, which this version belongs to, to line `{line}`; follow `{}` to stay in line `{own}`; {way}, unless the vendor's release engineers allow it with {}",
                stay.name(),
                open_way(own.as_str(), line, before.as_deref())
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

fn step((version, channel): &(String, String)) -> String {
    format!("`{version}` in channel `{channel}`")
}

/// A barrier, and what it is about.
fn barrier(version: &Version, release: Option<&Release>) -> String {
    match release.and_then(|release| release.summary.as_ref()) {
        Some(summary) => format!("`{version}` ({summary})"),
        None => format!("`{version}`"),
    }
}

/// Says for which architectures a release on offer has payloads instead.
fn no_payload(NoPayload { release, arch }: &NoPayload<'_>) -> String {
    let has = release.architectures().unwrap_or_default();
    let has: Vec<String> = has.iter().map(|arch| format!("`{arch}`")).collect();
    format!("`{}` has no payload for `{arch}`, only for {}", release.version, has.join(", "))
}

fn gone(Withdrawn { release, yank }: &Withdrawn<'_>) -> String {
    let Event { at, reason, .. } = &yank.event;
    format!("`{}` was withdrawn at {} ({reason})", release.version, rfc3339(*at))
}

/// Says that the line of a channel was refused, and offers nothing new.
pub fn refused_line(line: &str, refusal: &LineRefusal) -> String {
    format!(
        "nothing new comes in line `{line}` until the vendor mends a fault in its catalog: {}",
        fault(refusal)
    )
}
