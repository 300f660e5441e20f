//! Step backs, as shown by `catalog check --against` and in the refusal of a line.

use serde::Serialize;
use utoipa::ToSchema;

use super::EvidenceBody;
use crate::domain::channel::{LineName, StageName};
use crate::domain::rfc3339;
use crate::domain::stepback::{StepBack, StepBackKind};
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// One step back: a change of something that was published and must stay as it is.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
    pub struct StepBackBody {
        pub line: String,
        pub channel: String,
        /// `channel`, `place`, `release`, `withheld`, `since`, `payloads`, `alias` or `retired`.
        pub kind: &'static str,
        pub message: String,
        pub hint: String,
        @optional {
            version: String,
            /// For `since`: the published time. For `place`: the published line and stage.
            before: String,
            /// For `since`: the new time. For `place`: the new line and stage. For `alias`: its new channel,
            /// if it has one.
            after: String,
            /// For `alias`: the alias.
            alias: String,
        }
        /// For `withheld`: the state of the signed manifest or of the payload files.
        #[serde(flatten)]
        pub evidence: EvidenceBody,
    }
}

impl StepBackBody {
    /// Describes one step back.
    pub fn of(step: &StepBack) -> Self {
        let body = Self {
            line: step.line.to_string(),
            channel: step.channel.to_string(),
            kind: step.kind.name(),
            message: words::step_back(step),
            hint: words::step_back_hint(step),
            ..Self::default()
        };
        let place = |stage: &StageName, line: &LineName| Some(format!("{line}/{stage}"));
        match &step.kind {
            StepBackKind::Channel | StepBackKind::Retired => body,
            StepBackKind::Place { stage, now: (line, now) } => {
                Self { before: place(stage, &step.line), after: place(now, line), ..body }
            }
            StepBackKind::Release(version) | StepBackKind::Payloads(version) => {
                Self { version: Some(version.to_string()), ..body }
            }
            StepBackKind::Withheld { version, evidence } => {
                Self { version: Some(version.to_string()), evidence: EvidenceBody::of(evidence), ..body }
            }
            StepBackKind::Since { version, before, after } => Self {
                version: Some(version.to_string()),
                before: Some(rfc3339(*before)),
                after: Some(rfc3339(*after)),
                ..body
            },
            StepBackKind::Alias { alias, now } => {
                Self { alias: Some(alias.to_string()), after: now.as_ref().map(ToString::to_string), ..body }
            }
        }
    }
}
