//! `tidegate cluster approve`.

use std::process::ExitCode;

use serde_json::json;

use super::known;
use crate::cli::failure::refuse;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::orders::{self, ApproveError};
use crate::domain::version::Version;

/// Allow a release to be applied
///
/// You can approve only the release that the last check advises. If it has failed before, it is retried.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// The release that the last check advises
    #[arg(value_parser = Version::parse)]
    version: Version,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let Args { name, version } = args;
    let folder = known(workspace, name)?;
    let cluster = orders::approve(&folder, &workspace.clock(), super::by(), version).map_err(|error| {
        let ApproveError::NotAdvised(target) = &error else { return error.into() };
        let check = format!("check again: `tidegate cluster check {name}`");
        let hint = match target {
            Some(target) => format!("`tidegate cluster approve {name} {target}`, or {check}"),
            None => check,
        };
        refuse(format!("cannot approve `{version}` for cluster `{name}`: {error}"), hint)
    })?;
    terminal.show(&json!({ "cluster": name, "approved": version }), || {
        format!("`{version}` is approved for cluster `{name}`")
    })?;
    if cluster.config.apply.is_none() {
        terminal.note("note: the cluster has no `--apply CMD`, so nothing is applied here");
    } else if !folder.is_run()? {
        terminal.note(format!("note: no agent is running; start one with `tidegate cluster run {name}`"));
    }
    Ok(ExitCode::SUCCESS)
}
