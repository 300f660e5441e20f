//! `verify`.

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn what_is_here_is_verified_and_tampering_shows() {
    let desk = Desk::with_keys();
    desk.release("1.8.4", "");
    desk.release("1.8.5", "");
    desk.done(&["release", "sign", "1.8.4", "--key", "keys/release.pem"]);
    assert_snapshot!("verify", desk.run(&["verify"]));
    assert_snapshot!("verify_expired", desk.run(&["verify", "--at", "2100-01-01T00:00:00Z"]));
    desk.write("payloads/1.8.4/payload.json", "{\"version\":\"1.8.6\"}\n");
    desk.edit("payloads/1.8.4/release.json", "1.8.4", "1.8.6");
    assert_snapshot!("verify_tampered", desk.run(&["verify"]));
    assert_snapshot!("verify_no_keys", Desk::new().run(&["verify"]));
}

#[test]
fn what_is_elsewhere_must_be_a_repository() {
    let desk = Desk::with_keys();
    assert_snapshot!("verify_no_repository", desk.run(&["verify", "--from", "nowhere"]));
    assert_snapshot!("verify_nobody_listens", Desk::empty().run(&["verify", "--from", "http://127.0.0.1:9"]));
    assert_snapshot!("verify_https", desk.run(&["verify", "--from", "https://example.com"]));
}
