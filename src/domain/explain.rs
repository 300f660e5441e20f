//! Where a release is, and what is decided about its next stage.

use super::Time;
use super::catalog::Catalog;
use super::line::Line;
use super::promotion::{Decision, Verdict};
use super::release::Release;
use super::version::Version;

/// Where one release stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'a> {
    pub line: &'a Line,
    pub release: &'a Release,
    pub now: Time,
    /// What is decided about its next stage; `None` in its last one.
    pub decision: Option<&'a Decision<'a>>,
}

impl<'a> Explanation<'a> {
    /// Explains a release. `decisions` are those of [`decide`](super::promotion::decide) for the
    /// same catalog and time. `None` if the catalog does not know the release.
    #[must_use]
    pub fn of(
        catalog: &'a Catalog,
        decisions: &'a [Decision<'a>],
        version: &Version,
        now: Time,
    ) -> Option<Self> {
        let (line, release) = catalog.release(version)?;
        let decision = decisions.iter().find(|decision| decision.release.version == *version);
        Some(Self { line, release, now, decision })
    }

    /// The word for where the release stands: `promoted`, `due`, `waiting`, `blocked` or `yanked`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.release.yanked(self.now).is_some() {
            return "yanked";
        }
        match self.decision.map(|decision| decision.verdict) {
            None => "promoted",
            Some(Verdict::Promote) => "due",
            Some(Verdict::Wait { .. }) => "waiting",
            Some(Verdict::Blocked) => "blocked",
        }
    }

    /// The place of the last stage that the release has entered.
    #[must_use]
    pub fn stage(&self) -> Option<usize> {
        (0..self.line.stages.len()).rev().find(|&stage| self.release.is_in(stage, self.now))
    }
}
