//! The minor gate: clusters can enter a line only from the top of the line that it follows.

use std::cmp::Reverse;

use super::super::Time;
use super::super::catalog::{Catalog, ChannelRef};
use super::super::line::Line;
use super::super::release::Release;
use super::super::version::Version;
use super::Step;

/// The minor gate of one line, and the releases from which clusters can pass it.
#[derive(Debug, Clone, Copy)]
pub struct MinorGate<'a> {
    /// The channel of the followed line that counts: the last stage with something on offer.
    pub channel: Option<ChannelRef<'a>>,
    /// The highest release on offer in that channel, of those that count.
    highest: Option<&'a Release>,
    /// The highest release on offer in that channel that clusters of the architecture can install.
    fitting: Option<&'a Release>,
    /// The lowest version from which clusters can pass: the highest, or one that was the highest within the
    /// grace period.
    least: Option<&'a Version>,
    /// The highest barrier of that channel. It counts even if it is not on offer, for example while the
    /// replacement of a yanked barrier is still soaking.
    pub barrier: Option<&'a Version>,
}

impl<'a> MinorGate<'a> {
    /// Creates the gate of a line at `now`, for clusters of an architecture if one is given. If the line follows
    /// no other, the gate is closed.
    ///
    /// Releases that clusters of the architecture cannot install do not count, but only in a channel where some
    /// release names the architecture: otherwise its name may be a mistake, or its releases may still be soaking,
    /// and the gate would fall to whatever was last built for every architecture. The channel is the same for all
    /// architectures, so an earlier stage never opens the way.
    pub fn new(catalog: &'a Catalog, line: &'a Line, now: Time, arch: Option<&str>) -> Self {
        let closed = Self { channel: None, highest: None, fitting: None, least: None, barrier: None };
        let Some(follows) = &line.follows else { return closed };
        let Some(before) = catalog.line(&follows.line) else { return closed };
        let Some(stage) = before.last_offering(now) else { return closed };
        let fits = |release: &&Release| arch.is_none_or(|arch| release.fits(arch));
        let counts_all = !arch.is_some_and(|arch| before.offered(stage, now).any(|one| one.names(arch)));
        let offered = || before.offered(stage, now).filter(move |release| counts_all || fits(release));
        // Yanked releases do not count, so the highest version only rises over time. The lowest version
        // that was the highest within the grace period is therefore the one that was the highest when the
        // period began or, if there was none, the first to enter after that (the highest of them, if
        // several entered at the same time). A manifest may give a grace
        // period so long that its start cannot be represented.
        let start = now.checked_sub_signed(follows.grace).unwrap_or(Time::MIN_UTC);
        let at_start = offered().rfind(|release| release.is_in(stage, start));
        let earliest = || {
            offered().min_by_key(|release| {
                (release.entered(stage, now).map(|entry| entry.since), Reverse(&release.version))
            })
        };
        let least = at_start.or_else(earliest).map(|release| &release.version);
        // Clusters must not get around a barrier of the followed line by entering the next one.
        let barrier = before.barriers_in(stage, now).max();
        let least = least.max(barrier);
        Self {
            channel: Some(ChannelRef { line: before, index: stage }),
            highest: offered().next_back(),
            fitting: before.offered(stage, now).rfind(fits),
            least,
            barrier,
        }
    }

    /// Whether clusters can pass the gate from a known release of the followed line.
    pub fn admits(&self, current: &Release, now: Time) -> bool {
        let Some(channel) = self.channel else { return false };
        channel.line.releases.contains_key(&current.version)
            && current.yanked(now).is_none()
            && self.least.is_some_and(|least| current.version >= *least)
    }

    /// The highest release of the followed line that counts, or the barrier above it that is not on offer.
    pub fn top(&self) -> Option<&'a Version> {
        self.highest.map(|highest| &highest.version).max(self.least)
    }

    /// The release to install in order to pass the gate. `None` if no release on offer passes it that clusters of
    /// the architecture can install, for example while the replacement of a yanked barrier is still soaking.
    pub fn required(&self) -> Option<Step<'a>> {
        let release = self.fitting.filter(|fitting| Some(&fitting.version) >= self.least)?;
        Some(Step { release, channel: self.channel? })
    }
}
