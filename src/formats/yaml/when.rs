//! Reads times, durations, days and hours.

use chrono::{
    DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta,
    Timelike, Weekday,
};

use super::faults::Faults;
use super::fields::{Fields, list};
use super::keys;
use super::node::{Node, Value};
use super::scalar::word;
use crate::domain::Time;
use crate::domain::policy::{DAYS, Window, WindowError};
use crate::domain::rules::text as rules;
use crate::domain::span::Span;
use crate::domain::suggest::{distance, suggest};
use crate::formats::fault::Spot;

/// How many nanoseconds a leap second adds to the second before it.
const LEAP: u32 = 1_000_000_000;

/// Reads an RFC 3339 time in whole seconds, with any offset.
pub(super) fn time(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Time> {
    const FORM: &str = "write it as in `2018-01-02T17:30:31Z`";
    let text = word(node, faults)?;
    // What is meant, in the form that is accepted.
    let write = |meant: DateTime<FixedOffset>| {
        let meant = meant.with_nanosecond(0).unwrap_or(meant);
        let is_there = (0..=9999).contains(&meant.to_utc().year());
        let written = meant.to_rfc3339_opts(SecondsFormat::Secs, true);
        if is_there { format!("write `{written}`") } else { FORM.to_owned() }
    };
    let utc = |meant: NaiveDateTime| format!("{} if that is UTC", write(meant.and_utc().into()));
    let (message, hint) = match DateTime::parse_from_rfc3339(text) {
        // An offset can lead out of the years that can be written.
        Ok(time) if !(0..=9999).contains(&time.to_utc().year()) => {
            (format!("`{text}` is not between the years 0 and 9999"), FORM.to_owned())
        }
        Ok(time) if time.nanosecond() == 0 && text.as_bytes().get(10) == Some(&b'T') => {
            return Some(time.to_utc());
        }
        Ok(time) if LEAP <= time.nanosecond() => (
            format!("`{text}` is a leap second, which cannot be written here"),
            format!("{}, or the second after", write(time)),
        ),
        Ok(time) if time.nanosecond() != 0 => (format!("`{text}` is not a whole second"), write(time)),
        Ok(time) => (format!("`{text}` is not a time"), write(time)),
        Err(_) => match (text.parse::<NaiveDateTime>(), text.parse::<NaiveDate>()) {
            (Ok(time), _) => (format!("`{text}` has no time zone"), utc(time)),
            (_, Ok(date)) => {
                let end = date.succ_opt().map(|next| next.and_time(NaiveTime::MIN).and_utc().into());
                let end = end.map_or(String::new(), |end| format!(", or {} for its end", write(end)));
                (format!("`{text}` has no time of day"), utc(date.and_time(NaiveTime::MIN)) + &end)
            }
            _ => (format!("`{text}` is not a time"), FORM.to_owned()),
        },
    };
    faults.push(node.spot, message, hint);
    None
}

/// Reads a duration in days, weeks or hours.
pub(super) fn duration(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<TimeDelta> {
    let text = word(node, faults)?;
    match Span::parse(text).filter(|_| text.ends_with(['h', 'd', 'w'])) {
        Some(Span(duration)) if duration <= TimeDelta::days(rules::DAYS) => return Some(duration),
        Some(_) => {
            let message = format!("`{text}` is longer than {} days", rules::DAYS);
            faults.push(node.spot, message, "write a shorter duration");
        }
        None => {
            let units = [("d", "days"), ("w", "weeks"), ("h", "hours")];
            let meant = units.into_iter().filter_map(|(letter, unit)| {
                let Span(meant) = Span::parse(&format!("{text}{letter}"))?;
                (meant <= TimeDelta::days(rules::DAYS)).then(|| format!("`{text}{letter}` for {unit}"))
            });
            let meant: Vec<String> = meant.collect();
            let hint = if meant.is_empty() {
                "write whole days, weeks or hours, as in `14d`, `2w` or `36h`".to_owned()
            } else {
                format!("write {}", meant.join(", "))
            };
            faults.push(node.spot, format!("`{text}` is not a duration"), hint);
        }
    }
    None
}

/// Reads the hours of the week in which promotions may happen.
pub(super) fn window(node: &Node<'_>, at: Spot, faults: &mut Faults<'_>) -> Option<Window> {
    let fields = Fields::of(node, at, &keys::WINDOWS, faults)?;
    let days = fields.read("days", faults, days);
    let hours = fields.read("hours", faults, hours);
    let zone = fields.read("zone", faults, zone);
    let (days, (from, until), zone) = (days?, hours?, zone?);
    let broken = |e: WindowError| {
        let place = if days.is_empty() { "days" } else { "hours" };
        let spot = fields.get(place).map_or(at, |entry| entry.value.spot);
        let hint = "write `days: mon-thu` and `hours: 09:00-16:00`, or remove `windows`";
        faults.push(spot, e.to_string(), hint);
    };
    Window::new(&days, from, until, zone).map_err(broken).ok()
}

/// Reads days, as in `mon-thu` or `mon,wed-fri`, or a list of them.
fn days(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Weekday>> {
    match &node.value {
        Value::List(_) => Some(list(node, faults, day_range)?.concat()),
        _ => day_range(node, faults),
    }
}

fn day_range(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<Vec<Weekday>> {
    let text = word(node, faults)?;
    let mut days = Vec::new();
    for part in text.split(',') {
        let (from, until) = part.split_once('-').unwrap_or((part, part));
        let (Some(from), Some(until)) = (day(from), day(until)) else {
            let message = format!("`{part}` is not a day or a range of days");
            faults.push(node.spot, message, "write `mon-thu`, `\"mon,wed-fri\"` or `[mon, tue]`");
            return None;
        };
        let length = until.days_since(from) as usize + 1;
        days.extend(std::iter::successors(Some(from), |day| Some(day.succ())).take(length));
    }
    Some(days)
}

fn day(text: &str) -> Option<Weekday> {
    let place = DAYS.iter().position(|name| *name == text.trim())?;
    Weekday::try_from(u8::try_from(place).ok()?).ok()
}

fn hours(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<(NaiveTime, NaiveTime)> {
    let text = word(node, faults)?;
    let hour = |text: &str| {
        let form = text.len() == 5 && text.as_bytes()[2] == b':';
        form.then(|| NaiveTime::parse_from_str(text, "%H:%M").ok()).flatten()
    };
    let parts = text.split_once('-').and_then(|(from, until)| Some((hour(from)?, hour(until)?)));
    if parts.is_none() {
        let hint = "write a start and an end between 00:00 and 23:59, as in `09:00-16:00`";
        faults.push(node.spot, format!("`{text}` is not a range of hours"), hint);
    }
    parts
}

fn zone(node: &Node<'_>, faults: &mut Faults<'_>) -> Option<chrono_tz::Tz> {
    let text = word(node, faults)?;
    if let Ok(zone) = text.parse() {
        return Some(zone);
    }
    let hint = match nearest_zone(text) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write an IANA name, as in `Europe/Berlin`, or `UTC`".to_owned(),
    };
    faults.push(node.spot, format!("`{text}` is not a time zone"), hint);
    None
}

fn nearest_zone(text: &str) -> Option<&'static str> {
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    names.clone().find(|name| name.eq_ignore_ascii_case(text)).or_else(|| {
        // With several hundred cities, some name is always similar, so suggest it only if at most two
        // letters differ.
        let near = suggest(text, names.filter(|name| name.contains('/')));
        near.first().copied().filter(|name| distance(text, name) <= 2)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::yaml::node;

    fn read<T>(
        yaml: &str,
        read: impl FnOnce(&Node<'_>, &mut Faults<'_>) -> Option<T>,
    ) -> Result<T, Vec<String>> {
        let mut faults = Faults::new("f", yaml);
        let tree = node::tree(yaml, &mut faults).unwrap();
        read(&tree, &mut faults).ok_or_else(|| faults.into_list().into_iter().map(|f| f.message).collect())
    }

    #[test]
    fn a_time_has_whole_seconds_and_a_zone_and_is_kept_in_utc() {
        for good in ["2018-01-02T17:30:31Z", "2018-01-02T18:30:31+01:00", "'2018-01-02T09:30:31-08:00'"] {
            assert_eq!(read(good, time), Ok("2018-01-02T17:30:31Z".parse().unwrap()), "{good}");
        }
        for (bad, message) in [
            ("2018-01-02T17:30:31", "no time zone"),
            ("2018-01-02", "no time of day"),
            ("2018-01-02T17:30:31.5Z", "whole second"),
            ("2018-01-02T23:59:60Z", "leap second"),
            ("2018-01-02 17:30:31Z", "not a time"),
            ("2018-02-30T17:30:31Z", "not a time"),
            ("9999-12-31T23:59:59-08:00", "the years 0 and 9999"),
            ("tomorrow", "not a time"),
            ("1514914231", "not a time"),
        ] {
            let faults = read(bad, time).unwrap_err();
            assert!(faults[0].contains(message), "{bad}: {faults:?}");
        }
    }

    #[test]
    fn a_duration_is_whole_weeks_days_or_hours() {
        for (good, hours) in [("14d", 336), ("2w", 336), ("36h", 36), ("0d", 0)] {
            assert_eq!(read(good, duration), Ok(TimeDelta::hours(hours)), "{good}");
        }
        for bad in ["d", "90m", "1.5d", "-1d", "+1d", "14 d", "14D", "99999999999999999999d", "3651d", "ä"] {
            assert!(read(bad, duration).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_is_guessed_where_a_slip_is_small_and_not_where_a_city_has_none() {
        for (text, near) in [
            ("europe/berlin", Some("Europe/Berlin")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("Europe/Bonn", None),
            ("America/Boston", None),
            ("CEST", None),
        ] {
            assert_eq!(nearest_zone(text), near, "{text}");
        }
    }

    #[test]
    fn days_are_ranges_and_lists_of_ranges() {
        use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
        for (good, days_of) in [
            ("mon-thu", vec![Mon, Tue, Wed, Thu]),
            ("mon", vec![Mon]),
            ("\"mon,wed-fri\"", vec![Mon, Wed, Thu, Fri]),
            ("[mon, tue]", vec![Mon, Tue]),
            ("[mon, thu-fri]", vec![Mon, Thu, Fri]),
            ("fri-mon", vec![Fri, Sat, Sun, Mon]),
        ] {
            assert_eq!(read(good, days), Ok(days_of), "{good}");
        }
        for bad in ["monday", "Mon", "mon-", "mon thu", "weekend"] {
            assert!(read(bad, days).is_err(), "{bad}");
        }
    }

    #[test]
    fn hours_are_two_times_of_one_day() {
        for bad in ["9-16", "09:00", "09:00-24:00", "9:00-16:00", "09:00 - 16:00"] {
            assert!(read(bad, hours).is_err(), "{bad}");
        }
        assert!(read("09:00-16:00", hours).is_ok());
    }
}
