//! `tidegate release hold` and `resume`.

use std::process::ExitCode;

use super::super::author::Author;
use super::super::failure::refuse;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use super::Changed;
use crate::domain::change::Change;
use crate::domain::release::Event;
use crate::domain::version::Version;

/// Stop a release from going further
///
/// It stays offered where it is. To end its offer everywhere, yank it.
#[derive(Debug, clap::Args)]
pub struct HoldArgs {
    /// The version
    version: Version,
    /// Why; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    author: Author,
}

/// Let a held release go on
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The version
    version: Version,
}

pub fn hold(args: &HoldArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let version = &args.version;
    let by = args.author.name()?;
    let result = workspace.commit(|view| {
        let (line, release) = view.release(version)?;
        if let Some(held) = &release.hold {
            if held.reason == args.reason {
                return Ok((Vec::new(), "unchanged"));
            }
            return Err(refuse(
                format!("`{version}` is held already, {} by {}: {}", held.since(), held.by, held.reason),
                format!("to give another reason, first `tidegate release resume {version}`"),
            ));
        }
        if release.entries.last().is_some_and(Option::is_some) {
            let last = &line.stages[line.stages.len() - 1];
            return Err(refuse(
                format!("`{version}` is in `{}`, its last stage: a hold would stop nothing", last.channel),
                format!("to end its offer, `tidegate release yank {version} --reason TEXT`"),
            ));
        }
        let hold = Event::new(workspace.now(), by.clone(), args.reason.clone());
        Ok((vec![Change::Hold { version: version.clone(), hold }], "held"))
    })?;
    let reason = Some(args.reason.as_str());
    let body = Changed { version: version.to_string(), result, reason, by: Some(&by) };
    terminal.show(&body, || match result {
        "held" => format!("held `{version}`: {}", args.reason),
        _ => format!("unchanged: `{version}` is held for that reason already"),
    })?;
    Ok(ExitCode::SUCCESS)
}

pub fn resume(
    args: &ResumeArgs,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let version = &args.version;
    let result = workspace.commit(|view| {
        let (_, release) = view.release(version)?;
        if release.hold.is_none() {
            return Ok((Vec::new(), "unchanged"));
        }
        Ok((vec![Change::Resume { version: version.clone() }], "resumed"))
    })?;
    let body = Changed { version: version.to_string(), result, reason: None, by: None };
    terminal.show(&body, || match result {
        "resumed" => format!("resumed `{version}`: it goes on when it is due"),
        _ => format!("unchanged: `{version}` is not held"),
    })?;
    Ok(ExitCode::SUCCESS)
}
