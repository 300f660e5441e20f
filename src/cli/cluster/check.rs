//! `tidegate cluster check`.

use std::process::ExitCode;

use serde::Serialize;

use super::{checked, known, one_line};
use crate::cli::table::pairs;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::folder::{Failure, Pause};
use crate::cluster::http::Stop;
use crate::cluster::look::look;
use crate::cluster::notes::{self, Overtaken};
use crate::cluster::orders;
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::formats::api::UpdateBody;

/// Check now: verify the server's documents, and say what the cluster should do
///
/// The advice is computed here, from verified documents. A running agent also checks at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// Let the agent retry a release that has failed
    #[arg(long)]
    retry: bool,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    cluster: &'a str,
    current: String,
    #[serde(flatten)]
    advice: UpdateBody,
    /// RFC 3339.
    expires: String,
    /// How many seconds ago the documents expired; `None` if they are still valid.
    expired_seconds: Option<i64>,
    /// Since when the operator has paused updates, and why.
    paused: Option<Pause>,
    /// Why the last release was not applied, until somebody allows a retry.
    failure: Option<Failure>,
    notes: Vec<String>,
    /// Where the server says, without proof, why nothing newer has come; `None` if there is an update.
    ask: Option<String>,
    requests: u64,
    /// The size of all headers and bodies, in both directions.
    bytes: u64,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let look = checked(&args.name, look(&folder, &workspace.clock(), false, &Stop::default()))?;
    let cluster = orders::check(&folder, args.retry)?;
    let traffic = look.server.traffic();
    let overtaken = Overtaken::of(&args.name, &cluster).map(|overtaken| overtaken.to_string());
    let standing = [overtaken, notes::paused(&args.name, &cluster)];
    let standing = standing.into_iter().flatten();
    let failed = notes::failed(&args.name, &cluster);
    let answer = look.checked.answer();
    let (checked, config) = (&look.checked, &look.config);
    let ask = answer.advice.target().is_none().then(|| notes::ask(checked, config).update);
    let body = Body {
        cluster: &args.name,
        current: look.checked.current.to_string(),
        advice: UpdateBody { message: notes::advice(checked, config), ..UpdateBody::of(&answer) },
        expires: rfc3339(look.checked.expires),
        expired_seconds: look.checked.age().map(|age| age.num_seconds()),
        paused: cluster.orders.paused.clone(),
        failure: failed.as_ref().and(cluster.record.failure.clone()),
        notes: cluster.record.notes.iter().cloned().chain(standing).chain(failed).collect(),
        ask,
        requests: traffic.requests(),
        bytes: traffic.bytes(),
    };
    terminal.show(&body, || {
        let documents = match checked.age() {
            Some(age) => format!("signed; they expired at {}, {} ago", body.expires, Span(age).rough()),
            None => format!("signed; they expire at {}", body.expires),
        };
        let mut text = pairs(&[
            ("channel", body.advice.channel.clone()),
            ("runs", body.current.clone()),
            ("advice", body.advice.message.clone()),
            ("documents", documents),
            ("traffic", format!("{} requests, {} bytes", body.requests, body.bytes)),
        ]);
        // What a release waits for is known to the server alone.
        if body.advice.coming.is_some() || body.advice.stuck.is_some() {
            text.push_str("note: signed documents do not say everything that can delay a release\n");
        }
        text.extend(body.notes.iter().map(|note| format!("note: {}\n", one_line(note))));
        text
    })?;
    Ok(ExitCode::SUCCESS)
}
