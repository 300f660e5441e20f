//! What the process does on a signal, for commands that run until they are stopped.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// From this call on, SIGHUP no longer ends the process: a reload, a log rotation or a terminal that closes must not
/// cut off anybody. Must be called before anything that can wait.
///
/// # Errors
/// When the system does not deliver signals to this process.
pub fn outlive_hangups() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let log = async move {
        while hangup.recv().await.is_some() {
            tracing::info!("continuing on SIGHUP: there is nothing to reload");
        }
    };
    std::thread::Builder::new().name("hangups".to_owned()).spawn(move || runtime.block_on(log)).map(drop)
}

/// Returns a future that completes when the process gets SIGTERM or SIGINT. Must be called within a Tokio
/// runtime.
///
/// # Errors
/// When the system does not deliver signals to this process.
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
            _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
        }
    })
}
