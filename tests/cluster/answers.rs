//! What a cluster works out, against what the server says.

use std::sync::Arc;

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::http::Server;
use tidegate::cluster::{Client, Options};
use tidegate::domain::version::Version;
use tidegate::formats::api::UpdateBody;
use tidegate::words::{self, Ask};

use super::desk::Desk;

#[test]
fn every_version_gets_the_servers_answer_in_every_channel() {
    let desk = Desk::new();
    let clock: SharedClock = Arc::new(SystemClock::new());
    let address = format!("http://{}", desk.server.address);
    let server = Arc::new(Server::new(&address, None, Pace::default(), Arc::clone(&clock)).unwrap());
    let root = bytes::Bytes::from(std::fs::read(desk.path("root.json")).unwrap());
    let options = Options { demo: true, ..Options::default() };
    let memory = desk.path("memory");
    let client = Client::new(&memory, root, server, clock, options);

    let promotions = desk.server.json("/v1/channels");
    let channels: Vec<String> = promotions["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| channel["channel"].as_str().unwrap().to_owned())
        .collect();
    let mut versions: Vec<String> =
        std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("payloads"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
    versions.sort();
    versions
        .extend(["1.5.0", "1.7.5-tectonic.1-rc.5", "1.8.99", "1.10.0-demo.1", "2.0.0"].map(str::to_owned));
    let (mut codes, mut dated) = (std::collections::BTreeSet::new(), 0);
    for channel in &channels {
        for version in &versions {
            let checked = client.check(&channel.parse().unwrap(), &Version::parse(version).unwrap()).unwrap();
            let own = serde_json::to_value(UpdateBody::of(&checked.answer())).unwrap();
            let said = desk.server.update(channel, version);
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
            for field in ["channel", "action", "code", "message", "target", "take", "next"] {
                if plan && matches!(field, "action" | "code" | "message") {
                    assert_ne!(own["action"], "update", "{version} on {channel}");
                    continue;
                }
                assert_eq!(own[field], said[field], "{field} of {version} on {channel}");
            }
        }
    }
    assert!(dated > 0, "something in the demo soaks");
    assert!(channels.len() >= 10 && versions.len() > 30 && codes.len() >= 6, "{channels:?} {codes:?}");
}
