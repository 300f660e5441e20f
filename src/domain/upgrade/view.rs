//! What each channel offers at one point in time, prepared for many queries.

use std::collections::HashMap;
use std::ops::{Bound, RangeBounds};

use super::super::Time;
use super::super::catalog::{Catalog, ChannelRef};
use super::super::channel::LineName;
use super::super::line::Line;
use super::super::not_promoting::NotPromoting;
use super::super::promotion::{Decision, Gate};
use super::super::release::Release;
use super::super::version::Version;
use super::gate::MinorGate;
use super::{Advice, Blocked, Coming, Newer, Wait, When, Withdrawn};

/// The state of every channel of a catalog at one point in time.
#[derive(Debug)]
pub struct Views<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: Time,
    lines: HashMap<&'a LineName, LineView<'a>>,
}

#[derive(Debug)]
struct LineView<'a> {
    gate: MinorGate<'a>,
    stages: Vec<View<'a>>,
}

/// The state of one channel at one point in time. The lists are ordered by version.
#[derive(Debug, Default)]
pub(super) struct View<'a> {
    offered: Vec<&'a Release>,
    /// The barriers of the channel. A yanked barrier is represented by its replacement.
    barriers: Vec<&'a Version>,
    /// In any order.
    coming: Vec<Coming<'a>>,
    /// The highest yanked release of the channel, or on its way to it.
    withdrawn: Option<Withdrawn<'a>>,
}

/// The next step up from a version in one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Towards<'a> {
    /// Install `release`, the highest one allowed. `barrier` says whether a barrier holds back higher ones.
    Take { release: &'a Release, barrier: bool },
    /// A barrier that the channel does not offer blocks everything above it.
    Barrier { version: &'a Version },
    /// Nothing higher is on offer.
    Nothing,
}

impl<'a> Towards<'a> {
    /// The barrier that blocks everything above it.
    pub(super) const fn barrier(self) -> Option<&'a Version> {
        match self {
            Self::Barrier { version } => Some(version),
            Self::Take { .. } | Self::Nothing => None,
        }
    }
}

impl<'a> Views<'a> {
    /// Prepares every channel at `now`. `decisions` must come from
    /// [`decide`](super::super::promotion::decide) for the same catalog and time.
    pub fn new(catalog: &'a Catalog, decisions: &[Decision<'a>], now: Time) -> Self {
        let mut lines: HashMap<&LineName, LineView<'_>> = catalog
            .lines()
            .map(|line| {
                let stages = (0..line.stages.len()).map(|stage| View::new(line, stage, now)).collect();
                (&line.name, LineView { gate: MinorGate::new(catalog, line, now), stages })
            })
            .collect();
        for decision in decisions {
            // Nobody waits for a yanked release, and nothing enters a stage of a retired line.
            if decision.release.yanked(now).is_some() || decision.retired().is_some() {
                continue;
            }
            let Some(line) = lines.get_mut(&decision.line.name) else { continue };
            let coming = Coming::of(decision, decisions);
            let later = decision.later.iter().enumerate().map(|(place, verdict)| {
                let channel = ChannelRef { line: decision.line, index: decision.stage + 1 + place };
                coming.further(channel, *verdict)
            });
            let stages = line.stages.iter_mut().skip(decision.stage);
            for (view, coming) in stages.zip(std::iter::once(coming).chain(later)) {
                view.coming.push(coming);
            }
        }
        Self { catalog, now, lines }
    }

    /// Prepares every channel for a reader of signed documents, which say less about what comes than decisions
    /// do: only when release keys allow a release in the next stage.
    pub fn signed(catalog: &'a Catalog, now: Time) -> Self {
        let mut views = Self::new(catalog, &[], now);
        for line in catalog.lines() {
            for release in line.releases.values() {
                let Some(coming) = Coming::signed(line, release, now) else { continue };
                let Some(lines) = views.lines.get_mut(&line.name) else { continue };
                lines.stages[coming.channel.index].coming.push(coming);
            }
        }
        views
    }

    /// The views of a server that does not promote, if it does not.
    #[must_use]
    pub fn not_promoting(mut self, why: Option<NotPromoting>) -> Self {
        let views = self.lines.values_mut().flat_map(|line| &mut line.stages);
        for coming in views.flat_map(|view| &mut view.coming).filter(|coming| coming.is_expected()) {
            coming.not_promoting = why.filter(|why| why.concerns(coming.when == When::Due));
        }
        self
    }

    /// The time of the views.
    pub const fn now(&self) -> Time {
        self.now
    }

    pub(super) fn view(&self, channel: ChannelRef<'a>) -> &View<'a> {
        &self.lines[&channel.line.name].stages[channel.index]
    }

    pub(super) fn gate(&self, line: &Line) -> &MinorGate<'a> {
        &self.lines[&line.name].gate
    }

    /// The line after `own` on the upgrade path to `goal`, or `None` if there is no path.
    pub(super) fn line_after(&self, own: &Line, goal: &'a Line) -> Option<&'a Line> {
        let mut line = goal;
        loop {
            let follows = &line.follows.as_ref()?.line;
            if *follows == own.name {
                return Some(line);
            }
            line = self.catalog.line(follows)?;
        }
    }

    /// The advice for a cluster below a barrier that its channel does not offer.
    pub(super) fn behind(
        &self,
        channel: ChannelRef<'a>,
        barrier: &'a Version,
        above: Bound<&Version>,
    ) -> Advice<'a> {
        match self.view(channel).first_coming(above, Bound::Included(barrier)) {
            Some(coming) if coming.is_expected() => Advice::Wait(Wait::Coming(Box::new(coming))),
            stuck => {
                let stuck = stuck.map(Box::new);
                Advice::Blocked(Blocked::Barrier { barrier, channel, stuck })
            }
        }
    }

    /// The last stage of a line that has something on offer.
    pub(super) fn last_offering(&self, line: &'a Line) -> Option<ChannelRef<'a>> {
        let stages = &self.lines[&line.name].stages;
        let index = stages.iter().rposition(|view| !view.offered.is_empty())?;
        Some(ChannelRef { line, index })
    }
}

impl<'a> View<'a> {
    fn new(line: &'a Line, stage: usize, now: Time) -> Self {
        let offered: Vec<&Release> = line.offered(stage, now).collect();
        let mut barriers: Vec<&Version> = line.barriers_in(stage, now).collect();
        barriers.sort_unstable();
        barriers.dedup();
        let withheld = line.releases.values().filter(|release| release.is_in(stage, now));
        let withheld = withheld.filter_map(|release| {
            let channel = ChannelRef { line, index: stage };
            Some(Coming::withheld(release, channel, Gate::withholding(release, now)?))
        });
        let reached = |release: &&Release| (0..=stage).any(|stage| release.is_in(stage, now));
        let mut yanked = line.releases.values().rev().filter_map(|release| {
            Some(Withdrawn { release, yank: Some(release).filter(reached)?.yanked(now)? })
        });
        Self { offered, barriers, coming: withheld.collect(), withdrawn: yanked.next() }
    }

    pub(super) fn latest(&self) -> Option<&'a Release> {
        self.offered.last().copied()
    }

    /// The next step above a version: the highest release on offer that does not jump over a barrier.
    pub(super) fn towards(&self, above: Bound<&Version>) -> Towards<'a> {
        let candidates =
            &self.offered[self.offered.partition_point(|release| !is_above(&release.version, above))..];
        let Some(&highest) = candidates.last() else { return Towards::Nothing };
        let barrier = self.barriers.iter().find(|version| is_above(version, above));
        let Some(&barrier) = barrier else { return Towards::Take { release: highest, barrier: false } };
        match candidates[..candidates.partition_point(|release| release.version <= *barrier)].last() {
            Some(&release) => Towards::Take { release, barrier: release.version != highest.version },
            None => Towards::Barrier { version: barrier },
        }
    }

    /// The first release expected above a version, by date and then by version. If none is expected, the
    /// highest of those that are stuck.
    pub(super) fn coming(&self, above: Bound<&Version>) -> Option<Coming<'a>> {
        self.first_coming(above, Bound::Unbounded)
    }

    /// What is known about releases above a version that are not on offer. The highest of those that are
    /// stuck does not matter if a higher one enters the channel next.
    pub(super) fn newer(&self, above: Bound<&Version>) -> Newer<'a> {
        let coming = self.coming(above);
        let matters = |stuck: &&Coming<'a>| {
            coming.is_some_and(|coming| {
                coming.is_expected()
                    && (coming.first.is_some() || coming.release.version < stuck.release.version)
            })
        };
        let stuck = self.coming.iter().filter(|coming| !coming.is_expected());
        let stuck = stuck.filter(|stuck| is_above(&stuck.release.version, above));
        let stuck = stuck.max_by_key(|stuck| &stuck.release.version).filter(matters).copied();
        let withdrawn = self.withdrawn.filter(|withdrawn| is_above(&withdrawn.release.version, above));
        Newer { coming, stuck, withdrawn }
    }

    fn first_coming(&self, above: Bound<&Version>, until: Bound<&Version>) -> Option<Coming<'a>> {
        let within = || {
            let coming = self.coming.iter().copied();
            coming.filter(|coming| is_within(&coming.release.version, above, until))
        };
        // What is due for an earlier stage has a longer way than what only waits for its day.
        let time = |coming: &Coming<'a>| match (coming.when, coming.first) {
            (When::At(until), _) => until,
            (_, None) => Time::MIN_UTC,
            (_, Some(_)) => Time::MAX_UTC,
        };
        let expected = within().filter(Coming::is_expected);
        expected
            .min_by_key(|coming| (time(coming), &coming.release.version))
            .or_else(|| within().max_by_key(|coming| &coming.release.version))
    }
}

fn is_above(version: &Version, above: Bound<&Version>) -> bool {
    is_within(version, above, Bound::Unbounded)
}

fn is_within(version: &Version, above: Bound<&Version>, until: Bound<&Version>) -> bool {
    RangeBounds::<Version>::contains(&(above, until), version)
}
