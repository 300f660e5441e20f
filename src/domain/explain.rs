//! Where a release is, and the decision about its next stage.

use super::Time;
use super::degraded::LineRefusal;
use super::line::Line;
use super::not_promoting::NotPromoting;
use super::promotion::{Decision, Fact, Verdict};
use super::release::Release;
use super::upgrade::Step;

/// Where one release is, and what happens next.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'a> {
    pub line: &'a Line,
    pub release: &'a Release,
    pub now: Time,
    /// The decision about the release's next stage. `None` if the release is in its last stage. If the line was
    /// refused, it counts only for what it says about the gates.
    pub decision: Option<&'a Decision<'a>>,
    /// Why the server refused the line, so that nothing is promoted in it and there is no decision.
    pub refused: Option<&'a LineRefusal>,
    /// Why the server does not promote, if it does not, as far as is known.
    pub not_promoting: Option<NotPromoting>,
    /// The release from which clusters can enter the line, if there is one.
    pub entry: Option<Step<'a>>,
}

impl Explanation<'_> {
    /// The state of the release in JSON: `promoted`, `due`, `waiting`, `blocked` or `yanked`.
    pub fn state(&self) -> &'static str {
        if self.release.yanked(self.now).is_some() {
            return "yanked";
        }
        if self.stands_still().is_some() {
            return "blocked";
        }
        match self.decision.map(|decision| decision.verdict) {
            None => "promoted",
            Some(Verdict::Promote) => "due",
            Some(Verdict::Wait { .. }) => "waiting",
            Some(Verdict::Blocked) => "blocked",
        }
    }

    /// Why the release goes no further, although it is not in its last stage: its line was refused.
    pub fn stands_still(&self) -> Option<&LineRefusal> {
        self.refused.filter(|_| self.stage().is_none_or(|stage| stage + 1 < self.line.stages.len()))
    }

    /// Why the server does not promote the release, although it is due or waits only for its time.
    pub fn is_not_promoted(&self) -> Option<NotPromoting> {
        let verdict = self.decision.filter(|_| self.refused.is_none())?.verdict;
        self.not_promoting
            .filter(|why| verdict != Verdict::Blocked && why.concerns(verdict == Verdict::Promote))
    }

    /// Whether the release enters its next stage at a time that is known, unless somebody stops it.
    pub fn enters_by_itself(&self) -> bool {
        let waits = |decision: &&Decision<'_>| matches!(decision.verdict, Verdict::Wait { .. });
        let behind = |decision: &Decision<'_>| {
            decision.obstacles().any(|gate| matches!(gate.fact, Fact::Order { .. }))
        };
        self.refused.is_none()
            && self.is_not_promoted().is_none()
            && self.decision.filter(waits).is_some_and(|one| one.ahead().is_none() && !behind(one))
    }

    /// The index of the last stage that the release has entered.
    pub fn stage(&self) -> Option<usize> {
        self.release.stage(self.now)
    }
}
