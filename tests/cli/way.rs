//! What the sample catalog tells clusters.

use insta::assert_snapshot;

use super::desk::{Desk, sample};

/// After the last promotion of the sample catalog.
const NOW: &str = "2019-04-01T00:00:00Z";

#[test]
fn clusters_of_the_sample_catalog_get_the_right_answers() {
    // Asker, channel, action, code, and the version that is told.
    for (from, on, action, code, told) in [
        ("1.7.9-tectonic.3", "1.8-production", "blocked", "minor_gate", "1.7.14-tectonic.2"),
        ("1.7.14-tectonic.2", "1.8-production", "update", "next_line", "1.8.9-tectonic.4"),
        ("1.8.4-tectonic.1", "1.8-production", "update", "latest", "1.8.9-tectonic.4"),
        ("1.9.6-tectonic.3", "1.8-production", "none", "ahead", ""),
        ("1.7.5-tectonic.1-rc.5", "1.7-production", "update", "latest", "1.7.14-tectonic.2"),
        ("1.7.14-tectonic.99", "1.7-production", "none", "unknown_version", ""),
        ("1.8.4-tectonic.1", "Tectonic-1.8-Production", "update", "latest", "1.8.9-tectonic.4"),
    ] {
        let answer = sample(&["explain", "--on", on, "--from", from, "--at", NOW]);
        assert_eq!((&answer["action"], &answer["code"]), (&action.into(), &code.into()), "{from} on {on}");
        let version = match action {
            "update" => &answer["target"]["version"],
            "blocked" => &answer["take"]["version"],
            _ => &serde_json::Value::from(""),
        };
        assert_eq!(version, told, "{from} on {on}");
    }
}

#[test]
fn the_whole_way_is_told() {
    let root = env!("CARGO_MANIFEST_DIR");
    let (catalog, payloads) = (format!("{root}/channels"), format!("{root}/payloads"));
    let desk = Desk::empty();
    let ask = |from: &str| {
        let arguments = ["explain", "--on", "1.9-production", "--from", from, "--at", NOW];
        let folders = ["--catalog", &catalog, "--payloads", &payloads];
        let told = desk.run(&[&arguments[..], &folders[..]].concat());
        // The folders differ from machine to machine.
        told.split_once('\n').unwrap().1.to_owned()
    };
    assert_snapshot!(ask("1.6.2-tectonic.1"));
}
