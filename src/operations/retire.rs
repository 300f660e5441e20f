//! Retiring a line.

use super::{Outcome, Refused, Subject};
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::release::Event;

/// Retires a line. A line that was already retired for the same reason is left unchanged.
///
/// # Errors
/// When the line is unknown, or was retired for another reason.
pub(super) fn retire<'a>(
    catalog: &'a Catalog,
    name: &'a LineName,
    retired: Event,
) -> Result<Outcome, Refused<'a>> {
    let line = catalog.line(name).ok_or(Refused::NoLine(name))?;
    let change = match &line.retired {
        Some(present) if present.reason == retired.reason => None,
        Some(retired) => return Err(Refused::LineRetired { line: &line.name, retired }),
        None => Some(Change::Retire { line: name.clone(), retired }),
    };
    Ok(Outcome::of(Subject::Line { line: name.clone() }, change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, t};

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
            let outcome = retire(&catalog, &asked, event(now, reason));
            assert_eq!(outcome.map(|outcome| outcome.changes), expected, "{line}");
        }
    }
}
