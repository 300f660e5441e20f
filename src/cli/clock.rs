//! `tidegate clock`.

use std::process::ExitCode;

use serde::Serialize;

use super::author::Author;
use super::failure::refuse;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::clock::Accepted;
use crate::domain::degraded::ClockDoubt;
use crate::domain::rfc3339;
use crate::promoter::{stored, timekeeper};
use crate::words::{clock_doubt, clock_reading};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Accept(AcceptArgs),
}

/// Confirm that this machine's clock is right, although it jumped
///
/// A server whose clock jumped promotes nothing until the clock is corrected, or somebody confirms it: if it is
/// fast, releases would be promoted that have not soaked. Run this on the server's machine. A running server goes on
/// at once; otherwise it counts for a start within a day.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate clock accept --reason 'the machine was paused for ten days'")]
pub struct AcceptArgs {
    /// Why the clock is right; it is logged
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    author: Author,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    /// `accepted`, or `unchanged` if the clock is not in doubt.
    result: &'static str,
    /// RFC 3339.
    clock: String,
    /// RFC 3339. What the clock should say, by what the server knows.
    expected: Option<String>,
    by: &'a str,
    reason: &'a str,
}

pub fn run(
    Command::Accept(args): Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let (state, clock, by) = (workspace.state_store(), workspace.clock(), args.author.author()?.to_string());
    let now = workspace.now();
    let last = stored::publication(&*state)?;
    let doubt = last.and_then(|last| timekeeper::doubt(&*state, &*clock, last.made));
    let mut body =
        Body { result: "unchanged", clock: rfc3339(now), expected: None, by: &by, reason: &args.reason };
    match doubt {
        None => {
            let words = || format!("this machine's clock says {}, and nothing contradicts it", rfc3339(now));
            terminal.show(&body, words)?;
        }
        Some(ClockDoubt::Behind { .. }) => {
            let doubt = doubt.as_ref().map(clock_doubt).unwrap_or_default();
            return Err(refuse(doubt, "versions never go back, so nobody can confirm this time"));
        }
        Some(doubt @ ClockDoubt::Turned { expected, .. }) => {
            let accepted = Accepted { at: now, by: by.clone(), reason: args.reason.clone() };
            state.accept(Some(&accepted))?;
            (body.result, body.expected) = ("accepted", Some(rfc3339(expected)));
            terminal.show(&body, || format!("accepted: {}", clock_reading(&doubt)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
