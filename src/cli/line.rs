//! `tidegate line`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::author::Author;
use super::ceremony;
use super::failure::{Hint, refuse};
use super::keyfile;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::channel::{LineName, NameError};
use crate::domain::release::Event;
use crate::domain::{Time, rfc3339};
use crate::signing::ceremony::{Ceremony, Retirement, retire_line};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List lines
    List,
    /// End a line: nothing new comes in it, and what it offers stays
    Retire(RetireArgs),
}

/// End a line: nothing new comes in it, and what it offers stays
///
/// Its clusters still climb to its top, and from there into the line that follows. There is no way
/// back. Its role is signed for ten years, so that nobody need renew it.
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
    /// A key of the line; several where it wants more than one
    #[arg(long, value_name = "FILE", env = "TIDEGATE_RELEASE_KEY", hide_env_values = true, required = true)]
    key: Vec<PathBuf>,
    /// Where more people must sign: the new file of a ceremony, to be passed on to them
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

#[derive(Debug, Serialize)]
struct Changed<'a> {
    line: String,
    /// `retired`, `unchanged`, or `begun` where a ceremony goes round.
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
    let by = args.author.name()?;
    let mut keyring = args.signing.keyring();
    let keys = keyring.signers(&args.key)?;
    let view = workspace.read()?;
    // Whether it can be signed is known before anything is changed.
    let mut signed = match role(&view, args, workspace.now())? {
        Some(mut role) => {
            for (path, key) in args.key.iter().zip(&keys) {
                if !role.documents().iter().any(|document| document.counts(key.id())) {
                    return Err(refuse(
                        format!(
                            "the key `{}` (`{}`) is none of line `{}`",
                            path.display(),
                            key.id(),
                            args.line
                        ),
                        "see which keys count for which lines: `tidegate root show`",
                    ));
                }
            }
            ceremony::sign_with_all(&mut role, &keys)?;
            if args.ceremony.is_none() && !role.is_complete() {
                return Err(refuse(
                    "these keys are not enough: more people must sign",
                    "give their keys too (`--key`), or a file that is passed on to them: `--ceremony FILE`",
                ));
            }
            Some(role)
        }
        None => None,
    };
    let retirement = Retirement { line: args.line.clone(), by, reason: args.reason.clone() };
    if let (Some(role), Some(file)) = (&mut signed, &args.ceremony) {
        // The line ends when all have signed that, and not before.
        check(&view, &retirement)?;
        role.retires = Some(retirement);
        ceremony::write_new(role, file)?;
        let body = Changed { line: args.line.to_string(), result: "begun", reason: &args.reason };
        terminal.show(&body, String::new)?;
        terminal.note(format_args!("line `{}` goes on until the ceremony is finished", args.line));
        ceremony::next(role, file, terminal);
        return Ok(ExitCode::SUCCESS);
    }
    end(&retirement, workspace, terminal)?;
    if let Some(role) = signed {
        ceremony::finish(&role, workspace, terminal)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a line may end so; `false` where it has already.
fn check(view: &View, retirement: &Retirement) -> anyhow::Result<bool> {
    let line = view.line(&retirement.line)?;
    match &line.retired {
        None => Ok(true),
        Some(Event { reason, .. }) if *reason == retirement.reason => Ok(false),
        Some(retired @ Event { by, reason, .. }) => Err(refuse(
            format!("line `{}` is retired already, {} by {by}: {reason}", line.name, retired.since()),
            "there is no way back, and no second reason",
        )),
    }
}

/// Ends a line in the catalog.
pub fn end(
    retirement: &Retirement,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let Retirement { line, by, reason } = retirement;
    let result = workspace.commit(|view| {
        if !check(view, retirement)? {
            return Ok((Vec::new(), "unchanged"));
        }
        let retired = Event::new(workspace.now(), by.clone(), reason.clone());
        Ok((vec![Change::Retire { line: line.clone(), retired }], "retired"))
    })?;
    let body = Changed { line: line.to_string(), result, reason };
    terminal.show(&body, || match result {
        "retired" => format!("retired line `{line}`: {reason}"),
        _ => format!("unchanged: line `{line}` is retired for that reason already"),
    })
}

/// The ceremony in which the line's role is signed for long, unless that was done already.
fn role(view: &View, args: &RetireArgs, now: Time) -> anyhow::Result<Option<Ceremony>> {
    let line = view.line(&args.line)?;
    let trust = view.usable_trust()?.ok_or_else(|| {
        refuse("the catalog has no keys yet", "make a root and keys: `tidegate init --offline-keys DIR`")
    })?;
    let reason = Some(format!("line `{}` is retired: {}", line.name, args.reason));
    let ceremony = retire_line(trust, &line.name, reason, now)
        .hint("sign a release of it first: that delegates the line")?;
    if let Some(ceremony) = &ceremony {
        ceremony.check(now).hint("see the roles and their keys: `tidegate root show`")?;
    }
    Ok(ceremony)
}
