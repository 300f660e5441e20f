//! `tidegate cluster follow`.

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::known;
use crate::cli::channel;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::{notes, orders};
use crate::domain::channel::ChannelName;
use crate::formats::api::UpdateBody;

/// Follow another channel, for example that of the next minor
///
/// The server must have signed documents for the channel. A cluster enters the next minor only from the top
/// of the previous line; the answer says which releases it must install first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// The channel's name or alias, in upper or lower case
    #[arg(value_parser = channel::name)]
    channel: ChannelName,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    cluster: &'a str,
    follows: &'a ChannelName,
    advice: UpdateBody,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let Args { name, channel } = args;
    let folder = known(workspace, name)?;
    let config = folder.read()?.config;
    let checked = super::checked(name, orders::ask(&folder, &workspace.clock(), channel, None))
        .with_context(|| format!("cluster `{name}` still follows `{}`", config.channel))?;
    orders::follow(&folder, &workspace.clock(), &super::by(), &checked)?;
    let follows = &checked.channel;
    let advice =
        UpdateBody { message: notes::advice(&checked, &config), ..UpdateBody::of(&checked.answer()) };
    let body = Body { cluster: name, follows, advice };
    terminal.show(&body, || format!("cluster `{name}` follows `{follows}`: {}", body.advice.message))?;
    Ok(ExitCode::SUCCESS)
}
