//! What a cluster should do next, and why.
//!
//! An answer never leads down: every target is above the cluster's current version. This holds by
//! construction, since only higher versions are considered as targets.

mod coming;
mod expected;
mod gate;
mod paths;
#[cfg(test)]
mod tests;
mod view;

use std::ops::Bound;

use super::catalog::{Catalog, ChannelRef};
use super::channel::ChannelName;
use super::line::Line;
use super::named::{named, tagged};
use super::promotion::Decision;
use super::release::{Event, Release, Yank};
use super::version::Version;
use super::{Time, steps};

pub use coming::{Behind, Coming, First, Newer, NoPayload, When, Withdrawn};
use gate::MinorGate;
pub use paths::{Paths, Relation};
use view::Towards;
pub use view::Views;

/// The answer of one channel to a cluster.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Answer<'a> {
    pub channel: ChannelRef<'a>,
    pub advice: Advice<'a>,
}

/// What a cluster should do, with the facts behind it.
#[derive(Debug, Clone, PartialEq)]
pub enum Advice<'a> {
    /// Install this release.
    Update { target: &'a Release, code: UpdateCode },
    /// There is nothing to do.
    None { code: NoneCode<'a>, newer: Box<Newer<'a>> },
    /// Ask again later.
    Wait(Wait<'a>),
    /// No upgrade is possible until somebody acts.
    Blocked(Blocked<'a>),
}

named! {
    /// The reason to update.
    pub enum UpdateCode {
        /// The target is the channel's latest release.
        Latest = "latest",
        /// A barrier holds back higher releases, so the target must be installed first.
        Barrier = "barrier",
        /// The cluster's current release was yanked.
        Yanked = "yanked",
        /// The target leads from the previous line into the channel's line.
        NextLine = "next_line",
    }
}

tagged! {
    /// Why there is nothing to do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum NoneCode<'a> {
        /// The cluster runs the channel's latest release.
        UpToDate = "up_to_date",
        /// The cluster runs the latest release of a retired line; `next` is the channel to continue with.
        Retired { retired: &'a Event, next: Option<ChannelRef<'a>> } = "retired",
        /// The cluster runs a higher version than the channel offers.
        Ahead = "ahead",
        /// The cluster runs a version that is not in the catalog and is above what the channel offers.
        UnknownVersion = "unknown_version",
        /// The channel offers nothing, and nothing is expected.
        NothingOffered = "nothing_offered",
    }
}

tagged! {
    /// The reason to wait, and for how long.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Wait<'a> {
        /// The channel, or the one that the upgrade path leads through, is paused.
        Paused { pause: &'a Event, channel: ChannelRef<'a> } = "paused",
        /// Nothing may be installed yet. This release is the first one expected.
        Coming(Box<Coming<'a>>) = "coming",
    }
}

tagged! {
    /// Why no upgrade is possible.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Blocked<'a> {
        /// The line can be entered only from the top of the line that it follows. `take` is the release
        /// from which it can be entered, if one opens the way now, and `next` is the next step towards it.
        /// The way leads through the channel `through`, which may expect a release, `coming`, if there is
        /// no next step yet.
        MinorGate {
            take: Option<Step<'a>>,
            next: Option<Step<'a>>,
            through: ChannelRef<'a>,
            coming: Option<Box<Coming<'a>>>,
        } = "minor_gate",
        /// The cluster's release was yanked, and nothing higher may be installed from the cluster's channel
        /// or, if its upgrade path leads through another one, from the channel `through`. `barrier` must be
        /// installed first, if it is what bars the way to a higher one. `fix` is the next release expected,
        /// if any.
        Yanked {
            yank: &'a Yank,
            through: Option<ChannelRef<'a>>,
            barrier: Option<&'a Version>,
            fix: Option<Box<Coming<'a>>>,
        } = "yanked",
        /// A barrier must be installed first, but `channel` neither offers nor expects it. That is the
        /// cluster's channel, or the channel that its upgrade path leads through. `stuck` is the release
        /// that would lead on, if it is known what keeps it out.
        Barrier { barrier: &'a Version, channel: ChannelRef<'a>, stuck: Option<Box<Coming<'a>>> } = "barrier",
        /// The next release that the cluster could install has no payload for its architecture. `yank` is why it
        /// should not stay on its own, if that was yanked.
        NoPayload { unfit: NoPayload<'a>, yank: Option<&'a Yank> } = "no_payload",
        /// The cluster's version is not in the catalog, so no other line can be entered from it.
        UnknownVersion { take: Option<Step<'a>> } = "unknown_version",
        /// There is no upgrade path from the cluster's line to the channel's line. `stay` is the channel to
        /// follow in the cluster's own line.
        NoWay { stay: ChannelRef<'a> } = "no_way",
    }
}

/// One step on an upgrade path: a release, and the channel that offers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    pub release: &'a Release,
    pub channel: ChannelRef<'a>,
}

/// The release from which clusters can enter a line, the highest on offer in the line that it follows. `None`
/// if it follows none, or if no release there opens the way yet.
pub fn entry<'a>(catalog: &'a Catalog, line: &'a Line, now: Time) -> Option<Step<'a>> {
    MinorGate::new(catalog, line, now, None).required()
}

impl<'a> Advice<'a> {
    /// The advice for a release that is above everything that its channel offers.
    pub fn ahead() -> Self {
        Self::None { code: NoneCode::Ahead, newer: Box::default() }
    }

    /// The advice for a release from which no upgrade path leads to its channel. `stay` is the channel to follow
    /// in its own line.
    pub const fn stay(stay: ChannelRef<'a>) -> Self {
        Self::Blocked(Blocked::NoWay { stay })
    }

    /// The same advice for a channel whose line can be entered from `take`.
    #[must_use]
    fn entered_from(mut self, from: Option<Step<'a>>) -> Self {
        if let Self::Blocked(Blocked::MinorGate { take, .. }) = &mut self {
            *take = from;
        }
        self
    }

    /// The action's name in JSON: `update`, `none`, `wait` or `blocked`.
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Update { .. } => "update",
            Self::None { .. } => "none",
            Self::Wait(_) => "wait",
            Self::Blocked(_) => "blocked",
        }
    }

    /// The stable code for the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Update { code, .. } => code.as_str(),
            Self::None { code, .. } => code.name(),
            Self::Wait(wait) => wait.name(),
            Self::Blocked(blocked) => blocked.name(),
        }
    }

    /// The release to install now, if there is one.
    pub const fn target(&self) -> Option<&Release> {
        match self {
            Self::Update { target, .. } => Some(target),
            Self::None { .. } | Self::Wait(_) | Self::Blocked(_) => None,
        }
    }
}

/// Returns what a cluster that runs `current` and follows `channel` should do. `None` if there is no such
/// channel.
///
/// `decisions` must come from [`super::promotion::decide`] for the same catalog and time.
pub fn answer<'a>(
    catalog: &'a Catalog,
    decisions: &'a [Decision<'a>],
    channel: &ChannelName,
    current: &Version,
    now: Time,
) -> Option<Answer<'a>> {
    let channel = catalog.channel(channel)?;
    Some(Views::new(catalog, decisions, now).answer(channel, current))
}

impl<'a> Views<'a> {
    /// Returns what a cluster that runs `current` and follows `channel` should do.
    pub fn answer(&self, channel: ChannelRef<'a>, current: &Version) -> Answer<'a> {
        let own = self.catalog.line_of(current);
        let known = own.and_then(|line| Some((line, line.releases.get(current)?)));
        let advice = match known.filter(|(_, release)| release.is_known(self.now)) {
            Some((line, release)) => self.known(channel, line, release),
            None if own.is_some_and(|line| line.name == channel.line.name) => {
                self.unknown_in_line(channel, Bound::Excluded(current))
            }
            None => {
                let below = |step: Option<&Version>| step.is_some_and(|version| current < version);
                let [latest, required] = self.landmarks(channel).map(below);
                self.unknown_elsewhere(channel, latest, required)
            }
        };
        Answer { channel, advice }
    }

    /// The advice for a cluster on a known release of the line `own`.
    ///
    /// # Panics
    /// Never: the paths between lines are those of the catalog.
    pub fn known(&self, channel: ChannelRef<'a>, own: &'a Line, current: &'a Release) -> Advice<'a> {
        steps::count();
        if let Some(paused) = self.paused(channel) {
            return paused;
        }
        let goal = channel.line;
        match self.paths.relation(&own.name, &goal.name) {
            Relation::Own => self.in_line(channel, Bound::Excluded(&current.version), Some(current)),
            Relation::Before { after } if *after == goal.name => self.at_the_gate(channel, own, current),
            Relation::Before { after } => {
                let after = self.catalog.line(after).expect("the paths are those of the catalog");
                self.beyond(own, after, current).entered_from(self.take(goal, current))
            }
            Relation::After => self.above(current),
            Relation::Apart => {
                if self.latest(channel).is_some_and(|latest| latest.version < current.version) {
                    self.above(current)
                } else {
                    Advice::stay(channel.counterpart(own))
                }
            }
        }
    }

    /// The advice for every cluster that follows a paused channel.
    pub fn paused(&self, channel: ChannelRef<'a>) -> Option<Advice<'a>> {
        let pause = channel.stage().paused(self.now)?;
        Some(Advice::Wait(Wait::Paused { pause, channel }))
    }

    /// The advice for a release that is above everything that its channel, one of another line, offers. It
    /// is the same for all such channels.
    pub fn above(&self, current: &'a Release) -> Advice<'a> {
        steps::count();
        match current.yanked(self.now) {
            Some(yank) => Advice::Blocked(Blocked::Yanked { yank, through: None, barrier: None, fix: None }),
            None => Advice::ahead(),
        }
    }

    /// The two versions at which the advice for unknown versions of other lines changes: the latest of the
    /// channel, and the one below which no version could pass the minor gate.
    pub fn landmarks(&self, channel: ChannelRef<'a>) -> [Option<&'a Version>; 2] {
        let latest = self.latest(channel).map(|latest| &latest.version);
        [latest, self.gate(channel.line).top()]
    }

    /// The advice for a version of the channel's own line, known to the catalog or not. Only releases
    /// beyond `above` count as higher.
    fn in_line(
        &self,
        channel: ChannelRef<'a>,
        above: Bound<&Version>,
        current: Option<&'a Release>,
    ) -> Advice<'a> {
        steps::count();
        let view = self.view(channel);
        let yank = current.and_then(|current| current.yanked(self.now));
        match (view.towards(above), yank, current) {
            (Towards::Take { release, barrier }, yank, _) => {
                let code = match yank {
                    Some(_) => UpdateCode::Yanked,
                    None if barrier => UpdateCode::Barrier,
                    None => UpdateCode::Latest,
                };
                Advice::Update { target: release, code }
            }
            (Towards::Barrier { version }, ..) => self.behind(channel, version, above),
            (Towards::NoPayload(unfit), yank, _) => Advice::Blocked(Blocked::NoPayload { unfit, yank }),
            (Towards::Nothing, Some(yank), _) => match view.comes_or_unfit(above) {
                (_, Some(unfit)) => Advice::Blocked(Blocked::NoPayload { unfit, yank: Some(yank) }),
                (fix, None) => {
                    let fix = fix.map(Box::new);
                    Advice::Blocked(Blocked::Yanked { yank, through: None, barrier: None, fix })
                }
            },
            (Towards::Nothing, None, current) => {
                let latest = view.latest().map(|latest| &latest.version);
                if current.is_none_or(|current| Some(&current.version) != latest)
                    && let (_, Some(unfit)) = view.comes_or_unfit(above)
                {
                    return Advice::Blocked(Blocked::NoPayload { unfit, yank: None });
                }
                let (code, above) = match (current, channel.line.retired(self.now)) {
                    (None, _) => (NoneCode::UnknownVersion, above),
                    // The next release may be the one that the cluster already runs.
                    (Some(current), _) if latest != Some(&current.version) => {
                        (NoneCode::Ahead, Bound::Included(&current.version))
                    }
                    (Some(_), Some(retired)) => {
                        (NoneCode::Retired { retired, next: self.following(channel) }, above)
                    }
                    (Some(_), None) => (NoneCode::UpToDate, above),
                };
                Advice::None { code, newer: Box::new(view.newer(above)) }
            }
        }
    }

    /// The channel for the same stage in the line that follows this channel's line. If that line has no
    /// such stage, its last channel.
    fn following(&self, channel: ChannelRef<'a>) -> Option<ChannelRef<'a>> {
        let follower = self.paths.follower(&channel.line.name)?;
        Some(channel.counterpart(self.catalog.line(follower)?))
    }

    /// The advice for a release of the line `own`, which the channel's line follows.
    fn at_the_gate(&self, channel: ChannelRef<'a>, own: &'a Line, current: &'a Release) -> Advice<'a> {
        if !self.gate(channel.line).admits(current, self.now) {
            let take = self.take(channel.line, current);
            return self.on_the_way(own, channel.line, current, false).entered_from(take);
        }
        let view = self.view(channel);
        let above = Bound::Excluded(&current.version);
        match view.towards(above) {
            Towards::Take { release, .. } => Advice::Update { target: release, code: UpdateCode::NextLine },
            Towards::Barrier { version } => self.behind(channel, version, above),
            Towards::NoPayload(unfit) => Advice::Blocked(Blocked::NoPayload { unfit, yank: None }),
            Towards::Nothing => match view.comes_or_unfit(above) {
                (Some(coming), _) if coming.is_expected() => Advice::Wait(Wait::Coming(Box::new(coming))),
                (_, Some(unfit)) => Advice::Blocked(Blocked::NoPayload { unfit, yank: None }),
                _ => Advice::None { code: NoneCode::NothingOffered, newer: Box::new(view.newer(above)) },
            },
        }
    }

    /// The advice for a release of the line `own` if the cluster's channel is of a line beyond `after`, the
    /// next line on the upgrade path. It is the same for all such channels, except for the release that
    /// their lines can be entered from.
    pub fn beyond(&self, own: &'a Line, after: &'a Line, current: &'a Release) -> Advice<'a> {
        self.on_the_way(own, after, current, true)
    }

    /// The latest release of a channel.
    pub fn latest(&self, channel: ChannelRef<'a>) -> Option<&'a Release> {
        self.view(channel).latest()
    }

    /// The release from which clusters can enter a line; see [`entry`].
    pub fn entry(&self, line: &'a Line) -> Option<Step<'a>> {
        self.gate(line).required()
    }

    /// The release from which clusters can enter a line, if it is above a cluster's.
    fn take(&self, line: &'a Line, current: &Release) -> Option<Step<'a>> {
        self.entry(line).filter(|step| current.version < step.release.version)
    }

    /// The advice for a release of the line `own` that the gate of the line `after` its own does not let
    /// pass, or for a cluster that `goes_on` beyond that line.
    fn on_the_way(&self, own: &'a Line, after: &'a Line, current: &'a Release, goes_on: bool) -> Advice<'a> {
        steps::count();
        let above = Bound::Excluded(&current.version);
        let gate = self.gate(after);
        let through = self.next_channel(own, after, current);
        let towards = self.view(through).towards(above);
        let next = match towards {
            Towards::Take { release, .. } => Some(Step { release, channel: through }),
            Towards::Barrier { .. } | Towards::NoPayload(_) | Towards::Nothing => None,
        };
        let unfit = match towards {
            Towards::NoPayload(unfit) => Some(unfit),
            Towards::Nothing => self.view(through).comes_or_unfit(above).1,
            Towards::Take { .. } | Towards::Barrier { .. } => None,
        };
        if let Some(unfit) = unfit {
            return Advice::Blocked(Blocked::NoPayload { unfit, yank: current.yanked(self.now) });
        }
        if let (Some(yank), None) = (current.yanked(self.now), next) {
            let (barrier, fix) = (towards.barrier(), self.view(through).coming(above).map(Box::new));
            return Advice::Blocked(Blocked::Yanked { yank, through: Some(through), barrier, fix });
        }
        let is_closed = next.is_none() || !goes_on && gate.required().is_none();
        if let (true, Some(barrier), Some(offering)) = (is_closed, gate.barrier, gate.channel)
            && current.version < *barrier
        {
            return self.behind(offering, barrier, above);
        }
        if let Towards::Barrier { version } = towards {
            return self.behind(through, version, above);
        }
        if next.is_some()
            && let Some(pause) = through.stage().paused(self.now)
        {
            return Advice::Wait(Wait::Paused { pause, channel: through });
        }
        let coming = if next.is_some() { None } else { self.view(through).coming(above).map(Box::new) };
        Advice::Blocked(Blocked::MinorGate { take: None, next, through, coming })
    }

    /// The channel that leads a cluster on `current` towards the line `after` its own: one of that line if
    /// its gate admits `current`, otherwise one that leads to a release which the gate admits.
    fn next_channel(&self, own: &'a Line, after: &'a Line, current: &'a Release) -> ChannelRef<'a> {
        let gate = self.gate(after);
        let is_admitted = gate.admits(current, self.now);
        let line = if is_admitted { after } else { own };
        let counting = gate.channel.filter(|_| !is_admitted);
        let last = || ChannelRef { line, index: line.stages.len() - 1 };
        counting.or_else(|| self.last_offering(line)).unwrap_or_else(last)
    }

    /// The advice for a version of the channel's own line that is not in the catalog. Only releases beyond
    /// `above` count as higher.
    pub fn unknown_in_line(&self, channel: ChannelRef<'a>, above: Bound<&Version>) -> Advice<'a> {
        if let Some(paused) = self.paused(channel) {
            return paused;
        }
        self.in_line(channel, above, None)
    }

    /// The advice for an unknown version outside the channel's line, depending on whether it is below each
    /// of the [landmarks](Self::landmarks).
    pub fn unknown_elsewhere(
        &self,
        channel: ChannelRef<'a>,
        below_latest: bool,
        below_required: bool,
    ) -> Advice<'a> {
        if let Some(paused) = self.paused(channel) {
            return paused;
        }
        if below_latest || below_required {
            let take = self.entry(channel.line).filter(|_| below_required);
            Advice::Blocked(Blocked::UnknownVersion { take })
        } else {
            Advice::None { code: NoneCode::UnknownVersion, newer: Box::default() }
        }
    }
}
