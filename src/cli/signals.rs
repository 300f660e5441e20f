//! What the process does on a signal, for commands that run until they are stopped.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Returns a future that completes when the process gets SIGTERM or SIGINT. Must be called within a Tokio
/// runtime.
///
/// From this call on, SIGHUP no longer ends the process, even once the future is dropped: a reload, a log
/// rotation or a terminal that closes must not cut off anybody.
///
/// # Errors
/// When the system does not deliver signals to this process.
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return tracing::info!("stopping on SIGTERM"),
                _ = interrupt.recv() => return tracing::info!("stopping on SIGINT"),
                _ = hangup.recv() => tracing::info!("continuing on SIGHUP: there is nothing to reload"),
            }
        }
    })
}
