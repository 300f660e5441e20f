//! `tidegate release yank` and `unyank`.

use std::process::ExitCode;

use super::super::author::Author;
use super::super::failure::refuse;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use super::Changed;
use crate::domain::change::Change;
use crate::domain::line::Line;
use crate::domain::promotion::{Verdict, decide_line};
use crate::domain::release::{Event, Release, Yank};
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};

/// End the offer of a release everywhere
///
/// The release stays known: clusters that run it are led to a higher one.
#[derive(Debug, clap::Args)]
pub struct YankArgs {
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
}

/// Restore the offer of a yanked release
#[derive(Debug, clap::Args)]
pub struct UnyankArgs {
    /// The version
    version: Version,
    /// Why; shown here, and for the commit's message
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn yank(args: &YankArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let version = &args.version;
    let by = args.author.name()?;
    let mut notes = Vec::new();
    let result = workspace.commit(|view| {
        notes.clear();
        let (line, release) = view.release(version)?;
        if let Some(Yank { event, to }) = &release.yank {
            if event.reason == args.reason && *to == args.to {
                return Ok((Vec::new(), "unchanged"));
            }
            return Err(refuse(
                format!("`{version}` is yanked already, {} by {}: {}", event.since(), event.by, event.reason),
                format!("to say it anew, first `tidegate release unyank {version}`"),
            ));
        }
        check_replacement(args, line, workspace.now())?;
        let event = Event::new(workspace.now(), by.clone(), args.reason.clone());
        let yank = Yank { event, to: args.to.clone() };
        if let Some(replacement) = args.to.as_ref().and_then(|to| line.releases.get(to)) {
            notes = not_yet(&yanked(line, version, &yank), release, replacement, workspace.now());
        }
        Ok((vec![Change::Yank { version: version.clone(), yank }], "yanked"))
    })?;
    let reason = Some(args.reason.as_str());
    let body = Changed { version: version.to_string(), result, reason, by: Some(&by) };
    terminal.show(&body, || match (result, &args.to) {
        ("yanked", Some(to)) => format!("yanked `{version}`: {}; `{to}` replaces it", args.reason),
        ("yanked", None) => format!("yanked `{version}`: {}", args.reason),
        _ => format!("unchanged: `{version}` is yanked for that reason already"),
    })?;
    for note in notes {
        terminal.note(format_args!("warning: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The line as it will be.
fn yanked(line: &Line, version: &Version, yank: &Yank) -> Line {
    let mut line = line.clone();
    if let Some(release) = line.releases.get_mut(version) {
        release.yank = Some(yank.clone());
    }
    line
}

/// Where the replacement is not to be had though the yanked release was: until it is, who is led to it
/// waits. It may be the very fix that soaks, and so is taken all the same.
fn not_yet(line: &Line, yanked: &Release, to: &Release, now: Time) -> Vec<String> {
    let version = &to.version;
    let mut notes = Vec::new();
    if let Some(why) = to.evidence.objection() {
        notes.push(format!("`{version}` cannot be taken: {why} (`tidegate explain {version}`)"));
    }
    let decisions = decide_line(line, now);
    let decision = decisions.iter().find(|decision| decision.release.version == *version);
    for (index, stage) in line.stages.iter().enumerate() {
        if !yanked.is_in(index, now) || to.is_in(index, now) {
            continue;
        }
        let until = match decision.map(|decision| (decision.verdict, decision.stage)) {
            Some((Verdict::Promote, next)) if next == index => "until the next run promotes it".to_owned(),
            Some((Verdict::Wait { until }, next)) if next == index => format!("until {}", rfc3339(until)),
            Some((Verdict::Blocked, next)) if next == index => {
                format!("until somebody acts (`tidegate explain {version}`)")
            }
            Some((_, next)) => format!("until it has been in `{}`", line.stages[next].channel),
            None => continue,
        };
        notes.push(format!(
            "`{version}` is not in `{}` yet: clusters that are led to it there wait {until}",
            stage.channel
        ));
    }
    notes
}

fn check_replacement(args: &YankArgs, line: &Line, now: Time) -> anyhow::Result<()> {
    let version = &args.version;
    // What replaces a yanked barrier is one, too.
    let is_barrier = line.barriers(now).any(|(_, standing)| standing == version);
    let Some(to) = &args.to else {
        if is_barrier {
            return Err(refuse(
                format!("`{version}` is a barrier, and clusters below it could not go on"),
                "name the higher release to take instead: `--to VERSION`",
            ));
        }
        return Ok(());
    };
    let choose = format!("name a release of line `{}` that is on offer", line.name);
    if to == version {
        return Err(refuse(format!("`{version}` cannot replace itself"), choose));
    }
    match line.releases.get(to) {
        None => Err(refuse(format!("`{to}` is not in line `{}`", line.name), choose)),
        Some(_) if is_barrier && to < version => Err(refuse(
            format!(
                "`{to}` is older than `{version}`, a barrier: clusters between the two would jump over it"
            ),
            format!("name a higher release of line `{}`: add one first if there is none", line.name),
        )),
        Some(release) if release.yank.is_some() => Err(refuse(format!("`{to}` is yanked itself"), choose)),
        Some(_) => Ok(()),
    }
}

pub fn unyank(
    args: &UnyankArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let version = &args.version;
    let result = workspace.commit(|view| {
        let (_, release) = view.release(version)?;
        if release.yank.is_none() {
            return Ok((Vec::new(), "unchanged"));
        }
        Ok((vec![Change::Unyank { version: version.clone() }], "unyanked"))
    })?;
    let body = Changed { version: version.to_string(), result, reason: args.reason.as_deref(), by: None };
    terminal.show(&body, || match (result, &args.reason) {
        ("unyanked", Some(reason)) => format!("restored `{version}`: {reason}"),
        ("unyanked", None) => format!("restored `{version}`"),
        _ => format!("unchanged: `{version}` is not yanked"),
    })?;
    Ok(ExitCode::SUCCESS)
}
