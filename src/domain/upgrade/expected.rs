//! The releases that a channel could offer later, for questions about any range of versions.

use std::ops::{Bound, RangeBounds};

use super::super::version::Version;
use super::super::{Time, steps};
use super::{Coming, When};

/// The releases that a channel could offer later.
#[derive(Debug, Default)]
pub(super) struct Expected<'a> {
    /// In ascending order.
    coming: Vec<Coming<'a>>,
    /// `first[k][i]` is the place of the one that comes first among the `2^k` from place `i` on. Two of
    /// these answer for any range, so that no question looks at every release.
    first: Vec<Vec<usize>>,
    /// The highest of those that are stuck.
    stuck: Option<Coming<'a>>,
}

impl<'a> Expected<'a> {
    pub(super) fn new(mut coming: Vec<Coming<'a>>) -> Self {
        coming.sort_by_key(|coming| &coming.release.version);
        let mut first: Vec<Vec<usize>> = Vec::new();
        let mut level: Vec<usize> = (0..coming.len()).collect();
        while !level.is_empty() {
            let width = 1 << first.len();
            let pairs = level.iter().zip(level.iter().skip(width));
            let next = pairs.map(|(&a, &b)| earlier(&coming, a, b)).collect();
            first.push(std::mem::replace(&mut level, next));
        }
        let stuck = coming.iter().rfind(|coming| !coming.is_expected()).copied();
        Self { coming, first, stuck }
    }

    /// The first release expected above a version and up to another one, by date and then by version. If
    /// none is expected, the highest of those that are stuck.
    pub(super) fn first(&self, above: Bound<&Version>, until: Option<&Version>) -> Option<Coming<'a>> {
        let from = self.coming.partition_point(|coming| !is_above(&coming.release.version, above));
        let end = until.map_or(self.coming.len(), |until| {
            self.coming.partition_point(|coming| coming.release.version <= *until)
        });
        let level = end.checked_sub(from)?.checked_ilog2()?;
        let first = &self.first[level as usize];
        let first = self.coming[earlier(&self.coming, first[from], first[end - (1 << level)])];
        Some(if first.is_expected() { first } else { self.coming[end - 1] })
    }

    /// The highest of the releases above a version that are stuck.
    pub(super) fn stuck(&self, above: Bound<&Version>) -> Option<Coming<'a>> {
        self.stuck.filter(|stuck| is_above(&stuck.release.version, above))
    }
}

/// Which of two places has the release that comes first. What is due for an earlier stage has a longer way
/// than what only waits for its day.
fn earlier(coming: &[Coming<'_>], a: usize, b: usize) -> usize {
    steps::count();
    let key = |place: usize| {
        let coming = &coming[place];
        let time = match (coming.when, coming.first) {
            (When::At(until), _) => until,
            (_, None) => Time::MIN_UTC,
            (_, Some(_)) => Time::MAX_UTC,
        };
        (!coming.is_expected(), time, place)
    };
    if key(b) < key(a) { b } else { a }
}

/// Whether a version is above a bound.
pub(super) fn is_above(version: &Version, above: Bound<&Version>) -> bool {
    RangeBounds::<Version>::contains(&(above, Bound::Unbounded), version)
}
