//! `tidegate line`.

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::TimeDelta;
use serde::Serialize;

use super::author::Author;
use super::ceremony::{self, SEE_ROLES, pins};
use super::failure::{Hint, refuse};
use super::keyfile;
use super::operation;
use super::table::Table;
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::channel::LineName;
use crate::domain::line::{Follows, Prefix};
use crate::domain::policy::{Soak, SoakPolicy};
use crate::formats::api::Notice;
use crate::formats::yaml::line_path;
use crate::operations::Operation;
use crate::signing::ceremony::{CeremonyError, Retirement, retire_line};
use crate::words::operations as words;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List lines
    List,
    Add(AddArgs),
    Retire(RetireArgs),
}

/// Add a line, for the releases of a new minor version
///
/// Writes `NAME/line.yaml`. The line has the policy's stages and soak, unless `--soak` gives it its own. It takes
/// releases at once. Its first release must be signed with the targets key as well, which says who signs its
/// releases from then on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate line add 1.9 --follows 1.8
  tidegate line add 1.9 --title 'Tectonic 1.9' --soak 21d..28d
  tidegate line add edge --prefix 2 --soak 1d..7d --why 'only for our own test clusters'")]
pub struct AddArgs {
    /// The line's name, mostly the numbers with which its versions begin
    #[arg(value_name = "NAME")]
    line: LineName,
    /// The numbers with which its versions begin, if that is not its name
    #[arg(long, value_name = "NUMBERS")]
    prefix: Option<Prefix>,
    /// A title for people
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The line before it, from which clusters may enter it
    #[arg(long, value_name = "LINE")]
    follows: Option<LineName>,
    /// How long clusters may still enter it from a release that is no longer the latest of the line before
    #[arg(long, value_name = "DURATION", value_parser = time::duration, requires = "follows")]
    grace: Option<TimeDelta>,
    /// How long a release soaks before each further stage, and when it is overdue
    #[arg(long, value_name = "MIN..MAX", value_parser = soak)]
    soak: Option<Soak>,
    /// Why a soak is shorter or longer than usual; it is public
    #[arg(long, value_name = "TEXT", requires = "soak")]
    why: Option<String>,
}

fn soak(text: &str) -> Result<Soak, String> {
    let (min, max) = text.split_once("..").ok_or("write it as MIN..MAX, as in `14d..28d`")?;
    Ok(Soak { min: time::duration(min)?, max: time::duration(max)? })
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
    /// Leave behind the releases that are on their way: they will never arrive
    #[arg(long)]
    leave_behind: bool,
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
        Command::Add(args) => add(&args, workspace, terminal),
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
    terminal.table(&body, &table, "the catalog has no lines yet: add one with `tidegate line add LINE`")?;
    Ok(ExitCode::SUCCESS)
}

fn add(args: &AddArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let name = &args.line;
    let (operation, outcome, keys) = workspace.commit(|view| {
        view.check_faults("cannot add a line")?;
        let operation = args.operation(view)?;
        let outcome = operation::plan(&operation, view, workspace)?;
        let keys = matches!(view.trust(), Ok(Some(_)));
        Ok((outcome.changes.clone(), (operation, outcome, keys)))
    })?;
    let body = operation::Body::of(&operation, &outcome, words::result(&operation, &outcome));
    let done = operation::show(&operation, &outcome, &body, terminal)?;
    let file = workspace.catalog.join(line_path(name));
    terminal.note(format_args!("its file is `{}`", file.display()));
    // Only the targets keys can delegate a new line to release keys.
    let sign = if keys { ", then `tidegate release sign --key FILE --targets-key FILE`" } else { "" };
    let line = if args.prefix.is_some() { format!(" --line {name}") } else { String::new() };
    terminal.note(format_args!("next: `tidegate release add VERSION{line} --payload FILE`{sign}"));
    Ok(done)
}

impl AddArgs {
    fn operation(&self, view: &View) -> anyhow::Result<Operation> {
        let name = &self.line;
        let prefix = self.prefix.or_else(|| Prefix::parse(name.as_str()).ok()).ok_or_else(|| {
            refuse(
                format!(
                    "cannot tell which versions line `{name}` takes: its name is not their first numbers"
                ),
                format!(
                    "name the numbers: `tidegate line add {name} --prefix NUMBERS`, for example `--prefix 2`"
                ),
            )
        })?;
        let mut line = view.snapshot.reading.new_line(name.clone(), prefix);
        line.title.clone_from(&self.title);
        let follows = |line: &LineName| Follows { line: line.clone(), grace: self.grace.unwrap_or_default() };
        line.follows = self.follows.as_ref().map(follows);
        if let Some(soak) = self.soak {
            for stage in line.stages.iter_mut().skip(1) {
                stage.soak = Some(with_normal(stage.soak.take(), soak, self.why.clone()));
            }
        }
        Ok(Operation::AddLine { line: Box::new(line), inherits_soak: self.soak.is_none() })
    }
}

/// Returns a line's own soak. What the policy allows security releases beyond that stays as it is.
fn with_normal(policy: Option<SoakPolicy>, normal: Soak, why: Option<String>) -> SoakPolicy {
    match policy {
        Some(policy) if policy.security != policy.normal && policy.security.min < normal.min => {
            let security_why = policy.security_why.or(policy.why);
            SoakPolicy { normal, security: policy.security, why, security_why }
        }
        _ => SoakPolicy { normal, security: normal, why, security_why: None },
    }
}

fn retire(args: RetireArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let RetireArgs { line, reason, key, ceremony: file, leave_behind, author, signing } = args;
    let by = author.author()?;
    let retirement =
        Retirement { line: line.clone(), by: by.to_string(), reason: reason.clone(), leave_behind };
    let operation = Operation::Retire { line: line.clone(), reason, by, leave_behind };
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
        terminal.show(&operation::Body::of(&operation, &outcome, "begun"), String::new)?;
        terminal.note(format_args!("line `{line}` stays open until the ceremony is finished"));
    } else {
        ceremony::finish(&ceremony, workspace, terminal)?;
        pins::keep(&key, ceremony.result(), terminal);
    }
    Ok(ExitCode::SUCCESS)
}
