//! `tidegate release`.

mod add;
mod list;
mod show;
mod sign;

use std::process::ExitCode;

use super::author::Author;
use super::operation;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::version::Version;
use crate::operations::Operation;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Add(add::Args),
    Sign(sign::Args),
    List(list::Args),
    Show(show::Args),
    /// Hold a release, so that it is not promoted
    ///
    /// It stays on offer in the channels that it has entered. To stop offering it, yank it.
    Hold {
        /// The version
        version: Version,
        /// The reason; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
    /// Resume a held release
    ///
    /// The catalog keeps a record of the hold, of who ended it and why.
    Resume {
        /// The version
        version: Version,
        /// Why the hold can end; it is recorded in the catalog
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
    /// Stop offering a release in all channels
    ///
    /// The release stays in the catalog, and clusters that run it are sent to a higher one.
    Yank {
        /// The version
        version: Version,
        /// The reason; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The release to install instead, which must be higher; required if the yanked one is a barrier
        #[arg(long, value_name = "VERSION")]
        to: Option<Version>,
        #[command(flatten)]
        author: Author,
    },
    /// Offer a yanked release again
    ///
    /// The catalog keeps a record of the yank, of who ended it and why.
    Unyank {
        /// The version
        version: Version,
        /// Why it can be offered again; it is recorded in the catalog
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let operation = match command {
        Command::Add(args) => return add::run(&args, workspace, terminal),
        Command::Sign(args) => return sign::run(&args, workspace, terminal),
        Command::List(args) => return list::run(&args, workspace, terminal),
        Command::Show(args) => return show::run(&args, workspace, terminal),
        Command::Hold { version, reason, author } => {
            Operation::Hold { version, reason, by: author.author()? }
        }
        Command::Resume { version, reason, author } => {
            Operation::Resume { version, reason, by: author.author()? }
        }
        Command::Yank { version, reason, to, author } => {
            Operation::Yank { version, to, reason, by: author.author()? }
        }
        Command::Unyank { version, reason, author } => {
            Operation::Unyank { version, reason, by: author.author()? }
        }
    };
    operation::run(&operation, workspace, terminal)
}
