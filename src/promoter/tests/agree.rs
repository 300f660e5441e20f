//! What is measured and what is shown rest on one decision.

use super::waiting::{in_the_way, waits};
use super::*;

/// Promotions by verdict, and those that are overdue: as metrics count them, and as
/// `/v1/promotions` shows them.
fn counted(shared: &Handle) -> [[usize; 4]; 2] {
    let status = shared.status.load();
    let publication = shared.publication.load_full().unwrap();
    let shown = json(&publication.promotions.identity)["promotions"].as_array().unwrap().clone();
    let count = |wanted: &dyn Fn(&serde_json::Value) -> bool| shown.iter().filter(|one| wanted(one)).count();
    let verdict = |verdict: &str| count(&|one| one["verdict"] == verdict);
    [
        [status.promote, status.wait, status.blocked, status.overdue],
        [verdict("promote"), verdict("wait"), verdict("blocked"), count(&|one| one["overdue"] == true)],
    ]
}

#[test]
fn metrics_count_what_is_shown_also_when_a_payload_is_not_copied_or_a_line_is_refused() {
    let (place, mut promoter, shared) = waits();
    place.settle(&mut promoter);
    assert_eq!(counted(&shared), [[0, 2, 0, 0]; 2]);

    in_the_way(&place, "1.8.5");
    let line = place.path("channels/1.8/line.yaml");
    let titled = fs::read_to_string(&line).unwrap().replacen("stages:", "title: Eight\nstages:", 1);
    fs::write(&line, titled).unwrap();
    place.settle(&mut promoter);
    assert_eq!(counted(&shared), [[0, 1, 1, 0]; 2], "{}", detail(&shared));

    // What was on offer is not any more, without a yank.
    fs::remove_file(place.path("payloads/1.8.4/payload.json")).unwrap();
    place.settle(&mut promoter);
    place.settle(&mut promoter);
    assert_eq!(degraded(&shared), [DegradedKind::NotOffered, DegradedKind::LineRefused]);
    // Nothing is decided in a refused line, and what goes no further is blocked, as its explanation says.
    assert_eq!(counted(&shared), [[0, 0, 2, 0], [0; 4]]);
    let publication = shared.publication.load_full().unwrap();
    let blocked = publication
        .parts
        .releases()
        .filter(|(_, release)| json(&release.explain.as_ref().unwrap().identity)["state"] == "blocked");
    assert_eq!(blocked.count(), 2);
}
