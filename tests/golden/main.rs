//! The bytes of everything that is published, fixed: for given keys and times, a catalog with all its
//! features is signed, promoted, published and exported, and what came out is compared with the files
//! beside this one.
//!
//! `signed.txt` has the digest of every signed document, `export.txt` of every exported file, and
//! `v1.txt` the body of every unsigned answer. `TIDEGATE_GOLDEN=write cargo test --test golden` writes
//! them anew. It refuses where a body of `/v1` lost a field, or changed one that is not a sentence:
//! scripts and consoles rely on those.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod grown;
mod world;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use grown::grown;
use world::World;

/// What is published at one moment of the story.
#[derive(Default)]
struct Recorded {
    signed: String,
    v1: String,
    export: String,
}

impl Recorded {
    /// Notes all that the world publishes now.
    fn take(&mut self, moment: &str, world: &World) {
        for (path, digest) in world.signed() {
            writeln!(self.signed, "{moment} {digest} {path}").unwrap();
        }
        for (path, body) in world.bodies() {
            writeln!(self.v1, "{moment} {path} {body}").unwrap();
        }
    }
}

/// The story of the world's catalog, told once.
fn story() -> Recorded {
    let mut recorded = Recorded::default();
    let mut world = World::new("2018-03-01T00:00:00Z");
    world.publish();
    recorded.take("first", &world);

    world.at("2018-03-20T10:00:00Z");
    world.must(&["promote"]);
    let earlier = "production=2018-03-20T00:00:00Z";
    let key = "keys/release.pem";
    world.must(&["release", "sign", "1.9.2", "--not-before", earlier, "--reason", "an outage", "--key", key]);
    world.must(&["promote", "1.9.2", "--early", "--reason", "fixes an outage", "--by", "ada"]);
    world.publish();
    recorded.take("promoted", &world);

    world.at("2018-03-21T10:00:00Z");
    world.must(&["release", "hold", "1.9.3", "--reason", "eats data", "--by", "ben"]);
    world.must(&["release", "yank", "1.8.5", "--reason", "eats data", "--by", "ben"]);
    world.must(&["channel", "pause", "1.8-production", "--reason", "an outage", "--by", "ben"]);
    world.must(&[
        "line",
        "retire",
        "1.6",
        "--leave-behind",
        "--reason",
        "no fixes any more",
        "--by",
        "ben",
        "--key",
        "keys/release.pem",
    ]);
    world.publish();
    recorded.take("stopped", &world);

    // A line that cannot be read keeps what was last published of it.
    world.at("2018-03-22T12:00:00Z");
    world.write("channels/1.7/line.yaml", "format: 1\nline: [broken\n");
    world.publish();
    recorded.take("broken", &world);

    for (path, digest) in world.export() {
        writeln!(recorded.export, "{digest} {path}").unwrap();
    }
    recorded
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The first line in which two texts differ.
fn difference(name: &str, before: &str, after: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let lines = before.lines().zip(after.lines()).find(|(before, after)| before != after);
    let lines = lines.map_or_else(
        || format!("{} lines became {}", before.lines().count(), after.lines().count()),
        |(before, after)| format!("- {before}\n+ {after}"),
    );
    Some(format!("tests/golden/{name} differs, first here:\n{lines}"))
}

#[test]
fn what_is_published_stays_the_same_to_the_byte() {
    let Recorded { signed, v1, export } = story();
    let all = [("signed.txt", signed), ("v1.txt", v1), ("export.txt", export)];
    if std::env::var_os("TIDEGATE_GOLDEN").is_some_and(|word| word == "write") {
        let before = fs::read_to_string(file("v1.txt")).unwrap_or_default();
        if let Err(why) = grown(&before, &all[1].1) {
            panic!("{why}");
        }
        for (name, text) in &all {
            fs::write(file(name), text).unwrap();
        }
        return;
    }
    let differences: Vec<String> = all
        .iter()
        .filter_map(|(name, text)| difference(name, &fs::read_to_string(file(name)).unwrap(), text))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
