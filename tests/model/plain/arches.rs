//! What clusters of one architecture can install.

use super::super::made::{Line, Release, Version};
use super::At;

impl At<'_> {
    /// The same for clusters of an architecture, which can install only what has a payload for it.
    pub fn on(&self, arch: &'static str) -> Self {
        let (decided, gates) = (self.decided.clone(), Vec::new());
        let mut at = Self { arch: Some(arch), decided, gates, ..*self };
        at.gates = (0..at.world.lines.len()).map(|line| at.find_gate(line)).collect();
        at
    }

    pub(super) fn fits(&self, release: &Release) -> bool {
        release.only.is_none_or(|only| self.arch.is_none_or(|arch| only == arch))
    }

    /// What a channel offers, and clusters of the architecture can install.
    pub(super) fn offered(&self, line: &Line, stage: usize) -> Vec<Version> {
        let mut offered = line.offered(stage, self.now);
        offered.retain(|version| self.fits(line.release(*version)));
        offered
    }

    /// The last stage of a line that offers something, to clusters of whatever architecture.
    pub(super) fn last_offering(&self, line: &Line) -> Option<usize> {
        (0..line.stages.len()).rfind(|&stage| !line.offered(stage, self.now).is_empty())
    }

    /// Whether a channel offers something above a version, or just that version, which has no payload for the
    /// architecture.
    pub(super) fn lacks(&self, line: &Line, stage: usize, wanted: impl Fn(Version) -> bool) -> bool {
        line.offered(stage, self.now).into_iter().any(|one| wanted(one) && !self.fits(line.release(one)))
    }
}
