//! Stops and explanations need nothing of other lines but their own files.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::desk::Desk;

const SOAKS: &str = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";

/// Two lines with signed releases.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.line("1.9", "follows: { line: \"1.8\", grace: 7d }\n");
    desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    for version in ["1.8.3", "1.8.4", "1.8.5", "1.9.1", "1.9.2"] {
        desk.release(version, SOAKS);
    }
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk
}

/// Stops in line `1.8` and their ends, and explanations.
const COMMANDS: [&[&str]; 8] = [
    &["explain", "1.8.4"],
    &["release", "hold", "1.8.4", "--reason", "etcd"],
    &["release", "yank", "1.8.3", "--to", "1.8.5", "--reason", "etcd"],
    &["channel", "pause", "1.8-production", "--reason", "etcd"],
    &["explain", "1.8.4"],
    &["release", "resume", "1.8.4", "--reason", "fixed"],
    &["release", "unyank", "1.8.3", "--reason", "fixed"],
    &["channel", "resume", "1.8-production", "--reason", "fixed"],
];

#[test]
fn garbage_in_another_line_changes_nothing_that_a_stop_or_an_explanation_does_or_says() {
    let [good, bad] = [desk(), desk()];
    bad.write("channels/1.9/1.9.1.yaml", "version: [\n");
    bad.write("channels/1.9/1.8.4.yaml", "version: 1.8.4\nhold: true\n");
    bad.write("channels/trust/releases-1.9.json", "garbage");
    fs::remove_file(bad.path("payloads/1.9.2/payload.json")).unwrap();
    fs::write(bad.path("payloads/1.9.1/release.json"), "garbage").unwrap();
    for command in COMMANDS {
        let (good, bad) = (good.run(command), bad.run(command));
        assert_eq!(good, bad);
        assert!(bad.contains("exit 0") && !bad.contains("1.9"), "{bad}");
    }
}

#[test]
fn a_hold_gets_through_while_another_line_is_being_written() {
    let desk = desk();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let text = desk.read("channels/1.9/1.9.1.yaml");
            for count in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                desk.write("channels/1.9/1.9.1.yaml", &format!("{text}# {count}\n"));
                desk.write(&format!("channels/1.9/1.9.{}.yaml", 3 + count % 100), "half a file");
            }
        });
        let told = desk.run(COMMANDS[1]);
        done.store(true, Ordering::Relaxed);
        assert!(told.contains("exit 0"), "{told}");
    });
    assert!(desk.read("channels/1.8/1.8.4.yaml").contains("hold:"));
}

#[test]
fn a_stop_of_what_its_line_does_not_have_is_looked_for_everywhere() {
    let desk = desk();
    // A copy of the line under another name, beside what a merge left of the line itself.
    desk.write("channels/main/line.yaml", "format: 1\nline: main\nversions: \"1.8\"\n");
    desk.write("channels/main/1.8.6.yaml", "format: 1\nversion: 1.8.6\n");
    let told = desk.run(&["release", "hold", "1.8.6", "--reason", "etcd"]);
    assert!(told.contains("exit 0"), "{told}");
    assert!(desk.read("channels/main/1.8.6.yaml").contains("hold:"));
    let told = desk.run(&["release", "hold", "1.8.66", "--reason", "etcd"]);
    assert!(told.contains("exit 1") && told.contains("1.8.66"), "{told}");
}
