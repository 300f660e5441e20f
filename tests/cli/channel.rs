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
