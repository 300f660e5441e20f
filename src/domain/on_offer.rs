//! The time for which a release is on offer in a stage. Only this time counts as soak: a release that no
//! cluster can get is not being tried by anybody.

use chrono::TimeDelta;

use super::Time;
use super::line::Line;
use super::release::{Ended, Release};

/// A period from its first second until the first second after it.
pub type Period = (Time, Time);

/// The past periods in which clusters could not get the release in a stage: its channel was paused, or the
/// release was yanked, or a payload was missing.
pub fn interruptions<'a>(
    line: &'a Line,
    release: &'a Release,
    stage: usize,
    now: Time,
) -> impl Iterator<Item = Period> + 'a {
    let stops = line.stages[stage].resumed.iter().chain(release.unyanked()).map(Ended::period);
    let outages = release.unavailable().iter();
    stops.chain(outages.map(move |outage| (outage.from, outage.until.unwrap_or(now))))
}

/// Returns the time at which `span` has passed since `since`, not counting the given periods, which may
/// overlap.
pub fn after(since: Time, span: TimeDelta, periods: impl IntoIterator<Item = Period>) -> Time {
    let mut periods: Vec<Period> = periods.into_iter().filter(|(from, until)| from < until).collect();
    periods.sort_unstable();
    let (mut cursor, mut left) = (since, span);
    for (from, until) in periods {
        if until <= cursor {
            continue;
        }
        let free = from - cursor;
        if left <= free {
            break;
        }
        left -= free.max(TimeDelta::zero());
        cursor = until;
    }
    cursor + left
}

#[cfg(test)]
mod tests {
    use super::super::testing::t;
    use super::*;

    #[test]
    fn time_in_a_period_does_not_count_and_overlapping_periods_count_once() {
        let day = |n: i64| t("2018-01-01") + TimeDelta::days(n);
        for (periods, expected) in [
            (vec![], 14),
            (vec![(1, 5)], 18),
            (vec![(1, 5), (3, 8)], 21),
            (vec![(3, 8), (1, 5)], 21),
            (vec![(1, 8), (2, 3)], 21),
            (vec![(-5, 2)], 16),
            (vec![(-5, -2)], 14),
            (vec![(14, 20)], 14),
            (vec![(13, 20)], 21),
            (vec![(5, 1)], 14),
        ] {
            let periods: Vec<Period> = periods.into_iter().map(|(a, b)| (day(a), day(b))).collect();
            assert_eq!(after(day(0), TimeDelta::days(14), periods.clone()), day(expected), "{periods:?}");
        }
    }
}
