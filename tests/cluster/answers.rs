//! What a cluster works out, against what the server says.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chrono::TimeDelta;
use tidegate::clock::{Clock as _, SharedClock, SystemClock};
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::http::Server;
use tidegate::cluster::{Client, Options};
use tidegate::domain::rfc3339;
use tidegate::domain::version::Version;
use tidegate::formats::api::UpdateBody;
use tidegate::formats::tuf::Target;
use tidegate::words::{self, Ask};

use super::desk::Desk;

/// The line that the demo would add otherwise, with a release that soaks for days: in the demo's own line, one is
/// promoted a minute after the start, perhaps in the middle of a test.
const SOAKING: &str = "1.10";

/// The demo of the sample, with a line in which nothing is promoted soon.
fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["channels", "payloads"] {
        let copied = Command::new("cp").arg("-r").arg(sample.join(name)).arg(folder.path()).status();
        assert!(copied.unwrap().success());
    }
    let [channels, payloads] = ["channels", "payloads"].map(|name| folder.path().join(name));
    let line = channels.join(SOAKING);
    fs::create_dir(&line).unwrap();
    let text = format!("format: 1\nline: \"{SOAKING}\"\nfollows: {{ line: \"1.9\", grace: 0d }}\n");
    fs::write(line.join("line.yaml"), text).unwrap();
    let now = SystemClock::new().now();
    let both = &[", arch: amd64", ", arch: arm64"][..];
    for (version, days, arches) in [
        ("1.10.0-demo.1", &[40, 20][..], both),
        ("1.10.0-demo.2", &[39, 19], &both[..1]),
        ("1.10.1-demo.1", &[5], &[""]),
    ] {
        fs::create_dir(payloads.join(version)).unwrap();
        let mut listed = String::new();
        for (number, arch) in arches.iter().enumerate() {
            let (file, payload) = (format!("{number}.json"), format!("{version} {number}"));
            fs::write(payloads.join(version).join(&file), &payload).unwrap();
            let Target { hashes, length } = Target::of(payload.as_bytes());
            let sha256 = hashes.sha256;
            writeln!(listed, "  - {{ file: {file}, sha256: {sha256}, size: {length}{arch} }}").unwrap();
        }
        let stages = ["preproduction", "production"].into_iter().zip(days).map(|(stage, days)| {
            let since = rfc3339(now - TimeDelta::days(*days));
            format!("  {stage}: {{ since: {since}, by: schedule }}\n")
        });
        let stages: String = stages.collect();
        let text = format!("format: 1\nversion: {version}\npayloads:\n{listed}stages:\n{stages}");
        fs::write(line.join(format!("{version}.yaml")), text).unwrap();
    }
    let [channels, payloads] = [channels, payloads].map(|path| path.into_os_string().into_string().unwrap());
    Desk::of(folder, &channels, &payloads)
}

#[test]
fn every_version_and_architecture_gets_the_servers_answer_in_every_channel() {
    let desk = desk();
    let clock: SharedClock = Arc::new(SystemClock::new());
    let address = format!("http://{}", desk.server.address);
    let server =
        Arc::new(Server::new(&address.parse().unwrap(), None, Pace::default(), Arc::clone(&clock)).unwrap());
    let root = bytes::Bytes::from(fs::read(desk.path("root.json")).unwrap());
    let options = Options { demo: true, ..Options::default() };
    let memory = desk.path("memory");
    fs::create_dir(&memory).unwrap();
    let client = Client::new(&memory, root, server, clock, options);

    let promotions = desk.server.json("/v1/channels");
    let channels: Vec<String> = promotions["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| channel["channel"].as_str().unwrap().to_owned())
        .collect();
    let mut versions: Vec<String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("payloads"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    versions.sort();
    versions.extend(
        ["1.5.0", "1.7.5-tectonic.1-rc.5", "1.8.99", "1.10.0-demo.0", "1.10.0-demo.1", "2.0.0"]
            .map(str::to_owned),
    );
    let (mut codes, mut dated, mut unfit) = (std::collections::BTreeSet::new(), 0, 0);
    let arches = [None, Some("amd64"), Some("arm64"), Some("s390x")];
    for (channel, arch) in channels.iter().flat_map(|channel| arches.map(|arch| (channel, arch))) {
        // Where all payloads are for every machine, one architecture is as good as all.
        let is_of_several = channel.contains(SOAKING);
        let client = client.clone().for_arch(arch);
        for version in versions.iter().filter(|_| is_of_several || arch.is_none_or(|arch| arch == "arm64")) {
            let checked = client.check(&channel.parse().unwrap(), &Version::parse(version).unwrap()).unwrap();
            let own = serde_json::to_value(UpdateBody::of(&checked.answer())).unwrap();
            let query = arch.map(|arch| format!("&arch={arch}")).unwrap_or_default();
            let said = desk.server.update(channel, &format!("{version}{query}"));
            unfit += u32::from(!own["no_payload"].is_null());
            codes.insert(own["code"].as_str().unwrap().to_owned());
            // Why something is still to come is known to the server alone. What is signed is the earliest time.
            let plan = [&own, &said].iter().any(|answer| {
                answer["code"] == "coming" || !answer["coming"].is_null() || !answer["stuck"].is_null()
            });
            let times = [&own, &said].map(|answer| answer["coming"]["until"].as_str().map(str::to_owned));
            let ask = Ask { server: address.clone(), update: address.clone() };
            let told = words::verified(&checked.answer(), &ask);
            if let Some(until) = &times[0] {
                let says = format!(
                    "before {until} (its signature says so); whether it enters then, only the server"
                );
                assert!(told.contains(&says), "{told}");
            }
            let is_open = own["action"] == "none" && own["code"] != "retired";
            assert!(!is_open || told.contains(&format!("`curl '{address}")), "{told}");
            if let [Some(own), Some(said)] = times {
                assert!(own <= said, "{own} and {said} for {version} on {channel}");
                dated += 1;
            }
            for field in ["channel", "action", "code", "message", "target", "take", "next", "no_payload"] {
                if plan && matches!(field, "action" | "code" | "message") {
                    assert_ne!(own["action"], "update", "{version} on {channel}, {arch:?}");
                    continue;
                }
                assert_eq!(own[field], said[field], "{field} of {version} on {channel}, {arch:?}");
            }
        }
    }
    assert!(unfit > 0, "some releases are not for every architecture");
    assert!(dated > 0, "something soaks in line {SOAKING}");
    assert!(channels.len() >= 10 && versions.len() > 30 && codes.len() >= 6, "{channels:?} {codes:?}");
}
