//! Makes a signed catalog of any size, for the other benchmarks:
//! `cargo bench --bench catalog -- FOLDER RELEASES LINES [STAGES]`.
//!
//! `FOLDER` gets `channels`, `payloads` and `state`, ready for `tidegate serve`. The first line has
//! 100 releases whatever the size of the catalog, so that one channel can be compared between
//! sizes. Four in five releases are in production; the others soak. More than two stages lie between
//! pre-production and production, and every release in production has passed through them.

use std::fs;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tidegate::domain::rfc3339;
use tidegate::domain::version::Version;
use tidegate::signing::PrivateKey;
use tidegate::signing::ceremony::{Keys, found, sign_releases};
use tidegate::signing::trust::Trust;
use tidegate::store::directory::Directory;
use tidegate::store::durable::{self, Mode};
use tidegate::store::port::{CatalogStore as _, StateStore as _};
use tidegate::store::state::StateFolder;

/// The releases of the line that is measured.
const MEASURED: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = arguments.next();
    let numbers: Vec<usize> = arguments.filter_map(|argument| argument.parse().ok()).collect();
    let (Some(folder), [releases, lines, stages @ ..]) = (folder, &numbers[..]) else {
        eprintln!("usage: cargo bench --bench catalog -- FOLDER RELEASES LINES [STAGES]");
        return;
    };
    make(Path::new(&folder), *releases, *lines, stages.first().copied().unwrap_or(2));
}

#[expect(clippy::disallowed_methods, reason = "the catalog is made as of today")]
fn make(folder: &Path, releases: usize, lines: usize, stages: usize) {
    let (channels, payloads) = (folder.join("channels"), folder.join("payloads"));
    fs::create_dir_all(&channels).expect("the folder can be made");
    let between: Vec<String> = (1..stages.saturating_sub(1)).map(|stage| format!("stage{stage}")).collect();
    let mut policy = "format: 1\nstages:\n  - name: preproduction\n".to_owned();
    for stage in &between {
        policy.extend(["  - { name: ", stage, ", soak: { min: 0h, why: measured } }\n"]);
    }
    policy += "  - { name: production, soak: { min: 14d, max: 28d } }\n";
    fs::write(channels.join("policy.yaml"), policy).expect("the policy can be written");
    let now = Utc::now();
    let share = releases.saturating_sub(MEASURED).div_ceil(lines.saturating_sub(1).max(1));
    let mut left = releases;
    for line in 0..lines {
        let own = if line == 0 { MEASURED } else { share }.min(left);
        left -= own;
        let name = format!("1.{line}");
        let follows =
            line.checked_sub(1).map(|before| format!("follows: {{ line: \"1.{before}\", grace: 0d }}\n"));
        fs::create_dir_all(channels.join(&name)).expect("a line's folder can be made");
        let text = format!("format: 1\nline: \"{name}\"\n{}", follows.unwrap_or_default());
        fs::write(channels.join(&name).join("line.yaml"), text).expect("a line can be written");
        for release in 0..own {
            let version = format!("{name}.{}-bench.{}", release / 5, release % 5 + 1);
            let payload =
                format!("{{\"version\":\"{version}\",\"deployments\":[],\"desiredVersions\":[]}}\n");
            fs::create_dir_all(payloads.join(&version)).expect("a payload's folder can be made");
            fs::write(payloads.join(&version).join("payload.json"), &payload)
                .expect("a payload can be written");
            // The last fifth soaks.
            let soaking = release * 5 >= own * 4;
            let since = now - TimeDelta::days(if soaking { 5 } else { 100 }) + TimeDelta::seconds(60);
            let entry = |stage: &str, since| {
                format!("  {stage}: {{ since: {}, by: schedule, reason: measured }}\n", rfc3339(since))
            };
            let mut further: String = between.iter().map(|stage| entry(stage, since)).collect();
            if !soaking {
                further += &entry("production", since + TimeDelta::days(14));
            }
            let text = format!(
                "format: 1\nversion: {version}\nurgency: normal\nsummary: Release {version}\n\
                 components:\n  kubernetes: {version}\n  etcd: 3.1.8\n  operator: 0.6.1\n\
                 payloads:\n  - {{ file: payload.json, sha256: {}, size: {} }}\nstages:\n  \
                 preproduction: {{ since: {}, by: schedule }}\n{further}",
                hex::encode(Sha256::digest(&payload)),
                payload.len(),
                rfc3339(since),
            );
            fs::write(channels.join(&name).join(format!("{version}.yaml")), text)
                .expect("a release can be written");
        }
    }

    let key = || PrivateKey::generate().expect("there is randomness");
    let keys = Keys { root: key(), targets: key(), release: key(), online: key() };
    let directory = Directory::open(&channels, &payloads).expect("the catalog is there");
    let catalog = directory.read(now).expect("the catalog can be read").reading.catalog.clone();
    let trust_folder = channels.join("trust");
    fs::create_dir_all(&trust_folder).expect("the trust folder can be made");
    let files = found(&catalog, &keys, now).expect("the root can be signed");
    for (name, bytes) in &files {
        fs::write(trust_folder.join(name), bytes).expect("a role can be written");
    }
    let trust = Trust::read(&files).expect("the roles hold").expect("there are roles");
    for line in catalog.lines() {
        let versions: Vec<Version> = line.releases.keys().cloned().collect();
        let signed =
            sign_releases(&trust, line, &versions, &keys.release, now, |_| {}).expect("it can be signed");
        for (version, bytes) in signed.manifests {
            fs::write(payloads.join(version.to_string()).join("release.json"), bytes)
                .expect("it can be written");
        }
        for (name, bytes) in signed.trust {
            fs::write(trust_folder.join(name), bytes).expect("a role can be written");
        }
    }
    let state = StateFolder::new(&folder.join("state"));
    let online = state.online_key_path();
    let pem = keys.online.to_pem().expect("a key can be written");
    durable::create_folder(online.parent().expect("it lies in a folder"), Mode::Private)
        .expect("the state folder can be made");
    durable::write(&online, pem.as_bytes(), Mode::Private).expect("a key can be written");
    state.found().expect("the state folder can be written to");
    println!("{} releases in {lines} lines: {}", catalog.known(now), folder.display());
}
