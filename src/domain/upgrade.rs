//! What a cluster should do next, and why.
//!
//! An answer never goes down: every target is above the version that asks. That holds by
//! construction, since targets are only ever looked for above it.

mod gate;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::ops::Bound;

use super::Time;
use super::catalog::{Catalog, ChannelRef};
use super::channel::ChannelName;
use super::promotion::Decision;
use super::release::{Event, Release, Yank};
use super::version::Version;

use view::Towards;
pub use view::Views;

/// What one channel tells a cluster.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Answer<'a> {
    pub channel: ChannelRef<'a>,
    pub advice: Advice<'a>,
}

/// What to do, with the facts behind it.
#[derive(Debug, Clone, PartialEq)]
pub enum Advice<'a> {
    /// Take this release.
    Update { target: &'a Release, code: UpdateCode },
    /// There is nothing to do.
    None { code: NoneCode, coming: Option<Coming<'a>> },
    /// Ask again later.
    Wait(Wait<'a>),
    /// The way is closed until somebody does something.
    Blocked(Blocked<'a>),
}

/// Why there is an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateCode {
    /// The channel's latest.
    Latest,
    /// A barrier comes first; the latest is behind it.
    Barrier,
    /// The asker's own release was yanked.
    Yanked,
    /// The way from the line before.
    NextLine,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoneCode {
    /// The asker runs the channel's latest.
    UpToDate,
    /// The asker runs something higher than the channel offers.
    Ahead,
    /// The asker runs something that the catalog does not know, above the offer.
    UnknownVersion,
    /// The channel offers nothing, and nothing has a date.
    NothingOffered,
}

/// Why to wait, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait<'a> {
    /// The channel is paused.
    Paused { pause: &'a Event },
    /// Nothing on offer may be taken yet; this release is the first that may.
    Coming(Coming<'a>),
}

/// Why the way is closed.
#[derive(Debug, Clone, PartialEq)]
pub enum Blocked<'a> {
    /// The line is entered only from the top of the line before. `take` is what opens the way, and
    /// `next` the next step towards it.
    MinorGate { take: Option<Step<'a>>, next: Option<Step<'a>> },
    /// The asker's release was yanked and nothing higher is on offer; `fix` soaks.
    Yanked { yank: &'a Yank, fix: Option<Coming<'a>> },
    /// A barrier that is not on offer here, and has no date, stands before everything else.
    Barrier { barrier: &'a Version },
    /// The catalog does not know the asker's version, so no line can be entered from it.
    UnknownVersion { take: Option<Step<'a>> },
    /// No way leads from the asker's line to this one.
    NoWay,
}

/// One step of a way: a release, and the channel that offers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step<'a> {
    pub release: &'a Release,
    pub channel: ChannelRef<'a>,
}

/// A release that has a date in the channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coming<'a> {
    pub release: &'a Release,
    /// When it enters, at the earliest.
    pub until: Time,
}

impl Advice<'_> {
    /// The action's name in JSON: `update`, `none`, `wait` or `blocked`.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Update { .. } => "update",
            Self::None { .. } => "none",
            Self::Wait(_) => "wait",
            Self::Blocked(_) => "blocked",
        }
    }

    /// The stable code that says why.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Update { code, .. } => match code {
                UpdateCode::Latest => "latest",
                UpdateCode::Barrier => "barrier",
                UpdateCode::Yanked => "yanked",
                UpdateCode::NextLine => "next_line",
            },
            Self::None { code, .. } => match code {
                NoneCode::UpToDate => "up_to_date",
                NoneCode::Ahead => "ahead",
                NoneCode::UnknownVersion => "unknown_version",
                NoneCode::NothingOffered => "nothing_offered",
            },
            Self::Wait(Wait::Paused { .. }) => "paused",
            Self::Wait(Wait::Coming(_)) => "coming",
            Self::Blocked(blocked) => match blocked {
                Blocked::MinorGate { .. } => "minor_gate",
                Blocked::Yanked { .. } => "yanked",
                Blocked::Barrier { .. } => "barrier",
                Blocked::UnknownVersion { .. } => "unknown_version",
                Blocked::NoWay => "no_way",
            },
        }
    }

    /// The release to take now, if there is one.
    #[must_use]
    pub const fn target(&self) -> Option<&Release> {
        match self {
            Self::Update { target, .. } => Some(target),
            Self::None { .. } | Self::Wait(_) | Self::Blocked(_) => None,
        }
    }
}

/// What the cluster that runs `current` and follows `channel` should do. `None` if there is no such
/// channel.
///
/// `decisions` are those of [`super::promotion::decide`] for the same catalog and time.
#[must_use]
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
    /// What the cluster that runs `current` and follows `channel` should do.
    pub fn answer(&self, channel: ChannelRef<'a>, current: &Version) -> Answer<'a> {
        let own = self.catalog.line_of(current);
        let known =
            own.and_then(|line| line.releases.get(current)).filter(|release| release.is_known(self.now));
        let above = Bound::Excluded(current);
        let advice = match (channel.stage().paused(self.now), known, own) {
            (Some(pause), _, _) => Advice::Wait(Wait::Paused { pause }),
            (None, Some(release), Some(line)) if line.name == channel.line.name => {
                self.in_line(channel, release)
            }
            (None, Some(release), Some(line)) => self.from_line(channel, line, release),
            (None, None, Some(line)) if line.name == channel.line.name => {
                self.unknown_in_line(channel, above)
            }
            (None, None | Some(_), _) => self.unknown_elsewhere(channel, current),
        };
        Answer { channel, advice }
    }

    /// The advice to a release of the channel's own line.
    fn in_line(&self, channel: ChannelRef<'a>, current: &'a Release) -> Advice<'a> {
        let view = self.view(channel);
        let above = Bound::Excluded(&current.version);
        let yank = current.yanked(self.now);
        match (view.towards(above), yank) {
            (Towards::Take { release, .. }, Some(_)) => {
                Advice::Update { target: release, code: UpdateCode::Yanked }
            }
            (Towards::Take { release, barrier }, None) => {
                let code = if barrier { UpdateCode::Barrier } else { UpdateCode::Latest };
                Advice::Update { target: release, code }
            }
            (Towards::Barrier { version }, _) => view.behind(version, above),
            (Towards::Nothing, Some(yank)) => {
                Advice::Blocked(Blocked::Yanked { yank, fix: view.coming(above) })
            }
            (Towards::Nothing, None) => {
                if view.latest().is_some_and(|latest| latest.version == current.version) {
                    return Advice::None { code: NoneCode::UpToDate, coming: view.coming(above) };
                }
                // The asker's own release may be what comes.
                let coming = view.coming(Bound::Included(&current.version));
                Advice::None { code: NoneCode::Ahead, coming }
            }
        }
    }

    /// The advice to a release of another line.
    fn from_line(
        &self,
        channel: ChannelRef<'a>,
        own: &'a super::line::Line,
        current: &'a Release,
    ) -> Advice<'a> {
        let view = self.view(channel);
        let above = Bound::Excluded(&current.version);
        let Some(after) = self.line_after(own, channel.line) else {
            return if self.line_after(channel.line, own).is_some()
                || view.latest().is_some_and(|latest| latest.version < current.version)
            {
                Advice::None { code: NoneCode::Ahead, coming: None }
            } else {
                Advice::Blocked(Blocked::NoWay)
            };
        };
        let gate = self.gate(channel.line);
        if after.name != channel.line.name || !self.gate(after).admits(current, self.now) {
            if let Some(yank) = current.yanked(self.now) {
                let step = self.next_step(own, after, current);
                if step.is_none() {
                    let fix = self.gate(after).channel.and_then(|channel| self.view(channel).coming(above));
                    return Advice::Blocked(Blocked::Yanked { yank, fix });
                }
            }
            let next = self.next_step(own, after, current);
            let take = gate.required().filter(|step| current.version < step.release.version);
            return Advice::Blocked(Blocked::MinorGate { take: take.or(next), next });
        }
        match view.towards(above) {
            Towards::Take { release, .. } => Advice::Update { target: release, code: UpdateCode::NextLine },
            Towards::Barrier { version } => view.behind(version, above),
            Towards::Nothing => match view.coming(above) {
                Some(coming) => Advice::Wait(Wait::Coming(coming)),
                None => Advice::None { code: NoneCode::NothingOffered, coming: None },
            },
        }
    }

    /// The next step of `current` on its way into the line `after` its own: into that line if its
    /// gate lets it through, else towards the gate.
    fn next_step(
        &self,
        own: &'a super::line::Line,
        after: &'a super::line::Line,
        current: &'a Release,
    ) -> Option<Step<'a>> {
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

    /// The advice to a version of the channel's own line that the catalog does not know; `above` is
    /// where the releases begin that are higher.
    pub fn unknown_in_line(&self, channel: ChannelRef<'a>, above: Bound<&Version>) -> Advice<'a> {
        if let Some(pause) = channel.stage().paused(self.now) {
            return Advice::Wait(Wait::Paused { pause });
        }
        let view = self.view(channel);
        match view.towards(above) {
            Towards::Take { release, barrier } => {
                let code = if barrier { UpdateCode::Barrier } else { UpdateCode::Latest };
                Advice::Update { target: release, code }
            }
            Towards::Barrier { version } => view.behind(version, above),
            Towards::Nothing => Advice::None { code: NoneCode::UnknownVersion, coming: view.coming(above) },
        }
    }

    /// The advice to a version outside the channel's line that the catalog does not know.
    fn unknown_elsewhere(&self, channel: ChannelRef<'a>, current: &Version) -> Advice<'a> {
        let below = match self.view(channel).latest() {
            Some(latest) => *current < latest.version,
            None => {
                self.catalog.line_of(current).is_none_or(|own| self.line_after(channel.line, own).is_none())
            }
        };
        if below {
            let take = self.gate(channel.line).required().filter(|step| *current < step.release.version);
            Advice::Blocked(Blocked::UnknownVersion { take })
        } else {
            Advice::None { code: NoneCode::UnknownVersion, coming: None }
        }
    }
}
