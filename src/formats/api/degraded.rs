//! Problems that do not keep a server from serving, as shown by `/readyz` and `tidegate status`.

use serde::Serialize;
use utoipa::ToSchema;

use super::{EvidenceBody, StepBackBody};
use crate::domain::degraded::{Claim, ClockDoubt, Degraded, DegradedKind, LineRefusal};
use crate::domain::rfc3339;
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// One problem. Times are in RFC 3339.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct DegradedBody {
        /// A stable name for the kind of problem, the same as in the metrics.
        pub kind: &'static str,
        pub detail: String,
        @optional {
            /// For `line_refused` and `restraints_lost`: the line.
            line: String,
            /// For `line_refused`: why the line was refused.
            refusal: RefusalBody,
            /// For `not_offered`, `promotions_overdue`, `dated_ahead` and `restraints_lost`: the first release
            /// concerned.
            version: String,
            /// For `not_offered`, `promotions_overdue`, `dated_ahead` and `restraints_lost`: how many releases,
            /// promotions, payloads or restraints are concerned.
            count: usize,
            /// For `restraints_lost` and `restraints_forgotten`: what `tidegate catalog loosen` takes, if it was
            /// meant or does not matter.
            what: String,
            /// For `promotions_overdue`: since when the first promotion has been overdue. For
            /// `dated_ahead`: the date of the first release's entry. For `restraints_forgotten`: when they were
            /// stored. In `tidegate status`, for what the server itself reports: since when.
            since: String,
            /// For `dated_ahead`: the channel that the entry is for.
            channel: String,
            /// For `expiry_near`: the document that expires. Absent on a mirror, where the whole import
            /// expires at once.
            document: String,
            /// For `expiry_near`: when it expires.
            expires: String,
            /// For `clock_untrusted`, and for `expiry_near` if only this time is past it: the time that the clock
            /// shows.
            clock: String,
            /// For `clock_untrusted`: the time that the clock should show, or should have passed.
            expected: String,
        }
        /// For `not_offered`: the state of the first release's signed manifest or payload files.
        #[serde(flatten)]
        pub evidence: EvidenceBody,
    }
}

sparse! {
    /// Why a line was refused.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct RefusalBody {
        /// `faulty`, `steps_back` or `claims`.
        pub kind: &'static str,
        /// For `steps_back`: every way in which the line would step back.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub step_backs: Vec<StepBackBody>,
        @optional {
            /// For `claims`: the channel that belongs to another line, if one does.
            channel: String,
            /// For `claims`: the version prefix that belongs to another line, if one does.
            prefix: String,
            /// For `claims`: the other line.
            of: String,
        }
    }
}

impl DegradedBody {
    /// Names a kind of problem, and says where the details are.
    pub fn of_kind(kind: DegradedKind) -> Self {
        Self { kind: kind.as_str(), detail: words::DETAILS_ELSEWHERE.to_owned(), ..Self::default() }
    }

    /// Describes one problem.
    pub fn of(degraded: &Degraded) -> Self {
        let body =
            Self { kind: degraded.kind().as_str(), detail: words::degraded(degraded), ..Self::default() };
        match degraded {
            Degraded::LineRefused { line, refusal, .. } => {
                Self { line: Some(line.to_string()), refusal: Some(RefusalBody::of(refusal)), ..body }
            }
            Degraded::NotOffered { version, evidence, more } => Self {
                version: Some(version.to_string()),
                count: Some(more + 1),
                evidence: EvidenceBody::of(evidence),
                ..body
            },
            Degraded::RestraintsLost { restraint, what, more } => Self {
                line: Some(restraint.line.to_string()),
                version: restraint.release().map(ToString::to_string),
                what: Some(what.to_string()),
                count: Some(more + 1),
                ..body
            },
            Degraded::RestraintsForgotten(forgotten) => Self {
                what: forgotten.what().map(|what| what.to_string()),
                since: (!forgotten.is_denied).then(|| rfc3339(forgotten.stored)),
                ..body
            },
            Degraded::PromotionsOverdue { count, version, since } => Self {
                version: Some(version.to_string()),
                count: Some(*count),
                since: Some(rfc3339(*since)),
                ..body
            },
            Degraded::DatedAhead { version, channel, since, more } => Self {
                version: Some(version.to_string()),
                channel: Some(channel.to_string()),
                since: Some(rfc3339(*since)),
                count: Some(more + 1),
                ..body
            },
            Degraded::ExpiryNear { document, expires, .. } => {
                Self { document: Some(document.clone()), expires: Some(rfc3339(*expires)), ..body }
            }
            Degraded::MirrorExpiryNear { expires } => Self { expires: Some(rfc3339(*expires)), ..body },
            Degraded::MirrorLost { line, .. } => Self { line: Some(line.to_string()), ..body },
            Degraded::MirrorLacks { version, more, .. } | Degraded::NotCopied { version, more, .. } => {
                Self { version: Some(version.to_string()), count: Some(more + 1), ..body }
            }
            Degraded::ClockUntrusted(
                ClockDoubt::Turned { now, expected, .. } | ClockDoubt::Behind { now, made: expected },
            ) => Self { clock: Some(rfc3339(*now)), expected: Some(rfc3339(*expected)), ..body },
            Degraded::RefusedByClock { now, expires } => Self {
                document: Some("publication".to_owned()),
                clock: Some(rfc3339(*now)),
                expires: Some(rfc3339(*expires)),
                ..body
            },
            Degraded::NoKeys
            | Degraded::NoOnlineKey
            | Degraded::StateAway { .. }
            | Degraded::TrustKept { .. }
            | Degraded::Unread { .. }
            | Degraded::WitnessUnasked { .. }
            | Degraded::MirrorGone
            | Degraded::Panicked { .. }
            | Degraded::NotCommitted { .. }
            | Degraded::Failed { .. } => body,
            Degraded::Reported { since, .. } => Self { since: Some(rfc3339(*since)), ..body },
        }
    }
}

impl RefusalBody {
    fn of(refusal: &LineRefusal) -> Self {
        let body = Self { kind: refusal.name(), ..Self::default() };
        match refusal {
            LineRefusal::Faulty { .. } | LineRefusal::Lost { .. } => body,
            LineRefusal::StepsBack(steps) => {
                Self { step_backs: steps.iter().map(StepBackBody::of).collect(), ..body }
            }
            LineRefusal::Claims { claim, of } => {
                let (channel, prefix) = match claim {
                    Claim::Channel(name) => (Some(name.to_string()), None),
                    Claim::Versions(prefix) => (None, Some(prefix.to_string())),
                };
                Self { channel, prefix, of: Some(of.to_string()), ..body }
            }
        }
    }
}
