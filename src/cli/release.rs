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
    /// Stop a release from going further
    ///
    /// It stays on offer where it is. To end its offer everywhere, yank it.
    Hold {
        /// The version
        version: Version,
        /// Why; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
    /// End the hold of a release
    Resume {
        /// The version
        version: Version,
    },
    /// End the offer of a release everywhere
    ///
    /// The catalog still knows the release: clusters that run it are sent on to a higher one.
    Yank {
        /// The version
        version: Version,
        /// Why; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The release to take instead; a barrier must name one that is higher
        #[arg(long, value_name = "VERSION")]
        to: Option<Version>,
        #[command(flatten)]
        author: Author,
    },
    /// Restore the offer of a yanked release
    Unyank {
        /// The version
        version: Version,
        /// Why; shown here, and not kept in the catalog
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
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
        Command::Resume { version } => Operation::Resume { version },
        Command::Yank { version, reason, to, author } => {
            Operation::Yank { version, to, reason, by: author.author()? }
        }
        Command::Unyank { version, reason } => Operation::Unyank { version, reason },
    };
    operation::run(&operation, workspace, terminal)
}
