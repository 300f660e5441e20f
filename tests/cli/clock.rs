//! Clocks that are wrong: this machine's, and that of a machine that promoted before.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::Clock;
use tidegate::domain::Time;

use super::desk::Desk;

/// A clock that stands still.
struct Fixed(Time);

impl Clock for Fixed {
    fn now(&self) -> Time {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(100_000)
    }
}

/// Runs a command on a machine whose clock says `now`. Returns whether it succeeded, and what it said.
fn at(desk: &Desk, now: &str, arguments: &[&str]) -> (bool, String) {
    let mut all = vec!["tidegate".to_owned()];
    for (flag, folder) in [("--catalog", "channels"), ("--payloads", "payloads"), ("--state", ".tidegate")] {
        all.extend([flag.to_owned(), desk.path(folder).display().to_string()]);
    }
    all.extend(arguments.iter().map(|text| (*text).to_owned()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let clock = Arc::new(Fixed(now.parse().unwrap()));
    let code = tidegate::cli::run(all, clock, &mut out, &mut err).unwrap();
    out.extend(err);
    (code == ExitCode::SUCCESS, String::from_utf8(out).unwrap())
}

/// A release that soaked long ago, and that a machine with a fast clock promoted.
fn fast() -> Desk {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    let entry = "  production: { since: 2099-01-01T00:00:00Z, by: schedule, reason: soaked 14d }\n";
    let file = "channels/1.8/1.8.4.yaml";
    desk.write(file, &format!("{}{entry}", desk.read(file)));
    desk
}

#[test]
fn an_entry_by_a_fast_clock_is_told_everywhere_and_one_command_dates_it_anew() {
    let desk = fast();
    let command = "tidegate promote 1.8.4 --redate";
    for arguments in [&["catalog", "check"][..], &["status"], &["explain", "1.8.4"], &["promote"]] {
        let told = desk.run(arguments);
        assert!(told.contains(command) && told.contains("ahead of"), "{told}");
    }
    let status = desk.json(&["status"]);
    let ahead =
        status["degraded"].as_array().unwrap().iter().find(|one| one["kind"] == "dated_ahead").unwrap();
    assert_eq!((&ahead["version"], &ahead["since"]), (&"1.8.4".into(), &"2099-01-01T00:00:00Z".into()));
    let gate = &desk.json(&["explain", "1.8.4"])["next"]["gates"][0];
    assert_eq!((&gate["gate"], &gate["ahead"]), (&"recorded".into(), &true.into()));

    let before = desk.read("channels/1.8/1.8.4.yaml");
    let dry = desk.json(&["promote", "--redate", "--dry-run"]);
    assert_eq!(dry["removed"][0]["since"], "2099-01-01T00:00:00Z");
    assert_eq!(dry["promoted"][0]["version"], "1.8.4");
    assert_eq!(desk.read("channels/1.8/1.8.4.yaml"), before);

    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    desk.done(&arguments);
    let text = desk.read("channels/1.8/1.8.4.yaml");
    assert!(text.contains("  production: { since: 20") && !text.contains("2099"), "{text}");
    for arguments in [&["catalog", "check"][..], &["status"], &["explain", "1.8.4"]] {
        let told = desk.run(arguments);
        assert!(!told.contains("redate"), "{told}");
    }
}

#[test]
fn an_entry_of_another_day_is_not_ahead_of_the_clock_when_history_is_asked_for() {
    let desk = Desk::with_keys();
    desk.release(
        "1.8.4",
        "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n  production: { since: 2018-01-15T00:00:00Z, by: schedule }\n",
    );
    let told = desk.run(&["explain", "1.8.4", "--at", "2018-01-10T00:00:00Z"]);
    assert!(told.contains("2018-01-15T00:00:00Z") && !told.contains("ahead of"), "{told}");
}

#[test]
fn a_release_whose_entry_is_ahead_can_be_stopped_and_then_does_not_come() {
    for stop in [
        &["release", "hold", "1.8.4", "--reason", "canaries lose quorum"][..],
        &["release", "yank", "1.8.4", "--reason", "eats data"],
        &["channel", "pause", "1.8-production", "--reason", "the registry is down"],
    ] {
        let desk = fast();
        let told = desk.run(stop);
        assert!(
            told.contains("exit 0") && told.contains("the entry of `1.8.4` into `1.8-production`"),
            "{told}"
        );
        let text = desk.read("channels/1.8/1.8.4.yaml");
        assert!(!text.contains("2099"), "{stop:?}: {text}");
        let then = desk.json(&["explain", "1.8.4", "--at", "2099-02-01T00:00:00Z"]);
        let entered = then["entered"].as_array().unwrap();
        assert!(entered.iter().all(|entry| entry["stage"] != "production"), "{stop:?}: {then}");
        // Nor does it come once a fault of its line is mended.
        for (file, fault) in [
            ("1.8/1.8.5.yaml", "format: 1\nvers"),
            ("1.8/line.yaml", "format: 1\nline: \"1.8\"\ncolour: green\n"),
        ] {
            let desk = fast();
            desk.write(&format!("channels/{file}"), fault);
            let told = desk.run(stop);
            assert!(told.contains("exit 0") && told.contains("has faults"), "{told}");
            assert!(told.contains("the entry of `1.8.4` into `1.8-production`"), "{told}");
            assert!(!desk.read("channels/1.8/1.8.4.yaml").contains("2099"), "{stop:?} {file}");
        }
    }
}

#[test]
fn nothing_is_promoted_by_a_clock_for_which_the_keys_have_expired() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    let before = desk.files("channels");
    let (succeeded, told) = at(&desk, "2096-12-08T20:00:00Z", &["promote"]);
    assert!(!succeeded, "{told}");
    assert!(told.contains("`root` expired at"), "{told}");
    assert!(told.contains("this machine's clock says 2096-12-08T20:00:00Z"), "{told}");
    assert_eq!(desk.files("channels"), before);
    // What would happen can be asked for any time.
    assert!(at(&desk, "2096-12-08T20:00:00Z", &["promote", "--dry-run"]).0);
}

#[test]
fn a_commit_that_is_newer_than_the_clock_says_is_told() {
    let desk = Desk::with_keys();
    let script = "git init --quiet && git add channels && git -c user.name=ada -c user.email=ada@example.com commit --quiet -m one";
    let mut git = Command::new("sh");
    git.args(["-c", script]).current_dir(desk.path(".")).env("GIT_COMMITTER_DATE", "2098-01-01T00:00:00Z");
    assert!(git.status().unwrap().success());
    let told = desk.run(&["promote"]);
    assert!(told.contains("warning: the newest commit is dated"), "{told}");
    let (_, told) = at(&desk, "2026-01-01T00:00:00Z", &["promote", "--dry-run"]);
    assert!(!told.contains("newest commit"), "{told}");
}

#[test]
fn a_last_publication_that_cannot_be_read_is_not_taken_for_none() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk.write(".tidegate/publication", "torn");
    let told = desk.run(&["promote"]);
    assert!(told.contains("nothing is promoted") && told.contains("tidegate recover --from"), "{told}");
    assert!(!desk.read("channels/1.8/1.8.4.yaml").contains("  production:"));
}
