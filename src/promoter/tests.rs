mod agree;
mod clock;
mod commits;
mod folder;
mod lost;
mod memory;
mod mirror;
mod not_promoting;
mod place;
mod rotation;
mod soon;
mod stops;
mod unpublished;
mod unreadable;
mod vanish;
mod waiting;
mod withheld;

use std::fs;
use std::path::Path;

use chrono::TimeDelta;

use super::*;
use crate::domain::change::Change;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::release::Event;
use crate::domain::testing::{t, v};
use crate::signing::Signed;
use crate::signing::trust::Trust;
use crate::store::payloads::measure;
use place::{LINE, Place};
use status::DegradedKind;

const DAY: TimeDelta = TimeDelta::days(1);
const SECOND: TimeDelta = TimeDelta::seconds(1);

fn json(raw: &[u8]) -> serde_json::Value {
    serde_json::from_slice(raw).unwrap()
}

fn channel(shared: &Handle, name: &str) -> serde_json::Value {
    let publication = shared.publication.load();
    let document = publication.as_ref().unwrap().channel(&ChannelName::parse(name).unwrap()).unwrap();
    json(&document.identity)["signed"].clone()
}

fn latest(shared: &Handle, name: &str) -> serde_json::Value {
    channel(shared, name)["latest"].clone()
}

fn version(shared: &Handle) -> u64 {
    shared.publication.load().as_ref().unwrap().version
}

fn degraded(shared: &Handle) -> Vec<DegradedKind> {
    shared.status.load().degraded.iter().map(Degraded::kind).collect()
}

fn detail(shared: &Handle) -> String {
    shared.status.load().degraded.iter().map(crate::words::degraded).collect()
}

#[test]
fn a_release_is_promoted_in_the_second_in_which_it_is_due_and_not_before() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    promoter.turn();
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
    place.pass(DAY * 14 - SECOND);
    promoter.turn();
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(latest(&shared, "1.8-production"), serde_json::Value::Null);
    place.pass(SECOND);
    promoter.turn();
    assert_eq!(place.in_production("1.8.4"), Some(t("2018-01-15")));
    assert_eq!(latest(&shared, "1.8-production"), "1.8.4");
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_machine_that_slept_past_the_time_promotes_when_it_wakes() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    promoter.turn();
    place.pass(DAY * 20);
    promoter.turn();
    assert_eq!(place.in_production("1.8.4"), Some(t("2018-01-21")));
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_clock_that_was_turned_stops_promotion_loudly_and_neither_serving_nor_renewal() {
    for turned in [DAY * 20, DAY * -20, TimeDelta::seconds(301)] {
        let place = Place::with(&["1.8.4"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        place.clock.turn(turned);
        promoter.turn();
        assert_eq!(degraded(&shared)[0], DegradedKind::ClockUntrusted, "{turned}");
        // After a jump of 20 days, clients refuse what is served.
        assert_eq!(degraded(&shared).len(), if turned == DAY * 20 { 2 } else { 1 }, "{turned}");
        assert_eq!(place.in_production("1.8.4"), None, "{turned}");
        let before = version(&shared);
        place.pass(DAY);
        promoter.turn();
        assert!(version(&shared) > before, "renewed after {turned}");
        assert_eq!(channel(&shared, "1.8-production")["issued"], "2018-01-02T00:00:03Z", "{turned}");
        place.pass(DAY * 14);
        promoter.turn();
        assert_eq!(place.in_production("1.8.4"), None, "{turned}");
        place.pass(DAY);
        assert_eq!(shared.now(&*place.clock), t("2018-01-17T00:00:03Z"), "{turned}");
        assert!(shared.now(&*place.clock) < shared.publication.load_full().unwrap().expires, "{turned}");

        place.clock.turn(-turned);
        place.pass(SECOND);
        promoter.turn();
        assert_eq!(degraded(&shared), [], "{turned}");
        assert_eq!(place.in_production("1.8.4"), Some(place.clock.at()), "{turned}");
    }
}

#[test]
fn a_clock_that_was_turned_back_and_goes_on_in_step_is_trusted_after_an_hour() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.turn(TimeDelta::seconds(-301));
    promoter.turn();
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted]);
    place.pass(TimeDelta::seconds(3599));
    promoter.turn();
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted]);
    place.pass(SECOND);
    promoter.turn();
    assert_eq!(degraded(&shared), []);
    place.pass(t("2018-01-15") - place.clock.at());
    promoter.turn();
    assert_eq!(place.in_production("1.8.4"), Some(t("2018-01-15")));
}

#[test]
fn behind_the_last_publication_what_is_served_is_renewed_and_nothing_is_promoted() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, _) = place.promoter();
    place.settle(&mut promoter);
    drop(promoter);
    place.clock.turn(TimeDelta::days(-1000));
    let (mut promoter, shared) = place.promoter();
    promoter.turn();
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted], "{}", detail(&shared));
    for day in 0..20 {
        let before = shared.publication.load_full().unwrap();
        place.pass(DAY);
        promoter.turn();
        let after = shared.publication.load_full().unwrap();
        assert!(after.version > before.version && after.made >= before.made + DAY, "day {day}");
    }
    assert_eq!(degraded(&shared), [DegradedKind::ClockUntrusted], "{}", detail(&shared));
    assert_eq!(place.in_production("1.8.4"), None);

    place.clock.turn(TimeDelta::days(1000));
    place.pass(SECOND);
    promoter.turn();
    assert_eq!(degraded(&shared), []);
    assert_eq!(place.in_production("1.8.4"), Some(place.clock.at()));
}

#[test]
fn a_clock_that_was_ahead_for_long_is_made_good_by_moving_the_publication_away() {
    let place = Place::with(&["1.8.4"]);
    place.clock.turn(TimeDelta::days(20));
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let ahead = version(&shared);
    drop(promoter);
    place.clock.turn(TimeDelta::days(-20));
    fs::rename(place.path("state/publication"), place.path("away")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::DatedAhead], "the entry of `1.8.4` waits for its date");
    assert!(version(&shared) > ahead, "versions never come again");
    assert_eq!(shared.publication.load().as_ref().unwrap().made.date_naive(), place.clock.at().date_naive());
}

#[test]
fn a_hold_that_was_committed_first_wins_also_within_the_turn() {
    let place = Arc::new(Place::with(&["1.8.4"]));
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.pass(t("2018-01-15") - place.clock.at());
    let other = Arc::clone(&place);
    // The turn reads the clock first for itself, and then for its commit.
    place.clock.then(2, move || {
        other.pass(SECOND);
        let hold = Event::new(other.clock.at(), "ada".to_owned(), "etcd".to_owned());
        other.commit(Change::Hold { version: v("1.8.4"), hold });
    });
    promoter.turn();
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(latest(&shared, "1.8-production"), serde_json::Value::Null);
    assert_eq!(shared.status.load().blocked, 1);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn two_promoters_on_one_folder_make_each_promotion_once() {
    let place = Place::with(&["1.8.4", "1.8.5"]);
    let ((mut first, _), (mut second, shared)) = (place.promoter(), place.promoter_in("other"));
    place.settle(&mut first);
    place.settle(&mut second);
    place.pass(DAY * 14);
    first.turn();
    place.pass(SECOND);
    second.turn();
    place.settle(&mut second);
    for version in ["1.8.4", "1.8.5"] {
        let text = fs::read_to_string(place.path(&format!("channels/1.8/{version}.yaml"))).unwrap();
        assert_eq!(text.matches("production: {").count() - text.matches("preproduction: {").count(), 1);
        assert_eq!(place.in_production(version), Some(place.clock.at() - TimeDelta::seconds(4)));
    }
    assert_eq!(latest(&shared, "1.8-production"), "1.8.5");
}

#[test]
fn more_than_a_turn_can_commit_goes_on_in_the_next() {
    let place = Place::new();
    let versions: Vec<String> = (1..=ROUNDS_AND_MORE).map(|n| format!("1.8.{n}")).collect();
    for version in &versions {
        place.add(version, true);
    }
    let (mut promoter, _) = place.promoter();
    for _ in 0..4 {
        promoter.turn();
        place.pass(SECOND);
    }
    place.pass(DAY * 14);
    for _ in 0..4 {
        promoter.turn();
        place.pass(SECOND);
    }
    let missing: Vec<&String> = versions.iter().filter(|v| place.in_production(v).is_none()).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

/// Each barrier lets the next one through, so that each takes a round.
const ROUNDS_AND_MORE: usize = 10;

#[test]
fn after_a_day_what_the_online_key_signs_is_signed_anew_and_nothing_else() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let (before, signed) = (version(&shared), channel(&shared, "1.8-preproduction"));
    let first = shared.publication.load_full().unwrap();
    place.pass(DAY - TimeDelta::seconds(4));
    promoter.turn();
    assert_eq!(version(&shared), before, "not before the day is over");
    place.pass(TimeDelta::seconds(4));
    promoter.turn();
    assert!(version(&shared) > before);
    let renewed = channel(&shared, "1.8-preproduction");
    assert!(renewed["version"].as_u64() > signed["version"].as_u64());
    assert_eq!(renewed["releases"], signed["releases"]);
    let now = shared.publication.load_full().unwrap();
    let release = |publication: &Publication| publication.release(&v("1.8.4")).unwrap().identity.clone();
    assert_eq!(release(&first), release(&now));
    assert_eq!(now.expires, now.made + TimeDelta::days(7));
    // What was replaced is still there for a client that was told of it a moment ago.
    let (old, _) = first.files().find(|(path, _)| path.contains(".snapshot.json")).unwrap();
    assert!(now.tuf(&old).is_some());
}

#[test]
fn a_role_that_is_about_to_expire_does_not_make_the_server_sign_all_the_time() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.pass(TimeDelta::days(362));
    promoter.turn();
    for role in ["root", "targets", "releases-1.8"] {
        assert!(detail(&shared).contains(&format!("`{role}` expires at ")), "{}", detail(&shared));
    }
    let before = version(&shared);
    for _ in 0..5 {
        place.pass(SECOND);
        promoter.turn();
    }
    assert_eq!(version(&shared), before);

    // Past it, publishing fails: tried again, but not so often that versions run ahead of time.
    place.pass(TimeDelta::days(10));
    for _ in 0..40 {
        place.pass(SECOND);
        promoter.turn();
    }
    assert!(degraded(&shared).contains(&DegradedKind::PublishFailing), "{}", detail(&shared));
    let reserved: i64 = fs::read_to_string(place.path("state/version")).unwrap().trim().parse().unwrap();
    assert!(reserved <= place.clock.at().timestamp_millis());
}

#[test]
fn a_line_whose_role_has_expired_promotes_nothing_until_it_is_signed_again() {
    let place = Place::with(&["1.8.4"]);
    let trust = Trust::read(&place.directory().read(place.clock.at()).unwrap().trust).unwrap().unwrap();
    let mut role = trust.line(&"1.8".parse().unwrap()).unwrap().signed().clone();
    role.expires = t("2018-01-10");
    let role = Signed::sign(role, [&place.keys.release]).unwrap();
    fs::write(place.path("channels/trust/releases-1.8.json"), role.raw()).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.pass(TimeDelta::days(15));
    place.settle(&mut promoter);
    assert_eq!(place.in_production("1.8.4"), None, "clusters refuse it");
    assert!(detail(&shared).contains("`releases-1.8` expired at 2018-01-10"), "{}", detail(&shared));
    place.add("1.8.5", false);
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
    assert_eq!(degraded(&shared), []);
}

#[test]
fn keys_and_roles_that_go_back_are_not_followed_and_what_was_published_is_renewed() {
    let place = Place::with(&["1.8.4"]);
    let trust = place.path("channels/trust");
    let role = trust.join("releases-1.8.json");
    let old = fs::read(&role).unwrap();
    place.add("1.8.5", false);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    let good = fs::read(&role).unwrap();
    let check = |promoter: &mut Promoter, kind: DegradedKind, expected: &str| {
        let before = version(&shared);
        place.settle(promoter);
        assert!(detail(&shared).contains(expected), "{}", detail(&shared));
        place.pass(DAY);
        promoter.turn();
        assert!(version(&shared) > before, "renewed: {expected}");
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.5", "{expected}");
        assert_eq!(degraded(&shared), [kind], "{}", detail(&shared));
    };
    let (whole, line) = (DegradedKind::ReadFailing, DegradedKind::LineRefused);
    fs::write(&role, &old).unwrap();
    check(&mut promoter, whole, "`releases-1.8` was rolled back from version `3` to `2`");
    fs::write(&role, "torn").unwrap();
    check(&mut promoter, line, "`trust/releases-1.8.json` cannot be read");
    fs::rename(&trust, place.path("away")).unwrap();
    check(&mut promoter, whole, "`trust/1.root.json` is missing");
    fs::rename(place.path("away"), &trust).unwrap();
    fs::write(&role, &good).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_payload_that_is_put_right_in_place_is_seen() {
    let place = Place::with(&["1.8.4"]);
    let payload = place.path("payloads/1.8.4/payload.json");
    let good = fs::read(&payload).unwrap();
    fs::write(&payload, vec![b'x'; good.len()]).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), serde_json::Value::Null);
    overwrite(&payload, &good);
    place.settle(&mut promoter);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");

    // One that is on offer and changes is told of; the checked copy is what is served.
    overwrite(&payload, &vec![b'x'; good.len()]);
    place.settle(&mut promoter);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::LineRefused]);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
}

/// As `cp` does: the file stays, and its folder does not change.
fn overwrite(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::OpenOptions::new().write(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_change_that_git_keeps_from_being_read_is_told_of_after_a_minute() {
    let place = Place::with(&["1.8.4"]);
    fs::create_dir(place.path(".git")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::write(place.path(".git/MERGE_HEAD"), "").unwrap();
    let line = place.path("channels/1.8/line.yaml");
    fs::write(&line, format!("{LINE}title: another\n")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    place.pass(TimeDelta::minutes(1));
    promoter.turn();
    assert!(detail(&shared).contains("MERGE_HEAD"), "{}", detail(&shared));
    assert_eq!(degraded(&shared), [DegradedKind::ReadFailing]);
    fs::remove_file(place.path(".git/MERGE_HEAD")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_folder_that_cannot_be_read_is_told_of_and_what_was_published_is_renewed() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let read = shared.status.load().last_good_read;
    fs::rename(place.path("channels"), place.path("away")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::ReadFailing]);
    let before = version(&shared);
    place.pass(DAY);
    promoter.turn();
    assert!(version(&shared) > before);
    assert_eq!(degraded(&shared), [DegradedKind::ReadFailing]);
    assert_eq!(shared.status.load().last_good_read, read);
    fs::rename(place.path("away"), place.path("channels")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_turn_that_panics_is_told_of_and_the_next_one_works() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.then(1, || panic!("on purpose"));
    assert_eq!(promoter.guarded_turn(), RETRY);
    assert!(detail(&shared).contains("on purpose"), "{}", detail(&shared));
    promoter.guarded_turn();
    assert_eq!(degraded(&shared), []);
}

#[test]
fn versions_do_not_go_back_when_the_state_is_lost() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let before = version(&shared);
    drop(promoter);
    fs::remove_dir_all(place.path("state")).unwrap();
    let (mut promoter, shared) = place.promoter();
    promoter.turn();
    assert!(version(&shared) > before);
    assert!(channel(&shared, "1.8-preproduction")["version"].as_u64() > Some(before));
}

#[test]
fn a_damaged_copy_of_a_payload_is_made_again_with_the_next_publication() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let (sha256, _) = measure(&place.path("payloads/1.8.4/payload.json")).unwrap();
    let digest = sha256.to_string();
    let copy = place.path("state/payloads/sha256").join(&digest[..2]).join(&digest[2..]);
    let good = fs::read(&copy).unwrap();
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, vec![b'x'; good.len()]).unwrap();
    place.pass(DAY);
    promoter.turn();
    assert_eq!(fs::read(&copy).unwrap(), good);
    assert_eq!(degraded(&shared), []);
}
