//! `tidegate serve`.

mod addresses;
mod descriptors;
mod memory;
mod notify;
mod sockets;
mod supervisor;
mod witness;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use ipnet::IpNet;
use tokio::sync::oneshot;

use self::addresses::{address, listen_hint, network, workers};
use self::supervisor::Supervisor;
use self::witness::{Asked, Witness};
use super::failure::{Hint, hinted, refuse};
use super::verify::source::Origin;
use super::workspace::{Workspace, work_tree};
use super::{Globals, demo, import, keyfile, logging, signals};
use crate::clock::{SharedClock, SystemClock};
use crate::formats::tuf::KeyId;
use crate::http;
use crate::promoter::signals::{Signal, Signals};
use crate::promoter::status::{Handle, Shared};
use crate::promoter::stored::{self, StoredError};
use crate::promoter::{Mirror, Online, Promoter, Setup};
use crate::remote::openable;
use crate::signing::trust::Trust;
use crate::signing::{CommandSigner, PublicKey};
use crate::store;
use crate::store::port::{CatalogStore, PayloadStore, ReadError, StateError, StateStore};

/// Serve, renew, and promote
///
/// Serves the last publication at once, then reads the catalog, promotes what is due, and publishes.
/// Runs until SIGTERM or SIGINT, then gives replies in progress up to 8 s to finish.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate serve --demo
  tidegate serve --promote on --listen 0.0.0.0:8080 --admin-listen 127.0.0.1:9090")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// Where to listen
    #[arg(
        long,
        value_name = "ADDR",
        env = "TIDEGATE_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    listen: SocketAddr,
    /// A second address for operators: `/metrics`, `/healthz`, `/readyz`, and the pages with every detail
    #[arg(long, value_name = "ADDR", env = "TIDEGATE_ADMIN_LISTEN", value_parser = address)]
    admin_listen: Option<SocketAddr>,
    /// Whether this server promotes what is due; required if the catalog is in a git work tree, `on`
    /// otherwise
    #[arg(long, value_name = "WHETHER", env = "TIDEGATE_PROMOTE")]
    promote: Option<Switch>,
    /// How many threads answer requests [default: one for each processor]
    #[arg(long, value_name = "N", env = "TIDEGATE_WORKERS", value_parser = workers())]
    workers: Option<usize>,
    /// Whether to log each request
    #[arg(
        long,
        value_name = "WHETHER",
        env = "TIDEGATE_ACCESS_LOG",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    access_log: bool,
    /// A proxy whose `X-Forwarded-For` or `Forwarded` the access log believes: an address or a network; can be
    /// repeated
    #[arg(
        long,
        value_name = "CIDR",
        env = "TIDEGATE_TRUSTED_PROXY",
        value_delimiter = ',',
        value_parser = network
    )]
    trusted_proxy: Vec<IpNet>,
    /// Whether to serve the console's pages
    #[arg(long, value_name = "WHETHER", env = "TIDEGATE_CONSOLE", default_value = "on")]
    console: Switch,
    /// Say on the pages, to everybody, who has done something; `--demo` does
    #[arg(long, env = "TIDEGATE_SHOW_NAMES")]
    show_names: bool,
    /// The public half of the online key, if a command signs with the private half; the state folder then
    /// needs no key
    #[arg(long, value_name = "PUBLIC.pem", env = "TIDEGATE_ONLINE_KEY")]
    online_key: Option<PathBuf>,
    /// A command that signs with the online key (`sh -c CMD`): it reads the bytes from stdin and writes
    /// the signature to stdout
    #[arg(long, value_name = "CMD", env = "TIDEGATE_ONLINE_SIGN_WITH")]
    sign_with: Option<String>,
    /// Serve a scratch copy of the catalog, signed with throw-away keys
    #[arg(long)]
    demo: bool,
    /// Serve what `tidegate import` imported; this server reads no catalog, and signs and promotes nothing
    #[arg(long, conflicts_with_all = ["demo", "promote", "witness", "first"])]
    mirror: bool,
    /// Before publishing anything, compare with what is published there, and do not start if that is newer
    #[arg(long, value_name = "DIR|URL", env = "TIDEGATE_WITNESS")]
    witness: Option<Origin>,
    /// Check the witness's certificate against the roots in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", requires = "witness")]
    ca: Option<PathBuf>,
    /// Confirm that nothing was ever published from this catalog, and publish for the first time
    #[arg(long)]
    first: bool,
}

/// At its start, the server waits this long between attempts to read keys that are being written, and makes
/// this many attempts.
const MOMENT: Duration = Duration::from_millis(250);
const PATIENCE: usize = 40;

/// How long the promoter may take to end once the server is told to stop. Containers are killed after 10 s.
/// If it hangs longer than this, in a command that signs or on a network disk, the process ends without it:
/// all that it writes is whole at any moment, or is not there yet.
const STOP: Duration = Duration::from_secs(8);

/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// Serves until the process is stopped.
pub fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let shared = Handle::new(Shared::default());
    let supervisor = Supervisor::start(&shared, &clock)?;
    descriptors::raise();
    if args.mirror {
        return mirror(args, globals, clock, &shared, &supervisor);
    }
    let globals = &if args.demo { demo::prepare(globals, &clock)? } else { globals.clone() };
    let workspace = Workspace::new(globals, Arc::clone(&clock));
    let state = workspace.state_store();
    let has_published = state.head().is_some();
    let catalog = match workspace.store() {
        Ok(catalog) => Arc::clone(catalog),
        // The last publication is served, and the promoter reports that the catalog cannot be read.
        Err(_) if has_published => store::watched(&workspace.catalog, &workspace.payloads),
        Err(error) => return Err(error),
    };
    let promote = promotes(args, &workspace)?;
    let keys = match public_keys(&*catalog) {
        Err(error) if has_published => {
            tracing::warn!(
                "the keys of the catalog cannot be read, so those of the last publication are used: {error:#}"
            );
            BTreeMap::new()
        }
        keys => keys?,
    };
    let online = online_key(args, &*state, &workspace, &keys)?;
    // Not before: a server that is refused for want of a catalog leaves nothing behind.
    let lease = state.lease()?;
    let new = args.demo || args.first || state.is_new();
    let witness = Witness::of(args, globals, Arc::clone(&catalog), Arc::clone(&clock));
    let payloads = workspace.payload_store();

    let setup = Setup {
        catalog,
        payloads: Arc::clone(&payloads),
        state,
        online,
        promote,
        names: args.show_names || args.demo,
        demo: args.demo.then(|| globals.flags()),
    };
    let promoter = Promoter::start(setup, Arc::clone(&clock), Arc::clone(&shared)).hint(
        "restore what clients see, from a mirror, an export or another copy: `tidegate recover --from URL|DIR`; or restore the state folder from a backup; if there is none, check that the catalog still has everything that was offered, move `publication` out of the state folder, and start with `tidegate serve --first`: the server then cannot tell whether it takes something back, but versions do not go back",
    )?;
    // Hold no reference to the last publication: it is as large as everything served, and soon replaced.
    let witness = check_last(globals, witness, &shared, new)?;
    let handle = Arc::clone(&shared);
    serve(args, &workspace, payloads, &shared, &supervisor, move |told| {
        // If the process ends before the promoter, the state stays locked until it has ended.
        let _lease = lease;
        witness::run(promoter, witness, &handle, told)
    })
}

/// Serves the last import, and each later one as soon as it is stored.
fn mirror(
    args: &Args,
    globals: &Globals,
    clock: SharedClock,
    shared: &Handle,
    supervisor: &Supervisor,
) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::new(globals, Arc::clone(&clock));
    let payloads = workspace.payload_store();
    if workspace.state_store().head().is_some() && !workspace.is_mirror() {
        return Err(import::not_a_mirror(&workspace));
    }
    let (state, copies) = (workspace.state_store(), Arc::clone(&payloads));
    let mut mirror = Mirror::start(state, copies, clock, Arc::clone(shared))
        .hint("import it again: `tidegate import DIR`")?;
    if shared.publication.load().is_none() {
        return Err(refuse(
            format!("nothing was imported into `{}` yet", globals.state.display()),
            "import an export: `tidegate import DIR --root FILE`",
        ));
    }
    serve(args, &workspace, payloads, shared, supervisor, move |told| {
        mirror.run(told);
        Ok(())
    })
}

/// Answers requests until the process is stopped, while another thread does `work`, which publishes. If
/// that thread ends, so does the server: people notice a server that is down, but not one that is stale.
fn serve(
    args: &Args,
    workspace: &Workspace,
    payloads: Arc<dyn PayloadStore>,
    shared: &Handle,
    supervisor: &Supervisor,
    work: impl FnOnce(&Signals) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Listen for signals before anything else, so that an early signal is not lost.
        let stopped = signals::stopped()?;
        let mut config = http::Config::new(args.listen);
        config.admin_listen = args.admin_listen;
        config.handed = supervisor.handed.clone();
        config.access_log = logging::access().filter(|_| args.access_log);
        config.proxies = http::Proxies::new(args.trusted_proxy.iter().copied());
        config.console = args.console == Switch::On;
        config.names = args.show_names || args.demo;
        config.workers = args.workers.unwrap_or(config.workers);
        let (files, bytes) = (descriptors::limit(), memory::limit());
        let most = memory::connections(bytes, config.max_connections);
        config.max_connections = descriptors::connections(files, most);
        tracing::info!(
            connections = config.max_connections,
            files,
            memory_mib = bytes.map(|bytes| bytes / (1024 * 1024)),
            "serving at most this many connections at once"
        );
        let running = http::start(&config, Arc::clone(shared), payloads, workspace.clock())
            .hint_with(listen_hint)?;

        let told = Signals::default();
        let stop = told.sender();
        // The thread drops `working` when its work ends, even if it panics.
        let (working, mut ended) = oneshot::channel::<()>();
        let worker = std::thread::Builder::new().name("promoter".to_owned()).spawn(move || {
            let _working = working;
            work(&told)
        })?;
        announce(&running, workspace, args.demo)?;
        supervisor.listens(&running);
        let (mut alone, mut deadline) = (false, None);
        let until = async {
            tokio::select! {
                () = stopped => {}
                _ = &mut ended => {
                    alone = true;
                    tracing::error!("the promoter stopped, so the server stops too");
                }
            }
            // The promoter ends while replies in progress finish.
            shared.stopping.store(true, Ordering::Relaxed);
            Supervisor::stops();
            let _ = stop.send(Signal::Stop);
            deadline = Some(Box::pin(tokio::time::sleep(STOP)));
        };
        running.until(until).await?;
        tracing::info!("stopped serving");
        if let Some(deadline) = deadline.filter(|_| !alone) {
            tokio::select! {
                biased;
                _ = &mut ended => {}
                () = deadline => {
                    tracing::warn!("the promoter did not stop in time: what it was doing is done at the next start");
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
        let outcome = worker.join();
        if let Ok(Err(error)) = outcome {
            return Err(error);
        }
        if outcome.is_err() || alone {
            return Err(refuse(
                "the promoter stopped unexpectedly, which is a bug in tidegate: nothing would be published any more",
                "start the server again: it continues from its last publication; the log shows what happened",
            ));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Checks that this server may continue from its state. If the state was lost or restored from an old
/// backup, the server would sign documents that clients refuse, and could withdraw what it had offered.
///
/// Returns the witness, and whether it was asked. If not, it must be asked later, and until then that is reported.
fn check_last(
    globals: &Globals,
    witness: Option<Witness>,
    shared: &Handle,
    new: bool,
) -> anyhow::Result<Option<(Witness, bool)>> {
    let last = shared.publication.load();
    let new = new && last.is_none();
    let mut asked = true;
    if let Some(witness) = witness.as_ref().filter(|_| !new) {
        match witness.ask(last.as_deref(), false)? {
            Asked::Answered => {}
            Asked::Unreached(why) => {
                tracing::warn!(
                    "cannot reach the witness, so this server's last publication was not compared: {why}"
                );
                shared.unasked.store(Some(Arc::new(why)));
                asked = false;
            }
        }
    }
    if last.is_none() && !new {
        return Err(refuse(
            format!(
                "the catalog has keys, but `{}` has no last publication: if one was ever published, it is lost",
                globals.state.display()
            ),
            "run `tidegate recover --from URL|DIR` to restore it from the live service or a mirror, or `tidegate serve --first` if nothing was ever published",
        ));
    }
    Ok(witness.map(|witness| (witness, asked)))
}

/// Whether this server promotes. If the catalog is in a git work tree, the user must choose: two promoters
/// would undo each other's work.
fn promotes(args: &Args, workspace: &Workspace) -> anyhow::Result<bool> {
    match (args.promote, work_tree(&workspace.catalog)) {
        (Some(promote), _) => Ok(promote == Switch::On),
        (None, Some(tree)) if !args.demo => Err(refuse(
            format!(
                "the catalog is in the git work tree `{}`, so you must choose whether this server promotes",
                tree.display()
            ),
            "pass `--promote off` if CI promotes with `tidegate promote` and pushes, or `--promote on` if this server owns the folder",
        )),
        (None, _) => Ok(true),
    }
}

/// Finds the online key. Refuses an offline key, which no server may hold.
///
/// `public` has only the catalog's keys, so that a large catalog does not delay serving the last publication.
fn online_key(
    args: &Args,
    state: &dyn StateStore,
    workspace: &Workspace,
    public: &BTreeMap<String, Bytes>,
) -> anyhow::Result<Online> {
    if args.online_key.is_some() != args.sign_with.is_some() {
        return Err(refuse(
            "`--online-key` (TIDEGATE_ONLINE_KEY) and `--sign-with` (TIDEGATE_ONLINE_SIGN_WITH) are set only together",
            "set both if a command signs; unset both if the online key is in the state folder",
        ));
    }
    let keys = stored::keys(state).map_err(|error| match error {
        StoredError::State(StateError::Exposed(exposed)) => {
            let hint = exposed.hint();
            refuse(exposed.to_string(), hint)
        }
        StoredError::Key { ref source, .. } => {
            let hint = keyfile::key_hint(source);
            hinted(error.into(), hint)
        }
        error => error.into(),
    })?;
    let given = args.online_key.as_deref().map(keyfile::read_public).transpose()?;
    let held = keys.iter().map(|(held, key)| (held.place.as_path(), key.id()));
    let given_id = args.online_key.as_deref().zip(given.as_ref().map(PublicKey::id));
    if let Ok(Some(trust)) = Trust::read(public) {
        for (path, id) in held.chain(given_id) {
            if let Some(role) = offline_role(&trust, id) {
                return Err(refuse(
                    format!("`{}` is a {role} key, which no server may hold", path.display()),
                    "move it to an offline medium, so that nobody who breaks into the server finds it",
                ));
            }
        }
    }
    if let Some((public, command)) = given.zip(args.sign_with.clone()) {
        return Ok(Online::Given(Box::new(CommandSigner::new(public, command))));
    }
    if keys.is_empty() && public.is_empty() && state.head().is_none() {
        return Err(refuse(
            format!(
                "the catalog `{}` has no keys, and nothing was ever published from it",
                workspace.catalog.display()
            ),
            "create the catalog, or the keys for the one that is there: `tidegate init --offline-keys DIR`",
        ));
    }
    if keys.is_empty() {
        return Err(anyhow::anyhow!("there is no online key `{}`", workspace.online_key_path().display())).hint(
            "if the key is in another state folder, name that with `--state DIR`; otherwise restore it from a backup, or replace it: `tidegate root change FILE --add online=PUBLIC.pem --drop online=KEYID`; for a new catalog `tidegate init --offline-keys DIR` creates it, and `tidegate serve --demo` needs none",
        );
    }
    Ok(Online::State)
}

/// Reads the roots and the targets role. If a checkout or a copy of the catalog is in progress, waits until
/// it is done.
fn public_keys(catalog: &dyn CatalogStore) -> anyhow::Result<BTreeMap<String, Bytes>> {
    for _ in 0..PATIENCE {
        match catalog.keys() {
            Err(ReadError::Changing(_)) => std::thread::sleep(MOMENT),
            keys => return Ok(keys?),
        }
    }
    catalog.keys().hint("find out what keeps changing the catalog, and start the server again")
}

/// Returns the offline role that a key signs for, if there is one.
fn offline_role(trust: &Trust, id: KeyId) -> Option<&'static str> {
    let root = trust.root().signed();
    if root.root().keyids.contains(&id) {
        return Some("root");
    }
    if root.targets().keyids.contains(&id) {
        return Some("targets");
    }
    let roles = trust.targets().signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    let mut release = roles.filter(|role| role.name != crate::formats::tuf::names::CHANNELS);
    release.any(|role| role.keyids.contains(&id)).then_some("release")
}

/// Prints the server's addresses. Programs that start the server read the first line.
fn announce(running: &http::Running, workspace: &Workspace, demo: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (address, further) = (running.address(), running.further_addresses());
    writeln!(out, "listening on http://{}", openable(address))?;
    let admin = running.admin_address();
    if let Some(admin) = admin {
        writeln!(out, "listening on http://{} for the operator", openable(admin))?;
    }
    for address in further {
        writeln!(out, "listening on http://{}", openable(*address))?;
    }
    if [address].into_iter().chain(admin).chain(further.iter().copied()).any(|one| one.ip().is_unspecified())
    {
        writeln!(
            out,
            "  on every address of this machine; a container answers at the port at which it is published"
        )?;
    }
    if demo {
        write!(out, "{}", demo::welcome(openable(address), workspace)?)?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
