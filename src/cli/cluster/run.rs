//! `tidegate cluster run`.

use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::known;
use crate::cli::failure::{Hint, refuse};
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::agent::{Agent, Turn};
use crate::cluster::folder::Folder;
use crate::cluster::notes;
use crate::cluster::page::{self, Listen, Serving};
use crate::cluster::status::StatusBody;

/// Check, download and apply, until stopped
///
/// The agent checks every `--interval`, and at once after `approve`, `pause`, `resume`, `follow` or
/// `check`. SIGTERM stops it; a running `--apply` also gets SIGTERM.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    #[arg(value_parser = super::name)]
    name: String,
    /// Check once, do what is allowed, and exit; for use with your own timer
    #[arg(long)]
    once: bool,
    /// Serve the cluster's own page there: `127.0.0.1:PORT`, or `unix:PATH`; `cluster open NAME` prints a link to it
    #[arg(long, value_name = "ADDR", value_parser = Listen::from_str, conflicts_with = "once")]
    listen: Option<Listen>,
}

/// How often to try to take the lock, which `pause` may hold for a moment.
const TRIES: u32 = 20;

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    let mut lock = folder.run_lock()?;
    for _ in 0..TRIES {
        if lock.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        lock = folder.run_lock()?;
    }
    let Some(lock) = lock else {
        return Err(refuse(
            format!("an agent is already running for cluster `{}`", args.name),
            format!("see its status: `tidegate cluster status {}`", args.name),
        ));
    };
    // An agent that was killed may have left the key of its page.
    page::clear(&folder)?;
    let stop = Arc::new(AtomicBool::new(false));
    listen(&stop)?;
    // Updates must not wait for somebody who frees an address.
    let page = args.listen.as_ref().and_then(|listen| {
        let failed = |error: &anyhow::Error| tracing::error!("updates go on without the page: {error:#}");
        serve(listen, &folder, workspace, terminal).inspect_err(failed).ok()
    });
    let agent = Agent { folder, clock: workspace.clock(), stop };
    if !args.once {
        tracing::info!(cluster = args.name, "the agent is running");
        agent.run()?;
        drop(page);
        return Ok(ExitCode::SUCCESS);
    }
    let mut is_applied = false;
    let turn = loop {
        match agent.turn()? {
            Turn::Applied => is_applied = true,
            turn => break turn,
        }
    };
    // Release the lock, so that the status says that no agent is running.
    drop(lock);
    if terminal.is_json() {
        terminal.show(&StatusBody::of(&agent.folder)?, String::new)?;
    }
    let cluster = agent.folder.read()?;
    let hindered = [notes::paused(&args.name, &cluster), notes::unapproved(&args.name, &cluster)];
    let record = cluster.record;
    let status = format!("see its status: `tidegate cluster status {}`", args.name);
    if let Some(failure) = record.failure {
        return Err(refuse(
            format!("cluster `{}`: {}: {}", args.name, failure.kind, failure.reason),
            format!("{}, or {status}", notes::retry(&args.name)),
        ));
    }
    // What was to be done is done, so a check that fails afterwards is for the next run.
    if let Some(trouble) = record.trouble.filter(|_| !is_applied) {
        return Err(refuse(format!("cluster `{}`: {}: {}", args.name, trouble.kind, trouble.reason), status));
    }
    if let Some(told) = record.advice {
        terminal.note(told.message);
    }
    hindered.into_iter().flatten().for_each(|note| terminal.note(note));
    Ok(if turn == Turn::Trouble && !is_applied { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Serves the cluster's page, and prints where. Programs that start the agent read that line.
fn serve(
    listen: &Listen,
    folder: &Folder,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Serving> {
    let serving = page::start(folder.clone(), workspace.clock(), listen)
        .hint("listen elsewhere: with `--listen 127.0.0.1:0`, the system picks a free port")?;
    let scheme = if serving.listen().socket().is_some() { "" } else { "http://" };
    terminal.raw(format!("listening on {scheme}{}\n", serving.listen()).as_bytes())?;
    terminal.flush()?;
    terminal.note(format!("note: for a link to the page: `tidegate cluster open {}`", folder.name()));
    Ok(serving)
}

/// Sets `stop` when the process gets SIGTERM or SIGINT.
fn listen(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let stop = Arc::clone(stop);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        stop.store(true, Ordering::SeqCst);
    })?;
    Ok(())
}
