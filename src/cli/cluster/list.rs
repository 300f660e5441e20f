//! `tidegate cluster list`.

use std::process::ExitCode;

use crate::cli::table::Table;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::folder::Folder;
use crate::cluster::status::StatusBody;

/// List all clusters
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let mut bodies = Vec::new();
    let mut table = Table::new(["CLUSTER", "CHANNEL", "RUNS", "TARGET", "STATE", "ADVICE", "CHECKED"]);
    for name in Folder::names(&workspace.state)? {
        let body = StatusBody::of(&Folder::new(&workspace.state, &name), &name)?;
        let status = &body.status;
        table.row([
            name,
            body.spec.channel.clone(),
            status.current_version.clone().unwrap_or_default(),
            status.target_version.clone().unwrap_or_default(),
            format!("{:?}", status.state),
            status.advice.as_ref().map(|told| told.code.clone()).unwrap_or_default(),
            status.last_checked.clone().unwrap_or_default(),
        ]);
        bodies.push(body);
    }
    terminal.table(&bodies, &table, "there are no clusters here yet: `tidegate cluster add --help`")?;
    Ok(ExitCode::SUCCESS)
}
