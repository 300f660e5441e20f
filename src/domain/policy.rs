//! When a release may be promoted: soaks, freezes and promotion windows.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveTime, Offset, TimeDelta, TimeZone, Weekday, WeekdaySet};

use super::Time;
use super::named::named;

named! {
    /// How urgent a release is, which decides how long it soaks.
    #[derive(Default)]
    pub enum Urgency {
        /// The normal soak applies.
        #[default]
        Normal = "normal",
        /// The soak for security releases applies, which can be shorter.
        Security = "security",
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A shorter soak needs a `why`: whatever an upgrade breaks shows up within two weeks.
pub const SOAK_MIN: TimeDelta = TimeDelta::days(14);
/// A longer soak needs a `why`: four weeks is what vendors of cluster software promise.
pub const SOAK_MAX: TimeDelta = TimeDelta::days(28);

/// How long a release soaks in one stage before it is promoted to the next. The later stage has the soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soak {
    /// The minimum time. The promotion is due once it has passed.
    pub min: TimeDelta,
    /// A release that has not been promoted after this time is overdue.
    pub max: TimeDelta,
}

/// The soak that a stage requires, by urgency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoakPolicy {
    pub normal: Soak,
    pub security: Soak,
    /// Why a value is outside the range [`SOAK_MIN`] to [`SOAK_MAX`], for either urgency.
    pub why: Option<String>,
    /// The same reason, for security releases only.
    pub security_why: Option<String>,
}

impl SoakPolicy {
    /// The soak for releases of the given urgency.
    pub const fn of(&self, urgency: Urgency) -> Soak {
        match urgency {
            Urgency::Normal => self.normal,
            Urgency::Security => self.security,
        }
    }
}

impl Default for SoakPolicy {
    /// Two to four weeks.
    fn default() -> Self {
        let soak = Soak { min: SOAK_MIN, max: SOAK_MAX };
        Self { normal: soak, security: soak, why: None, security_why: None }
    }
}

/// A period `[from, until)` in which nothing is promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    pub from: Time,
    pub until: Time,
    pub reason: String,
    /// The urgencies whose releases are promoted anyway.
    pub except: Vec<Urgency>,
}

impl Freeze {
    /// Whether this freeze stops a release of `urgency` at `now`.
    pub fn stops(&self, urgency: Urgency, now: Time) -> bool {
        self.from <= now && now < self.until && !self.except.contains(&urgency)
    }
}

/// The hours of the week in which promotions may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    days: WeekdaySet,
    from: NaiveTime,
    until: NaiveTime,
    zone: chrono_tz::Tz,
    /// Another window that must be open as well.
    within: Option<Box<Self>>,
}

/// How often two windows are asked in turn for a time at which both are open: for about a month.
const TURNS: usize = 60;

/// The names of the days, starting on Monday.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Why a promotion window would never open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("a promotion window without days would never open")]
    NoDays,
    #[error("a promotion window must end after it begins")]
    NoHours,
}

impl Window {
    /// Creates a window on the given days, from one local time to another on the same day.
    ///
    /// # Errors
    /// When the window would never open.
    pub fn new(
        days: &[Weekday],
        from: NaiveTime,
        until: NaiveTime,
        zone: chrono_tz::Tz,
    ) -> Result<Self, WindowError> {
        if days.is_empty() {
            return Err(WindowError::NoDays);
        }
        if until <= from {
            return Err(WindowError::NoHours);
        }
        Ok(Self { days: days.iter().copied().collect(), from, until, zone, within: None })
    }

    /// Parses a window in the form in which it is shown, as in `mon-thu,sat 09:00-16:00 Europe/Berlin`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (days, hours, zone) = (parts.next()?, parts.next()?, parts.next()?);
        let day = |name: &str| DAYS.iter().position(|known| *known == name);
        let run = |run: &str| {
            let (from, until) = run.split_once('-').unwrap_or((run, run));
            Some((day(from)?, (day(until)? + 7 - day(from)?) % 7))
        };
        let runs: Vec<(usize, usize)> = days.split(',').map(run).collect::<Option<_>>()?;
        let numbers = runs.iter().flat_map(|(from, more)| (0..=*more).map(move |day| (from + day) % 7));
        let days: Vec<Weekday> =
            numbers.filter_map(|day| Weekday::try_from(u8::try_from(day).ok()?).ok()).collect();
        let (from, until) = hours.split_once('-')?;
        let hour = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
        Self::new(&days, hour(from)?, hour(until)?, zone.parse().ok()?).ok()
    }

    /// Whether this window is open only while another one is.
    pub fn is_within(&self, other: &Self) -> bool {
        let hours = other.from <= self.from && self.until <= other.until;
        let is_own = hours && self.days.is_subset(other.days) && is_same_zone(self.zone, other.zone);
        is_own || self.within.as_ref().is_some_and(|within| within.is_within(other))
    }

    /// The window that is open only while both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let within = match self.within {
            Some(within) => within.and(other),
            None => other,
        };
        Self { within: Some(Box::new(within)), ..self }
    }

    /// Whether the window is open at `now`.
    pub fn is_open(&self, now: Time) -> bool {
        self.is_own_open(now) && self.within.as_ref().is_none_or(|within| within.is_open(now))
    }

    /// The first time at or after `now` at which the window is open, or [`Time::MAX_UTC`] if it is one of two that
    /// are never open together.
    pub fn next_open(&self, now: Time) -> Time {
        let mut at = self.next_own_open(now);
        let Some(within) = self.within.as_ref().filter(|_| at < Time::MAX_UTC) else { return at };
        for _ in 0..TURNS {
            let both = within.next_open(at);
            if both == at || both == Time::MAX_UTC {
                return both;
            }
            at = self.next_own_open(both);
            if at == both || at == Time::MAX_UTC {
                return at;
            }
        }
        Time::MAX_UTC
    }

    /// A time after `now` until which a window that is open at `now` stays open. It may close later.
    pub fn open_until(&self, now: Time) -> Time {
        let half_days = std::iter::successors(Some(now), |at| at.checked_add_signed(TimeDelta::hours(12)));
        let half_days: Vec<Time> = half_days.take(3).collect();
        let changes = half_days.windows(2).filter_map(|half_day| self.clock_change(half_day[0], half_day[1]));
        let today = now.with_timezone(&self.zone).date_naive();
        let closes = self.zone.from_local_datetime(&today.and_time(self.until));
        let closes = [closes.earliest(), closes.latest()].into_iter().flatten().map(|at| at.to_utc());
        let within = self.within.as_ref().map(|within| within.open_until(now));
        closes.chain(changes).chain(within).filter(|at| now < *at).min().unwrap_or(now)
    }

    /// Like [`is_open`](Self::is_open), without the other window.
    fn is_own_open(&self, now: Time) -> bool {
        let local = now.with_timezone(&self.zone);
        self.days.contains(local.weekday()) && self.from <= local.time() && local.time() < self.until
    }

    /// Like [`next_open`](Self::next_open), without the other window. On a day whose opening time is skipped by
    /// a clock change, the window opens at the first time that exists.
    fn next_own_open(&self, now: Time) -> Time {
        if self.is_own_open(now) {
            return now;
        }
        // A week and a day cover every opening. The second week is for an opening that a clock change skips
        // entirely.
        let half_day = TimeDelta::hours(12);
        let starts = std::iter::successors(Some(now), |at| at.checked_add_signed(half_day)).take(2 * 16);
        let mut openings = starts.filter_map(|from| self.opening(from, from.checked_add_signed(half_day)?));
        openings.next().unwrap_or(Time::MAX_UTC)
    }

    /// The first time from `from` until `until`, half a day later, at which the window opens. It opens at
    /// its opening hour, which comes twice when clocks go back, or when clocks change.
    fn opening(&self, from: Time, until: Time) -> Option<Time> {
        let change = self.clock_change(from, until);
        // Where clocks go back over midnight, the day before comes again.
        let days = [Some(from), change, Some(until)].into_iter().flatten();
        let dates = days.map(|at| at.with_timezone(&self.zone).date_naive());
        let dates = dates.filter(|date| self.days.contains(date.weekday()));
        let at_hour = dates.flat_map(|date| {
            let opens = self.zone.from_local_datetime(&date.and_time(self.from));
            [opens.earliest(), opens.latest()].into_iter().flatten().map(|at| at.to_utc())
        });
        // The window opens at `from` if clocks change at that very moment.
        let times = at_hour.chain([from]).chain(change);
        times.filter(|at| (from..until).contains(at) && self.is_own_open(*at)).min()
    }

    /// The second between `from` and `until` at which clocks change, if they do. They change once at most
    /// in half a day.
    fn clock_change(&self, from: Time, until: Time) -> Option<Time> {
        let offset = |at: Time| at.with_timezone(&self.zone).offset().fix();
        if offset(from) == offset(until) {
            return None;
        }
        let (mut before, mut after) = (from.timestamp(), until.timestamp());
        while after - before > 1 {
            let middle = i64::midpoint(before, after);
            if offset(DateTime::from_timestamp(middle, 0)?) == offset(from) {
                before = middle;
            } else {
                after = middle;
            }
        }
        DateTime::from_timestamp(after, 0)
    }
}

/// Whether two zones have the same clock. Many have several names, as `UTC` and `Etc/UTC`, or `Asia/Kolkata` and
/// `Asia/Calcutta`.
fn is_same_zone(one: chrono_tz::Tz, other: chrono_tz::Tz) -> bool {
    // Clocks change by quarters of an hour and for months; what will be decided about time zones is not known.
    let hours =
        (1_420_070_400..2_145_916_800).step_by(3 * 3600).filter_map(|at| DateTime::from_timestamp(at, 0));
    let offset = |zone: &chrono_tz::Tz, at: &Time| at.with_timezone(zone).offset().fix();
    one == other || hours.into_iter().all(|at| offset(&one, &at) == offset(&other, &at))
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<Weekday> = self.days.iter(Weekday::Mon).collect();
        let name = |day: Weekday| DAYS[day.num_days_from_monday() as usize];
        let runs = days.chunk_by(|day, next| day.succ() == *next).map(|run| match run {
            [first, .., last] => format!("{}-{}", name(*first), name(*last)),
            one => one.iter().map(|day| name(*day)).collect(),
        });
        let (from, until) = (self.from.format("%H:%M"), self.until.format("%H:%M"));
        write!(f, "{} {from}-{until} {}", runs.collect::<Vec<_>>().join(","), self.zone)?;
        self.within.iter().try_for_each(|within| write!(f, " within {within}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn t(text: &str) -> Time {
        text.parse().unwrap()
    }

    /// Zones, and moments at which their clocks changed: by half an hour, at midnight, by two hours, by
    /// a whole day, and one minute past midnight.
    const CHANGES: &[(chrono_tz::Tz, &str)] = &[
        (chrono_tz::Europe::Berlin, "2018-03-25T01:00:00Z"),
        (chrono_tz::Europe::Berlin, "2018-10-28T01:00:00Z"),
        (chrono_tz::Asia::Beirut, "2021-03-27T22:00:00Z"),
        (chrono_tz::Asia::Beirut, "2021-10-30T21:00:00Z"),
        (chrono_tz::Africa::Cairo, "2023-04-27T22:00:00Z"),
        (chrono_tz::America::Sao_Paulo, "2018-11-04T03:00:00Z"),
        (chrono_tz::Australia::Lord_Howe, "2018-04-07T15:00:00Z"),
        (chrono_tz::Australia::Lord_Howe, "2018-10-06T15:30:00Z"),
        (chrono_tz::Antarctica::Troll, "2018-03-25T01:00:00Z"),
        (chrono_tz::Pacific::Apia, "2011-12-30T10:00:00Z"),
        (chrono_tz::America::St_Johns, "2010-03-14T03:31:00Z"),
        (chrono_tz::America::St_Johns, "2010-11-07T02:31:00Z"),
    ];

    proptest! {
        #[test]
        fn a_window_opens_at_the_first_minute_at_which_it_is_open(
            (zone, change) in proptest::sample::select(CHANGES), minutes in -4000..1500_i64,
            days in proptest::sample::subsequence(vec![0_u8, 1, 2, 3, 4, 5, 6], 1..=7),
            from in prop_oneof![0..300_u32, 1380..1430_u32], open in proptest::sample::select(vec![1_u32, 10, 15, 30, 60, 300, 1139]),
        ) {
            let days: Vec<Weekday> = days.into_iter().map(|day| Weekday::try_from(day).unwrap()).collect();
            let at = |minute: u32| NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
            let window = Window::new(&days, at(from), at((from + open).min(1439)), zone).unwrap();
            let now = t(change) + TimeDelta::minutes(minutes);
            let told = window.next_open(now);
            prop_assert!(told >= now && window.is_open(told), "{window} is told to open at {told}");
            let minutes = std::iter::successors(Some(now), |at| Some(*at + TimeDelta::minutes(1)));
            let missed = minutes.take_while(|at| *at < told).find(|at| window.is_open(*at));
            prop_assert_eq!(missed, None, "{} from {}, told {}", window, now, told);
            let until = window.open_until(told);
            let minutes = std::iter::successors(Some(told), |at| Some(*at + TimeDelta::minutes(1)));
            let closed = minutes.take_while(|at| *at < until).find(|at| !window.is_open(*at));
            prop_assert!(told < until && closed.is_none(), "{} from {}, until {}", window, told, until);
        }
    }

    #[test]
    fn an_opening_next_to_a_clock_change_at_midnight_is_found() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
        for (day, zone, from, until, now, next) in [
            (
                Weekday::Sun,
                chrono_tz::Asia::Beirut,
                at(0, 20),
                at(5, 20),
                "2021-03-27T12:00:00Z",
                "2021-03-27T22:00:00Z",
            ),
            (
                Weekday::Fri,
                chrono_tz::Africa::Cairo,
                at(0, 47),
                at(1, 2),
                "2023-04-27T12:00:00Z",
                "2023-04-27T22:00:00Z",
            ),
            // Half a day after `now`.
            (
                Weekday::Fri,
                chrono_tz::Africa::Cairo,
                at(0, 47),
                at(1, 2),
                "2023-04-27T10:00:00Z",
                "2023-04-27T22:00:00Z",
            ),
            // At one minute past midnight.
            (
                Weekday::Sun,
                chrono_tz::America::St_Johns,
                at(0, 47),
                at(1, 2),
                "2010-03-14T03:30:00Z",
                "2010-03-14T03:31:00Z",
            ),
            // In autumn it went back to 23:01 of the day before.
            (
                Weekday::Sat,
                chrono_tz::America::St_Johns,
                at(23, 30),
                at(23, 45),
                "2010-11-07T02:30:00Z",
                "2010-11-07T03:00:00Z",
            ),
        ] {
            let window = Window::new(&[day], from, until, zone).unwrap();
            assert_eq!(window.next_open(t(now)), t(next), "{window}");
        }
    }

    fn weekdays() -> Window {
        let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu];
        let hour = |h| NaiveTime::from_hms_opt(h, 0, 0).unwrap();
        Window::new(&days, hour(9), hour(16), chrono_tz::Europe::Berlin).unwrap()
    }

    #[test]
    fn a_window_opens_and_closes_on_the_second_of_its_own_zone() {
        let window = weekdays();
        for (now, next) in [
            // Winter: Berlin is one hour ahead. 2018-01-02 was a Tuesday.
            ("2018-01-02T07:59:59Z", "2018-01-02T08:00:00Z"),
            ("2018-01-02T08:00:00Z", "2018-01-02T08:00:00Z"),
            ("2018-01-02T14:59:59Z", "2018-01-02T14:59:59Z"),
            ("2018-01-02T15:00:00Z", "2018-01-03T08:00:00Z"),
            // Thursday evening to Monday, over the change to summer time.
            ("2018-03-22T15:00:00Z", "2018-03-26T07:00:00Z"),
        ] {
            assert_eq!(window.next_open(t(now)), t(next), "{now}");
        }
        assert_eq!(window.to_string(), "mon-thu 09:00-16:00 Europe/Berlin");
    }

    #[test]
    fn of_two_windows_both_must_be_open() {
        let window = |text| Window::parse(text).unwrap();
        let both = window("mon-fri 09:00-16:00 UTC").and(window("wed-sun 12:00-20:00 UTC"));
        assert_eq!(both.to_string(), "mon-fri 09:00-16:00 UTC within wed-sun 12:00-20:00 UTC");
        for (now, next) in [
            ("2018-01-01T10:00:00Z", "2018-01-03T12:00:00Z"),
            ("2018-01-03T11:59:59Z", "2018-01-03T12:00:00Z"),
            ("2018-01-03T15:59:59Z", "2018-01-03T15:59:59Z"),
            ("2018-01-05T16:00:00Z", "2018-01-10T12:00:00Z"),
        ] {
            assert_eq!((both.next_open(t(now)), both.is_open(t(now))), (t(next), now == next), "{now}");
        }
        let three = both.clone().and(window("fri 00:00-23:00 UTC"));
        assert_eq!(three.next_open(t("2018-01-01T00:00:00Z")), t("2018-01-05T12:00:00Z"));
        let never = both.and(window("mon 00:00-23:00 UTC"));
        assert_eq!(never.next_open(t("2018-01-01T00:00:00Z")), Time::MAX_UTC);
    }

    #[test]
    fn a_zone_by_another_name_is_the_same() {
        let hours = |zone: &str| Window::parse(&format!("mon-thu 09:00-16:00 {zone}")).unwrap();
        for (one, other, same) in [
            ("UTC", "Etc/UTC", true),
            ("UTC", "GMT", true),
            ("Asia/Kolkata", "Asia/Calcutta", true),
            ("Europe/Berlin", "Europe/Berlin", true),
            ("Europe/Berlin", "Europe/Paris", true),
            ("Europe/London", "UTC", false),
            ("Europe/Berlin", "Africa/Tunis", false),
        ] {
            assert_eq!(hours(one).is_within(&hours(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn an_opening_that_a_clock_change_leaves_out_moves_to_the_first_hour_that_exists() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
        let window = Window::new(&[Weekday::Sun], at(2, 30), at(5, 0), chrono_tz::Europe::Berlin).unwrap();
        // On 2018-03-25 the hour from 02:00 to 03:00 did not exist.
        assert_eq!(window.next_open(t("2018-03-24T12:00:00Z")), t("2018-03-25T01:00:00Z"));
    }

    #[test]
    fn a_window_opens_a_second_time_in_the_night_in_which_an_hour_comes_twice() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
        let sunday =
            |from, until| Window::new(&[Weekday::Sun], from, until, chrono_tz::Europe::Berlin).unwrap();
        // On 2018-10-28 the hour from 02:00 to 03:00 came at 00:00Z and once more at 01:00Z.
        for (from, until, now, next) in [
            (at(2, 20), at(5, 0), "2018-10-27T12:00:00Z", "2018-10-28T00:20:00Z"),
            (at(2, 20), at(5, 0), "2018-10-28T00:59:59Z", "2018-10-28T00:59:59Z"),
            (at(2, 20), at(5, 0), "2018-10-28T01:00:00Z", "2018-10-28T01:20:00Z"),
            (at(1, 0), at(2, 30), "2018-10-28T00:29:59Z", "2018-10-28T00:29:59Z"),
            (at(1, 0), at(2, 30), "2018-10-28T00:30:00Z", "2018-10-28T01:00:00Z"),
            (at(1, 0), at(2, 30), "2018-10-28T01:30:00Z", "2018-11-04T00:00:00Z"),
        ] {
            assert_eq!(sunday(from, until).next_open(t(now)), t(next), "{from}-{until} at {now}");
        }
    }

    #[test]
    fn a_freeze_begins_on_its_first_second_and_is_over_on_its_last() {
        let freeze = Freeze {
            from: t("2017-12-22T00:00:00Z"),
            until: t("2018-01-02T00:00:00Z"),
            reason: "end of year".to_owned(),
            except: vec![Urgency::Security],
        };
        for (now, stops) in [
            ("2017-12-21T23:59:59Z", false),
            ("2017-12-22T00:00:00Z", true),
            ("2018-01-01T23:59:59Z", true),
            ("2018-01-02T00:00:00Z", false),
        ] {
            assert_eq!(freeze.stops(Urgency::Normal, t(now)), stops, "{now}");
            assert!(!freeze.stops(Urgency::Security, t(now)));
        }
    }
}
