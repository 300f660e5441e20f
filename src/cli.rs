//! The command line: one file for each command.
//!
//! A command parses its arguments, makes one call into another room, and shows the result: data on
//! stdout, messages on stderr. Exit codes are 0 for done or nothing to do, 1 for failed or refused,
//! and 2 for wrong usage.

mod author;
mod by_hand;
mod catalog;
mod ceremony;
mod channel;
mod clean;
mod clock;
#[cfg(feature = "client")]
mod cluster;
mod demo;
mod environment;
mod explain;
mod export;
mod failure;
mod flags;
mod import;
mod init;
mod key;
mod keyfile;
mod line;
mod logging;
mod operation;
mod passphrase;
mod promote;
mod recover;
mod release;
mod root;
mod serve;
mod shell;
mod signals;
mod status;
mod table;
mod terminal;
mod time;
mod usage;
mod verify;
#[cfg(not(feature = "client"))]
mod without_cluster;
mod workspace;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::clock::{SharedClock, SystemClock};
use terminal::Terminal;
use workspace::Workspace;

/// Serves update channels: releases soak, are promoted automatically, and can be verified.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  failed or refused; stderr says why
  2  wrong usage";

/// The options that every command accepts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The catalog folder
    #[arg(long, global = true, value_name = "DIR", env = "TIDEGATE_CATALOG", default_value = "channels")]
    pub catalog: PathBuf,
    /// The payload folder, with one subfolder for each version
    #[arg(long, global = true, value_name = "DIR", env = "TIDEGATE_PAYLOADS", default_value = "payloads")]
    pub payloads: PathBuf,
    /// The state folder: the server's own key, the last publication, payload copies
    #[arg(long, global = true, value_name = "DIR", env = "TIDEGATE_STATE", default_value = ".tidegate")]
    pub state: PathBuf,
    /// Tables for people, or JSON for programs
    #[arg(long, global = true, value_name = "FORM", env = "TIDEGATE_OUTPUT", default_value = "table")]
    pub output: Output,
    /// The format of log lines on stderr; `TIDEGATE_LOG` filters them (`info`, `tidegate=debug`)
    #[arg(long, global = true, value_name = "FORM", env = "TIDEGATE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Globals {
    /// Returns the flags that name the folders, as far as neither the environment nor a default names them.
    fn flags(&self) -> String {
        let folders = [
            ("--catalog", &self.catalog, "channels", "TIDEGATE_CATALOG"),
            ("--payloads", &self.payloads, "payloads", "TIDEGATE_PAYLOADS"),
            ("--state", &self.state, ".tidegate", "TIDEGATE_STATE"),
        ];
        let flags = folders.iter().filter_map(|(flag, folder, default, variable)| {
            let known = environment::value(variable).unwrap_or_else(|| default.into());
            (known != folder.as_os_str()).then(|| format!("{flag} {}", shell::quoted(folder)))
        });
        flags.collect::<Vec<_>>().join(" ")
    }
}

/// The format of data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a catalog, its root and its keys here
    Init(init::Args),
    /// Serve, renew, and promote
    Serve(serve::Args),
    /// Releases: add, sign, list, show, hold, resume, yank, unyank
    #[command(subcommand)]
    Release(release::Command),
    /// Channels: list, show, pause, resume
    #[command(subcommand)]
    Channel(channel::Command),
    /// Release lines: list, add, retire
    #[command(subcommand)]
    Line(line::Command),
    /// Promote what is due, or one release early
    Promote(promote::Args),
    /// Explain why a release is in its stage, or which updates a cluster will get
    Explain(explain::Args),
    /// The catalog's files: check, schema
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// The server's clock: accept
    #[command(subcommand)]
    Clock(clock::Command),
    /// Verify signatures, manifests and payloads, here or from a folder or a server
    Verify(verify::Args),
    /// Restore a lost state folder from the published documents
    Recover(recover::Args),
    /// Write the whole service as files, for any web server or medium
    Export(export::Args),
    /// Import an export of another server, for `serve --mirror`
    Import(import::Args),
    /// Keys: generate, list, public, passphrase
    #[command(subcommand)]
    Key(key::Command),
    /// The roles and their keys: show, change
    #[command(subcommand)]
    Root(root::Command),
    /// Documents that several people sign in turn: show, sign, finish
    #[command(subcommand)]
    Ceremony(ceremony::Command),
    /// The cluster's side: add, check, approve, pause, resume, follow, status, run, open, list, remove
    #[cfg(feature = "client")]
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// The cluster's side, which is not in this build
    #[cfg(not(feature = "client"))]
    #[command(hide = true, disable_help_flag = true)]
    Cluster(without_cluster::Args),
    /// Show what is published, when it expires, and what is degraded
    Status(status::Args),
    /// Print completions for a shell
    Completions(shell::CompletionsArgs),
    /// Print the manual page, or write all manual pages into a folder
    Man(shell::ManArgs),
}

impl Command {
    /// Whether the command runs until it is stopped, and logs what it does.
    const fn is_service(&self) -> bool {
        match self {
            Self::Serve(_) => true,
            #[cfg(feature = "client")]
            Self::Cluster(command) => cluster::is_service(command),
            _ => false,
        }
    }
}

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut all = arguments.iter().cloned().chain(environment::known(&command()));
    if let Err(error) = all.try_for_each(keyfile::refuse_key) {
        return failure::report(&error, output(&arguments), "", &mut std::io::stderr());
    }
    let parsed = parse(&arguments, &mut std::io::stderr()).and_then(|cli| {
        let log = logging::start(cli.globals.log_format, cli.command.is_service(), &cli.globals.flags())?;
        Ok((cli, log))
    });
    let (cli, log) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let is_json = output(&arguments) == Output::Json;
            let told = is_json.then(|| failure::report_usage(&error, &mut std::io::stderr())).flatten();
            return told.unwrap_or_else(|| error.exit());
        }
    };
    let (mut out, mut err) = (std::io::stdout(), log.err());
    if cli.command.is_service()
        && let Err(error) = signals::outlive_hangups()
    {
        return failure::report(&error.into(), cli.globals.output, "", &mut err);
    }
    execute(cli, Arc::new(SystemClock::new()), &mut out, &mut err)
}

/// Runs a command in this process, with the given clock and writers, for tests that run hundreds of
/// commands.
/// The first argument is the program's name.
///
/// # Errors
/// If the arguments are invalid.
pub fn run(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    clock: SharedClock,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<ExitCode, clap::Error> {
    let cli = parse(&arguments.into_iter().map(Into::into).collect::<Vec<_>>(), err)?;
    Ok(execute(cli, clock, out, err))
}

/// Returns the format that the user wants, even if the other arguments are invalid.
fn output(arguments: &[OsString]) -> Output {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let given = words.iter().enumerate().find_map(|(place, word)| match word.strip_prefix("--output")? {
        "" => words.get(place + 1).map(ToString::to_string),
        rest => rest.strip_prefix('=').map(str::to_owned),
    });
    let wanted = given.or_else(|| std::env::var("TIDEGATE_OUTPUT").ok());
    if wanted.as_deref() == Some("json") { Output::Json } else { Output::Table }
}

/// Returns the clap command. Environment variables may hold secrets, so help pages hide their values.
fn command() -> clap::Command {
    fn hide_values(command: clap::Command) -> clap::Command {
        command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(hide_values)
    }
    hide_values(Cli::command())
}

/// Parses arguments, and warns about variables that are set and empty.
fn parse(arguments: &[OsString], err: &mut dyn Write) -> Result<Cli, clap::Error> {
    let mut reading = environment::ignore_empty(command());
    let parsed = match reading.try_get_matches_from_mut(arguments) {
        // Help names every variable, the empty ones too.
        Err(help) if !help.use_stderr() => {
            return Err(command().try_get_matches_from(arguments).err().unwrap_or(help));
        }
        parsed => parsed,
    };
    if environment::has_empty() {
        warn_of_empty(arguments, parsed.as_ref().ok(), err)?;
    }
    let parsed = parsed.and_then(|found| Cli::from_arg_matches(&found).map_err(|e| e.format(&mut reading)));
    parsed.map_err(|error| usage::explained(error, arguments))
}

/// Names the variables that are set and empty, unless a flag overrides them. `parsed` is `None` if the
/// arguments are invalid.
fn warn_of_empty(
    arguments: &[OsString],
    parsed: Option<&clap::ArgMatches>,
    err: &mut dyn Write,
) -> Result<(), clap::Error> {
    let warnings = if let Some(found) = parsed {
        let mut all = command();
        all.build();
        let (mut command, found) = environment::matched(all, found);
        environment::check_empty(&mut command, |arg| environment::is_typed(found, arg))
    } else {
        environment::check_empty(&mut usage::named(arguments), |arg| usage::is_mentioned(arguments, arg))
    };
    for warning in warnings? {
        // If stderr is gone, nobody can be warned.
        let _ = writeln!(err, "{warning}");
    }
    Ok(())
}

fn execute(cli: Cli, clock: SharedClock, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    let flags = cli.globals.flags();
    if let Command::Serve(args) = &cli.command {
        // `serve` prints while it runs, so it writes directly to the real stdout.
        return serve::run(args, &cli.globals)
            .unwrap_or_else(|error| failure::report(&error, cli.globals.output, &flags, err));
    }
    let workspace = Workspace::new(&cli.globals, clock);
    let mut terminal = Terminal::new(cli.globals.output, flags, out, err);
    let done = dispatch(cli.command, &workspace, &mut terminal);
    match done {
        Ok(code) => terminal.finish(code),
        // The reader of stdout has seen enough: `tidegate release list | head` is not a failure.
        Err(_) if terminal.is_broken() => ExitCode::SUCCESS,
        Err(error) => {
            // Flush stdout first, so that the error comes after it even if both go to one file.
            terminal.finish(ExitCode::FAILURE);
            terminal.fail(&error)
        }
    }
}

fn dispatch(
    command: Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(_) => unreachable!("`execute` runs it"),
        Command::Init(args) => init::run(&args, workspace, terminal),
        Command::Release(command) => release::run(command, workspace, terminal),
        Command::Channel(command) => channel::run(command, workspace, terminal),
        Command::Line(command) => line::run(command, workspace, terminal),
        Command::Promote(args) => promote::run(&args, workspace, terminal),
        Command::Explain(args) => explain::run(&args, workspace, terminal),
        Command::Catalog(command) => catalog::run(command, workspace, terminal),
        Command::Clock(command) => clock::run(command, workspace, terminal),
        Command::Verify(args) => verify::run(&args, workspace, terminal),
        Command::Recover(args) => recover::run(&args, workspace, terminal),
        Command::Export(args) => export::run(&args, workspace, terminal),
        Command::Import(args) => import::run(&args, workspace, terminal),
        Command::Key(command) => key::run(command, workspace, terminal),
        Command::Root(command) => root::run(command, workspace, terminal),
        Command::Ceremony(command) => ceremony::run(command, workspace, terminal),
        #[cfg(feature = "client")]
        Command::Cluster(command) => cluster::run(&command, workspace, terminal),
        #[cfg(not(feature = "client"))]
        Command::Cluster(args) => without_cluster::run(&args),
        Command::Status(args) => status::run(&args, workspace, terminal),
        Command::Completions(args) => shell::completions(&args, terminal),
        Command::Man(args) => shell::man(&args, terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_commands_holds_together() {
        Cli::command().debug_assert();
    }
}
