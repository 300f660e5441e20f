//! `tidegate cluster approve`.

use std::process::ExitCode;

use serde::Serialize;

use super::known;
use crate::cli::failure::refuse;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::domain::version::Version;

/// Let a release be applied
///
/// Only what the last check advises can be approved. What has failed is tried again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// The release, as the last check advises it
    #[arg(value_parser = Version::parse)]
    version: Version,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    cluster: &'a str,
    approved: String,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let record = folder.record()?;
    let (name, version) = (&args.name, &args.version);
    if record.target.as_ref() != Some(version) {
        let (advised, hint) = match &record.target {
            Some(target) => (
                format!("`{target}` is advised"),
                format!(
                    "`tidegate cluster approve {name} {target}`, or look again: `tidegate cluster check {name}`"
                ),
            ),
            None => ("nothing is advised".to_owned(), format!("look again: `tidegate cluster check {name}`")),
        };
        return Err(refuse(format!("`{version}` is not approved for cluster `{name}`: {advised}"), hint));
    }
    folder.change_orders(|orders| {
        orders.approved = Some(version.clone());
        orders.retries += 1;
    })?;
    terminal.show(&Body { cluster: name, approved: version.to_string() }, || {
        format!("`{version}` is approved for cluster `{name}`")
    })?;
    if folder.config()?.apply.is_none() {
        terminal.note("note: the cluster has no `--apply CMD`, so that nothing is done about it here");
    } else if folder.run_lock()?.is_some() {
        terminal.note(format!("note: no agent runs: `tidegate cluster run {name}`"));
    }
    Ok(ExitCode::SUCCESS)
}
