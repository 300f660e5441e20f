//! Decides whether the machine's clock can be trusted with promotions.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::clock::KnownTime;
use crate::domain::degraded::ClockDoubt;

/// How far the clock may deviate. Slewing changes a clock by seconds a day; a difference of minutes means
/// that somebody set it.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A machine that booted less than this long ago is still finding out what time it is: the first answer
/// from a time server may change its clock. A server that never published anything trusts any new time, just as
/// it would if it had started a minute later. All others know about what time it is, and trust a day.
const BOOTING: Duration = Duration::from_secs(10 * 60);

/// A clock that was set back and has run steadily for this long is assumed to be right: people and time
/// servers correct their mistakes sooner.
const STEADY: Duration = Duration::from_secs(60 * 60);

/// How far a clock may be from what is known after a boot before that needs a second witness. The monotonic clock
/// starts again with each boot, so nothing else shows whether the clock is right.
const GAP: TimeDelta = TimeDelta::days(1);

/// How far from the clock somebody's word or the witness's time may be that settles a jump.
pub const SETTLED_WITHIN: TimeDelta = TimeDelta::days(1);

/// Whether a document that was made at the time `by` shows that a clock rightly jumped to `now`: by what was
/// `expected`, it could not have been made yet.
pub fn is_confirmed_by(now: Time, expected: Time, by: Time) -> bool {
    TOLERANCE < by - expected && (now - by).abs() <= SETTLED_WITHIN
}

/// Compares the machine's clock with the monotonic clock.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// Where the last trusted time comes from, if an earlier process trusted it.
    restored: Option<Restored>,
    /// Whether it is known what time it is: something was published, or somebody confirmed a time.
    is_known: bool,
    /// Whether the clock was doubted when it was last judged.
    is_doubted: bool,
    /// The last time that was trusted. `None` until the clock is first trusted: there is no right time yet
    /// to compare a new one with.
    base: Option<Moment>,
    /// The first time that was trusted, or the last that was set by a time server: what a clock is compared with
    /// while the machine boots.
    first: Option<Moment>,
    /// The time of the last publication, and when a clock in doubt was first compared with it.
    made: Option<Moment>,
    /// When a clock that was set began to run steadily.
    steady: Option<Moment>,
}

/// What an earlier process knew.
#[derive(Debug, Clone, Copy)]
struct Restored {
    /// Whether the monotonic clock has gone on since.
    is_same_boot: bool,
    is_doubted: bool,
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
    /// Trusts the first time that it sees, and none that is far from it.
    pub fn trusting() -> Self {
        Self { is_known: true, ..Self::default() }
    }

    /// Continues from what an earlier process knew, so that a restart settles no jump. `boot` is the present boot
    /// of the machine, if that is known.
    pub fn after(known: &KnownTime, boot: Option<&str>, monotonic: Duration) -> Self {
        let is_counted = boot == Some(known.boot.as_str()) && known.monotonic <= monotonic;
        let since = if is_counted { known.monotonic } else { monotonic };
        let is_same_boot = is_counted && !known.is_before_boot;
        Self {
            restored: Some(Restored { is_same_boot, is_doubted: known.is_doubted }),
            base: Some(Moment(known.time, since)),
            first: Some(Moment(known.time, since)),
            ..Self::trusting()
        }
    }

    /// What a later process must know, if there is a time to compare with.
    pub fn known(&self, boot: String, monotonic: Duration) -> Option<KnownTime> {
        let time = self.base?.later(monotonic);
        // That a machine was off for long is no jump, and passes once a time server has set its clock.
        let is_before_boot = self.restored.is_some_and(|restored| !restored.is_same_boot);
        let was_doubted = self.restored.is_some_and(|restored| restored.is_doubted);
        let is_doubted = if is_before_boot { was_doubted } else { self.is_doubted };
        Some(KnownTime { boot, monotonic, time, is_doubted, is_before_boot })
    }

    /// Settles a jump of the clock to `now` if somebody confirmed it at the time `by`. Returns whether that is so.
    ///
    /// What a witness shows cannot settle it: this server made that, and a server that is behind its witness ends.
    pub fn settle(&mut self, now: Time, by: Time) -> bool {
        let is_confirmed = (now - by).abs() <= SETTLED_WITHIN;
        if is_confirmed {
            *self = Self::trusting();
        }
        is_confirmed
    }

    /// Judges the clock. `made` is the time of the last publication, and `is_synchronised` the kernel's word that a
    /// time server keeps the clock right.
    ///
    /// The first time ever, a clock is trusted unless it is behind the last publication. A clock that is set
    /// forward later stays in doubt until it is set back or the jump is [settled](Self::settle). Only a person can
    /// tell whether it was set by mistake, which would promote releases that have not soaked. A clock that is set
    /// back is trusted after a while, since it can only delay promotions.
    pub fn judge(
        &mut self,
        now: Time,
        monotonic: Duration,
        made: Option<Time>,
        is_synchronised: bool,
    ) -> Reading {
        self.is_known |= made.is_some();
        let reading = self.read(now, monotonic, made, is_synchronised);
        self.is_doubted = reading.doubt.is_some();
        reading
    }

    fn read(&mut self, now: Time, monotonic: Duration, made: Option<Time>, is_synchronised: bool) -> Reading {
        let expected = self.base.map(|base| base.later(monotonic));
        let boots = monotonic < BOOTING;
        // How far the clock may be ahead, and how far behind.
        let (ahead, behind) = match self.restored {
            Some(Restored { is_same_boot: false, is_doubted: false }) if is_synchronised => {
                (TimeDelta::MAX, TOLERANCE)
            }
            Some(Restored { is_same_boot: false, .. }) => (GAP, TOLERANCE),
            Some(Restored { is_doubted: true, .. }) => (TOLERANCE, TOLERANCE),
            _ if boots && self.is_known && !is_synchronised => (GAP, GAP),
            _ if boots => (TimeDelta::MAX, TimeDelta::MAX),
            _ => (TOLERANCE, TOLERANCE),
        };
        let is_behind = made.is_some_and(|made| now < made);
        // While the machine boots, the steps are large, and must not add up.
        let first = self.first.filter(|_| boots).map(|first| first.later(monotonic)).or(expected);
        let turned = expected.filter(|expected| {
            // Where nothing was ever published, a clock that is set back takes nothing back.
            first.is_some_and(|first| ahead < now - first || made.is_some() && behind < first - now)
                && !(self.is_steady(now, monotonic) && now < *expected)
                && !(self.restored.is_some() && is_behind)
        });
        let doubt = if let Some(expected) = turned {
            let has_booted =
                expected < now && self.restored.is_some_and(|known| !known.is_same_boot && !known.is_doubted);
            ClockDoubt::Turned { now, expected, has_booted }
        } else if let Some(made) = made.filter(|made| now < *made) {
            ClockDoubt::Behind { now, made }
        } else {
            // The base follows the clock in small steps, so a slewed clock stays trusted.
            self.base = Some(Moment(now, monotonic));
            // Before anything is published, no time is known, so the last one counts.
            self.first = self.first.filter(|_| self.is_known && !is_synchronised).or(self.base);
            (self.made, self.steady, self.restored) = (None, None, None);
            return Reading { now, doubt: None };
        };
        // A publication made with the time returned here does not restart the count.
        self.made = made.map(|made| match self.made {
            Some(known) if made <= known.later(monotonic) => known,
            _ => Moment(made, monotonic),
        });
        let renewed = self.made.map(|made| made.later(monotonic));
        // What is served must not expire by a clock that a time server keeps right.
        if is_synchronised && expected.is_some_and(|expected| expected < now) {
            return Reading { now, doubt: Some(doubt) };
        }
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
        assert_eq!(watch.judge(t(now), seconds(0), None, false).doubt, None);
        watch
    }

    #[test]
    fn a_clock_that_goes_with_time_is_trusted_even_when_the_machine_slept() {
        let mut watch = watch("2018-01-01");
        let later = watch.judge(t("2018-01-03"), seconds(2 * 86_400), None, false);
        assert_eq!(later, Reading { now: t("2018-01-03"), doubt: None });
    }

    #[test]
    fn a_clock_that_was_turned_by_more_than_five_minutes_is_not_followed() {
        for turned in ["2018-01-01T00:15:01Z", "2018-01-01T00:04:59Z", "2019-01-01", "2001-01-01"] {
            let mut watch = watch("2018-01-01");
            let reading = watch.judge(t(turned), seconds(600), Some(t("2001-01-01")), false);
            assert_eq!(reading.now, t("2018-01-01T00:10:00Z"), "{turned}");
            assert!(reading.doubt.is_some(), "{turned}");
        }
        let mut watch = watch("2018-01-01");
        assert_eq!(watch.judge(t("2018-01-01T00:15:00Z"), seconds(600), None, false).doubt, None);
    }

    #[test]
    fn before_anything_was_published_a_clock_may_be_set_back() {
        let mut watch = watch("2028-01-01");
        assert_eq!(watch.judge(t("2018-01-01"), seconds(60), None, false).doubt, None);
        assert!(watch.judge(t("2028-01-01"), seconds(120), None, false).doubt.is_some());
    }

    #[test]
    fn a_clock_that_was_set_right_again_is_trusted_again() {
        let mut watch = watch("2018-01-01");
        assert!(watch.judge(t("2018-06-01"), seconds(60), None, false).doubt.is_some());
        assert_eq!(watch.judge(t("2018-01-01T00:02:00Z"), seconds(120), None, false).doubt, None);
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
            let reading = watch.judge(t(clock), seconds(passed), made, false);
            assert_eq!(reading.now, t(now));
            assert!(matches!(reading.doubt, Some(ClockDoubt::Behind { .. })), "{clock}");
        }
        // A publication made with that time does not restart the count, but one ahead of it does.
        for (made, passed, now) in [
            ("2018-01-02T00:10:30Z", 700, "2018-01-02T00:11:40Z"),
            ("2018-01-03T00:00:00Z", 701, "2018-01-03T00:00:00Z"),
            ("2018-01-03T00:00:00Z", 706, "2018-01-03T00:00:05Z"),
        ] {
            assert_eq!(watch.judge(t("1970-01-01"), seconds(passed), Some(t(made)), false).now, t(now));
        }
    }

    #[test]
    fn a_clock_that_was_behind_from_the_start_is_trusted_when_it_is_set_right() {
        let mut watch = ClockWatch::default();
        assert!(watch.judge(t("1970-01-01"), seconds(0), Some(t("2018-01-02")), false).doubt.is_some());
        let reading = watch.judge(t("2018-01-09"), seconds(3600), Some(t("2018-01-02")), false);
        assert_eq!(reading, Reading { now: t("2018-01-09"), doubt: None });
        assert!(watch.judge(t("2018-02-09"), seconds(3601), Some(t("2018-01-02")), false).doubt.is_some());
    }

    #[test]
    fn while_the_machine_boots_its_clock_may_be_set_by_a_day_and_by_any_amount_if_no_time_was_known() {
        for (watch, monotonic, clock, doubted) in [
            (ClockWatch::default as fn() -> ClockWatch, 599, "2018-03-01", false),
            (ClockWatch::default, 600, "2018-03-01", true),
            (ClockWatch::trusting, 599, "2018-03-01", true),
            (ClockWatch::trusting, 599, "2018-01-02T00:09:39Z", false),
            (ClockWatch::trusting, 599, "2018-01-02T00:09:40Z", true),
            (ClockWatch::trusting, 599, "2017-12-31T00:09:39Z", false),
            (ClockWatch::trusting, 599, "2017-12-31T00:09:38Z", true),
            (ClockWatch::trusting, 600, "2018-01-01T00:30:00Z", true),
        ] {
            let mut watch = watch();
            let made = watch.is_known.then(|| t("2017-01-01"));
            watch.judge(t("2018-01-01"), Duration::from_secs(20), made, false);
            let reading = watch.judge(t(clock), Duration::from_secs(monotonic), made, false);
            assert_eq!(reading.doubt.is_some(), doubted, "{monotonic} {clock}");
        }
    }

    #[test]
    fn once_something_is_published_the_time_is_known_also_to_the_first_process() {
        let mut watch = ClockWatch::default();
        let mut judge = |clock: &str, made: Option<&str>, monotonic| {
            watch.judge(t(clock), Duration::from_secs(monotonic), made.map(t), false).doubt.is_none()
        };
        assert!(judge("1970-01-01", None, 5));
        assert!(judge("2018-01-01", None, 10));
        // How far the clock was set before that does not count.
        let made = Some("2018-01-01");
        assert!(judge("2018-01-01T00:00:01Z", made, 11));
        assert!(judge("2018-01-01T18:00:00Z", made, 12));
        assert!(!judge("2018-01-17", made, 13));
    }

    #[test]
    fn the_first_trusted_time_after_a_boot_lifts_no_guard() {
        for mut watch in
            [ClockWatch::trusting(), ClockWatch::after(&known(false), Some("b"), Duration::from_secs(20))]
        {
            let mut judge = |clock: &str, passed: u64| {
                let made = Some(t("2017-12-31"));
                watch.judge(t(clock), Duration::from_secs(20 + passed), made, false).doubt.is_none()
            };
            assert!(judge("2018-01-01", 0));
            // Steps do not add up.
            assert!(judge("2018-01-01T18:00:00Z", 1));
            assert!(!judge("2018-01-02T12:00:00Z", 2));
            assert!(!judge("2018-01-17", 3));
            // Nor does the end of the boot settle anything.
            assert!(!judge("2018-01-17T00:20:00Z", 1200));
            assert!(judge("2018-01-01T18:20:00Z", 1201));
        }
    }

    #[test]
    fn that_a_machine_was_off_is_in_doubt_until_a_time_server_has_set_its_clock_also_after_a_restart() {
        let made = Some(t("2018-01-01"));
        let booted = |n: u64| Duration::from_secs(5 + n);
        let mut first = ClockWatch::after(&known(false), Some("b"), booted(0));
        assert!(first.judge(t("2018-01-04"), booted(0), made, false).doubt.is_some());
        let kept = first.known("b".to_owned(), booted(10)).unwrap();
        let mut next = ClockWatch::after(&kept, Some("b"), booted(20));
        assert!(next.judge(t("2018-01-04T00:00:20Z"), booted(20), made, false).doubt.is_some());
        assert_eq!(next.judge(t("2018-01-04T00:00:30Z"), booted(30), made, true).doubt, None);
        let kept = next.known("b".to_owned(), booted(40)).unwrap();
        assert_eq!((kept.is_doubted, kept.is_before_boot), (false, false));
        // From then on, the clock counts.
        assert!(next.judge(t("2018-01-20"), booted(700), made, true).doubt.is_some());
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
            assert!(watch.judge(clock(60), seconds(60), made, false).doubt.is_some());
            assert!(watch.judge(clock(3659), seconds(3659), made, false).doubt.is_some(), "{turned}");
            assert_eq!(
                watch.judge(clock(3660), seconds(3660), made, false).doubt.is_none(),
                trusted,
                "{turned}"
            );
            assert_eq!(
                watch.judge(clock(90_000), seconds(90_000), made, false).doubt.is_none(),
                trusted,
                "{turned}"
            );
        }
        // A clock that does not keep step, or is behind the last publication, is not trusted.
        for (made, again) in [("2018-01-01T23:30:00Z", 0), ("2018-01-01", 600)] {
            let mut watch = watch("2018-01-02");
            watch.judge(t("2018-01-01T22:00:00Z"), seconds(0), Some(t(made)), false);
            let clock = t("2018-01-01T23:00:00Z") + TimeDelta::seconds(again);
            assert!(watch.judge(clock, seconds(3600), Some(t(made)), false).doubt.is_some(), "{made}");
        }
    }

    /// What a server that trusted its clock, or doubted it, leaves for the next one.
    fn known(is_doubted: bool) -> KnownTime {
        let monotonic = seconds(0);
        let boot = "a".to_owned();
        KnownTime { boot, monotonic, time: t("2018-01-01"), is_doubted, is_before_boot: false }
    }

    #[test]
    fn a_restart_does_not_settle_a_jump() {
        let mut first = watch("2018-01-01");
        assert!(first.judge(t("2018-01-17"), seconds(60), None, false).doubt.is_some());
        let kept = first.known("a".to_owned(), seconds(90)).unwrap();
        assert_eq!((kept.time, kept.is_doubted), (t("2018-01-01T00:01:30Z"), true));
        let mut next = ClockWatch::after(&kept, Some("a"), seconds(100));
        let reading = next.judge(t("2018-01-17T00:01:00Z"), seconds(120), None, false);
        assert_eq!(reading.now, t("2018-01-01T00:02:00Z"));
        assert!(matches!(reading.doubt, Some(ClockDoubt::Turned { .. })), "{reading:?}");
        // Nor does a reboot, and the kernel's word that comes with it. But a clock that was corrected meanwhile
        // is ahead by no more than the time that the machine was off.
        for (clock, doubted) in
            [("2018-01-17", true), ("2018-01-02T00:02:00Z", true), ("2018-01-01T23:00:00Z", false)]
        {
            let booted = Duration::from_secs(5);
            let mut next = ClockWatch::after(&kept, Some("b"), booted);
            assert_eq!(next.judge(t(clock), booted, None, true).doubt.is_some(), doubted, "{clock}");
            let kept = next.known("b".to_owned(), Duration::from_secs(6)).unwrap();
            let mut next = ClockWatch::after(&kept, Some("b"), Duration::from_secs(7));
            let again = next.judge(t(clock), Duration::from_secs(7), None, true).doubt;
            assert_eq!(again.is_some(), doubted, "{clock}");
        }
        assert_eq!(next.judge(t("2018-01-01T00:03:00Z"), seconds(180), None, false).doubt, None);
    }

    #[test]
    fn between_two_runs_in_one_boot_the_monotonic_clock_counts_and_over_a_reboot_a_day_may_pass() {
        let later = Duration::from_secs(START + 16 * 86_400);
        let judge = |boot: Option<&str>, clock: &str, monotonic, synchronised| {
            let mut watch = ClockWatch::after(&known(false), boot, monotonic);
            watch.judge(t(clock), monotonic, Some(t("2018-01-01")), synchronised).doubt.is_none()
        };
        assert!(judge(Some("a"), "2018-01-17", later, false), "it was off for 16 days");
        assert!(!judge(Some("a"), "2018-01-17", seconds(10), false));
        assert!(!judge(Some("a"), "2018-01-17", seconds(10), true), "another machine must confirm it");
        for boot in [Some("b"), None] {
            assert!(judge(boot, "2018-01-02", Duration::from_secs(10), false));
            assert!(!judge(boot, "2018-01-02T00:00:01Z", Duration::from_secs(10), false));
            assert!(judge(boot, "2018-01-17", Duration::from_secs(10), true));
            assert!(!judge(boot, "2017-12-31", Duration::from_secs(10), false));
        }
    }

    #[test]
    fn a_jump_is_settled_by_what_is_dated_within_a_day_of_it() {
        for (by, settled) in [("2018-01-16", true), ("2018-01-18", true), ("2018-01-15T23:59:59Z", false)] {
            let mut watch = watch("2018-01-01");
            let now = t("2018-01-17");
            assert!(watch.judge(now, seconds(60), None, false).doubt.is_some());
            assert_eq!(watch.settle(now, t(by)), settled, "{by}");
            assert_eq!(watch.judge(now, seconds(60), None, false).doubt.is_none(), settled, "{by}");
        }
    }

    #[test]
    fn a_document_confirms_a_jump_that_it_could_not_have_been_made_without() {
        let (expected, now) = (t("2018-01-01"), t("2018-01-17"));
        for (expected, by, confirmed) in [
            (expected, "2018-01-17", true),
            (expected, "2018-01-16", true),
            (expected, "2018-01-15T23:59:59Z", false),
            (expected, "2018-01-18", true),
            // A jump by less than a day: what was made before it proves nothing.
            (t("2018-01-16T06:00:00Z"), "2018-01-16T06:05:00Z", false),
            (t("2018-01-16T06:00:00Z"), "2018-01-16T06:05:01Z", true),
        ] {
            assert_eq!(is_confirmed_by(now, expected, t(by)), confirmed, "{expected} {by}");
        }
    }

    #[test]
    fn what_is_served_follows_a_clock_that_jumped_only_if_the_kernel_says_that_it_is_synchronised() {
        for (synchronised, now) in [(false, "2018-01-01T00:01:00Z"), (true, "2018-01-17T00:00:00Z")] {
            let mut watch = watch("2018-01-01");
            let reading = watch.judge(t("2018-01-17"), seconds(60), None, synchronised);
            assert_eq!(reading.now, t(now));
            assert!(reading.doubt.is_some());
        }
    }
}
