//! `tidegate cluster`: the cluster's side.

mod add;
mod approve;
mod check;
mod follow;
mod list;
mod open;
mod pause;
mod remove;
mod run;
mod status;

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::failure::{Hint, did_you_mean, refuse};
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::cluster::folder::Folder;
use crate::cluster::record::By;
use crate::cluster::refusal::Refusal;
use crate::domain::channel::ChannelName;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a cluster: which channel it follows, and how it is updated
    Add(add::Args),
    /// Check now: verify the server's documents, and say what the cluster should do
    Check(check::Args),
    /// Allow a release to be applied
    Approve(approve::Args),
    /// Stop updates, including one in progress
    Pause(pause::PauseArgs),
    /// Resume updates
    Resume(pause::ResumeArgs),
    /// Follow another channel, for example that of the next minor
    Follow(follow::Args),
    /// Show the status of a cluster, in the form of Tectonic's `AppVersion`
    Status(status::Args),
    /// Check, download and apply, until stopped
    Run(run::Args),
    /// Print a link that opens the cluster's own page
    Open(open::Args),
    /// List all clusters
    List(list::Args),
    /// Remove a cluster, its downloads, and the documents that it trusts
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
        Command::Open(args) => open::run(args, workspace, terminal),
        Command::List(args) => list::run(args, workspace, terminal),
        Command::Remove(args) => remove::run(args, workspace, terminal),
    }
}

/// Whether the command runs until it is stopped, and logs what it does.
pub const fn is_service(command: &Command) -> bool {
    matches!(command, Command::Run(_))
}

/// Parses a cluster's name, which is also the name of its folder.
pub fn name(text: &str) -> Result<String, String> {
    ChannelName::parse(text).map(|name| name.to_string()).map_err(|e| e.to_string())
}

/// The message when there are no clusters.
const NONE: &str = "there are no clusters here yet: `tidegate cluster add --help`";

/// Returns the folder of a cluster, which must exist.
fn known(workspace: &Workspace, name: &str) -> anyhow::Result<Folder> {
    let folder = Folder::new(&workspace.state, name);
    if folder.exists() {
        return Ok(folder);
    }
    let names = Folder::names(&workspace.state)?;
    let all = if names.is_empty() {
        "add it: `tidegate cluster add NAME --server URL --channel C --root FILE --current CMD`".to_owned()
    } else {
        "list all: `tidegate cluster list`".to_owned()
    };
    let hint = did_you_mean(name, names.iter().map(String::as_str), &all);
    Err(refuse(format!("there is no cluster `{name}` in `{}`", workspace.state.display()), hint))
}

/// Who gives an order with a command: the user who runs it, not the one whom `sudo` has made of that user.
fn by() -> By {
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.trim().is_empty());
    By::Command(
        name("SUDO_USER").or_else(|| name("USER")).map(|name| name.chars().take(LONGEST_NAME).collect()),
    )
}

/// The longest name of a user that is recorded, in characters. Linux allows 32.
const LONGEST_NAME: usize = 64;

/// Shows the result of a command for a cluster.
fn show(name: &str, result: &str, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    terminal.show(&json!({ "cluster": name, "result": result }), || format!("cluster `{name}` {result}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Adds the cluster's name, the kind of refusal and a hint to the error of a failed check.
fn checked<T>(name: &str, result: Result<T, Refusal>) -> anyhow::Result<T> {
    result.or_else(|refusal| {
        let (kind, hint) = (refusal.kind(), refusal.hint());
        Err(refusal).with_context(|| format!("the check of cluster `{name}` failed ({kind})")).hint(hint)
    })
}

/// Joins the lines of a string, such as the output of a command, into one line.
fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_many_lines_stays_in_its_column() {
        for (text, expected) in [
            ("it ended", "it ended"),
            ("it failed with exit code 3: a\n\n  b\r\nc\n", "it failed with exit code 3: a; b; c"),
            ("", ""),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
    }
}
