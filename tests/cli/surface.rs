//! Help, usage and what shells are given.

use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn help_tells_every_command() {
    let desk = Desk::empty();
    assert_snapshot!("help", desk.run(&["--help"]));
    assert_snapshot!("help_promote", desk.run(&["promote", "--help"]));
    assert_snapshot!("help_release_add", desk.run(&["release", "add", "-h"]));
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let desk = Desk::new();
    for arguments in [
        &["promot"][..],
        &["explain"],
        &["explain", "--on", "1.8-production"],
        &["explain", "1.8"],
        &["promote", "--at", "yesterday"],
        &["promote", "--backfill"],
        &["release", "hold", "1.8.4"],
        &["init"],
    ] {
        let told = desk.run(arguments);
        assert!(told.contains("\nexit 2\n"), "{told}");
    }
    assert_snapshot!("bad_time", desk.run(&["promote", "--at", "yesterday"]));
}

#[test]
fn a_usage_line_does_not_ask_for_what_the_environment_gives() {
    for (arguments, usage) in [
        (
            &["release", "hold", "1.8.4"][..],
            "Usage: tidegate release hold [OPTIONS] --reason <TEXT> <VERSION>\n",
        ),
        (&["channel", "pause", "c"], "Usage: tidegate channel pause [OPTIONS] --reason <TEXT> <CHANNEL>\n"),
        (&["explain"], "Usage: tidegate explain [OPTIONS] <VERSION>\n"),
        (&["promot"], "Usage: tidegate [OPTIONS] <COMMAND>\n"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments)
            .env("TIDEGATE_BY", "ada")
            .env("TIDEGATE_CATALOG", "channels")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(told.contains(usage), "{told}");
    }
}

#[test]
fn an_error_is_json_where_data_is_json() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    for (arguments, code, error) in [
        (&["release", "show", "1.8.5"][..], 1, "release `1.8.5` is not in the catalog"),
        (&["status"], 1, "nothing is published yet"),
        (&["export", "out"], 1, "nothing was published from `.tidegate` yet"),
        (&["serve", "--mirror"], 1, "nothing was imported into `.tidegate` yet"),
        (&["release", "show", "no"], 2, "invalid value 'no' for '<VERSION>'"),
        (&["promot"], 2, "unrecognized subcommand 'promot'"),
    ] {
        let told = desk.run(&[arguments, &["--output", "json"]].concat());
        assert!(told.contains(&format!("\nexit {code}\n")), "{told}");
        let last = told.lines().last().unwrap();
        let body: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{told}"));
        assert!(body["error"].as_str().unwrap().starts_with(error), "{told}");
        assert!(body["causes"].is_array(), "{told}");
        assert!(!body["hints"].as_array().unwrap().is_empty(), "{told}");
        // The same by the environment, and help is still help.
        assert_eq!(desk.run_with(("TIDEGATE_OUTPUT", "json"), arguments).lines().last(), Some(last));
    }
    assert!(desk.run(&["--help", "--output", "json"]).contains("Usage:"));
    std::fs::remove_file(desk.path("payloads/1.8.4/payload.json")).unwrap();
    let told = desk.run(&["release", "sign", "1.8.4", "--key", "keys/release.pem", "--output", "json"]);
    let body: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert!(body["error"].as_str().unwrap().starts_with("`1.8.4` is not signed: "), "{told}");
}

#[test]
fn every_command_tells_of_an_error_in_json() {
    let desk = Desk::empty();
    desk.done(&["man", "--out", "pages"]);
    let pages = std::fs::read_dir(desk.path("pages")).unwrap();
    let names = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let commands: Vec<String> = names
        .filter_map(|name| Some(name.strip_prefix("tidegate-")?.strip_suffix(".1")?.to_owned()))
        .collect();
    assert!(commands.len() > 50, "{commands:?}");
    let error = |arguments: &[&str], code: u8| {
        let told = desk.run_with(("TIDEGATE_OUTPUT", "json"), arguments);
        assert!(told.contains(&format!("\nexit {code}\n")), "{told}");
        let body: Option<serde_json::Value> = serde_json::from_str(told.lines().last().unwrap()).ok();
        assert!(body.is_some_and(|body| body["error"].is_string() && body["hints"].is_array()), "{told}");
    };
    for command in commands {
        let words = command.split('-');
        error(&words.chain(["--no-such-flag"]).collect::<Vec<_>>(), 2);
    }
    // What is refused or cannot be done is told in the one place where commands end.
    for arguments in [
        &["catalog", "check"][..],
        &["ceremony", "show", "none"],
        &["channel", "list"],
        &["explain", "1.8.4"],
        &["import", "none"],
        &["init", "--offline-keys", ".tidegate/keys"],
        &["key", "list", "none"],
        &["line", "list"],
        &["promote"],
        &["recover", "--from", "none"],
        &["root", "show"],
        &["verify", "--from", "none"],
    ] {
        error(arguments, 1);
    }
}

#[test]
fn a_port_alone_is_no_address_and_the_form_is_told() {
    for (given, form) in
        [("23001", "`127.0.0.1:23001`"), (":23001", "`127.0.0.1:23001`"), ("here", "`127.0.0.1:8080`")]
    {
        let told = Desk::empty().run(&["serve", "--listen", given]);
        assert!(told.contains("\nexit 2\n") && told.contains(&format!("as in {form}")), "{told}");
    }
}

#[test]
fn a_folder_without_a_catalog_is_told_apart() {
    assert_snapshot!("no_catalog", Desk::empty().run(&["release", "list"]));
}

#[test]
fn completions_and_pages_are_made() {
    let desk = Desk::empty();
    assert!(desk.done(&["completions", "bash"]).contains("tidegate"));
    assert!(desk.done(&["man"]).contains("TIDEGATE"));
    desk.done(&["man", "--out", "pages"]);
    assert_eq!(desk.json(&["man", "--out", "pages"])["folder"], "pages");
    let pages = |name: &str| desk.read(&format!("pages/tidegate-{name}.1"));
    for (page, variable) in [
        ("release-add", "TIDEGATE_BY"),
        ("release-sign", "TIDEGATE_RELEASE_KEY"),
        ("serve", "TIDEGATE_LISTEN"),
        ("serve", "TIDEGATE_CATALOG"),
    ] {
        // A hyphen is escaped in a page, an underscore is not.
        assert!(pages(page).contains(variable), "{variable} in {page}: {}", pages(page));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::empty();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .current_dir(desk.path("."))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
