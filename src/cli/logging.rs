//! Log lines on stderr.

mod access;
mod filter;
mod lines;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use clap::error::ErrorKind;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::filter::{Misspelt, filter};
use self::lines::{Flusher, Lines, lines};
use super::clean::Clean;
use super::flags::{WithFlags, escaped};
use super::{LogFormat, command, environment};
use crate::http::{ACCESS, AccessLog};

/// The access log of this process, which like `tracing` has one log.
static ACCESS_LOG: OnceLock<Arc<dyn AccessLog>> = OnceLock::new();

/// The running log. Dropping it writes the last lines.
pub struct Log(Option<Flusher>);

impl Log {
    /// Returns a writer for a command's error. For a service, it never blocks, even if nobody reads stderr.
    pub fn err(&self) -> Box<dyn Write> {
        match &self.0 {
            Some(flusher) => Box::new(flusher.lines()),
            None => Box::new(io::stderr()),
        }
    }
}

/// Starts logging. A service logs what it does, and never blocks on whatever reads its log. Other commands
/// have their own output and log only warnings. `TIDEGATE_LOG`, or else `RUST_LOG`, sets another filter. The
/// commands in log lines get the given flags.
///
/// # Errors
/// If `TIDEGATE_LOG` is not a filter. `RUST_LOG` may be meant for other programs, so it is ignored then.
pub fn start(format: LogFormat, service: bool, flags: &str) -> Result<Log, clap::Error> {
    let default = if service { LevelFilter::INFO } else { LevelFilter::WARN };
    let text = |name| environment::value(name).map(|text| text.to_string_lossy().into_owned());
    let filter = match text(environment::LOG) {
        Some(wanted) => filter(Some(&wanted), default).map_err(|misspelt| unusable(&misspelt))?,
        None => filter(text("RUST_LOG").as_deref(), default)
            .or_else(|_| filter(None, default))
            .unwrap_or_default(),
    };
    let flags = match format {
        LogFormat::Text => flags.to_owned(),
        LogFormat::Json => escaped(flags),
    };
    Ok(write(format, filter, service, flags))
}

fn unusable(misspelt: &Misspelt) -> clap::Error {
    let message = format!(
        "cannot use `{}`: {misspelt}\n\n\
         hint: give a level for everything (`off`, `error`, `warn`, `info`, `debug`, `trace`), \
         levels for parts (`info,tidegate=debug`), or remove the variable",
        environment::LOG
    );
    command().error(ErrorKind::InvalidValue, message)
}

fn write(format: LogFormat, filter: Targets, service: bool, flags: String) -> Log {
    if !service {
        subscribe(format, filter, WithFlags { lines: || Clean(io::stderr()), flags });
        return Log(None);
    }
    // If the log's thread cannot start, the service runs without a log.
    let Ok((lines, flusher)) = lines(io::stderr()) else { return Log(None) };
    log_panics(lines.clone());
    let _ = ACCESS_LOG.set(Arc::new(lines.access(format)));
    subscribe(format, filter, WithFlags { lines, flags });
    Log(Some(flusher))
}

/// Returns the access log, unless this process has none or the filter excludes it.
pub fn access() -> Option<Arc<dyn AccessLog>> {
    let enabled = tracing::enabled!(target: ACCESS, tracing::Level::INFO);
    ACCESS_LOG.get().filter(|_| enabled).cloned()
}

fn subscribe(format: LogFormat, filter: Targets, lines: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    // Drop a line that cannot be written. By default, the library would report that on stderr, fail there
    // too, and panic.
    // Colours are control characters, which no text may bring to the terminal.
    let log = fmt::layer().with_writer(lines).log_internal_errors(false).with_ansi(false);
    let filtered = tracing_subscriber::registry().with(filter);
    // A test may have set a subscriber already, which will do.
    let _ = match format {
        LogFormat::Text => filtered.with(log).try_init(),
        LogFormat::Json => filtered.with(log.json()).try_init(),
    };
}

/// Sends panics to the log. The standard library would write them to stderr, and hang if nobody reads it.
fn log_panics(lines: Lines) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("<unnamed>");
        let _ = lines.clone().write_all(format!("thread '{name}' {panic}\n").as_bytes());
    }));
}
