//! How soon an edit is served.

use super::*;

fn paused(place: &Place, reason: &str) {
    let pause =
        format!("paused: {{ preproduction: {{ at: 2018-01-01T00:00:00Z, by: ada, reason: {reason} }} }}\n");
    fs::write(place.path("channels/1.8/line.yaml"), format!("{LINE}{pause}")).unwrap();
}

#[test]
fn a_second_edit_within_a_second_is_published_within_that_second() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let (second, mut before) = (place.clock.at(), version(&shared));
    for reason in ["one", "two", "three"] {
        paused(&place, reason);
        for _ in 0..2 {
            promoter.turn();
            place.pass(TimeDelta::milliseconds(250));
        }
        assert!(version(&shared) > before, "{reason}");
        before = version(&shared);
    }
    assert!(place.clock.at() < second + TimeDelta::seconds(2));
    assert!(i64::try_from(before).unwrap() <= place.clock.at().timestamp_millis());
}

#[test]
fn versions_do_not_run_ahead_of_the_clock_however_fast_changes_come() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    for n in 0..20 {
        paused(&place, &format!("number {n}"));
        for _ in 0..2 {
            promoter.turn();
            place.clock.time.lock().unwrap().1 += Duration::from_millis(250);
        }
        if n % 2 == 1 {
            place.clock.turn(SECOND);
        }
    }
    assert!(i64::try_from(version(&shared)).unwrap() <= place.clock.at().timestamp_millis());
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_server_that_stops_begins_no_publication_and_the_next_start_makes_it() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let before = version(&shared);
    shared.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    paused(&place, "late");
    place.settle(&mut promoter);
    assert_eq!(version(&shared), before);
    drop(promoter);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert!(version(&shared) > before);
}
