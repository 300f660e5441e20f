//! What each channel offers at one point in time, prepared for many queries.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::OnceLock;

use super::super::catalog::{Catalog, ChannelRef};
use super::super::channel::LineName;
use super::super::line::Line;
use super::super::not_promoting::NotPromoting;
use super::super::promotion::{Decision, Gate};
use super::super::release::Release;
use super::super::version::Version;
use super::super::{Time, steps};
use super::coming::behind;
use super::expected::{Expected, is_above};
use super::gate::MinorGate;
use super::paths::Paths;
use super::{Advice, Blocked, Coming, Newer, Wait, When, Withdrawn};

/// The state of every channel of a catalog at one point in time. A line is prepared when it is first asked
/// about, so that who asks about one line pays for that line and the one that it follows.
#[derive(Debug)]
pub struct Views<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: Time,
    pub(super) paths: Paths,
    known: Known<'a>,
    not_promoting: Option<NotPromoting>,
    lines: HashMap<&'a LineName, OnceLock<LineView<'a>>>,
}

/// What is known about the releases that are on their way.
#[derive(Debug)]
enum Known<'a> {
    /// The decisions about them, sorted by line and version.
    Decided(&'a [Decision<'a>]),
    /// What their signatures say.
    Signed,
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
    coming: Expected<'a>,
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
    /// The channels at `now`. `decisions` must come from [`decide`](super::super::promotion::decide) for the
    /// same catalog and time.
    pub fn new(catalog: &'a Catalog, decisions: &'a [Decision<'a>], now: Time) -> Self {
        Self::of(catalog, Known::Decided(decisions), now)
    }

    /// The channels for a reader of signed documents, which say less about what comes than decisions do:
    /// only when release keys allow a release in the next stage.
    pub fn signed(catalog: &'a Catalog, now: Time) -> Self {
        Self::of(catalog, Known::Signed, now)
    }

    fn of(catalog: &'a Catalog, known: Known<'a>, now: Time) -> Self {
        let paths = Paths::of(catalog);
        let lines = catalog.lines().map(|line| (&line.name, OnceLock::new())).collect();
        Self { catalog, now, paths, known, not_promoting: None, lines }
    }

    /// The views of a server that does not promote, if it does not.
    #[must_use]
    pub fn not_promoting(self, why: Option<NotPromoting>) -> Self {
        Self { not_promoting: why, ..self }
    }

    /// The time of the views.
    pub const fn now(&self) -> Time {
        self.now
    }

    fn line(&self, line: &'a Line) -> &LineView<'a> {
        self.lines[&line.name].get_or_init(|| {
            line.releases.values().for_each(|_| steps::count());
            let mut coming = self.coming(line);
            for coming in coming.iter_mut().flatten().filter(|coming| coming.is_expected()) {
                coming.not_promoting =
                    self.not_promoting.filter(|why| why.concerns(coming.when == When::Due));
            }
            let stages = coming.into_iter().enumerate();
            let stages = stages.map(|(stage, coming)| View::new(line, stage, coming, self.now)).collect();
            LineView { gate: MinorGate::new(self.catalog, line, self.now), stages }
        })
    }

    /// The releases that are on their way to each stage of a line, or are in it but not on offer.
    fn coming(&self, line: &'a Line) -> Vec<Vec<Coming<'a>>> {
        let mut stages: Vec<Vec<Coming<'a>>> = Vec::new();
        for index in 0..line.stages.len() {
            let withheld = line.releases.values().filter(|release| release.is_in(index, self.now));
            let withheld = withheld.filter_map(|release| {
                let channel = ChannelRef { line, index };
                Some(Coming::withheld(release, channel, Gate::withholding(release, self.now)?))
            });
            stages.push(withheld.collect());
        }
        let decisions = match self.known {
            Known::Decided(decisions) => of_line(decisions, &line.name),
            Known::Signed => {
                let signed = line.releases.values();
                for coming in signed.filter_map(|release| Coming::signed(line, release, self.now)) {
                    stages[coming.channel.index].push(coming);
                }
                &[]
            }
        };
        for (decision, behind) in decisions.iter().zip(behind(decisions)) {
            // Nobody waits for a yanked release, and nothing enters a stage of a retired line.
            if decision.release.yanked(self.now).is_some() || decision.retired().is_some() {
                continue;
            }
            let next = Coming::of(decision, behind);
            let later = decision.later.iter().zip(decision.stage + 1..);
            let later = later.map(|(verdict, index)| next.further(ChannelRef { line, index }, *verdict));
            let coming = std::iter::once(next).chain(later);
            stages.iter_mut().skip(decision.stage).zip(coming).for_each(|(stage, coming)| stage.push(coming));
        }
        stages
    }

    pub(super) fn view(&self, channel: ChannelRef<'a>) -> &View<'a> {
        &self.line(channel.line).stages[channel.index]
    }

    pub(super) fn gate(&self, line: &'a Line) -> &MinorGate<'a> {
        &self.line(line).gate
    }

    /// The advice for a cluster below a barrier that its channel does not offer.
    pub(super) fn behind(
        &self,
        channel: ChannelRef<'a>,
        barrier: &'a Version,
        above: Bound<&Version>,
    ) -> Advice<'a> {
        match self.view(channel).coming.first(above, Some(barrier)) {
            Some(coming) if coming.is_expected() => Advice::Wait(Wait::Coming(Box::new(coming))),
            stuck => {
                let stuck = stuck.map(Box::new);
                Advice::Blocked(Blocked::Barrier { barrier, channel, stuck })
            }
        }
    }

    /// The last stage of a line that has something on offer.
    pub(super) fn last_offering(&self, line: &'a Line) -> Option<ChannelRef<'a>> {
        let index = self.line(line).stages.iter().rposition(|view| !view.offered.is_empty())?;
        Some(ChannelRef { line, index })
    }
}

/// The decisions about one line, of all that are sorted by line.
fn of_line<'d, 'a>(decisions: &'d [Decision<'a>], line: &LineName) -> &'d [Decision<'a>] {
    let begin = decisions.partition_point(|decision| decision.line.name < *line);
    let length = decisions[begin..].partition_point(|decision| decision.line.name == *line);
    &decisions[begin..begin + length]
}

impl<'a> View<'a> {
    fn new(line: &'a Line, stage: usize, coming: Vec<Coming<'a>>, now: Time) -> Self {
        let offered: Vec<&Release> = line.offered(stage, now).collect();
        let mut barriers: Vec<&Version> = line.barriers_in(stage, now).collect();
        barriers.sort_unstable();
        barriers.dedup();
        let reached = |release: &&Release| (0..=stage).any(|stage| release.is_in(stage, now));
        let mut yanked = line.releases.values().rev().filter_map(|release| {
            Some(Withdrawn { release, yank: Some(release).filter(reached)?.yanked(now)? })
        });
        Self { offered, barriers, coming: Expected::new(coming), withdrawn: yanked.next() }
    }

    pub(super) fn latest(&self) -> Option<&'a Release> {
        self.offered.last().copied()
    }

    /// The next step above a version: the highest release on offer that does not jump over a barrier.
    pub(super) fn towards(&self, above: Bound<&Version>) -> Towards<'a> {
        let candidates =
            &self.offered[self.offered.partition_point(|release| !is_above(&release.version, above))..];
        let Some(&highest) = candidates.last() else { return Towards::Nothing };
        let passed = self.barriers.partition_point(|version| !is_above(version, above));
        let Some(&barrier) = self.barriers.get(passed) else {
            return Towards::Take { release: highest, barrier: false };
        };
        match candidates[..candidates.partition_point(|release| release.version <= *barrier)].last() {
            Some(&release) => Towards::Take { release, barrier: release.version != highest.version },
            None => Towards::Barrier { version: barrier },
        }
    }

    /// The first release expected above a version, by date and then by version. If none is expected, the
    /// highest of those that are stuck.
    pub(super) fn coming(&self, above: Bound<&Version>) -> Option<Coming<'a>> {
        self.coming.first(above, None)
    }

    /// What is known about releases above a version that are not on offer. The highest of those that are
    /// stuck does not matter if a higher one enters the channel next.
    pub(super) fn newer(&self, above: Bound<&Version>) -> Newer<'a> {
        let coming = self.coming(above);
        let matters = |stuck: &Coming<'a>| {
            coming.is_some_and(|coming| {
                coming.is_expected()
                    && (coming.first.is_some() || coming.release.version < stuck.release.version)
            })
        };
        let stuck = self.coming.stuck(above).filter(matters);
        let withdrawn = self.withdrawn.filter(|withdrawn| is_above(&withdrawn.release.version, above));
        Newer { coming, stuck, withdrawn }
    }
}
