//! What is wrong while a server keeps serving: in `/readyz` and in `tidegate status`.

use serde::Serialize;
use utoipa::ToSchema;

use super::{EvidenceBody, StepBackBody};
use crate::domain::degraded::{Claim, ClockDoubt, Degraded, LineRefusal};
use crate::domain::rfc3339;
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// One thing that is wrong. Times are in RFC 3339.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct DegradedBody {
        /// A stable name, the same as in the metrics.
        pub kind: &'static str,
        pub detail: String,
        @optional {
            /// Of `line_refused`: the line.
            line: String,
            /// Of `line_refused`: why.
            refusal: RefusalBody,
            /// Of `not_offered` and `promotions_overdue`: the first release.
            version: String,
            /// Of `not_offered` and `promotions_overdue`: how many there are.
            count: usize,
            /// Of `promotions_overdue`: since when the first is overdue.
            since: String,
            /// Of `expiry_near`: what expires; none on a mirror, where it is the imported content.
            document: String,
            /// Of `expiry_near`: when.
            expires: String,
            /// Of `clock_untrusted`: what the clock says, and what it should say or be after.
            clock: String,
            expected: String,
        }
        /// Of `not_offered`: what was found alongside the catalog.
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
        /// With `steps_back`: every way in which it would step back.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub step_backs: Vec<StepBackBody>,
        @optional {
            /// With `claims`: the channel or the version prefix that another line already has.
            channel: String,
            prefix: String,
            /// With `claims`: that line.
            of: String,
        }
    }
}

impl DegradedBody {
    /// One thing that is wrong.
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
            Degraded::PromotionsOverdue { count, version, since } => Self {
                version: Some(version.to_string()),
                count: Some(*count),
                since: Some(rfc3339(*since)),
                ..body
            },
            Degraded::ExpiryNear { document, expires, .. } => {
                Self { document: Some(document.clone()), expires: Some(rfc3339(*expires)), ..body }
            }
            Degraded::MirrorExpiryNear { expires } => Self { expires: Some(rfc3339(*expires)), ..body },
            Degraded::ClockUntrusted(
                ClockDoubt::Turned { now, expected } | ClockDoubt::Behind { now, made: expected },
            ) => Self { clock: Some(rfc3339(*now)), expected: Some(rfc3339(*expected)), ..body },
            Degraded::NoKeys
            | Degraded::NoOnlineKey
            | Degraded::TrustKept { .. }
            | Degraded::Unread { .. }
            | Degraded::MirrorGone
            | Degraded::Panicked { .. }
            | Degraded::NotCommitted { .. }
            | Degraded::Failed { .. } => body,
        }
    }
}

impl RefusalBody {
    fn of(refusal: &LineRefusal) -> Self {
        let body = Self { kind: refusal.name(), ..Self::default() };
        match refusal {
            LineRefusal::Faulty { .. } => body,
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
