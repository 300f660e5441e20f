//! `tidegate cluster approve`.

use std::process::ExitCode;

use serde_json::json;

use super::known;
use crate::cli::failure::refuse;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
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
    let cluster = folder.read()?;
    let target = cluster.record.target.as_ref();
    if target != Some(version) {
        let check = format!("check again: `tidegate cluster check {name}`");
        let (advised, hint) = match target {
            Some(target) => (
                format!("the last check advises `{target}`"),
                format!("`tidegate cluster approve {name} {target}`, or {check}"),
            ),
            None => ("the last check advises nothing".to_owned(), check),
        };
        return Err(refuse(format!("cannot approve `{version}` for cluster `{name}`: {advised}"), hint));
    }
    folder.change(|cluster| {
        cluster.orders.approved = Some(version.clone());
        cluster.orders.retries += 1;
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
