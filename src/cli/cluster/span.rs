//! Spans of time on the command line, `45m`.

use std::time::Duration;

/// Parses a whole number of seconds, minutes, hours, days or weeks.
pub fn parse(text: &str) -> Result<Duration, String> {
    let way_out = || format!("`{text}` is not a span of time: write it as in `45m`, `2h` or `90d`");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(way_out)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(way_out()),
    };
    let number: u32 = number.parse().map_err(|_| way_out())?;
    if number == 0 {
        return Err(format!("`{text}` is no time at all"));
    }
    Ok(Duration::from_secs(u64::from(number) * unit))
}

/// A span of seconds in words.
pub fn words(seconds: u64) -> String {
    let units = [(7 * 86_400, 'w'), (86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// About how long a span of seconds is: what is over of its largest unit does not matter.
pub fn about(seconds: u64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let large = units.into_iter().find(|(unit, _)| seconds >= *unit);
    large.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_whole_number_with_a_unit() {
        for (text, seconds) in
            [("1s", 1), ("45m", 2700), ("36h", 129_600), ("90d", 7_776_000), ("2w", 1_209_600)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "0m", "45", "1.5h", "-1h", "1y", "4ä", "99999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_told_roughly() {
        for (seconds, told) in [(0, "0s"), (59, "59s"), (119, "1m"), (7_199, "1h"), (2_000_000, "23d")] {
            assert_eq!(about(seconds), told);
        }
    }

    #[test]
    fn a_span_is_told_in_the_largest_unit_that_fits() {
        for (seconds, told) in
            [(1, "1s"), (90, "90s"), (2700, "45m"), (86_400, "1d"), (1_209_600, "2w"), (0, "0s")]
        {
            assert_eq!(words(seconds), told);
        }
    }
}
