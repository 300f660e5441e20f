//! Whether the machine's clock can be trusted with promotions.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::{Time, rfc3339};

/// Clocks are slewed by seconds in a day; a difference of minutes is a clock that was turned.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Holds the clock against time that only goes forward.
#[derive(Debug)]
pub struct ClockWatch {
    /// A time of day that was trusted, and the monotonic time at that moment.
    base: (Time, Duration),
}

/// What the clock is worth at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The time to decide and to sign by: the clock's own if it is trusted, else what it should be.
    pub now: Time,
    /// Why nothing is promoted.
    pub doubt: Option<String>,
}

impl ClockWatch {
    /// Trusts the clock as it is now.
    #[must_use]
    pub const fn new(now: Time, monotonic: Duration) -> Self {
        Self { base: (now, monotonic) }
    }

    /// Judges the clock. `made` is the time of the last publication.
    pub fn judge(&mut self, now: Time, monotonic: Duration, made: Option<Time>) -> Reading {
        let (since, start) = self.base;
        let passed = TimeDelta::from_std(monotonic.saturating_sub(start)).unwrap_or(TimeDelta::zero());
        let expected = since + passed;
        if (now - expected).abs() > TOLERANCE {
            let (is, should) = (rfc3339(now), rfc3339(expected));
            let doubt = format!(
                "the clock was turned: it says {is} and should say {should}; set it right, or restart the server if it is right now"
            );
            return Reading { now: made.map_or(expected, |made| made.max(expected)), doubt: Some(doubt) };
        }
        if let Some(made) = made.filter(|made| now < *made) {
            let (is, last) = (rfc3339(now), rfc3339(made));
            let doubt =
                format!("the clock says {is}, and the last publication was made at {last}; set it right");
            return Reading { now: made, doubt: Some(doubt) };
        }
        // Following the clock in small steps keeps a slewed one trusted for ever.
        self.base = (now, monotonic);
        Reading { now, doubt: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_clock_that_goes_with_time_is_trusted_even_when_the_machine_slept() {
        let mut watch = ClockWatch::new(t("2018-01-01"), seconds(100));
        let later = watch.judge(t("2018-01-03"), seconds(100 + 2 * 86_400), None);
        assert_eq!(later, Reading { now: t("2018-01-03"), doubt: None });
    }

    #[test]
    fn a_clock_that_was_turned_by_more_than_five_minutes_is_not_followed() {
        for turned in ["2018-01-01T00:15:01Z", "2018-01-01T00:04:59Z", "2019-01-01", "2001-01-01"] {
            let mut watch = ClockWatch::new(t("2018-01-01"), seconds(0));
            let reading = watch.judge(t(turned), seconds(600), None);
            assert_eq!(reading.now, t("2018-01-01T00:10:00Z"), "{turned}");
            assert!(reading.doubt.is_some(), "{turned}");
        }
        let mut watch = ClockWatch::new(t("2018-01-01"), seconds(0));
        assert_eq!(watch.judge(t("2018-01-01T00:15:00Z"), seconds(600), None).doubt, None);
    }

    #[test]
    fn a_clock_that_was_set_right_again_is_trusted_again() {
        let mut watch = ClockWatch::new(t("2018-01-01"), seconds(0));
        assert!(watch.judge(t("2018-06-01"), seconds(60), None).doubt.is_some());
        assert_eq!(watch.judge(t("2018-01-01T00:02:00Z"), seconds(120), None).doubt, None);
    }

    #[test]
    fn a_clock_behind_the_last_publication_is_not_followed() {
        let mut watch = ClockWatch::new(t("2018-01-01"), seconds(0));
        let reading = watch.judge(t("2018-01-01"), seconds(0), Some(t("2018-01-02")));
        assert_eq!(reading.now, t("2018-01-02"));
        assert!(reading.doubt.is_some());
    }
}
