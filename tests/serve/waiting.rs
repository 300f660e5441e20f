//! A release that is signed and that a freeze keeps out of its first stage.

use std::fs;

use crate::place::{Place, edit};
use crate::spawn::{Server, eventually, run, tidegate};

/// Where `1.8.2` was signed while a freeze is on.
fn frozen() -> Place {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let line = place.path("channels/1.8/line.yaml");
    let text = fs::read_to_string(&line).unwrap();
    let freeze = "freezes:\n  - { from: 2018-01-01T00:00:00Z, until: 2999-01-01T00:00:00Z, reason: audit }\n";
    fs::write(&line, text + freeze).unwrap();
    place
}

#[test]
fn what_waits_breaks_no_verification_of_server_export_or_mirror() {
    let place = frozen();
    let server = place.serve();
    place.add("1.8.2");
    place.sign();
    eventually("signed and waiting", || match server.json("/v1/releases/1.8.2")["kind"].as_str() {
        Some("waiting_release") => Ok(()),
        kind => Err(format!("{kind:?}")),
    });
    let told = server.json("/v1/releases/1.8.2");
    assert_eq!(told["detail"], "release `1.8.2` is signed, but no channel offers it yet");
    assert_eq!(server.get("/v1/payloads/1.8.2/payload.json").status, 404);
    assert_eq!(server.latest("1.8-preproduction"), "1.8.1");

    let url = format!("http://{}", server.address);
    let root = place.path("channels/trust/1.root.json").display().to_string();
    for from in [url.as_str(), "mirror"] {
        place.run(&["export", "mirror"]);
        let told = place.run(&["verify", "--from", from]);
        assert!(told.contains("payloads  3 with valid digests"), "{from}: {told}");
    }

    let closed = tempfile::tempdir().unwrap();
    let stick = place.path("mirror").display().to_string();
    run(closed.path(), &["import", &stick, "--root", &root]);
    let mirror = Server::ready(closed.path(), &["--mirror"]);
    let mirrored = format!("http://{}", mirror.address);
    let told = run(closed.path(), &["verify", "--from", &mirrored, "--root", &root]);
    assert!(told.contains("payloads  3 with valid digests"), "{told}");
    assert_eq!(mirror.get("/v1/releases/1.8.2").status, 404);
    assert_eq!(mirror.get("/v1/payloads/1.8.2/payload.json").status, 404);

    // State that was lost is taken up with it.
    assert!(server.stop().success());
    fs::remove_dir_all(place.path(".tidegate/payloads")).unwrap();
    for name in ["publication", "version"] {
        fs::remove_file(place.path(".tidegate").join(name)).unwrap();
    }
    fs::remove_dir_all(place.path(".tidegate/segments")).unwrap();
    place.run(&["recover", "--from", "mirror"]);
    let server = place.serve();
    let url = format!("http://{}", server.address);
    eventually("all of it is served again", || {
        let output = tidegate(place.dir()).args(["verify", "--from", &url]).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
    });
    // And what came after the freeze is offered.
    edit(&place.path("channels/1.8/line.yaml"), "2999", "2019");
    let freeze = "freeze/1.8/2018-01-01T00:00:00Z";
    place.run(&["catalog", "loosen", freeze, "--reason", "the audit is over"]);
    server.until_latest("1.8-preproduction", "1.8.2");
    assert_eq!(server.get("/v1/payloads/1.8.2/payload.json").status, 200);
}

#[test]
fn a_payload_that_is_missing_of_a_release_in_no_channel_is_told_and_is_no_fault() {
    let place = frozen();
    place.add("1.8.2");
    place.sign();
    fs::remove_file(place.path("payloads/1.8.2/payload.json")).unwrap();
    let _server = place.serve();
    place.run(&["export", "mirror"]);
    let told = place.run(&["verify", "--from", "mirror"]);
    assert!(told.contains("missing, but needed by no channel: payload.1.8.2.payload.json"), "{told}");
    let told = place.run(&["verify", "--from", "mirror", "--manifests-only"]);
    assert!(told.contains("not verified"), "{told}");
}
