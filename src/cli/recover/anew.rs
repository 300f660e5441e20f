//! `tidegate recover --anew`.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::author::Author;
use crate::cli::failure::{Hint, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::promoter::stored;
use crate::publish::publication::Anew;

#[derive(Debug, Serialize)]
struct Body {
    /// The line that begins anew.
    line: String,
}

/// Records that a lost line begins anew, which lets the next publication make its documents from the catalog.
pub fn run(
    line: &LineName,
    reason: &str,
    author: &Author,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let by = author.author()?;
    if reason.trim().is_empty() {
        return Err(refuse(
            "the reason is empty",
            "say why with `--reason TEXT`: it is kept with the publication",
        ));
    }
    let state = workspace.state_store();
    let _lease =
        state.lease().hint("stop the server that uses this state folder, and start it again afterwards")?;
    let last = stored::publication(&*state)?;
    let record = Anew {
        line: line.clone(),
        at: workspace.now(),
        by: by.to_string(),
        reason: reason.trim().to_owned(),
    };
    let Some(mut last) = last.filter(|last| last.lost_lines().any(|(lost, _)| lost == line)) else {
        return Err(refuse(
            format!("what was published of line `{line}` is not lost"),
            "`tidegate status` shows what is wrong with a line",
        ));
    };
    last.begin_anew(record);
    stored::store(&*state, &last)?;
    terminal.show(&Body { line: line.to_string() }, || format!("line `{line}` begins anew\n"))?;
    terminal.note(
        "next: start `tidegate serve`; check first that the catalog has everything that was on offer, since clusters may run it",
    );
    Ok(ExitCode::SUCCESS)
}
