//! `tidegate cluster follow`.

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::{known, looked};
use crate::cli::channel;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::command;
use crate::cluster::folder::Stamp;
use crate::cluster::http::Stop;
use crate::cluster::look::{LookError, client, note_advice};
use crate::domain::channel::ChannelName;
use crate::formats::api::UpdateBody;
use crate::words;

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
    // What was approved was approved on the other channel. First, so that no approval outlives a crash
    // in between.
    folder.change_orders(|orders| {
        orders.approved = None;
        orders.checks += 1;
    })?;
    folder.change_config(|config| config.channel = checked.channel.clone())?;
    let answer = checked.answer();
    folder.change_record(|record| {
        note_advice(record, &checked);
        record.checked = Some(Stamp(checked.now));
    })?;
    let body = Body {
        cluster: args.name.clone(),
        follows: checked.channel.to_string(),
        advice: UpdateBody::of(&answer),
    };
    let follows =
        || format!("cluster `{}` follows `{}`: {}", args.name, checked.channel, words::answer(&answer));
    terminal.show(&body, follows)?;
    Ok(ExitCode::SUCCESS)
}
