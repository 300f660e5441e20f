//! Which release enters its next stage, and why or why not.
//!
//! [`decide`] is the only place in which this is decided. The promoter acts on its decisions; dry runs,
//! `explain`, the API and every page show them.

mod gate;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::Time;
use super::catalog::{Catalog, ChannelRef};
use super::change::Change;
use super::line::{Line, Stage};
use super::named::tagged;
use super::release::{Entry, Release, SCHEDULE};
use super::soak_record;
use super::version::Version;

use gate::{Barrier, examine};
pub use gate::{Early, Fact, Gate, GateState, SoakEnd};

/// The decision whether a release enters its next stage, with every gate.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Decision<'a> {
    pub line: &'a Line,
    pub release: &'a Release,
    /// The time that the decision is for.
    pub now: Time,
    /// The index of the stage that the release would enter.
    pub stage: usize,
    pub verdict: Verdict,
    /// For each stage after that one, when the release can enter it at the earliest. Nothing is decided
    /// about these stages yet.
    pub later: Vec<Verdict>,
    /// Every gate, including those that pass.
    pub gates: Vec<Gate<'a>>,
    /// When the release becomes overdue: once the soak has lasted for its `max`, not counting time in
    /// freezes and holds. `None` if the stage has no soak, or while the release is held or not on offer.
    pub deadline: Option<Time>,
    /// Whether the deadline has passed. An overdue release is shown more prominently, but no gate opens
    /// because of that.
    pub overdue: bool,
}

tagged! {
    /// The outcome of all gates together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Verdict {
        /// Every gate passes now.
        Promote = "promote",
        /// At least one gate waits, and all of them pass at `until`.
        Wait { until: Time } = "wait",
        /// At least one gate opens only when somebody acts.
        Blocked = "blocked",
    }
}

impl Verdict {
    /// The time until which the release waits, if it does.
    pub const fn waits_until(self) -> Option<Time> {
        match self {
            Self::Wait { until } => Some(until),
            Self::Promote | Self::Blocked => None,
        }
    }

    /// The earliest time at which the release can enter the stage. `None` if a gate blocks it.
    pub fn earliest(self, now: Time) -> Option<Time> {
        if self == Self::Promote { Some(now) } else { self.waits_until() }
    }

    /// Whether this verdict lets a release in before `other` does. Blocked is later than any time.
    fn is_before(self, other: Self, now: Time) -> bool {
        match (self.earliest(now), other.earliest(now)) {
            (Some(own), Some(other)) => own < other,
            (own, None) => own.is_some(),
            (None, Some(_)) => false,
        }
    }
}

impl<'a> Decision<'a> {
    /// The stage that the release would enter.
    pub fn target(&self) -> &'a Stage {
        &self.line.stages[self.stage]
    }

    /// The channel that the release would enter.
    pub fn channel(&self) -> ChannelRef<'a> {
        ChannelRef { line: self.line, index: self.stage }
    }

    /// The change that carries out the decision at `now` in the name of the schedule.
    pub fn entry(&self, now: Time) -> Change {
        let reason = self.gates.iter().find_map(|gate| match gate.fact {
            Fact::Soak { soak, .. } => Some(soak_record::reason(soak.min)),
            _ => None,
        });
        self.enter(Entry::new(now, SCHEDULE.to_owned(), reason))
    }

    /// Returns the change that makes the release enter the stage with this entry.
    pub fn enter(&self, entry: Entry) -> Change {
        let (version, stage) = (self.release.version.clone(), self.target().name.clone());
        Change::Enter { version, stage, entry }
    }

    /// The first gate that blocks.
    pub fn blocking(&self) -> Option<&Gate<'a>> {
        self.gates.iter().find(|gate| gate.state == GateState::Blocks)
    }

    /// The gate that blocks because the line is retired, if it is. It is the same for all releases of the
    /// line.
    pub fn retired(&self) -> Option<&Gate<'a>> {
        self.gates.iter().find(|gate| matches!(gate.fact, Fact::Retired { .. }))
    }

    /// When the entry that the release waits for is dated, if that is ahead of the clock.
    pub fn ahead(&self) -> Option<Time> {
        self.gates.iter().find_map(|gate| match gate.fact {
            Fact::Recorded { since, ahead: true } => Some(since),
            _ => None,
        })
    }

    /// What an early promotion of the release requires. `None` if it would not help, because a gate blocks,
    /// because the release has an entry already, or because neither soak, window nor freeze is in the way.
    pub fn early_way(&self) -> Option<EarlyWay> {
        let waits = |wanted: fn(&Fact<'_>) -> bool| self.obstacles().any(|gate| wanted(&gate.fact));
        let during_freeze = waits(|fact| matches!(fact, Fact::Freeze { .. }));
        let skips = during_freeze || waits(|fact| matches!(fact, Fact::Soak { .. } | Fact::Window { .. }));
        let once_signed = waits(|fact| matches!(fact, Fact::NotBefore { .. }));
        // A soak that stands still blocks, and an early promotion skips it.
        let is_in_the_way = |gate: &Gate<'_>| match gate.fact {
            Fact::Soak { .. } => false,
            Fact::Recorded { .. } => gate.state != GateState::Passes,
            _ => gate.state == GateState::Blocks,
        };
        (skips && !self.gates.iter().any(is_in_the_way)).then_some(EarlyWay { once_signed, during_freeze })
    }

    /// The gates that do not pass.
    pub fn obstacles(&self) -> impl Iterator<Item = &Gate<'a>> {
        self.gates.iter().filter(|gate| gate.state != GateState::Passes)
    }
}

/// What an early promotion requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyWay {
    /// A release key must first sign an earlier `not_before` for the release.
    pub once_signed: bool,
    /// The promotion must be allowed during a freeze.
    pub during_freeze: bool,
}

/// Decides for each release that is not in its last stage whether it enters the next one at `now`. The
/// decisions are ordered by line and version.
///
/// Anything dated after `now` in the catalog does not exist yet, except for stops that [take effect at
/// once](super::stop). A release that already has an entry for the stage or a later one gets no second
/// entry: it waits for that entry's time.
pub fn decide(catalog: &Catalog, now: Time) -> Vec<Decision<'_>> {
    catalog.lines().flat_map(|line| decide_line(line, now)).collect()
}

/// Makes the decisions for the releases of one line.
pub fn decide_line(line: &Line, now: Time) -> Vec<Decision<'_>> {
    // For each stage, the barrier that will enter it last. Releases above the barriers wait for all of them.
    let mut barriers: Vec<Option<Barrier<'_>>> = vec![None; line.stages.len()];
    let standing: BTreeSet<&Version> = line.barriers(now).map(|(_, version)| version).collect();
    let mut decisions = Vec::new();
    for release in line.releases.values() {
        let Some(stage) = next_stage(line, release, now) else { continue };
        let mut decision = examine(line, release, stage, now, barriers[stage], None);
        decision.later = onwards(&decision, &barriers, now);
        if release.yanked(now).is_none() && standing.contains(&release.version) {
            let verdicts = std::iter::once(&decision.verdict).chain(&decision.later);
            for (pending, &verdict) in barriers.iter_mut().skip(stage).zip(verdicts) {
                if pending.is_none_or(|barrier| barrier.verdict.is_before(verdict, now)) {
                    *pending = Some(Barrier { release, verdict });
                }
            }
        }
        decisions.push(decision);
    }
    decisions
}

/// Decides on one release as if no older barrier stood in its way. For a barrier that [`decide_line`] makes
/// others wait for, this is why it has not entered.
pub fn decide_alone<'a>(line: &'a Line, release: &'a Release, now: Time) -> Option<Decision<'a>> {
    Some(examine(line, release, next_stage(line, release, now)?, now, None, None))
}

/// Decides whether one release can be promoted early. `None` if the release is not in the catalog, or is
/// already in its last stage.
pub fn decide_early<'a>(
    catalog: &'a Catalog,
    version: &Version,
    now: Time,
    early: Early,
) -> Option<Decision<'a>> {
    let (line, _) = catalog.release(version)?;
    let regular = decide_line(line, now).into_iter().find(|decision| decision.release.version == *version)?;
    let barrier = regular.gates.iter().find_map(|gate| match gate.fact {
        Fact::Order { barrier, .. } => Some(Barrier { release: barrier?, verdict: gate.state.into() }),
        _ => None,
    });
    Some(examine(line, regular.release, regular.stage, now, barrier, Some(early)))
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

/// Returns, for each stage after the next one, the earliest time at which a release can enter it. `barriers`
/// are the older barriers that have not entered each stage. A blocked stage also blocks the later ones.
fn onwards(decision: &Decision<'_>, barriers: &[Option<Barrier<'_>>], now: Time) -> Vec<Verdict> {
    let Decision { line, release, stage, .. } = *decision;
    let mut entered = decision.verdict.earliest(now);
    let later = (stage + 1..line.stages.len()).map(|place| {
        let recorded = release.entries[place].as_ref().map(|entry| entry.since);
        let due = entered.and_then(|entered| {
            let order = barriers[place].map_or(Some(entered), |barrier| barrier.verdict.earliest(now))?;
            gate::due(line, release, place, (entered, order), now)
        });
        entered = recorded.or(due);
        entered.map_or(Verdict::Blocked, |until| Verdict::Wait { until })
    });
    later.collect()
}

/// The first stage after the last one that the release has entered by `now`.
fn next_stage(line: &Line, release: &Release, now: Time) -> Option<usize> {
    let next = release.stage(now).map_or(0, |stage| stage + 1);
    (next < line.stages.len()).then_some(next)
}
