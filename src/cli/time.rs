//! Times on the command line.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::rules::text;
use crate::domain::span::Span;

/// Parses an RFC 3339 time in whole seconds.
pub fn parse(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| "write it as RFC 3339, as in `2018-01-02T17:30:31Z`".to_owned())?;
    if time.timestamp_subsec_nanos() >= 1_000_000_000 {
        return Err("a leap second cannot be written here: write `:59`, or the second after".to_owned());
    }
    if time.timestamp_subsec_nanos() != 0 {
        return Err("write it in whole seconds, as in `2018-01-02T17:30:31Z`".to_owned());
    }
    Ok(time.to_utc())
}

/// Parses a duration in weeks, days, hours, minutes or seconds.
pub fn duration(written: &str) -> Result<TimeDelta, String> {
    match Span::parse(written) {
        Some(Span(span)) if text::duration(span).is_none() => Ok(span),
        Some(_) => Err(format!("it is longer than {} days", text::DAYS)),
        None => {
            Err("write a whole number of weeks, days, hours, minutes or seconds, as in `30d`, `36h` or `45m`"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, minutes) in [
            ("45m", Some(45)),
            ("36h", Some(2160)),
            ("30d", Some(43_200)),
            ("2w", Some(20_160)),
            ("0d", Some(0)),
        ] {
            assert_eq!(duration(text).ok().map(|found| found.num_minutes()), minutes, "{text}");
        }
        for text in ["", "d", "30", "1.5d", "-1d", "30 d", "1y", "ä", "99999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
