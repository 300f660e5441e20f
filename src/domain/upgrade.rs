//! What a cluster should do next, and why.
//!
//! An answer never leads down: every target is above the cluster's current version. This holds by
//! construction, since only higher versions are considered as targets.

mod gate;
#[cfg(test)]
mod tests;
mod view;

use std::ops::Bound;

use super::Time;
use super::catalog::{Catalog, ChannelRef};
use super::channel::ChannelName;
use super::line::Line;
use super::named::{named, tagged};
use super::not_promoting::NotPromoting;
use super::promotion::{Decision, Gate, Verdict};
use super::release::{Event, Release, Yank};
use super::version::Version;

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
    /// There is nothing to do. `coming` is the next release above the cluster's, even if it is stuck.
    None { code: NoneCode<'a>, coming: Option<Coming<'a>> },
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
        Coming(Coming<'a>) = "coming",
    }
}

tagged! {
    /// Why no upgrade is possible.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Blocked<'a> {
        /// The line can be entered only from the top of the line that it follows. `take` is the release
        /// from which it can be entered, if one opens the way now, and `next` is the next step towards it.
        MinorGate { take: Option<Step<'a>>, next: Option<Step<'a>> } = "minor_gate",
        /// The cluster's release was yanked, and nothing higher is on offer yet. `fix` is the next release
        /// expected, if any.
        Yanked { yank: &'a Yank, fix: Option<Coming<'a>> } = "yanked",
        /// A barrier must be installed first, but `channel` neither offers nor expects it. That is the
        /// cluster's channel, or the channel that its upgrade path leads through. `stuck` is the release
        /// that would lead on, if it is known what keeps it out.
        Barrier { barrier: &'a Version, channel: ChannelRef<'a>, stuck: Option<Coming<'a>> } = "barrier",
        /// The cluster's version is not in the catalog, so no other line can be entered from it.
        UnknownVersion { take: Option<Step<'a>> } = "unknown_version",
        /// There is no upgrade path from the cluster's line to the channel's line.
        NoWay = "no_way",
    }
}

/// One step on an upgrade path: a release, and the channel that offers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    pub release: &'a Release,
    pub channel: ChannelRef<'a>,
}

/// A release that is not on offer in a channel yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coming<'a> {
    pub release: &'a Release,
    /// The channel that the release enters next, or should be on offer in.
    pub channel: ChannelRef<'a>,
    pub when: When,
    /// The gate that keeps it out, if there is one: the one that blocks or else the one that opens last.
    pub gate: Option<Gate<'a>>,
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
}

impl<'a> Coming<'a> {
    /// The release of a decision, on its way to the next stage.
    fn of(decision: &Decision<'a>) -> Self {
        let when = match decision.verdict {
            Verdict::Promote => When::Due,
            Verdict::Wait { until } => When::At(until),
            Verdict::Blocked => When::SomebodyActs,
        };
        let last = || decision.obstacles().copied().reduce(|a, b| if a.opens() < b.opens() { b } else { a });
        Self {
            release: decision.release,
            channel: decision.channel(),
            when,
            gate: decision.blocking().copied().filter(|_| when == When::SomebodyActs).or_else(last),
            overdue: decision.overdue,
            not_promoting: None,
        }
    }

    /// A release that has entered a channel, and is not on offer there for want of its payload or signature.
    const fn withheld(release: &'a Release, channel: ChannelRef<'a>, gate: Gate<'a>) -> Self {
        Self {
            release,
            channel,
            when: When::SomebodyActs,
            gate: Some(gate),
            overdue: false,
            not_promoting: None,
        }
    }

    /// Whether the release comes without anybody acting, as far as is known.
    pub fn is_expected(&self) -> bool {
        self.when != When::SomebodyActs
    }
}

impl Advice<'_> {
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
    decisions: &[Decision<'a>],
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
            Some((line, release)) => self.known(channel, &self.relation(line, channel.line), release),
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

    /// The advice for a cluster on a known release. `relation` is how the release's line relates to the
    /// channel's line.
    pub fn known(
        &self,
        channel: ChannelRef<'a>,
        relation: &Relation<'a>,
        current: &'a Release,
    ) -> Advice<'a> {
        if let Some(pause) = channel.stage().paused(self.now) {
            return Advice::Wait(Wait::Paused { pause, channel });
        }
        match relation {
            Relation::Own => self.in_line(channel, Bound::Excluded(&current.version), Some(current)),
            Relation::Before { own, after } => self.onwards(channel, own, after, current),
            Relation::After => self.ahead(current),
            Relation::Apart => {
                if self.view(channel).latest().is_some_and(|latest| latest.version < current.version) {
                    self.ahead(current)
                } else {
                    Advice::Blocked(Blocked::NoWay)
                }
            }
        }
    }

    /// The advice for a release of another line that is above everything that the channel offers.
    fn ahead(&self, current: &'a Release) -> Advice<'a> {
        match current.yanked(self.now) {
            Some(yank) => Advice::Blocked(Blocked::Yanked { yank, fix: None }),
            None => Advice::None { code: NoneCode::Ahead, coming: None },
        }
    }

    /// How the line of a cluster's release relates to the line of its channel.
    pub fn relation(&self, own: &'a Line, goal: &'a Line) -> Relation<'a> {
        if own.name == goal.name {
            Relation::Own
        } else if let Some(after) = self.line_after(own, goal) {
            Relation::Before { own, after }
        } else if self.line_after(goal, own).is_some() {
            Relation::After
        } else {
            Relation::Apart
        }
    }

    /// The two versions at which the advice for unknown versions of other lines changes: the latest of the
    /// channel, and the one below which no version could pass the minor gate.
    pub fn landmarks(&self, channel: ChannelRef<'a>) -> [Option<&'a Version>; 2] {
        let latest = self.view(channel).latest().map(|latest| &latest.version);
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
            (Towards::Nothing, Some(yank), _) => {
                Advice::Blocked(Blocked::Yanked { yank, fix: view.coming(above) })
            }
            (Towards::Nothing, None, None) => {
                Advice::None { code: NoneCode::UnknownVersion, coming: view.coming(above) }
            }
            (Towards::Nothing, None, Some(current)) => {
                if view.latest().is_none_or(|latest| latest.version != current.version) {
                    // The next release may be the one that the cluster already runs.
                    let coming = view.coming(Bound::Included(&current.version));
                    return Advice::None { code: NoneCode::Ahead, coming };
                }
                match channel.line.retired(self.now) {
                    Some(retired) => {
                        let next = self.following(channel);
                        Advice::None { code: NoneCode::Retired { retired, next }, coming: None }
                    }
                    None => Advice::None { code: NoneCode::UpToDate, coming: view.coming(above) },
                }
            }
        }
    }

    /// The channel for the same stage in the line that follows this channel's line. If that line has no
    /// such stage, its last channel.
    fn following(&self, channel: ChannelRef<'a>) -> Option<ChannelRef<'a>> {
        let follows =
            |line: &&Line| line.follows.as_ref().is_some_and(|follows| follows.line == channel.line.name);
        let line = self.catalog.lines().find(follows)?;
        let index = line.stage(&channel.stage().name).or_else(|| line.stages.len().checked_sub(1))?;
        Some(ChannelRef { line, index })
    }

    /// The advice for a release of the earlier line `own`. `after` is the line after `own` on the upgrade
    /// path to the channel.
    fn onwards(
        &self,
        channel: ChannelRef<'a>,
        own: &'a Line,
        after: &'a Line,
        current: &'a Release,
    ) -> Advice<'a> {
        let view = self.view(channel);
        let above = Bound::Excluded(&current.version);
        if after.name != channel.line.name || !self.gate(after).admits(current, self.now) {
            let next = self.next_step(own, after, current);
            if let (Some(yank), None) = (current.yanked(self.now), next) {
                let fix = self.gate(after).channel.and_then(|channel| self.view(channel).coming(above));
                return Advice::Blocked(Blocked::Yanked { yank, fix });
            }
            let gate = self.gate(after);
            let is_closed = next.is_none() || after.name == channel.line.name && gate.required().is_none();
            if let (true, Some(barrier), Some(offering)) = (is_closed, gate.barrier, gate.channel)
                && current.version < *barrier
            {
                return self.behind(offering, barrier, above);
            }
            if let Some(Step { channel, .. }) = next
                && let Some(pause) = channel.stage().paused(self.now)
            {
                return Advice::Wait(Wait::Paused { pause, channel });
            }
            let top = self.gate(channel.line).required();
            let take = top.filter(|step| current.version < step.release.version);
            return Advice::Blocked(Blocked::MinorGate { take, next });
        }
        match view.towards(above) {
            Towards::Take { release, .. } => Advice::Update { target: release, code: UpdateCode::NextLine },
            Towards::Barrier { version } => self.behind(channel, version, above),
            Towards::Nothing => match view.coming(above) {
                Some(coming) if coming.is_expected() => Advice::Wait(Wait::Coming(coming)),
                coming => Advice::None { code: NoneCode::NothingOffered, coming },
            },
        }
    }

    /// The next step from `current` towards the line `after` its own: into that line if its gate admits
    /// `current`, otherwise towards a release that the gate admits.
    fn next_step(&self, own: &'a Line, after: &'a Line, current: &'a Release) -> Option<Step<'a>> {
        let gate = self.gate(after);
        let channel = if gate.admits(current, self.now) {
            self.last_offering(after)?
        } else {
            gate.channel.or_else(|| self.last_offering(own))?
        };
        match self.view(channel).towards(Bound::Excluded(&current.version)) {
            Towards::Take { release, .. } => Some(Step { release, channel }),
            Towards::Barrier { .. } | Towards::Nothing => None,
        }
    }

    /// The advice for a version of the channel's own line that is not in the catalog. Only releases beyond
    /// `above` count as higher.
    pub fn unknown_in_line(&self, channel: ChannelRef<'a>, above: Bound<&Version>) -> Advice<'a> {
        if let Some(pause) = channel.stage().paused(self.now) {
            return Advice::Wait(Wait::Paused { pause, channel });
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
        if let Some(pause) = channel.stage().paused(self.now) {
            return Advice::Wait(Wait::Paused { pause, channel });
        }
        if below_latest || below_required {
            let take = self.gate(channel.line).required().filter(|_| below_required);
            Advice::Blocked(Blocked::UnknownVersion { take })
        } else {
            Advice::None { code: NoneCode::UnknownVersion, coming: None }
        }
    }
}

/// How the line of a cluster's release relates to the line of its channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation<'a> {
    /// Both are the same line.
    Own,
    /// An upgrade path leads from the cluster's line, `own`, to the channel's line. `after` is the next
    /// line on the path.
    Before { own: &'a Line, after: &'a Line },
    /// An upgrade path leads from the channel's line to the cluster's line.
    After,
    /// No upgrade path leads from either line to the other.
    Apart,
}
