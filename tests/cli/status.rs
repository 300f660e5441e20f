//! `status`.

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn nothing_published_is_told_by_the_exit_code() {
    let desk = Desk::with_keys();
    assert_snapshot!("status_unpublished", desk.run(&["status"]));
}

#[test]
fn what_expires_within_a_time_is_listed_and_told_by_the_exit_code() {
    let desk = Desk::with_keys();
    assert_snapshot!("expires_within", desk.run(&["status", "--expires-within", "366d"]));
    let told = desk.run(&["status", "--expires-within", "30d"]);
    assert!(told.contains("\nexit 0\n") && told.contains("nothing expires within that time"), "{told}");
    let listed = desk.json(&["status", "--expires-within", "366d"]);
    let names: Vec<&str> =
        listed["expires_within"].as_array().unwrap().iter().map(|e| e["what"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "targets", "releases-1.8"]);
    assert!(desk.json(&["status"]).get("expires_within").is_none());
    let told = desk.run(&["status", "--expires-within", "soon"]);
    assert!(told.contains("\nexit 2\n") && told.contains("as in `30d`"), "{told}");
}
