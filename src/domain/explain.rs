//! Where a release stands, in a colleague's words: why, until when, and who can do what.

use std::fmt;

use super::catalog::Catalog;
use super::line::Line;
use super::promotion::{Decision, Gate, Verdict};
use super::release::{Release, SCHEDULE};
use super::version::Version;
use super::{Time, rfc3339};

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

    /// One sentence: where the release is and what comes next, and why it is not on offer meanwhile if
    /// it is not.
    #[must_use]
    pub fn sentence(&self) -> String {
        let way = self.way();
        match Gate::withholding(self.release, self.now) {
            Some(gate) => format!("{way}; it is not on offer: {gate}"),
            None => way,
        }
    }

    fn way(&self) -> String {
        let version = &self.release.version;
        let here = match self.stage() {
            Some(stage) => format!("`{version}` is in `{}`", self.line.stages[stage].channel),
            None => format!("`{version}` is in no channel yet"),
        };
        if let Some(yank) = self.release.yanked(self.now) {
            let instead = yank.to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
            let (since, by, reason) = (yank.event.since(), &yank.event.by, &yank.event.reason);
            return format!("`{version}` is offered nowhere: yanked {since} by {by} ({reason}){instead}");
        }
        let Some(decision) = self.decision else {
            return format!("{here}, its last stage");
        };
        let next = &decision.target().channel;
        match decision.verdict {
            Verdict::Promote => format!("{here} and is due for `{next}` now: the next run promotes it"),
            Verdict::Wait { until } => {
                format!("{here} and enters `{next}` at {} if nothing comes between", rfc3339(until))
            }
            Verdict::Blocked if decision.retired().is_some() => {
                format!("{here} and goes no further: line `{}` is retired", self.line.name)
            }
            Verdict::Blocked => format!("{here} and does not enter `{next}` until somebody acts"),
        }
    }

    /// What people can do about it, and who they are; each line once.
    #[must_use]
    pub fn remedies(&self) -> Vec<String> {
        let withheld =
            Gate::withholding(self.release, self.now).and_then(|gate| gate.remedy(&self.release.version));
        let mut remedies: Vec<String> = withheld.into_iter().collect();
        for remedy in self.decision.map(Decision::remedies).unwrap_or_default() {
            if !remedies.contains(&remedy) {
                remedies.push(remedy);
            }
        }
        let version = &self.release.version;
        if self.decision.is_some_and(|decision| decision.verdict == Verdict::Promote) {
            remedies.push(format!(
                "the server does it by itself; whoever may change the catalog can do it now: `tidegate promote {version}`"
            ));
        }
        let withdrawn = self.release.is_withdrawn(self.now);
        if self.decision.is_none() && self.release.yanked(self.now).is_some() && !withdrawn {
            remedies.push(format!(
                "whoever may change the catalog can restore it: `tidegate release unyank {version} --reason TEXT`"
            ));
        }
        remedies
    }
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.", self.sentence())?;
        if let Some(decision) = self.decision.filter(|decision| decision.overdue) {
            let deadline = decision.deadline.map(rfc3339).unwrap_or_default();
            writeln!(f, "It is overdue: it should have moved on by {deadline}.")?;
        }
        if self.stage().is_some() {
            writeln!(f)?;
        }
        for (stage, entry) in self.line.stages.iter().zip(&self.release.entries) {
            let Some(entry) = entry.as_ref().filter(|entry| entry.since <= self.now) else { continue };
            let by =
                if entry.by == SCHEDULE { "by the schedule".to_owned() } else { format!("by {}", entry.by) };
            write!(f, "  entered {:<14} {} {by}", stage.name, rfc3339(entry.since))?;
            match &entry.reason {
                Some(reason) => writeln!(f, ": {reason}")?,
                None => writeln!(f)?,
            }
        }
        if let Some(decision) = self.decision {
            writeln!(f, "\nThe way into `{}`:", decision.target().channel)?;
            for gate in &decision.gates {
                writeln!(f, "  {:<7} {:<11} {gate}", gate.state.name(), gate.fact.name())?;
            }
        }
        let remedies = self.remedies();
        if !remedies.is_empty() {
            writeln!(f, "\nWho can change that:")?;
            remedies.iter().try_for_each(|remedy| writeln!(f, "  {remedy}"))?;
        }
        Ok(())
    }
}
