//! Commits that do not go as they should.

use super::*;
use crate::store::durable;

/// Writes a release's file as no machine can edit it.
pub fn make_odd(place: &Place, version: &str) -> String {
    let path = place.path(&format!("channels/1.8/{version}.yaml"));
    let text = fs::read_to_string(&path).unwrap();
    let odd = text.replace("\nstages:\n  ", "\n? stages\n: ");
    assert_ne!(odd, text);
    fs::write(&path, odd).unwrap();
    text
}

#[test]
fn a_release_whose_file_no_machine_can_edit_stops_no_other_and_is_told_until_it_is_mended() {
    let place = Place::with(&["1.8.4", "1.8.5"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let good = make_odd(&place, "1.8.4");
    place.pass(DAY * 14);
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.5").is_some());
    assert_eq!(latest(&shared, "1.8-production"), "1.8.5");
    assert_eq!(place.in_production("1.8.4"), None);
    assert_eq!(degraded(&shared), [DegradedKind::CommitFailing]);
    assert!(detail(&shared).contains("1.8/1.8.4.yaml"), "{}", detail(&shared));
    // Nothing but an edit can help: it is not signed again and again meanwhile.
    let before = version(&shared);
    for _ in 0..10 {
        place.pass(SECOND);
        promoter.turn();
    }
    assert_eq!(version(&shared), before);
    assert_eq!(degraded(&shared), [DegradedKind::CommitFailing]);

    fs::write(place.path("channels/1.8/1.8.4.yaml"), good).unwrap();
    place.settle(&mut promoter);
    assert!(place.in_production("1.8.4").is_some());
    assert_eq!(degraded(&shared), []);
}

#[test]
fn what_is_saved_between_a_decision_and_its_commit_is_read_and_decided_on_anew() {
    for is_in_place in [false, true] {
        let place = Place::with(&["1.8.4", "1.8.5"]);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        place.pass(t("2018-01-15") - place.clock.at());
        // The turn reads the clock first for itself, and then for its commit. The edit takes no lock.
        let path = place.path("channels/1.8/1.8.5.yaml");
        place.clock.then(2, move || {
            let text = fs::read_to_string(&path).unwrap();
            let hold = "hold: { at: 2018-01-10T00:00:00Z, by: eve, reason: etcd }\n";
            if is_in_place {
                fs::write(&path, format!("{text}{hold}")).unwrap();
            } else {
                durable::write(&path, format!("{text}{hold}").as_bytes(), durable::Mode::Keep).unwrap();
            }
        });
        promoter.turn();
        // What was written in place may be half-written.
        assert_eq!(place.in_production("1.8.4").is_some(), !is_in_place);
        place.settle(&mut promoter);
        assert!(place.in_production("1.8.4").is_some());
        assert_eq!(place.in_production("1.8.5"), None);
        assert_eq!(degraded(&shared), []);
    }
}
