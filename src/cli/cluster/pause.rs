//! `tidegate cluster pause` and `resume`.

use std::process::ExitCode;

use serde::Serialize;

use super::known;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::folder::Pause;

/// Stop updates, one that is under way too
///
/// A download is left where it is. A running `--apply` gets SIGTERM, with its process group, and
/// SIGKILL after 30 seconds. Checks go on.
#[derive(Debug, clap::Args)]
pub struct PauseArgs {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// Why; `status` shows it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Let updates go on
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    cluster: &'a str,
    /// `paused`, `resumed` or `unchanged`.
    result: &'static str,
}

pub fn pause(
    args: &PauseArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let mut result = "paused";
    folder.change_orders(|orders| {
        if orders.paused.as_ref().is_some_and(|pause| args.reason.is_none() || pause.reason == args.reason) {
            result = "unchanged";
        } else {
            orders.paused = Some(Pause { at: workspace.now(), reason: args.reason.clone() });
        }
    })?;
    told(&args.name, result, terminal)
}

pub fn resume(
    args: &ResumeArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let mut result = "unchanged";
    folder.change_orders(|orders| {
        if orders.paused.take().is_some() {
            result = "resumed";
        }
    })?;
    told(&args.name, result, terminal)
}

fn told(name: &str, result: &'static str, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    terminal.show(&Body { cluster: name, result }, || format!("cluster `{name}` {result}"))?;
    Ok(ExitCode::SUCCESS)
}
