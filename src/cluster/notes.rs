//! Observations about a cluster that do not stop the update.

use std::fmt;

use serde::Serialize;

use super::client::Checked;
use super::download::wanted;
use super::folder::{Approval, Cluster, Config, Failure};
use super::progress::Progress;
use super::record::{APPROVED, By, Entry, Withdrawn};
use crate::domain::channel::ChannelName;
use crate::domain::rfc3339;
use crate::domain::upgrade::{Advice, Blocked};
use crate::words;

/// What a cluster should do, and where to ask for what the signed documents do not say.
pub fn advice(checked: &Checked, config: &Config) -> String {
    words::verified(&checked.answer(), &ask(checked, config))
}

/// The channel that leads out of where the advice is blocked, if it is another one.
pub fn first(checked: &Checked) -> Option<ChannelName> {
    let Advice::Blocked(blocked) = checked.answer().advice else { return None };
    let channel = match blocked {
        Blocked::MinorGate { next: Some(_), through: channel, .. } | Blocked::NoWay { stay: channel } => {
            channel
        }
        Blocked::UnknownVersion { take: Some(take) } => take.channel,
        // Nothing can be installed in any channel yet.
        Blocked::MinorGate { next: None, .. }
        | Blocked::UnknownVersion { take: None }
        | Blocked::NoPayload { .. }
        | Blocked::Yanked { .. }
        | Blocked::Barrier { .. } => return None,
    };
    Some(channel.name().clone()).filter(|first| *first != checked.channel)
}

/// The addresses at which the server says more than the signed documents.
pub fn ask(Checked { channel, current, .. }: &Checked, config: &Config) -> words::Ask {
    let server = config.server.to_string();
    let arch = config.arch.as_ref().map(|arch| format!("&arch={arch}")).unwrap_or_default();
    words::Ask { update: format!("{server}/v1/channels/{channel}/update?version={current}{arch}"), server }
}

/// What a check has found.
pub fn of_check(checked: &Checked, config: &Config) -> Vec<String> {
    let skipped = checked.skipped.iter().map(|skipped| {
        let until = skipped.not_before.map_or_else(|| "later".to_owned(), |time| format!("`{}`", rfc3339(time)));
        format!(
            "release `{}` is skipped: it has been in `{}` since `{}`, but its release keys do not allow that before {until}",
            skipped.version,
            skipped.channel,
            rfc3339(skipped.since)
        )
    });
    let answer = checked.answer();
    let target = answer.advice.target();
    let unfit =
        target.and_then(|target| wanted(&target.version, &target.payloads, config.arch.as_deref()).err());
    skipped.chain(unfit.map(|refusal| refusal.to_string())).collect()
}

/// An approval of a release that the last check does not advise, so that nothing is applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overtaken {
    /// The release that was approved.
    pub version: String,
    /// When (RFC 3339), if the history still has it.
    pub approved_at: Option<String>,
    /// By whom, if that is known.
    pub approved_by: Option<String>,
    /// When the release was yanked, and why, if it was.
    pub yanked: Option<Withdrawn>,
    /// The release that the last check advises.
    pub target: Option<String>,
    /// The command that approves that.
    pub command: Option<String>,
}

impl Overtaken {
    /// The approval of a cluster that was overtaken, if it was.
    pub fn of(name: &str, Cluster { config, orders, record }: &Cluster) -> Option<Self> {
        let approved =
            orders.approved.as_ref().filter(|approved| record.target.as_ref() != Some(approved))?;
        if config.approval == Approval::Automatic || record.advice.is_none() {
            return None;
        }
        let is_own = |entry: &&Entry| entry.kind == APPROVED && entry.version.as_ref() == Some(approved);
        let order = record.history.iter().rfind(is_own);
        let target = record.target.as_ref().map(ToString::to_string);
        Some(Self {
            version: approved.to_string(),
            approved_at: order.map(|order| rfc3339(order.at)),
            approved_by: order.and_then(|order| order.by.as_ref()).map(By::to_string),
            yanked: record.withdrawn.clone().filter(|withdrawn| withdrawn.version == *approved),
            command: target.as_ref().map(|target| format!("tidegate cluster approve {name} {target}")),
            target,
        })
    }
}

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is approved", self.version)?;
        if let Some(at) = &self.approved_at {
            write!(f, " since `{at}`")?;
        }
        if let Some(by) = &self.approved_by {
            write!(f, " {by}")?;
        }
        match (&self.yanked, &self.target) {
            (Some(Withdrawn { at, reason, .. }), Some(target)) => {
                let at = rfc3339(*at);
                write!(f, ", but was yanked at `{at}` ({reason}), and the last check advises `{target}`")?;
            }
            (Some(Withdrawn { at, reason, .. }), None) => {
                write!(f, ", but was yanked at `{}` ({reason})", rfc3339(*at))?;
            }
            (None, Some(target)) => write!(f, ", but the last check advises `{target}`")?,
            (None, None) => write!(f, ", but the last check no longer advises it")?,
        }
        f.write_str(", so nothing is applied")?;
        self.command.as_ref().map_or(Ok(()), |command| write!(f, "; to approve that: `{command}`"))
    }
}

/// That a release waits until somebody approves it.
pub fn unapproved(name: &str, Cluster { config, orders, record }: &Cluster) -> Option<String> {
    let target = record.target.as_ref().filter(|target| orders.approved.as_ref() != Some(target))?;
    let waits = config.approval == Approval::Admin && config.apply.is_some();
    waits.then(|| {
        format!("`{target}` is not approved; to approve it: `tidegate cluster approve {name} {target}`")
    })
}

/// That the operator has paused updates.
pub fn paused(name: &str, Cluster { orders, .. }: &Cluster) -> Option<String> {
    let pause = orders.paused.as_ref()?;
    let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let since = rfc3339(pause.at);
    Some(format!(
        "updates are paused since `{since}`{reason}; to resume them: `tidegate cluster resume {name}`"
    ))
}

/// That the last release was not applied, and nobody has allowed a retry.
pub fn failed(name: &str, Cluster { orders, record, .. }: &Cluster) -> Option<String> {
    let failure = record.failure.as_ref().filter(|failure| failure.retries >= orders.retries)?;
    let Failure { kind, reason, version, .. } = failure;
    let what = version.as_ref().map_or_else(String::new, |version| format!(" to `{version}`"));
    Some(format!("the update{what} has failed ({kind}): {reason}; {}", retry(name)))
}

/// How far a step is.
pub fn progress(Progress { percent, text }: &Progress) -> String {
    if text.is_empty() { format!("{percent}%") } else { format!("{percent}%: {text}") }
}

/// How to retry a release that has failed.
pub fn retry(name: &str) -> String {
    format!("to retry it: `tidegate cluster check {name} --retry`")
}
