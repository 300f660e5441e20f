//! `explain`: where a release is, and why.

use serde::Serialize;
use utoipa::ToSchema;

use super::{DecisionBody, EvidenceBody, NotPromotingBody, Notice, RemedyBody, name};
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::promotion::Gate;
use crate::domain::rfc3339;
use crate::words;

/// Where a release is, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainBody {
    pub version: String,
    pub line: String,
    /// `normal` or `security`.
    pub urgency: &'static str,
    /// `promoted`, `due`, `waiting`, `blocked` or `yanked`; `unknown` on a mirror, for a release that has
    /// not entered every stage.
    pub state: &'static str,
    pub message: String,
    pub entered: Vec<EntryBody>,
    pub next: Option<DecisionBody>,
    pub yanked: Option<Notice>,
    /// Why the release is not offered in the stages that it has entered; missing if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<EvidenceBody>,
    /// Why the server refused the release's line, so that nothing is promoted in it: `faulty`, `steps_back` or
    /// `claims`; missing if it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line_refused: Option<&'static str>,
    /// Why the server does not promote the release, although it is due or waits only for its time; missing if
    /// it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_promoting: Option<NotPromotingBody>,
    /// What people can do about the state, and who can do it.
    pub remedies: Vec<String>,
    /// The remedies as data for programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<RemedyBody>,
}

/// A stage that a release has entered.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryBody {
    pub stage: String,
    pub channel: String,
    /// When the release entered the stage (RFC 3339).
    pub since: String,
    /// `schedule`, or a person; missing where that is not for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<String>,
    pub reason: Option<String>,
}

impl ExplainBody {
    /// Describes one explanation.
    pub fn of(explanation: &Explanation<'_>) -> Self {
        let Explanation { line, release, now, decision, refused, .. } = explanation;
        let entered = line.stages.iter().zip(&release.entries).filter_map(|(stage, entry)| {
            let entry = entry.as_ref().filter(|entry| entry.since <= *now)?;
            Some(EntryBody {
                stage: stage.name.to_string(),
                channel: stage.channel.to_string(),
                since: rfc3339(entry.since),
                by: name(&entry.by),
                reason: entry.reason.clone(),
            })
        });
        let remedies = words::remedies_of_explanation(explanation);
        Self {
            version: release.version.to_string(),
            line: line.name.to_string(),
            urgency: release.urgency.as_str(),
            state: explanation.state(),
            message: words::explanation(explanation),
            entered: entered.collect(),
            next: decision.map(DecisionBody::of),
            yanked: release.yanked(*now).map(Notice::of_yank),
            withheld: Gate::withholding(release, *now).map(|_| EvidenceBody::of(&release.evidence)),
            line_refused: refused.map(LineRefusal::name),
            not_promoting: explanation.is_not_promoted().map(NotPromotingBody::of),
            remedies: remedies.iter().map(ToString::to_string).collect(),
            commands: remedies.into_iter().map(RemedyBody::of).collect(),
        }
    }

    /// Adds flags to every command that is shown.
    pub fn add_flags(&mut self, flags: &str) {
        for remedy in &mut self.remedies {
            *remedy = words::with_flags(remedy, flags);
        }
        for command in self.commands.iter_mut().filter_map(|remedy| remedy.command.as_mut()) {
            format!("{command} {flags}").trim_end().clone_into(command);
        }
    }

    /// Marks the next step as unknown: a mirror has only signed documents, and plans are not signed.
    pub fn unknown(&mut self) {
        self.state = "unknown";
        let channel = self.entered.last().map(|entry| entry.channel.as_str());
        self.message = words::unknown_on_mirror(&self.version, channel);
        self.remedies.clear();
        self.commands.clear();
    }
}
