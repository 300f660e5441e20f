//! What a good catalog says.

use chrono::TimeDelta;
use tidegate::domain::Time;
use tidegate::domain::channel::{ChannelName, LineName};
use tidegate::domain::policy::{Soak, Urgency};
use tidegate::domain::version::Version;

use crate::samples::{edited, good, reading};

fn t(text: &str) -> Time {
    text.parse().unwrap()
}

#[test]
fn a_catalog_that_uses_every_key_is_read_without_a_fault() {
    let reading = reading(&good());
    assert_eq!(reading.faults, []);
    assert!(reading.faulty.is_empty());
    let line = reading.catalog.line(&LineName::parse("1.8").unwrap()).unwrap();
    assert_eq!(line.title.as_deref(), Some("Tectonic 1.8"));
    let follows = line.follows.as_ref().unwrap();
    assert_eq!((follows.line.as_str(), follows.grace), ("1.7", TimeDelta::days(2)));

    assert_eq!(line.stages[0].soak, None);
    let production = &line.stages[1];
    assert_eq!(production.channel.as_str(), "1.8-production");
    let soak = production.soak.as_ref().unwrap();
    let days = |min, max| Soak { min: TimeDelta::days(min), max: TimeDelta::days(max) };
    assert_eq!((soak.of(Urgency::Normal), soak.of(Urgency::Security)), (days(14, 28), days(3, 14)));
    assert_eq!(soak.security_why.as_deref(), Some("fixes go out faster"));
    assert_eq!(production.window.as_ref().unwrap().to_string(), "mon-thu 09:00-16:00 Europe/Berlin");
    assert_eq!(production.paused.as_ref().unwrap().at, t("2018-06-01T08:00:00Z"));
    let reasons: Vec<&str> = line.freezes.iter().map(|freeze| freeze.reason.as_str()).collect();
    assert_eq!(reasons, ["end of year", "first of May"]);

    let release = &line.releases[&Version::parse("1.8.5").unwrap()];
    assert_eq!(release.urgency, Urgency::Security);
    assert!(release.barrier);
    let arches: Vec<_> = release.payloads.iter().filter_map(|payload| payload.arch.as_deref()).collect();
    assert_eq!(arches, ["amd64", "arm64"]);
    assert_eq!(release.replaces, Some(Version::parse("1.8.4-tectonic.1").unwrap()));
    assert_eq!(release.entries[1].as_ref().unwrap().since, t("2018-02-01T12:00:00Z"));
    assert_eq!(release.hold.as_ref().unwrap().by, "ben");
    assert_eq!(release.yank.as_ref().unwrap().to, Some(Version::parse("1.8.6").unwrap()));

    let alias = ChannelName::parse("tectonic-1.8-preproduction").unwrap();
    assert_eq!(reading.catalog.channel(&alias).unwrap().name().as_str(), "1.8-preproduction");
    assert!(reading.catalog.release(&Version::parse("1.7.9").unwrap()).is_some());
}

/// A policy holds for what comes: a line that has a history stays readable, or nobody could yank in it.
#[test]
fn a_soak_that_is_longer_than_it_was_says_nothing_against_what_was_promoted() {
    let entry = "production: { since: 2018-01-02T17:30:31Z, by: schedule, reason: soaked 14d }";
    let by_ana = entry.replace("schedule, reason: soaked 14d", "ana");
    let file = "1.8/1.8.4-tectonic.1.yaml";
    let longer = ("1.8/line.yaml", "min: 14d, max: 28d", "min: 21d, max: 28d");
    for (what, edits) in [
        ("a longer soak", vec![longer]),
        ("a longer soak, and a person's entry", vec![longer, (file, entry, by_ana.leak())]),
        ("a longer soak, and an entry that names none", vec![longer, (file, ", reason: soaked 14d", "")]),
        (
            "an urgency that was taken back",
            vec![(
                file,
                "2018-01-02T17:30:31Z, by: schedule, reason: soaked 14d",
                "2017-12-22T17:30:31Z, by: schedule, reason: soaked 3d",
            )],
        ),
    ] {
        assert_eq!(reading(&edited(&edits)).faults, [], "{what}");
    }
}

#[test]
fn a_line_that_names_no_stages_has_the_policys() {
    let files = edited(&[(
        "policy.yaml",
        "production\n    soak",
        "stable\n    windows: { days: [mon, tue], hours: 09:00-16:00, zone: UTC }\n    soak",
    )]);
    let reading = reading(&files);
    let line = reading.catalog.line(&LineName::parse("1.7").unwrap()).unwrap();
    let names: Vec<&str> = line.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["preproduction", "stable"]);
    assert!(line.stages[1].window.is_some());
}

#[test]
fn a_lines_own_stage_takes_from_the_policy_what_it_does_not_say() {
    let soak = "    soak: { min: 14d, max: 28d }";
    let files = edited(&[
        ("policy.yaml", soak, "    soak: { min: 21d }"),
        (
            "1.7/line.yaml",
            "",
            "format: 1\nline: \"1.7\"\nstages: [{name: early}, {name: production, channel: stable}]\n",
        ),
    ]);
    let reading = reading(&files);
    assert_eq!(reading.faults, []);
    let stable = reading.catalog.channel(&ChannelName::parse("stable").unwrap()).unwrap();
    assert_eq!(stable.stage().soak.as_ref().unwrap().normal.min, TimeDelta::days(21));
}

#[test]
fn without_any_stages_there_are_the_usual_two() {
    let mut files = good();
    files.remove("policy.yaml");
    let reading = reading(&files);
    let line = reading.catalog.line(&LineName::parse("1.7").unwrap()).unwrap();
    let names: Vec<&str> = line.stages.iter().map(|stage| stage.channel.as_str()).collect();
    assert_eq!(names, ["1.7-preproduction", "1.7-production"]);
    assert_eq!(line.stages[1].soak.as_ref().unwrap().normal.min, TimeDelta::days(14));
}

#[test]
fn what_stands_beside_the_catalog_is_left_alone() {
    let files = edited(&[
        ("README.md", "", "# Ours"),
        ("trust/root.json", "", "{}"),
        ("1.8/.1.8.5.yaml.swp", "", "\u{1}"),
        ("1.8/1.8.5.yaml~", "", "a: ["),
        (".git/HEAD", "", "ref"),
    ]);
    assert_eq!(reading(&files), reading(&good()));
}

#[test]
fn a_hold_in_the_second_of_a_scheduled_entry_came_after_it() {
    let held = |at: &str| {
        let hold = format!("hold: {{ at: {at}, by: ana, reason: slow }}\nstages:");
        let mut files = good();
        let file = files.get_mut("1.8/1.8.4-tectonic.1.yaml").unwrap();
        *file = file.replace("stages:", &hold);
        reading(&files).faults
    };
    assert_eq!(held("2018-01-02T17:30:31Z"), []);
    assert_eq!(held("2018-01-02T17:30:30Z").len(), 1);
}

#[test]
fn windows_line_ends_are_read_as_any_other() {
    let files = good().into_iter().map(|(path, text)| (path, text.replace('\n', "\r\n"))).collect();
    assert_eq!(reading(&files), reading(&good()));
}
