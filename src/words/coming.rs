//! Releases that a cluster could have later: what hinders them, until when, and who can change that.

use super::{by_whom, gate, not_promoting};
use crate::domain::Time;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Fact, Gate, SoakEnd};
use crate::domain::release::{Event, ManifestState, PayloadState};
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::domain::upgrade::{Behind, Coming, First, When};
use crate::domain::version::Version;

/// Where a cluster that knows only the signed documents can ask for the rest.
pub struct Ask {
    /// The address of the server, without a slash at its end.
    pub server: String,
    /// The address of the server's own answer.
    pub update: String,
}

/// Says who knows something about a release that no signed document says.
pub(super) fn asked(what: &str, version: &Version, ask: &Ask) -> String {
    format!("{what}, only the server can tell: `curl '{}/v1/releases/{version}/explain'`", ask.server)
}

/// Says when a release comes. `follows` is the channel that the cluster follows. Without `ask`, it is the
/// server that speaks.
pub(super) fn expected(coming: &Coming<'_>, follows: &str, ask: Option<&Ask>) -> String {
    let (version, through) = (&coming.release.version, coming.channel.name());
    match (coming.when, ask) {
        (When::At(until), Some(ask)) => format!(
            "`{version}` cannot enter `{through}` before {} (its signature says so); {}",
            rfc3339(until),
            asked("whether it enters then", version, ask)
        ),
        (_, Some(ask)) => format!(
            "`{version}` is not on offer in `{through}` yet; {}",
            asked("when it comes", version, ask)
        ),
        (When::At(until), None) => match (coming.not_promoting, coming.gate) {
            (Some(why), _) => format!("{}; apart from that, {}", not_promoting(why), dated(coming, until)),
            (None, Some(Gate { fact: Fact::Recorded { ahead: true, .. }, .. })) => format!(
                "`{version}` follows at {} at the earliest: the vendor's catalog records this promotion with that date, in the future; the vendor can correct the date",
                rfc3339(until)
            ),
            (None, _) => format!("{}; its vendor can shorten this", dated(coming, until)),
        },
        (When::Due, None) => due(coming),
        (When::SomebodyActs, None) => stuck(coming, follows),
        (When::Unsigned, None) => {
            format!(
                "`{version}` is not on offer in `{through}` yet, and no signed document says when it comes"
            )
        }
    }
}

fn dated(coming: &Coming<'_>, until: Time) -> String {
    let (version, line) = (&coming.release.version, &coming.channel.line.name);
    let why = match &coming.gate {
        Some(Gate { fact: Fact::Freeze { freeze: Some(freeze), .. }, .. }) => {
            let (from, until) = (rfc3339(freeze.from), rfc3339(freeze.until));
            Some(format!(
                "promotions in line `{line}` are frozen from {from} until {until} ({})",
                freeze.reason
            ))
        }
        // The end of the soak is the earliest time itself, which the sentence has already said.
        Some(Gate { fact: Fact::Soak { since, soak, ends: SoakEnd::At { lost, .. }, .. }, .. })
            if lost.is_zero() && coming.first.is_none() =>
        {
            Some(format!("its soak of {} began at {}", Span(soak.min), rfc3339(*since)))
        }
        _ => coming_why(coming),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let Some(First { channel: first, until: enters }) = coming.first else {
        return format!("`{version}` follows at {} at the earliest{why}", rfc3339(until));
    };
    let stage = coming.channel.stage();
    let soak = stage.soak.as_ref().filter(|_| coming.channel.index == first.index + 1);
    let then = match soak.map(|soak| soak.of(coming.release.urgency).min) {
        Some(min) => format!("then it soaks for {}, and enters", Span(min)),
        None => "later it enters".to_owned(),
    };
    format!(
        "`{version}` enters `{}` first, at {} at the earliest{why}; {then} `{}` at {} at the earliest",
        first.name(),
        rfc3339(enters.unwrap_or(until)),
        stage.channel,
        rfc3339(until)
    )
}

fn due(coming: &Coming<'_>) -> String {
    let overdue = if coming.overdue { ", and is overdue" } else { "" };
    let next = coming.first.map_or(coming.channel, |first| first.channel);
    let due = format!("`{}` is due for `{}`{overdue}", coming.release.version, next.name());
    let due = match coming.not_promoting {
        None => format!("{due}, but the server has not promoted it yet"),
        Some(NotPromoting::Off) => format!(
            "{due}, but the server runs with `--promote off`; it comes once the vendor's operator runs `tidegate promote`, or turns promotion on; a cluster can do neither"
        ),
        Some(why) => format!("{due}, but the server has not promoted it yet: {}", not_promoting(why)),
    };
    match coming.first {
        Some(_) => format!("{due}; it follows in `{}` later", coming.channel.name()),
        None => due,
    }
}

/// A release that comes once somebody acts.
fn stuck(coming: &Coming<'_>, follows: &str) -> String {
    let (version, through) = (&coming.release.version, coming.channel.name());
    if let Some(First { channel, until }) = coming.first {
        let when = match until {
            Some(until) => {
                format!("enters `{}` first, at {} at the earliest", channel.name(), rfc3339(until))
            }
            None => format!("is due for `{}`", channel.name()),
        };
        let why = coming_why(coming).map(|why| format!(": {why}")).unwrap_or_default();
        return format!("`{version}` {when}{why}; it does not follow in `{through}` until its vendor acts");
    }
    let (pronoun, what, obstacle) = match (&coming.behind, coming.gate) {
        (Some(behind), _) => ("they come", waits_for(coming, behind), behind.gate),
        (None, Some(Gate { fact: Fact::Hold { hold: Some(hold) }, .. })) => {
            ("it comes", format!("`{version}` {}", held(hold)), coming.gate)
        }
        (None, obstacle) => {
            // What cannot be served may have entered long ago.
            let is_withheld =
                |gate: &Gate<'_>| matches!(gate.fact, Fact::Payload { .. } | Fact::Signed { .. });
            let place = if through.as_str() == follows || obstacle.as_ref().is_some_and(is_withheld) {
                format!("is not on offer in `{through}`")
            } else {
                format!("must enter `{through}` first")
            };
            let overdue = if coming.overdue { ", and is overdue" } else { "" };
            let why = obstacle.as_ref().map(|obstacle| format!(": {}", gate(obstacle))).unwrap_or_default();
            ("it comes", format!("`{version}` {place}{overdue}{why}"), obstacle)
        }
    };
    let line = coming.channel.line.name.as_str();
    let acts = obstacle.map_or_else(|| "promotes it".to_owned(), |obstacle| opens(&obstacle, line));
    let earliest = coming.not_before.map(|time| format!(", at {} at the earliest", rfc3339(time)));
    let earliest = earliest.unwrap_or_default();
    format!("{what}; {pronoun} once the vendor {acts}{earliest}{}", afterwards(coming, follows))
}

/// Says what comes between the channel that a release enters next and a later one, which the cluster follows.
fn afterwards(coming: &Coming<'_>, follows: &str) -> String {
    let later = &coming.channel.line.stages[coming.channel.index + 1..];
    let Some(place) = later.iter().position(|stage| stage.channel.as_str() == follows) else {
        return String::new();
    };
    let soak = later[0].soak.as_ref().filter(|_| place == 0);
    match soak.map(|soak| soak.of(coming.release.urgency).min) {
        Some(min) => format!("; then it soaks for {}, and enters `{follows}`", Span(min)),
        None => format!("; it enters `{follows}` later"),
    }
}

/// Says which barrier a release waits for, and what keeps that out.
fn waits_for(coming: &Coming<'_>, Behind { barrier, gate: obstacle }: &Behind<'_>) -> String {
    let state = if coming.overdue { "is overdue" } else { "waits" };
    let summary = barrier.summary.as_ref().map(|summary| format!(": {summary}")).unwrap_or_default();
    let hinders = match obstacle {
        None => "is due, but not promoted yet".to_owned(),
        Some(Gate { fact: Fact::Hold { hold: Some(hold) }, .. }) => held(hold),
        Some(obstacle) => format!("does not come: {}", gate(obstacle)),
    };
    let (version, barrier) = (&coming.release.version, &barrier.version);
    format!(
        "`{version}` {state}: `{barrier}` must be installed first (no cluster may skip it{summary}), and it {hinders}"
    )
}

fn held(Event { at, by, reason, .. }: &Event) -> String {
    format!("is held since {}{} ({reason})", rfc3339(*at), by_whom(by))
}

/// Says what the vendor must do to open a gate.
fn opens(gate: &Gate<'_>, line: &str) -> String {
    match gate.fact {
        Fact::Hold { .. } => "ends the hold".to_owned(),
        Fact::Paused { channel, .. } | Fact::Soak { ends: SoakEnd::Paused { channel, .. }, .. } => {
            format!("resumes `{channel}`")
        }
        Fact::Signed { manifest: ManifestState::Unsigned } => "signs it with a release key".to_owned(),
        Fact::Signed { manifest: ManifestState::Undelegated } => {
            format!("authorises a release key for line `{line}` and signs it")
        }
        Fact::Signed { manifest: ManifestState::NoTrust } => "creates keys and signs it".to_owned(),
        Fact::Signed { manifest: ManifestState::Invalid(_) } => {
            "signs it again, or puts back what was signed".to_owned()
        }
        Fact::Expired { .. } => format!("renews the signature of line `{line}`"),
        Fact::Payload { payload: PayloadState::Differs { .. } } => "puts the right payload back".to_owned(),
        Fact::Payload { payload: PayloadState::Unreadable { .. } | PayloadState::NotCopied { .. } } => {
            "mends its server".to_owned()
        }
        Fact::Payload { .. } | Fact::Soak { ends: SoakEnd::Unavailable, .. } => {
            "puts the payload back".to_owned()
        }
        _ => "acts".to_owned(),
    }
}

/// Says what keeps a release out, and what keeps out the barrier that it waits for.
pub fn coming_why(coming: &Coming<'_>) -> Option<String> {
    let why = gate(coming.gate.as_ref()?);
    let behind = coming.behind.and_then(|behind| behind.gate);
    Some(match behind {
        Some(behind) => format!("{why}: {}", gate(&behind)),
        None => why,
    })
}
