//! What vanishes from the catalog opens nothing.

use super::*;
use crate::domain::loosened::What;
use crate::domain::release::Yank;
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
fn way_out(shared: &Handle) -> What {
    let status = shared.status.load();
    let [Degraded::RestraintsLost { what, .. }] = &status.degraded[..] else {
        panic!("{:?}", status.degraded)
    };
    what.clone()
}

/// What a record must name so that it does not matter what the state has forgotten.
fn forgotten(shared: &Handle) -> What {
    match &shared.status.load().degraded[0] {
        Degraded::RestraintsForgotten(forgotten) => forgotten.what().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Records that something no longer counts.
fn loosen(place: &Place, what: What) {
    let (reason, by) = ("reviewed".to_owned(), Author::named("ada").unwrap());
    let snapshot = place.directory().read(place.clock.at()).unwrap();
    let loosen = Operation::Loosen { what, reason, by };
    for change in loosen.plan(&snapshot.reading.catalog, place.clock.at()).unwrap().changes {
        place.commit(change);
    }
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
        loosen(&place, way_out(&shared));
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

/// Runs git in the catalog.
fn git(place: &Place, args: &[&str]) -> bool {
    let mut git = std::process::Command::new("git");
    git.arg("-C").arg(place.path("channels")).args([
        "-c",
        "user.name=ada",
        "-c",
        "user.email=ada@example.com",
    ]);
    git.args(args).output().unwrap().status.success()
}

#[test]
fn a_yank_that_aborting_a_rebase_erases_is_still_served() {
    let place = Place::with(&["1.8.3", "1.8.4"]);
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let path = place.path("channels/1.8/1.8.4.yaml");
    let before = fs::read_to_string(&path).unwrap();
    let note = place.path("channels/NOTES.md");
    let commit = |text: &str| {
        fs::write(&note, text).unwrap();
        assert!(git(&place, &["add", "."]) && git(&place, &["commit", "--quiet", "-m", text]));
    };
    assert!(git(&place, &["init", "--quiet", "--initial-branch", "main"]));
    commit("one");
    assert!(git(&place, &["checkout", "--quiet", "-b", "other"]));
    commit("two");
    assert!(git(&place, &["checkout", "--quiet", "main"]));
    commit("three");
    assert!(!git(&place, &["rebase", "other"]), "it stops at a conflict");
    promoter.turn();
    place.pass(TimeDelta::seconds(2));
    folder::yank(&place, "channels/1.8/1.8.4.yaml");
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert!(git(&place, &["rebase", "--abort"]));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    place.settle(&mut promoter);
    assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
    assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost]);
}

#[test]
fn of_a_merge_that_waits_only_stops_are_remembered_and_nothing_is_forgotten() {
    let place = Place::with(&["1.8.4"]);
    fs::create_dir(place.path(".git")).unwrap();
    write(
        &place,
        "1.8/line.yaml",
        Some("LINEpaused: { production: { at: 2018-01-01T00:00:00Z, by: ada, reason: x } }\n"),
    );
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    let merge = |promoter: &mut Promoter, file: &str, during: Option<&str>, after: Option<&str>| {
        fs::write(place.path(".git/MERGE_HEAD"), "").unwrap();
        write(&place, file, during);
        place.settle(promoter);
        fs::remove_file(place.path(".git/MERGE_HEAD")).unwrap();
        write(&place, file, after);
        place.settle(promoter);
    };
    merge(&mut promoter, "policy.yaml", Some(FREEZE), None);
    merge(&mut promoter, "1.8/line.yaml", Some(&LINE.replace("min: 14d", "min: 20d")), Some("LINE"));
    assert_eq!(way_out(&shared).to_string(), "pause/1.8/production");
    loosen(&place, way_out(&shared));
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), []);
    merge(&mut promoter, "1.8/1.8.4.yaml", Some(HOLD), Some(""));
    assert_eq!(way_out(&shared).to_string(), "hold/1.8.4");
}

#[test]
fn a_stop_that_could_not_be_stored_is_stored_later_and_missed_after_a_restart() {
    let place = Place::with(&["1.8.4"]);
    let (mut promoter, _) = place.promoter();
    place.settle(&mut promoter);
    let (state, away) = (place.path("state"), place.path("away"));
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "").unwrap();
    write(&place, "1.8/1.8.4.yaml", Some(HOLD));
    place.settle(&mut promoter);
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    promoter.turn();
    drop(promoter);
    write(&place, "1.8/1.8.4.yaml", Some(""));
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(way_out(&shared).to_string(), "hold/1.8.4");
}

/// What nobody can read as restraints.
const UNREADABLE: [&str; 3] = ["{\"format\":1,\"restr", "{\"format\":2,\"restraints\":[]}", ""];

#[test]
fn what_cannot_be_read_any_more_delays_promotions_and_no_stop_until_somebody_decides() {
    for unreadable in UNREADABLE {
        let place = Place::with(&["1.8.3", "1.8.4"]);
        let (mut promoter, _) = place.promoter();
        place.settle(&mut promoter);
        drop(promoter);
        let file = place.path("state/restraints.json");
        fs::write(&file, unreadable).unwrap();
        place.pass(t("2018-01-16") - place.clock.at());
        for _ in 0..2 {
            let (mut promoter, shared) = place.promoter();
            place.settle(&mut promoter);
            assert_eq!(degraded(&shared), [DegradedKind::RestraintsForgotten], "{}", detail(&shared));
            assert_eq!(place.in_production("1.8.3"), None);
            assert_eq!(fs::read_to_string(place.path("state/restraints.json.bad")).unwrap(), unreadable);
        }
        let (mut promoter, shared) = place.promoter();
        let yank = Yank { event: Event::new(place.clock.at(), "ada".to_owned(), "x".to_owned()), to: None };
        let path = place.path("channels/1.8/1.8.4.yaml");
        let before = fs::read_to_string(&path).unwrap();
        place.commit(Change::Yank { version: v("1.8.4"), yank });
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
        // What it learns from then on, it remembers.
        drop(promoter);
        fs::write(&path, before).unwrap();
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        assert_eq!(latest(&shared, "1.8-preproduction"), "1.8.3");
        assert_eq!(degraded(&shared), [DegradedKind::RestraintsForgotten, DegradedKind::RestraintsLost]);

        let what = forgotten(&shared);
        assert!(detail(&shared).contains(&format!("catalog loosen {what} --reason")));
        loosen(&place, what);
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost]);
        assert!(place.in_production("1.8.3").is_some());
        drop(promoter);
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::RestraintsLost], "also after a restart");
    }
}

#[test]
fn what_cannot_be_read_is_kept_beside_what_could_not_be_read_earlier_and_missed_if_it_goes() {
    let place = Place::with(&["1.8.4"]);
    let file = place.path("state/restraints.json");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    for (day, kept) in [(1, "restraints.json.bad"), (2, "restraints.json.bad.1")] {
        fs::write(&file, kept).unwrap();
        let damaged = fs::metadata(&file).unwrap().modified().unwrap() - Duration::from_secs(day * 86_400);
        fs::File::options().write(true).open(&file).unwrap().set_modified(damaged).unwrap();
        let (mut promoter, shared) = place.promoter();
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), [DegradedKind::RestraintsForgotten]);
        assert_eq!(fs::read_to_string(place.path("state").join(kept)).unwrap(), kept);
        loosen(&place, forgotten(&shared));
        place.settle(&mut promoter);
        assert_eq!(degraded(&shared), []);
    }
    // As a crash leaves it, between setting a file aside and replacing it.
    fs::rename(&file, place.path("state/restraints.json.bad.2")).unwrap();
    let (mut promoter, shared) = place.promoter();
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::RestraintsForgotten]);
}
