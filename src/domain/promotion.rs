//! Which release enters its next stage, and why or why not.
//!
//! [`decide`] is the only place in which this is decided. The promoter acts on its decisions; dry runs,
//! `explain`, the API and every page show them.

mod gate;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::Time;
use super::catalog::{Catalog, ChannelRef};
use super::change::Change;
use super::line::{Line, Stage};
use super::named::tagged;
use super::policy::Urgency;
use super::release::{Entry, ManifestState, PayloadState, Release, SCHEDULE};
use super::soak_record;
use super::version::Version;

pub use gate::{Fact, Gate, GateState};

/// Whether a release enters its next stage, with all its gates.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision<'a> {
    pub line: &'a Line,
    pub release: &'a Release,
    /// The place of the stage that the release would enter.
    pub stage: usize,
    pub verdict: Verdict,
    /// Every gate, passed ones too.
    pub gates: Vec<Gate<'a>>,
    /// When the release is overdue: the stage's `max` after the soak began, frozen time not
    /// counted. `None` where nothing soaks.
    pub deadline: Option<Time>,
    /// Whether the deadline has passed. An overdue release is shown more loudly; its gates stay closed.
    pub overdue: bool,
}

tagged! {
    /// The outcome of all gates together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Verdict {
        /// Every gate passes now.
        Promote = "promote",
        /// Every gate passes at `until`, and not before.
        Wait { until: Time } = "wait",
        /// Some gate does not open by itself.
        Blocked = "blocked",
    }
}

impl Verdict {
    /// Until when the release waits.
    #[must_use]
    pub const fn waits_until(self) -> Option<Time> {
        match self {
            Self::Wait { until } => Some(until),
            Self::Promote | Self::Blocked => None,
        }
    }

    /// When the release can enter at the earliest, if it can at all.
    #[must_use]
    pub fn earliest(self, now: Time) -> Option<Time> {
        if self == Self::Promote { Some(now) } else { self.waits_until() }
    }
}

impl<'a> Decision<'a> {
    /// The stage that the release would enter.
    #[must_use]
    pub fn target(&self) -> &'a Stage {
        &self.line.stages[self.stage]
    }

    /// The channel that the release would enter.
    #[must_use]
    pub fn channel(&self) -> ChannelRef<'a> {
        ChannelRef { line: self.line, index: self.stage }
    }

    /// The entry that carries the decision out at `now`, by the schedule.
    #[must_use]
    pub fn entry(&self, now: Time) -> Change {
        let reason = self.gates.iter().find_map(|gate| match gate.fact {
            Fact::Soak { soak, .. } => Some(soak_record::reason(soak.min)),
            _ => None,
        });
        self.enter(Entry { since: now, by: SCHEDULE.to_owned(), reason })
    }

    /// The change by which the release enters the stage with this entry.
    #[must_use]
    pub fn enter(&self, entry: Entry) -> Change {
        let (version, stage) = (self.release.version.clone(), self.target().name.clone());
        Change::Enter { version, stage, entry }
    }

    /// The first gate that blocks.
    #[must_use]
    pub fn blocking(&self) -> Option<&Gate<'a>> {
        self.gates.iter().find(|gate| gate.state == GateState::Blocks)
    }

    /// The gate that says that the line is retired, if it is: the same for all releases of the line.
    #[must_use]
    pub fn retired(&self) -> Option<&Gate<'a>> {
        self.gates.iter().find(|gate| matches!(gate.fact, Fact::Retired { .. }))
    }

    /// What an early promotion of the release needs. `None` where it does not help: a gate blocks, or
    /// neither soak, window nor freeze is in the way.
    #[must_use]
    pub fn early_way(&self) -> Option<EarlyWay> {
        let waits = |wanted: fn(&Fact<'_>) -> bool| self.obstacles().any(|gate| wanted(&gate.fact));
        let during_freeze = waits(|fact| matches!(fact, Fact::Freeze { .. }));
        let skips = during_freeze || waits(|fact| matches!(fact, Fact::Soak { .. } | Fact::Window { .. }));
        let once_signed = waits(|fact| matches!(fact, Fact::NotBefore { .. }));
        (skips && self.verdict != Verdict::Blocked).then_some(EarlyWay { once_signed, during_freeze })
    }

    /// The gates that do not pass.
    pub fn obstacles(&self) -> impl Iterator<Item = &Gate<'a>> {
        self.gates.iter().filter(|gate| gate.state != GateState::Passes)
    }
}

/// What an early promotion needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyWay {
    /// A release key must sign an earlier time first.
    pub once_signed: bool,
    /// It must be promoted during a freeze.
    pub during_freeze: bool,
}

/// Decides for each release that is not in its last stage whether it enters the next one at `now`,
/// by line and in ascending order of versions.
///
/// Whatever the catalog dates after `now` does not exist yet, but for stops that
/// [count at once](super::stop); and a release with an entry for a
/// stage, even a later one, gets no second: it waits for that entry's time.
#[must_use]
pub fn decide(catalog: &Catalog, now: Time) -> Vec<Decision<'_>> {
    catalog.lines().flat_map(|line| decide_line(line, now)).collect()
}

/// Decides for the releases of one line.
#[must_use]
pub fn decide_line(line: &Line, now: Time) -> Vec<Decision<'_>> {
    // For each stage the lowest barrier that has not entered it: releases above wait for that one.
    let mut barriers: Vec<Option<Barrier<'_>>> = vec![None; line.stages.len()];
    let standing: BTreeSet<&Version> = line.barriers(now).map(|(_, version)| version).collect();
    let mut decisions = Vec::new();
    for release in line.releases.values() {
        let Some(stage) = next_stage(line, release, now) else { continue };
        let decision = examine(line, release, stage, now, barriers[stage], None);
        if release.yanked(now).is_none() && standing.contains(&release.version) {
            let verdicts = onwards(&decision, now);
            for (pending, verdict) in barriers.iter_mut().skip(stage).zip(verdicts) {
                pending.get_or_insert(Barrier { release, verdict });
            }
        }
        decisions.push(decision);
    }
    decisions
}

/// What an early promotion skips: always the soak and the window, a freeze only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Early {
    pub during_freeze: bool,
}

/// Decides on an early promotion of one release. `None` if the release is not in the catalog, or
/// is in its last stage already.
#[must_use]
pub fn decide_early<'a>(
    catalog: &'a Catalog,
    version: &Version,
    now: Time,
    early: Early,
) -> Option<Decision<'a>> {
    let (line, _) = catalog.release(version)?;
    let regular = decide_line(line, now).into_iter().find(|decision| decision.release.version == *version)?;
    let barrier = regular.gates.iter().find_map(|gate| match gate.fact {
        Fact::Order { barrier } => Some(Barrier { release: barrier?, verdict: gate.state.into() }),
        _ => None,
    });
    Some(examine(line, regular.release, regular.stage, now, barrier, Some(early)))
}

/// A barrier that has not entered a stage, and what is decided on it.
#[derive(Debug, Clone, Copy)]
struct Barrier<'a> {
    release: &'a Release,
    verdict: Verdict,
}

impl From<GateState> for Verdict {
    fn from(state: GateState) -> Self {
        match state {
            GateState::Passes => Self::Promote,
            GateState::Waits { until } => Self::Wait { until },
            GateState::Blocks => Self::Blocked,
        }
    }
}

/// The verdict on a release's next stage, and for each later stage the earliest time at which the
/// release can enter. A stage that blocks also blocks the later ones.
fn onwards(decision: &Decision<'_>, now: Time) -> Vec<Verdict> {
    let Decision { line, release, stage, .. } = *decision;
    let mut verdicts = vec![decision.verdict];
    let mut entered = decision.verdict.earliest(now);
    for (place, target) in line.stages.iter().enumerate().skip(stage + 1) {
        let recorded = release.entries[place].as_ref().map(|entry| entry.since);
        let signed = release.evidence.manifest.not_before(&target.name);
        let soak = target.soak.as_ref().map_or(TimeDelta::zero(), |soak| soak.of(release.urgency).min);
        let due = entered.filter(|_| target.paused(now).is_none()).map(|entered| {
            let due = (entered + soak).max(signed.unwrap_or(entered));
            calendar(line, target, release.urgency, due, None).0
        });
        entered = recorded.or(due);
        verdicts.push(entered.map_or(Verdict::Blocked, |until| Verdict::Wait { until }));
    }
    verdicts
}

/// The first stage after the last one that the release has entered by `now`.
fn next_stage(line: &Line, release: &Release, now: Time) -> Option<usize> {
    let next = release.stage(now).map_or(0, |stage| stage + 1);
    (next < line.stages.len()).then_some(next)
}

/// Looks at every gate of one promotion.
fn examine<'a>(
    line: &'a Line,
    release: &'a Release,
    stage: usize,
    now: Time,
    barrier: Option<Barrier<'a>>,
    early: Option<Early>,
) -> Decision<'a> {
    let target = &line.stages[stage];
    let mut gates = Vec::with_capacity(10);
    let mut add = |fact: Fact<'a>, state: GateState| gates.push(Gate { fact, state });
    let wait_until = |until: Time| if now < until { GateState::Waits { until } } else { GateState::Passes };
    let block_if = |blocks: bool| if blocks { GateState::Blocks } else { GateState::Passes };

    let recorded = release.entries[stage..].iter().flatten().next().map(|entry| entry.since);
    if let Some(since) = recorded {
        add(Fact::Recorded { since }, wait_until(since));
    }
    if let Some(yank) = release.yanked(now) {
        add(Fact::Yanked { yank }, GateState::Blocks);
    }
    let manifest = &release.evidence.manifest;
    let signed = match manifest {
        ManifestState::Signed(_) => true,
        // A catalog that has no keys yet can still have a history.
        ManifestState::NoTrust => stage > 0,
        ManifestState::Unsigned | ManifestState::Invalid(_) => false,
    };
    add(Fact::Signed { manifest }, block_if(!signed));
    let payload = &release.evidence.payload;
    add(Fact::Payload { payload }, block_if(*payload != PayloadState::Present));

    let mut deadline = None;
    let before = stage.checked_sub(1).and_then(|stage| release.entered(stage, now));
    if let (Some(policy), Some(entry)) = (&target.soak, before) {
        let soak = policy.of(release.urgency);
        let due = entry.since + soak.min;
        let waived = early.is_some() && now < due;
        let passes = if early.is_some() { GateState::Passes } else { wait_until(due) };
        add(Fact::Soak { since: entry.since, soak, due, waived }, passes);
        deadline = Some(unfrozen(line, release.urgency, entry.since, soak.max));
    }
    if let Some(at) = manifest.not_before(&target.name) {
        add(Fact::NotBefore { stage: &target.name, at }, wait_until(at));
    }
    if let Some(retired) = line.retired(now) {
        add(Fact::Retired { line: &line.name, retired }, GateState::Blocks);
    }
    let hold = release.held(now);
    add(Fact::Hold { hold }, block_if(hold.is_some()));
    let paused = target.paused(now);
    add(Fact::Paused { channel: &target.channel, pause: paused }, block_if(paused.is_some()));
    let order = barrier.map_or(GateState::Passes, |barrier| match barrier.verdict.earliest(now) {
        Some(until) => GateState::Waits { until },
        None => GateState::Blocks,
    });
    add(Fact::Order { barrier: barrier.map(|barrier| barrier.release) }, order);

    let due = gates.iter().filter_map(Gate::opens).max().unwrap_or(now);
    let (until, frozen, opens) = calendar(line, target, release.urgency, due, early);
    let waived = early.filter(|early| early.during_freeze).and_then(|_| line.freeze(release.urgency, now));
    gates.push(Gate {
        fact: Fact::Freeze { freeze: waived.or(frozen), waived: waived.is_some() },
        state: frozen.map_or(GateState::Passes, |freeze| GateState::Waits { until: freeze.until }),
    });
    if let Some(window) = &target.window {
        let waived = early.is_some() && !window.is_open(now);
        gates.push(Gate {
            fact: Fact::Window { window, waived },
            state: opens.map_or(GateState::Passes, |until| GateState::Waits { until }),
        });
    }

    // A recorded entry happens at its time, whatever the gates say.
    let verdict = if let Some(until) = recorded {
        Verdict::Wait { until }
    } else if gates.iter().any(|gate| gate.state == GateState::Blocks) {
        Verdict::Blocked
    } else if gates.iter().any(|gate| gate.state != GateState::Passes) {
        Verdict::Wait { until }
    } else {
        Verdict::Promote
    };
    // A release that will never go further cannot be late.
    let overdue = deadline.is_some_and(|deadline| deadline <= now) && line.retired(now).is_none();
    Decision { line, release, stage, verdict, gates, deadline, overdue }
}

/// The first time from `due` on that is outside every freeze and inside the window, with the last freeze
/// and the last opening of the window that delayed it.
fn calendar<'a>(
    line: &'a Line,
    target: &Stage,
    urgency: Urgency,
    due: Time,
    early: Option<Early>,
) -> (Time, Option<&'a super::policy::Freeze>, Option<Time>) {
    let (mut until, mut frozen, mut opens) = (due, None, None);
    let minds_freezes = !early.is_some_and(|early| early.during_freeze);
    let window = target.window.as_ref().filter(|_| early.is_none());
    loop {
        if minds_freezes && let Some(freeze) = line.freeze(urgency, until) {
            until = freeze.until;
            frozen = Some(freeze);
        } else if let Some(open) = window.map(|window| window.next_open(until)).filter(|&open| until < open) {
            until = open;
            opens = Some(open);
        } else {
            return (until, frozen, opens);
        }
    }
}

/// The time at which `time` has passed since `since`, not counting frozen time.
fn unfrozen(line: &Line, urgency: Urgency, since: Time, time: TimeDelta) -> Time {
    let (mut cursor, mut left) = (since, time);
    for freeze in line.freezes.iter().filter(|freeze| !freeze.except.contains(&urgency)) {
        if freeze.until <= cursor {
            continue;
        }
        let free = freeze.from - cursor;
        if left <= free {
            break;
        }
        left -= free.max(TimeDelta::zero());
        cursor = freeze.until;
    }
    cursor + left
}
