//! `tidegate cluster follow`.

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::{known, looked};
use crate::cli::channel;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::command;
use crate::cluster::http::Stop;
use crate::cluster::look::{LookError, client};
use crate::domain::channel::ChannelName;
use crate::formats::api::UpdateBody;

/// Follow another channel, that of the next minor for one
///
/// The channel must be one that the server signs for. The next minor is entered only from the top of
/// the line before; the answer says what is still to be taken.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// The channel, by its name or an alias, in any case
    #[arg(value_parser = channel::name)]
    channel: ChannelName,
}

#[derive(Debug, Serialize)]
struct Body {
    cluster: String,
    follows: String,
    advice: UpdateBody,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let config = folder.config()?;
    let (_, client) = looked(&args.name, client(&folder, &config, &workspace.clock(), &Stop::default()))?;
    let current = command::current(&config.current, folder.path(), &workspace.clock());
    let current = looked(&args.name, current.map_err(LookError::Current))?;
    let checked = client.check(&args.channel, &current).map_err(LookError::Refused);
    let checked = looked(&args.name, checked)
        .with_context(|| format!("cluster `{}` follows `{}` as before", args.name, config.channel))?;
    folder.change_config(|config| config.channel = checked.channel.clone())?;
    // What was approved was approved on the other channel.
    folder.change_orders(|orders| {
        orders.approved = None;
        orders.checks += 1;
    })?;
    let answer = checked.answer();
    folder.change_record(|record| crate::cluster::look::note_advice(record, &checked))?;
    let body = Body {
        cluster: args.name.clone(),
        follows: checked.channel.to_string(),
        advice: UpdateBody::of(&answer),
    };
    terminal.show(&body, || format!("cluster `{}` follows `{}`: {answer}", args.name, checked.channel))?;
    Ok(ExitCode::SUCCESS)
}
