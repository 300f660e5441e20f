//! What a scheduled entry says of its soak, and which entries no schedule can have made.
//!
//! A policy holds for what comes. An entry that was made under another one stays right when the policy
//! changes, so it says itself which soak was over: `soaked 14d`.

use chrono::TimeDelta;

use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::line::{Line, Stage};
use super::release::{Entry, Release, SCHEDULE};
use super::span::Span;
use super::version::Version;

/// How the reason of a scheduled entry begins.
const SOAKED: &str = "soaked ";

/// The reason of an entry that the schedule makes once this soak is over.
#[must_use]
pub fn reason(min: TimeDelta) -> String {
    format!("{SOAKED}{}", Span(min))
}

/// The soak that an entry says was over.
#[must_use]
pub fn recorded(entry: &Entry) -> Option<TimeDelta> {
    Span::parse(entry.reason.as_deref()?.strip_prefix(SOAKED)?).map(|Span(min)| min)
}

/// A scheduled entry that came before the soak was over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooEarly {
    pub line: LineName,
    pub version: Version,
    pub stage: StageName,
    /// The stage in which the release soaked.
    pub before: StageName,
    pub spent: TimeDelta,
    pub min: TimeDelta,
}

/// The scheduled entries of `after` that are not in `before` and came earlier than either catalog's
/// policy lets them: their reasons say what they like, and somebody wrote them by hand.
#[must_use]
pub fn new_and_too_early(before: &Catalog, after: &Catalog) -> Vec<TooEarly> {
    let mut found = Vec::new();
    for line in after.lines() {
        let old = before.line(&line.name);
        for release in line.releases.values() {
            let was = old.and_then(|old| Some((old, old.releases.get(&release.version)?)));
            for (index, stages) in line.stages.windows(2).enumerate() {
                let [previous, stage] = stages else { continue };
                let entries = (&release.entries[index], &release.entries[index + 1]);
                let (Some(entered), Some(entry)) = entries else { continue };
                if entry.by != SCHEDULE || was.is_some_and(|(old, was)| has_entered(old, was, stage)) {
                    continue;
                }
                let policies = [
                    min(stage, release),
                    old.and_then(|old| min(old.stages.get(old.stage(&stage.name)?)?, release)),
                    was.and_then(|(old, was)| min(old.stages.get(old.stage(&stage.name)?)?, was)),
                ];
                let Some(min) = policies.into_iter().flatten().min() else { continue };
                let spent = entry.since - entered.since;
                if spent < min {
                    found.push(TooEarly {
                        line: line.name.clone(),
                        version: release.version.clone(),
                        stage: stage.name.clone(),
                        before: previous.name.clone(),
                        spent,
                        min,
                    });
                }
            }
        }
    }
    found
}

fn has_entered(line: &Line, release: &Release, stage: &Stage) -> bool {
    let entry = line.stage(&stage.name).and_then(|stage| release.entries.get(stage));
    entry.is_some_and(Option::is_some)
}

fn min(stage: &Stage, release: &Release) -> Option<TimeDelta> {
    stage.soak.as_ref().map(|soak| soak.of(release.urgency).min)
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Soak, SoakPolicy, Urgency};
    use super::super::testing::{catalog, entry, line, release, t};
    use super::*;

    #[test]
    fn the_soak_in_a_reason_is_read_as_it_was_written() {
        for (min, text) in [
            (TimeDelta::days(14), "soaked 14d"),
            (TimeDelta::hours(36), "soaked 36h"),
            (TimeDelta::minutes(90), "soaked 90m"),
            (TimeDelta::seconds(61), "soaked 61s"),
            (TimeDelta::zero(), "soaked 0d"),
        ] {
            assert_eq!(reason(min), text);
            let entry = Entry { reason: Some(text.to_owned()), ..entry(t("2018-01-01")) };
            assert_eq!(recorded(&entry), Some(min), "{text}");
        }
        for text in ["", "soaked", "soaked ", "soaked 14", "soaked d", "soaked -3d", "soaked 14d, really"] {
            let entry = Entry { reason: Some(text.to_owned()), ..entry(t("2018-01-01")) };
            assert_eq!(recorded(&entry), None, "{text}");
        }
    }

    fn with_soak(min: i64, urgency: Urgency, entered: &[&str]) -> Catalog {
        let mut line = line("1.8", None);
        let soak = |min| Soak { min: TimeDelta::days(min), max: TimeDelta::days(28) };
        line.stages[1].soak = Some(SoakPolicy { normal: soak(min), security: soak(3), why: None });
        let mut release = release("1.8.4", entered);
        release.urgency = urgency;
        catalog([line.with(release)])
    }

    #[test]
    fn a_new_scheduled_entry_is_held_against_the_policy_before_and_after() {
        use Urgency::{Normal, Security};
        let waits = || with_soak(14, Normal, &["2018-01-01"]);
        let entered = |min, urgency, on: &str| with_soak(min, urgency, &["2018-01-01", on]);
        for (what, before, after, early) in [
            ("in time", waits(), entered(14, Normal, "2018-01-15"), false),
            ("a day early", waits(), entered(14, Normal, "2018-01-14"), true),
            ("made before the soak was longer", waits(), entered(21, Normal, "2018-01-15"), false),
            ("made with a shorter soak", waits(), entered(10, Normal, "2018-01-11"), false),
            (
                "made while it was urgent",
                with_soak(14, Security, &["2018-01-01"]),
                entered(14, Normal, "2018-01-04"),
                false,
            ),
            ("there before", entered(14, Normal, "2018-01-04"), entered(14, Normal, "2018-01-04"), false),
            ("of a new line", catalog([]), entered(14, Normal, "2018-01-04"), true),
        ] {
            assert_eq!(!new_and_too_early(&before, &after).is_empty(), early, "{what}");
        }
        let mut by_hand = entered(14, Normal, "2018-01-04").into_lines();
        for release in by_hand.values_mut().flat_map(|line| line.releases.values_mut()) {
            "ada".clone_into(&mut release.entries[1].as_mut().unwrap().by);
        }
        assert_eq!(new_and_too_early(&waits(), &Catalog::new(by_hand.into_values())), []);
    }
}
