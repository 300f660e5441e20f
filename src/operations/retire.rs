//! Retiring a line.

use super::{Note, Outcome, Refused, Subject};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::line::{Line, Stage};
use crate::domain::release::Event;
use crate::domain::version::Version;

/// Retires a line. A line that was already retired for the same reason is left unchanged.
///
/// # Errors
/// When the line is unknown, or was retired for another reason, or has releases on their way that nobody meant
/// to leave behind.
pub(super) fn retire<'a>(
    catalog: &'a Catalog,
    name: &'a LineName,
    retired: Event,
    leave_behind: bool,
) -> Result<Outcome, Refused<'a>> {
    let now = retired.at;
    let line = catalog.line(name).ok_or(Refused::NoLine(name))?;
    let change = match &line.retired {
        Some(present) if present.reason == retired.reason => None,
        Some(retired) => return Err(Refused::LineRetired { line: &line.name, retired }),
        None => Some(Change::Retire { line: name.clone(), retired }),
    };
    let mut outcome = Outcome::of(Subject::Line { line: name.clone() }, change);
    if outcome.is_change()
        && let Some(Stage { channel, .. }) = line.stages.last()
    {
        let versions: Vec<&Version> = stranded(line, now).collect();
        if !versions.is_empty() && !leave_behind {
            return Err(Refused::Strands { line: &line.name, versions, channel });
        }
        outcome.notes = versions.into_iter().map(|version| Note::stranded(version, channel)).collect();
    }
    Ok(outcome)
}

/// The releases that are on their way and will not arrive: also those that are held, because nobody can let them go on
/// any more.
fn stranded(line: &Line, now: Time) -> impl Iterator<Item = &Version> {
    let released = line.releases.values().filter(move |release| release.yanked(now).is_none());
    released.filter(|release| !release.reaches_last_stage()).map(|release| &release.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, release, t, v};

    #[test]
    fn a_line_ends_once_and_for_one_reason() {
        let now = t("2018-02-03");
        let mut old = line("1.7", None);
        old.retired = Some(event(t("2018-01-01"), "no fixes"));
        let catalog = catalog([old, line("1.8", Some("1.7"))]);
        let name = |text: &str| -> LineName { text.parse().unwrap() };
        let (seven, nine) = (name("1.7"), name("1.9"));
        let before = event(t("2018-01-01"), "no fixes");
        for (line, reason, expected) in [
            ("1.8", "old", Ok(vec![Change::Retire { line: name("1.8"), retired: event(now, "old") }])),
            ("1.7", "no fixes", Ok(vec![])),
            ("1.7", "old", Err(Refused::LineRetired { line: &seven, retired: &before })),
            ("1.9", "old", Err(Refused::NoLine(&nine))),
        ] {
            let asked = name(line);
            let outcome = retire(&catalog, &asked, event(now, reason), false);
            assert_eq!(outcome.map(|outcome| outcome.changes), expected, "{line}");
        }
    }

    #[test]
    fn releases_that_will_not_arrive_are_left_behind_only_if_that_is_meant() {
        let line = line("1.8", None)
            .with(release("1.8.1", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.2", &["2018-01-01"]))
            .with(release("1.8.3", &["2018-01-01"]).held_at("2018-01-02"))
            .with(release("1.8.4", &["2018-01-01"]).yanked_at("2018-01-02", None));
        let catalog = catalog([line]);
        let name = "1.8".parse().unwrap();
        let end = |leave_behind| retire(&catalog, &name, event(t("2018-02-03"), "no fixes"), leave_behind);
        let channel = "1.8-production".parse().unwrap();
        let (soaks, held) = (v("1.8.2"), v("1.8.3"));
        let refused = Refused::Strands { line: &name, versions: vec![&soaks, &held], channel: &channel };
        assert_eq!(end(false), Err(refused));
        let notes = [&soaks, &held].map(|version| Note::stranded(version, &channel));
        assert_eq!(end(true).unwrap().notes, notes);
    }
}
