//! Log lines on stderr.

mod lines;

use std::io;

use tracing_subscriber::EnvFilter;

use self::lines::{Flusher, lines};
use super::LogFormat;

/// Starts logging. A server tells what it does; other commands speak for themselves and log only
/// what went wrong. `TIDEGATE_LOG`, or else `RUST_LOG`, says otherwise.
///
/// The last lines are written when what this gives is dropped.
pub fn start(format: LogFormat, serving: bool) -> Option<Flusher> {
    let wanted = ["TIDEGATE_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|wanted| !wanted.is_empty()));
    let default = if serving { "info" } else { "warn" };
    let wanted = wanted.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(default));
    // Without a thread there is no log, which is no reason to do nothing at all.
    let (lines, flusher) = lines(io::stderr()).ok()?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    // A subscriber that is there already, in a test, is as good.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Some(flusher)
}
