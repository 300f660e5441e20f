//! A release's life in a catalog of one's own, while the server runs.

use std::fs;

use crate::place::{Place, edit};
use crate::spawn::{eventually, refused};

#[test]
fn a_release_is_offered_when_it_is_signed_and_hold_yank_and_pause_are_followed() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    assert_eq!(server.latest("1.8-production"), "1.8.1");

    place.add("1.8.2");
    eventually("it waits for its signature", || {
        let decision = server.json("/v1/releases/1.8.2/explain");
        if decision.to_string().contains("not signed by a release key yet") { Ok(()) } else { Err(decision) }
    });
    assert_eq!(server.latest("1.8-preproduction"), "1.8.1");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.2");
    assert!(fs::read_to_string(place.file("1.8.2")).unwrap().contains("by: schedule"));
    let wait = server.update("1.8-production", "1.8.1");
    assert_eq!(
        (wait["action"].as_str(), wait["coming"]["version"].as_str()),
        (Some("none"), Some("1.8.2")),
        "{wait}"
    );

    place.run(&["release", "hold", "1.8.2", "--reason", "etcd loses quorum"]);
    eventually("held", || {
        let text = server.json("/v1/promotions").to_string();
        if text.contains("etcd loses quorum") { Ok(()) } else { Err(text) }
    });
    let held = server.update("1.8-production", "1.8.1");
    assert_eq!(held["stuck"]["not_before"], wait["coming"]["until"], "{held}");
    assert!(
        held["message"].as_str().unwrap().contains("; it comes once the vendor ends the hold, at 2"),
        "{held}"
    );
    place.run(&["release", "resume", "1.8.2", "--reason", "fixed"]);

    place.run(&["release", "yank", "1.8.2", "--reason", "breaks DNS"]);
    server.until_latest("1.8-preproduction", "1.8.1");
    let yanked = server.update("1.8-preproduction", "1.8.2");
    assert_eq!(
        (yanked["action"].as_str(), yanked["code"].as_str()),
        (Some("blocked"), Some("yanked")),
        "{yanked}"
    );
    place.run(&["release", "unyank", "1.8.2", "--reason", "fixed"]);
    server.until_latest("1.8-preproduction", "1.8.2");

    place.run(&["channel", "pause", "1.8-preproduction", "--reason", "datacentre move"]);
    eventually("paused", || {
        let answer = server.update("1.8-preproduction", "1.8.1");
        let told = answer["message"].as_str().is_some_and(|text| text.contains("datacentre move"));
        if answer["action"] == "wait" && told { Ok(()) } else { Err(answer) }
    });
    place.run(&["channel", "resume", "1.8-preproduction", "--reason", "fixed"]);
    eventually("resumed", || {
        let answer = server.update("1.8-preproduction", "1.8.1");
        if answer["target"]["version"] == "1.8.2" { Ok(()) } else { Err(answer) }
    });
    assert_eq!(server.degraded().0, Vec::<String>::new());
}

#[test]
fn the_payload_of_a_yanked_release_can_be_taken_away_for_good() {
    let place = Place::with(&["1.8.1", "1.8.2"]);
    let server = place.serve();
    let root = "channels/trust/1.root.json";
    let verify = || place.run(&["verify", "--from", &format!("http://{}", server.address), "--root", root]);
    let tuf = server.json("/v1/channels/1.8-production/update?version=1.8.1");
    let sha256 = tuf["target"]["payloads"][0]["sha256"].as_str().unwrap().to_owned();
    let paths = [
        "/v1/payloads/1.8.2/payload.json".to_owned(),
        format!("/tuf/targets/{sha256}.payload.1.8.2.payload.json"),
    ];
    assert_eq!(paths.each_ref().map(|path| server.get(path).status), [200, 200]);

    place.run(&["release", "yank", "1.8.2", "--reason", "it holds a secret"]);
    server.until_latest("1.8-production", "1.8.1");
    assert_eq!(paths.each_ref().map(|path| server.get(path).status), [200, 200]);
    fs::remove_file(place.path("payloads/1.8.2/payload.json")).unwrap();
    eventually("withdrawn", || match paths.each_ref().map(|path| server.get(path).status) {
        [410, 404] => Ok(()),
        other => Err(other),
    });
    assert_eq!(server.json(&paths[0])["kind"], "payload_withdrawn");
    assert_eq!(server.get("/v1/releases/1.8.2").status, 200);
    assert_eq!(server.json("/v1/releases/1.8.2/explain")["state"], "yanked");
    assert_eq!(server.degraded().0, Vec::<String>::new());
    let told = verify();
    assert!(
        told.contains("1 with valid digests; withdrawn (yanked releases): payload.1.8.2.payload.json"),
        "{told}"
    );
    for command in [&["verify"][..], &["catalog", "check"], &["status"]] {
        place.run(command);
    }
    // What comes after it goes on.
    place.add("1.8.3");
    place.sign();
    server.until_latest("1.8-preproduction", "1.8.3");

    // A mirror has what is there.
    place.run(&["export", "mirror"]);
    place.run(&["verify", "--from", "mirror", "--root", root]);
    place.run(&["import", "mirror", "--root", root, "--state", "closed"]);
    // Any other payload that is gone is missed.
    let mirror = fs::read_dir(place.path("mirror/tuf/targets")).unwrap().map(|entry| entry.unwrap().path());
    let mut payloads = mirror.filter(|path| path.to_string_lossy().contains(".payload.1.8.1."));
    fs::remove_file(payloads.next().unwrap()).unwrap();
    let error = refused(place.dir(), &["verify", "--from", "mirror", "--root", root]);
    assert!(
        error.contains("some listed payloads are missing") && error.contains("`payload.1.8.1.payload.json`"),
        "{error}"
    );
}

#[test]
fn a_release_that_comes_due_enters_production_while_clusters_ask() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    place.add_due("1.8.2", 4);
    server.until_latest("1.8-production", "1.8.2");
    assert_eq!(server.update("1.8-production", "1.8.1")["target"]["version"], "1.8.2");
    let text = fs::read_to_string(place.file("1.8.2")).unwrap();
    assert_eq!(text.matches("by: schedule").count(), 1, "{text}");
}

#[test]
fn a_new_line_and_its_first_release_come_while_the_server_runs() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    fs::create_dir(place.path("channels/1.9")).unwrap();
    let line = "format: 1\nline: \"1.9\"\nfollows: { line: \"1.8\", grace: 0d }\n";
    fs::write(place.path("channels/1.9/line.yaml"), line).unwrap();
    place.add("1.9.0");
    place.sign();
    server.until_latest("1.9-preproduction", "1.9.0");
    let answer = server.update("1.9-preproduction", "1.8.1");
    assert_eq!(answer["target"]["version"], "1.9.0", "{answer}");
}

#[test]
fn a_faulty_line_keeps_its_last_documents_while_others_go_on_and_heals() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    let before = server.get("/v1/channels/1.8-production").body;
    let file = place.file("1.8.1");
    edit(&file, "urgency: normal", "urgency: urgent");
    server.until_degraded(&["line_refused"], "1.8.1.yaml:");
    assert!(server.degraded().1.contains("urgent"));
    assert_eq!(server.get("/v1/channels/1.8-production").body, before);
    assert_eq!(server.update("1.8-production", "1.7.1")["target"]["version"], "1.8.1");

    // `release add` refuses a faulty catalog, so the other line's release was added before.
    edit(&file, "urgency: urgent", "urgency: normal");
    server.until_degraded(&[], "");
    place.add("1.7.2");
    edit(&file, "urgency: normal", "urgency: urgent");
    place.sign();
    server.until_latest("1.7-preproduction", "1.7.2");
    server.until_degraded(&["line_refused"], "urgent");
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let refused = metrics.lines().find(|line| line.contains("line_refused")).unwrap_or_default();
    assert!(refused.ends_with(" 1"), "{metrics}");

    edit(&file, "urgency: urgent", "urgency: normal");
    server.until_degraded(&[], "");
}

#[test]
fn a_fault_in_the_policy_of_all_lines_stops_no_answer() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    fs::write(place.path("channels/policy.yaml"), "format: 1\nstages: [").unwrap();
    server.until_degraded(&["line_refused", "line_refused"], "policy.yaml:");
    assert_eq!(server.update("1.8-production", "1.7.1")["target"]["version"], "1.8.1");
    // Also for a server that starts with it.
    assert!(server.stop().success());
    let server = place.serve();
    server.until_degraded(&["line_refused", "line_refused"], "policy.yaml:");
    assert_eq!(server.update("1.8-production", "1.7.1")["target"]["version"], "1.8.1");
}

#[test]
fn what_is_gone_from_the_catalog_but_served_is_stopped_as_the_hint_says() {
    let place = Place::with(&["1.8.1", "1.8.2"]);
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.2");
    fs::remove_dir_all(place.path("channels/1.8")).unwrap();
    for stop in [["release", "yank", "1.8.2"], ["channel", "pause", "1.8-preproduction"]] {
        let told = refused(&place.path("."), &[&stop[..], &["--reason", "bad", "--by", "ada"]].concat());
        let command = told.split("although it has faults: `").nth(1).and_then(|rest| rest.split('`').next());
        let command = command.unwrap_or_else(|| panic!("{told}"));
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", command]).current_dir(place.path(".")).status().unwrap().success());
        if stop[1] == "yank" {
            server.until_latest("1.8-preproduction", "1.8.1");
        }
    }
    eventually("the channel is paused", || {
        let answer = server.update("1.8-preproduction", "1.8.1");
        if answer["code"] == "paused" { Ok(()) } else { Err(answer) }
    });
}
