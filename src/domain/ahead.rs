//! Entries that are dated ahead of the clock: a machine with a fast clock promoted the release.
//!
//! Such an entry waits for its date, so the release goes no further until then. This is told wherever the
//! release is shown. A stop removes the entry, because it must stop the release and not its record, and so
//! does whoever dates it anew: the release is then promoted when it is due.

use chrono::TimeDelta;

use super::Time;
use super::catalog::Catalog;
use super::change::Change;
use super::channel::LineName;
use super::line::{Line, Stage};
use super::release::Release;
use super::version::Version;

/// How far the clocks of two machines may differ. Clocks that are kept by time servers differ by less than a
/// second, so a difference of minutes means that one of them is wrong.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Whether a time is so far ahead of a clock that one of two clocks must be wrong.
pub fn is_ahead(at: Time, clock: Time) -> bool {
    TOLERANCE < at - clock
}

/// An entry that is dated ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead<'a> {
    pub line: &'a LineName,
    pub version: &'a Version,
    pub stage: &'a Stage,
    pub since: Time,
}

impl Catalog {
    /// The entries that are dated ahead of the clock by which the catalog was [judged](Self::judged_by).
    pub fn entries_ahead(&self) -> impl Iterator<Item = Ahead<'_>> {
        self.lines().flat_map(of_line)
    }

    /// Like [`entries_ahead`](Self::entries_ahead), with those of the faulty lines, as far as they can be read.
    pub fn stoppable_entries_ahead(&self) -> impl Iterator<Item = Ahead<'_>> {
        // A stage that only entries mention would go with them, and the line would then read as another one.
        let is_declared = |ahead: &Ahead<'_>| ahead.stage.soak.is_some();
        let salvaged = self.salvaged_lines().flat_map(move |line| {
            let first = line
                .stages
                .first()
                .filter(|_| line.stages.get(1).is_some_and(|second| second.soak.is_some()));
            of_line(line)
                .filter(move |ahead| is_declared(ahead) || first.is_some_and(|first| *first == *ahead.stage))
        });
        self.entries_ahead().chain(salvaged)
    }

    /// The changes that remove the entries ahead that a change would have to wait for: of the release that
    /// it stops, or of the releases that would enter the channel that it pauses.
    pub fn stopped_by(&self, change: &Change) -> Vec<Change> {
        match change {
            Change::Hold { version, .. } | Change::Yank { version, .. } => {
                removals(self.stoppable_entries_ahead().filter(|ahead| ahead.version == version))
            }
            Change::Pause { line, stage, .. } => {
                let place = |name| self.stoppable(line).and_then(|line| line.stage(name));
                let paused = place(stage);
                let ahead = self.stoppable_entries_ahead().filter(|ahead| ahead.line == line);
                removals(ahead.filter(|ahead| paused <= place(&ahead.stage.name)))
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the changes that remove entries, in the order in which they can be made.
pub fn removals<'a>(entries: impl Iterator<Item = Ahead<'a>>) -> Vec<Change> {
    let remove = |ahead: Ahead<'_>| {
        let (version, stage) = (ahead.version.clone(), ahead.stage.name.clone());
        Change::Leave { version, stage }
    };
    let mut changes: Vec<Change> = entries.map(remove).collect();
    // No release may have an entry for a stage and none for the stage before.
    changes.reverse();
    changes
}

fn of_line(line: &Line) -> impl Iterator<Item = Ahead<'_>> {
    line.releases.values().flat_map(|release| of_release(line, release))
}

fn of_release<'a>(line: &'a Line, release: &'a Release) -> impl Iterator<Item = Ahead<'a>> {
    line.stages.iter().zip(&release.entries).filter_map(move |(stage, entry)| {
        let since = entry.as_ref().filter(|entry| entry.ahead)?.since;
        Some(Ahead { line: &line.name, version: &release.version, stage, since })
    })
}

#[cfg(test)]
mod tests {
    use super::super::promotion::{Fact, Verdict, decide};
    use super::super::release::Yank;
    use super::super::testing::{catalog, event, line, release, t, v};
    use super::*;

    fn fast() -> Catalog {
        catalog([line("1.8", None)
            .with(release("1.8.4", &["2018-01-01", "2018-03-01"]))
            .with(release("1.8.5", &["2018-03-01", "2018-04-01"]))
            .with(release("1.8.6", &["2018-01-01"]))])
    }

    #[test]
    fn an_entry_is_ahead_if_a_clock_must_be_wrong_and_not_because_another_day_is_queried() {
        for (clock, ahead) in [("2018-02-28T23:55:00Z", 1), ("2018-02-28T23:54:59Z", 3), ("2018-04-01", 0)] {
            assert_eq!(fast().judged_by(t(clock)).entries_ahead().count(), ahead, "{clock}");
        }
        let history = fast().judged_by(t("2018-05-01"));
        let decisions = decide(&history, t("2018-02-01"));
        assert!(
            decisions
                .iter()
                .flat_map(|one| &one.gates)
                .all(|gate| !matches!(gate.fact, Fact::Recorded { ahead: true, .. }))
        );
    }

    #[test]
    fn an_entry_that_is_ahead_waits_for_its_date_and_the_gate_says_so() {
        let catalog = fast().judged_by(t("2018-02-01"));
        let decision = &decide(&catalog, t("2018-02-01"))[0];
        assert_eq!(decision.verdict, Verdict::Wait { until: t("2018-03-01") });
        assert_eq!(decision.gates[0].fact, Fact::Recorded { since: t("2018-03-01"), ahead: true });
    }

    #[test]
    fn a_stop_removes_the_entries_that_it_must_stop() {
        let catalog = fast().judged_by(t("2018-02-01"));
        let leave =
            |version: &str, stage: &str| Change::Leave { version: v(version), stage: stage.parse().unwrap() };
        let (version, stop) = (|text: &str| v(text), || event(t("2018-02-01"), "etcd"));
        let pause = |stage: &str| Change::Pause {
            line: "1.8".parse().unwrap(),
            stage: stage.parse().unwrap(),
            pause: stop(),
        };
        for (change, removed) in [
            (
                Change::Hold { version: version("1.8.5"), hold: stop() },
                vec![leave("1.8.5", "production"), leave("1.8.5", "preproduction")],
            ),
            (Change::Hold { version: version("1.8.6"), hold: stop() }, vec![]),
            (pause("production"), vec![leave("1.8.5", "production"), leave("1.8.4", "production")]),
            (Change::Yank { version: version("1.8.6"), yank: Yank { event: stop(), to: None } }, vec![]),
        ] {
            let changes = catalog.stopped_by(&change);
            assert_eq!(changes, removed, "{change:?}");
            let all = changes.iter().chain([&change]);
            assert!(all.cloned().try_fold(catalog.clone(), |after, one| one.apply(after)).is_ok());
        }
    }
}
