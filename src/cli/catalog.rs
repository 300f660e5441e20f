//! `tidegate catalog`.

mod check;

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::formats::schema::{FileKind, schema};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Report every fault of the catalog's files
    Check(check::Args),
    /// Print the JSON Schema of the catalog's files, for editors
    Schema(SchemaArgs),
}

/// Print the JSON Schema of the catalog's files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  tidegate catalog schema release > release.schema.json")]
pub struct SchemaArgs {
    /// The kind of file; by default all three, by kind
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// `policy.yaml`
    Policy,
    /// `LINE/line.yaml`
    Line,
    /// `LINE/VERSION.yaml`
    Release,
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args, workspace, terminal),
        Command::Schema(args) => print_schema(args, terminal),
    }
}

fn print_schema(args: &SchemaArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let schema = match args.kind {
        Some(Kind::Policy) => schema(FileKind::Policy),
        Some(Kind::Line) => schema(FileKind::Line),
        Some(Kind::Release) => schema(FileKind::Release),
        None => Value::Object(
            FileKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), schema(*kind))).collect::<Map<_, _>>(),
        ),
    };
    let mut text = serde_json::to_vec_pretty(&schema)?;
    text.push(b'\n');
    terminal.raw(&text)?;
    Ok(ExitCode::SUCCESS)
}
