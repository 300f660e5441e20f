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
    let command = told.split("create its line first: `tidegate ").nth(1).unwrap();
    desk.done(&command.split('`').next().unwrap().split(' ').collect::<Vec<_>>());
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

#[test]
fn a_hint_names_the_folders_that_the_command_worked_on() {
    let desk = Desk::with_keys();
    let elsewhere = ["--catalog", "my channels", "--state", "state"];
    std::fs::rename(desk.path("channels"), desk.path("my channels")).unwrap();
    let (list, folders) = ("tidegate release list", "--catalog 'my channels' --state state");
    let told = desk.run(&[&["release", "hold", "1.8.4", "--reason", "slow"][..], &elsewhere].concat());
    assert!(told.contains(&format!("`{list} {folders}`")), "{told}");
    assert!(
        Command::new("sh")
            .args([
                "-c",
                &format!(
                    "{} {}",
                    env!("CARGO_BIN_EXE_tidegate"),
                    &format!("{list} {folders}")["tidegate ".len()..]
                )
            ])
            .current_dir(desk.path("."))
            .status()
            .unwrap()
            .success()
    );
    // What the environment names is named for the next command too.
    let told = desk.run_with(("TIDEGATE_CATALOG", "my channels"), &["release", "show", "1.8.4"]);
    assert!(told.contains(&format!("`{list}`")), "{told}");
}

#[test]
fn only_the_commands_of_hints_name_the_folders_not_those_in_reasons() {
    let desk = stocked();
    let elsewhere = ["--state", "./.tidegate"];
    for reason in ["x `tidegate 2", "as `tidegate status` says", "see `tidegate explain` \"now\""] {
        let held = desk.json(&[&["release", "hold", "1.8.4", "--reason", reason][..], &elsewhere].concat());
        assert_eq!(held["reason"], reason);
        for command in ["show", "list"] {
            let target = if command == "show" { &["1.8.4"][..] } else { &[] };
            let shown = desk.json(&[&["release", command][..], target, &elsewhere].concat()).to_string();
            let reason = serde_json::Value::from(reason).to_string();
            assert!(shown.contains(reason.trim_matches('"')), "{shown}");
        }
        let explained = desk.json(&[&["explain", "1.8.4"][..], &elsewhere].concat());
        assert!(explained["message"].as_str().unwrap().contains(reason), "{explained}");
        let remedies = explained["remedies"].to_string();
        assert!(remedies.contains("--reason TEXT --state ./.tidegate`"), "{remedies}");
        let page = desk.run(&[&["explain", "1.8.4"][..], &elsewhere].concat());
        assert!(page.contains(reason) && page.contains("--reason TEXT --state ./.tidegate`"), "{page}");
        desk.done(&["release", "resume", "1.8.4", "--reason", "fixed"]);
    }
}

/// The commands that a text shows, with its words in capitals filled in.
fn commands(told: &str) -> Vec<Vec<String>> {
    let shown = told.split('`').filter(|part| part.starts_with("tidegate "));
    let filled = |command: &str| {
        [("TEXT", "because"), ("VERSION", "1.8.9"), ("FILE", "file"), ("DIR", "keys")]
            .iter()
            .fold(command.to_owned(), |command, (word, value)| command.replace(word, value))
    };
    shown.map(|command| filled(command).split(' ').skip(1).map(str::to_owned).collect()).collect()
}

/// Runs a command, follows the first command of what it says, with more arguments, and gives what that says.
fn follow(desk: &Desk, arguments: &[&str], more: &[&str]) -> String {
    let told = desk.run(arguments);
    let all = commands(&told);
    let Some(first) = all.first() else { panic!("{told}") };
    let words: Vec<&str> = first.iter().map(String::as_str).chain(more.iter().copied()).collect();
    desk.done(&words)
}

/// A catalog with keys, and a release that soaks and one in its last stage, both signed.
fn stocked() -> Desk {
    let desk = Desk::with_keys();
    let soaks = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    desk.release("1.8.4", soaks);
    desk.release(
        "1.8.3",
        &format!("{soaks}  production: {{ since: 2018-01-20T00:00:00Z, by: ada, reason: x }}\n"),
    );
    desk.done(&["release", "sign", "--key", "keys/release.pem"]);
    desk
}

#[test]
fn what_a_refusal_says_to_do_first_is_done_and_then_nothing_is_refused() {
    for (before, refused) in [
        // A stop for another reason.
        (
            &["release", "hold", "1.8.4", "--reason", "one"][..],
            &["release", "hold", "1.8.4", "--reason", "two"][..],
        ),
        (&["release", "yank", "1.8.4", "--reason", "one"], &["release", "yank", "1.8.4", "--reason", "two"]),
        (
            &["channel", "pause", "1.8-production", "--reason", "one"],
            &["channel", "pause", "1.8-production", "--reason", "two"],
        ),
    ] {
        let desk = stocked();
        desk.done(before);
        assert!(desk.run(refused).contains("\nexit 1\n"), "{refused:?}");
        follow(&desk, refused, &[]);
        desk.done(refused);
    }
}

#[test]
fn what_a_hint_names_for_a_look_shows_what_was_asked_for() {
    for (arguments, shown) in [
        (&["release", "show", "1.8.99"][..], "1.8.4"),
        (&["release", "hold", "2.0.0", "--reason", "x"], "1.8.4"),
        (&["channel", "pause", "nowhere", "--reason", "x"], "1.8-production"),
        (&["release", "sign", "1.8.6", "--key", "keys/root.pem"], "release"),
    ] {
        let desk = stocked();
        desk.release("1.8.6", "");
        let told = follow(&desk, arguments, &[]);
        assert!(told.contains(shown), "{arguments:?}: {told}");
    }
    let desk = stocked();
    desk.done(&["release", "yank", "1.8.3", "--reason", "x"]);
    let told = follow(&desk, &["release", "yank", "1.8.4", "--to", "1.8.3", "--reason", "x"], &[]);
    assert!(told.contains("1.8.4"), "{told}");
    // In its last stage, a hold stops nothing.
    let desk = stocked();
    follow(&desk, &["release", "hold", "1.8.3", "--reason", "x"], &[]);
    assert_eq!(desk.json(&["explain", "1.8.3"])["state"], "yanked");
}

#[test]
fn a_catalog_without_keys_or_releases_says_how_to_get_them() {
    let desk = Desk::new();
    desk.write("file", "{}\n");
    for arguments in [&["key", "list"][..], &["root", "show"]] {
        let told = desk.run(arguments);
        assert!(commands(&told).iter().any(|words| words.join(" ") == "init --offline-keys keys"), "{told}");
    }
    follow(&desk, &["key", "list"], &["--no-encrypt"]);
    follow(&desk, &["release", "list"], &[]);
    let sign = ["release", "sign", "--key", "keys/release.pem"];
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("not signed yet: `tidegate release sign --key FILE`"), "{told}");
    desk.done(&sign);
    assert!(!desk.run(&["catalog", "check"]).contains("not signed"));
    assert_eq!(desk.json(&["release", "show", "1.8.9"])["version"], "1.8.9");
}

#[test]
fn what_no_command_can_stop_is_stopped_as_the_hint_says() {
    let desk = Desk::new();
    desk.line("1.8", "");
    for (stop, file, key) in [
        (["release", "yank", "1.8.4"], "1.8/1.8.4.yaml", "yank"),
        (["release", "hold", "1.8.5"], "1.8/1.8.5.yaml", "hold"),
        (["channel", "pause", "1.8-production"], "1.8/line.yaml", "paused"),
    ] {
        desk.write(&format!("channels/{file}"), "format: [");
        let stop = [&stop[..], &["--reason", "it's bad: 100%"]].concat();
        let told = desk.run(&stop);
        let command = told.split("although it has faults: `").nth(1).and_then(|rest| rest.split('`').next());
        let command = command.unwrap_or_else(|| panic!("{told}"));
        let command = &command.replace("<today>", "2018-01-01T00:00:00Z");
        let done = Command::new("sh").args(["-c", command]).current_dir(desk.path(".")).status().unwrap();
        assert!(done.success(), "{command}");
        let text = desk.read(&format!("channels/{file}"));
        assert!(text.starts_with(&format!("format: 1\n{key}: ")) && text.contains("100%"), "{text}");
        assert_eq!(desk.read(&format!("channels/{file}.orig")), "format: [");
        // A second time, nothing that was moved is overwritten.
        let moved = told.split(&format!("mv -n channels/{file} channels/{file}")).nth(1);
        assert!(moved.is_some_and(|moved| moved.starts_with(".orig ")), "{told}");
        desk.write(&format!("channels/{file}"), "format: {");
        let again = desk.run(&stop);
        assert!(again.contains(&format!("mv -n channels/{file} channels/{file}.2.orig ")), "{again}");
        desk.write(&format!("channels/{file}"), &text);
        // Now it is stopped.
        let told = desk.run(&stop);
        assert!(told.contains("unchanged: "), "{told}");
    }
    let told = desk.run(&["release", "yank", "1.8.99", "--reason", "bad"]);
    assert!(!told.contains("although it has faults"), "{told}");
    desk.write("channels/1.8/v1.8.6.yaml", "format: [");
    let told = desk.run(&["release", "yank", "1.8.6", "--reason", "bad"]);
    assert!(told.contains("mv -n channels/1.8/v1.8.6.yaml channels/1.8/v1.8.6.yaml.orig "), "{told}");
    // A pause of two lines needs two files.
    for line in ["1.6", "1.8"] {
        let stages = "format: 1\nstages:\n  - { name: one, channel: next }\npaused: true\n";
        desk.write(&format!("channels/{line}/line.yaml"), stages);
    }
    let told = desk.run(&["channel", "pause", "next", "--reason", "bad"]);
    for line in ["1.6", "1.8"] {
        assert!(told.contains(&format!("mv -n channels/{line}/line.yaml ")), "{told}");
    }
}

#[test]
fn no_hint_moves_a_good_file_away() {
    let desk = Desk::new();
    desk.write("channels/1.8/line.yaml", "format: 1\nline: \"1.8\"\n? paused\n: {}\n");
    let told = desk.run(&["channel", "pause", "1.8-production", "--reason", "bad"]);
    assert!(told.contains("cannot be edited") && !told.contains("mv -n"), "{told}");
}

#[test]
fn a_command_that_is_refused_in_an_empty_folder_leaves_nothing_behind() {
    let desk = Desk::empty();
    let root = Desk::new();
    root.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    let root = root.path("channels/trust/1.root.json").display().to_string();
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["import", "none"],
        &["import", "none", "--root", &root],
        &["recover", "--from", "none"],
        &["recover", "--from", "none", "--root", &root],
    ] {
        let told = desk.run(command);
        assert!(told.contains("\nexit 1\n"), "{told}");
        assert_eq!(std::fs::read_dir(desk.path(".")).unwrap().count(), 0, "{told}");
    }
}
