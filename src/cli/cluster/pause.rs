//! `tidegate cluster pause` and `resume`.

use std::process::ExitCode;

use super::{known, show};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::orders;

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
    let folder = known(workspace, &args.name)?;
    let has_changed = orders::pause(&folder, &workspace.clock(), super::by(), args.reason.clone(), || {
        terminal.note("note: stopping the `--apply` of an agent that was killed");
    })?;
    show(&args.name, if has_changed { "paused" } else { "unchanged" }, terminal)
}

pub fn resume(
    args: &ResumeArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let has_changed = orders::resume(&known(workspace, &args.name)?, &workspace.clock(), super::by())?;
    show(&args.name, if has_changed { "resumed" } else { "unchanged" }, terminal)
}
