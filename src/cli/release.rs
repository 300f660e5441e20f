//! `tidegate release`.

mod add;
mod hold;
mod list;
mod show;
mod sign;
mod yank;

use std::process::ExitCode;

use super::operation;
use super::terminal::Terminal;
use super::workspace::Workspace;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a release with its payload files
    Add(add::Args),
    /// Sign releases: all that are pending, or those named
    Sign(sign::Args),
    /// List releases and where they stand
    List(list::Args),
    /// Show all that is known of one release
    Show(show::Args),
    /// Stop a release from going further; it stays offered where it is
    Hold(hold::HoldArgs),
    /// Let a held release go on
    Resume(hold::ResumeArgs),
    /// End the offer of a release everywhere; it stays known
    Yank(yank::YankArgs),
    /// Restore the offer of a yanked release
    Unyank(yank::UnyankArgs),
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(args, workspace, terminal),
        Command::Sign(args) => sign::run(args, workspace, terminal),
        Command::List(args) => list::run(args, workspace, terminal),
        Command::Show(args) => show::run(args, workspace, terminal),
        Command::Hold(args) => operation::run(&args.operation()?, workspace, terminal),
        Command::Resume(args) => operation::run(&args.operation(), workspace, terminal),
        Command::Yank(args) => operation::run(&args.operation()?, workspace, terminal),
        Command::Unyank(args) => operation::run(&args.operation(), workspace, terminal),
    }
}
