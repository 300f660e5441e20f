//! The real program, from adding a cluster to its update.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate::clock::{Clock as _, SystemClock};

use super::desk::Desk;
use super::site::{Site, reply};
use super::spawn::{Response, get, tidegate};

const FROM: &str = "v1.8.4-tectonic.1";
const TO: &str = "1.8.9-tectonic.4";

/// Writes down the version, as a cluster that was updated would report it.
const GOOD: &str = "printf %s \"$TIDEGATE_VERSION\" > version; env | grep ^TIDEGATE_ | sort > environment";

#[test]
fn a_cluster_is_added_checked_approved_and_updated() {
    let desk = Desk::new();
    desk.add("Tectonic-1.8-Production", FROM, GOOD, &[]);
    assert_eq!(desk.status()["state"], "Unknown", "nobody has looked yet");
    let told = desk.refused(&["cluster", "approve", "c", TO]);
    assert!(told.contains("advises nothing") && told.contains("tidegate cluster check c"), "{told}");

    let body = desk.check();
    assert_eq!((&body["action"], &body["target"]["version"]), (&"update".into(), &TO.into()), "{body}");
    let warm = desk.check();
    assert_eq!(warm["requests"], 2, "{warm}");
    assert!(warm["bytes"].as_u64().unwrap() < 2048, "{warm}");
    assert_eq!(desk.status()["state"], "UpdateAvailable");

    // Nothing is applied that was not approved.
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), FROM);
    assert!(desk.refused(&["cluster", "approve", "c", "1.8.7-tectonic.1"]).contains(TO));
    desk.run(&["cluster", "approve", "c", TO]);
    assert_eq!(desk.status()["state"], "Requested");
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), TO);
    let status = desk.status();
    assert_eq!((&status["state"], &status["currentVersion"]), (&"UpToDate".into(), &TO.into()));

    let environment = desk.read("environment");
    for line in [
        "TIDEGATE_CHANNEL=1.8-production\n",
        "TIDEGATE_CLUSTER=c\n",
        "TIDEGATE_FROM=v1.8.4-tectonic.1\n",
        "TIDEGATE_VERSION=1.8.9-tectonic.4\n",
    ] {
        assert!(environment.contains(line), "{environment}");
    }
    let file = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        std::fs::read(line.unwrap_or_else(|| panic!("{name}: {environment}"))).unwrap()
    };
    assert_eq!(file("TIDEGATE_PAYLOAD"), desk.server.get(&format!("/v1/payloads/{TO}/payload.json")).body);
    assert_eq!(file("TIDEGATE_RELEASE"), desk.server.get(&format!("/v1/releases/{TO}")).body);
}

#[test]
fn the_next_minor_is_opt_in_and_passes_the_gate() {
    let desk = Desk::new();
    desk.add("1.7-production", "1.7.9-tectonic.3", GOOD, &["--approval", "automatic"]);
    let told = desk.json(&["cluster", "follow", "c", "1.8-production"]);
    assert_eq!(told["advice"]["code"], "minor_gate", "{told}");
    assert_eq!(told["advice"]["take"]["version"], "1.7.14-tectonic.2");
    let status = desk.status();
    assert!(status["lastChecked"].is_string() && status["advice"]["code"] == "minor_gate", "{status}");
    assert!(desk.refused(&["cluster", "follow", "c", "1.8-beta"]).contains("(UnknownChannel)"));
    // Blocked is not down, and not around the gate.
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), "1.7.9-tectonic.3");

    desk.run(&["cluster", "follow", "c", "1.7-production"]);
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), "1.7.14-tectonic.2");
    desk.run(&["cluster", "follow", "c", "1.8-production"]);
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), TO);
    let back = desk.json(&["cluster", "follow", "c", "1.7-production"]);
    assert_eq!(back["advice"]["code"], "ahead");
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), TO);
}

#[test]
fn what_fails_is_told_and_not_tried_again_until_somebody_says_so() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "echo tried >> tries; echo etcd is not healthy >&2; exit 3", &[]);
    desk.check();
    desk.run(&["cluster", "approve", "c", TO]);
    let tries = || desk.read("tries").lines().count();
    // Commands name the folder, if it is not the usual one.
    let elsewhere = ["--state", "./.tidegate"];
    let once = tidegate(desk.folder.path()).args(["cluster", "run", "c", "--once"]).args(elsewhere).output();
    let once = once.unwrap();
    let logged = String::from_utf8_lossy(&once.stderr);
    let retry = "to retry it: `tidegate cluster check c --retry --state ./.tidegate`";
    assert!(!once.status.success() && logged.contains(&format!("was not applied; {retry}")), "{logged}");
    let status = desk.json(&[&["cluster", "status", "c"][..], &elsewhere].concat())["status"].clone();
    assert_eq!(status["failureStatus"]["hint"], retry);
    let status = desk.status();
    assert_eq!(
        (&status["state"], &status["failureStatus"]["type"]),
        (&"Failed".into(), &"ApplyFailed".into())
    );
    let reason = status["failureStatus"]["reason"].as_str().unwrap();
    assert_eq!(reason, "it failed with exit code 3: etcd is not healthy");
    assert_eq!(status["taskStatuses"][2]["state"], "Failed");
    assert_eq!(status["failureStatus"]["hint"], "to retry it: `tidegate cluster check c --retry`");
    assert!(String::from_utf8_lossy(&desk.once().stderr).contains("`tidegate cluster check c --retry`"));
    assert_eq!(tries(), 1);
    desk.run(&["cluster", "check", "c", "--retry"]);
    desk.once();
    assert_eq!(tries(), 2);

    // It says that it is done, and the cluster says otherwise.
    desk.write("apply.sh", "exit 0");
    desk.run(&["cluster", "approve", "c", TO]);
    desk.once();
    assert_eq!(desk.status()["failureStatus"]["type"], "NotApplied");

    // What the command prints is shown, and not obeyed, in the status and in the log.
    desk.write("apply.sh", r"printf 'etcd\033]0;TITLE\007\302\2332J' >&2; exit 3");
    desk.run(&["cluster", "approve", "c", TO]);
    let log = desk.once().stderr;
    let shown = desk.run(&["cluster", "status", "c"]);
    assert!(shown.contains(r"etcd\u001b]0;TITLE\u0007\u009b2J"), "{shown:?}");
    let shown = shown + std::str::from_utf8(&log).unwrap();
    assert!(shown.chars().all(|c| !c.is_control() || c == '\n'), "{shown:?}");

    // Later is no failure.
    desk.write("apply.sh", "echo nodes are draining >&2; exit 75");
    desk.run(&["cluster", "approve", "c", TO]);
    desk.once();
    let status = desk.status();
    assert!(status["notes"].to_string().contains("nodes are draining"), "{status}");
    desk.write("apply.sh", GOOD);
    desk.run(&["cluster", "approve", "c", TO]);
    assert!(desk.once().status.success());
    assert_eq!(desk.status()["failureStatus"], serde_json::Value::Null);
}

#[test]
fn an_agent_heeds_its_operator_while_it_applies() {
    let desk = Desk::new();
    // A child of the command, that only a signal to the group reaches.
    let slow = "echo begun >> log; trap 'echo ended >> log; exit 1' TERM; sleep 1000 & wait";
    desk.add("1.8-production", FROM, slow, &[]);
    let agent = desk.agent();
    desk.until_state("UpdateAvailable");
    assert!(desk.refused(&["cluster", "run", "c"]).contains("already running"));
    assert!(desk.refused(&["cluster", "remove", "c"]).contains("an agent is running"));
    desk.run(&["cluster", "approve", "c", TO]);
    desk.until_file("log", "begun");
    let status = desk.status();
    assert_eq!((&status["state"], status["since"].is_string()), (&"Updating".into(), true), "{status}");
    agent.hang_up();
    desk.until_file("agent.log", "continuing on SIGHUP");
    assert!(desk.run(&["cluster", "status", "c"]).contains("apply since 2"));
    desk.run(&["cluster", "pause", "c", "--reason", "the canary is ill"]);
    desk.until_file("log", "ended");
    desk.until_state("Paused");
    assert_eq!(desk.status()["pauseReason"], "the canary is ill");
    assert_eq!(desk.status()["failureStatus"], serde_json::Value::Null, "a pause is no failure");

    desk.write("apply.sh", GOOD);
    desk.run(&["cluster", "resume", "c"]);
    desk.until_state("UpToDate");
    assert_eq!(desk.read("version"), TO);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn an_agent_that_was_killed_goes_on_where_it_was() {
    let desk = Desk::new();
    desk.add(
        "1.8-production",
        FROM,
        "echo $$ > left; echo begun >> log; exec sleep 1000",
        &["--approval", "automatic"],
    );
    let agent = desk.agent();
    desk.until_file("log", "begun");
    agent.kill();
    // Nothing ends the command of a killed agent.
    super::desk::end(&desk.path("left"));
    // Nobody is at it.
    desk.until_state("Requested");
    desk.write("apply.sh", GOOD);
    // Its interval is an hour: it goes on at once because it was in the middle of something.
    let agent = desk.agent();
    desk.until_state("UpToDate");
    assert_eq!(desk.read("version"), TO);
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn verified_advice_holds_through_an_outage() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "exit 75", &["--approval", "automatic"]);
    desk.once();
    let Desk { folder, server } = desk;
    let address = server.address.clone();
    assert!(server.stop().success());
    let check = super::spawn::refused(folder.path(), &["cluster", "check", "c"]);
    assert!(check.contains("(Unreachable)") && check.contains(&address), "{check}");
    std::fs::write(folder.path().join("apply.sh"), GOOD).unwrap();
    // What was downloaded and verified before is applied.
    let once = ["cluster", "run", "c", "--once", "--output", "json"];
    let output = super::spawn::tidegate(folder.path()).args(once).output().unwrap();
    assert!(output.status.success(), "it was applied");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let status = super::spawn::run(folder.path(), &["cluster", "status", "c", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(told["current"], status["status"]["current"], "{told} {status}");
    assert_eq!(std::fs::read_to_string(folder.path().join("version")).unwrap(), TO);
}

#[test]
fn a_demo_is_refused_and_a_wrong_address_and_a_wrong_root_are_told() {
    let desk = Desk::new();
    let url = format!("http://{}", desk.server.address);
    let add = |name: &str, url: &str, root: &str| {
        let rest = ["--channel", "1.8-production", "--root", root, "--current", "echo 1.8.4-tectonic.1"];
        let arguments = [&["cluster", "add", name, "--server", url][..], &rest].concat();
        super::spawn::tidegate(desk.folder.path()).args(arguments).output().unwrap()
    };
    assert!(add("prod", &url, "root.json").status.success());
    let again = add("prod", &format!("{url}/tuf/"), "root.json");
    assert!(String::from_utf8_lossy(&again.stdout).contains("`prod` unchanged"), "{again:?}");
    let told = desk.refused(&["cluster", "check", "prod"]);
    assert!(told.contains("(DemoKeys)") && told.contains("hint: "), "{told}");
    for (url, root, words) in [
        ("ftp://example.com", "root.json", "is not the address of a server"),
        (&url, "version", "cannot read the root"),
        (&url, "serve.log", "is not a root"),
    ] {
        let output = add("other", url, root);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)) && told.contains(words), "{told}");
    }
    // Each cause is told once.
    assert!(add("away", "http://127.0.0.1:1", "root.json").status.success());
    let told = desk.refused(&["cluster", "check", "away"]);
    assert_eq!(told.matches("Connection refused").count(), 1, "{told}");
    desk.run(&["cluster", "remove", "away"]);
    let told = desk.refused(&["cluster", "status", "prdo"]);
    assert!(told.contains("there is no cluster `prdo`") && told.contains("`prod`"), "{told}");
    // The same again is nothing, other settings are asked for, and another root is another trust.
    let again = |more: &[&str], root: &str| {
        let rest = ["--channel", "1.8-production", "--root", root, "--current", "echo 1.8.4-tectonic.1"];
        let arguments = [&["cluster", "add", "prod", "--server", &url][..], &rest, more].concat();
        let output = super::spawn::tidegate(desk.folder.path()).args(arguments).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(again(&[], "root.json").contains("`prod` unchanged"));
    assert!(again(&["--demo"], "root.json").contains("`--replace`"));
    assert!(again(&["--demo", "--replace"], "root.json").contains("`prod` changed"));
    desk.run(&["cluster", "check", "prod"]);
    desk.run(&["init", "--offline-keys", "keys", "--no-encrypt"]);
    assert!(again(&["--replace"], "channels/trust/1.root.json").contains("trusts another root"));
    desk.run(&["cluster", "remove", "prod"]);
    assert_eq!(desk.json(&["cluster", "list"]), serde_json::json!([]));
}

#[test]
fn a_closed_network_takes_what_has_expired_and_tells_its_age() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, &["--stale-ok", "90d"]);
    let later = |days: i64| {
        let clock = super::memory::Stopped::at(SystemClock::new().now() + chrono::TimeDelta::days(days));
        let state = desk.path(".tidegate").display().to_string();
        let arguments = ["tidegate", "--state", &state, "cluster", "check", "c"];
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = tidegate::cli::run(arguments, clock, &mut out, &mut err).unwrap();
        let text = String::from_utf8([out, err].concat()).unwrap();
        (code == std::process::ExitCode::SUCCESS, text)
    };
    let (good, told) = later(0);
    assert!(good && told.contains("signed; they expire at "), "{told}");
    let (good, told) = later(30);
    assert!(good && told.contains("expired") && told.contains("23d ago"), "{told}");
    assert!(desk.status()["expiredSeconds"].as_u64().unwrap() > 20 * 86_400);
    let (good, told) = later(98);
    assert!(!good && told.contains("(Expired)"), "{told}");
}

#[test]
fn a_release_is_not_applied_without_a_payload_where_it_has_some() {
    let folder = tempfile::tempdir().unwrap();
    let sample = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let catalog = folder.path().join("catalog");
    let copied = std::process::Command::new("cp").arg("-r").arg(sample("channels")).arg(&catalog).status();
    assert!(copied.unwrap().success());
    let release = catalog.join(format!("1.8/{TO}.yaml"));
    let text = std::fs::read_to_string(&release).unwrap();
    std::fs::write(&release, text.replace("{ file: payload.json,", "{ file: payload.json, arch: amd64,"))
        .unwrap();
    let desk = Desk::of(folder, catalog.to_str().unwrap(), sample("payloads").to_str().unwrap());
    let apply = "echo applied >> log; printf %s \"$TIDEGATE_VERSION\" > version";
    desk.add("1.8-production", FROM, apply, &["--approval", "automatic"]);
    assert!(!desk.once().status.success());
    let failure = &desk.status()["failureStatus"];
    assert_eq!(failure["type"], "NoPayload", "{failure}");
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("unknown architecture") && reason.contains("only for `amd64`"), "{reason}");
    assert!(reason.contains("`--arch A`"), "{reason}");
    assert_eq!(desk.read("log"), "");
    let notes = desk.check()["notes"].to_string();
    assert!(notes.contains("only for `amd64`"), "{notes}");
    // Another machine goes as far as there are payloads for it.
    desk.add("1.8-production", FROM, apply, &["--approval", "automatic", "--replace", "--arch", "arm64"]);
    assert!(desk.once().status.success());
    let (check, version) = (desk.check(), desk.read("version"));
    assert!(version != FROM && version != TO, "{version}");
    let lacks = format!("`{TO}` has no payload for `arm64`, only for `amd64`");
    assert!(check["message"].as_str().unwrap().contains(&lacks), "{check}");
    assert_eq!(check["no_payload"]["version"], TO);
    desk.write("log", "");
    desk.add("1.8-production", FROM, apply, &["--approval", "automatic", "--replace", "--arch", "amd64"]);
    assert!(desk.once().status.success());
    assert_eq!((desk.read("version").as_str(), desk.read("log").as_str()), (TO, "applied\n"));
}

#[test]
fn a_download_that_a_mirror_lets_trickle_keeps_no_check_from_the_agent() {
    let desk = Desk::new();
    let (address, begun) = (desk.server.address.clone(), AtomicBool::new(false));
    let mirror = Site::new(move |request, send| {
        let Response { status, body } = get(&address, &request.path);
        let status = if status == 200 { "200 OK" } else { "404 Not Found" };
        if request.path.contains("payload.json") {
            begun.store(true, Ordering::SeqCst);
            send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
            while send(b"x") {
                std::thread::sleep(Duration::from_millis(50));
            }
        } else if request.path.ends_with("/timestamp.json") && begun.load(Ordering::SeqCst) {
            reply(send, "200 OK", &[], b"garbage");
        } else {
            reply(send, status, &[], &body);
        }
    });
    let add = ["cluster", "add", "c", "--demo", "--server", &mirror.address, "--channel", "1.8-production"];
    let rest = ["--root", "root.json", "--current", "echo 1.8.4-tectonic.1", "--apply", "echo applied > log"];
    desk.run(&[&add[..], &rest, &["--approval", "automatic", "--interval", "1s"]].concat());
    let _agent = desk.agent();
    desk.until_file("agent.log", "the download of `payload.json` was stopped");
    assert_eq!(desk.read("log"), "");
}

#[test]
fn an_agent_says_that_it_serves_no_sockets_of_a_supervisor() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, &[]);
    let mut command = tidegate(desk.folder.path());
    let output = command.args(["cluster", "run", "c", "--once"]).env("LISTEN_FDS", "1").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`LISTEN_FDS` are not served"), "{told}");
}
