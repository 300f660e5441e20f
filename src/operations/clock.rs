//! What speaks against the clock of a machine that is about to promote.

use chrono::TimeDelta;

use super::Refused;
use crate::domain::Time;
use crate::domain::ahead::is_ahead;

/// A server renews what it signs every day. If that is older, the server has stopped, or the clock that says
/// so is fast.
const RENEWED_WITHIN: TimeDelta = TimeDelta::days(2);

/// A date to compare a machine's clock with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dated {
    /// When the last publication in the state was made. The server that made it may be down.
    Publication(Time),
    /// When what the witness serves was made.
    Witness(Time),
}

/// Checks a clock before anything is recorded with its time.
///
/// # Errors
/// When the clock is behind the date, or so far ahead of the witness that it would have been renewed.
pub fn check(now: Time, dated: Dated) -> Result<(), Refused<'static>> {
    let (Dated::Publication(made) | Dated::Witness(made)) = dated;
    if is_ahead(made, now) {
        return Err(Refused::ClockBehind { now, made });
    }
    match dated {
        Dated::Witness(made) if RENEWED_WITHIN < now - made => Err(Refused::ClockAhead { now, made }),
        Dated::Witness(_) | Dated::Publication(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    #[test]
    fn a_clock_is_behind_by_minutes_and_ahead_by_the_days_in_which_a_server_renews() {
        let made = t("2018-01-10");
        for (now, is_behind, is_ahead) in [
            ("2018-01-09T23:54:59Z", true, false),
            ("2018-01-09T23:55:00Z", false, false),
            ("2018-01-12T00:00:00Z", false, false),
            ("2018-01-12T00:00:01Z", false, true),
        ] {
            let now = t(now);
            let behind = if is_behind { Err(Refused::ClockBehind { now, made }) } else { Ok(()) };
            let ahead = if is_ahead { Err(Refused::ClockAhead { now, made }) } else { behind.clone() };
            assert_eq!(check(now, Dated::Publication(made)), behind, "{now}");
            assert_eq!(check(now, Dated::Witness(made)), ahead, "{now}");
        }
    }
}
