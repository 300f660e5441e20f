use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::*;
use crate::clock::Clock;
use crate::cluster::folder::Config;

fn failure(tries: u32) -> Failure {
    let (kind, reason) = ("ApplyFailed".to_owned(), String::new());
    Failure { kind, reason, at: Time::UNIX_EPOCH, version: None, tries, retries: 0 }
}

#[test]
fn each_try_waits_twice_as_long_and_an_hour_at_most() {
    for (tries, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (6, 32), (7, 60), (40, 60)] {
        let expected = Time::UNIX_EPOCH + TimeDelta::minutes(minutes);
        assert_eq!(retry_at(&failure(tries)), expected, "{tries}");
    }
}

/// A stopped clock. When it is read for the first time, the operator gives an order.
struct Nudge(Folder, Mutex<bool>);

impl Clock for Nudge {
    fn now(&self) -> Time {
        if !std::mem::replace(&mut *self.1.lock().unwrap(), true) {
            self.0.change(|cluster| cluster.orders.retries += 1).unwrap();
        }
        Time::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn an_order_that_comes_while_the_agent_starts_is_heeded_at_once() {
    let state = tempfile::tempdir().unwrap();
    let folder = Folder::new(state.path(), "c");
    let config = Config {
        format: 1,
        server: "http://127.0.0.1:1".parse().unwrap(),
        channel: "1.8-production".parse().unwrap(),
        current: "exit 1".to_owned(),
        apply: Some("true".to_owned()),
        apply_timeout: None,
        approval: Approval::Automatic,
        interval: u64::from(u32::MAX),
        arch: None,
        stale_ok: 0,
        demo: false,
        ca: None,
    };
    folder.create(&config, b"{}").unwrap();
    let target = Version::parse("1.8.9").ok();
    folder
        .change(|Cluster { record, .. }| {
            record.checked = Some(Time::UNIX_EPOCH);
            record.failure = Some(Failure { version: target.clone(), ..failure(1) });
            record.target = target;
        })
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clock = Arc::new(Nudge(folder.clone(), Mutex::new(false)));
    let agent = Agent { folder: folder.clone(), clock, stop: Arc::clone(&stop) };
    let running = std::thread::spawn(move || agent.run());
    let looked = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        folder.read().unwrap().record.trouble.is_some()
    });
    stop.store(true, Ordering::SeqCst);
    running.join().unwrap().unwrap();
    assert!(looked, "it slept on the order");
}

#[test]
fn chance_is_between_none_and_all_and_not_always_the_same() {
    let found: Vec<f64> = (0..64).map(|_| random()).collect();
    assert!(found.iter().all(|chance| (0.0..=1.0).contains(chance)), "{found:?}");
    assert!(found.iter().any(|chance| *chance < 0.5) && found.iter().any(|chance| *chance > 0.5));
}
