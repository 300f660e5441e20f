//! The one way in which commands carry out an operation: read, ask, commit, show.

use std::process::ExitCode;

use serde::Serialize;

use super::failure::refuse;
use super::terminal::Terminal;
use super::workspace::{View, Workspace};
use crate::operations::{Author, Operation, Outcome, Refused, Subject};
use crate::words::operations as words;

/// What an operation came to, as JSON.
#[derive(Debug, Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    subject: SubjectBody,
    /// What was done, or `unchanged`.
    result: &'static str,
    reason: Option<&'a str>,
    by: Option<&'a str>,
}

/// What an operation is about.
#[derive(Debug, Default, Serialize)]
pub struct SubjectBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
}

impl SubjectBody {
    pub fn of(subject: &Subject) -> Self {
        let (mut version, mut channel, mut line) = (None, None, None);
        match subject {
            Subject::Release { line: of, version: own } => {
                (version, line) = (Some(own.to_string()), Some(of.to_string()));
            }
            Subject::Channel(name) => channel = Some(name.to_string()),
            Subject::Line(name) => line = Some(name.to_string()),
        }
        Self { version, channel, line }
    }
}

/// Carries an operation out and shows what it came to.
pub fn run(
    operation: &Operation,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let outcome = workspace.commit(|view| {
        let outcome = plan(operation, view, workspace)?;
        Ok((outcome.changes.clone(), outcome))
    })?;
    let body = Body {
        subject: SubjectBody::of(&outcome.subject),
        result: words::result(operation, &outcome),
        reason: operation.reason(),
        by: operation.by().map(Author::as_str),
    };
    show(operation, &outcome, &body, terminal)?;
    Ok(ExitCode::SUCCESS)
}

/// The changes that carry an operation out on what is there now.
pub fn plan(operation: &Operation, view: &View, workspace: &Workspace) -> anyhow::Result<Outcome> {
    operation.plan(&view.catalog, workspace.now()).map_err(|refused| looked_up(&refused, view))
}

/// A refusal. A line with faults is missing from the catalog: that is told rather than that something in
/// it is unknown.
pub fn looked_up(refused: &Refused<'_>, view: &View) -> anyhow::Error {
    let unknown = match refused {
        Refused::NoRelease(version) => view.release(version).err(),
        Refused::NoChannel(name) => view.channel(name).err(),
        Refused::NoLine(name) => view.line(name).err(),
        _ => None,
    };
    unknown.unwrap_or_else(|| refusal(refused))
}

/// A refusal, with what to do about it.
pub fn refusal(refused: &Refused<'_>) -> anyhow::Error {
    refuse(words::refusal(refused), words::remedies(refused).join("\nhint: "))
}

/// Shows what an operation came to, and what to know beside that.
pub fn show(
    operation: &Operation,
    outcome: &Outcome,
    body: &impl Serialize,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    terminal.show(body, || words::sentence(operation, outcome))?;
    for note in &outcome.notes {
        terminal.note(words::note(note));
    }
    Ok(())
}
