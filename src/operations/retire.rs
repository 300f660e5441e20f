//! Ending a line.

use super::{Author, Outcome, Refused, Subject, find_line};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::release::Event;

/// End a line: nothing new enters it, and what it offers stays on offer. There is no way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retire {
    pub line: LineName,
    pub reason: String,
    pub by: Author,
}

/// Retires a line. One that was retired for the same reason is left as it is.
///
/// # Errors
/// When the line is unknown, or was retired for another reason.
pub fn retire<'a>(catalog: &'a Catalog, ask: &'a Retire, now: Time) -> Result<Outcome, Refused<'a>> {
    let line = find_line(catalog, &ask.line)?;
    let subject = Subject::Line(line.name.clone());
    match &line.retired {
        Some(retired) if retired.reason == ask.reason => Ok(Outcome::unchanged(subject)),
        Some(retired) => Err(Refused::LineRetired { line: &line.name, retired }),
        None => {
            let retired = Event::new(now, ask.by.to_string(), ask.reason.clone());
            Ok(Outcome::changed(subject, Change::Retire { line: line.name.clone(), retired }))
        }
    }
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
            let by = Author::named("ada").unwrap();
            let ask = Retire { line: name(line), reason: reason.to_owned(), by };
            assert_eq!(retire(&catalog, &ask, now).map(|outcome| outcome.changes), expected, "{line}");
        }
    }
}
