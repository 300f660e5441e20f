//! The JSON of unsigned answers, from the HTTP service and from `--output json`.
//!
//! Each body is made from the domain's own decision or answer, and decides nothing itself. A body with a
//! `message` for people also has every figure in it as a field for programs.

mod channels;
mod degraded;
mod explain;
mod promotions;
mod step_backs;
mod update;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::release::{Event, Evidence, ManifestFault, ManifestState, Mismatch, PayloadState, Yank};
use crate::domain::rfc3339;
use crate::formats::sparse::sparse;

pub use channels::{ChannelSummary, ChannelsBody, Soaking};
pub use degraded::{DegradedBody, RefusalBody};
pub use explain::{EntryBody, ExplainBody};
pub use promotions::{DecisionBody, GateBody, PromotionsBody, RemedyBody};
pub use step_backs::StepBackBody;
pub use update::{ComingBody, StepBody, TargetBody, TargetPayload, UpdateBody};

/// Something that people decided: since when, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notice {
    /// RFC 3339.
    pub since: String,
    pub by: String,
    pub reason: String,
    /// Of a yank: the release that replaces this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

sparse! {
    /// What was found alongside the catalog: the signed manifest, or the payload files.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
    pub struct EvidenceBody {
        @optional {
            /// Of the signed manifest: `signed`, `unsigned`, `invalid` or `no_trust`.
            signed: &'static str,
            /// Of the payload files: `present`, `missing` or `differs`.
            payload: &'static str,
            /// The payload file that is missing or differs.
            file: String,
            /// The digest or the size that was found instead, or why the file cannot be read.
            found: String,
            /// Why the signed manifest is `invalid`.
            fault: ManifestFaultBody,
        }
    }
}

sparse! {
    /// Why a signed manifest cannot be used.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
    pub struct ManifestFaultBody {
        /// `keys`, `role`, `no_release_keys`, `missing`, `unreadable`, `not_listed`, `differs`, `signatures`,
        /// `mismatch`, `payload_not_listed` or `entered_early`.
        pub kind: &'static str,
        pub message: String,
        @optional {
            /// Of `not_listed`: the role of the line.
            role: String,
            /// Of `payload_not_listed`: the payload.
            file: String,
            /// Of `mismatch`: the field, its signed value, and its value in the catalog.
            field: &'static str,
            signed: String,
            catalog: String,
            /// Of `entered_early`: the stage, when it was entered, and the earliest signed time.
            stage: String,
            since: String,
            not_before: String,
        }
    }
}

impl Notice {
    /// Describes an event other than a yank.
    pub fn of(event: &Event) -> Self {
        Self { since: rfc3339(event.at), by: event.by.clone(), reason: event.reason.clone(), to: None }
    }

    fn of_yank(yank: &Yank) -> Self {
        Self { to: yank.to.as_ref().map(ToString::to_string), ..Self::of(&yank.event) }
    }
}

impl EvidenceBody {
    /// What keeps a release from being offered.
    fn of(Evidence { manifest, payload }: &Evidence) -> Self {
        match payload {
            PayloadState::Present => Self::of_manifest(manifest),
            PayloadState::Missing { .. } | PayloadState::Differs { .. } => Self::of_payload(payload),
        }
    }

    /// What was found about a signed manifest.
    pub fn of_manifest(manifest: &ManifestState) -> Self {
        let fault = match manifest {
            ManifestState::Invalid(fault) => Some(ManifestFaultBody::of(fault)),
            ManifestState::NoTrust | ManifestState::Unsigned | ManifestState::Signed(_) => None,
        };
        Self { signed: Some(manifest.name()), fault, ..Self::default() }
    }

    /// What was found about payload files.
    pub fn of_payload(payload: &PayloadState) -> Self {
        let (file, found) = match payload {
            PayloadState::Present => (None, None),
            PayloadState::Missing { file } => (Some(file.clone()), None),
            PayloadState::Differs { file, found } => (Some(file.clone()), Some(found.clone())),
        };
        Self { payload: Some(payload.name()), file, found, ..Self::default() }
    }
}

impl ManifestFaultBody {
    fn of(fault: &ManifestFault) -> Self {
        let body = Self { kind: fault.name(), message: fault.to_string(), ..Self::default() };
        match fault {
            ManifestFault::Keys(_)
            | ManifestFault::Role(_)
            | ManifestFault::NoReleaseKeys
            | ManifestFault::Missing
            | ManifestFault::Unreadable(_)
            | ManifestFault::Differs
            | ManifestFault::Signatures(_) => body,
            ManifestFault::NotListed { role } => Self { role: Some(role.clone()), ..body },
            ManifestFault::PayloadNotListed { file } => Self { file: Some(file.clone()), ..body },
            ManifestFault::Mismatch(Mismatch { field, signed, catalog }) => Self {
                field: Some(field),
                signed: Some(signed.clone()),
                catalog: Some(catalog.clone()),
                ..body
            },
            ManifestFault::EnteredEarly { stage, since, not_before } => Self {
                stage: Some(stage.to_string()),
                since: Some(rfc3339(*since)),
                not_before: Some(rfc3339(*not_before)),
                ..body
            },
        }
    }
}
