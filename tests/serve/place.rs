//! A catalog of one's own, made with the commands that people use.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate::clock::{Clock as _, SystemClock};
use tidegate::domain::{Time, rfc3339};

use crate::spawn::{Server, run};

/// A folder with a catalog of two lines, `1.7` and `1.8`, and keys.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        fs::create_dir_all(place.path("channels/1.7")).unwrap();
        fs::create_dir_all(place.path("channels/1.8")).unwrap();
        fs::write(place.path("channels/1.7/line.yaml"), "format: 1\nline: \"1.7\"\n").unwrap();
        let line = "format: 1\nline: \"1.8\"\nfollows: { line: \"1.7\", grace: 0d }\n";
        fs::write(place.path("channels/1.8/line.yaml"), line).unwrap();
        place.run(&["init", "--offline-keys", "keys", "--no-encrypt"]);
        place
    }

    /// With releases in production.
    pub fn with(releases: &[&str]) -> Self {
        let place = Self::new();
        let now = SystemClock::new().now();
        for version in releases {
            place.add(version);
            place.enter(version, "preproduction", now - chrono::TimeDelta::days(30));
            place.enter(version, "production", now - chrono::TimeDelta::days(10));
        }
        place.sign();
        place
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        run(self.dir(), arguments)
    }

    pub fn serve(&self) -> Server {
        Server::ready(self.dir(), &[])
    }

    /// Where a release's file is.
    pub fn file(&self, version: &str) -> PathBuf {
        self.path(&format!("channels/{}/{version}.yaml", &version[..3]))
    }

    /// Adds a release, without signing it.
    pub fn add(&self, version: &str) {
        let payload = self.path("payload.json");
        fs::write(&payload, format!("{{\"version\":\"{version}\"}}")).unwrap();
        self.run(&["release", "add", version, "--payload", "payload.json"]);
    }

    pub fn sign(&self) {
        self.run(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"]);
    }

    /// Writes an entry by hand, as those are who bring a catalog along.
    pub fn enter(&self, version: &str, stage: &str, since: Time) {
        let mut text = fs::read_to_string(self.file(version)).unwrap();
        if !text.contains("\nstages:\n") {
            text.push_str("stages:\n");
        }
        writeln!(text, "  {stage}: {{ since: {}, by: ada, reason: moved here }}", rfc3339(since)).unwrap();
        fs::write(self.file(version), text).unwrap();
    }

    /// Adds a release that comes due for production in so many seconds.
    pub fn add_due(&self, version: &str, seconds: i64) {
        self.add(version);
        let due = SystemClock::new().now() + chrono::TimeDelta::seconds(seconds);
        self.enter(version, "preproduction", due - chrono::TimeDelta::days(14));
        self.sign();
    }
}

/// Replaces a text in a file, which must be there.
pub fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}
