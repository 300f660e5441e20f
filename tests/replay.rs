//! The history of a real product, replayed: every release of the sample catalog is promoted by the
//! command line itself, one run for each midnight of two years.
#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use chrono::TimeDelta;
use tempfile::TempDir;
use tidegate::clock::{Clock, SystemClock};
use tidegate::domain::catalog::Catalog;
use tidegate::domain::version::Version;
use tidegate::domain::{Time, rfc3339};
use tidegate::store::directory::Directory;
use tidegate::store::port::CatalogStore as _;

const BEGIN: &str = "2017-05-01T00:00:00Z";
const END: &str = "2019-04-01T00:00:00Z";
const DAY: TimeDelta = TimeDelta::days(1);

/// The sample catalog in a folder of its own, without what was promoted to production.
struct History {
    folder: TempDir,
}

impl History {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&root.join("channels"), &folder.path().join("channels"));
        copy(&root.join("payloads"), &folder.path().join("payloads"));
        let history = Self { folder };
        for path in files(&history.catalog()) {
            let text = fs::read_to_string(&path).unwrap();
            let kept: String =
                text.split_inclusive('\n').filter(|line| !line.starts_with("  production: {")).collect();
            fs::write(&path, kept).unwrap();
        }
        history
    }

    fn catalog(&self) -> PathBuf {
        self.folder.path().join("channels")
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let flag = |name: &str, folder: &str| {
            [format!("--{name}"), self.folder.path().join(folder).display().to_string()]
        };
        let mut arguments = vec!["tidegate".to_owned()];
        arguments.extend(flag("catalog", "channels"));
        arguments.extend(flag("payloads", "payloads"));
        arguments.extend(flag("state", ".tidegate"));
        arguments.extend(more.iter().map(|text| (*text).to_owned()));
        arguments
    }

    /// Runs a command within this process.
    fn run(&self, arguments: &[&str]) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let clock = Arc::new(SystemClock::new());
        let code = tidegate::cli::run(self.arguments(arguments), clock, &mut out, &mut err).unwrap();
        assert_eq!(code, ExitCode::SUCCESS, "{arguments:?}: {}", String::from_utf8_lossy(&err));
    }

    /// Runs the real binary.
    fn run_binary(&self, arguments: &[&str]) -> serde_json::Value {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(&self.arguments(arguments)[1..])
            .args(["--output", "json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn replay(&self) {
        for midnight in midnights() {
            self.run(&["promote", "--backfill", "--at", &rfc3339(midnight)]);
        }
    }

    fn read(&self) -> Catalog {
        let directory = Directory::open(&self.catalog(), &self.folder.path().join("payloads")).unwrap();
        directory.read(SystemClock::new().now()).unwrap().reading.catalog.clone()
    }

    fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.catalog()).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

fn midnights() -> impl Iterator<Item = Time> {
    let (begin, end): (Time, Time) = (BEGIN.parse().unwrap(), END.parse().unwrap());
    std::iter::successors(Some(begin), |midnight| Some(*midnight + DAY)).take_while(move |at| *at <= end)
}

/// When each release entered each stage.
fn entries(catalog: &Catalog) -> BTreeMap<Version, Vec<Option<Time>>> {
    let releases = catalog.lines().flat_map(|line| line.releases.values());
    releases
        .map(|release| {
            let since = release.entries.iter().map(|entry| entry.as_ref().map(|entry| entry.since));
            (release.version.clone(), since.collect())
        })
        .collect()
}

#[test]
fn two_years_of_midnights_promote_every_release_on_its_day_and_never_go_back() {
    let history = History::new();
    history.replay();
    let catalog = history.read();
    let entries = entries(&catalog);
    assert_eq!(entries.len(), 34);
    for (version, since) in &entries {
        let [Some(before), Some(production)] = since[..] else {
            panic!("`{version}` did not enter both stages: {since:?}")
        };
        let due = before + TimeDelta::days(14);
        let first = midnights().find(|midnight| due <= *midnight).unwrap();
        assert_eq!(production, first, "{version}");
    }
    for release in catalog.lines().flat_map(|line| line.releases.values()) {
        let entry = release.entries[1].as_ref().unwrap();
        assert_eq!((entry.by.as_str(), entry.reason.as_deref()), ("schedule", Some("soaked 14d")));
    }

    // What a channel's latest was at each midnight, from the entries, which never change.
    for line in catalog.lines() {
        for stage in 0..line.stages.len() {
            let mut latest: Option<&Version> = None;
            for midnight in midnights() {
                let releases = line.releases.values().filter(|release| release.is_in(stage, midnight));
                let now = releases.map(|release| &release.version).max();
                assert!(now >= latest, "line `{}` at {midnight}", line.name);
                latest = now;
            }
        }
    }

    let before = history.bytes();
    history.replay();
    assert!(history.bytes() == before, "running it all again changed a file");
    assert!(!history.folder.path().join(".tidegate").exists(), "promoting needs no state");

    // The sample catalog's own entries were made in this way.
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = Directory::open(&sample.join("channels"), &sample.join("payloads")).unwrap();
    let sample = directory.read(SystemClock::new().now()).unwrap();
    assert_eq!(self::entries(&sample.reading.catalog), entries);
}

#[test]
fn one_late_run_promotes_the_same_releases() {
    let history = History::new();
    history.run(&["promote", "--backfill", "--at", END]);
    let end: Time = END.parse().unwrap();
    let entries = entries(&history.read());
    assert!(entries.values().all(|since| since[1] == Some(end)), "{entries:?}");
}

#[test]
fn the_real_binary_does_the_same_and_a_dry_run_writes_nothing() {
    let history = History::new();
    let before = history.bytes();
    let at = "2018-01-03T00:00:00Z";
    let dry = history.run_binary(&["promote", "--at", at]);
    assert!(history.bytes() == before);
    let done = history.run_binary(&["promote", "--backfill", "--at", at]);
    assert_eq!((&dry["dry_run"], &done["dry_run"]), (&true.into(), &false.into()));
    assert_eq!(dry["promoted"], done["promoted"]);
    assert_eq!(done["promoted"].as_array().unwrap().len(), 19);
    let again = history.run_binary(&["promote", "--backfill", "--at", at]);
    assert_eq!(again["promoted"].as_array().unwrap().len(), 0);

    let ahead = rfc3339(SystemClock::new().now() + DAY);
    let refused = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(&history.arguments(&["promote", "--backfill", "--at", &ahead])[1..])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is in the future"));
}
