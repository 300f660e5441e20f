//! What the page shows of a cluster.

use crate::cluster::Refusal;
use crate::cluster::folder::{Approval, Cluster, Folder, Step};
use crate::cluster::record::{
    self, APPLIED, APPROVED, By, Change, FOLLOWED, PAUSED, RESUMED, STRATEGY_CHANGED, Told,
};
use crate::cluster::status::StatusBody;
use crate::console::cluster::{self, Advice, Entry, Failure, Order, State, View, What};
use crate::domain::Time;
use crate::domain::span::Span;

/// Makes the view of a cluster.
///
/// # Errors
/// When its folder cannot be read.
pub fn view(folder: &Folder, now: Time) -> Result<View, Refusal> {
    let (cluster, StatusBody { metadata, spec, status, .. }) = StatusBody::with_cluster(folder)?;
    let Cluster { config, orders, record } = cluster;
    let failure = record.failure.as_ref().or(record.trouble.as_ref()).zip(status.failure_status);
    let steps = status.task_statuses.into_iter().map(|task| {
        let name = match task.name {
            Step::Download => "Download",
            Step::Verify => "Verify",
            Step::Apply => "Apply",
        };
        cluster::Step { name, state: task.state, reason: task.reason }
    });
    // The agent waits up to a tenth longer, so that clusters do not ask at the same time.
    let due = Span::of_seconds(config.interval.saturating_add(config.interval / 10)).0;
    let is_at_step = status.since.is_some();
    let others = record.channels.iter().filter(|channel| **channel != config.channel);
    Ok(View {
        name: metadata.name,
        server: config.server.to_string(),
        state: status.state,
        current: status.current_version,
        target: status.target_version,
        advice: status.advice.map(|told| advice(told, status.state)),
        can_apply: config.apply.is_some(),
        is_automatic: config.approval == Approval::Automatic,
        paused: orders.paused.map(|pause| (pause.at, pause.reason)),
        failure: failure.map(|(failure, status)| Failure {
            at: failure.at,
            kind: status.kind,
            reason: status.reason,
            hint: status.hint,
        }),
        steps: steps.collect(),
        since: record.since.filter(|_| is_at_step),
        percent: record.progress.as_ref().map(|progress| progress.percent).filter(|_| is_at_step),
        checked: record.checked,
        // One that has just started waits for up to an interval, too.
        due: record.checked.and_then(|checked| checked.checked_add_signed(due)).filter(|due| *due > now),
        expires: record.expires,
        interval: Span::of_seconds(config.interval).to_string(),
        notes: status.notes,
        channel: spec.channel,
        channels: others.map(ToString::to_string).collect(),
        next: record.next.as_ref().filter(|next| **next != config.channel).map(ToString::to_string),
        history: record.history.into_iter().map(entry).collect(),
    })
}

/// The advice without the word that names the state.
fn advice(Told { message, follow, .. }: Told, state: State) -> Advice {
    let word = match state {
        State::UpToDate => "up to date",
        State::Waiting => "wait",
        State::Blocked => "blocked",
        _ => "",
    };
    Advice::new(&message, word, follow.map(|channel| channel.to_string()))
}

fn entry(record::Entry { at, kind, from, version, reason, by, change }: record::Entry) -> Entry {
    let [from, version] = [from, version].map(|version| version.map(|version| version.to_string()));
    let order = match (kind.as_str(), change) {
        (APPROVED, _) => Some(Order::Approve),
        (PAUSED, _) => Some(Order::Pause),
        (RESUMED, _) => Some(Order::Resume),
        (FOLLOWED, Some(Change { from, to })) => Some(Order::Follow { from, to }),
        (STRATEGY_CHANGED, Some(Change { from, to })) => Some(Order::Strategy { from, to }),
        _ => None,
    };
    let by = by.map(|by| match by {
        By::Page => "on this page".to_owned(),
        By::Command(Some(name)) => format!("by {name}, with a command"),
        By::Command(None) => "with a command".to_owned(),
    });
    let what = match order {
        Some(order) => What::Ordered { order, reason, by },
        None if kind == APPLIED => What::Applied(from),
        None => What::Failed { kind, reason },
    };
    Entry { at, version, what }
}
