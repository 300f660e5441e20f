//! `tidegate catalog`.

mod against;
pub(super) mod check;

use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::author::Author;
use super::operation;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::loosened::What;
use crate::formats::schema::{FileKind, schema};
use crate::operations::Operation;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
    /// Record that something the catalog has lost, or is about to lose, no longer counts
    ///
    /// A freeze, a window, a soak, a hold, a pause, a yank or a barrier that vanishes from the catalog, or
    /// that demands less than before, still counts: `status` and `catalog check` name it. Restore it, or
    /// record here that the change was intended. The record is written to `policy.yaml`. To end a hold, a
    /// yank or a pause that the catalog has, use `release resume`, `release unyank` or `channel resume`.
    #[command(after_help = "\
Examples:
  tidegate catalog loosen freeze/2017-12-22T00:00:00Z --reason \"the freeze ends early\"
  tidegate catalog loosen soak/1.8/production --reason \"one week is enough for this line\"")]
    Loosen {
        /// What no longer counts, such as `hold/1.8.9`, `soak/1.8/production` or `freeze/2017-12-22T00:00:00Z`
        what: What,
        /// The reason; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
    /// Print the JSON Schema of the catalog's files, for editors
    #[command(after_help = "\
Example:
  tidegate catalog schema release > release.schema.json")]
    Schema {
        /// The kind of file; by default all three
        kind: Option<FileKind>,
    },
}

impl ValueEnum for FileKind {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Policy => "`policy.yaml`",
            Self::Line => "`LINE/line.yaml`",
            Self::Release => "`LINE/VERSION.yaml`",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(&args, workspace, terminal),
        Command::Loosen { what, reason, author } => {
            let unsure = workspace.heed_readable_history();
            let unknown = workspace.unknown_note(&what)?;
            let loosen = Operation::Loosen { what, reason, by: author.author()? };
            let done = operation::run(&loosen, workspace, terminal)?;
            terminal.notes(unknown.map(|unknown| [Some(unknown), unsure]).into_iter().flatten().flatten());
            Ok(done)
        }
        Command::Schema { kind } => {
            let of_kind = |kind: &FileKind| (kind.as_str().to_owned(), schema(*kind));
            let all = || FileKind::ALL.iter().map(of_kind).collect();
            let mut text = serde_json::to_vec_pretty(&kind.map_or_else(all, schema))?;
            text.push(b'\n');
            terminal.raw(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
