//! What becomes of an update: one command at a time, and what fails is told.

use super::desk::Desk;
use super::spawn::tidegate;

const FROM: &str = "v1.8.4-tectonic.1";
const TO: &str = "1.8.9-tectonic.4";
const GOOD: &str = "echo applied >> log; printf %s \"$TIDEGATE_VERSION\" > version";
const AUTOMATIC: &[&str] = &["--approval", "automatic"];

/// A desk whose agent was killed while its command runs on, until there is a file `go`.
fn orphaned(apply: &str) -> Desk {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, &format!("echo begun >> log; {apply}"), AUTOMATIC);
    let agent = desk.agent();
    desk.until_file("log", "begun");
    agent.kill();
    desk
}

#[test]
fn a_command_whose_agent_was_killed_is_waited_for_and_never_runs_twice() {
    let desk = orphaned(&format!("while [ ! -e go ]; do sleep 0.05; done; {GOOD}"));
    let status = desk.status();
    assert_eq!((&status["state"], &status["running"]), (&"Updating".into(), &false.into()), "{status}");
    assert!(status["notes"].to_string().contains("is still running"), "{status}");
    assert!(desk.refused(&["cluster", "remove", "c"]).contains("tidegate cluster pause c"));
    let agent = desk.agent();
    desk.until_file("agent.log", "waiting for the `--apply` of an agent that was killed");
    assert_eq!(desk.read("log"), "begun\n");
    desk.write("go", "");
    desk.until_state("UpToDate");
    assert_eq!((desk.read("version").as_str(), desk.read("log").as_str()), (TO, "begun\napplied\n"));
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_pause_stops_a_command_whose_agent_was_killed_and_says_so() {
    let desk = orphaned("trap 'echo ended >> log; exit 1' TERM; sleep 1000 & wait");
    let pause = ["cluster", "pause", "c"];
    let output = tidegate(desk.folder.path()).args(pause).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("stopping the `--apply`"), "{told}");
    assert_eq!(desk.read("log"), "begun\nended\n");
    assert_eq!(desk.status()["state"], "Paused");
    // An agent that waits for such a command does the same.
    desk.run(&["cluster", "resume", "c"]);
    let agent = desk.agent();
    desk.until_file("log", "ended\nbegun");
    agent.kill();
    let agent = desk.agent();
    desk.until_file("agent.log", "waiting for the `--apply`");
    desk.run(&pause);
    desk.until_state("Paused");
    assert_eq!(desk.read("log"), "begun\nended\nbegun\nended\n");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn what_is_left_of_a_stopped_command_is_waited_for() {
    let desk = Desk::new();
    // The installer leaves the process group of the command, so it outlives the command.
    let installer = "trap 'echo stopped >> log; exit 1' TERM; echo begun >> log; until [ -e go ]; do sleep 0.05; done; echo ended >> log";
    let apply = format!("setsid -w sh -c \"{installer}\" > /dev/null 2>&1; exit 1");
    desk.add("1.8-production", FROM, &apply, AUTOMATIC);
    let agent = desk.agent();
    desk.until_file("log", "begun");
    // A pause ends that too.
    desk.run(&["cluster", "pause", "c"]);
    desk.until_file("log", "stopped");
    desk.run(&["cluster", "resume", "c"]);
    desk.until_file("log", "begun\nstopped\nbegun");
    // An agent that ends stops the command alone.
    assert_eq!(agent.stop(), Some(0));
    desk.write("agent.log", "");
    let agent = desk.agent();
    desk.until_file("agent.log", "waiting for the `--apply`");
    assert_eq!(desk.read("log"), "begun\nstopped\nbegun\n");
    desk.write("go", "");
    desk.until_file("log", "begun\nstopped\nbegun\nended\nbegun");
    agent.kill();
}

#[test]
fn a_service_that_a_command_leaves_behind_holds_up_nothing() {
    let desk = Desk::new();
    let apply = format!("sleep 1000 > /dev/null 2>&1 & echo $! > left; {GOOD}");
    desk.add("1.8-production", FROM, &apply, AUTOMATIC);
    assert!(desk.once().status.success());
    assert!(desk.once().status.success());
    assert_eq!((desk.read("version").as_str(), desk.status()["state"].as_str()), (TO, Some("UpToDate")));
    super::desk::end(&desk.path("left"));
}

#[test]
fn a_run_that_has_applied_a_release_ends_well_though_the_next_check_fails() {
    let desk = Desk::new();
    let apply = format!("{GOOD}; kill -9 {}", desk.server.id());
    desk.add("1.8-production", FROM, &apply, AUTOMATIC);
    let output = desk.once();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((desk.read("version").as_str(), desk.read("log").as_str()), (TO, "applied\n"));
    assert!(desk.status()["notes"].to_string().contains("cannot fetch"), "{}", desk.status());
    // The next one has nothing to do but to check, and cannot.
    assert_eq!(desk.once().status.code(), Some(1));
}

#[test]
fn a_release_that_the_cluster_falls_back_from_is_left_alone_until_somebody_retries_it() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, AUTOMATIC);
    assert!(desk.once().status.success());
    for _ in 0..2 {
        desk.write("version", FROM);
        let output = desk.once();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains("tidegate cluster check c --retry"), "{told}");
        assert_eq!(desk.read("log"), "applied\n");
    }
    let status = desk.status();
    assert_eq!((&status["state"], &status["failureStatus"]["type"]), (&"Failed".into(), &"FellBack".into()));
    let body = desk.check();
    assert_eq!(body["failure"]["version"], TO, "{body}");
    assert!(body["notes"].to_string().contains("FellBack"), "{body}");
    let retried = desk.json(&["cluster", "check", "c", "--retry"]);
    assert_eq!(retried["failure"], serde_json::Value::Null, "{retried}");
    assert!(desk.once().status.success());
    assert_eq!((desk.read("version").as_str(), desk.read("log").as_str()), (TO, "applied\napplied\n"));
}

#[test]
fn an_approval_is_good_for_one_update() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, &[]);
    desk.check();
    desk.run(&["cluster", "approve", "c", TO]);
    assert!(desk.once().status.success());
    desk.write("version", FROM);
    desk.run(&["cluster", "check", "c", "--retry"]);
    desk.once();
    assert_eq!((desk.read("version").as_str(), desk.read("log").as_str()), (FROM, "applied\n"));
    desk.run(&["cluster", "approve", "c", TO]);
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), TO);
}

#[test]
fn an_update_that_takes_the_agent_down_each_time_has_failed() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "echo begun >> log; kill -9 $PPID", AUTOMATIC);
    for _ in 0..2 {
        assert_eq!(desk.once().status.code(), None, "it was killed");
    }
    for _ in 0..2 {
        assert_eq!(desk.once().status.code(), Some(1));
        assert_eq!(desk.status()["failureStatus"]["type"], "Interrupted");
    }
    assert_eq!(desk.read("log"), "begun\nbegun\n");
    desk.write("apply.sh", GOOD);
    desk.run(&["cluster", "check", "c", "--retry"]);
    assert!(desk.once().status.success());
    assert_eq!(desk.read("version"), TO);
}

#[test]
fn a_command_that_takes_too_long_is_stopped_and_has_failed() {
    let desk = Desk::new();
    let apply = "echo begun >> log; trap 'echo stopped >> log; echo drained nothing >&2; exit 1' TERM; sleep 1000 & wait";
    desk.add("1.8-production", FROM, apply, &[AUTOMATIC, &["--apply-timeout", "1s"]].concat());
    assert_eq!(desk.once().status.code(), Some(1));
    let failure = desk.status()["failureStatus"].clone();
    assert_eq!(failure["type"], "ApplyTimedOut");
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("`--apply-timeout 1s`") && reason.contains("drained nothing"), "{reason}");
    // The next look does not start it again at once.
    assert_eq!(desk.once().status.code(), Some(1));
    assert_eq!(
        (desk.status()["state"].clone(), desk.read("log").as_str()),
        ("Failed".into(), "begun\nstopped\n")
    );
}

#[test]
fn a_command_whose_agent_was_killed_is_stopped_as_well_when_it_takes_too_long() {
    let desk = Desk::new();
    let apply = "echo begun >> log; trap 'echo stopped >> log; exit 1' TERM; sleep 1000 & wait";
    desk.add("1.8-production", FROM, apply, AUTOMATIC);
    let agent = desk.agent();
    desk.until_file("log", "begun");
    assert!(desk.status()["since"].as_str().is_some(), "{}", desk.status());
    agent.kill();
    let limited = ["--replace", "--apply-timeout", "1s"];
    desk.add("1.8-production", FROM, apply, &[AUTOMATIC, &limited].concat());
    let agent = desk.agent();
    desk.until_state("Failed");
    assert_eq!(desk.status()["failureStatus"]["type"], "ApplyTimedOut");
    assert_eq!(desk.read("log"), "begun\nstopped\n");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn an_update_that_does_not_fit_on_the_disk_fails_and_leaves_nothing_behind() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, AUTOMATIC);
    desk.check();
    // A part that an earlier run has downloaded.
    let state = desk.path(".tidegate/clusters/c");
    let downloads = state.join("downloads").join(TO);
    std::fs::create_dir_all(&downloads).unwrap();
    std::fs::write(downloads.join(".payload.json.part"), "{").unwrap();
    // A full disk: a file system that has just the space for what is there.
    let script = format!(
        "mkdir disk && mount -t tmpfs -o size=300k none disk && cp -r '{0}/.' disk/ && mount --bind disk '{0}' && \
         head -c 300000 /dev/zero > disk/others; \"$0\" cluster run c --once; code=$?; rm disk/others; cp disk/cluster.json .; ls disk/downloads; exit $code",
        state.display()
    );
    let output = std::process::Command::new("unshare")
        .args(["-rm", "sh", "-c", &script, env!("CARGO_BIN_EXE_tidegate")])
        .current_dir(desk.folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("unshare failed") {
        return println!("no file system can be made here: {told}");
    }
    assert_eq!(output.status.code(), Some(1), "{told}");
    let record: serde_json::Value = serde_json::from_str(&desk.read("cluster.json")).unwrap();
    let trouble = &record["record"]["trouble"];
    assert_eq!(trouble["type"], "NoSpace", "{record} {told}");
    assert!(trouble["reason"].as_str().unwrap().contains("`payload.json`"), "{trouble}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "no downloads are left");
}

#[test]
fn a_failure_of_a_release_that_is_no_longer_advised_can_be_settled() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "exit 1", AUTOMATIC);
    assert!(!desk.once().status.success());
    desk.run(&["cluster", "follow", "c", "1.7-production"]);
    assert_eq!(desk.status()["state"], "Failed");
    desk.run(&["cluster", "check", "c", "--retry"]);
    desk.run(&["cluster", "check", "c"]);
    let status = desk.status();
    assert_eq!((&status["state"], &status["failureStatus"]), (&"UpToDate".into(), &serde_json::Value::Null));
}

#[test]
fn a_check_tells_of_a_pause() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, AUTOMATIC);
    desk.run(&["cluster", "pause", "c", "--reason", "the canary is ill"]);
    let body = desk.check();
    assert_eq!(body["paused"]["reason"], "the canary is ill", "{body}");
    let told = desk.run(&["cluster", "check", "c"]);
    assert!(told.contains("the canary is ill; to resume them: `tidegate cluster resume c`"), "{told}");
    desk.run(&["cluster", "resume", "c"]);
    assert_eq!(desk.check()["notes"], serde_json::json!([]));
}

#[test]
fn a_run_that_applies_nothing_says_what_it_waits_for() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, GOOD, &[]);
    let told = || {
        let run = desk.once();
        assert!(run.status.success());
        String::from_utf8(run.stderr).unwrap()
    };
    let (unapproved, paused) =
        ("is not approved; to approve it: `tidegate cluster approve c ", "updates are paused");
    let said = told();
    assert!(said.contains(unapproved) && !said.contains(paused), "{said}");
    desk.run(&["cluster", "pause", "c", "--reason", "the canary is ill"]);
    let said = told();
    assert!(said.contains(paused) && said.contains(unapproved), "{said}");
}
