//! Bytes as a file of the catalog: the first byte picks which one, the rest is what it says.
//!
//! The reader never panics and never stays silent: a file is either taken, or has a fault with its
//! place. What was taken can be decided about, and edited by a machine to exactly what was meant.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use tidegate::domain::Time;
use tidegate::domain::catalog::Catalog;
use tidegate::domain::change::Change;
use tidegate::domain::explain::Explanation;
use tidegate::domain::promotion::decide;
use tidegate::domain::release::{Event, Yank};
use tidegate::domain::upgrade::{Advice, answer};
use tidegate::formats::edit;
use tidegate::formats::yaml::{Reading, Source, read};
use tidegate::words;

const POLICY: &[u8] = b"format: 1\n\
    stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, max: 28d }\n";
const LINE: &[u8] = b"format: 1\nline: \"1.8\"\n";
const RELEASE: &[u8] = b"format: 1\nversion: 1.8.4-tectonic.1\n\
    stages:\n  preproduction: { since: 2017-12-19T17:30:31Z, by: schedule }\n";

const PATHS: [&str; 3] = ["policy.yaml", "1.8/line.yaml", "1.8/1.8.4-tectonic.1.yaml"];

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let mut files = [POLICY, LINE, RELEASE];
    files[usize::from(kind) % files.len()] = bytes;
    let reading = reading(&files);
    for fault in &reading.faults {
        assert!(!fault.to_string().is_empty());
    }
    assert_eq!(reading.faulty.is_empty(), reading.faults.is_empty(), "{:?}", reading.faults);
    let now = time(1_520_000_000);
    let decisions = decide(&reading.catalog, now);
    for decision in &decisions {
        let version = &decision.release.version;
        let (line, release) = (decision.line, decision.release);
        let explanation = Explanation {
            line,
            release,
            decision: Some(decision),
            now,
            refused: None,
            not_promoting: None,
            entry: None,
        };
        assert!(!words::explanation_page(&explanation, None).is_empty());
        for channel in reading.catalog.channels() {
            let answer = answer(&reading.catalog, &decisions, channel.name(), version, now);
            let answer = answer.expect("it is the catalog's own channel");
            assert!(!words::answer(&answer).is_empty());
            if let Advice::Update { target, .. } = answer.advice {
                assert!(target.version > *version, "{} is below {version}", target.version);
            }
        }
    }
    for change in changes(&reading.catalog, now) {
        check_edit(&reading.catalog, &files, &change);
    }
});

fn reading(files: &[&[u8]; 3]) -> Reading {
    read(PATHS.into_iter().zip(files).map(|(path, bytes)| Source { path, bytes }))
}

fn time(seconds: i64) -> Time {
    DateTime::from_timestamp(seconds, 0).expect("it is a time")
}

/// What people and the promoter do to a release and its channel.
fn changes(catalog: &Catalog, now: Time) -> Vec<Change> {
    let event = Event::new(now, "fuzz: #1".into(), "\"why\", 'not'\n- x: {y".into());
    let ended = event.ended(event.clone());
    let mut changes = Vec::new();
    for line in catalog.lines() {
        for version in line.releases.keys().cloned() {
            let yank = Yank { event: event.clone(), to: Some(version.clone()) };
            changes.push(Change::Hold { version: version.clone(), hold: event.clone() });
            changes.push(Change::Resume { version: version.clone(), ended: ended.clone() });
            changes.push(Change::Yank { version: version.clone(), yank });
            changes.push(Change::Unyank { version, ended: ended.clone() });
        }
        for stage in &line.stages {
            let (line, stage) = (line.name.clone(), stage.name.clone());
            changes.push(Change::Pause { line: line.clone(), stage: stage.clone(), pause: event.clone() });
            changes.push(Change::Unpause { line, stage, ended: ended.clone() });
        }
    }
    changes
}

/// An edit is refused, or its text says the change and nothing else. A text that the reader does
/// not take is not written, so it is no finding; one that it takes for something else is.
fn check_edit(catalog: &Catalog, files: &[&[u8]; 3], change: &Change) {
    let old = |file: &str| PATHS.iter().position(|path| *path == file).map(|at| files[at]);
    let Ok(Some(edit)) = edit::edit(change, catalog, old) else { return };
    let at = PATHS.iter().position(|path| *path == edit.file).expect("it is one of the files");
    let mut files = *files;
    files[at] = edit.text.as_bytes();
    let after = reading(&files);
    if !after.faults.is_empty() {
        return;
    }
    let meant = change.apply(catalog.clone()).expect("the edit was made for it");
    assert_eq!(after.catalog, meant, "{}", edit.text);
}
