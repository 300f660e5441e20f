//! Step backs, in `catalog check --against` and in refusals of lines.

use serde::Serialize;
use utoipa::ToSchema;

use super::EvidenceBody;
use crate::domain::channel::{LineName, StageName};
use crate::domain::rfc3339;
use crate::domain::stepback::{StepBack, StepBackKind};
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// Something that was published and has changed.
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
            /// Of `since`, the times; of `place`, the stage and line; of `alias`, its present channel.
            before: String,
            after: String,
            alias: String,
        }
        /// Of `withheld`: what was found.
        #[serde(flatten)]
        pub evidence: EvidenceBody,
    }
}

impl StepBackBody {
    /// One step back.
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
