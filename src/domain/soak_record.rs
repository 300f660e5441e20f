//! The soak that a scheduled entry records.
//!
//! A changed policy applies to later entries only. An entry made under an older policy stays valid, so each
//! scheduled entry records the soak that applied to it: `soaked 14d`.

use chrono::TimeDelta;

use super::release::Entry;
use super::span::Span;

/// The beginning of a scheduled entry's reason.
const SOAKED: &str = "soaked ";

/// The reason of an entry that the schedule makes after a soak of `min`.
pub fn reason(min: TimeDelta) -> String {
    format!("{SOAKED}{}", Span(min))
}

/// The soak that an entry records, if any.
pub fn recorded(entry: &Entry) -> Option<TimeDelta> {
    read(entry.reason.as_deref()?).map(|Span(min)| min)
}

/// The soak that a scheduled entry's reason records, if it records one. It is the least that was asked for; the release
/// may have stayed longer.
pub fn read(reason: &str) -> Option<Span> {
    Span::parse(reason.strip_prefix(SOAKED)?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entry, t};
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
}
