//! What vanishes from the catalog opens nothing.

use super::*;
use crate::operations::{Author, Operation};

const FREEZE: &str = "format: 1\nfreezes:\n  - { from: 2018-01-02T00:00:00Z, until: 2018-03-01T00:00:00Z, reason: an audit }\n";

const HOLD: &str = "hold: { at: 2018-01-01T00:00:00Z, by: ada, reason: etcd }\n";

/// How a release is kept from production, and how that vanishes: a file, what is in it, and what replaces that.
const VANISHING: [(&str, &str, Option<&str>); 8] = [
    ("policy.yaml", FREEZE, None),
    ("policy.yaml", FREEZE, Some("format: 1\n")),
    (
        "policy.yaml",
        FREEZE,
        Some(
            "format: 1\nfreezes:\n  - { from: 2018-01-02T00:00:00Z, until: 2018-01-10T00:00:00Z, reason: an audit }\n",
        ),
    ),
    (
        "policy.yaml",
        "format: 1\nstages:\n  - name: preproduction\n  - name: production\n    windows: { days: sun, hours: 09:00-16:00, zone: UTC }\n",
        None,
    ),
    ("1.8/line.yaml", "LINE    windows: { days: sun, hours: 09:00-16:00, zone: UTC }\n", Some("LINE")),
    (
        "1.8/line.yaml",
        "LINEfreezes: [{ from: 2018-01-02T00:00:00Z, until: 2018-03-01T00:00:00Z, reason: x }]\n",
        Some("LINE"),
    ),
    (
        "1.8/line.yaml",
        "LINEpaused: { production: { at: 2018-01-01T00:00:00Z, by: ada, reason: x } }\n",
        Some("LINE"),
    ),
    ("1.8/1.8.4.yaml", HOLD, Some("")),
];

/// Writes a file. A release's file keeps the rest of what it has.
fn write(place: &Place, file: &str, text: Option<&str>) {
    let path = place.path("channels").join(file);
    match text {
        None => fs::remove_file(path).unwrap(),
        Some(text) if file.ends_with("1.8.4.yaml") => {
            let own = fs::read_to_string(&path).unwrap().replace(HOLD, "");
            fs::write(path, own + text).unwrap();
        }
        Some(text) => fs::write(path, text.replace("LINE", LINE)).unwrap(),
    }
}

/// What a record must name to take back what is lost.
fn way_out(shared: &Handle) -> Operation {
    let status = shared.status.load();
    let [Degraded::RestraintsLost { what, .. }] = &status.degraded[..] else {
        panic!("{:?}", status.degraded)
    };
    Operation::Loosen { what: what.clone(), reason: "reviewed".to_owned(), by: Author::named("ada").unwrap() }
}

#[test]
fn what_vanishes_counts_until_somebody_takes_it_back_also_after_a_restart() {
    for (file, text, vanished) in VANISHING {
        let place = Place::with(&["1.8.4"]);
        if text.contains("stages:") && file == "policy.yaml" {
            fs::write(place.path("channels/1.8/line.yaml"), "format: 1\nline: \"1.8\"\n").unwrap();
        }
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        write(&place, file, Some(text));
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), []);
        place.pass(t("2018-01-16") - place.clock.at());
        place.settle(&mut promoter);
        assert_eq!(place.in_production("1.8.4"), None, "{text}");
        write(&place, file, vanished);
        place.settle(&mut promoter);
        assert_eq!(place.in_production("1.8.4"), None, "{text}");
        assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost], "{text}");
        drop(promoter);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        assert_eq!(place.in_production("1.8.4"), None, "{text}");
        let loosen = way_out(&shared);
        let snapshot = place.directory().read(place.clock.at()).unwrap();
        for change in loosen.plan(&snapshot.reading.catalog, place.clock.at()).unwrap().changes {
            place.commit(change);
        }
        place.settle(&mut promoter);
        assert!(place.in_production("1.8.4").is_some(), "{text}");
        assert_eq!(degraded(&shared), [], "{text}");
    }
}

#[test]
fn what_vanishes_and_comes_back_is_no_longer_told() {
    let place = Place::with(&["1.8.4"]);
    write(&place, "policy.yaml", Some(FREEZE));
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    write(&place, "policy.yaml", None);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost]);
    write(&place, "policy.yaml", Some(FREEZE));
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
}

#[test]
fn a_yank_that_a_merge_lost_is_still_served() {
    let place = Place::with(&["1.8.3", "1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let path = place.path("channels/1.8/1.8.4.yaml");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{before}yank: {{ at: 2018-01-01T00:00:00Z, by: ada, reason: x }}\n")).unwrap();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    fs::write(&path, before).unwrap();
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost]);
    assert!(
        detail(&shared).contains("`tidegate catalog loosen yank/1.8.4 --reason TEXT`"),
        "{}",
        detail(&shared)
    );
}
