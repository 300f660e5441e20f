//! `channel`.

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn a_channel_is_paused_and_resumed() {
    let desk = Desk::new();
    let pause = |reason: &str| desk.run(&["channel", "pause", "1.8-Production", "--reason", reason]);
    assert_snapshot!("pause", pause("slow nodes"));
    assert_snapshot!("pause_same", pause("slow nodes"));
    assert_snapshot!("pause_other", pause("something else"));
    assert_snapshot!(
        "resume_channel",
        desk.run(&["channel", "resume", "1.8-production", "--reason", "fixed"])
    );
    assert_snapshot!(
        "resume_channel_again",
        desk.run(&["channel", "resume", "1.8-production", "--reason", "fixed"])
    );
    let line = desk.read("channels/1.8/line.yaml");
    assert!(line.contains("resumed:\n  production: [{ from: "), "{line}");
    assert!(line.contains(", by: ada, reason: fixed }]"), "{line}");
    assert_snapshot!("unknown_channel", desk.run(&["channel", "show", "1.8-prodcution"]));
}

#[test]
fn channels_are_json_too() {
    let desk = Desk::new();
    desk.release("1.8.4", "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n");
    let at = ["--at", "2018-01-02T00:00:00Z", "--output", "json"];
    assert_snapshot!("channel_list_json", desk.run(&[&["channel", "list"][..], &at].concat()));
    assert_snapshot!(
        "channel_show_json",
        desk.run(&[&["channel", "show", "1.8-preproduction"][..], &at].concat())
    );
}

#[test]
fn a_stop_is_written_while_git_is_at_work_and_nothing_else_is() {
    let desk = Desk::new();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(desk.path(".")).args(["-c", "user.name=ada", "-c", "user.email=ada@example.com"]);
        git.args(arguments).output().unwrap().status.success()
    };
    let stages = "stages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }\n";
    for version in ["1.8.3", "1.8.4", "1.8.5"] {
        desk.release(version, stages);
    }
    assert!(git(&["init", "-q", "-b", "main"]) && git(&["add", "-A"]) && git(&["commit", "-qm", "base"]));
    let stop = || {
        for stop in [
            &["release", "hold", "1.8.4"][..],
            &["release", "yank", "1.8.5"],
            &["channel", "pause", "1.8-preproduction"],
        ] {
            let told = desk.run(&[stop, &["--reason", "etcd"]].concat());
            assert!(told.contains("exit 0") && told.contains("git is working on the catalog"), "{told}");
        }
        for other in [
            &["release", "resume", "1.8.4", "--reason", "x"][..],
            &["catalog", "loosen", "hold/1.8.4", "--reason", "x"],
            &["promote"],
        ] {
            let told = desk.run(other);
            assert!(told.contains("exit 1") && told.contains("git is working on the catalog"), "{told}");
        }
    };
    let is_stopped = || {
        desk.read("channels/1.8/1.8.4.yaml").contains("hold:")
            && desk.read("channels/1.8/1.8.5.yaml").contains("yank:")
            && desk.read("channels/1.8/line.yaml").contains("paused:")
    };

    // A git that was killed left this behind.
    desk.write(".git/index.lock", "");
    stop();
    std::fs::remove_file(desk.path(".git/index.lock")).unwrap();
    assert!(is_stopped() && git(&["checkout", "-q", "."]));

    // A merge that changes 1.8.4 and has a conflict elsewhere.
    desk.write("notes", "ours");
    assert!(git(&["add", "-A"]) && git(&["commit", "-qm", "ours"]));
    assert!(git(&["checkout", "-qb", "theirs", "HEAD~1"]));
    desk.write("notes", "theirs");
    desk.edit("channels/1.8/1.8.4.yaml", "format: 1\n", "format: 1\nsummary: theirs\n");
    assert!(git(&["add", "-A"]) && git(&["commit", "-qm", "theirs"]) && git(&["checkout", "-q", "main"]));
    assert!(!git(&["merge", "theirs"]), "there is a conflict");
    stop();
    assert!(!git(&["merge", "--abort"]), "git keeps what it does not know");
    assert!(is_stopped());
    desk.write("notes", "both");
    assert!(git(&["add", "notes"]) && git(&["commit", "-qm", "merge"]));
    assert!(is_stopped() && desk.read("channels/1.8/1.8.4.yaml").contains("summary: theirs"));
    desk.done(&["release", "resume", "1.8.4", "--reason", "git is done"]);
}
