//! `tidegate cluster pause` and `resume`.

use std::process::ExitCode;

use super::{known, show};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::folder::Pause;

/// Stop updates, including one in progress
///
/// A partial download is kept. A running `--apply` and its process group get SIGTERM, and SIGKILL after
/// 30 seconds. Checks continue.
#[derive(Debug, clap::Args)]
pub struct PauseArgs {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// The reason; `status` shows it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Resume updates
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
}

pub fn pause(
    args: &PauseArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let mut result = "paused";
    let folder = known(workspace, &args.name)?;
    folder.change(|cluster| {
        let paused = &mut cluster.orders.paused;
        if paused.as_ref().is_some_and(|pause| args.reason.is_none() || pause.reason == args.reason) {
            result = "unchanged";
        } else {
            *paused = Some(Pause { at: workspace.now(), reason: args.reason.clone() });
        }
    })?;
    // A running agent stops its own command.
    if let Some(_agent) = folder.run_lock()?
        && folder.applying().is_running()?
    {
        terminal.note("note: stopping the `--apply` of an agent that was killed");
        folder.applying().stop(&workspace.clock())?;
    }
    show(&args.name, result, terminal)
}

pub fn resume(
    args: &ResumeArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let mut result = "unchanged";
    known(workspace, &args.name)?.change(|cluster| {
        if cluster.orders.paused.take().is_some() {
            result = "resumed";
        }
    })?;
    show(&args.name, result, terminal)
}
