//! Log lines on stderr.

mod access;
mod lines;

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::lines::{Flusher, Lines, lines};
use super::LogFormat;
use super::clean::Clean;
use crate::http::{ACCESS, AccessLog};

/// The access log of this process, which like `tracing` has one log.
static ACCESS_LOG: OnceLock<Arc<dyn AccessLog>> = OnceLock::new();

/// actix logs every malformed request as an error, but only the client that sent it needs to know.
const STRANGERS: &str = "actix_http";

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
/// have their own output and log only warnings. `TIDEGATE_LOG`, or else `RUST_LOG`, sets another filter.
pub fn start(format: LogFormat, service: bool) -> Log {
    let wanted = ["TIDEGATE_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|wanted| !wanted.is_empty()));
    let filter = filter(wanted.as_deref(), if service { "info" } else { "warn" });
    if !service {
        subscribe(format, filter, || Clean(io::stderr()));
        return Log(None);
    }
    // If the log's thread cannot start, the service runs without a log.
    let Ok((lines, flusher)) = lines(io::stderr()) else { return Log(None) };
    log_panics(lines.clone());
    let _ = ACCESS_LOG.set(Arc::new(lines.access(format)));
    subscribe(format, filter, lines);
    Log(Some(flusher))
}

/// Returns the access log, unless this process has none or the filter excludes it.
pub fn access() -> Option<Arc<dyn AccessLog>> {
    let enabled = tracing::enabled!(target: ACCESS, tracing::Level::INFO);
    ACCESS_LOG.get().filter(|_| enabled).cloned()
}

/// Returns the user's filter, or else the default. Malformed requests are logged only if the filter names
/// `STRANGERS`.
fn filter(wanted: Option<&str>, default: &str) -> Targets {
    let build = |wanted: &str| {
        let off = if wanted.contains(STRANGERS) { String::new() } else { format!(",{STRANGERS}=off") };
        format!("{wanted}{off}").parse().ok()
    };
    wanted.and_then(build).or_else(|| build(default)).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_not_heard_unless_they_are_asked_for_by_name() {
        for (wanted, expected) in [
            (None, "actix_http=off,info"),
            (Some("tidegate=debug"), "actix_http=off,tidegate=debug"),
            (Some("warn,actix_http=error"), "actix_http=error,warn"),
            (Some("actix_http::h1=debug"), "actix_http::h1=debug"),
            (Some("tidegate=no-level"), "actix_http=off,info"),
        ] {
            assert_eq!(filter(wanted, "info").to_string(), expected, "{wanted:?}");
        }
    }
}
