//! Releases that a cluster could have later, and those that it cannot have any more.

use super::super::Time;
use super::super::catalog::ChannelRef;
use super::super::line::Line;
use super::super::not_promoting::NotPromoting;
use super::super::promotion::{Decision, Fact, Gate, GateState, Verdict};
use super::super::release::{Release, Yank};

/// What is known about releases above the cluster's that are not on offer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Newer<'a> {
    /// The next one to come. If none is expected, the highest of those that are stuck.
    pub coming: Option<Coming<'a>>,
    /// The highest of those that are stuck, if `coming` does not take its place.
    pub stuck: Option<Coming<'a>>,
    /// The highest of those that were yanked.
    pub withdrawn: Option<Withdrawn<'a>>,
    /// The highest of those that are on offer, but not for the cluster's architecture.
    pub unfit: Option<NoPayload<'a>>,
}

/// A release on offer that has no payload for the architecture of the cluster that asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoPayload<'a> {
    pub release: &'a Release,
    pub arch: &'a str,
}

/// A release that is not on offer in a channel yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coming<'a> {
    pub release: &'a Release,
    /// The channel that the release should be on offer in, or, if somebody must act first, the next one
    /// that it enters.
    pub channel: ChannelRef<'a>,
    pub when: When,
    /// If somebody must act first, the time before which the release cannot enter `channel` even so.
    pub not_before: Option<Time>,
    /// The gate that keeps it out, if there is one: the one that blocks or else the one that opens last.
    pub gate: Option<Gate<'a>>,
    /// The older barrier that the gate waits for.
    pub behind: Option<Behind<'a>>,
    /// The channel of an earlier stage that the release enters before `channel`.
    pub first: Option<First<'a>>,
    /// Whether the release should have entered by now.
    pub overdue: bool,
    /// Why the server does not promote the release, if it is due or waits only for its time.
    pub not_promoting: Option<NotPromoting>,
}

/// When a release comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At this time at the earliest.
    At(Time),
    /// It is due, and nobody has promoted it.
    Due,
    /// Once somebody acts.
    SomebodyActs,
    /// Nobody has signed when.
    Unsigned,
}

/// An older barrier that must enter a channel first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behind<'a> {
    pub barrier: &'a Release,
    /// The gate that keeps the barrier out. `None` if it is due.
    pub gate: Option<Gate<'a>>,
}

/// The next channel that a release enters, on its way to a later one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct First<'a> {
    pub channel: ChannelRef<'a>,
    /// The earliest time. `None` if the release is due.
    pub until: Option<Time>,
}

/// A release that was yanked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Withdrawn<'a> {
    pub release: &'a Release,
    pub yank: &'a Yank,
}

impl<'a> NoPayload<'a> {
    /// That a release has no payload for an architecture, if one is given.
    pub(super) fn of(release: &'a Release, arch: Option<&'a str>) -> Option<Self> {
        let arch = arch.filter(|arch| !release.fits(arch))?;
        Some(Self { release, arch })
    }
}

impl<'a> Coming<'a> {
    /// The release of a decision, on its way to the next stage. `behind` is the barrier that it waits for.
    pub(super) fn of(decision: &Decision<'a>, behind: Option<Behind<'a>>) -> Self {
        let when = match decision.verdict {
            Verdict::Promote => When::Due,
            Verdict::Wait { until } => When::At(until),
            Verdict::Blocked => When::SomebodyActs,
        };
        let opens = decision.obstacles().filter_map(Gate::opens).max();
        Self {
            release: decision.release,
            channel: decision.channel(),
            when,
            not_before: opens.filter(|_| when == When::SomebodyActs),
            gate: obstacle(decision),
            behind,
            first: None,
            overdue: decision.overdue,
            not_promoting: None,
        }
    }

    /// A release that has entered a channel, and is not on offer there for want of its payload or signature.
    pub(super) const fn withheld(release: &'a Release, channel: ChannelRef<'a>, gate: Gate<'a>) -> Self {
        let gate = Some(gate);
        Self {
            release,
            channel,
            when: When::SomebodyActs,
            not_before: None,
            gate,
            behind: None,
            first: None,
            overdue: false,
            not_promoting: None,
        }
    }

    /// A release that is on offer in an earlier stage, and what its signature says about the channel of the
    /// next stage. `None` if it is nowhere, in the last stage, or goes no further.
    pub(super) fn signed(line: &'a Line, release: &'a Release, now: Time) -> Option<Self> {
        let index = release.stage(now)? + 1;
        let stage = line.stages.get(index)?;
        if !release.is_deliverable() || release.yanked(now).is_some() || line.retired(now).is_some() {
            return None;
        }
        let at = release.evidence.manifest.not_before(&stage.name).filter(|at| now < *at);
        let gate = at.map(|at| Gate {
            fact: Fact::NotBefore { stage: &stage.name, at },
            state: GateState::Waits { until: at },
        });
        let when = at.map_or(When::Unsigned, When::At);
        let channel = ChannelRef { line, index };
        let (not_before, behind, first, overdue, not_promoting) = (None, None, None, false, None);
        Some(Self { release, channel, when, not_before, gate, behind, first, overdue, not_promoting })
    }

    /// The same release on its way to the channel of a later stage. `verdict` says when it can enter that.
    pub(super) fn further(self, channel: ChannelRef<'a>, verdict: Verdict) -> Self {
        let until = match self.when {
            When::At(until) => Some(until),
            When::Due => None,
            // What somebody must let into an earlier stage is missing in the later ones, too.
            When::SomebodyActs | When::Unsigned => return self,
        };
        let when = match (verdict, until) {
            (Verdict::Blocked, _) => When::SomebodyActs,
            (_, None) | (Verdict::Promote, _) => When::Due,
            (Verdict::Wait { until }, Some(_)) => When::At(until),
        };
        Self { channel, when, first: Some(First { channel: self.channel, until }), ..self }
    }

    /// Whether the release comes without anybody acting, as far as is known.
    pub fn is_expected(&self) -> bool {
        matches!(self.when, When::At(_) | When::Due)
    }
}

/// The gate that blocks or else the one that opens last.
fn obstacle<'a>(decision: &Decision<'a>) -> Option<Gate<'a>> {
    let last = || decision.obstacles().copied().reduce(|a, b| if a.opens() < b.opens() { b } else { a });
    let blocking = decision.blocking().copied().filter(|_| decision.verdict == Verdict::Blocked);
    blocking.or_else(last)
}

/// For each decision of a line, the barrier at which its release waits for another one, and what keeps that
/// barrier out. If that barrier waits for an older one itself, the older one, and so on.
pub(super) fn behind<'a>(decisions: &[Decision<'a>]) -> Vec<Option<Behind<'a>>> {
    let mut found: Vec<Option<Behind<'a>>> = Vec::with_capacity(decisions.len());
    for decision in decisions {
        let behind = match obstacle(decision) {
            Some(Gate { fact: Fact::Order { barrier: Some(barrier), .. }, .. }) => {
                // A barrier is older than what waits for it, so it was looked at before.
                let place = decisions[..found.len()]
                    .binary_search_by(|other| other.release.version.cmp(&barrier.version));
                let gate = place.ok().and_then(|place| obstacle(&decisions[place]));
                let older = place.ok().and_then(|place| found[place]);
                Some(older.unwrap_or(Behind { barrier, gate }))
            }
            _ => None,
        };
        found.push(behind);
    }
    found
}
