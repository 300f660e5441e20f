//! What is due and not promoted says why.

use super::*;
use crate::domain::not_promoting::NotPromoting;
use crate::store::state::StateFolder;

/// What a server says about the due release `1.8.4`, in each place that says it.
fn told(shared: &Handle) -> Vec<serde_json::Value> {
    let publication = shared.publication.load_full().unwrap();
    let name = ChannelName::parse("1.8-production").unwrap();
    let update = publication.update(&name, &v("1.8.3"), None).unwrap();
    let documents = [publication.explain(&v("1.8.4")).unwrap(), &publication.promotions, &update];
    documents.map(|document| json(&document.identity)).to_vec()
}

/// Checks that each place names this reason, and says it in its words.
fn check(place: &Place, shared: &Handle, kind: &str, words: &str) {
    let all = told(shared);
    for one in &all {
        let why = &one["not_promoting"];
        assert_eq!(why["kind"], kind, "{one}");
        assert!(why["message"].as_str().unwrap().contains(words), "{one}");
    }
    for one in [&all[0], &all[2]] {
        assert!(one["message"].as_str().unwrap().contains(words), "{one}");
    }
    let status = shared.status.load();
    assert_eq!(status.not_promoting.map(NotPromoting::name), Some(kind));
    let kept = StateFolder::new(&place.path("state")).reported().unwrap();
    assert_eq!(kept.not_promoting, status.not_promoting);
    assert_eq!(place.in_production("1.8.4"), None);
}

#[test]
fn a_server_that_is_told_not_to_promote_says_so_of_what_is_due_and_not_of_what_soaks() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    drop((promoter, shared));
    let setup = place.setup("state", place.online());
    let (mut promoter, shared) = place.promoter_of(Setup { promote: false, ..setup });
    place.settle(&mut promoter);
    let soaking = told(&shared);
    assert!(soaking[0].get("not_promoting").is_none() && soaking[2].get("not_promoting").is_none());
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    check(&place, &shared, "promote_off", "the server runs with `--promote off`");
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_clock_that_is_not_trusted_is_said_of_what_is_due_and_of_what_soaks() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    place.clock.turn(DAY * 20);
    promoter.turn();
    let says = "the clock was changed: it says 2018-01-21T00:00:03Z, but should say 2018-01-01T00:00:03Z";
    check(&place, &shared, "clock_untrusted", says);
    let explained = &told(&shared)[0];
    assert_eq!(explained["not_promoting"]["expected"], "2018-01-01T00:00:03Z", "{explained}");
    assert!(!explained["message"].as_str().unwrap().contains("will enter"), "{explained}");
    place.pass(DAY * 14);
    promoter.turn();
    check(&place, &shared, "clock_untrusted", "until its operator corrects or confirms its clock");

    place.clock.turn(DAY * -20);
    place.pass(SECOND);
    promoter.turn();
    assert!(place.in_production("1.8.4").is_some());
    let kept = StateFolder::new(&place.path("state")).reported().unwrap();
    assert_eq!((kept.not_promoting, kept.problems), (None, vec![]));
}

#[test]
fn a_catalog_that_is_read_for_its_stops_only_says_so_at_once() {
    let place = Place::with(&["1.8.4"]);
    fs::create_dir(place.path(".git")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    fs::write(place.path(".git/MERGE_HEAD"), "").unwrap();
    fs::write(place.path("channels/1.8/line.yaml"), format!("{LINE}title: another\n")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    check(&place, &shared, "read_failing", "it cannot read the catalog");
    fs::remove_file(place.path(".git/MERGE_HEAD")).unwrap();
    place.settle(&mut promoter);
    assert!(told(&shared)[0].get("not_promoting").is_none());
}

#[test]
fn a_promotion_that_cannot_be_written_says_so() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    commits::make_odd(&place, "1.8.4");
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    check(&place, &shared, "commit_failing", "cannot write the promotion into the catalog");
}

#[test]
fn a_server_that_cannot_sign_says_so_in_what_it_goes_on_serving() {
    let place = Place::with(&["1.8.4"]);
    rotation::key(&place, "online.pem", &place.keys.online);
    let (mut promoter, shared) = place.promoter_with("state", Online::State);
    place.settle(&mut promoter);
    let before = version(&shared);
    fs::rename(place.path("state/keys"), place.path("away")).unwrap();
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    assert_eq!(version(&shared), before);
    for document in &told(&shared)[..2] {
        assert_eq!(document["not_promoting"]["kind"], "signing_failing", "{document}");
    }
    let explained = &told(&shared)[0];
    assert_eq!(explained["state"], "due");
    let message = explained["message"].as_str().unwrap();
    assert!(message.contains("until its operator mends a fault: it cannot sign"), "{message}");

    fs::rename(place.path("away"), place.path("state/keys")).unwrap();
    place.pass(TimeDelta::seconds(6));
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
    assert!(told(&shared)[0].get("not_promoting").is_none());
}

#[test]
fn a_release_of_a_faulty_line_that_was_never_published_is_explained_by_the_fault() {
    let place = Place::with(&["1.8.4"]);
    let line = place.path("channels/1.8/line.yaml");
    fs::write(&line, LINE.replace("min: 14d", "min: often")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert!(detail(&shared).contains("was refused and left out"), "{}", detail(&shared));
    let publication = shared.publication.load_full().unwrap();
    let explained = json(&publication.explain(&v("1.8.4")).unwrap().identity);
    assert_eq!((&explained["state"], &explained["line_refused"]), (&"blocked".into(), &"faulty".into()));
    assert_eq!(explained["commands"][0]["command"], "tidegate catalog check");
    // It is served once the fault is mended, and the state can be read again meanwhile.
    drop(promoter);
    let (mut promoter, shared) = place.promoter();
    fs::write(&line, LINE).unwrap();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.4");
}
