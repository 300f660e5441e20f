//! `tidegate cluster check`.

use std::process::ExitCode;

use serde::Serialize;

use super::{known, looked};
use crate::cli::table::pairs;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::http::Stop;
use crate::cluster::look::look;
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::formats::api::UpdateBody;

/// Check now: verify what the server has, and say what the cluster should do
///
/// The advice is worked out here, from verified documents. An agent that runs looks at once, too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// Let a release be tried again that has failed
    #[arg(long)]
    retry: bool,
}

#[derive(Debug, Serialize)]
struct Body {
    cluster: String,
    current: String,
    #[serde(flatten)]
    advice: UpdateBody,
    /// RFC 3339.
    expires: String,
    /// By how many seconds the documents have expired, where that is allowed.
    expired_seconds: Option<i64>,
    notes: Vec<String>,
    requests: u64,
    /// Heads and bodies in both directions.
    bytes: u64,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let look = looked(&args.name, look(&folder, &workspace.clock(), false, &Stop::default()))?;
    folder.change_orders(|orders| {
        orders.checks += 1;
        orders.retries += u64::from(args.retry);
    })?;
    let answer = look.checked.answer();
    let body = Body {
        cluster: args.name.clone(),
        current: look.checked.current.to_string(),
        advice: UpdateBody::of(&answer),
        expires: rfc3339(look.checked.expires),
        expired_seconds: look.checked.age().map(|age| age.num_seconds()),
        notes: folder.record()?.notes,
        requests: look.traffic.requests(),
        bytes: look.traffic.bytes(),
    };
    terminal.show(&body, || {
        let expires = match body.expired_seconds {
            Some(age) => format!("{}, {} ago", body.expires, Span::of_seconds(age.unsigned_abs()).rough()),
            None => body.expires.clone(),
        };
        let mut words = pairs(&[
            ("channel", body.advice.channel.clone()),
            ("runs", body.current.clone()),
            ("advice", body.advice.message.clone()),
            (if body.expired_seconds.is_some() { "expired" } else { "holds until" }, expires),
            ("asked", format!("{} requests, {} bytes", body.requests, body.bytes)),
        ]);
        for note in &body.notes {
            words.push_str("note: ");
            words.push_str(note);
            words.push('\n');
        }
        words
    })?;
    Ok(ExitCode::SUCCESS)
}
