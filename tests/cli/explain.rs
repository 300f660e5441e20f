//! `explain` for a release in each state reads like a colleague's answer.

use insta::assert_snapshot;

use super::desk::Desk;

const NOW: &str = "2018-01-10T12:00:00Z";

/// A release for each state at a Wednesday noon.
fn desk() -> Desk {
    let desk = Desk::new();
    let soaks = |since: &str| format!("stages:\n  preproduction: {{ since: {since}, by: schedule }}\n");
    desk.release("1.8.1", &format!(
        "{}  production: {{ since: 2018-01-04T10:00:00Z, by: ada, reason: fixes the outage of 3 January }}\n",
        soaks("2018-01-01T00:00:00Z")
    ));
    desk.release("1.8.2", &soaks("2018-01-05T00:00:00Z"));
    desk.release("1.8.3", &soaks("2017-12-20T00:00:00Z"));
    desk.release(
        "1.8.4",
        &format!(
            "{}hold: {{ at: 2018-01-03T09:00:00Z, by: grace, reason: etcd loses quorum on restart }}\n",
            soaks("2017-12-22T00:00:00Z")
        ),
    );
    desk.release("1.8.5", &soaks("2017-12-01T00:00:00Z"));
    desk.release(
        "1.8.6",
        &format!(
            "{}yank: {{ at: 2018-01-02T09:00:00Z, by: grace, reason: breaks DNS, to: 1.8.5 }}\n",
            soaks("2017-12-15T00:00:00Z")
        ),
    );
    desk.line("1.9", "freezes:\n  - { from: 2018-01-08T00:00:00Z, until: 2018-01-15T00:00:00Z, reason: moving the data centre }\n");
    desk.release("1.9.1", &soaks("2017-12-22T00:00:00Z"));
    desk.line("1.10", "stages:\n  - name: preproduction\n  - name: production\n    windows: { days: mon-thu, hours: 09:00-11:00, zone: UTC }\n");
    desk.release("1.10.1", &soaks("2017-12-20T00:00:00Z"));
    desk.line("1.11", "");
    desk.release("1.11.1", &format!("barrier: true\n{}", soaks("2018-01-02T00:00:00Z")));
    desk.release("1.11.2", &soaks("2017-12-25T00:00:00Z"));
    desk.line(
        "1.12",
        "paused:\n  production: { at: 2018-01-09T08:00:00Z, by: grace, reason: looking into slow nodes }\n",
    );
    desk.release("1.12.1", &soaks("2017-12-20T00:00:00Z"));
    desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.release("1.8.7", "");
    desk
}

#[test]
fn every_state_is_explained_with_why_until_when_and_who_can_do_what() {
    let desk = desk();
    for (state, version) in [
        ("unsigned", "1.8.7"),
        ("soaking", "1.8.2"),
        ("due", "1.8.3"),
        ("held", "1.8.4"),
        ("frozen", "1.9.1"),
        ("outside_its_window", "1.10.1"),
        ("overdue", "1.8.5"),
        ("behind_a_barrier", "1.11.2"),
        ("paused", "1.12.1"),
        ("yanked", "1.8.6"),
        ("promoted_early", "1.8.1"),
    ] {
        assert_snapshot!(format!("explain_{state}"), desk.run(&["explain", version, "--at", NOW]));
    }
}

#[test]
fn an_explanation_is_json_too() {
    let desk = desk();
    assert_snapshot!(desk.run(&["explain", "1.8.4", "--at", NOW, "--output", "json"]));
}

#[test]
fn a_misspelt_version_is_told_of_its_neighbours() {
    let desk = desk();
    assert_snapshot!(desk.run(&["explain", "1.8.44"]));
}

#[test]
fn the_list_and_the_dry_run_tell_the_same_states() {
    let desk = desk();
    assert_snapshot!("release_list", desk.run(&["release", "list", "--at", NOW]));
    assert_snapshot!("promote_dry_run", desk.run(&["promote", "--at", NOW]));
    assert_snapshot!("channel_list", desk.run(&["channel", "list", "--at", NOW]));
    assert_snapshot!("channel_show", desk.run(&["channel", "show", "1.8-Preproduction", "--at", NOW]));
    assert_snapshot!("status", desk.run(&["status", "--at", NOW]));
}

#[test]
fn a_release_of_a_line_with_faults_is_explained_from_what_is_known() {
    let desk = desk();
    let held = "hold: { at: 2018-01-03T09:00:00Z, by: grace, reason: etcd loses quorum }\n";
    desk.release(
        "1.8.8",
        &format!("stages:\n  preproduction: {{ since: 2018-01-05T00:00:00Z, by: ada }}\n{held}"),
    );
    desk.edit("channels/1.8/1.8.1.yaml", "format: 1", "format: one");
    let told = desk.run(&["explain", "1.8.8"]);
    for part in [
        "exit 0",
        "`1.8.8` is in `1.8-preproduction` and will not be promoted until a fault of line `1.8` is mended",
        "entered preproduction  2018-01-05T00:00:00Z by ada",
        "held since 2018-01-03T09:00:00Z by grace: etcd loses quorum",
        "a release engineer can find and mend the fault: `tidegate catalog check`",
        "1.8/1.8.1.yaml:1:9: expected a whole number, found `one`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let json = desk.json(&["explain", "1.8.8"]);
    assert_eq!((&json["state"], &json["line_refused"]), (&"blocked".into(), &"faulty".into()));
    assert_eq!(json["faults"][0]["file"], "1.8/1.8.1.yaml");
    // Of the release whose own file cannot be read, the fault is known.
    desk.write("channels/1.8/1.8.1.yaml", "version: [\n");
    let told = desk.run(&["explain", "1.8.1"]);
    assert!(
        told.contains("channels/1.8/1.8.1.yaml:1:10:") && told.contains("`tidegate catalog check`"),
        "{told}"
    );
}

#[test]
fn a_date_beyond_the_years_that_can_be_written_is_the_last_of_them() {
    let (last, desk) = ("9999-12-31T23:59:59Z", Desk::with_keys());
    let window = "    windows: { days: mon, hours: 09:00-10:00, zone: Pacific/Kiritimati }\n";
    let freeze = format!("freezes:\n  - {{ from: 2018-01-01T00:00:00Z, until: {last}, reason: for ever }}\n");
    let stages = "stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, max: 28d }\n";
    desk.line("1.8", &format!("{stages}{window}{freeze}"));
    desk.release("1.8.1", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    assert_eq!(desk.json(&["explain", "1.8.1", "--at", "2018-02-01T00:00:00Z"])["next"]["until"], last);
    assert_eq!(desk.json(&["promote", "--dry-run"])["promotions"][0]["until"], last);
    desk.done(&["catalog", "check"]);
}
