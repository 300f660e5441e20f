//! Lengths of time as people write them: a whole number and a unit, such as `14d`.

use std::fmt;

use chrono::TimeDelta;

/// The units and their lengths in seconds. A length is written in the largest unit that divides it, up to
/// days, since soaks are given in days; weeks are only parsed.
const UNITS: [(char, u32); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A length of time in the catalog's notation: `14d`, `36h`, `45m`, `90s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub TimeDelta);

impl Span {
    /// Parses a whole number of weeks, days, hours, minutes or seconds. An absurdly large number is capped,
    /// but the result still exceeds every limit.
    pub fn parse(text: &str) -> Option<Self> {
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
        let number = text.strip_suffix(unit)?;
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let number = number.parse().unwrap_or(u32::MAX);
        Some(Self(TimeDelta::seconds(i64::from(number) * i64::from(seconds))))
    }

    /// A length in seconds, capped at the longest one that can be represented.
    pub fn of_seconds(seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
        Self(seconds.unwrap_or(TimeDelta::MAX))
    }

    /// Rounds down to a whole number of the largest unit that fits, up to days. The result is at least one
    /// second.
    pub fn rough(self) -> Self {
        let seconds = self.0.num_seconds().max(1);
        let unit = UNITS[1..].iter().map(|(_, unit)| i64::from(*unit)).find(|unit| seconds >= *unit);
        Self(TimeDelta::seconds(seconds - seconds % unit.unwrap_or(1)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let unit = UNITS[1..].iter().find(|(_, unit)| seconds % i64::from(*unit) == 0);
        // Every number of seconds is a multiple of one second.
        let (letter, unit) = unit.unwrap_or(&('s', 1));
        write!(f, "{}{letter}", seconds / i64::from(*unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_whole_number_with_a_unit() {
        for (text, seconds) in
            [("0d", 0), ("1s", 1), ("45m", 2_700), ("36h", 129_600), ("14d", 1_209_600), ("2w", 1_209_600)]
        {
            assert_eq!(Span::parse(text), Some(Span(TimeDelta::seconds(seconds))), "{text}");
        }
        for text in ["", "m", "45", "1.5h", "-1h", "+1h", "1 h", "1H", "1y", "4ä"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert!(Span::parse("99999999999999999999s") > Span::parse("36500d"));
    }

    #[test]
    fn a_span_is_written_in_the_largest_unit_up_to_days_that_fits() {
        for (seconds, written) in [
            (0, "0d"),
            (1, "1s"),
            (90, "90s"),
            (2_700, "45m"),
            (86_400, "1d"),
            (90_000, "25h"),
            (90_060, "1501m"),
            (1_209_600, "14d"),
        ] {
            let span = Span(TimeDelta::seconds(seconds));
            assert_eq!(span.to_string(), written);
            assert_eq!(Span::parse(written), Some(span));
        }
    }

    #[test]
    fn an_age_is_written_roughly() {
        for (seconds, written) in [(0, "1s"), (59, "59s"), (119, "1m"), (7_199, "1h"), (2_000_000, "23d")] {
            assert_eq!(Span(TimeDelta::seconds(seconds)).rough().to_string(), written);
        }
        assert_eq!(Span(TimeDelta::hours(26)).rough().to_string(), "1d");
    }
}
