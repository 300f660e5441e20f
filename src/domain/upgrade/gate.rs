//! The minor gate: clusters enter a line only from the top of the line it follows.

use super::super::Time;
use super::super::catalog::{Catalog, ChannelRef};
use super::super::release::Release;
use super::super::version::Version;
use super::Step;

/// What opens the way into a line.
#[derive(Debug, Clone, Copy)]
pub struct MinorGate<'a> {
    /// The channel of the followed line that counts: its last stage that offers something.
    pub channel: Option<ChannelRef<'a>>,
    /// The highest release on offer there.
    highest: Option<&'a Release>,
    /// The lowest version that still opens the way: the highest, or one that was the highest within the
    /// grace.
    least: Option<&'a Version>,
    /// The highest barrier of that channel. It counts even if it is not on offer, for example while its
    /// replacement still soaks.
    pub barrier: Option<&'a Version>,
}

impl<'a> MinorGate<'a> {
    /// Creates the gate into a line at `now`. If the line follows none, nothing passes the gate.
    pub fn new(catalog: &'a Catalog, line: &'a super::super::line::Line, now: Time) -> Self {
        let closed = Self { channel: None, highest: None, least: None, barrier: None };
        let Some(follows) = &line.follows else { return closed };
        let Some(before) = catalog.line(&follows.line) else { return closed };
        let top = (0..before.stages.len()).rev().find_map(|stage| Some((stage, before.latest(stage, now)?)));
        let Some((stage, highest)) = top else { return closed };
        // The highest only rises over time, since yanked releases do not count. So the lowest version that
        // was the highest within the grace is the one that was the highest when the grace began, or the
        // first to enter after that. A manifest may name a grace that is longer than time itself.
        let start = now.checked_sub_signed(follows.grace).unwrap_or(Time::MIN_UTC);
        let at_start = before.offered(stage, now).rfind(|release| release.is_in(stage, start));
        let earliest = || {
            before.offered(stage, now).min_by_key(|release| {
                (release.entered(stage, now).map(|entry| entry.since), &release.version)
            })
        };
        let least = at_start.or_else(earliest).map(|release| &release.version);
        // Entering the next line must not be a way around a barrier of this one.
        let barrier = before.barriers_in(stage, now).max();
        let least = least.max(barrier);
        Self {
            channel: Some(ChannelRef { line: before, index: stage }),
            highest: Some(highest),
            least,
            barrier,
        }
    }

    /// Whether the way is open for a known release of the followed line.
    pub fn admits(&self, current: &Release, now: Time) -> bool {
        let Some(channel) = self.channel else { return false };
        channel.line.releases.contains_key(&current.version)
            && current.yanked(now).is_none()
            && self.least.is_some_and(|least| current.version >= *least)
    }

    /// The release that opens the way.
    pub fn required(&self) -> Option<Step<'a>> {
        Some(Step { release: self.highest?, channel: self.channel? })
    }
}
