//! `tidegate cluster status`.

use std::process::ExitCode;

use super::{known, one_line};
use crate::cli::table::pairs;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::status::StatusBody;
use crate::domain::span::Span;

/// Show the status of a cluster, in the form of Tectonic's `AppVersion`
///
/// The status is that of the last check; this does not contact the server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster; without it, all clusters
    #[arg(value_parser = super::name)]
    name: Option<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.name {
        let body = StatusBody::of(&known(workspace, name)?)?;
        terminal.show(&body, || words(&body))?;
        return Ok(ExitCode::SUCCESS);
    }
    let bodies = StatusBody::all(&workspace.state)?;
    terminal.show(&bodies, || bodies.iter().map(words).collect::<Vec<_>>().join("\n"))?;
    if bodies.is_empty() && !terminal.is_json() {
        terminal.note(super::NONE);
    }
    Ok(ExitCode::SUCCESS)
}

fn words(body: &StatusBody) -> String {
    let status = &body.status;
    let or = |value: &Option<String>, none: &str| value.clone().unwrap_or_else(|| none.to_owned());
    let mut rows = vec![
        ("cluster", body.metadata.name.clone()),
        ("state", format!("{:?}{}", status.state, if status.running { "" } else { ", no agent is running" })),
        ("channel", body.spec.channel.clone()),
        ("runs", or(&status.current_version, "unknown")),
        ("target", or(&status.target_version, "none")),
        ("advice", status.advice.as_ref().map_or_else(|| "none yet".to_owned(), |told| told.message.clone())),
        ("checked", or(&status.last_checked, "never")),
        ("valid until", or(&status.expires, "-")),
    ];
    if let Some(age) = status.expired_seconds {
        rows.push(("expired", format!("{} ago, which `--stale-ok` allows", Span::of_seconds(age).rough())));
    }
    if let Some(since) = &status.since {
        let step = status.task_statuses.iter().find(|task| task.state == "Running");
        let step = step.map_or_else(String::new, |task| format!("{:?} ", task.name).to_lowercase());
        let limit = body.spec.apply_timeout_seconds.map(Span::of_seconds);
        let limit =
            limit.map(|limit| format!(", and `--apply` is stopped after {limit}")).unwrap_or_default();
        rows.push(("running", format!("{step}since {since}{limit}")));
    }
    if body.spec.paused {
        rows.push(("paused", or(&status.pause_reason, "no reason given")));
    }
    if let Some(failure) = &status.failure_status {
        rows.push(("failed", format!("{}: {}", failure.kind, one_line(&failure.reason))));
        rows.extend(failure.hint.clone().map(|hint| ("hint", hint)));
    }
    rows.extend(status.notes.iter().map(|note| ("note", one_line(note))));
    pairs(&rows)
}
