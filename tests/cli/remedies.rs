//! Every remedy that `explain` shows can be done as it is written, and opens the gate.

use tidegate::words::RemedyKind;

use super::desk::Desk;
use super::spawn::Server;

/// In preproduction for long enough, in a line that nothing else stops.
const SOAKED: &str = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";

/// A catalog with one release, signed.
fn signed(line: &str, release: &str) -> Desk {
    let desk = Desk::with_keys();
    desk.line("1.8", line);
    desk.release("1.8.1", release);
    sign(&desk);
    desk
}

fn sign(desk: &Desk) {
    desk.done(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"]);
}

fn now() -> String {
    tidegate::domain::rfc3339(tidegate::clock::Clock::now(&tidegate::clock::SystemClock::new()))
}

/// The remedies that are shown for a release, with their commands, without how to stop it.
fn shown(explained: &serde_json::Value) -> Vec<(RemedyKind, Option<String>)> {
    let commands = explained["commands"].as_array().into_iter().flatten();
    let kind = |name: &str| *RemedyKind::ALL.iter().find(|kind| kind.as_str() == name).unwrap();
    commands
        .map(|one| (kind(one["remedy"].as_str().unwrap()), one["command"].as_str().map(str::to_owned)))
        .filter(|(kind, _)| *kind != RemedyKind::Hold)
        .collect()
}

fn remedies(desk: &Desk, version: &str) -> Vec<(RemedyKind, Option<String>)> {
    shown(&desk.json(&["explain", version]))
}

/// Runs a command that a remedy shows, with its words in capitals filled in.
fn run(desk: &Desk, command: &str) -> String {
    let filled = command
        .replace("--targets-key FILE", "--targets-key keys/targets.pem")
        .replace("--key FILE", "--key keys/release.pem")
        .replace("--offline-keys DIR", "--offline-keys keys --no-encrypt")
        .replace("TIME", &now())
        .replace("TEXT", "because");
    let words: Vec<&str> = filled.split(' ').collect();
    assert_eq!(words[0], "tidegate");
    desk.done(&words[1..])
}

/// Runs every remedy of a release in the order in which they are shown, and returns their kinds.
fn follow(desk: &Desk, version: &str) -> Vec<RemedyKind> {
    let mut remedies = remedies(desk, version);
    // These take more than a command.
    remedies.retain(|(kind, _)| !matches!(kind, RemedyKind::AddHigher | RemedyKind::OpenWay));
    for (_, command) in &remedies {
        run(desk, command.as_deref().unwrap());
    }
    remedies.into_iter().map(|(kind, _)| kind).collect()
}

/// Runs the only remedy of a release, which is of this kind, and looks at what it leads to.
fn helps(desk: &Desk, kind: RemedyKind, after: &str) {
    assert_eq!(follow(desk, "1.8.1"), [kind]);
    assert_eq!(state(desk, "1.8.1"), after, "{kind:?}");
    let left = remedies(desk, "1.8.1");
    assert!(left.iter().all(|(other, _)| *other != kind), "{left:?}");
}

fn state(desk: &Desk, version: &str) -> String {
    desk.json(&["explain", version])["state"].as_str().unwrap().to_owned()
}

type Damage = fn(&Desk);

/// What makes the signed manifest of `1.8.1` unusable.
const SPOILT: &[(&str, Damage)] = &[
    ("changed", |desk| desk.release("1.8.1", &format!("{SOAKED}urgency: security\n"))),
    ("missing", |desk| std::fs::remove_file(desk.path("payloads/1.8.1/release.json")).unwrap()),
    ("unreadable", |desk| desk.write("payloads/1.8.1/release.json", "<<<<<<< HEAD\n")),
    ("entered early", |desk| {
        let entry = "  production: { since: 2018-01-10T00:00:00Z, by: ada, reason: an outage }\n";
        desk.edit("channels/1.8/1.8.1.yaml", SOAKED, &format!("{SOAKED}{entry}"));
    }),
];

/// Shows each kind of remedy for `1.8.1`, and does what it says.
fn scene(kind: RemedyKind) {
    // After the soak is over.
    let stop = |key: &str| format!("{key}: {{ at: 2018-02-01T00:00:00Z, by: ada, reason: slow }}\n");
    let just_now = format!("stages:\n  preproduction: {{ since: {}, by: schedule }}\n", now());
    let payload = "payloads/1.8.1/payload.json";
    match kind {
        RemedyKind::Init => {
            let desk = Desk::new();
            desk.release("1.8.1", "");
            helps(&desk, kind, "blocked");
            helps(&desk, RemedyKind::Sign, "due");
        }
        RemedyKind::Sign => {
            let desk = Desk::with_keys();
            desk.release("1.8.1", SOAKED);
            helps(&desk, kind, "due");
            // In a line that no key may sign for yet.
            desk.line("1.9", "");
            desk.release("1.9.1", "");
            let [(RemedyKind::Sign, Some(command))] = &remedies(&desk, "1.9.1")[..] else { panic!() };
            assert!(command.contains("--targets-key"), "{command}");
            run(&desk, command);
            assert_eq!(state(&desk, "1.9.1"), "due");
        }
        RemedyKind::SignAgain => {
            for (what, damage) in SPOILT {
                eprintln!("{what}");
                let desk = signed("", SOAKED);
                damage(&desk);
                helps(&desk, kind, if *what == "entered early" { "promoted" } else { "due" });
            }
        }
        RemedyKind::RestoreTrust => {
            let desk = signed("", SOAKED);
            drop(Server::ready(&desk.path("."), &["--promote", "off"]));
            desk.write("channels/trust/releases-1.8.json", "{}");
            // The server refuses the line meanwhile.
            assert_eq!(follow(&desk, "1.8.1"), [kind, RemedyKind::Check]);
            assert_eq!(state(&desk, "1.8.1"), "due");
        }
        RemedyKind::RestorePayload => {
            let desk = signed("", SOAKED);
            let before = desk.read(payload);
            for damage in ["", "{}\n"] {
                desk.write(payload, damage);
                assert_eq!(remedies(&desk, "1.8.1"), [(kind, None)]);
                desk.write(payload, &before);
                assert_eq!(state(&desk, "1.8.1"), "due");
            }
            // Or, as it says, the changed one as a new version.
            desk.write("changed.json", "{}\n");
            desk.done(&["release", "add", "1.8.2", "--payload", "changed.json"]);
            sign(&desk);
            assert_eq!(state(&desk, "1.8.2"), "due");
        }
        RemedyKind::BringForward => {
            let desk = signed("", &just_now);
            let command = remedies(&desk, "1.8.1").into_iter().find(|(other, _)| *other == kind).unwrap().1;
            run(&desk, &command.unwrap());
            assert_eq!(follow(&desk, "1.8.1"), [RemedyKind::PromoteEarly]);
            assert!(matches!(remedies(&desk, "1.8.1")[..], [(RemedyKind::OpenWay, None)]));
            assert_eq!(state(&desk, "1.8.1"), "promoted");
        }
        RemedyKind::PromoteEarly => {
            let desk = signed("", &just_now);
            // In the order in which they are shown.
            assert_eq!(follow(&desk, "1.8.1"), [RemedyKind::BringForward, kind]);
            assert_eq!(state(&desk, "1.8.1"), "promoted");
        }
        RemedyKind::NextLine => {
            let desk = signed(&stop("retired"), SOAKED);
            assert_eq!(remedies(&desk, "1.8.1"), [(kind, None)]);
            desk.line("1.9", "follows: { line: \"1.8\", grace: 0d }\n");
            desk.done(&["release", "add", "1.9.1", "--payload", payload]);
            sign(&desk);
            assert_eq!(state(&desk, "1.9.1"), "due");
        }
        RemedyKind::Resume => {
            helps(&signed("", &format!("{SOAKED}{}", stop("hold"))), kind, "due");
            // An earlier signed time would be no help.
            let desk = signed("", &format!("{just_now}{}", stop("hold")));
            let kinds = remedies(&desk, "1.8.1").into_iter().map(|(kind, _)| kind);
            assert_eq!(kinds.collect::<Vec<_>>(), [kind]);
        }
        RemedyKind::Unyank => helps(&signed("", &format!("{SOAKED}{}", stop("yank"))), kind, "due"),
        RemedyKind::ResumeChannel => {
            let paused = format!("paused:\n  {}", stop("production"));
            helps(&signed(&paused, SOAKED), kind, "due");
            let paused = "paused:\n  preproduction: { at: 2018-01-05T00:00:00Z, by: ada, reason: slow }\n";
            let desk = signed(paused, SOAKED);
            assert_eq!(follow(&desk, "1.8.1"), [kind, RemedyKind::PromoteEarly]);
            assert_eq!(state(&desk, "1.8.1"), "promoted");
        }
        RemedyKind::YankTo | RemedyKind::Explain => {
            let held = "hold: { at: 2018-01-05T00:00:00Z, by: ada, reason: replaced by 1.8.2 }\n";
            let desk = signed("", &format!("barrier: true\n{SOAKED}{held}"));
            desk.release("1.8.2", &format!("replaces: 1.8.1\n{SOAKED}"));
            sign(&desk);
            assert_eq!(state(&desk, "1.8.2"), "blocked");
            assert_eq!(follow(&desk, "1.8.2"), [RemedyKind::Explain]);
            assert_eq!(follow(&desk, "1.8.1"), [RemedyKind::YankTo]);
            assert_eq!(state(&desk, "1.8.2"), "due");
        }
        RemedyKind::Promote => helps(&signed("", SOAKED), kind, "promoted"),
        RemedyKind::Redate => {
            let desk = signed("", SOAKED);
            let entry = "  production: { since: 2099-01-01T00:00:00Z, by: schedule, reason: soaked 14d }\n";
            desk.edit("channels/1.8/1.8.1.yaml", SOAKED, &format!("{SOAKED}{entry}"));
            helps(&desk, kind, "promoted");
            // While it still soaks, it cannot be promoted early before that.
            let desk = signed("", &format!("{just_now}{entry}"));
            let kinds = || remedies(&desk, "1.8.1").into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
            assert_eq!(kinds(), [kind]);
            run(&desk, "tidegate promote 1.8.1 --redate");
            assert_eq!(follow(&desk, "1.8.1"), [RemedyKind::BringForward, RemedyKind::PromoteEarly]);
            assert_eq!(state(&desk, "1.8.1"), "promoted");
        }
        RemedyKind::Check => refused_line(),
        RemedyKind::Hold => {
            let desk = signed("", &just_now);
            let explained = desk.json(&["explain", "1.8.1"]);
            assert!(explained["message"].as_str().unwrap().ends_with("unless somebody stops it"));
            let last = explained["commands"].as_array().unwrap().last().unwrap();
            assert_eq!(last["remedy"], "hold");
            run(&desk, last["command"].as_str().unwrap());
            assert_eq!(state(&desk, "1.8.1"), "blocked");
            let held = desk.json(&["explain", "1.8.1"]);
            assert!(!held["commands"].as_array().unwrap().contains(last), "{held}");
        }
        RemedyKind::AddHigher => {
            let entered = "  production: { since: 2018-01-20T00:00:00Z, by: schedule }\n";
            let desk = signed("", &format!("{SOAKED}{entered}{}", stop("yank")));
            let kinds =
                |desk: &Desk| remedies(desk, "1.8.1").into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
            assert_eq!(kinds(&desk), [kind, RemedyKind::Unyank]);
            desk.release("1.8.2", &format!("{SOAKED}{entered}"));
            sign(&desk);
            assert_eq!(kinds(&desk), [RemedyKind::Unyank]);
        }
        RemedyKind::Follow | RemedyKind::OpenWay => {
            let entered = format!("{SOAKED}  production: {{ since: 2018-01-20T00:00:00Z, by: schedule }}\n");
            let desk = signed("", &entered);
            desk.line("1.9", "");
            desk.release("1.9.1", &entered);
            sign(&desk);
            let told = || desk.json(&["explain", "1.9.1"])["remedies"][0].to_string();
            assert_eq!(remedies(&desk, "1.9.1"), [(RemedyKind::OpenWay, None)]);
            assert!(told().contains("in `1.9/line.yaml` and new signatures"), "{}", told());
            let on = |version: &str| desk.json(&["explain", "--on", "1.9-production", "--from", version]);
            let message = on("1.8.1")["message"].to_string();
            // The key that it names lets clusters in.
            let key = message.split('`').find(|part| part.starts_with("follows: ")).unwrap();
            desk.line("1.9", &format!("{}\n", key.replace('\\', "")));
            run(&desk, "tidegate release sign 1.9.1 --key FILE");
            assert_eq!(on("1.8.1")["action"], "update");
            let shown = remedies(&desk, "1.9.1");
            let [(RemedyKind::Follow, Some(command))] = &shown[..] else { panic!("{shown:?}") };
            assert!(
                told().contains("only from `1.8.1`, the highest release of `1.8-production`"),
                "{}",
                told()
            );
            run(&desk, &command.replace("VERSION", "1.8.1"));
        }
        RemedyKind::MendServer => failing_server(),
    }
}

/// A server that cannot write a promotion. The command, which only reads the folders, tells what it reports.
fn failing_server() {
    let desk = signed("", SOAKED);
    let file = "channels/1.8/1.8.1.yaml";
    let before = desk.read(file);
    desk.edit(file, "\nstages:\n  ", "\n? stages\n: ");
    let server = Server::ready(&desk.path("."), &["--promote", "on"]);
    server.until_degraded(&["commit_failing", "promotions_overdue"], "1.8.1.yaml");
    let [(RemedyKind::MendServer, Some(command))] = &remedies(&desk, "1.8.1")[..] else { panic!() };
    assert_eq!(server.json("/readyz")["promoting"], false);
    assert_eq!(shown(&server.json("/v1/releases/1.8.1/explain")), remedies(&desk, "1.8.1"));
    let words: Vec<&str> = command.split(' ').collect();
    let told = desk.run(&words[1..]);
    assert!(told.contains("commit_failing") && told.contains("1.8.1.yaml"), "{told}");
    desk.write(file, &before);
    server.until_latest("1.8-production", "1.8.1");
    server.until_degraded(&[], "");
    assert_eq!(remedies(&desk, "1.8.1"), [(RemedyKind::OpenWay, None)]);
}

/// A line that a server refused, because its files cannot be read or because they take back what was
/// published. The command finds the same fault.
fn refused_line() {
    let desk = signed("", SOAKED);
    desk.release("1.8.2", "");
    sign(&desk);
    let server = Server::ready(&desk.path("."), &["--promote", "on"]);
    server.until_latest("1.8-production", "1.8.1");
    let explained = |version: &str| server.json(&format!("/v1/releases/{version}/explain"));
    let check = |expected: &str, heal: &dyn Fn()| {
        server.until_degraded(&["line_refused"], expected);
        let remedies = shown(&explained("1.8.2"));
        let [(RemedyKind::Check, Some(command))] = &remedies[..] else { panic!("{remedies:?}") };
        let words: Vec<&str> = command.split(' ').collect();
        let told = desk.run(&words[1..]);
        assert!(told.contains(expected), "{told}");
        heal();
        server.until_degraded(&[], "");
        assert_eq!(
            shown(&explained("1.8.2")).iter().filter(|(kind, _)| *kind == RemedyKind::Check).count(),
            0
        );
    };
    let file = "channels/1.8/1.8.1.yaml";
    let before = desk.read(file);
    desk.edit(file, "format: 1", "format: one");
    check("1.8.1.yaml:1:9", &|| desk.write(file, &before));
    std::fs::rename(desk.path(file), desk.path("away")).unwrap();
    let back = || std::fs::rename(desk.path("away"), desk.path(file)).unwrap();
    check("`1.8.1` was published in `1.8-preproduction` and is no longer on offer there", &back);
}

#[test]
fn a_remedy_that_is_shown_can_be_done_and_helps() {
    for kind in RemedyKind::ALL {
        eprintln!("{kind:?}");
        scene(*kind);
    }
}

#[test]
fn a_stop_that_a_commit_lost_is_ended_as_its_remedy_says() {
    let stop = |key: &str| format!("{key}: {{ at: 2018-02-01T00:00:00Z, by: ada, reason: slow }}\n");
    let (release, line) = ("channels/1.8/1.8.1.yaml", "channels/1.8/line.yaml");
    for (file, text, kind) in [
        (release, stop("hold"), RemedyKind::Resume),
        (release, stop("yank"), RemedyKind::Unyank),
        (line, format!("paused:\n  {}", stop("production")), RemedyKind::ResumeChannel),
    ] {
        let desk = signed("", SOAKED);
        let good = desk.read(file);
        desk.write(file, &format!("{good}{text}"));
        desk.commit();
        desk.write(file, &good);
        desk.commit();
        helps(&desk, kind, "due");
        desk.commit();
        assert_eq!(state(&desk, "1.8.1"), "due", "{kind:?}");
    }
}

#[test]
fn a_barrier_that_is_under_way_is_replaced_as_the_refusal_says() {
    let desk = signed("", &format!("barrier: true\n{SOAKED}"));
    desk.write("new.json", "{}\n");
    let add = ["release", "add", "1.8.2", "--payload", "new.json"];
    let refused = desk.run(&[&add[..], &["--replaces", "1.8.1"]].concat());
    assert!(refused.contains("`tidegate release yank 1.8.1 --to 1.8.2 --reason TEXT`"), "{refused}");
    desk.done(&add);
    sign(&desk);
    desk.done(&["release", "yank", "1.8.1", "--to", "1.8.2", "--reason", "because"]);
    assert_eq!(state(&desk, "1.8.2"), "due");
}

#[test]
fn a_hold_with_an_earlier_date_is_mended_by_its_date() {
    let desk = Desk::with_keys();
    let promoted = format!("{SOAKED}  production: {{ since: 2018-01-15T00:00:00Z, by: schedule }}\n");
    desk.release("1.8.1", &promoted);
    desk.done(&["catalog", "check"]);
    let held = |at: &str| format!("{promoted}hold: {{ at: {at}, by: ada, reason: slow }}\n");
    desk.release("1.8.1", &held("2018-01-14T00:00:00Z"));
    let told = desk.run(&["catalog", "check"]);
    assert!(told.contains("give the hold the time of the entry, or a later one, as its `at`"), "{told}");
    desk.release("1.8.1", &held("2018-01-15T00:00:00Z"));
    desk.done(&["catalog", "check"]);
}

#[test]
fn a_soak_with_one_figure_says_where_the_other_one_comes_from() {
    let desk = Desk::new();
    for (soak, told) in [
        ("{ min: 35d, why: slow }", "above its `max` of `28d`, by default"),
        ("{ max: 10d }", "has a `min` of `14d`, by default, above"),
        ("{ max: 10d, why: quick }", "has a `min` of `14d`, by default, above"),
    ] {
        desk.line(
            "1.8",
            &format!("stages:\n  - name: preproduction\n  - name: production\n    soak: {soak}\n"),
        );
        let checked = desk.run(&["catalog", "check"]);
        assert!(checked.contains(told), "{soak}: {checked}");
    }
    desk.line("1.8", "stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 35d, max: 40d, why: slow }\n");
    desk.done(&["catalog", "check"]);
}

#[test]
fn a_line_that_is_retired_names_the_releases_that_will_not_arrive() {
    let desk = signed("", SOAKED);
    let before = desk.files("channels");
    let retire = ["line", "retire", "1.8", "--reason", "no fixes", "--key", "keys/release.pem"];
    let told = desk.run(&retire);
    assert!(told.contains("exit 1") && told.contains("`1.8.1` is on the way to `1.8-production`"), "{told}");
    assert!(told.contains("--leave-behind"), "{told}");
    assert!(desk.files("channels") == before);
    let told = desk.json(&[&retire[..], &["--leave-behind"]].concat());
    assert_eq!(told["left_behind"], serde_json::json!(["1.8.1"]));
}
