//! Log lines on stderr.

use std::io;

use tracing_subscriber::EnvFilter;

use super::LogFormat;

/// Starts logging. A server tells what it does; other commands speak for themselves and log only
/// what went wrong. `TIDEGATE_LOG`, or else `RUST_LOG`, says otherwise.
pub fn start(format: LogFormat, serving: bool) {
    let wanted = ["TIDEGATE_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|wanted| !wanted.is_empty()));
    let default = if serving { "info" } else { "warn" };
    let wanted = wanted.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A subscriber that is there already, in a test, is as good.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}
