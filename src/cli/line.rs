//! `tidegate line`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::author::Author;
use super::ceremony::{self, SEE_ROLES};
use super::failure::Hint;
use super::keyfile;
use super::operation;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::channel::{LineName, NameError};
use crate::domain::release::Event;
use crate::domain::rfc3339;
use crate::operations::{Operation, Retire};
use crate::signing::ceremony::{Retirement, retire_line};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List lines
    List,
    /// End a line: nothing new enters it, and what it offers stays on offer
    Retire(RetireArgs),
}

/// End a line: nothing new enters it, and what it offers stays on offer
///
/// Its clusters still go up to its latest release, and from there into the line that follows. There
/// is no way back. The line's role is signed for ten years, so that nobody needs to renew it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate line retire 1.6 --reason 'no fixes after 2018' --key release.pem")]
pub struct RetireArgs {
    /// The line
    #[arg(value_parser = name)]
    line: LineName,
    /// Why; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A release key of the line; several if it needs more than one
    #[arg(long, value_name = "FILE", env = "TIDEGATE_RELEASE_KEY", hide_env_values = true, required = true)]
    key: Vec<PathBuf>,
    /// If more people must sign: the new file of a ceremony, to pass on to them
    #[arg(long, value_name = "FILE")]
    ceremony: Option<PathBuf>,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
}

fn name(text: &str) -> Result<LineName, NameError> {
    LineName::parse(text)
}

#[derive(Debug, Serialize)]
struct Lines {
    lines: Vec<LineBody>,
}

#[derive(Debug, Serialize)]
struct LineBody {
    line: String,
    title: Option<String>,
    follows: Option<String>,
    releases: usize,
    retired: Option<RetiredBody>,
}

#[derive(Debug, Serialize)]
struct RetiredBody {
    /// RFC 3339.
    since: String,
    by: String,
    reason: String,
}

/// A line that is retired once others have signed.
#[derive(Debug, Serialize)]
struct Begun<'a> {
    line: String,
    result: &'static str,
    reason: &'a str,
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => list(workspace, terminal),
        Command::Retire(args) => retire(args, workspace, terminal),
    }
}

fn list(workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let view = workspace.read()?;
    if let Some(note) = view.faulty_note() {
        terminal.note(note);
    }
    let lines = view.catalog.lines().map(|line| LineBody {
        line: line.name.to_string(),
        title: line.title.clone(),
        follows: line.follows.as_ref().map(|follows| follows.line.to_string()),
        releases: line.releases.len(),
        retired: line.retired.as_ref().map(|Event { at, by, reason, .. }| RetiredBody {
            since: rfc3339(*at),
            by: by.clone(),
            reason: reason.clone(),
        }),
    });
    let lines = Lines { lines: lines.collect() };
    let mut table = Table::new(["LINE", "FOLLOWS", "RELEASES", "RETIRED"]);
    for line in &lines.lines {
        let retired = line.retired.as_ref().map(|retired| format!("{}: {}", retired.since, retired.reason));
        let (name, follows) = (line.line.clone(), line.follows.clone().unwrap_or_default());
        table.row([name, follows, line.releases.to_string(), retired.unwrap_or_default()]);
    }
    terminal.table(&lines, &table, "the catalog has no line yet: write `LINE/line.yaml`")?;
    Ok(ExitCode::SUCCESS)
}

fn retire(args: &RetireArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let (line, reason, by) = (args.line.clone(), args.reason.clone(), args.author.author()?);
    let retirement = Retirement { line: line.clone(), by: by.to_string(), reason: reason.clone() };
    let operation = Operation::Retire(Retire { line, reason, by });
    let keys = args.signing.signers(&args.key)?;
    let view = workspace.read()?;
    // Nobody needs to sign for a line that cannot be retired.
    let _ = operation::plan(&operation, &view, workspace)?;
    let begun = retire_line(ceremony::keys_of(&view)?, retirement, workspace.now())
        .hint("sign a release of it first: that delegates the line")?;
    let Some(mut ceremony) = begun else { return operation::run(&operation, workspace, terminal) };
    ceremony.check(workspace.now()).hint(SEE_ROLES)?;
    ceremony::sign_with(&mut ceremony, &args.key, &keys, SEE_ROLES)?;
    if let Some(file) = &args.ceremony {
        ceremony::pass_on(&ceremony, file, terminal)?;
        let body = Begun { line: args.line.to_string(), result: "begun", reason: &args.reason };
        terminal.show(&body, String::new)?;
        terminal.note(format_args!("line `{}` goes on until the ceremony is finished", args.line));
    } else {
        ceremony::finish(&ceremony, workspace, terminal)?;
    }
    Ok(ExitCode::SUCCESS)
}
