//! Observations about a cluster that do not stop the update.

use super::client::Checked;
use super::download::wanted;
use super::folder::{Approval, Cluster, Config, Failure};
use super::progress::Progress;
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

/// That somebody has approved a release which the last check does not advise.
pub fn overtaken(name: &str, Cluster { config, orders, record }: &Cluster) -> Option<String> {
    let approved = orders.approved.as_ref().filter(|approved| record.target.as_ref() != Some(approved))?;
    if config.approval == Approval::Automatic || record.advice.is_none() {
        return None;
    }
    Some(match &record.target {
        Some(target) => format!(
            "`{approved}` is approved, but the last check advises `{target}`; to approve that: `tidegate cluster approve {name} {target}`"
        ),
        None => format!("`{approved}` is approved, but the last check no longer advises it"),
    })
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
