//! `tidegate cluster open`.

use std::process::ExitCode;

use serde_json::json;

use super::known;
use crate::cli::failure::{hinted, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::page::{self, OpenError, Way};

/// Print a link that opens the cluster's own page
///
/// The link works once, and only for a minute. The agent must serve the page: `cluster run NAME --listen 127.0.0.1:8080`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let name = &args.name;
    let (url, way) = page::open(&known(workspace, name)?, workspace.now()).map_err(|error| match error {
        OpenError::Unserved => refuse(
            format!("no agent serves a page of cluster `{name}`"),
            format!("start one: `tidegate cluster run {name} --listen 127.0.0.1:8080`"),
        ),
        OpenError::OtherVersion(_) => {
            let hint = format!("restart the agent, then `tidegate cluster open {name}` again");
            hinted(error.into(), hint)
        }
        OpenError::Refused(refusal) => {
            let hint = refusal.hint();
            hinted(refusal.into(), hint)
        }
        OpenError::Random(_) => error.into(),
    })?;
    terminal.show(&json!({ "cluster": name, "url": url }), || url.clone())?;
    terminal.note("note: the link works once, and only for a minute");
    match way {
        Way::Loopback => {}
        Way::Socket(socket) => terminal.note(format!(
            "note: the page is on a Unix socket; first forward a port to it: `ssh -L 8080:{} HOST`",
            socket.display()
        )),
        Way::Tls(name) => terminal.note(format!(
            "note: if the page's certificate has another name than `{name}`, write that name in the link"
        )),
        Way::Unnamed => terminal.note(
            "note: this machine does not know its name: instead of `HOST`, write a name of the page's certificate in the link",
        ),
    }
    Ok(ExitCode::SUCCESS)
}
