//! Hints can be followed as they are written.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use super::desk::Desk;

#[test]
fn the_line_of_a_release_is_created_as_the_hint_says() {
    let desk = Desk::with_keys();
    desk.write("build/payload.json", "{}\n");
    let add = ["release", "add", "2.0.0-rc.1", "--payload", "build/payload.json"];
    let told = desk.run(&add);
    let command =
        told.split("create its line first: `").nth(1).and_then(|rest| rest.split('`').next()).unwrap();
    assert!(Command::new("sh").args(["-c", command]).current_dir(desk.path(".")).status().unwrap().success());
    desk.done(&add);
    desk.done(&["catalog", "check"]);
}

#[test]
fn what_a_fault_says_can_be_written_is_accepted() {
    let desk = Desk::new();
    let window = |days: &str, zone: &str| {
        let windows = format!("{{ days: {days}, hours: 09:00-16:00, zone: {zone} }}");
        desk.line(
            "1.8",
            &format!("stages:\n  - name: preproduction\n  - name: production\n    windows: {windows}\n"),
        );
        desk.run(&["catalog", "check"])
    };
    let told = window("mon,wed", "UTC");
    assert!(told.contains("in braces, a comma ends a value") && !told.contains("unknown key"), "{told}");
    for days in ["\"mon,wed\"", "[mon, wed]"] {
        assert!(window(days, "UTC").contains("exit 0"), "{days}");
    }
    let told = window("mon-thu", "+01:00");
    assert!(told.contains("`+01:00` is not a time zone") && !told.contains("quotes"), "{told}");
    assert!(window("mon-thu", "Europe/Berlin").contains("exit 0"));

    let soak = |min: &str| {
        desk.line(
            "1.8",
            &format!("stages:\n  - name: preproduction\n  - name: production\n    soak: {{ min: {min} }}\n"),
        );
        desk.run(&["catalog", "check"])
    };
    assert!(soak("14").contains("write `14d` for days"));
    assert!(soak("14d").contains("exit 0"));
    desk.line("1.8", "title:\u{a0}Eight\n");
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("U+00A0") && told.contains("replace it with an ordinary space"), "{told}");
    std::os::unix::fs::symlink("nowhere", desk.path("channels/1.8/1.8.4.yaml")).unwrap();
    desk.line("1.8", "");
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("this link is broken") && told.contains("remove the link"), "{told}");
    fs::remove_file(desk.path("channels/1.8/1.8.4.yaml")).unwrap();
    for (flag, hint) in
        [("no", "without quotes: `false`"), ("On", "without quotes: `true`"), ("maybe", "one of the two")]
    {
        desk.release("1.8.4", &format!("barrier: {flag}\n"));
        let told = desk.run(&["catalog", "check"]);
        assert!(told.contains(hint), "{told}");
    }
    desk.release("1.8.4", "barrier: false\n");
    assert!(desk.run(&["catalog", "check"]).contains("exit 0"));
}

#[test]
fn a_server_that_cannot_begin_says_what_to_do() {
    let desk = Desk::with_keys();
    let told = desk.run(&["serve", "--first", "--promote", "off", "--state", "elsewhere"]);
    assert!(told.contains("exit 1") && told.contains("name that with `--state DIR`"), "{told}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = desk.run(&["serve", "--first", "--promote", "off", "--listen", &address]);
    assert!(told.contains("exit 1") && told.contains("`--listen 127.0.0.1:0`"), "{told}");
    drop(taken);
    let told = desk.run(&["verify", "--from", &format!("http://{address}")]);
    assert!(told.contains("exit 1") && told.contains("nothing listens there"), "{told}");
}

#[test]
fn a_key_that_cannot_be_used_says_what_to_do() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    let sign = |key: &str, more: &[&str]| desk.run(&[&["release", "sign", "--key", key], more].concat());
    desk.write("notes.txt", "no key\n");
    let told = sign("notes.txt", &[]);
    assert!(
        told.contains("exit 1") && told.contains("hint: name a file that `tidegate key generate`"),
        "{told}"
    );
}
