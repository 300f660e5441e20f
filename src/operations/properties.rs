//! What holds for every operation, tried on many made-up catalogs.

use proptest::prelude::*;

use super::{Add, Author, Operation, PromoteEarly};
use crate::domain::catalog::Catalog;
use crate::domain::properties::any_catalog;
use crate::domain::testing::{release, t, v};
use crate::domain::version::Version;

fn any_version() -> impl Strategy<Value = Version> {
    (6..11_u64, 0..4_u64, 1..4_u64)
        .prop_map(|(minor, patch, revision)| v(&format!("1.{minor}.{patch}-t.{revision}")))
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let line = (7..11_u64).prop_map(|minor| format!("1.{minor}"));
    let reason = prop::sample::select(vec!["held", "yanked", "paused", "breaks DNS"]);
    let stage = prop::sample::select(vec!["preproduction", "production", "canary"]);
    let other = prop::option::of(any_version());
    let asked = (line, stage, any_version(), other, reason, prop::bool::ANY);
    (0..9_usize, asked).prop_map(|(kind, (line, stage, version, other, reason, flag))| {
        let by = Author::named("ada").unwrap();
        let reason = reason.to_owned();
        let channel = format!("{line}-{stage}").parse().unwrap();
        match kind {
            0 => Operation::Add(Box::new(Add {
                payloads: release("1.8.4", &[]).payloads.clone(),
                line: flag.then(|| line.parse().unwrap()),
                version,
                urgency: None,
                summary: None,
                links: [].into(),
                components: [].into(),
                barrier: flag,
                replaces: other,
                by: Some(by),
            })),
            1 => Operation::Hold { version, reason, by },
            2 => Operation::Resume { version, reason, by },
            3 => Operation::Yank { version, to: other, reason, by },
            4 => Operation::Unyank { version, reason, by },
            5 => Operation::Pause { channel, reason, by },
            6 => Operation::Unpause { channel, reason, by },
            7 => Operation::Retire { line: line.parse().unwrap(), reason, by, leave_behind: flag },
            _ => Operation::PromoteEarly(PromoteEarly { version, during_freeze: flag, reason, by }),
        }
    })
}

proptest! {
    #[test]
    fn what_is_not_refused_applies_and_doing_it_twice_is_nothing_to_do(
        catalog in any_catalog(), operation in any_operation(), day in 0..70_i64,
    ) {
        let now = t("2018-01-01") + chrono::TimeDelta::days(day);
        let Ok(outcome) = operation.plan(&catalog, now) else { return Ok(()) };
        let mut after: Catalog = catalog.clone();
        for change in &outcome.changes {
            after = change.apply(after).unwrap();
        }
        prop_assert_eq!(outcome.is_change(), after != catalog, "{:?}", outcome);
        let again = operation.plan(&after, now).unwrap();
        prop_assert!(!again.is_change(), "{:?}", again);
    }
}
