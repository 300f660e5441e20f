//! `/v1/promotions`: decisions and their gates.

use serde::Serialize;
use utoipa::ToSchema;

use super::{EvidenceBody, NotPromotingBody, name};
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, SoakEnd};
use crate::domain::release::{Event, Yank};
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::formats::sparse::sparse;
use crate::words::{self, Remedy};

/// The decisions about all releases that have not entered their last stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromotionsBody {
    /// Why the server does not promote what is due; missing if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_promoting: Option<NotPromotingBody>,
    pub promotions: Vec<DecisionBody>,
}

/// The decision whether a release enters its next stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    pub version: String,
    pub line: String,
    /// The channel that the release is in; `null` before its first stage.
    pub from: Option<String>,
    /// The channel that the release would enter next.
    pub to: String,
    /// `promote`, `wait` or `blocked`.
    pub verdict: &'static str,
    /// With `wait`: when every gate passes (RFC 3339).
    pub until: Option<String>,
    /// The time after which the release is overdue (RFC 3339).
    pub deadline: Option<String>,
    pub overdue: bool,
    pub gates: Vec<GateBody>,
}

/// One gate of a promotion.
#[derive(Debug, Serialize, ToSchema)]
pub struct GateBody {
    /// `signed`, `payload`, `soak`, `not_before`, `hold`, `freeze`, `window`, `order`, `paused`,
    /// `retired`, `yanked` or `recorded`.
    pub gate: &'static str,
    /// `passes`, `waits` or `blocks`.
    pub state: &'static str,
    /// With `waits`: when the gate opens (RFC 3339).
    pub until: Option<String>,
    /// What the gate checked, in words.
    pub message: String,
    #[serde(flatten)]
    pub figures: Figures,
}

sparse! {
    /// The figures in a gate's message, as fields for programs. Times are in RFC 3339.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct Figures {
        @optional {
            /// For `soak`: when the release entered the previous stage. For `hold`, `paused`, `retired` and
            /// `yanked`: since when that applies. For `recorded`: the time of the entry.
            since: String,
            /// For `hold`, `paused`, `retired` and `yanked`: who did it.
            by: String,
            /// For `hold`, `paused`, `retired`, `yanked` and `freeze`: the reason.
            reason: String,
            /// For `soak`: the minimum time, as in the catalog (`14d`).
            min: String,
            /// For `soak`: the time after which the release is overdue, as in the catalog (`28d`).
            max: String,
            /// For `soak`: when the minimum time is over. Missing while the soak stands still, because
            /// clusters cannot get the release.
            due: String,
            /// For `soak`: how much time until `due` does not count, because clusters could not get the
            /// release.
            lost: String,
            /// For `recorded`: whether the entry is dated ahead of the clock, and not only of the queried
            /// time.
            ahead: bool,
            /// For `soak`, `freeze` and `window`: whether an early promotion skips the gate.
            waived: bool,
            /// For `not_before`: the earliest time that the signed manifest allows.
            at: String,
            /// For `freeze`: when the freeze begins.
            from: String,
            /// For `freeze`: when the freeze ends.
            ends: String,
            /// For `window`: its days, hours and time zone.
            window: String,
            /// For `window`: when it opens, if it is closed.
            opens: String,
            /// For `order`: the older barrier that must enter the stage first.
            barrier: String,
            /// For `order`: whether the barrier is due itself, and waits only for whoever promotes.
            barrier_due: bool,
            /// For `paused`: the channel. For `soak`: the channel of the previous stage, if its pause makes
            /// the soak stand still.
            channel: String,
            /// For `retired`: the line.
            line: String,
            /// For `yanked`: the release that replaces this one.
            to: String,
        }
        /// For `signed` and `payload`: the state of the signed manifest or of the payload files.
        #[serde(flatten)]
        pub evidence: EvidenceBody,
    }
}

/// A remedy: something that a person can do.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemedyBody {
    /// `init`, `sign`, `sign_again`, `restore_trust`, `restore_payload`, `bring_forward`, `next_line`, `resume`,
    /// `resume_channel`, `unyank`, `yank_to`, `promote`, `promote_early`, `redate`, `check`, `mend_server`,
    /// `explain`, `hold`, `add_higher`, `follow` or `open_way`.
    pub remedy: &'static str,
    /// The command to run. Replace the words in capitals.
    pub command: Option<String>,
}

impl PromotionsBody {
    /// Describes all decisions, of a server that does not promote for this reason, if it does not.
    pub fn of(decisions: &[Decision<'_>], not_promoting: Option<NotPromoting>) -> Self {
        Self {
            not_promoting: not_promoting.map(NotPromotingBody::of),
            promotions: decisions.iter().map(DecisionBody::of).collect(),
        }
    }
}

impl DecisionBody {
    /// Describes one decision.
    pub fn of(decision: &Decision<'_>) -> Self {
        let stages = &decision.line.stages;
        Self {
            version: decision.release.version.to_string(),
            line: decision.line.name.to_string(),
            from: decision.stage.checked_sub(1).map(|before| stages[before].channel.to_string()),
            to: decision.target().channel.to_string(),
            verdict: decision.verdict.name(),
            until: decision.verdict.waits_until().map(rfc3339),
            deadline: decision.deadline.map(rfc3339),
            overdue: decision.overdue,
            gates: decision.gates.iter().map(GateBody::of).collect(),
        }
    }
}

impl GateBody {
    fn of(gate: &Gate<'_>) -> Self {
        Self {
            gate: gate.fact.name(),
            state: gate.state.name(),
            until: gate.opens().map(rfc3339),
            message: words::gate(gate),
            figures: Figures::of(gate),
        }
    }
}

impl RemedyBody {
    pub(super) fn of(Remedy { kind, command, .. }: Remedy) -> Self {
        Self { remedy: kind.as_str(), command }
    }
}

impl Figures {
    fn of(gate: &Gate<'_>) -> Self {
        match gate.fact {
            Fact::Recorded { since, ahead } => {
                Self { since: Some(rfc3339(since)), ahead: ahead.then_some(true), ..Self::default() }
            }
            Fact::Yanked { yank: Yank { event, to } } => {
                Self { to: to.as_ref().map(ToString::to_string), ..Self::of_event(Some(event)) }
            }
            Fact::Signed { manifest } => {
                Self { evidence: EvidenceBody::of_manifest(manifest), ..Self::default() }
            }
            Fact::Payload { payload } => {
                Self { evidence: EvidenceBody::of_payload(payload), ..Self::default() }
            }
            Fact::Soak { since, soak, ends, waived } => {
                let (channel, lost) = match ends {
                    SoakEnd::At { lost, .. } => (None, Some(lost)),
                    SoakEnd::Paused { channel, .. } => (Some(channel), None),
                    SoakEnd::Yanked | SoakEnd::Unavailable => (None, None),
                };
                Self {
                    since: Some(rfc3339(since)),
                    min: Some(Span(soak.min).to_string()),
                    max: Some(Span(soak.max).to_string()),
                    due: ends.due().map(rfc3339),
                    lost: lost.filter(|lost| !lost.is_zero()).map(|lost| Span(lost).to_string()),
                    channel: channel.map(ToString::to_string),
                    waived: Some(waived),
                    ..Self::default()
                }
            }
            Fact::Expired { at } | Fact::NotBefore { at, .. } => {
                Self { at: Some(rfc3339(at)), ..Self::default() }
            }
            Fact::Retired { line, retired } => {
                Self { line: Some(line.to_string()), ..Self::of_event(Some(retired)) }
            }
            Fact::Hold { hold } => Self::of_event(hold),
            Fact::Freeze { freeze, waived } => Self {
                from: freeze.map(|freeze| rfc3339(freeze.from)),
                ends: freeze.map(|freeze| rfc3339(freeze.until)),
                reason: freeze.map(|freeze| freeze.reason.clone()),
                waived: freeze.map(|_| waived),
                ..Self::default()
            },
            Fact::Window { window, waived } => Self {
                window: Some(window.to_string()),
                opens: gate.opens().map(rfc3339),
                waived: Some(waived),
                ..Self::default()
            },
            Fact::Order { barrier, is_due } => Self {
                barrier: barrier.map(|barrier| barrier.version.to_string()),
                barrier_due: barrier.map(|_| is_due),
                ..Self::default()
            },
            Fact::Paused { channel, pause } => {
                Self { channel: pause.map(|_| channel.to_string()), ..Self::of_event(pause) }
            }
        }
    }

    fn of_event(event: Option<&Event>) -> Self {
        Self {
            since: event.map(|event| rfc3339(event.at)),
            by: event.and_then(|event| name(&event.by)),
            reason: event.map(|event| event.reason.clone()),
            ..Self::default()
        }
    }
}
