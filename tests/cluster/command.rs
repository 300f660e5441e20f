//! The operator's own commands, and which payloads a cluster takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::command::{Ended, apply, current};
use tidegate::cluster::download::wanted;
use tidegate::domain::payload::{Payload, Sha256};

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

#[test]
fn a_command_prints_the_version_that_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (command, expected) in [
        ("echo 1.8.4-tectonic.1", Ok("1.8.4-tectonic.1")),
        ("printf '\\n v1.8.4+rke2r1  \\n\\n'", Ok("v1.8.4+rke2r1")),
        ("echo 1.8.4; echo 1.8.5", Err("did not print a version")),
        ("true", Err("did not print a version")),
        ("echo 1.8.4; echo no API >&2; exit 7", Err("ended with exit code 7: no API")),
        ("kill -9 $$", Err("ended with a signal")),
    ] {
        let found = current(command, folder.path(), &clock(), None);
        let found = found.map(|version| version.to_string()).map_err(|refusal| refusal.to_string());
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{command}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{command}: {found}"),
            _ => panic!("{command}: {found:?}"),
        }
    }
}

#[test]
fn the_way_a_command_ends_says_what_is_next() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        apply(command, folder.path(), &[("X", "y".to_owned())], (&clock(), None), &|| false, &|_| {}).unwrap()
    };
    assert_eq!(run("test \"$X\" = y && test ! -t 0"), Ended::Done);
    assert_eq!(run("echo later >&2; exit 75"), Ended::Later("later".to_owned()));
    assert_eq!(run("kill -9 $$"), Ended::Failed("it was killed by a signal".to_owned()));
    // Of many words the last ones count.
    let Ended::Failed(why) = run("seq 1 1000 >&2; exit 1") else { panic!() };
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[19]), (20, "it failed with exit code 1: 981", "1000"));
    // A process in the background that keeps stderr open does not delay the end of the command.
    assert_eq!(run("sleep 1000 & echo $! > background; exit 0"), Ended::Done);
    super::desk::end(&folder.path().join("background"));
}

#[test]
fn a_command_that_is_told_to_stop_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let file = folder.path().join("ended");
    // The child says when it is there, and when SIGTERM has reached it.
    let child =
        "sh -c 'trap \"echo ended > ended; exit\" TERM; echo > there; while :; do sleep 0.02; done' & wait";
    let ask = || {
        if folder.path().join("there").exists() {
            stop.store(true, Ordering::SeqCst);
        }
        stop.load(Ordering::SeqCst)
    };
    assert_eq!(apply(child, folder.path(), &[], (&clock(), None), &ask, &|_| {}).unwrap(), Ended::Stopped);
    super::spawn::eventually("ended", || if file.exists() { Ok(()) } else { Err("not yet") });
}

#[test]
fn a_cluster_takes_its_own_payloads_and_those_that_are_for_any() {
    let payload = |file: &str, arch: Option<&str>| Payload {
        file: file.to_owned(),
        sha256: Sha256::new([0; 32]),
        size: 1,
        arch: arch.map(str::to_owned),
    };
    let version = "1.8.9".parse().unwrap();
    let all = [payload("any", None), payload("a", Some("amd64")), payload("b", Some("arm64"))];
    for (arch, expected) in
        [(Some("amd64"), vec!["any", "a"]), (Some("s390x"), vec!["any"]), (None, vec!["any"])]
    {
        let wanted = wanted(&version, &all, arch).unwrap();
        let files: Vec<&str> = wanted.iter().map(|payload| payload.file.as_str()).collect();
        assert_eq!(files, expected, "{arch:?}");
    }
}
