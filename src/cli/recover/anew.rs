//! `tidegate recover --anew`.

use std::process::ExitCode;

use serde::Serialize;

use crate::cli::author::Author;
use crate::cli::failure::{Hint, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::promoter::stored;

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
    if workspace.is_mirror() {
        return Err(refuse(
            "this is a mirror, which makes no documents of its own",
            "import them again: `tidegate import DIR`",
        ));
    }
    let state = workspace.state_store();
    let _lease =
        state.lease().hint("stop the server that uses this state folder, and start it again afterwards")?;
    let last = stored::publication(&*state)?;
    if let Some(loss) = last.as_ref().and_then(|last| last.loss(line)).filter(|loss| loss.may_pass) {
        return Err(refuse(
            format!(
                "what was published of line `{line}` may still be there, but cannot be read: {}",
                loss.why
            ),
            "mend that, and start the server; if it is lost for good, remove the file, and run this command again",
        ));
    }
    let record = (workspace.now(), by.to_string(), reason.trim().to_owned());
    let begun = last.map(|mut last| last.begin_anew(line, record).then_some(last));
    let Some(last) = begun.flatten() else {
        return Err(refuse(
            format!("what was published of line `{line}` is not lost"),
            "`tidegate status` shows what is wrong with a line",
        ));
    };
    stored::store(&*state, &last)?;
    terminal.show(&Body { line: line.to_string() }, || format!("line `{line}` begins anew\n"))?;
    terminal.note(
        "next: start `tidegate serve`; check first that the catalog has everything that was on offer, since clusters may run it",
    );
    Ok(ExitCode::SUCCESS)
}
