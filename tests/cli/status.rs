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

#[test]
fn every_release_on_its_way_is_named_with_what_it_waits_for() {
    let desk = Desk::with_keys();
    desk.release("1.8.1", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.release("1.8.2", "");
    desk.line("1.9", "");
    for version in ["1.9.1", "1.9.2"] {
        desk.release(version, "");
    }
    let told = desk.run(&["status"]);
    for row in [
        "due      1.8.1         a server with `--promote on`, or `tidegate promote`, promotes it",
        "blocked  1.8.2         not signed by a release key yet",
        "blocked  1.9.1, 1.9.2  not signed yet: its line is new, and the targets key has not authorised a release key for it",
    ] {
        assert!(told.contains(row), "{told}");
    }
    let json = desk.json(&["status"]);
    assert_eq!(json["catalog"]["unsigned"], 3);
    let warned = desk.run(&["catalog", "check"]);
    assert!(warned.contains("`1.8.2` (and 2 more) are not signed yet"), "{warned}");
    let listed: Vec<_> = json["promotions"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(listed, ["1.8.1", "1.8.2", "1.9.1", "1.9.2"]);
}

#[test]
fn a_yanked_release_whose_clusters_can_go_nowhere_is_named_until_something_higher_comes() {
    let entered = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: ada }\n  production: { since: 2018-01-15T00:00:00Z, by: ada }\n";
    let yanked = "yank: { at: 2018-02-01T00:00:00Z, by: ada, reason: eats data }\n";
    let desk = Desk::with_keys();
    desk.release("1.8.1", &format!("{entered}{yanked}"));
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    let says = "nothing higher is on offer in `1.8-production`";
    for command in [&["status"][..], &["explain", "1.8.1"]] {
        let told = desk.run(command);
        assert!(told.contains(says) && told.contains("by ada: eats data"), "{told}");
    }
    desk.release("1.8.2", entered);
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    for command in [&["status"][..], &["explain", "1.8.1"]] {
        assert!(!desk.run(command).contains(says));
    }
}

#[test]
fn what_a_server_reports_about_itself_is_shown_from_its_folders() {
    let desk = Desk::with_keys();
    desk.release("1.8.1", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    let report = |not_promoting: &str, problems: &str| {
        let since = r#""since":"2018-01-20T00:00:00Z""#;
        let text =
            format!("{{\"format\":1,{since},\"not_promoting\":{not_promoting},\"problems\":[{problems}]}}");
        desk.write(".tidegate/report.json", &text);
    };
    let clock = r#"{"turned":{"now":"2018-02-20T00:00:00Z","expected":"2018-01-20T00:00:00Z"}}"#;
    report(clock, r#"{"kind":"clock_untrusted","detail":"the clock was changed; correct it"}"#);
    let says = "the clock was changed: it says 2018-02-20T00:00:00Z, but should say 2018-01-20T00:00:00Z";
    for command in [&["status"][..], &["explain", "1.8.1"]] {
        let told = desk.run(command);
        assert!(told.contains(says) && told.contains("report"), "{told}");
    }
    let json = desk.json(&["status"]);
    assert_eq!(json["server"]["not_promoting"]["clock"], "2018-02-20T00:00:00Z");
    assert_eq!(json["degraded"][0]["kind"], "clock_untrusted");
    assert_eq!(desk.json(&["explain", "1.8.1"])["commands"][0]["remedy"], "mend_server");
    // Another time is not what the server reports of.
    assert!(!desk.run(&["explain", "1.8.1", "--at", "2018-03-01T00:00:00Z"]).contains(says));

    report("null", "");
    let told = desk.run(&["status"]);
    assert!(
        told.contains("server      promotes what is due (last report") && !told.contains("clock_untrusted"),
        "{told}"
    );
}
