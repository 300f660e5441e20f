//! `tidegate line`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::author::Author;
use super::ceremony::{self, SEE_ROLES, pins};
use super::failure::Hint;
use super::keyfile;
use super::operation;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::formats::api::Notice;
use crate::operations::Operation;
use crate::signing::ceremony::{CeremonyError, Retirement, retire_line};
use crate::words::operations as words;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List lines
    List,
    Retire(RetireArgs),
}

/// End a line: nothing new enters it, and what it offers stays on offer
///
/// Its clusters can still update to its latest release, and from there to the line that follows. Retiring a
/// line cannot be undone. The line's role is signed for ten years, so that nobody needs to renew it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate line retire 1.6 --reason 'no fixes after 2018' --key release.pem")]
pub struct RetireArgs {
    /// The line
    line: LineName,
    /// The reason; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// A release key of the line; give several if it needs more than one
    #[arg(long, value_name = "FILE", env = "TIDEGATE_RELEASE_KEY", required = true)]
    key: Vec<PathBuf>,
    /// Write a ceremony to this new file, to pass on to the others who must sign
    #[arg(long, value_name = "FILE")]
    ceremony: Option<PathBuf>,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
}

#[derive(Debug, Serialize)]
struct Lines<'a> {
    lines: Vec<LineBody<'a>>,
}

#[derive(Debug, Serialize)]
struct LineBody<'a> {
    line: &'a LineName,
    title: Option<&'a str>,
    follows: Option<&'a LineName>,
    releases: usize,
    retired: Option<Notice>,
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => list(workspace, terminal),
        Command::Retire(args) => retire(args, workspace, terminal),
    }
}

fn list(workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let view = workspace.read()?;
    terminal.notes(view.faulty_note());
    let lines = view.catalog.lines().map(|line| LineBody {
        line: &line.name,
        title: line.title.as_deref(),
        follows: line.follows.as_ref().map(|follows| &follows.line),
        releases: line.releases.len(),
        retired: line.retired.as_ref().map(Notice::of),
    });
    let body = Lines { lines: lines.collect() };
    let mut table = Table::new(["LINE", "FOLLOWS", "RELEASES", "RETIRED"]);
    for LineBody { line, title: _, follows, releases, retired } in &body.lines {
        let retired = retired.as_ref().map(|retired| format!("{}: {}", retired.since, retired.reason));
        table.row([
            line.to_string(),
            follows.map(ToString::to_string).unwrap_or_default(),
            releases.to_string(),
            retired.unwrap_or_default(),
        ]);
    }
    terminal.table(&body, &table, "the catalog has no lines yet: write `LINE/line.yaml`")?;
    Ok(ExitCode::SUCCESS)
}

fn retire(args: RetireArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let RetireArgs { line, reason, key, ceremony: file, author, signing } = args;
    let by = author.author()?;
    let retirement = Retirement { line: line.clone(), by: by.to_string(), reason: reason.clone() };
    let operation = Operation::Retire { line: line.clone(), reason, by };
    let keys = signing.signers(&key)?;
    let view = workspace.read()?;
    // Check this first, so that nobody signs for a line that cannot be retired.
    let outcome = operation::plan(&operation, &view, workspace)?;
    let stored = workspace.manifests(&view.snapshot);
    let begun = retire_line(ceremony::keys_of(&view)?, retirement, &stored, workspace.now());
    let begun = begun.hint_with(|error| match error {
        CeremonyError::Manifest { .. } => ceremony::LOST_MANIFEST,
        CeremonyError::Unread { .. } => ceremony::UNREAD,
        CeremonyError::Broken { .. } => "restore `trust/` as it was",
        _ => "sign a release of the line first, which delegates the line",
    })?;
    let Some(mut ceremony) = begun else { return operation::run(&operation, workspace, terminal) };
    ceremony.check(workspace.now()).hint(SEE_ROLES)?;
    pins::check(&key, &ceremony)?;
    ceremony::sign_with(&mut ceremony, &key, &keys, SEE_ROLES)?;
    if let Some(file) = &file {
        terminal.notes(outcome.notes.iter().map(words::note));
        ceremony::pass_on(&ceremony, file, terminal)?;
        pins::keep(&key, ceremony.base(), terminal);
        terminal.show(&operation::Body::of(&operation, &outcome.subject, "begun"), String::new)?;
        terminal.note(format_args!("line `{line}` stays open until the ceremony is finished"));
    } else {
        ceremony::finish(&ceremony, workspace, terminal)?;
        pins::keep(&key, ceremony.result(), terminal);
    }
    Ok(ExitCode::SUCCESS)
}
