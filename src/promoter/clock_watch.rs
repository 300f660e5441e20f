//! Whether the machine's clock can be trusted with promotions.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::degraded::ClockDoubt;

/// Clocks are slewed by seconds in a day; a difference of minutes is a clock that was turned.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A machine that booted so short a time ago is still finding out what time it is: the first answer
/// from a time server sets its clock by any amount. What that gives is trusted as it would be by a
/// server that had started a minute later.
const BOOTING: Duration = Duration::from_secs(10 * 60);

/// A clock that was turned back and then went on for so long was set right: the mistakes of people
/// and time servers are corrected sooner.
const STEADY: Duration = Duration::from_secs(60 * 60);

/// Holds the clock against time that only goes forward.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// A time of day that was trusted, and the monotonic time at that moment. None before the clock
    /// was first trusted: one that was wrong from the start is no measure for what it is set to.
    base: Option<Moment>,
    /// A time at which there was a publication already, and when a clock that is in doubt was first
    /// held against it.
    made: Option<Moment>,
    /// Since when a clock that was turned has gone on in step.
    steady: Option<Moment>,
}

/// A time of day, and the monotonic time at which it was so.
#[derive(Debug, Clone, Copy)]
struct Moment(Time, Duration);

impl Moment {
    /// What time it is now, by what the monotonic clock counted since.
    fn later(self, monotonic: Duration) -> Time {
        self.0 + TimeDelta::from_std(monotonic.saturating_sub(self.1)).unwrap_or(TimeDelta::zero())
    }
}

/// What the clock is worth at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The time to decide and to sign by: the clock's own if it is trusted, else what it should be.
    /// It goes on in either case: what is served is renewed and does not expire.
    pub now: Time,
    /// Why nothing is promoted.
    pub doubt: Option<ClockDoubt>,
}

impl ClockWatch {
    /// Judges the clock. `made` is the time of the last publication.
    ///
    /// The first clock that is not behind the last publication is trusted. One that is turned
    /// forward later stays doubted until it is set back or the server starts anew, which is a
    /// person's word for it: nothing else tells it from a mistake, and it would promote what has not
    /// soaked. One that is turned back is trusted after a while: it can only promote later.
    pub fn judge(&mut self, now: Time, monotonic: Duration, made: Option<Time>) -> Reading {
        let expected = self.base.map(|base| base.later(monotonic));
        let turned = expected.filter(|expected| {
            monotonic >= BOOTING
                && (now - *expected).abs() > TOLERANCE
                && !(self.is_steady(now, monotonic) && now < *expected)
        });
        let doubt = if let Some(expected) = turned {
            ClockDoubt::Turned { now, expected }
        } else if let Some(made) = made.filter(|made| now < *made) {
            ClockDoubt::Behind { now, made }
        } else {
            // Following the clock in small steps keeps a slewed one trusted for ever.
            self.base = Some(Moment(now, monotonic));
            (self.made, self.steady) = (None, None);
            return Reading { now, doubt: None };
        };
        // What is made with the time that is given here does not start the count anew.
        self.made = made.map(|made| match self.made {
            Some(known) if made <= known.later(monotonic) => known,
            _ => Moment(made, monotonic),
        });
        let renewed = self.made.map(|made| made.later(monotonic));
        // `None` is less than any time. One of them is there, or there would be no doubt.
        Reading { now: expected.max(renewed).unwrap_or(now), doubt: Some(doubt) }
    }

    /// Whether a clock that was turned has gone on in step with monotonic time for long enough.
    fn is_steady(&mut self, now: Time, monotonic: Duration) -> bool {
        let since = *self.steady.get_or_insert(Moment(now, monotonic));
        if (now - since.later(monotonic)).abs() > TOLERANCE {
            self.steady = Some(Moment(now, monotonic));
            return false;
        }
        monotonic.saturating_sub(since.1) >= STEADY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    /// Long after the machine's boot.
    const START: u64 = 100_000;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(START + n)
    }

    fn watch(now: &str) -> ClockWatch {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.judge(t(now), seconds(0), None).doubt, None);
        watch
    }

    #[test]
    fn a_clock_that_goes_with_time_is_trusted_even_when_the_machine_slept() {
        let mut watch = watch("2018-01-01");
        let later = watch.judge(t("2018-01-03"), seconds(2 * 86_400), None);
        assert_eq!(later, Reading { now: t("2018-01-03"), doubt: None });
    }

    #[test]
    fn a_clock_that_was_turned_by_more_than_five_minutes_is_not_followed() {
        for turned in ["2018-01-01T00:15:01Z", "2018-01-01T00:04:59Z", "2019-01-01", "2001-01-01"] {
            let mut watch = watch("2018-01-01");
            let reading = watch.judge(t(turned), seconds(600), None);
            assert_eq!(reading.now, t("2018-01-01T00:10:00Z"), "{turned}");
            assert!(reading.doubt.is_some(), "{turned}");
        }
        let mut watch = watch("2018-01-01");
        assert_eq!(watch.judge(t("2018-01-01T00:15:00Z"), seconds(600), None).doubt, None);
    }

    #[test]
    fn a_clock_that_was_set_right_again_is_trusted_again() {
        let mut watch = watch("2018-01-01");
        assert!(watch.judge(t("2018-06-01"), seconds(60), None).doubt.is_some());
        assert_eq!(watch.judge(t("2018-01-01T00:02:00Z"), seconds(120), None).doubt, None);
    }

    #[test]
    fn behind_the_last_publication_time_goes_on_from_there() {
        let made = Some(t("2018-01-02"));
        let mut watch = ClockWatch::default();
        for (clock, passed, now) in [
            ("2018-01-01T00:00:00Z", 0, "2018-01-02T00:00:00Z"),
            ("2018-01-01T00:00:10Z", 10, "2018-01-02T00:00:10Z"),
            ("1970-01-01T00:00:00Z", 600, "2018-01-02T00:10:00Z"),
        ] {
            let reading = watch.judge(t(clock), seconds(passed), made);
            assert_eq!(reading.now, t(now));
            assert!(matches!(reading.doubt, Some(ClockDoubt::Behind { .. })), "{clock}");
        }
        // What was made with that time does not start the count anew, and what is ahead of it does.
        for (made, passed, now) in [
            ("2018-01-02T00:10:30Z", 700, "2018-01-02T00:11:40Z"),
            ("2018-01-03T00:00:00Z", 701, "2018-01-03T00:00:00Z"),
            ("2018-01-03T00:00:00Z", 706, "2018-01-03T00:00:05Z"),
        ] {
            assert_eq!(watch.judge(t("1970-01-01"), seconds(passed), Some(t(made))).now, t(now));
        }
    }

    #[test]
    fn a_clock_that_was_behind_from_the_start_is_trusted_when_it_is_set_right() {
        let mut watch = ClockWatch::default();
        assert!(watch.judge(t("1970-01-01"), seconds(0), Some(t("2018-01-02"))).doubt.is_some());
        let reading = watch.judge(t("2018-01-09"), seconds(3600), Some(t("2018-01-02")));
        assert_eq!(reading, Reading { now: t("2018-01-09"), doubt: None });
        assert!(watch.judge(t("2018-02-09"), seconds(3601), Some(t("2018-01-02"))).doubt.is_some());
    }

    #[test]
    fn while_the_machine_boots_its_clock_may_be_set_by_any_amount() {
        for (monotonic, doubted) in [(599, false), (600, true)] {
            let mut watch = ClockWatch::default();
            watch.judge(t("2018-01-01"), Duration::from_secs(20), None);
            let reading = watch.judge(t("2018-03-01"), Duration::from_secs(monotonic), None);
            assert_eq!(reading.doubt.is_some(), doubted, "{monotonic}");
        }
    }

    #[test]
    fn a_clock_that_was_turned_back_is_trusted_after_an_hour_and_one_that_was_turned_forward_never() {
        for (turned, trusted) in [(-TimeDelta::hours(2), true), (TimeDelta::hours(2), false)] {
            let mut watch = watch("2018-01-02");
            let clock = |passed: u64| {
                let passed = TimeDelta::seconds(i64::try_from(passed).unwrap());
                t("2018-01-02") + turned + passed
            };
            let made = Some(t("2018-01-01"));
            assert!(watch.judge(clock(60), seconds(60), made).doubt.is_some());
            assert!(watch.judge(clock(3659), seconds(3659), made).doubt.is_some(), "{turned}");
            assert_eq!(watch.judge(clock(3660), seconds(3660), made).doubt.is_none(), trusted, "{turned}");
            assert_eq!(
                watch.judge(clock(90_000), seconds(90_000), made).doubt.is_none(),
                trusted,
                "{turned}"
            );
        }
        // One that does not go in step, or is behind what was published, is not.
        for (made, again) in [("2018-01-01T23:30:00Z", 0), ("2018-01-01", 600)] {
            let mut watch = watch("2018-01-02");
            watch.judge(t("2018-01-01T22:00:00Z"), seconds(0), Some(t(made)));
            let clock = t("2018-01-01T23:00:00Z") + TimeDelta::seconds(again);
            assert!(watch.judge(clock, seconds(3600), Some(t(made))).doubt.is_some(), "{made}");
        }
    }
}
