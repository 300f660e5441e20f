//! `tidegate cluster remove`.

use std::process::ExitCode;

use super::{known, show};
use crate::cli::failure::refuse;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;

/// Remove a cluster, its downloads, and the documents that it trusts
///
/// This also forgets what the cluster has seen: if you add it again, it may accept older documents once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let Some(_lock) = folder.run_lock()? else {
        return Err(refuse(
            format!("an agent is running for cluster `{}`", args.name),
            "stop it first, with SIGTERM",
        ));
    };
    if folder.applying().is_running()? {
        return Err(refuse(
            format!("the `--apply` of an agent that was killed is still running for cluster `{}`", args.name),
            format!("stop it first: `tidegate cluster pause {}`", args.name),
        ));
    }
    folder.remove()?;
    show(&args.name, "removed", terminal)
}
