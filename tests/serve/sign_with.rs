//! A server whose online key is with a KMS.

use std::fs;

use crate::place::Place;
use crate::spawn::{Server, eventually};

#[test]
fn a_command_signs_in_the_place_of_the_online_key_and_its_failure_is_told() {
    let place = Place::with(&["1.8.1"]);
    place.run(&["key", "public", ".tidegate/keys/online.pem", "--out", "online.pub.pem"]);
    fs::create_dir(place.path("kms")).unwrap();
    fs::rename(place.path(".tidegate/keys/online.pem"), place.path("kms/online.pem")).unwrap();
    let tool =
        "cat > kms/message; openssl pkeyutl -sign -inkey kms/online.pem -rawin -in kms/message | base64";
    let server = Server::ready(place.dir(), &["--online-key", "online.pub.pem", "--sign-with", tool]);
    server.until_latest("1.8-production", "1.8.1");

    fs::rename(place.path("kms/online.pem"), place.path("kms/away.pem")).unwrap();
    place.run(&["channel", "pause", "1.8-production", "--reason", "datacentre move"]);
    server.until_degraded(&["signing_failing"], "failed");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
    fs::rename(place.path("kms/away.pem"), place.path("kms/online.pem")).unwrap();
    server.until_degraded(&[], "");
    assert_eq!(server.json("/v1/channels/1.8-production")["signed"]["paused"]["reason"], "datacentre move");
}

#[test]
fn a_signing_command_that_hangs_does_not_keep_the_server_from_stopping() {
    let place = Place::with(&["1.8.1"]);
    place.run(&["key", "public", ".tidegate/keys/online.pem", "--out", "online.pub.pem"]);
    let hangs = "echo $$ > signing.new; mv signing.new signing; exec sleep 600";
    let server = Server::start(place.dir(), &["--online-key", "online.pub.pem", "--sign-with", hangs]);
    eventually("it asks for a signature", || fs::read_to_string(place.path("signing")).map(drop));
    assert!(server.stop().success());
    let pid = fs::read_to_string(place.path("signing")).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // Nothing is left half-written.
    assert_eq!(place.serve().latest("1.8-production"), "1.8.1");
}
