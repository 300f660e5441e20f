//! A server whose online key is with a KMS.

use std::fs;

use crate::place::Place;

#[test]
fn a_command_signs_in_the_place_of_the_online_key_and_its_failure_is_told() {
    let place = Place::with(&["1.8.1"]);
    place.run(&["key", "public", ".tidegate/keys/online.pem", "--out", "online.pub.pem"]);
    fs::create_dir(place.path("kms")).unwrap();
    fs::rename(place.path(".tidegate/keys/online.pem"), place.path("kms/online.pem")).unwrap();
    let tool =
        "cat > kms/message; openssl pkeyutl -sign -inkey kms/online.pem -rawin -in kms/message | base64";
    let server =
        crate::spawn::Server::ready(place.dir(), &["--online-key", "online.pub.pem", "--sign-with", tool]);
    server.until_latest("1.8-production", "1.8.1");

    fs::rename(place.path("kms/online.pem"), place.path("kms/away.pem")).unwrap();
    place.run(&["channel", "pause", "1.8-production", "--reason", "datacentre move"]);
    server.until_degraded(&["signing_failing"], "failed");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
    fs::rename(place.path("kms/away.pem"), place.path("kms/online.pem")).unwrap();
    server.until_degraded(&[], "");
    assert_eq!(server.json("/v1/channels/1.8-production")["signed"]["paused"]["reason"], "datacentre move");
}
