//! Variables that are set and empty, as `${X:-}` in a compose file leaves them.

use super::desk::Desk;

const GUARDS: [(&str, &str); 5] = [
    ("TIDEGATE_PROMOTE", "--promote"),
    ("TIDEGATE_ADMIN_LISTEN", "--admin-listen"),
    ("TIDEGATE_WITNESS", "--witness"),
    ("TIDEGATE_ONLINE_KEY", "--online-key"),
    ("TIDEGATE_ONLINE_SIGN_WITH", "--sign-with"),
];

fn warning(name: &str) -> String {
    format!("warning: {name} is set and empty, which counts as not set")
}

/// Every variable in a command's help.
fn variables(help: &str) -> Vec<String> {
    let mut names: Vec<String> = help
        .split("[env:")
        .skip(1)
        .map(|rest| rest.split([']', '=']).next().unwrap().split_whitespace().collect())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_empty_variable_of_every_command_counts_as_not_set_and_is_named_once() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    // The arguments leave out nothing that is required, and the commands end without serving.
    for arguments in [
        &["release", "list"][..],
        &["release", "sign", "--key", "keys/release.pem"],
        &["release", "hold", "1.8.4", "--reason", "eats data"],
        &["serve", "--mirror"],
    ] {
        let command: Vec<&str> = arguments.iter().copied().take_while(|word| !word.contains('-')).collect();
        let help_page = [&command[..], &["--help"]].concat();
        let help = desk.run(&help_page);
        let names = variables(&help);
        assert!(names.len() >= 5, "{help}");
        let expected = desk.run(arguments);
        for name in names {
            let told = desk.run_with((&name, ""), arguments);
            if GUARDS.iter().any(|(guard, _)| *guard == name) {
                assert!(told.contains("\nexit 2\n"), "{told}");
            } else if name == "TIDEGATE_RELEASE_KEY" {
                // The flag is given, so the variable does not matter.
                assert!(!told.contains("warning"), "{told}");
            } else {
                assert_eq!(told.matches(&warning(&name)).count(), 1, "{told}");
                let exit = |told: &str| told.lines().nth(1).map(str::to_owned);
                assert_eq!(exit(&told), exit(&expected), "{name}: {told}");
            }
            // Help still shows it.
            assert_eq!(desk.run_with((&name, ""), &help_page), help);
        }
        assert!(desk.run_with(("TIDEGATE_LOG", ""), arguments).contains(&warning("TIDEGATE_LOG")));
    }
}

#[test]
fn an_empty_variable_that_guards_something_is_refused_with_the_way_out() {
    let desk = Desk::with_keys();
    for (name, flag) in GUARDS {
        // A word before the command that is itself a command must not hide what is asked.
        for arguments in [&["serve"][..], &["--state", "promote", "serve"]] {
            let told = desk.run_with((name, ""), arguments);
            assert!(told.contains("\nexit 2\n"), "{told}");
            assert!(told.contains(&format!("error: `{name}` is set and empty")), "{told}");
            let hint =
                format!("hint: give `{name}` a value, or remove the variable to start without `{flag}`");
            assert!(told.contains(&hint), "{told}");
        }
        let told = desk.run_with((name, ""), &["serve", "--output", "json"]);
        let body: serde_json::Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
        assert!(body["error"].as_str().unwrap().contains(name), "{told}");
        assert!(body["hints"][0].as_str().unwrap().starts_with("give `"), "{told}");
        // Other commands do not read it: above all, no stop fails for want of it.
        assert!(desk.run_with((name, ""), &["release", "list"]).contains("\nexit 0\n"));
    }
    let told = desk.run_with(("TIDEGATE_WITNESS", ""), &["promote"]);
    assert!(told.contains("\nexit 2\n") && told.contains("`TIDEGATE_WITNESS` is set and empty"), "{told}");
}

#[test]
fn a_flag_wins_over_an_empty_variable() {
    let desk = Desk::with_keys();
    let told = desk.run_with(("TIDEGATE_WITNESS", ""), &["promote", "--witness", "none"]);
    assert!(!told.contains("TIDEGATE_WITNESS"), "{told}");
    let told = desk.run_with(("TIDEGATE_OUTPUT", ""), &["release", "list", "--output", "table"]);
    assert!(told.contains("\nexit 0\n") && !told.contains("TIDEGATE_OUTPUT"), "{told}");
}

#[test]
fn a_refused_value_is_blamed_on_the_variable_that_it_is_from() {
    let desk = Desk::with_keys();
    for (name, value, command) in [
        ("TIDEGATE_ACCESS_LOG", "off", &["serve"][..]),
        ("TIDEGATE_WORKERS", "513", &["--state", "promote", "serve"]),
        ("TIDEGATE_TRUSTED_PROXY", "10.0.0.1, proxy", &["serve"]),
        ("TIDEGATE_OUTPUT", "xml", &["release", "list"]),
        ("TIDEGATE_PASSPHRASE_FD", "x", &["release", "sign", "--key", "keys/release.pem"]),
    ] {
        let told = desk.run_with((name, value), command);
        assert!(told.contains("\nexit 2\n") && told.contains(&format!("for '{name}'")), "{told}");
        let told = desk.run_with((name, value), &[command, &["--output", "json"]].concat());
        assert!(name == "TIDEGATE_OUTPUT" || told.contains(&format!("for '{name}'")), "{told}");
    }
    // What is typed wins, and is blamed.
    let told = desk.run_with(("TIDEGATE_WORKERS", "513"), &["serve", "--workers", "0"]);
    assert!(told.contains("'0' for '--workers <N>': 0 is not in 1..=512"), "{told}");
    let told = desk.run_with(("TIDEGATE_TRUSTED_PROXY", "10.0.0.1, 10.0.0.2"), &["serve", "--mirror"]);
    assert!(told.contains("\nexit 1\n"), "{told}");
}

#[test]
fn an_empty_variable_explains_why_a_required_flag_is_missing() {
    let told = Desk::with_keys().run_with(("TIDEGATE_RELEASE_KEY", ""), &["release", "sign"]);
    assert!(told.contains("\nexit 2\n") && told.contains("--key <FILE>"), "{told}");
    assert!(told.contains(&warning("TIDEGATE_RELEASE_KEY")), "{told}");
}

#[test]
fn an_empty_folder_variable_leaves_the_commands_in_hints_as_they_are() {
    let desk = Desk::new();
    let told = desk.run_with(("TIDEGATE_STATE", ""), &["status"]);
    assert!(told.contains("hint: ") && !told.contains("--state"), "{told}");
}

#[test]
fn a_log_level_that_is_none_is_refused_with_those_that_are() {
    let desk = Desk::new();
    for (filter, named) in [
        ("warning", "`warning` is neither a log level nor a part of this program"),
        ("verbose", "`verbose` is neither a log level nor a part of this program"),
        ("info,tidegate=loud", "`loud` is not a log level"),
        ("tidegates=info", "`tidegates` is not a part of this program"),
    ] {
        for arguments in [&["serve"][..], &["release", "list"]] {
            let told = desk.run_with(("TIDEGATE_LOG", filter), arguments);
            assert!(told.contains("\nexit 2\n"), "{told}");
            assert!(told.contains(&format!("error: cannot use `TIDEGATE_LOG`: {named}")), "{told}");
            assert!(told.contains("hint: give a level for everything (`off`, `error`, `warn`, "), "{told}");
        }
    }
    for filter in ["warn", "INFO", "tidegate=debug", "warn, actix_http=error"] {
        assert!(desk.run_with(("TIDEGATE_LOG", filter), &["release", "list"]).contains("\nexit 0\n"));
    }
    // That variable may be meant for another program.
    assert!(desk.run_with(("RUST_LOG", "warning"), &["release", "list"]).contains("\nexit 0\n"));
}

#[test]
fn a_command_that_signs_and_its_key_are_set_together() {
    let desk = Desk::with_keys();
    for variable in [("TIDEGATE_ONLINE_KEY", "key.pem"), ("TIDEGATE_ONLINE_SIGN_WITH", "true")] {
        let told = desk.run_with(variable, &["serve", "--promote", "off", "--listen", "127.0.0.1:0"]);
        assert!(
            told.contains("\nexit 1\n") && told.contains(variable.0) && told.contains("only together"),
            "{told}"
        );
    }
}
