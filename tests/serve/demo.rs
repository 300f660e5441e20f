//! `tidegate serve --demo` with the sample catalog.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::place::Place;
use crate::spawn::{Server, eventually, tidegate};

fn demo() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let sample =
        |name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).into_os_string().into_string().unwrap();
    let (catalog, payloads) = (sample("channels"), sample("payloads"));
    let server = Server::ready(folder.path(), &["--demo", "--catalog", &catalog, "--payloads", &payloads]);
    (folder, server)
}

/// Runs a tool; one that is missing fails the test, since a check that did not run proves nothing.
fn tool(name: &str, arguments: &[&str], input: &[u8]) -> Output {
    let child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|e| panic!("install `{name}` to run this test: {e}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_demo_answers_as_the_sample_catalog_says() {
    let (_folder, server) = demo();
    // (channel, asking, action, code, what it is told of)
    for (channel, asking, action, code, told) in [
        ("1.8-production", "1.7.9-tectonic.3", "blocked", "minor_gate", "take 1.7.14-tectonic.2"),
        ("1.8-production", "1.7.14-tectonic.2", "update", "next_line", "target 1.8.9-tectonic.4"),
        ("1.8-production", "1.8.4-tectonic.1", "update", "latest", "target 1.8.9-tectonic.4"),
        ("1.8-production", "v1.8.4-tectonic.1", "update", "latest", "target 1.8.9-tectonic.4"),
        ("tectonic-1.8-production", "1.8.4-tectonic.1", "update", "latest", "target 1.8.9-tectonic.4"),
        ("1.8-production", "1.8.9-tectonic.4", "none", "up_to_date", ""),
        ("1.8-production", "1.9.6-tectonic.3", "none", "ahead", ""),
        ("1.7-production", "1.7.5-tectonic.1-rc.5", "update", "latest", "target 1.7.14-tectonic.2"),
        ("1.7-production", "1.7.14-tectonic.99", "none", "unknown_version", ""),
        ("1.10-production", "1.10.0-demo.1", "none", "up_to_date", ""),
    ] {
        let answer = server.update(channel, asking);
        let case = format!("{asking} asks {channel}: {answer}");
        assert_eq!(
            (answer["action"].as_str(), answer["code"].as_str()),
            (Some(action), Some(code)),
            "{case}"
        );
        for field in ["take", "target"] {
            let expected = told.strip_prefix(field).map(str::trim);
            assert_eq!(answer[field]["version"].as_str(), expected, "{case}");
        }
    }
    let unknown = server.get("/v1/channels/1.11-production/update?version=1.8.4");
    assert_eq!((unknown.status, unknown.json()["kind"].as_str()), (404, Some("unknown_channel")));
}

#[test]
fn something_soaks_is_held_and_is_due_today_and_comes_in_its_second() {
    let (_folder, server) = demo();
    let promotions = server.json("/v1/promotions");
    let of = |version: &str| {
        let all = promotions["promotions"].as_array().unwrap();
        all.iter()
            .find(|one| one["version"] == version)
            .unwrap_or_else(|| panic!("{version}: {promotions}"))
            .clone()
    };
    let gate = |version: &str, name: &str| {
        let decision = of(version);
        let gates = decision["gates"].as_array().unwrap();
        gates.iter().find(|gate| gate["gate"] == name).unwrap()["state"].clone()
    };
    let due = of("1.10.1-demo.1")["until"].clone();
    assert_eq!(
        (gate("1.10.1-demo.1", "soak"), gate("1.10.3-demo.1", "soak")),
        ("waits".into(), "waits".into())
    );
    assert_eq!(
        (of("1.10.2-demo.1")["verdict"].clone(), gate("1.10.2-demo.1", "hold")),
        ("blocked".into(), "blocks".into())
    );

    // It comes due a minute after the start. What a machine does under load is its own matter: the
    // entry bears the time of the run that made it, which is never before.
    eventually("1.10.1-demo.1 in production", || {
        let manifest = server.json("/v1/channels/1.10-production");
        if manifest["signed"]["latest"] == "1.10.1-demo.1" { Ok(()) } else { Err(manifest) }
    });
    let manifest = server.json("/v1/channels/1.10-production");
    let entered =
        manifest["signed"]["releases"].as_array().unwrap().iter().find(|r| r["version"] == "1.10.1-demo.1");
    assert!(entered.unwrap()["since"].as_str() >= due.as_str(), "{manifest}");
    assert_eq!(server.update("1.10-production", "1.10.0-demo.1")["target"]["version"], "1.10.1-demo.1");
}

#[test]
fn jq_and_openssl_verify_the_channel_manifest_with_the_key_of_the_root() {
    let (folder, server) = demo();
    let root = server.json("/tuf/metadata/1.root.json")["signed"].clone();
    let document = server.get("/v1/channels/1.8-production");
    let manifest = document.json();
    let key = manifest["signatures"][0]["keyid"].as_str().unwrap();
    assert_eq!(root["roles"]["timestamp"]["keyids"][0], key, "the online key signs channels");
    let public = root["keys"][key]["keyval"]["public"].as_str().unwrap();

    let file = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    // RFC 8410: what stands before the 32 bytes of an Ed25519 key to make it a DER document.
    let der = hex::decode(format!("302a300506032b6570032100{public}")).unwrap();
    std::fs::write(file("key.der"), der).unwrap();
    let pem = tool(
        "openssl",
        &["pkey", "-pubin", "-inform", "DER", "-in", &file("key.der"), "-out", &file("key.pem")],
        b"",
    );
    assert!(pem.status.success(), "{pem:?}");
    let signed = tool("jq", &["-cjS", ".signed"], &document.body);
    std::fs::write(file("signed"), &signed.stdout).unwrap();
    let signature = hex::decode(manifest["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    std::fs::write(file("sig"), signature).unwrap();
    let verify = || {
        tool(
            "openssl",
            &[
                "pkeyutl",
                "-verify",
                "-rawin",
                "-pubin",
                "-inkey",
                &file("key.pem"),
                "-in",
                &file("signed"),
                "-sigfile",
                &file("sig"),
            ],
            b"",
        )
    };
    let good = verify();
    assert!(String::from_utf8_lossy(&good.stdout).contains("Verified Successfully"), "{good:?}");
    let changed = String::from_utf8(signed.stdout).unwrap().replace("1.8.9-tectonic.4", "1.8.9-tectonic.5");
    std::fs::write(file("signed"), changed).unwrap();
    assert!(!verify().status.success());
}

#[test]
fn the_remedies_of_a_demo_can_be_pasted() {
    let (folder, server) = demo();
    let explained = |version: &str| server.json(&format!("/v1/releases/{version}/explain"));
    for (version, kinds, state) in [
        ("1.10.2-demo.1", &["resume"][..], "due"),
        ("1.10.3-demo.1", &["bring_forward", "promote_early", "hold"], "promoted"),
    ] {
        let remedies = explained(version)["commands"].as_array().unwrap().clone();
        let shown: Vec<&str> = remedies.iter().map(|remedy| remedy["remedy"].as_str().unwrap()).collect();
        assert_eq!(shown, kinds);
        for remedy in &remedies {
            let command = remedy["command"].as_str().unwrap();
            // The command line printed the same, to whoever asks it about the demo's folders.
            let ask =
                format!("tidegate explain {version} {}", &command[command.find("--catalog").unwrap()..]);
            let printed = paste(folder.path(), &ask);
            assert!(printed.contains(&format!("`{command}`")), "{command}: {printed}");
        }
        for remedy in remedies.iter().filter(|remedy| remedy["remedy"] != "hold") {
            let filled = remedy["command"].as_str().unwrap().replace("TEXT", "because");
            let filled = filled.replace("=TIME", "=2018-01-01T00:00:00Z");
            paste(folder.path(), &filled.replace("FILE", ".tidegate/demo/offline-keys/release.pem"));
        }
        eventually(version, || {
            let found = explained(version)["state"].clone();
            // What is due is promoted soon.
            if found == state || found == "promoted" { Ok(()) } else { Err(found) }
        });
    }
}

/// Runs a command as a shell does, and gives what it printed.
fn paste(folder: &Path, command: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap().display().to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("PATH={bin}:$PATH; {command}")]).current_dir(folder);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn everything_signed_for_a_demo_says_so() {
    let (_folder, server) = demo();
    for path in ["/v1/channels/1.8-production", "/v1/releases/1.8.9-tectonic.4"] {
        assert_eq!(server.json(path)["signed"]["demo"], true, "{path}");
    }
    assert_eq!(server.json("/readyz")["publication"]["demo"], true);
}

#[test]
fn the_demo_of_ones_own_catalog_proposes_what_is_there() {
    let place = Place::with(&["1.8.1"]);
    let mut demo = tidegate(place.dir())
        .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = String::new();
    for line in lines {
        told.push_str(&line);
        told.push('\n');
        if line.starts_with("  tidegate explain") {
            break;
        }
    }
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(told.contains("/v1/channels/1.8-production/update?version=1.8.1'"), "{told}");
    assert!(told.contains("/v1/releases/1.10.2-demo.1/explain"), "{told}");
    assert!(!told.contains("tectonic"), "{told}");
}
