//! Decides whether the machine's clock can be trusted with promotions.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::degraded::ClockDoubt;

/// How far the clock may deviate. Slewing changes a clock by seconds a day; a difference of minutes means
/// that somebody set it.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A machine that booted less than this long ago is still finding out what time it is: the first answer
/// from a time server may change its clock by any amount. The new time is trusted, just as a server that
/// started a minute later would trust it.
const BOOTING: Duration = Duration::from_secs(10 * 60);

/// A clock that was set back and has run steadily for this long is assumed to be right: people and time
/// servers correct their mistakes sooner.
const STEADY: Duration = Duration::from_secs(60 * 60);

/// Compares the machine's clock with the monotonic clock.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// The last time that was trusted. `None` until the clock is first trusted: there is no right time yet
    /// to compare a new one with.
    base: Option<Moment>,
    /// The time of the last publication, and when a clock in doubt was first compared with it.
    made: Option<Moment>,
    /// When a clock that was set began to run steadily.
    steady: Option<Moment>,
}

/// A date and time, and the monotonic time at that moment.
#[derive(Debug, Clone, Copy)]
struct Moment(Time, Duration);

impl Moment {
    /// Returns the date and time at a later `monotonic` time, as the monotonic clock counts it.
    fn later(self, monotonic: Duration) -> Time {
        self.0 + TimeDelta::from_std(monotonic.saturating_sub(self.1)).unwrap_or(TimeDelta::zero())
    }
}

/// The verdict on the clock at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The time to decide and sign by: the clock's own if it is trusted, otherwise what it should be. It
    /// advances in both cases, so that what is served is renewed and does not expire.
    pub now: Time,
    /// Why the clock is not trusted, if it is not. Then nothing is promoted.
    pub doubt: Option<ClockDoubt>,
}

impl ClockWatch {
    /// Judges the clock. `made` is the time of the last publication.
    ///
    /// At the start, a clock is trusted unless it is behind the last publication. A clock that is set
    /// forward later stays in doubt until it is set back or somebody restarts the server. Only a person can
    /// tell whether it was set by mistake, which would promote releases that have not soaked. A clock that
    /// is set back is trusted after a while, since it can only delay promotions.
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
            // The base follows the clock in small steps, so a slewed clock stays trusted.
            self.base = Some(Moment(now, monotonic));
            (self.made, self.steady) = (None, None);
            return Reading { now, doubt: None };
        };
        // A publication made with the time returned here does not restart the count.
        self.made = made.map(|made| match self.made {
            Some(known) if made <= known.later(monotonic) => known,
            _ => Moment(made, monotonic),
        });
        let renewed = self.made.map(|made| made.later(monotonic));
        // `None` is less than any time. At least one of the two is a time, or there would be no doubt.
        Reading { now: expected.max(renewed).unwrap_or(now), doubt: Some(doubt) }
    }

    /// Whether a clock that was set has run in step with the monotonic clock for long enough.
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
        // A publication made with that time does not restart the count, but one ahead of it does.
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
        // A clock that does not keep step, or is behind the last publication, is not trusted.
        for (made, again) in [("2018-01-01T23:30:00Z", 0), ("2018-01-01", 600)] {
            let mut watch = watch("2018-01-02");
            watch.judge(t("2018-01-01T22:00:00Z"), seconds(0), Some(t(made)));
            let clock = t("2018-01-01T23:00:00Z") + TimeDelta::seconds(again);
            assert!(watch.judge(clock, seconds(3600), Some(t(made))).doubt.is_some(), "{made}");
        }
    }
}
