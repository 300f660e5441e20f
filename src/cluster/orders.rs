//! What an operator orders, on the command line or on the cluster's page. The agent notices each change of the
//! cluster's folder within a second.

use std::time::Duration;

use super::Refusal;
use super::client::Checked;
use super::command;
use super::folder::{Cluster, Config, Folder, Pause};
use super::http::Stop;
use super::look::{client, note};
use super::record::{APPROVED, By, Entry, FOLLOWED, PAUSED, RESUMED, STRATEGY_CHANGED};
use crate::clock::SharedClock;
use crate::domain::channel::ChannelName;
use crate::domain::version::Version;

/// Why a release cannot be approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    #[error("the last check advises {}", .0.as_ref().map_or_else(|| "nothing".to_owned(), |target| format!("`{target}`")))]
    NotAdvised(Option<Version>),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Allows a release to be applied, again if it has failed before.
///
/// # Errors
/// When it is not the release that the last check advises, or the folder cannot be used.
pub fn approve(
    folder: &Folder,
    clock: &SharedClock,
    by: By,
    version: &Version,
) -> Result<Cluster, ApproveError> {
    let is_advised = |cluster: &Cluster| cluster.record.target.as_ref() == Some(version);
    let cluster = folder.change(|cluster| {
        if is_advised(cluster) {
            cluster.orders.approved = Some(version.clone());
            cluster.orders.retries += 1;
            let order = Entry::order(APPROVED, by, clock.now());
            cluster.record.remember(Entry { version: Some(version.clone()), ..order });
        }
    })?;
    if is_advised(&cluster) { Ok(cluster) } else { Err(ApproveError::NotAdvised(cluster.record.target)) }
}

/// Makes a running agent check at once, and with `retry` lets it try a failed release again.
///
/// # Errors
/// When the folder cannot be used.
pub fn check(folder: &Folder, retry: bool) -> Result<Cluster, Refusal> {
    folder.change(|cluster| {
        cluster.orders.checks += 1;
        cluster.orders.retries += u64::from(retry);
    })
}

/// Stops updates. A running agent stops its own `--apply`; one that a killed agent has left behind is stopped here,
/// after `on_orphan`. Returns whether something has changed.
///
/// # Errors
/// When the folder cannot be used, or the command cannot be stopped.
pub fn pause(
    folder: &Folder,
    clock: &SharedClock,
    by: By,
    reason: Option<String>,
    on_orphan: impl FnOnce(),
) -> Result<bool, Refusal> {
    let mut has_changed = false;
    folder.change(|cluster| {
        let Cluster { orders, record, .. } = cluster;
        let is_same = |pause: &Pause| reason.is_none() || pause.reason == reason;
        if !orders.paused.as_ref().is_some_and(is_same) {
            let at = clock.now();
            let order = Entry::order(PAUSED, by, at);
            record.remember(Entry { reason: reason.clone().unwrap_or_default(), ..order });
            orders.paused = Some(Pause { at, reason });
            has_changed = true;
        }
    })?;
    if let Some(_agent) = folder.run_lock()?
        && folder.applying().is_running()?
    {
        on_orphan();
        folder.applying().stop(clock)?;
    }
    Ok(has_changed)
}

/// Lets updates go on. Returns whether something has changed.
///
/// # Errors
/// When the folder cannot be used.
pub fn resume(folder: &Folder, clock: &SharedClock, by: By) -> Result<bool, Refusal> {
    let mut has_changed = false;
    folder.change(|Cluster { orders, record, .. }| {
        has_changed = orders.paused.take().is_some();
        if has_changed {
            record.remember(Entry::order(RESUMED, by, clock.now()));
        }
    })?;
    Ok(has_changed)
}

/// Asks the server what the cluster should do on a channel, which it need not follow. `patience` is how long that may
/// take: the agent cannot check meanwhile.
///
/// # Errors
/// When the version that the cluster runs is unknown, or the server's documents are refused or do not arrive in time.
pub fn ask(
    folder: &Folder,
    clock: &SharedClock,
    channel: &ChannelName,
    patience: Option<Duration>,
) -> Result<Checked, Refusal> {
    let deadline = patience.map(|patience| clock.monotonic() + patience);
    let config = folder.read()?.config;
    let current = command::current(&config.current, folder.path(), clock, deadline)?;
    let (_, client) = client(folder, &config, clock, &Stop::default(), deadline)?;
    client.check(channel, &current)
}

/// Follows the channel that was [asked](ask) about.
///
/// # Errors
/// When the folder cannot be used.
pub fn follow(folder: &Folder, clock: &SharedClock, by: &By, checked: &Checked) -> Result<Cluster, Refusal> {
    folder.change(|cluster| {
        // The approval was for a release of the previous channel.
        cluster.orders.approved = None;
        cluster.orders.checks += 1;
        cluster.record.changed(FOLLOWED, by, clock.now(), &cluster.config.channel, &checked.channel);
        cluster.config.channel = checked.channel.clone();
        note(cluster, checked, None);
    })
}

/// Changes the settings.
///
/// # Errors
/// When the folder cannot be used.
pub fn configure(
    folder: &Folder,
    clock: &SharedClock,
    by: &By,
    change: impl FnOnce(&mut Config),
) -> Result<Cluster, Refusal> {
    folder.change(|Cluster { config, orders, record }| {
        let before = config.clone();
        change(config);
        if config.channel != before.channel {
            // The approval was for a release of the previous channel.
            orders.approved = None;
        }
        let now = clock.now();
        record.changed(FOLLOWED, by, now, &before.channel, &config.channel);
        record.changed(STRATEGY_CHANGED, by, now, before.approval.name(), config.approval.name());
    })
}
