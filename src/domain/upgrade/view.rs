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
use super::{Advice, Blocked, Coming, Newer, NoPayload, Wait, When, Withdrawn};

/// The state of every channel of a catalog at one point in time. A line is prepared when it is first asked
/// about, so that who asks about one line pays for that line and the one that it follows.
#[derive(Debug)]
pub struct Views<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) now: Time,
    pub(super) paths: Paths,
    known: Known<'a>,
    not_promoting: Option<NotPromoting>,
    /// The architecture of the clusters that ask, if it counts.
    arch: Option<&'a str>,
    lines: HashMap<&'a LineName, OnceLock<LineView<'a>>>,
}

/// What is known about the releases that are on their way.
#[derive(Debug, Clone, Copy)]
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
    /// The releases on offer that clusters of the architecture can install.
    offered: Vec<&'a Release>,
    /// The releases on offer that have no payload for the architecture.
    unfit: Vec<NoPayload<'a>>,
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
    /// A barrier that has no payload for the cluster's architecture blocks everything above it.
    NoPayload(NoPayload<'a>),
    /// Nothing higher is on offer.
    Nothing,
}

impl<'a> Towards<'a> {
    /// The barrier that blocks everything above it.
    pub(super) const fn barrier(self) -> Option<&'a Version> {
        match self {
            Self::Barrier { version } => Some(version),
            Self::Take { .. } | Self::NoPayload(_) | Self::Nothing => None,
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
        Self { catalog, now, paths, known, not_promoting: None, arch: None, lines }
    }

    /// The same channels for clusters of an architecture, which can install only what has a payload for it.
    #[must_use]
    pub fn for_arch(&self, arch: &'a str) -> Self {
        let Self { catalog, now, ref paths, known, not_promoting, arch: _, ref lines } = *self;
        let lines = lines.keys().map(|line| (*line, OnceLock::new())).collect();
        Self { catalog, now, paths: paths.clone(), known, not_promoting, arch: Some(arch), lines }
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
            if let Some(arch) = self.arch {
                for stage in &mut coming {
                    stage.retain(|coming| coming.release.fits(arch));
                }
            }
            let stages = coming.into_iter().enumerate();
            let stages = stages.map(|(stage, coming)| View::new(line, stage, coming, self.now, self.arch));
            LineView {
                stages: stages.collect(),
                gate: MinorGate::new(self.catalog, line, self.now, self.arch),
            }
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
        let release = channel.line.releases.get(barrier);
        let unfit = release.and_then(|release| NoPayload::of(release, self.arch));
        match (self.view(channel).coming.first(above, Some(barrier)), unfit) {
            (Some(coming), _) if coming.is_expected() => Advice::Wait(Wait::Coming(Box::new(coming))),
            (_, Some(unfit)) => Advice::Blocked(Blocked::NoPayload { unfit, yank: None }),
            (stuck, None) => {
                let stuck = stuck.map(Box::new);
                Advice::Blocked(Blocked::Barrier { barrier, channel, stuck })
            }
        }
    }

    /// The last stage of a line that has something on offer, whatever architecture that is for: what soaks in an
    /// earlier stage is not for clusters that wait for a later one.
    pub(super) fn last_offering(&self, line: &'a Line) -> Option<ChannelRef<'a>> {
        let index = self.line(line).stages.iter().rposition(View::offers)?;
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
    fn new(line: &'a Line, stage: usize, coming: Vec<Coming<'a>>, now: Time, arch: Option<&'a str>) -> Self {
        let unfit = |release| NoPayload::of(release, arch);
        let offered = line.offered(stage, now).filter(|release| unfit(release).is_none()).collect();
        let unfit = line.offered(stage, now).filter_map(unfit).collect();
        let mut barriers: Vec<&Version> = line.barriers_in(stage, now).collect();
        barriers.sort_unstable();
        barriers.dedup();
        let reached = |release: &&Release| (0..=stage).any(|stage| release.is_in(stage, now));
        let mut yanked = line.releases.values().rev().filter_map(|release| {
            Some(Withdrawn { release, yank: Some(release).filter(reached)?.yanked(now)? })
        });
        Self { offered, unfit, barriers, coming: Expected::new(coming), withdrawn: yanked.next() }
    }

    /// Whether something is on offer, whatever architecture that is for.
    const fn offers(&self) -> bool {
        !self.offered.is_empty() || !self.unfit.is_empty()
    }

    pub(super) fn latest(&self) -> Option<&'a Release> {
        self.offered.last().copied()
    }

    /// The next step above a version: the highest release on offer that does not jump over a barrier.
    pub(super) fn towards(&self, above: Bound<&Version>) -> Towards<'a> {
        let candidates =
            &self.offered[self.offered.partition_point(|release| !is_above(&release.version, above))..];
        let passed = self.barriers.partition_point(|version| !is_above(version, above));
        let highest = candidates.last().copied();
        let Some(&barrier) = self.barriers.get(passed) else {
            return highest.map_or(Towards::Nothing, |release| Towards::Take { release, barrier: false });
        };
        let below = &candidates[..candidates.partition_point(|release| release.version <= *barrier)];
        let unfit = || self.unfit.iter().find(|unfit| unfit.release.version == *barrier);
        match (below.last().copied(), highest) {
            (Some(release), Some(highest)) => {
                Towards::Take { release, barrier: release.version != highest.version }
            }
            (None | Some(_), higher) => match (unfit(), higher) {
                (Some(unfit), _) => Towards::NoPayload(*unfit),
                (None, Some(_)) => Towards::Barrier { version: barrier },
                (None, None) => Towards::Nothing,
            },
        }
    }

    /// The first release expected above a version, by date and then by version. If none is expected, the
    /// highest of those that are stuck.
    pub(super) fn coming(&self, above: Bound<&Version>) -> Option<Coming<'a>> {
        self.coming.first(above, None)
    }

    /// The highest release on offer above a version that has no payload for the architecture.
    pub(super) fn unfit(&self, above: Bound<&Version>) -> Option<NoPayload<'a>> {
        self.unfit.last().filter(|unfit| is_above(&unfit.release.version, above)).copied()
    }

    /// The first release expected above a version, or else one that is on offer, but not for the architecture, or
    /// else one that is stuck.
    pub(super) fn comes_or_unfit(
        &self,
        above: Bound<&Version>,
    ) -> (Option<Coming<'a>>, Option<NoPayload<'a>>) {
        let coming = self.coming(above);
        let is_expected = coming.is_some_and(|coming| coming.is_expected());
        (coming, self.unfit(above).filter(|_| !is_expected))
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
        Newer { coming, stuck, withdrawn, unfit: self.unfit(above) }
    }
}
