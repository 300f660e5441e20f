//! Where a release is, and the decision about its next stage.

use super::Time;
use super::line::Line;
use super::promotion::{Decision, Verdict};
use super::release::Release;

/// Where one release is, and what happens next.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'a> {
    pub line: &'a Line,
    pub release: &'a Release,
    pub now: Time,
    /// The decision about the release's next stage. `None` if the release is in its last stage.
    pub decision: Option<&'a Decision<'a>>,
}

impl Explanation<'_> {
    /// The state of the release in JSON: `promoted`, `due`, `waiting`, `blocked` or `yanked`.
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

    /// The index of the last stage that the release has entered.
    pub fn stage(&self) -> Option<usize> {
        self.release.stage(self.now)
    }
}
