//! `line add`.

use super::desk::Desk;

/// Runs the commands of a `next:` note, with these words in the place of its placeholders.
fn follow(desk: &Desk, told: &str, words: &[(&str, &str)]) {
    let next = told.lines().find(|line| line.starts_with("next: ")).unwrap_or_else(|| panic!("{told}"));
    for command in next.split('`').skip(1).step_by(2) {
        let command = words.iter().fold(command.to_owned(), |all, (from, to)| all.replacen(from, to, 1));
        let arguments: Vec<&str> = command.split(' ').skip(1).collect();
        desk.done(&arguments);
    }
}

#[test]
fn a_new_line_takes_releases_as_the_next_steps_say() {
    let desk = Desk::empty();
    let told = desk.run(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    desk.write("payload.json", "{}\n");
    let words = [("LINE", "1.0"), ("VERSION", "1.0.0"), ("--payload FILE", "--payload payload.json")];
    follow(&desk, &told, &words);

    let told = desk.run(&["line", "add", "edge", "--prefix", "2"]);
    assert!(told.contains("added line `edge` with `edge-preproduction`, `edge-production`"), "{told}");
    let words = [
        ("VERSION", "2.0.0"),
        ("--payload FILE", "--payload payload.json"),
        ("--key FILE", "--key keys/release.pem"),
        ("--targets-key FILE", "--targets-key keys/targets.pem"),
    ];
    follow(&desk, &told, &words);
    let promoted = desk.json(&["promote"]);
    assert_eq!(promoted["promoted"].as_array().unwrap().len(), 2, "{promoted}");
    desk.done(&["verify"]);
}

#[test]
fn a_new_line_leaves_to_the_policy_what_it_does_not_have_of_its_own() {
    let desk = Desk::new();
    desk.edit("channels/policy.yaml", "production\n    soak", "canary\n    soak");
    desk.done(&["line", "add", "1.9", "--follows", "1.8", "--grace", "2d", "--title", "Nine: \"it\""]);
    assert_eq!(
        desk.read("channels/1.9/line.yaml"),
        "# Stages, soak, windows and freezes come from policy.yaml, unless they are set here.\n\
         format: 1\nline: \"1.9\"\ntitle: \"Nine: \\\"it\\\"\"\nfollows: { line: \"1.8\", grace: 2d }\n"
    );
    let own = ["line", "add", "edge", "--prefix", "2", "--soak", "36h..2w", "--why", "for our own clusters"];
    desk.done(&own);
    assert_eq!(
        desk.read("channels/edge/line.yaml"),
        "# Windows and freezes come from policy.yaml, unless they are set here.\n\
         format: 1\nline: edge\nprefix: \"2\"\nstages:\n  - { name: preproduction }\n  \
         - { name: canary, soak: { min: 36h, max: 14d, why: for our own clusters } }\n"
    );
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("exit 0") && !told.contains("security"), "{told}");
    let channels = desk.json(&["channel", "list"]).to_string();
    assert!(channels.contains("1.9-canary") && channels.contains("edge-canary"), "{channels}");
}

#[test]
fn a_new_line_with_a_soak_of_its_own_does_not_delay_what_is_urgent() {
    let desk = Desk::new();
    desk.write(
        "channels/policy.yaml",
        "format: 1\nstages:\n  - name: preproduction\n  - name: production\n    \
         soak: { min: 14d, max: 28d, security: { min: 1d, max: 7d, why: holes are worse } }\n",
    );
    desk.done(&["line", "add", "1.9", "--soak", "21d..28d"]);
    let file = desk.read("channels/1.9/line.yaml");
    let own = "soak: { min: 21d, max: 28d, security: { min: 1d, max: 7d, why: holes are worse } }";
    assert!(file.contains(own), "{file}");
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("exit 0") && !told.contains("security"), "{told}");
}

#[test]
fn a_line_that_would_break_a_rule_is_refused_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let before = desk.files("channels");
    for (arguments, code, why, hint) in [
        (&["1.8"][..], 1, "line `1.8` is already in the catalog", "release add VERSION --line 1.8"),
        (&["1.8.4"], 1, "`1.8`", "hint: "),
        (&["1"], 1, "`1.8`", "hint: "),
        (&["eight", "--prefix", "1.8"], 1, "`1.8`", "hint: "),
        (&["edge"], 1, "its name is not their first numbers", "tidegate line add edge --prefix NUMBERS"),
        (&["1.9", "--follows", "1.7"], 1, "`1.7`", "hint: "),
        (&["1.9", "--soak", "1d..7d"], 1, "`1d`", "hint: "),
        (&["1.9", "--soak", "28d..14d"], 1, "above", "hint: "),
        (&["1.9", "--title", "two\nlines"], 1, "line", "hint: "),
        (&["1.9", "--soak", "14"], 2, "write it as MIN..MAX", ""),
        (&["1.9", "--grace", "1d"], 2, "--follows", ""),
        (&["Nine"], 2, "`Nine` is not a valid name", ""),
        (&["../1.9"], 2, "not a valid name", ""),
        (&["1.9", "--prefix", "1.9.x"], 2, "not a version prefix", ""),
    ] {
        let told = desk.run(&[&["line", "add"], arguments].concat());
        assert!(told.contains(&format!("\nexit {code}\n")), "{told}");
        assert!(told.contains(why) && told.contains(hint), "{told}");
        assert!(desk.files("channels") == before && !desk.path("channels/1.9").exists(), "{told}");
    }
    desk.write("channels/1.8/1.8.1.yaml", "format: 2\n");
    let told = desk.run(&["line", "add", "1.9"]);
    assert!(told.contains("cannot add a line while the catalog has faults"), "{told}");
    let told = Desk::empty().run(&["line", "add", "1.9"]);
    assert!(told.contains("hint: "), "{told}");
}
