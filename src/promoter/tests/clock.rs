//! A clock that jumped: what settles that, and what does not.

use super::*;
use crate::domain::clock::Accepted;
use crate::store::state::StateFolder;

/// A place whose release would be due if the clock, which was set forward by 20 days, were right.
fn jumped() -> (Place, Promoter, Handle) {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.turn(DAY * 20);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted, DegradedKind::ExpiryNear]);
    (place, promoter, shared)
}

fn accept(place: &Place, at: Time) {
    let accepted = Accepted { at, by: "ada".to_owned(), reason: "it was paused".to_owned() };
    StateFolder::new(&place.path("state")).accept(Some(&accepted)).unwrap();
}

#[test]
fn a_restart_promotes_nothing_by_a_clock_that_jumped_while_or_before_the_server_was_down() {
    let (place, promoter, _) = jumped();
    drop(promoter);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted, DegradedKind::ExpiryNear]);
    assert_eq!(place.in_production("1.8.4"), None);

    place.clock.turn(DAY * -20);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    drop(promoter);
    place.clock.turn(DAY * 20);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted, DegradedKind::ExpiryNear]);
    assert_eq!(place.in_production("1.8.4"), None);
    // Time that has passed by both clocks is no jump.
    place.clock.turn(DAY * -20);
    place.pass(DAY * 20);
    let (mut promoter, _) = place.promoter();
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
}

#[test]
fn a_state_of_an_earlier_version_knows_when_it_published_last() {
    let (place, promoter, _) = jumped();
    drop(promoter);
    fs::remove_file(place.path("state/clock.json")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert!(degraded(&shared).contains(&DegradedKind::ClockUntrusted));
    assert_eq!(place.in_production("1.8.4"), None);
}

#[test]
fn somebodys_word_settles_the_jump_that_it_is_about_and_no_other() {
    let (place, mut promoter, shared) = jumped();
    accept(&place, place.clock.at() - DAY * 2);
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None);
    accept(&place, place.clock.at());
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    assert!(place.in_production("1.8.4").is_some());
    assert!(shared.now(&*place.clock) < shared.publication.load_full().unwrap().expires);
    assert!(!place.path("state/clock-accepted.json").exists());
    // One that comes when nothing is in doubt is not kept for later.
    accept(&place, place.clock.at());
    place.pass(TimeDelta::minutes(2));
    place.settle(&mut promoter);
    assert!(!place.path("state/clock-accepted.json").exists());
}

#[test]
fn what_the_clock_shows_is_told_anew_when_it_jumps_again() {
    let (place, mut promoter, shared) = jumped();
    assert!(detail(&shared).contains("it says 2018-01-21") && detail(&shared).contains("refuse it"));
    place.clock.turn(DAY);
    place.settle(&mut promoter);
    assert!(detail(&shared).contains("it says 2018-01-22"), "{}", detail(&shared));
}

#[test]
fn a_clock_that_the_kernel_calls_right_renews_what_is_served_and_promotes_nothing() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.synchronise();
    place.clock.turn(DAY * 20);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted]);
    assert_eq!(place.in_production("1.8.4"), None);
    assert!(place.clock.at() < shared.publication.load_full().unwrap().expires);
}
