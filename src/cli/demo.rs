//! The demo: a copy of a catalog, signed with throw-away keys, with an extra line in which a release
//! is promoted shortly after the start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use chrono::TimeDelta;
use sha2::Digest;

use super::Globals;
use super::failure::refuse;
use super::keyfile;
use super::workspace::Workspace;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::labels::Labels;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::policy::{SOAK_MIN, Urgency};
use crate::domain::release::{Entries, Entry, Event, Evidence, Release, ReleaseFile, SCHEDULE, Yank};
use crate::domain::version::Version;
use crate::signing::PrivateKey;
use crate::signing::ceremony::{Keys, found, sign_releases};
use crate::signing::trust::Trust;
use crate::store::durable::{self, Batch, Mode};
use crate::store::plain;

/// The name of the demo's own line, which no real vendor uses.
const LINE: &str = "1.10";

/// The held release of the demo's own line.
const HELD: &str = "1.10.2-demo.1";

/// One release is due this long after the start, so that people can watch its promotion.
const SOON: TimeDelta = TimeDelta::seconds(60);

/// Copies the catalog and its payloads into the state folder, adds the demo's own line, creates keys, and
/// signs everything. Returns the folders to serve from. Replaces the files of an earlier demo.
pub fn prepare(globals: &Globals, clock: &SharedClock) -> anyhow::Result<Globals> {
    let folder = globals.state.join("demo");
    if !globals.catalog.join("policy.yaml").is_file() {
        return Err(refuse(
            format!("there is no catalog in `{}` for the demo to copy", globals.catalog.display()),
            "start the demo in the folder that holds the sample's `channels`, or name a catalog with `--catalog DIR`",
        ));
    }
    durable::create_state_folder(&globals.state)?;
    let demo = Globals {
        catalog: folder.join("channels"),
        payloads: folder.join("payloads"),
        state: folder.join("state"),
        ..globals.clone()
    };
    let workspace = Workspace::new(&demo, SharedClock::clone(clock));
    if folder.exists() {
        // Fails if another demo is still running, because it needs these files.
        drop(workspace.state_store().lease()?);
        fs::remove_dir_all(&folder).with_context(|| format!("cannot replace `{}`", folder.display()))?;
    }
    let mut files = Batch::default();
    copy(&globals.catalog, &demo.catalog, &|name| name != "trust", &mut files)?;
    if globals.payloads.is_dir() {
        copy(&globals.payloads, &demo.payloads, &|name| name != "release.json", &mut files)?;
    } else {
        durable::create_folder(&demo.payloads, Mode::Keep)?;
    }
    files.finish(&folder)?;
    add_line(&workspace).context("cannot add the demo's own line")?;
    sign(&workspace, &folder.join("offline-keys")).context("cannot create the demo's keys")?;
    Ok(demo)
}

/// Returns commands to try with the demo. They name only channels and releases of the copied catalog.
pub fn welcome(address: SocketAddr, demo: &Workspace) -> anyhow::Result<String> {
    let reading = demo.store()?.read(demo.now())?.reading;
    let catalog = &reading.catalog;
    let folder = demo.catalog.parent().unwrap_or(&demo.catalog).display();
    let mut text = format!("demo: throw-away keys; the catalog is a scratch copy in {folder}\n");
    let held = Version::parse(HELD)?;
    let made_up = catalog.release(&held).is_some();
    // Writing to a `String` cannot fail.
    if made_up {
        let _ = writeln!(
            text,
            "  line {LINE} is made up: one release soaks, one is held, one was yanked, one is due in a minute"
        );
    }
    let _ = writeln!(text, "try:\n  curl -s http://{address}/v1/channels | jq .");
    if let Some((channel, version)) = question(catalog)? {
        let _ = writeln!(
            text,
            "  curl -s 'http://{address}/v1/channels/{channel}/update?version={version}' | jq ."
        );
        let explained = if made_up { &held } else { version };
        let _ = writeln!(
            text,
            "  curl -s http://{address}/v1/releases/{explained}/explain | jq -r .message\n  tidegate explain {explained} --catalog {folder}/channels --payloads {folder}/payloads --state {folder}/state"
        );
    }
    Ok(text)
}

/// Picks the channel and the version for the example request. In the sample catalog, they lead to an update
/// into the next line; in any other catalog, to an update from the first release of a line.
fn question(catalog: &Catalog) -> anyhow::Result<Option<(&ChannelName, &Version)>> {
    let sample =
        (catalog.line(&LineName::parse("1.8")?), catalog.release(&Version::parse("1.7.14-tectonic.2")?));
    if let (Some(line), Some((_, release))) = sample {
        return Ok(line.stages.last().map(|stage| (&stage.channel, &release.version)));
    }
    let mut lines = catalog.lines();
    Ok(lines.find_map(|line| Some((&line.stages.last()?.channel, line.releases.keys().next()?))))
}

fn copy(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool, files: &mut Batch) -> anyhow::Result<()> {
    durable::create_folder(to, Mode::Keep)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || !wanted(&shown) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(&name), wanted, files)?;
        } else {
            let failed = || format!("cannot copy `{}`", entry.path().display());
            let mut file = plain::open(&entry.path()).with_context(failed)?;
            let copied = files.fill(&to.join(&name), Mode::Keep, |to| io::copy(&mut file, to).map(drop));
            copied.with_context(failed)?;
        }
    }
    Ok(())
}

/// Adds the demo's own line, with five releases: one is promoted already, one was yanked, one soaks, one is held,
/// and one is due in a minute.
fn add_line(demo: &Workspace) -> anyhow::Result<()> {
    let (line, now, store) = (LineName::parse(LINE)?, demo.now(), demo.store()?);
    let reading = store.read(now)?.reading;
    if !reading.faults.is_empty() {
        return Err(refuse(
            format!("the catalog has {} faults", reading.faults.len()),
            "see them all: `tidegate catalog check`",
        ));
    }
    if reading.catalog.line_of(&Version::parse("1.10.0-demo.1")?).is_some() {
        return Ok(());
    }
    let before = reading.catalog.lines().map(|line| &line.name).find(|line| line.as_str() == "1.9");
    let follows =
        before.map(|line| format!("follows: {{ line: \"{line}\", grace: 0d }}\n")).unwrap_or_default();
    let text =
        format!("# Made up, for the demo.\nformat: 1\nline: \"{LINE}\"\ntitle: Demo {LINE}\n{follows}");
    let folder = demo.catalog.join(LINE);
    durable::create_folder(&folder, Mode::Keep)?;
    durable::write(&folder.join("line.yaml"), text.as_bytes(), Mode::Keep)?;

    let days = |n| now - TimeDelta::days(n);
    let event = |ago, reason: &str| Event::new(days(ago), "ada".to_owned(), reason.to_owned());
    let mut yanked = release(demo, "1.10.0-demo.2", &[days(30)])?;
    yanked.yank = Some(Box::new(Yank { event: event(28, "nodes lose their volumes"), to: None }));
    let mut held = release(demo, HELD, &[days(20)])?;
    held.hold = Some(Box::new(event(3, "etcd loses quorum on the canary clusters")));
    let releases = [
        release(demo, "1.10.0-demo.1", &[days(40), days(20)])?,
        yanked,
        release(demo, "1.10.1-demo.1", &[now - SOAK_MIN + SOON])?,
        held,
        release(demo, "1.10.3-demo.1", &[days(5)])?,
    ];
    let snapshot = store.read(now)?;
    let stages = snapshot.reading.catalog.line(&line).map_or(0, |line| line.stages.len());
    let changes: Vec<Change> = releases
        .into_iter()
        .map(|mut release| {
            release.entries = release.entries.resized(stages);
            Change::Add { line: line.clone(), release: Box::new(release) }
        })
        .collect();
    store.commit(&snapshot.revision, &changes, now)?;
    Ok(())
}

fn release(demo: &Workspace, version: &str, entered: &[Time]) -> anyhow::Result<Release> {
    let version = Version::parse(version)?;
    let document = serde_json::json!({
        "version": version.to_string(),
        "deployments": [],
        "desiredVersions": [{ "metadata": { "name": "kubernetes" }, "version": version.to_string() }],
    });
    let bytes = serde_json::to_vec_pretty(&document)?;
    let folder = demo.payloads.join(version.to_string());
    durable::create_folder(&folder, Mode::Keep)?;
    durable::write(&folder.join("payload.json"), &bytes, Mode::Keep)?;
    let entries = entered.iter().enumerate().map(|(stage, since)| {
        let reason = (stage > 0).then(|| "soaked 14d".to_owned());
        Some(Entry::new(*since, SCHEDULE.to_owned(), reason))
    });
    Ok(Release::new(
        ReleaseFile {
            urgency: Urgency::Normal,
            summary: Some("Made up, for the demo".to_owned()),
            links: Labels::default(),
            components: Labels::default(),
            payloads: [Payload {
                file: "payload.json".to_owned(),
                sha256: Sha256::new(sha2::Sha256::digest(&bytes).into()),
                size: bytes.len() as u64,
                arch: None,
            }]
            .into(),
            barrier: false,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
            version,
        },
        entries.collect::<Entries>(),
        Evidence::default(),
    ))
}

/// Creates keys and signs everything at once. The owners of a real catalog do this over weeks.
fn sign(demo: &Workspace, offline: &Path) -> anyhow::Result<()> {
    let (now, store) = (demo.now(), demo.store()?);
    let key = || PrivateKey::generate();
    let keys = Keys { root: key()?, targets: key()?, release: key()?, online: key()? };
    let catalog = store.read(now)?.reading.catalog.clone();
    let founded = found(&catalog, &keys, now)?;
    store.put(&BTreeMap::new(), &founded)?;
    let trust = Trust::read(&founded)?.context("the keys have no root")?;
    for line in catalog.lines() {
        let versions: Vec<Version> = line.releases.keys().cloned().collect();
        if versions.is_empty() {
            continue;
        }
        let signed =
            sign_releases(&trust, line, &versions, &keys.release, now, |manifest| manifest.demo = true)?;
        store.put(&signed.manifests, &signed.trust)?;
    }
    let kept = [("root", &keys.root), ("targets", &keys.targets), ("release", &keys.release)];
    for (name, key) in kept {
        keyfile::write(&offline.join(format!("{name}.pem")), key, None)?;
    }
    keyfile::write(&demo.online_key_path(), &keys.online, None)
}
