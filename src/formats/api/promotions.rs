//! `/v1/promotions`: decisions and their gates.

use serde::Serialize;
use utoipa::ToSchema;

use super::EvidenceBody;
use crate::domain::promotion::{Decision, Fact, Gate};
use crate::domain::release::{Event, Yank};
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::formats::sparse::sparse;
use crate::words::{self, Remedy};

/// The decision for every release that is not in its last stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromotionsBody {
    pub promotions: Vec<DecisionBody>,
}

/// Whether one release enters its next stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    pub version: String,
    pub line: String,
    /// The channel that the release is in; none before its first stage.
    pub from: Option<String>,
    /// The channel that it would enter.
    pub to: String,
    /// `promote`, `wait` or `blocked`.
    pub verdict: &'static str,
    /// RFC 3339; with `wait`, when every gate passes.
    pub until: Option<String>,
    /// RFC 3339; when the release is overdue.
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
    /// RFC 3339; with `waits`, when the gate opens.
    pub until: Option<String>,
    /// What the gate checked, in words.
    pub message: String,
    #[serde(flatten)]
    pub figures: Figures,
}

sparse! {
    /// The figures of a gate: the content of its message, for programs. Times are in RFC 3339.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct Figures {
        @optional {
            /// Of `soak`, when the release entered the previous stage; of `hold`, `paused`, `retired` and `yanked`,
            /// since when; of `recorded`, the date of the entry.
            since: String,
            /// Of `hold`, `paused`, `retired` and `yanked`: who did it.
            by: String,
            /// Why; also of `freeze`.
            reason: String,
            /// Of `soak`: the minimum time, as in the catalog (`14d`).
            min: String,
            /// Of `soak`: the time after which the release is overdue.
            max: String,
            /// Of `soak`: when the minimum time is over.
            due: String,
            /// Of `soak`, `freeze` and `window`: whether an early promotion skips it.
            waived: bool,
            /// Of `not_before`: the earliest signed time.
            at: String,
            /// Of `freeze`: when it begins and ends.
            from: String,
            ends: String,
            /// Of `window`: its days, hours and time zone, and when it opens if it is closed.
            window: String,
            opens: String,
            /// Of `order`: the older barrier that must enter first.
            barrier: String,
            /// Of `paused`: the channel.
            channel: String,
            /// Of `retired`: the line.
            line: String,
            /// Of `yanked`: the release that replaces this one.
            to: String,
        }
        /// Of `signed` and `payload`: what was found.
        #[serde(flatten)]
        pub evidence: EvidenceBody,
    }
}

/// What a person can do.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemedyBody {
    /// `init`, `sign`, `sign_again`, `bring_forward`, `restore_payload`, `next_line`, `resume`,
    /// `resume_channel`, `unyank`, `promote`, `promote_early` or `explain`.
    pub remedy: &'static str,
    /// The command to type. Words in capitals are to be filled in.
    pub command: Option<String>,
}

impl PromotionsBody {
    /// Every decision.
    pub fn of(decisions: &[Decision<'_>]) -> Self {
        Self { promotions: decisions.iter().map(DecisionBody::of).collect() }
    }
}

impl DecisionBody {
    /// One decision.
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
    pub(super) fn of(Remedy { name, command, .. }: Remedy) -> Self {
        Self { remedy: name, command }
    }
}

impl Figures {
    fn of(gate: &Gate<'_>) -> Self {
        match gate.fact {
            Fact::Recorded { since } => Self { since: Some(rfc3339(since)), ..Self::default() },
            Fact::Yanked { yank: Yank { event, to } } => {
                Self { to: to.as_ref().map(ToString::to_string), ..Self::of_event(Some(event)) }
            }
            Fact::Signed { manifest } => {
                Self { evidence: EvidenceBody::of_manifest(manifest), ..Self::default() }
            }
            Fact::Payload { payload } => {
                Self { evidence: EvidenceBody::of_payload(payload), ..Self::default() }
            }
            Fact::Soak { since, soak, due, waived } => Self {
                since: Some(rfc3339(since)),
                min: Some(Span(soak.min).to_string()),
                max: Some(Span(soak.max).to_string()),
                due: Some(rfc3339(due)),
                waived: Some(waived),
                ..Self::default()
            },
            Fact::NotBefore { at, .. } => Self { at: Some(rfc3339(at)), ..Self::default() },
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
            Fact::Order { barrier } => {
                Self { barrier: barrier.map(|barrier| barrier.version.to_string()), ..Self::default() }
            }
            Fact::Paused { channel, pause } => {
                Self { channel: pause.map(|_| channel.to_string()), ..Self::of_event(pause) }
            }
        }
    }

    fn of_event(event: Option<&Event>) -> Self {
        Self {
            since: event.map(|event| rfc3339(event.at)),
            by: event.map(|event| event.by.clone()),
            reason: event.map(|event| event.reason.clone()),
            ..Self::default()
        }
    }
}
