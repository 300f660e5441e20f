//! The rooms of the house and their arrows, held by a test. `src/lib.rs` has them in words.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod circles;
mod commands;
mod paths;
mod sentences;

use std::path::{Path, PathBuf};

use paths::{Used, used_paths};

/// A room under `src/`, and what it may name besides itself.
struct Room {
    name: &'static str,
    /// Rooms, or one module of a room.
    may_use: &'static [&'static str],
    /// Of the standard library and of other crates.
    never: &'static [&'static [&'static str]],
}

/// What the outside world is made of: a pure room gets all of it as arguments.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "actix_http",
    "actix_server",
    "actix_service",
    "actix_web",
    "tokio",
    "futures_util",
    "reqwest",
    "hyper_util",
    "rustix",
    "tempfile",
    "getrandom",
    "tracing",
];

/// The domain does not know what its values look like in a file.
const YAML: &[&str] = &["serde_saphyr"];

/// Only `clock.rs` reads the time. What is said with a path is caught here; clippy's
/// `disallowed-methods` sees through imports.
const CLOCKS: &[&str] = &["std::time::SystemTime", "std::time::Instant::now"];

const ROOMS: &[Room] = &[
    Room { name: "domain", may_use: &[], never: &[OUTSIDE, YAML] },
    Room { name: "operations", may_use: &["domain"], never: &[OUTSIDE, YAML] },
    Room { name: "words", may_use: &["domain", "operations"], never: &[OUTSIDE, YAML] },
    Room { name: "formats", may_use: &["domain", "words"], never: &[OUTSIDE] },
    Room { name: "console", may_use: &["domain", "words"], never: &[OUTSIDE] },
    Room { name: "clock", may_use: &["domain"], never: &[] },
    Room { name: "signing", may_use: &["domain", "formats"], never: &[CLOCKS] },
    Room { name: "store", may_use: &["domain", "formats"], never: &[CLOCKS] },
    Room {
        name: "publish",
        may_use: &["domain", "words", "formats", "console", "signing"],
        never: &[CLOCKS],
    },
    Room {
        name: "promoter",
        may_use: &["domain", "operations", "words", "store::port", "publish", "signing", "clock"],
        never: &[CLOCKS],
    },
    Room {
        name: "http",
        may_use: &[
            "domain",
            "words",
            "formats",
            "console",
            "publish",
            "clock",
            "store::port",
            "promoter::status",
        ],
        never: &[CLOCKS],
    },
    Room { name: "remote", may_use: &["store::plain"], never: &[CLOCKS] },
    Room {
        name: "cluster",
        may_use: &[
            "domain",
            "words",
            "formats",
            "console",
            "signing",
            "clock",
            "remote",
            "store::durable",
            "store::plain",
            "store::secret",
        ],
        never: &[CLOCKS],
    },
    Room {
        name: "cli",
        may_use: &[
            "domain",
            "operations",
            "words",
            "formats",
            "signing",
            "store",
            "publish",
            "promoter",
            "http",
            "clock",
            "remote",
            "cluster",
        ],
        never: &[CLOCKS],
    },
];

/// What waits for a pipe's writer for ever, and fills memory with what has no end. `store::plain` does neither.
/// Clippy's `disallowed-methods` would forbid it to tests as well, which read what they have written.
const READERS: &[&str] = &["fs::copy", "fs::read", "fs::read_to_string", "File::open", "fs::File::open"];

/// Files that open something else than a file of bytes.
const MAY_OPEN: &[(&str, &str)] = &[
    ("cli/export", "a folder, to lock it"),
    ("cli/passphrase", "a descriptor of the shell's"),
    ("cli/serve/memory", "files of the kernel"),
    ("clock", "a file of the kernel"),
    ("cluster/lock", "a lock, of which nothing is read"),
    ("signing/signer", "the terminal"),
    ("store/durable", "a folder, to sync it"),
    ("store/durable/batch", "a file that was just written, or a folder, to sync it"),
    ("store/lock", "a folder, to lock it"),
];

/// Tests work on a real store, also where the room knows only what any store has.
const TESTS_MAY_USE: &[&str] = &["store"];

/// A file longer than this is two files.
const MOST_LINES: usize = 500;

/// What is wrong with one path in a file of `room`, in words.
fn refusal(room: &Room, used: &Used, is_test: bool) -> Option<String> {
    let named = |list: &[&str]| list.iter().any(|entry| used.starts_with(entry));
    if !used.in_this_crate {
        let never = room.never.iter().any(|list| named(list));
        return never.then(|| format!("`{}` never uses `{}`", room.name, used.path()));
    }
    let first = used.segments.first()?;
    if first == room.name || named(room.may_use) || (is_test && named(TESTS_MAY_USE)) {
        return None;
    }
    Some(format!("`{}` may not use `crate::{}`", room.name, used.path()))
}

fn check(room: &Room, modules: &[&str], source: &str) -> Vec<String> {
    // Tests in the file of what they test are at its end.
    let tests = source.lines().position(|line| line.starts_with("mod tests {"));
    let is_test = |used: &Used| modules.contains(&"tests") || tests.is_some_and(|begin| begin < used.line);
    let may_open = MAY_OPEN.iter().any(|(file, _)| *file == modules.join("/"));
    let reads = |used: &Used| {
        let path = used.path();
        let is_reader = READERS.contains(&path.trim_start_matches("std::"));
        is_reader.then(|| format!("read with `store::plain`, not with `{path}`"))
    };
    used_paths(source, modules)
        .iter()
        .filter_map(|used| {
            let read = || if may_open || is_test(used) { None } else { reads(used) };
            let why = refusal(room, used, is_test(used)).or_else(read)?;
            Some(format!("line {}: {why}", used.line))
        })
        .collect()
}

/// Every Rust file below a folder of the package.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// `src/http/tests/slow.rs` as `["http", "tests", "slow"]`.
fn modules(path: &Path) -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inner = path.strip_prefix(source).unwrap().with_extension("");
    inner.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect()
}

fn room(name: &str) -> &'static Room {
    ROOMS.iter().find(|room| room.name == name).unwrap_or_else(|| {
        panic!("`{name}` is a new room: say in `src/lib.rs` and in this test what it may use")
    })
}

#[test]
fn no_room_uses_what_it_may_not() {
    let mut refusals = Vec::new();
    for path in files("src") {
        let modules = modules(&path);
        let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
        if matches!(modules[0], "lib" | "main") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for refusal in check(room(modules[0]), &modules, &source) {
            refusals.push(format!("src/{}.rs, {refusal}", modules.join("/")));
        }
    }
    assert!(refusals.is_empty(), "forbidden arrows:\n{}", refusals.join("\n"));
}

/// What a gate, an answer or a refusal says is in `words`, and so is every command to type.
#[test]
fn the_domain_holds_no_sentence() {
    let mut found = Vec::new();
    for path in files("src") {
        let modules = modules(&path);
        let is_test = modules.iter().any(|name| matches!(name.as_str(), "tests" | "testing" | "properties"));
        if modules[0] != "domain" || is_test {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for (line, text) in sentences::sentences(&source) {
            found.push(format!("src/{}.rs, line {line}: {text}", modules.join("/")));
        }
    }
    assert!(found.is_empty(), "sentences belong in `words`:\n{}", found.join("\n"));
}

#[test]
fn no_file_needs_one_that_needs_it() {
    let is_test = |modules: &[String]| {
        modules
            .iter()
            .any(|name| matches!(name.as_str(), "tests" | "testing" | "properties" | "lib" | "main"))
    };
    let files: Vec<(Vec<String>, String)> = files("src")
        .iter()
        .map(|path| (modules(path), std::fs::read_to_string(path).unwrap()))
        .filter(|(modules, _)| !is_test(modules))
        .collect();
    let circles = circles::circles(&files);
    let lines: Vec<String> = circles
        .iter()
        .map(|circle| circle.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        .collect();
    assert!(lines.is_empty(), "circles among files:\n{}", lines.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let all = ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"];
    let long: Vec<String> = all
        .into_iter()
        .flat_map(files)
        .filter_map(|path| {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split by noun:\n{}", long.join("\n"));
}

#[test]
fn the_crate_docs_name_every_room() {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for Room { name, .. } in ROOMS {
        let row = format!("//! | [`{name}`] |");
        assert!(name == &"cli" || map.contains(&row), "`src/lib.rs` has no row `{row}`");
    }
}

#[test]
fn a_forbidden_line_is_refused() {
    let table = [
        ("domain", "use crate::formats::yaml;"),
        ("domain", "use crate::{domain::{catalog, line}, formats::{self as f}};"),
        ("domain", "pub(super) use super::super::super::store::lock;"),
        ("domain", "fn now() { let _ = std::time::SystemTime::now(); }"),
        ("domain", "use std::{collections::BTreeMap, time::{Duration, Instant}};"),
        ("domain", "use ::tokio::fs;"),
        ("domain", "mod tests { use super::super::super::super::http; }"),
        ("formats", "use std::fs::File;"),
        ("formats", "use r#std::env;"),
        ("formats", "let s = \"// not a comment\"; std::net::lookup();"),
        ("formats", "let c = '\"'; use crate::signing::Signed;"),
        ("formats", "fn f<'a>(x: &'a str) { crate /* here */ :: store :: lock :: held() }"),
        ("publish", "use crate::store::payloads::PayloadFolder;"),
        ("promoter", "use crate::store::{directory::Directory, port};"),
        ("http", "use crate::store::directory::Directory;"),
        ("http", "use crate::store;"),
        ("http", "use crate::store::{self, port::{self}};"),
        ("http", "use crate::{promoter::{status, turn}};"),
        ("promoter", "use crate::cli::serve;"),
        ("signing", "let t = std::time::Instant::now();"),
        ("store", "let bytes = std::fs::read(path);"),
        ("cli", "use std::fs; fn f() { fs::read_to_string(path) }"),
        ("cluster", "use std::fs::File; fn f() { File::open(path) }"),
    ];
    for (name, source) in table {
        let found = check(room(name), &[name, "some", "file"], source);
        assert_eq!(found.len(), 1, "`{name}`: {source}: {found:?}");
    }
}

#[test]
fn an_allowed_line_passes() {
    let table = [
        ("domain", "use super::version::Version; use crate::domain::{Time, release::*};"),
        ("domain", "// use crate::store;\n/* std::fs /* nested */ tokio */ use std::time::Duration;"),
        ("domain", "//! [`signing`](crate::signing)\npub(crate) fn f() { g(\"crate::store::x\") }"),
        ("domain", "let s = r##\"use crate::store; \"# \"##; let b = b\"std::fs\";"),
        ("domain", "let tokio = 1; x.tokio::<u8>(); other::std::fs::read();"),
        ("domain", "mod tests { use super::*; use super::super::catalog::Catalog; }"),
        ("http", "use crate::store::port::{self, PayloadStore}; use crate::promoter::status::Shared;"),
        ("promoter", "use crate::{clock::Clock, publish, signing::Signed, store::port};"),
        ("clock", "use std::time::Instant;"),
        ("store", "mod tests { fn f() { std::fs::read(path) } }"),
        ("cli", "use crate::http::start; let e = std::env::args();"),
    ];
    for (name, source) in table {
        assert_eq!(check(room(name), &[name, "some", "file"], source), [""; 0], "`{name}`: {source}");
    }
}
