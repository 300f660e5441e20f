//! `tidegate cluster remove`.

use std::process::ExitCode;

use serde::Serialize;

use super::known;
use crate::cli::failure::refuse;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;

/// Forget a cluster, with all that was downloaded and trusted
///
/// What it has seen is forgotten too: added again, it would take an older state of the server once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    cluster: &'a str,
    result: &'static str,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let Some(_lock) = folder.run_lock()? else {
        return Err(refuse(
            format!("an agent runs for cluster `{}`", args.name),
            "end it first, with SIGTERM",
        ));
    };
    folder.remove()?;
    terminal.show(&Body { cluster: &args.name, result: "removed" }, || {
        format!("cluster `{}` removed", args.name)
    })?;
    Ok(ExitCode::SUCCESS)
}
