//! The sample catalog at the top of the repository: every final Tectonic release.

use std::path::Path;

use tidegate::domain::release::PayloadState;
use tidegate::store::directory::Directory;
use tidegate::store::payloads::PayloadFolder;
use tidegate::store::port::{CatalogStore as _, PayloadStore as _};

#[test]
fn the_sample_catalog_is_whole_and_every_payload_is_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let now = "2200-01-01T00:00:00Z".parse().unwrap();
    let store = Directory::open(&root.join("channels"), &root.join("payloads")).unwrap();
    let reading = store.read(now).unwrap().reading;
    assert_eq!(reading.faults, []);
    let counts: Vec<_> =
        reading.catalog.lines().map(|line| (line.name.as_str().to_owned(), line.releases.len())).collect();
    let counts: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counts, [("1.6", 8), ("1.7", 13), ("1.8", 10), ("1.9", 3)]);

    let state = tempfile::tempdir().unwrap();
    let payloads = PayloadFolder::new(&root.join("payloads"), state.path());
    for line in reading.catalog.lines() {
        for release in line.releases.values() {
            assert!(release.entries[0].is_some(), "{}", release.version);
            assert_eq!(payloads.check(release, now), PayloadState::Present, "{}", release.version);
            let path =
                root.join("payloads").join(release.version.to_string()).join(&release.payloads[0].file);
            let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            assert_eq!(document["version"], release.version.to_string());
            assert_eq!(
                document["desiredVersions"][0]["version"],
                release.components.get("kubernetes").unwrap()
            );
            let first = &document["deployments"][0]["metadata"]["name"];
            assert_eq!(first, "tectonic-channel-operator");
        }
    }
}
