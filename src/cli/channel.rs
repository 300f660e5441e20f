//! `tidegate channel`.

use std::process::ExitCode;

use serde::Serialize;

use super::author::Author;
use super::operation;
use super::table::{Table, pairs};
use super::terminal::Terminal;
use super::time;
use super::workspace::Workspace;
use crate::domain::channel::{ChannelName, NameError};
use crate::domain::promotion::decide;
use crate::domain::{Time, rfc3339};
use crate::formats::api::{ChannelSummary, ChannelsBody, Soaking};
use crate::operations::Operation;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every channel and what it offers
    List {
        /// Evaluate as of this time (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        at: Option<Time>,
    },
    /// Show one channel with its releases
    Show {
        /// The channel's name or alias, in upper or lower case
        #[arg(value_parser = name)]
        channel: ChannelName,
        /// Evaluate as of this time (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        at: Option<Time>,
    },
    /// Pause a channel: its clusters wait, and nothing is promoted into it
    Pause {
        /// The channel's name or alias, in upper or lower case
        #[arg(value_parser = name)]
        channel: ChannelName,
        /// The reason; it is public
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
    /// Resume a paused channel
    ///
    /// The catalog keeps a record of the pause, of who ended it and why. Time in which the channel was
    /// paused does not count as soak for the next stage.
    Resume {
        /// The channel's name or alias, in upper or lower case
        #[arg(value_parser = name)]
        channel: ChannelName,
        /// Why the pause can end; it is recorded in the catalog
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        author: Author,
    },
}

/// Parses a channel's name in upper or lower case.
pub fn name(text: &str) -> Result<ChannelName, NameError> {
    ChannelName::parse_any_case(text)
}

/// One channel with its releases.
#[derive(Debug, Serialize)]
struct ShowBody {
    #[serde(flatten)]
    summary: ChannelSummary,
    releases: Vec<Entered>,
}

/// A release that entered a channel.
#[derive(Debug, Serialize)]
struct Entered {
    version: String,
    /// RFC 3339.
    since: String,
    /// `offered`, `yanked`, or `withheld`: its payload or its signature is missing or invalid.
    state: &'static str,
    barrier: bool,
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let operation = match command {
        Command::List { at } => return list(at, workspace, terminal),
        Command::Show { channel, at } => return show(&channel, at, workspace, terminal),
        Command::Pause { channel, reason, author } => {
            Operation::Pause { channel, reason, by: author.author()? }
        }
        Command::Resume { channel, reason, author } => {
            Operation::Unpause { channel, reason, by: author.author()? }
        }
    };
    operation::run(&operation, workspace, terminal)
}

fn list(at: Option<Time>, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = at.unwrap_or_else(|| workspace.now());
    let view = workspace.read()?;
    terminal.notes(view.faulty_note());
    let body = ChannelsBody::of(&view.catalog, &decide(&view.catalog, now), now);
    let mut table = Table::new(["CHANNEL", "LATEST", "OFFERED", "PAUSED", "COMING"]);
    for channel in &body.channels {
        let coming: Vec<String> = channel.soaking.iter().map(coming).collect();
        table.row([
            channel.channel.clone(),
            channel.latest.clone().unwrap_or_default(),
            channel.offered.to_string(),
            channel.paused.as_ref().map(|paused| paused.reason.clone()).unwrap_or_default(),
            coming.join(", "),
        ]);
    }
    terminal.table(&body, &table, "there are no channels yet: a line has one for each of its stages")?;
    Ok(ExitCode::SUCCESS)
}

fn coming(soaking: &Soaking) -> String {
    let when = soaking.until.as_deref().unwrap_or(match soaking.verdict {
        "promote" => "now",
        _ => "blocked",
    });
    let overdue = if soaking.overdue { ", overdue" } else { "" };
    format!("{} ({when}{overdue})", soaking.version)
}

fn show(
    name: &ChannelName,
    at: Option<Time>,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let now = at.unwrap_or_else(|| workspace.now());
    let view = workspace.read()?;
    let channel = view.channel(name)?;
    let entered = channel.line.releases.values().rev().filter_map(|release| {
        Some(Entered {
            version: release.version.to_string(),
            since: rfc3339(release.entered(channel.index, now)?.since),
            state: match release {
                yanked if yanked.yanked(now).is_some() => "yanked",
                offered if offered.is_deliverable() => "offered",
                _ => "withheld",
            },
            barrier: release.barrier,
        })
    });
    let body = ShowBody {
        releases: entered.collect(),
        summary: ChannelSummary::of(channel, &decide(&view.catalog, now), now),
    };
    terminal.show(&body, || words(&body))?;
    Ok(ExitCode::SUCCESS)
}

fn words(ShowBody { summary, releases }: &ShowBody) -> String {
    let mut rows = vec![
        ("channel", summary.channel.clone()),
        ("line", summary.line.clone()),
        ("stage", summary.stage.clone()),
        ("latest", summary.latest.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    if !summary.aliases.is_empty() {
        rows.push(("aliases", summary.aliases.join(", ")));
    }
    if let Some(paused) = &summary.paused {
        let by = paused.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        rows.push(("paused", format!("since {}{by}: {}", paused.since, paused.reason)));
    }
    rows.extend(summary.soaking.iter().map(|soaking| ("coming", coming(soaking))));
    let mut table = Table::new(["RELEASE", "SINCE", "STATE"]);
    for release in releases {
        let barrier = if release.barrier { ", barrier" } else { "" };
        table.row([release.version.clone(), release.since.clone(), format!("{}{barrier}", release.state)]);
    }
    let table = if table.is_empty() { String::new() } else { format!("\n{table}") };
    format!("{}{table}", pairs(&rows))
}
