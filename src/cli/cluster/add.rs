//! `tidegate cluster add`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use crate::cli::failure::{Hint, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::fetch::Pace;
use crate::cluster::folder::{Approval, Config, Folder};
use crate::cluster::http::Server;
use crate::cluster::orders;
use crate::domain::span::Span;
use crate::formats::tuf::Root;
use crate::remote::SetupError;
use crate::signing::Signed;
use crate::store::durable::{self, Mode};
use crate::store::plain;

/// Add a cluster: which channel it follows, and how it is updated
///
/// This does not contact the server yet; `tidegate cluster check NAME` does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  tidegate cluster add prod --server https://updates.example.com --channel 1.8-production \\
    --root 1.root.json --current 'cat /etc/version' --apply '/usr/local/bin/apply'")]
pub struct Args {
    /// A name for the cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// A root of the server's keys, obtained in a way that you trust
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    #[command(flatten)]
    config: Config,
    /// Change the settings of an existing cluster, but keep what it has seen and trusts
    #[arg(long)]
    replace: bool,
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
    let Args { name, root: path, config, replace } = args;
    let folder = Folder::new(&workspace.state, name);
    let hint = "get `1.root.json` from the server's operator, in a way that you trust";
    let root = plain::whole(path)
        .map(Bytes::from)
        .with_context(|| format!("cannot read the root `{}`", path.display()))
        .hint(hint)?;
    let signed: Signed<Root> = Signed::parse(root.clone())
        .with_context(|| format!("`{}` is not a root", path.display()))
        .hint(hint)?;
    signed
        .verify(signed.signed().root())
        .with_context(|| format!("the root `{}` is not signed by its own keys", path.display()))?;
    let mut config = config.clone();
    // People copy the address of the repository as well as that of the server.
    config.server = config.server.without("/tuf");
    if let Some(ca) = &mut config.ca {
        *ca = fs::canonicalize(&*ca).with_context(|| format!("cannot read `{}`", ca.display()))?;
    }
    // Report a wrong address now, and not at the first check.
    Server::new(&config.server, config.ca.as_deref(), Pace::default(), workspace.clock())
        .hint_with(SetupError::hint)?;
    let result = if !folder.exists() {
        // The state folder must not be committed to a repository.
        durable::create_folder(&workspace.state, Mode::Private)?;
        let ignore = workspace.state.join(".gitignore");
        if !ignore.exists() {
            durable::write(&ignore, b"*\n", Mode::Keep)?;
        }
        folder.create(&config, &root)?;
        "added"
    } else if folder.root()? != root {
        return Err(refuse(
            format!("cluster `{name}` already exists, and trusts another root"),
            format!("a cluster cannot change its root: first run `tidegate cluster remove {name}`"),
        ));
    } else if folder.read()?.config == config {
        "unchanged"
    } else if *replace {
        orders::configure(&folder, &workspace.clock(), &super::by(), |own| own.clone_from(&config))?;
        "changed"
    } else {
        return Err(refuse(
            format!("cluster `{name}` already exists, with other settings"),
            format!(
                "to change them, add `--replace`; for another channel: `tidegate cluster follow {name} CHANNEL`"
            ),
        ));
    };
    let shown = Config { server: config.server.public(), ..config.clone() };
    terminal.show(&Body { name, result, config: &shown }, || {
        let Config { channel, server, interval, .. } = &config;
        let does = match (&config.apply, config.approval) {
            (None, _) => "only reports releases",
            (Some(_), Approval::Admin) => "applies approved releases",
            (Some(_), Approval::Automatic) => "applies all releases",
        };
        let every = Span::of_seconds(*interval);
        format!(
            "cluster `{name}` {result}: it follows `{channel}` of {server}, checks every {every}, and {does}"
        )
    })?;
    if result == "added" {
        terminal.note(format!("next: `tidegate cluster check {name}`"));
    }
    Ok(ExitCode::SUCCESS)
}
