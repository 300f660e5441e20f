use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::Time;

/// A clock, and what each look costs: time, and the processor's.
#[derive(Default)]
struct Bench {
    now: Mutex<Duration>,
    worked: Mutex<Duration>,
    cost: Mutex<(Duration, Duration)>,
    /// When somebody looked, and whether thoroughly.
    looks: Mutex<Vec<(Duration, bool)>>,
}

impl Clock for Bench {
    fn now(&self) -> Time {
        Time::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn worked(&self) -> Duration {
        *self.worked.lock().unwrap()
    }
}

struct Slow(Arc<Bench>);

impl Watch for Slow {
    fn look(&mut self, now: Duration, thorough: bool) -> Result<News, ReadError> {
        let (time, work) = *self.0.cost.lock().unwrap();
        self.0.looks.lock().unwrap().push((now, thorough));
        *self.0.now.lock().unwrap() += time;
        *self.0.worked.lock().unwrap() += work;
        Ok(News::Nothing)
    }

    fn read(&mut self, _now: Time) -> Result<Snapshot, ReadError> {
        Err(ReadError::Busy(String::new()))
    }
}

/// Looks as often as the watching allows for a while, and returns when it was, and whether thoroughly.
fn looks(time: Duration, work: Duration, until: Duration) -> Vec<(Duration, bool)> {
    let bench = Arc::new(Bench { cost: Mutex::new((time, work)), ..Bench::default() });
    let mut watching = Watching::new(Box::new(Slow(Arc::clone(&bench))));
    while bench.monotonic() < until {
        let Look::Nothing(soon) = watching.look(&*bench) else { panic!("there is nothing to read") };
        *bench.now.lock().unwrap() += soon.unwrap_or(Duration::from_millis(500));
    }
    std::mem::take(&mut *bench.looks.lock().unwrap())
}

#[test]
fn looking_takes_a_twentieth_of_a_processor_and_never_pauses_for_more_than_two_seconds() {
    let ms = Duration::from_millis;
    let minute = Duration::from_secs(60);
    for (time, work, pause) in [
        // Where looking costs nothing, the loop's own period counts.
        (0, 0, 500),
        (50, 50, 1000),
        (5_000, 5_000, 2000),
        // The process was starved, or did not run at all.
        (250, 50, 1000),
        (2_000, 1, 500),
        (60_000, 20, 500),
    ] {
        let looks = looks(ms(time), ms(work), minute * 10);
        for pair in looks.windows(2) {
            assert_eq!(pair[1].0.abs_diff(pair[0].0), ms(time + pause), "{time} {work}");
        }
    }
}

#[test]
fn now_and_then_a_look_is_thorough_and_the_more_it_costs_the_less_often() {
    let (s, ms) = (Duration::from_secs, Duration::from_millis);
    for (work, pause) in [(0, 30), (1, 30), (100, 60), (500, 300), (5_000, 600)] {
        let looks = looks(ms(0), ms(work), s(3600));
        let thorough: Vec<_> = looks.iter().filter(|(_, thorough)| *thorough).map(|(at, _)| *at).collect();
        assert_eq!(thorough[0], Duration::ZERO);
        for pair in thorough.windows(2) {
            let between = pair[1].abs_diff(pair[0]);
            assert!(between >= s(pause) && between <= s(pause) + DEAF, "{work}: {between:?}");
        }
    }
}
