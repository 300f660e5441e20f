//! Carrying out promotion decisions, and promoting one release early.
//!
//! [`promotion`](crate::domain::promotion) alone decides whether a release may move on. This module chooses
//! which of those decisions a run carries out.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Author, Outcome, Refused, Subject};
use crate::domain::Time;
use crate::domain::ahead::{Ahead, removals};
use crate::domain::catalog::Catalog;
use crate::domain::change::{Change, ChangeError};
use crate::domain::promotion::{Decision, Early, Verdict, decide, decide_early};
use crate::domain::release::Entry;
use crate::domain::version::Version;

/// A request for a run of promotions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promote {
    /// The releases to promote. If empty, all releases that are due.
    pub versions: BTreeSet<Version>,
    /// Whether promotions are recorded as of a time in the past.
    pub backfill: bool,
}

/// The requested decisions, split into those that a run carries out next and the rest.
#[derive(Debug, PartialEq)]
pub struct Due<'d, 'a> {
    pub promote: Vec<&'d Decision<'a>>,
    pub left: Vec<&'d Decision<'a>>,
}

impl Promote {
    /// Checks that promotions may be recorded as of `at`.
    ///
    /// # Errors
    /// When `at` is in the future.
    pub fn check(&self, at: Time, now: Time) -> Result<(), Refused<'static>> {
        if self.backfill && now < at { Err(Refused::HistoryAhead(at)) } else { Ok(()) }
    }

    /// The entries of the requested releases that are dated ahead of the clock.
    pub fn ahead<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = Ahead<'a>> {
        let wanted = |version: &Version| self.versions.is_empty() || self.versions.contains(version);
        catalog.entries_ahead().filter(move |ahead| wanted(ahead.version))
    }

    /// Returns the changes that remove those entries. Each release is then promoted when it is due.
    pub fn redate(&self, catalog: &Catalog) -> Vec<Change> {
        removals(self.ahead(catalog))
    }

    /// Splits the requested decisions into those that a run carries out next and the rest. A release moves
    /// only one stage in a run, so those in `moved` are left out. Releases for which `has_failed` is true
    /// are not retried.
    pub fn due<'d, 'a>(
        &self,
        decisions: &'d [Decision<'a>],
        moved: &BTreeSet<Version>,
        has_failed: impl Fn(&Version) -> bool,
    ) -> Due<'d, 'a> {
        let wanted = decisions.iter().filter(|decision| {
            let version = &decision.release.version;
            (self.versions.is_empty() || self.versions.contains(version)) && !moved.contains(version)
        });
        let (promote, left) = wanted.partition(|decision| {
            // A hold is dated with the time at which somebody set it. It must stop every promotion made
            // after that, including promotions that are recorded as of an earlier time.
            let is_held = self.backfill && decision.release.hold.is_some();
            decision.verdict == Verdict::Promote && !is_held && !has_failed(&decision.release.version)
        });
        Due { promote, left }
    }

    /// Simulates the rounds of a run. Promoting a barrier can make a release behind it due in the same run.
    /// The last round promotes nothing.
    ///
    /// # Errors
    /// When a promotion cannot be applied to the catalog, which means that the decision was wrong.
    pub fn foresee(
        &self,
        catalog: &Catalog,
        now: Time,
        mut round: impl FnMut(&Due<'_, '_>),
    ) -> Result<(), ChangeError> {
        let mut catalog = Cow::Borrowed(catalog);
        let mut moved = BTreeSet::new();
        loop {
            let decisions = decide(&catalog, now);
            let due = self.due(&decisions, &moved, |_| false);
            round(&due);
            if due.promote.is_empty() {
                return Ok(());
            }
            moved.extend(due.promote.iter().map(|decision| decision.release.version.clone()));
            let changes: Vec<Change> = due.promote.iter().map(|decision| decision.entry(now)).collect();
            let after = changes.iter().try_fold(catalog.into_owned(), |after, change| change.apply(after))?;
            catalog = Cow::Owned(after);
        }
    }
}

impl<'d, 'a> Due<'d, 'a> {
    /// The remaining decisions whose releases are blocked.
    pub fn blocked(&self) -> impl Iterator<Item = &'d Decision<'a>> {
        self.left.iter().copied().filter(|decision| decision.verdict == Verdict::Blocked)
    }
}

/// A request to promote one release before its soak is over or outside its window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoteEarly {
    pub version: Version,
    /// Whether to promote the release even during a freeze.
    pub during_freeze: bool,
    pub reason: String,
    pub by: Author,
}

impl PromoteEarly {
    /// The decision to carry out; `None` if the release is in its last stage.
    ///
    /// # Errors
    /// When the release is unknown, or a gate that an early promotion cannot skip is closed.
    pub fn decide<'a>(
        &'a self,
        catalog: &'a Catalog,
        now: Time,
    ) -> Result<Option<Decision<'a>>, Refused<'a>> {
        catalog.release(&self.version).ok_or(Refused::NoRelease(&self.version))?;
        let early = Early { during_freeze: self.during_freeze };
        match decide_early(catalog, &self.version, now, early) {
            Some(decision) if decision.verdict != Verdict::Promote => {
                Err(Refused::NotEarly(Box::new(decision)))
            }
            decision => Ok(decision),
        }
    }

    /// The change that carries out a decision.
    pub fn entry(&self, decision: &Decision<'_>, now: Time) -> Change {
        decision.enter(Entry::new(now, self.by.to_string(), Some(self.reason.clone())))
    }
}

/// Promotes one release early. A release in its last stage is left unchanged.
///
/// # Errors
/// See [`PromoteEarly::decide`].
pub(super) fn promote_early<'a>(
    catalog: &'a Catalog,
    ask: &'a PromoteEarly,
    now: Time,
) -> Result<Outcome, Refused<'a>> {
    let (line, release) = catalog.release(&ask.version).ok_or(Refused::NoRelease(&ask.version))?;
    let enter = ask.decide(catalog, now)?.map(|decision| ask.entry(&decision, now));
    Ok(Outcome::of(Subject::release(line, &release.version), enter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, line, release, t, v};

    const SOAKED: &[&str] = &["2018-01-01"];

    fn versions(decisions: &[&Decision<'_>]) -> Vec<String> {
        decisions.iter().map(|decision| decision.release.version.to_string()).collect()
    }

    fn named(versions: &[&str]) -> BTreeSet<Version> {
        versions.iter().map(|version| v(version)).collect()
    }

    #[test]
    fn what_is_due_and_asked_for_is_carried_out_once() {
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", SOAKED))
            .with(release("1.8.5", SOAKED))
            .with(release("1.8.6", SOAKED).held_at("2018-01-20"))
            .with(release("1.8.7", &["2018-01-10"]))]);
        let decisions = decide(&catalog, t("2018-01-16"));
        for (asked, backfill, moved, promote, left) in [
            (&[][..], false, &[][..], &["1.8.4", "1.8.5", "1.8.6"][..], &["1.8.7"][..]),
            (&["1.8.4", "1.8.7"], false, &[], &["1.8.4"], &["1.8.7"]),
            (&[], false, &["1.8.4"], &["1.8.5", "1.8.6"], &["1.8.7"]),
            // The hold came later, and is meant for the history too.
            (&[], true, &[], &["1.8.4", "1.8.5"], &["1.8.6", "1.8.7"]),
        ] {
            let run = Promote { versions: named(asked), backfill };
            let due = run.due(&decisions, &named(moved), |_| false);
            assert_eq!((versions(&due.promote), versions(&due.left)), (to(promote), to(left)));
        }
    }

    fn to(versions: &[&str]) -> Vec<String> {
        versions.iter().map(|version| (*version).to_owned()).collect()
    }

    #[test]
    fn a_barrier_opens_the_way_for_what_waits_behind_it_in_the_same_run() {
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", SOAKED).barrier())
            .with(release("1.8.5", SOAKED))
            .with(release("1.8.6", SOAKED).held_at("2018-01-02"))]);
        let mut rounds = Vec::new();
        let mut see = |due: &Due<'_, '_>| rounds.push((versions(&due.promote), versions(&due.left)));
        Promote::default().foresee(&catalog, t("2018-01-16"), &mut see).unwrap();
        assert_eq!(
            rounds,
            [
                (to(&["1.8.4"]), to(&["1.8.5", "1.8.6"])),
                (to(&["1.8.5"]), to(&["1.8.6"])),
                (vec![], to(&["1.8.6"])),
            ]
        );
    }

    #[test]
    fn what_is_blocked_is_told_with_its_gate() {
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", &["2018-01-10"]))
            .with(release("1.8.5", SOAKED).held_at("2018-01-02"))
            .with(release("1.8.6", SOAKED).yanked_at("2018-01-02", None))]);
        let decisions = decide(&catalog, t("2018-01-16"));
        let due = Promote::default().due(&decisions, &BTreeSet::new(), |_| false);
        let blocked: Vec<_> = due.blocked().collect();
        assert_eq!(versions(&blocked), to(&["1.8.5", "1.8.6"]));
        assert_eq!(blocked[0].blocking().unwrap().fact.name(), "hold");
        let waits = Promote { versions: named(&["1.8.4"]), backfill: true };
        assert_eq!(waits.due(&decisions, &BTreeSet::new(), |_| false).blocked().count(), 0);
    }

    #[test]
    fn what_could_not_be_written_is_not_tried_again() {
        let catalog =
            catalog([line("1.8", None).with(release("1.8.4", SOAKED)).with(release("1.8.5", SOAKED))]);
        let decisions = decide(&catalog, t("2018-01-16"));
        let due = Promote::default().due(&decisions, &BTreeSet::new(), |version| *version == v("1.8.4"));
        assert_eq!((versions(&due.promote), versions(&due.left)), (to(&["1.8.5"]), to(&["1.8.4"])));
    }

    #[test]
    fn a_history_lies_in_the_past() {
        let now = t("2018-01-16");
        let run = |backfill| Promote { backfill, ..Promote::default() };
        assert_eq!(run(true).check(now, now), Ok(()));
        assert_eq!(run(true).check(t("2018-01-17"), now), Err(Refused::HistoryAhead(t("2018-01-17"))));
        assert_eq!(run(false).check(t("2018-01-17"), now), Ok(()), "it only shows what would come");
    }

    #[test]
    fn an_early_promotion_passes_over_a_soak_and_never_over_a_hold() {
        let now = t("2018-01-02");
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", SOAKED))
            .with(release("1.8.5", SOAKED).held_at("2018-01-01"))
            .with(release("1.8.6", &["2017-01-01", "2017-02-01"]))
            .frozen("2018-01-01", "2018-02-01", &[])]);
        let early = |version: &str, during_freeze| PromoteEarly {
            version: v(version),
            during_freeze,
            reason: "an outage".to_owned(),
            by: Author::named("ada").unwrap(),
        };
        let entry = Entry::new(now, "ada".to_owned(), Some("an outage".to_owned()));
        let stage = "production".parse().unwrap();
        let enter = Change::Enter { version: v("1.8.4"), stage, entry };
        assert_eq!(promote_early(&catalog, &early("1.8.4", true), now).unwrap().changes, [enter]);
        assert!(!promote_early(&catalog, &early("1.8.6", false), now).unwrap().is_change());
        for (ask, gate) in [(early("1.8.4", false), "freeze"), (early("1.8.5", true), "hold")] {
            let Err(Refused::NotEarly(decision)) = promote_early(&catalog, &ask, now) else {
                panic!("{ask:?} is not refused")
            };
            assert!(decision.obstacles().any(|obstacle| obstacle.fact.name() == gate));
        }
        let seven = early("1.8.7", false);
        assert_eq!(promote_early(&catalog, &seven, now), Err(Refused::NoRelease(&v("1.8.7"))));
    }
}
