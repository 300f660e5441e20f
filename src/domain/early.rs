//! Scheduled entries that the schedule cannot have made.

use chrono::TimeDelta;

use super::catalog::Catalog;
use super::line::{Line, Stage};
use super::release::{Release, SCHEDULE};
use super::rules::{At, Broken, Part, Rule};

/// Finds scheduled entries that are new in `after` and earlier than the policy of either catalog allows.
/// Whatever their recorded reasons, somebody must have written them by hand.
pub fn new_and_too_early(before: &Catalog, after: &Catalog) -> Vec<Broken> {
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
                    let (line, version) = (line.name.clone(), release.version.clone());
                    let at = At::Release(version, Part::Since(stage.name.clone()));
                    let (stage, before) = (stage.name.clone(), previous.name.clone());
                    let rule = Rule::Early { stage, before, spent, min, scheduled: true };
                    found.push(Broken { line, at, rule });
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
    use std::sync::Arc;

    use super::super::policy::{Soak, SoakPolicy, Urgency};
    use super::super::testing::{catalog, line, release};
    use super::*;

    /// A catalog with one release, whose scheduled entry may be too early for the rules.
    fn with_soak(min: i64, urgency: Urgency, entered: &[&str]) -> Catalog {
        let mut line = line("1.8", None);
        let soak = |min| Soak { min: TimeDelta::days(min), max: TimeDelta::days(28) };
        line.stages[1].soak = Some(SoakPolicy {
            normal: soak(min),
            security: soak(3),
            why: None,
            security_why: Some("fixes go out faster".to_owned()),
        });
        let mut release = release("1.8.4", entered);
        release.urgency = urgency;
        Catalog::published([line.with(release)])
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
        let mut by_hand = entered(14, Normal, "2018-01-04");
        for release in
            by_hand.lines_mut().values_mut().flat_map(|line| Arc::make_mut(line).releases.values_mut())
        {
            "ada".clone_into(&mut release.entries[1].as_mut().unwrap().by);
        }
        assert_eq!(new_and_too_early(&waits(), &by_hand), []);
    }
}
