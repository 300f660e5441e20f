//! `tidegate cluster`: the cluster's side.

mod add;
mod approve;
mod check;
mod follow;
mod list;
mod pause;
mod remove;
mod run;
mod status;

use std::process::ExitCode;

use anyhow::Context;

use super::failure::{Hint, did_you_mean, refuse};
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::cluster::folder::Folder;
use crate::cluster::look::LookError;
use crate::domain::channel::ChannelName;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a cluster: which channel it follows, and how it is updated
    Add(add::Args),
    /// Check now: verify what the server has, and say what the cluster should do
    Check(check::Args),
    /// Let a release be applied
    Approve(approve::Args),
    /// Stop updates, one that is under way too
    Pause(pause::PauseArgs),
    /// Let updates go on
    Resume(pause::ResumeArgs),
    /// Follow another channel, that of the next minor for one
    Follow(follow::Args),
    /// Say how a cluster stands, as Tectonic's `AppVersion`
    Status(status::Args),
    /// Check, download and apply, until told to stop
    Run(run::Args),
    /// List all clusters
    List(list::Args),
    /// Forget a cluster, with all that was downloaded and trusted
    Remove(remove::Args),
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(args, workspace, terminal),
        Command::Check(args) => check::run(args, workspace, terminal),
        Command::Approve(args) => approve::run(args, workspace, terminal),
        Command::Pause(args) => pause::pause(args, workspace, terminal),
        Command::Resume(args) => pause::resume(args, workspace, terminal),
        Command::Follow(args) => follow::run(args, workspace, terminal),
        Command::Status(args) => status::run(args, workspace, terminal),
        Command::Run(args) => run::run(args, workspace, terminal),
        Command::List(args) => list::run(args, workspace, terminal),
        Command::Remove(args) => remove::run(args, workspace, terminal),
    }
}

/// Whether a command goes on for days, and tells what it does.
pub const fn is_service(command: &Command) -> bool {
    matches!(command, Command::Run(_))
}

/// A cluster's name: a folder bears it.
pub fn name(text: &str) -> Result<String, String> {
    ChannelName::parse(text).map(|name| name.to_string()).map_err(|e| e.to_string())
}

/// The folder of a cluster that was added.
fn known(workspace: &Workspace, name: &str) -> anyhow::Result<Folder> {
    let folder = Folder::new(&workspace.state, name);
    if folder.exists() {
        return Ok(folder);
    }
    let names = Folder::names(&workspace.state)?;
    let all = if names.is_empty() {
        "add it: `tidegate cluster add NAME --server URL --channel C --root FILE --current CMD`".to_owned()
    } else {
        "see all: `tidegate cluster list`".to_owned()
    };
    let hint = did_you_mean(name, names.iter().map(String::as_str), &all);
    Err(refuse(format!("there is no cluster `{name}` in `{}`", workspace.state.display()), hint))
}

/// A look that failed, with its kind and the way out.
fn looked<T>(name: &str, result: Result<T, LookError>) -> anyhow::Result<T> {
    match result {
        Ok(look) => Ok(look),
        Err(error) => {
            let (kind, hint) = (error.kind(), error.hint());
            let told = Err(error).with_context(|| format!("cluster `{name}` takes nothing ({kind})"));
            told.hint(hint)
        }
    }
}
