//! What a hint says to write is accepted when it is written.

use tidegate::formats::yaml::{Source, parse};

use crate::by_itself::BY_ITSELF;
use crate::samples::{Row, edited};

const L: &str = "1.8/line.yaml";
const R: &str = "1.8/1.8.4-tectonic.1.yaml";

/// More values that are nearly right, in marks.
const NEARLY: &[Row] = &[
    ("days alone", &[(L, "grace: 2d", "grace: ‹14›")], "", "`14d`"),
    ("too many weeks", &[(L, "grace: 2d", "grace: ‹3000›")], "", "`3000d` for days, `3000h` for hours"),
    ("too many hours", &[(L, "grace: 2d", "grace: ‹99999›")], "", "as in `14d`"),
    ("space for T", &[(L, "2018-05-02T00:00:00Z", "‹2018-05-02 00:00:00Z›")], "", "`2018-05-02T00:00:00Z`"),
    ("without seconds", &[(L, "2018-05-02T00:00:00Z", "‹2018-05-02T00:00›")], "", "`"),
    ("neither whole nor in a zone", &[(L, "2018-05-02T00:00:00Z", "‹2018-05-02T00:00:00.5›")], "", "00Z`"),
    ("fraction", &[(L, "2018-05-02T00:00:00Z", "‹2018-05-02T00:00:00.5+02:00›")], "", "00+02:00`"),
    ("leap second", &[(L, "2018-05-02T00:00:00Z", "‹2018-06-30T23:59:60Z›")], "", "`2018-06-30T23:59:59Z`"),
    ("date", &[(L, "2018-05-02T00:00:00Z", "‹2018-05-02›")], "", "`2018-05-02T00:00:00Z`"),
    ("zone in capitals", &[(L, "Europe/Berlin", "‹EUROPE/BERLIN›")], "", "`Europe/Berlin`"),
    ("offset for a zone", &[(L, "Europe/Berlin", "‹+01:00›")], "", "`UTC`"),
    ("number for a title", &[(L, "title: Tectonic 1.8", "title: ‹1.10›")], "", "`\"1.10\"`"),
    ("number for a line", &[(L, "{ line: \"1.7\"", "{ line: ‹1.7›")], "", "`\"1.7\"`"),
    ("number for a link", &[(R, "\"https://example.com/1.8.4\"", "‹5›")], "", "https://"),
    ("number for an architecture", &[(R, "size: 9999", "size: 9999, arch: ‹1.5›")], "", "amd64"),
    ("yes", &[(R, "barrier: false", "barrier: ‹yes›")], "", "`true`"),
    (
        "misspelt beside its right spelling",
        &[(L, "reason: \"first of May\"", "reason: May, ‹reson›: May")],
        "",
        "`reason` is there already",
    ),
];

/// What a hint says to write: each spelling that it has in backticks.
fn suggestions(hint: &str) -> Vec<&str> {
    let is_concrete = ["write `", "did you mean `", "write one of the two, without quotes: `"];
    if !is_concrete.iter().any(|start| hint.starts_with(start)) {
        return Vec::new();
    }
    let spelt: Vec<&str> = hint.split('`').skip(1).step_by(2).collect();
    // A form with several keys, or with a gap to fill, is not for the place of one value.
    if spelt.iter().any(|one| one.contains(": ") || one.contains('…')) { Vec::new() } else { spelt }
}

#[test]
fn what_a_hint_says_to_write_is_accepted() {
    let mut tried = 0;
    for (name, edits, _, wanted) in BY_ITSELF.iter().chain(NEARLY) {
        let files = edited(edits);
        let marked: Vec<(&String, &String)> = files.iter().filter(|(_, text)| text.contains('‹')).collect();
        let [(path, text)] = marked[..] else { continue };
        let Some((before, rest)) = text.split_once('‹') else { continue };
        let Some((value, after)) = rest.split_once('›').filter(|(_, after)| !after.contains('‹')) else {
            continue;
        };
        let line = u32::try_from(before.lines().count()).unwrap();
        let faults = |value: &str| {
            let text = format!("{before}{value}{after}");
            let parsed = parse(Source { path, bytes: text.as_bytes() });
            parsed.faults().iter().filter(|fault| fault.line == line).cloned().collect::<Vec<_>>()
        };
        let found = faults(value);
        if NEARLY.iter().any(|row| row.0 == *name) {
            assert!(found.iter().any(|fault| fault.hint.contains(wanted)), "{name}: {found:?}");
        }
        for suggestion in found.iter().flat_map(|fault| suggestions(&fault.hint)) {
            let next = faults(suggestion);
            assert!(next.is_empty(), "{name}: `{suggestion}`, as {found:?} says, is refused next: {next:?}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}
