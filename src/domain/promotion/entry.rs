//! The entry that a decided promotion makes in the catalog.

use super::super::Time;
use super::super::change::Change;
use super::super::release::{Entry, SCHEDULE};
use super::{Decision, Fact, Span};

impl Decision<'_> {
    /// The change that the schedule commits for a release that is promoted at `now`.
    #[must_use]
    pub fn scheduled(&self, now: Time) -> Change {
        let soaked = self.gates.iter().find_map(|gate| match gate.fact {
            Fact::Soak { soak, .. } => Some(format!("soaked {}", Span(soak.min))),
            _ => None,
        });
        self.entered(Entry { since: now, by: SCHEDULE.to_owned(), reason: soaked })
    }

    /// The change that brings the release into the stage with an entry.
    #[must_use]
    pub fn entered(&self, entry: Entry) -> Change {
        Change::Enter { version: self.release.version.clone(), stage: self.target().name.clone(), entry }
    }
}
