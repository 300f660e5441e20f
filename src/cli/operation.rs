//! How all commands carry out an operation: read, plan, commit, show.

use std::process::ExitCode;

use serde::Serialize;

use super::by_hand::way_out;
use super::failure::refuse;
use super::terminal::Terminal;
use super::workspace::{View, Workspace, git_at_work};
use crate::domain::version::Version;
use crate::operations::{Author, Note, Operation, Outcome, Refused, Subject};
use crate::promoter::stored;
use crate::words::operations as words;

/// The outcome of an operation, as JSON.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    #[serde(flatten)]
    subject: &'a Subject,
    /// What was done, or `unchanged`.
    result: &'static str,
    reason: Option<&'a str>,
    by: Option<&'a Author>,
    /// The releases that a retired line leaves behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_behind: Vec<&'a Version>,
}

impl<'a> Body<'a> {
    pub fn of(operation: &'a Operation, outcome: &'a Outcome, result: &'static str) -> Self {
        let stranded = |note: &'a Note| match note {
            Note::Stranded { version, .. } => Some(version),
            _ => None,
        };
        let left_behind = outcome.notes.iter().filter_map(stranded).collect();
        let (reason, by) = (operation.reason(), operation.by());
        Self { subject: &outcome.subject, result, reason, by, left_behind }
    }
}

/// Carries out an operation and shows its outcome.
pub fn run(
    operation: &Operation,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    if operation.is_end() {
        // A stop that the catalog has lost counts until it is ended, and the history may know it.
        terminal.notes(workspace.heed_readable_history());
    }
    let outcome = workspace.commit_about(operation.topic().as_ref(), |view| {
        let outcome = plan(operation, view, workspace)?;
        Ok((outcome.changes.clone(), outcome))
    });
    let outcome = outcome.map_err(|error| way_out(error, operation, workspace))?;
    let body = Body::of(operation, &outcome, words::result(operation, &outcome));
    let code = show(operation, &outcome, &body, terminal)?;
    // Only a stop is written then.
    if let Some(path) = git_at_work(&workspace.catalog).filter(|_| outcome.is_change()) {
        terminal.note(format_args!(
            "warning: git is working on the catalog, as `{}` shows, and the stop is written all the same: once git is done, check that the stop is still there, and commit it",
            path.display()
        ));
    }
    Ok(code)
}

/// Returns the changes that carry out an operation on the current catalog.
pub fn plan(operation: &Operation, view: &View, workspace: &Workspace) -> anyhow::Result<Outcome> {
    let now = workspace.now();
    let mut catalog = view.as_written(now);
    if catalog.stoppable_entries_ahead().next().is_some()
        && let Ok(Some(made)) = stored::made(&*workspace.state_store())
        && now < made
    {
        // This machine's clock is slow, so an entry that was published is not ahead.
        catalog = view.as_written(made);
    }
    let mut outcome = operation.plan(&catalog, now).map_err(|refused| looked_up(&refused, view))?;
    if !outcome.is_change() {
        outcome.changes.extend(operation.end_of_lost(&view.lost, &catalog, now));
    }
    Ok(outcome)
}

/// Turns a refusal into an error. If a name is not in the catalog, the error says whether it may belong to
/// a line with faults, or be misspelt.
pub fn looked_up(refused: &Refused<'_>, view: &View) -> anyhow::Error {
    let unknown = match refused {
        Refused::NoRelease(version) => view.release(version).err(),
        Refused::NoChannel(name) => view.channel(name).err(),
        Refused::NoLine(name) => view.line(name).err(),
        Refused::NoLineFor(version) => Some(refuse(words::refusal(refused), create_line(version))),
        _ => None,
    };
    unknown.unwrap_or_else(|| refusal(refused))
}

/// Says how to create the line of a version.
fn create_line(version: &Version) -> String {
    let [major, minor, _] = version.numbers();
    format!("create its line first: `tidegate line add {major}.{minor}`")
}

/// Turns a refusal into an error that says what to do about it.
pub fn refusal(refused: &Refused<'_>) -> anyhow::Error {
    refuse(words::refusal(refused), words::remedies(refused).join("\nhint: "))
}

/// Shows the outcome of an operation, and its notes.
pub fn show(
    operation: &Operation,
    outcome: &Outcome,
    body: &impl Serialize,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    terminal.show(body, || words::sentence(operation, outcome))?;
    terminal.notes(outcome.notes.iter().map(words::note));
    Ok(ExitCode::SUCCESS)
}
