//! `tidegate cluster add`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use crate::cli::channel;
use crate::cli::failure::{Hint, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::time;
use crate::cli::workspace::Workspace;
use crate::cluster::fetch::Pace;
use crate::cluster::folder::{Approval, Config, Folder};
use crate::cluster::http::Server;
use crate::domain::channel::ChannelName;
use crate::domain::span::Span;
use crate::formats::tuf::Root;
use crate::signing::Signed;
use crate::store::durable::{self, Mode};

/// Add a cluster: which channel it follows, and how it is updated
///
/// Nothing is asked of the server yet; `tidegate cluster check NAME` does that.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  tidegate cluster add prod --server https://updates.example.com --channel 1.8-production \\
    --root 1.root.json --current 'cat /etc/version' --apply '/usr/local/bin/apply'")]
pub struct Args {
    /// What the cluster is called here
    #[arg(value_parser = super::name)]
    name: String,
    /// The address of the update server, or of a mirror
    #[arg(long, value_name = "URL")]
    server: String,
    /// The channel to follow, by its name or an alias, in any case
    #[arg(long, value_name = "CHANNEL", value_parser = channel::name)]
    channel: ChannelName,
    /// A root of the server's keys, brought here in a way that is trusted
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// A command that prints the version that the cluster runs; run with `sh -c`
    #[arg(long, value_name = "CMD")]
    current: String,
    /// Whether each release is approved by hand
    #[arg(long, value_enum, default_value_t = By::Admin)]
    approval: By,
    /// A command that applies a release; run with `sh -c`. Without it releases are only told about
    #[arg(long, value_name = "CMD")]
    apply: Option<String>,
    /// How often to check, as in `45m`
    #[arg(long, value_name = "DURATION", value_parser = interval, default_value = "45m")]
    interval: Duration,
    /// Take the payloads of this architecture, besides those that are for any
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Take documents that expired at most so long ago, in a closed network
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    stale_ok: Option<Duration>,
    /// Take what a demo has signed by throw-away keys
    #[arg(long)]
    demo: bool,
    /// Change the settings of a cluster that is there; what it has seen and trusts stays
    #[arg(long)]
    replace: bool,
    /// Certificates to trust for `https` instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Who approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// Releases are applied as they come
    Automatic,
    /// `tidegate cluster approve NAME VERSION` lets one be applied
    Admin,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    name: &'a str,
    /// `added`, `changed` or `unchanged`.
    result: &'static str,
    #[serde(flatten)]
    config: &'a Config,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = Folder::new(&workspace.state, &args.name);
    let root = fs::read(&args.root)
        .map(Bytes::from)
        .with_context(|| format!("the root `{}` cannot be read", args.root.display()))
        .hint("get `1.root.json` from the server's operator, in a way that is trusted")?;
    let signed: Signed<Root> = Signed::parse(root.clone())
        .with_context(|| format!("`{}` is not a root", args.root.display()))
        .hint("get `1.root.json` from the server's operator, in a way that is trusted")?;
    signed
        .verify(signed.signed().root())
        .with_context(|| format!("the root `{}` is not signed by its own keys", args.root.display()))?;
    let ca = args.ca.as_ref().map(fs::canonicalize).transpose().with_context(|| {
        format!("`{}` cannot be read", args.ca.as_deref().unwrap_or_else(|| "--ca".as_ref()).display())
    })?;
    // What is wrong with the address is told now, and not at the first check.
    Server::new(&args.server, ca.as_deref(), Pace::default(), workspace.clock())?;
    let config = Config {
        format: 1,
        server: args.server.trim_end_matches('/').to_owned(),
        channel: args.channel.clone(),
        current: args.current.clone(),
        apply: args.apply.clone(),
        approval: match args.approval {
            By::Automatic => Approval::Automatic,
            By::Admin => Approval::Admin,
        },
        interval: args.interval.as_secs(),
        arch: args.arch.clone(),
        stale_ok: args.stale_ok.map_or(0, |span| span.as_secs()),
        demo: args.demo,
        ca,
    };
    let result = if !folder.exists() {
        // Nothing in the state folder belongs into a repository.
        durable::create_folder(&workspace.state, Mode::Private)?;
        let ignore = workspace.state.join(".gitignore");
        if !ignore.exists() {
            durable::write(&ignore, b"*\n", Mode::Keep)?;
        }
        folder.create(&config, &root)?;
        "added"
    } else if folder.root()? != root {
        return Err(refuse(
            format!("cluster `{}` is there already, and trusts another root", args.name),
            format!("what it trusts begins with its root: first `tidegate cluster remove {}`", args.name),
        ));
    } else if folder.config()? == config {
        "unchanged"
    } else if args.replace {
        if folder.config()?.channel != config.channel {
            // What was approved was approved on the other channel. First, so that no approval outlives
            // a crash in between.
            folder.change_orders(|orders| orders.approved = None)?;
        }
        folder.change_config(|before| *before = config.clone())?;
        "changed"
    } else {
        return Err(refuse(
            format!("cluster `{}` is there already, with other settings", args.name),
            format!(
                "to change them: `--replace`; for another channel: `tidegate cluster follow {} CHANNEL`",
                args.name
            ),
        ));
    };
    terminal.show(&Body { name: &args.name, result, config: &config }, || {
        format!(
            "cluster `{}` {result}: it follows `{}` of {}, checks every {}, and {}",
            args.name,
            config.channel,
            config.server,
            Span::of_seconds(config.interval),
            match (&config.apply, config.approval) {
                (None, _) => "only tells of releases",
                (Some(_), Approval::Admin) => "applies what is approved",
                (Some(_), Approval::Automatic) => "applies what comes",
            }
        )
    })?;
    if result == "added" {
        terminal.note(format!("next: `tidegate cluster check {}`", args.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses a duration that is not zero.
fn interval(text: &str) -> Result<Duration, String> {
    let duration = time::duration(text)?.to_std().unwrap_or_default();
    if duration.is_zero() { Err("it must be longer than zero".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_longer_than_zero() {
        assert_eq!(interval("45m"), Ok(Duration::from_secs(2700)));
        assert!(interval("0m").is_err());
    }
}
