//! `catalog`.

use insta::assert_snapshot;

use super::desk::Desk;

const SOAKED: &str = "\
stages:
  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }
  production: { since: 2018-01-15T00:00:00Z, by: schedule, reason: soaked 14d }
";

#[test]
fn every_fault_is_reported_at_once() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    assert_snapshot!("check_good", desk.run(&["catalog", "check"]));
    desk.edit("channels/1.8/1.8.4.yaml", "2018-01-15", "2018-01-05");
    desk.write("channels/1.9/line.yaml", "format: 1\nline: 1.9\nfolows: { line: \"1.8\" }\n");
    assert_snapshot!("check_faults", desk.run(&["catalog", "check"]));
    assert_snapshot!("check_faults_json", desk.run(&["catalog", "check", "--output", "json"]));
}

#[test]
fn what_was_served_may_not_be_taken_back() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", SOAKED);
    for (path, bytes) in desk.files("channels") {
        let served = path.strip_prefix(desk.path("channels")).unwrap();
        desk.write(&format!("served/{}", served.display()), std::str::from_utf8(&bytes).unwrap());
    }
    assert_snapshot!("against_same", desk.run(&["catalog", "check", "--against", "served"]));
    std::fs::remove_file(desk.path("channels/1.8/1.8.5.yaml")).unwrap();
    desk.edit("channels/1.8/1.8.4.yaml", "2018-01-15", "2018-01-16");
    assert_snapshot!("against_less", desk.run(&["catalog", "check", "--against", "served"]));
    assert_snapshot!("against_nothing", desk.run(&["catalog", "check", "--against", "nowhere"]));
}

#[test]
fn a_promotion_that_says_it_was_the_schedules_is_held_against_the_policy_while_it_is_new() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    for (path, bytes) in desk.files("channels") {
        let served = path.strip_prefix(desk.path("channels")).unwrap();
        desk.write(&format!("served/{}", served.display()), std::str::from_utf8(&bytes).unwrap());
    }
    desk.edit("channels/policy.yaml", "min: 14d", "min: 21d");
    desk.done(&["catalog", "check", "--against", "served"]);
    let preproduction = "preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    let production = "  production: { since: 2018-01-04T00:00:00Z, by: schedule, reason: soaked 3d }\n";
    desk.edit("channels/1.8/1.8.5.yaml", preproduction, &format!("{preproduction}{production}"));
    assert_snapshot!("against_too_early", desk.run(&["catalog", "check", "--against", "served"]));
    // In the catalog that is served it is as old as the others.
    desk.done(&["catalog", "check"]);
}

#[test]
fn an_edit_of_what_is_signed_and_served_shows_before_it_is_merged() {
    let desk = Desk::with_keys();
    desk.release(
        "1.8.4",
        "summary: Kubernetes\nstages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n",
    );
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    for (path, bytes) in desk.files("channels") {
        let served = path.strip_prefix(desk.path("channels")).unwrap();
        desk.write(&format!("served/{}", served.display()), std::str::from_utf8(&bytes).unwrap());
    }
    desk.edit("channels/1.8/1.8.4.yaml", "Kubernetes", "Kubernetes 1.8.4");
    assert_snapshot!("against_edited", desk.run(&["catalog", "check", "--against", "served"]));
    // Signed anew, it is what it was to every cluster.
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    assert_snapshot!("against_signed_again", desk.run(&["catalog", "check", "--against", "served"]));
}

#[test]
fn a_payload_that_differs_or_is_missing_is_a_fault_of_its_release() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", "");
    desk.write("payloads/1.8.4/payload.json", "tampered");
    std::fs::remove_file(desk.path("payloads/1.8.5/payload.json")).unwrap();
    assert_snapshot!("check_payloads", desk.run(&["catalog", "check"]));
    std::fs::remove_dir_all(desk.path("payloads")).unwrap();
    assert_snapshot!("check_no_payloads", desk.run(&["catalog", "check"]));
}

#[test]
fn a_question_about_a_faulty_line_is_answered_with_its_first_fault() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.edit("channels/1.8/line.yaml", "format: 1", "format: one");
    assert_snapshot!("faulty_release", desk.run(&["explain", "1.8.4"]));
    for question in [&["channel", "show", "1.8-production"][..], &["release", "list", "--line", "1.8"]] {
        let told = desk.run(question);
        assert!(told.contains(": line `1.8` has 1 fault\n    channels/1.8/line.yaml:1:9: "), "{told}");
    }
}

#[test]
fn schemas_are_printed_for_each_kind_of_file() {
    let desk = Desk::empty();
    let all: serde_json::Value = serde_json::from_str(&desk.done(&["catalog", "schema"])).unwrap();
    for kind in ["policy", "line", "release"] {
        let one: serde_json::Value = serde_json::from_str(&desk.done(&["catalog", "schema", kind])).unwrap();
        assert_eq!(all[kind], one);
        assert_eq!(one["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[test]
fn a_folder_without_a_catalog_is_nothing_to_compare_with() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("empty")).unwrap();
    let told = desk.run(&["catalog", "check", "--against", "empty"]);
    assert!(told.contains("exit 1") && told.contains("there is no catalog in `empty`"), "{told}");
    let told = desk.run(&["catalog", "check", "--catalog", "empty"]);
    assert!(told.contains("exit 1") && told.contains("there is no catalog in `empty`"), "{told}");
    assert!(told.contains("hint: name the folder") && told.contains("`--catalog DIR/channels`"), "{told}");
    // Nor is the folder around it, or one of something else, and the catalog itself has nothing that it could lack.
    desk.write("sources/src/main.yaml", "format: 1\n");
    for (folder, says) in [
        (".", "`--against ./channels`"),
        ("sources", "there is no catalog in `sources`"),
        ("channels", "is the catalog that is checked"),
        ("channels/../channels", "is the catalog that is checked"),
    ] {
        let told = desk.run(&["catalog", "check", "--against", folder]);
        assert!(told.contains("exit 1") && told.contains(says), "{told}");
    }
}

#[test]
fn the_folder_around_a_catalog_gives_one_error_that_names_the_catalog() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.write("docs/notes.yaml", "a: b");
    for arguments in [&["catalog", "check", "--catalog", "."][..], &["release", "list", "--catalog", "."]] {
        let told = desk.run(arguments);
        assert!(told.contains("exit 1") && told.contains("there is no catalog in `.`"), "{told}");
        assert!(told.contains("hint: name the catalog's folder: `--catalog ./channels`"), "{told}");
    }
    desk.done(&["catalog", "check", "--catalog", "./channels"]);
}

/// The catalog as it is becomes the one that is served.
fn serve_this(desk: &Desk) {
    for (path, bytes) in desk.files("channels") {
        let served = path.strip_prefix(desk.path("channels")).unwrap();
        desk.write(&format!("served/{}", served.display()), std::str::from_utf8(&bytes).unwrap());
    }
}

#[test]
fn what_a_merge_lost_is_told_against_what_is_served_until_it_is_loosened() {
    let desk = Desk::new();
    desk.release("1.8.4", "hold: { at: 2018-01-01T00:00:00Z, by: ada, reason: etcd }\n");
    desk.write(
        "channels/policy.yaml",
        "format: 1\nfreezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2118-01-01T00:00:00Z, reason: an audit }\n",
    );
    serve_this(&desk);
    let check = ["catalog", "check", "--against", "served"];
    desk.done(&check);
    desk.edit("channels/1.8/1.8.4.yaml", "hold: { at: 2018-01-01T00:00:00Z, by: ada, reason: etcd }\n", "");
    std::fs::remove_file(desk.path("channels/policy.yaml")).unwrap();
    assert_snapshot!("against_lost", desk.run(&check));
    for what in ["hold/1.8.4", "freeze/1.8/2018-01-01T00:00:00Z"] {
        desk.done(&["catalog", "loosen", what, "--reason", "reviewed"]);
    }
    desk.done(&check);
    assert!(
        desk.read("channels/policy.yaml").contains("what: hold/1.8.4"),
        "{}",
        desk.read("channels/policy.yaml")
    );
}

#[test]
fn a_resume_is_no_loss() {
    let desk = Desk::new();
    desk.release("1.8.4", "");
    desk.done(&["release", "hold", "1.8.4", "--reason", "etcd"]);
    serve_this(&desk);
    desk.done(&["release", "resume", "1.8.4", "--reason", "fixed"]);
    desk.done(&["catalog", "check", "--against", "served"]);
}

#[test]
fn a_served_catalog_with_a_fault_is_compared_as_far_as_it_can_be_read() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", "");
    serve_this(&desk);
    for broken in ["1.8/1.8.5.yaml", "1.8/line.yaml", "policy.yaml"] {
        let good = desk.read(&format!("served/{broken}"));
        for fault in [format!("{good}colour: green\n"), "format: 1\nli".to_owned()] {
            desk.write(&format!("served/{broken}"), &fault);
            // A change that mends the fault passes, and one that takes a release away does not.
            let told = desk.run(&["catalog", "check", "--against", "served"]);
            assert!(
                told.contains("exit 0") && told.contains("warning: line `1.8` has faults in the catalog"),
                "{told}"
            );
            let release = desk.read("channels/1.8/1.8.4.yaml");
            std::fs::remove_file(desk.path("channels/1.8/1.8.4.yaml")).unwrap();
            let told = desk.run(&["catalog", "check", "--against", "served"]);
            assert!(told.contains("exit 1") && told.contains("`1.8.4` was published"), "{broken}: {told}");
            desk.write("channels/1.8/1.8.4.yaml", &release);
        }
        desk.write(&format!("served/{broken}"), &good);
    }
}

#[test]
fn a_served_file_with_a_fault_may_be_corrected_and_not_removed() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", SOAKED);
    serve_this(&desk);
    let check = ["catalog", "check", "--against", "served"];
    for broken in ["1.8/1.8.5.yaml", "policy.yaml"] {
        let (own, served) = (format!("channels/{broken}"), format!("served/{broken}"));
        let good = desk.read(&own);
        desk.write(&served, "format: 1\nli");
        desk.done(&check);
        std::fs::remove_file(desk.path(&own)).unwrap();
        if broken == "policy.yaml" {
            // Without the policy's stages, the line has its own.
            desk.line(
                "1.8",
                "stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, max: 28d }\n",
            );
        }
        let told = desk.run(&check);
        let named = told.contains(&format!("{own}:1:1: it is gone")) && told.contains(&served);
        assert!(told.contains("exit 1") && named, "{told}");
        desk.write(&own, &good);
        desk.write(&served, &good);
        desk.line("1.8", "");
    }
    // A copy of a release that is served beside it is no place to which it was moved.
    let good = desk.read("channels/1.8/1.8.5.yaml");
    desk.write("served/1.8/1.8.5.yaml", &desk.read("served/1.8/1.8.4.yaml"));
    std::fs::remove_file(desk.path("channels/1.8/1.8.5.yaml")).unwrap();
    let told = desk.run(&check);
    assert!(told.contains("exit 1") && told.contains("channels/1.8/1.8.5.yaml:1:1: it is gone"), "{told}");
    desk.write("channels/1.8/1.8.5.yaml", &good);
    desk.write("served/1.8/1.8.5.yaml", &good);
    // What nobody reads may go.
    desk.write("served/1.8/copy of 1.8.5.yaml", "format: 1\nli");
    let told = desk.run(&check);
    assert!(told.contains("exit 0") && told.contains("warning: line `1.8` has faults"), "{told}");
}

#[test]
fn a_served_file_in_the_wrong_place_may_be_moved_to_its_own() {
    let desk = Desk::new();
    desk.line("1.7", "");
    desk.release("1.8.4", SOAKED);
    let held = "hold: { at: 2018-01-01T00:00:00Z, by: ada, reason: etcd }\n";
    desk.release(
        "1.8.99",
        &format!("stages:\n  preproduction: {{ since: 2018-01-01T00:00:00Z, by: ada }}\n{held}"),
    );
    serve_this(&desk);
    let check = ["catalog", "check", "--against", "served"];
    let rename = |from: &str, to: &str| std::fs::rename(desk.path(from), desk.path(to)).unwrap();
    let own = desk.path("channels/1.8/1.8.99.yaml");
    for wrong in ["served/1.7/1.8.99.yaml", "served/1.8/1.8.98.yaml"] {
        rename("served/1.8/1.8.99.yaml", wrong);
        assert!(desk.run(&["catalog", "check", "--catalog", "served"]).contains("exit 1"));
        desk.done(&check);
        // Gone altogether, it was not moved.
        rename("channels/1.8/1.8.99.yaml", "away");
        let told = desk.run(&check);
        assert!(told.contains("exit 1") && told.contains("it is gone"), "{told}");
        rename("away", "channels/1.8/1.8.99.yaml");
        rename(wrong, "served/1.8/1.8.99.yaml");
    }
    // It may be corrected on the way.
    rename("served/1.8/1.8.99.yaml", "served/1.7/1.8.99.yaml");
    desk.edit("served/1.7/1.8.99.yaml", "format: 1\n", "format: 1\ncolour: green\n");
    desk.done(&check);
    rename("served/1.7/1.8.99.yaml", "away");
    std::fs::copy(own, desk.path("served/1.8/1.8.99.yaml")).unwrap();

    rename("served/1.8", "served/1.8x");
    desk.done(&check);
}

#[test]
fn a_fault_in_one_served_file_takes_the_guard_off_no_other() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.release("1.8.5", "");
    let freeze =
        "freezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2118-01-01T00:00:00Z, reason: an audit }\n";
    let policy = desk.read("channels/policy.yaml").replace("min: 14d", "min: 20d");
    desk.write("channels/policy.yaml", &format!("{policy}{freeze}"));
    serve_this(&desk);
    let served = desk.read("served/1.8/1.8.5.yaml");
    desk.write("served/1.8/1.8.5.yaml", &format!("{served}colour: green\n"));
    let check = ["catalog", "check", "--against", "served"];
    desk.done(&check);
    desk.write("channels/policy.yaml", &policy);
    let told = desk.run(&check);
    assert!(told.contains("exit 1") && told.contains("freeze/1.8/2018-01-01T00:00:00Z"), "{told}");
    desk.write("channels/policy.yaml", &format!("{policy}{freeze}").replace("min: 20d", "min: 14d"));
    let told = desk.run(&check);
    assert!(told.contains("exit 1") && told.contains("soak/1.8/production"), "{told}");
}

#[test]
fn the_first_catalog_of_a_repository_is_compared_with_none() {
    let desk = Desk::new();
    desk.release("1.8.4", SOAKED);
    desk.done(&["catalog", "check", "--against", "none"]);
    let told = desk.run(&["catalog", "check", "--against", "nowhere"]);
    assert!(told.contains("exit 1") && told.contains("`--against none`"), "{told}");
    // A catalog that has no lines yet is one.
    desk.write("served/policy.yaml", &desk.read("channels/policy.yaml"));
    desk.done(&["catalog", "check", "--against", "served"]);
    desk.write("served/policy.yaml", "format: 1\nli");
    desk.done(&["catalog", "check", "--against", "served"]);
}

#[test]
fn a_stop_dated_ahead_counts_at_once_and_is_told_of() {
    let desk = Desk::new();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\nhold: { at: 2118-01-10T09:00:00Z, by: ada, reason: etcd loses quorum }\n");
    desk.edit(
        "channels/1.8/line.yaml",
        "line: \"1.8\"\n",
        "line: \"1.8\"\npaused: { preproduction: { at: 2118-01-10T09:00:00Z, by: ada, reason: an outage } }\n",
    );
    desk.done(&["promote"]);
    assert!(!desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
    assert_eq!(
        desk.json(&["channel", "show", "1.8-preproduction"])["paused"]["since"],
        "2118-01-10T09:00:00Z"
    );
    let told = desk.run(&["explain", "1.8.4"]);
    assert!(told.contains("held since <today> by ada: etcd"), "{told}");
    let check = desk.run(&["catalog", "check"]);
    assert!(check.contains("\nexit 0\n"), "{check}");
    for told in [check, desk.run(&["status"])] {
        for place in ["1.8.4.yaml: `hold.at`", "line.yaml: `paused.preproduction.at`"] {
            let note = format!(
                "warning: channels/1.8/{place} is ahead of this machine's clock, so it takes effect at once"
            );
            assert!(told.contains(&note), "{told}");
        }
    }
}

#[test]
fn a_private_key_in_the_catalog_is_told_as_one() {
    let desk = Desk::with_keys();
    desk.write("channels/release.pem", &desk.read("keys/release.pem"));
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("\nexit 1\n") && told.contains("`release.pem` is a private key"), "{told}");
    assert!(told.contains("hint: move it out of the catalog") && !told.contains("its own folder"), "{told}");
}
