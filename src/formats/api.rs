//! The JSON of unsigned answers, in the HTTP service and in `--output json`.
//!
//! Each body is made from the domain's own decision or answer, and decides nothing itself. If a body has a
//! `message` for people, it also has each figure in that message as a field for programs.

mod channels;
mod degraded;
mod explain;
mod not_promoting;
mod promotions;
mod step_backs;
mod update;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::release::{
    Altered, Event, Evidence, ManifestFault, ManifestState, Mismatch, PayloadState, Yank,
};
use crate::domain::rfc3339;
use crate::formats::sparse::sparse;

pub use channels::{ChannelSummary, ChannelsBody, LostLine, Soaking};
pub use degraded::{DegradedBody, RefusalBody};
pub use explain::{EntryBody, ExplainBody};
pub use not_promoting::NotPromotingBody;
pub use promotions::{DecisionBody, GateBody, PromotionsBody, RemedyBody};
pub use step_backs::StepBackBody;
pub use update::{ComingBody, StepBody, TargetBody, TargetPayload, UpdateBody};

/// Something that somebody decided: since when it applies, who decided it, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notice {
    /// Since when it applies (RFC 3339).
    pub since: String,
    /// Who decided it; missing where that is not for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<String>,
    pub reason: String,
    /// For a yank: the release that replaces this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

sparse! {
    /// The state of a release's signed manifest or of its payload files.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
    pub struct EvidenceBody {
        @optional {
            /// The state of the signed manifest: `signed`, `unsigned`, `invalid` or `no_trust`.
            signed: &'static str,
            /// The state of the payload files: `present`, `missing`, `differs`, `unreadable` or `not_copied` (the
            /// file is good, but the server cannot copy it).
            payload: &'static str,
            /// The payload file that is missing, differs, or cannot be read or copied.
            file: String,
            /// If the file differs: its actual digest or size. If it cannot be read: why.
            found: String,
            /// If a tool altered the file: how, `line_endings` or `lfs_pointer`.
            altered: &'static str,
            /// Why the signed manifest is `invalid`.
            fault: ManifestFaultBody,
        }
    }
}

sparse! {
    /// Why a signed manifest cannot be used.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
    pub struct ManifestFaultBody {
        /// `keys`, `role`, `no_release_keys`, `missing`, `unreadable`, `unread`, `not_listed`, `differs`, `signatures`,
        /// `mismatch`, `payload_not_listed` or `entered_early`.
        pub kind: &'static str,
        pub message: String,
        @optional {
            /// For `not_listed`: the role of the line.
            role: String,
            /// For `payload_not_listed`: the payload file.
            file: String,
            /// For `mismatch`: the field that differs.
            field: &'static str,
            /// For `mismatch`: the field's signed value.
            signed: String,
            /// For `mismatch`: the field's value in the catalog.
            catalog: String,
            /// For `entered_early`: the stage.
            stage: String,
            /// For `entered_early`: when the release entered the stage.
            since: String,
            /// For `entered_early`: the earliest signed time for the stage.
            not_before: String,
        }
    }
}

/// Who did something, unless that is not for everybody.
fn name(by: &str) -> Option<String> {
    (!by.is_empty()).then(|| by.to_owned())
}

impl Notice {
    /// Describes an event other than a yank.
    pub fn of(event: &Event) -> Self {
        Self { since: rfc3339(event.at), by: name(&event.by), reason: event.reason.clone(), to: None }
    }

    fn of_yank(yank: &Yank) -> Self {
        Self { to: yank.to.as_ref().map(ToString::to_string), ..Self::of(&yank.event) }
    }
}

impl EvidenceBody {
    /// Describes what keeps a release from being offered.
    fn of(Evidence { manifest, payload }: &Evidence) -> Self {
        match payload {
            PayloadState::Present => Self::of_manifest(manifest),
            PayloadState::Missing { .. }
            | PayloadState::Differs { .. }
            | PayloadState::Unreadable { .. }
            | PayloadState::NotCopied { .. } => Self::of_payload(payload),
        }
    }

    /// Describes the state of a signed manifest.
    pub fn of_manifest(manifest: &ManifestState) -> Self {
        let fault = match manifest {
            ManifestState::Invalid(fault) => Some(ManifestFaultBody::of(fault)),
            ManifestState::NoTrust
            | ManifestState::Unsigned
            | ManifestState::Undelegated
            | ManifestState::Signed(_) => None,
        };
        Self { signed: Some(manifest.name()), fault, ..Self::default() }
    }

    /// Describes the state of payload files.
    pub fn of_payload(payload: &PayloadState) -> Self {
        let body = Self { payload: Some(payload.name()), ..Self::default() };
        match payload {
            PayloadState::Present => body,
            PayloadState::Missing { file } | PayloadState::NotCopied { file } => {
                Self { file: Some(file.clone()), ..body }
            }
            PayloadState::Unreadable { file, why } => {
                Self { file: Some(file.clone()), found: Some(why.clone()), ..body }
            }
            PayloadState::Differs { file, found, altered } => Self {
                file: Some(file.clone()),
                found: Some(found.clone()),
                altered: altered.map(Altered::as_str),
                ..body
            },
        }
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
            | ManifestFault::Unread(_)
            | ManifestFault::Differs
            | ManifestFault::Signatures(_)
            | ManifestFault::Index(_)
            | ManifestFault::IndexDiffers => body,
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
