//! `tidegate catalog`.

pub(super) mod check;

use std::process::ExitCode;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::formats::schema::{FileKind, schema};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
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

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args, workspace, terminal),
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
