//! Stops that are dated ahead of the clock.

use super::*;
use crate::domain::channel::StageName;
use crate::domain::release::Yank;

fn ahead(place: &Place, by: TimeDelta) -> Event {
    Event::new(place.clock.at() + by, "ada".to_owned(), "etcd".to_owned())
}

#[test]
fn a_hold_by_a_fast_clock_holds_before_its_date() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.pass(t("2018-01-15") - TimeDelta::seconds(30) - place.clock.at());
    place.commit(Change::Hold { version: v("1.8.4"), hold: ahead(&place, TimeDelta::minutes(5)) });
    place.pass(TimeDelta::seconds(30));
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(shared.status.load().blocked, 1);
    // Nor does it end when its date has come.
    place.pass(TimeDelta::minutes(10));
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_yank_and_a_pause_of_a_wrong_year_are_published_at_once_with_their_dates() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    let yank = Yank { event: ahead(&place, DAY * 365), to: None };
    place.commit(Change::Yank { version: v("1.8.4"), yank });
    let (line, stage) = (LineName::parse("1.8").unwrap(), StageName::parse("preproduction").unwrap());
    place.commit(Change::Pause { line, stage, pause: ahead(&place, DAY * 365) });
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
    let manifest = channel(&shared, "1.8-preproduction");
    for at in [&manifest["releases"][0]["yank"]["at"], &manifest["paused"]["at"]] {
        assert!(at.as_str().unwrap().starts_with("2019-01-01"), "{at}");
    }
}

#[test]
fn a_yank_by_a_clock_that_is_doubted_counts_all_the_same() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.turn(DAY * 20);
    promoter.turn();
    let yank = Yank { event: ahead(&place, TimeDelta::zero()), to: None };
    place.commit(Change::Yank { version: v("1.8.4"), yank });
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted]);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
}
