//! `tidegate cluster list`.

use std::process::ExitCode;

use crate::cli::table::Table;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::status::StatusBody;

/// List all clusters
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let bodies = StatusBody::all(&workspace.state)?;
    let mut table = Table::new(["CLUSTER", "CHANNEL", "RUNS", "TARGET", "STATE", "ADVICE", "CHECKED"]);
    for StatusBody { metadata, spec, status, .. } in &bodies {
        table.row([
            metadata.name.clone(),
            spec.channel.clone(),
            status.current_version.clone().unwrap_or_default(),
            status.target_version.clone().unwrap_or_default(),
            format!("{:?}", status.state),
            status.advice.as_ref().map(|told| told.code.clone()).unwrap_or_default(),
            status.last_checked.clone().unwrap_or_default(),
        ]);
    }
    terminal.table(&bodies, &table, super::NONE)?;
    Ok(ExitCode::SUCCESS)
}
