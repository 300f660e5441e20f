//! Stops: the holds, yanks and pauses of a catalog, including those dated in the future.
//!
//! An event dated in the future does not exist yet, so that any day of a history can be queried. By that
//! rule, a stop written on a machine with a fast clock, or with the wrong year, would silently stop nothing
//! until its date. Somebody wrote it on purpose, so it takes effect at once instead. It then applies to
//! every queried time, because nothing shows when it was written.
//!
//! A retirement is not a stop: it cannot be undone, so a retirement dated in the future waits for its date.

use std::sync::Arc;

use super::Time;
use super::ahead;
use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::line::Line;
use super::release::{Event, ReleaseFile};
use super::version::Version;

/// One stop of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop<'a> {
    pub line: &'a LineName,
    pub what: Stopped<'a>,
    pub event: &'a Event,
}

/// What is stopped, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped<'a> {
    Held(&'a Version),
    Yanked(&'a Version),
    Paused(&'a StageName),
}

impl Catalog {
    /// Judges every date by `clock`, the clock of the machine that reads the catalog, never a queried time:
    /// stops that are dated after it take effect at once, and entries that are dated after it are
    /// [ahead](super::ahead::Ahead).
    pub fn judged_by(mut self, clock: Time) -> Self {
        let judge = |line: &mut Arc<Line>| {
            if is_judged(line, clock) {
                return;
            }
            let line = Arc::make_mut(line);
            let releases = line.releases.values_mut();
            let events = releases.flat_map(|release| {
                for entry in release.entries.iter_mut().flatten() {
                    entry.ahead = ahead::is_ahead(entry.since, clock);
                }
                let ReleaseFile { hold, yank, .. } = &mut **release;
                [hold.as_deref_mut(), yank.as_deref_mut().map(|yank| &mut yank.event)]
            });
            let pauses = line.stages.iter_mut().map(|stage| stage.paused.as_mut());
            for event in events.chain(pauses).flatten() {
                event.at_once |= clock < event.at;
            }
        };
        self.lines_mut().values_mut().for_each(judge);
        self.salvaged_mut().values_mut().for_each(judge);
        self
    }

    /// The stops that take effect at once although they are dated in the future.
    pub fn stops_at_once(&self) -> impl Iterator<Item = Stop<'_>> {
        self.stoppable_lines().flat_map(stops).filter(|stop| stop.event.at_once)
    }
}

/// Whether judging a line by `clock` would change nothing in it.
fn is_judged(line: &Line, clock: Time) -> bool {
    let mut entries = line.releases.values().flat_map(|release| release.entries.iter().flatten());
    entries.all(|entry| entry.ahead == ahead::is_ahead(entry.since, clock))
        && stops(line).all(|stop| stop.event.at_once || stop.event.at <= clock)
}

/// Every stop of a line.
fn stops(line: &Line) -> impl Iterator<Item = Stop<'_>> {
    let releases = line.releases.values().flat_map(|release| {
        let hold = release.hold.as_deref().map(|hold| (Stopped::Held(&release.version), hold));
        let yank = release.yank.as_ref().map(|yank| (Stopped::Yanked(&release.version), &yank.event));
        [hold, yank].into_iter().flatten()
    });
    let pauses =
        line.stages.iter().filter_map(|stage| Some((Stopped::Paused(&stage.name), stage.paused.as_ref()?)));
    pauses.chain(releases).map(|(what, event)| Stop { line: &line.name, what, event })
}

impl Stopped<'_> {
    /// The key of the stop's time in the file.
    pub fn key(&self) -> String {
        match self {
            Self::Held(_) => "hold.at".to_owned(),
            Self::Yanked(_) => "yank.at".to_owned(),
            Self::Paused(stage) => format!("paused.{stage}.at"),
        }
    }

    /// The release whose file contains the stop. `None` if the line's file contains it.
    pub const fn release(&self) -> Option<&Version> {
        match self {
            Self::Held(version) | Self::Yanked(version) => Some(version),
            Self::Paused(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::promotion::{Verdict, decide};
    use super::super::testing::{catalog, event, line, release, t};
    use super::*;

    /// Stopped in every way on the fourth; two releases that would be due on the third.
    fn stopped() -> Catalog {
        let mut line = line("1.8", None)
            .with(release("1.8.4", &["2018-01-01"]).held_at("2018-02-04"))
            .with(release("1.8.5", &["2018-01-01"]).yanked_at("2018-02-04", None));
        line.stages[1].paused = Some(event(t("2018-02-04"), "an outage"));
        line.retired = Some(event(t("2018-02-04"), "no fixes"));
        catalog([line])
    }

    #[test]
    fn a_stop_dated_ahead_of_the_readers_clock_counts_at_once() {
        let asked = t("2018-02-03");
        for (reader, verdict, at_once) in [
            ("2018-02-03", Verdict::Blocked, 3),
            ("2018-02-03T23:59:59Z", Verdict::Blocked, 3),
            ("2018-02-04", Verdict::Promote, 0),
        ] {
            let catalog = stopped().judged_by(t(reader));
            let decisions = decide(&catalog, asked);
            assert!(decisions.iter().all(|decision| decision.verdict == verdict), "{reader}");
            assert_eq!(catalog.stops_at_once().count(), at_once, "{reader}");
        }
    }

    #[test]
    fn each_kind_of_stop_stops_by_itself_and_says_where_it_stands() {
        let now = t("2018-02-03");
        let catalog = stopped().judged_by(now);
        let found = catalog.lines().next().unwrap();
        let release = |version: &str| &found.releases[&super::super::testing::v(version)];
        assert!(release("1.8.4").held(now).is_some());
        assert!(release("1.8.5").yanked(now).is_some());
        assert!(found.stages[1].paused(now).is_some());
        assert!(found.retired(now).is_none(), "nobody could take that back");
        let keys: Vec<String> = catalog.stops_at_once().map(|stop| stop.what.key()).collect();
        assert_eq!(keys, ["paused.production.at", "hold.at", "yank.at"]);
    }

    #[test]
    fn what_counts_at_once_keeps_its_date() {
        let catalog = stopped().judged_by(t("2018-02-03"));
        let held = catalog.lines().next().and_then(|line| line.releases.values().next()).unwrap();
        let held = held.held(t("2018-02-03")).unwrap();
        assert_eq!(held.at, t("2018-02-04"));
    }

    #[test]
    fn an_entry_dated_ahead_still_waits_for_its_date() {
        let line = line("1.8", None).with(release("1.8.4", &["2018-01-01", "2018-03-01"]));
        let catalog = catalog([line]).judged_by(t("2018-02-03"));
        let verdict = decide(&catalog, t("2018-02-03"))[0].verdict;
        assert_eq!(verdict, Verdict::Wait { until: t("2018-03-01") });
    }
}
