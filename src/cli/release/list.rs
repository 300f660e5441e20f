//! `tidegate release list`.

use std::process::ExitCode;

use serde::Serialize;

use super::super::table::Table;
use super::super::terminal::Terminal;
use super::super::time;
use super::super::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::promotion::{Verdict, decide_line};
use crate::domain::upgrade::entry;
use crate::domain::{Time, rfc3339};
use crate::formats::api::ExplainBody;
use crate::words;

/// List releases with their channels and what comes next
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this line
    #[arg(long, value_name = "LINE")]
    line: Option<LineName>,
    /// Evaluate as of this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct Body {
    releases: Vec<ExplainBody>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    let view = workspace.read()?;
    terminal.notes(view.faulty_note());
    if let Some(line) = &args.line {
        view.line(line)?;
    }
    let mut body = Body { releases: Vec::new() };
    let mut table = Table::new(["RELEASE", "CHANNEL", "STATE", "NEXT"]);
    for line in view.catalog.lines().filter(|line| args.line.as_ref().is_none_or(|name| line.name == *name)) {
        let decisions = decide_line(line, now);
        let mut own = decisions.iter().peekable();
        let entry = entry(&view.catalog, line, now);
        for release in line.releases.values() {
            // Decisions and releases are both in ascending order of versions.
            let decision = own.next_if(|decision| decision.release.version == release.version);
            let explanation =
                Explanation { line, release, now, decision, refused: None, not_promoting: None, entry };
            let channel = explanation.stage().map(|stage| line.stages[stage].channel.to_string());
            let next = decision.map_or_else(
                || release.yanked(now).map(|yank| yank.event.reason.clone()).unwrap_or_default(),
                |decision| match decision.verdict {
                    Verdict::Promote => format!("{} now", decision.target().channel),
                    Verdict::Wait { until } => format!("{} at {}", decision.target().channel, rfc3339(until)),
                    Verdict::Blocked => decision.blocking().map(words::gate).unwrap_or_default(),
                },
            );
            let overdue = if decision.is_some_and(|decision| decision.overdue) { ", overdue" } else { "" };
            table.row([
                release.version.to_string(),
                channel.unwrap_or_default(),
                format!("{}{overdue}", explanation.state()),
                next,
            ]);
            body.releases.push(ExplainBody::of(&explanation));
        }
    }
    let none = if view.snapshot.reading.faults.is_empty() {
        "there are no releases yet: `tidegate release add VERSION --payload FILE`"
    } else {
        "there are no releases to list: some lines have faults, and the others have no releases"
    };
    terminal.table(&body, &table, none)?;
    Ok(ExitCode::SUCCESS)
}
