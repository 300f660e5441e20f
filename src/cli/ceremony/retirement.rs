//! The end of a line in the catalog, once its keys have signed for it.

use serde::Serialize;

use super::super::failure::refuse;
use super::super::terminal::Terminal;
use super::super::workspace::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::release::Event;
use crate::signing::ceremony::Retirement;

/// What became of a line.
#[derive(Debug, Serialize)]
pub struct Changed<'a> {
    pub line: String,
    /// `retired`, `unchanged`, or `begun` while a ceremony goes round.
    pub result: &'static str,
    pub reason: &'a str,
}

/// Whether a line may be retired so; `false` if it was before.
pub fn check_retirement(view: &View, retirement: &Retirement) -> anyhow::Result<bool> {
    let line = view.line(&retirement.line)?;
    match &line.retired {
        None => Ok(true),
        Some(Event { reason, .. }) if *reason == retirement.reason => Ok(false),
        Some(retired @ Event { by, reason, .. }) => Err(refuse(
            format!("line `{}` is retired already, {} by {by}: {reason}", line.name, retired.since()),
            "a line cannot be retired twice, nor for a second reason",
        )),
    }
}

/// Retires a line in the catalog.
pub fn retire(
    retirement: &Retirement,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let Retirement { line, by, reason } = retirement;
    let result = workspace.commit(|view| {
        if !check_retirement(view, retirement)? {
            return Ok((Vec::new(), "unchanged"));
        }
        let retired = Event::new(workspace.now(), by.clone(), reason.clone());
        Ok((vec![Change::Retire { line: line.clone(), retired }], "retired"))
    })?;
    let body = Changed { line: line.to_string(), result, reason };
    terminal.show(&body, || match result {
        "retired" => format!("retired line `{line}`: {reason}"),
        _ => format!("unchanged: line `{line}` is already retired for that reason"),
    })
}
