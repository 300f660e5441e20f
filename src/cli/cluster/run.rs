//! `tidegate cluster run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::known;
use crate::cli::failure::{Hint, refuse, summary};
use crate::cli::keyfile;
use crate::cli::signals;
use crate::cli::terminal::Terminal;
use crate::cli::workspace::Workspace;
use crate::cluster::agent::{Agent, Turn};
use crate::cluster::folder::Folder;
use crate::cluster::notes;
use crate::cluster::page::{
    self, Address, Certificate, CertificateError, Files, Listen, ListenError, Serving,
};
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
    /// Serve the cluster's own page there: `IP:PORT`, or `unix:PATH`; `cluster open NAME` prints a link to it. Beyond
    /// loopback, it needs `--tls-cert` and `--tls-key`
    #[arg(long, value_name = "ADDR", value_parser = Address::from_str, conflicts_with = "once")]
    listen: Option<Address>,
    /// The page's certificate in PEM format, followed by those between it and its root; a renewed one is read within a
    /// minute
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// The private key of `--tls-cert` in PEM format, which not everybody may read
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_cert"])]
    tls_key: Option<PathBuf>,
}

/// How often to try to take the lock, which `pause` may hold for a moment.
const TRIES: u32 = 20;

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let folder = known(workspace, &args.name)?;
    if let Some(address) = &args.listen {
        address.check(args.tls_cert.is_some()).hint_with(ListenError::hint)?;
    }
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
    if std::env::var_os("LISTEN_FDS").is_some_and(|count| !count.is_empty() && count != "0") {
        tracing::warn!(
            "the sockets that were handed over in `LISTEN_FDS` are not served: an agent listens at `--listen` alone; remove its `.socket` unit"
        );
    }
    // An agent that was killed may have left the key of its page.
    page::clear(&folder)?;
    let stop = Arc::new(AtomicBool::new(false));
    listen(&stop)?;
    // Updates must not wait for somebody who frees an address, or puts a renewed certificate right.
    let page = args.listen.as_ref().and_then(|address| {
        let failed =
            |error: &anyhow::Error| tracing::error!("updates go on without the page: {}", summary(error));
        serve(address, args, &folder, workspace, terminal).inspect_err(failed).ok()
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
    address: &Address,
    args: &Args,
    folder: &Folder,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Serving> {
    args.tls_key.iter().try_for_each(|path| keyfile::check_path(path))?;
    let files = args.tls_cert.clone().zip(args.tls_key.clone());
    let certificate = files
        .map(|(certificate, key)| Certificate::read(Files { certificate, key }, workspace.clock()))
        .transpose()
        .hint_with(CertificateError::hint)?;
    let listen = Listen::new(address.clone(), certificate.map(Arc::new)).hint_with(ListenError::hint)?;
    let serving = page::start(folder.clone(), workspace.clock(), &listen)
        .hint("listen elsewhere: with `--listen 127.0.0.1:0`, the system picks a free port")?;
    terminal.raw(format!("listening on {}\n", serving.listen()).as_bytes())?;
    terminal.flush()?;
    terminal.note(format!("note: for a link to the page: `tidegate cluster open {}`", folder.name()));
    Ok(serving)
}

/// Sets `stop` when the process gets SIGTERM or SIGINT.
fn listen(stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = {
        let _inside = runtime.enter();
        signals::stopped()?
    };
    let stop = Arc::clone(stop);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(stopped);
        stop.store(true, Ordering::SeqCst);
    })?;
    Ok(())
}
