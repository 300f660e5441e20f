use super::splice::{append, put, remove};
use super::*;
use crate::domain::channel::{LineName, StageName};
use crate::domain::release::{Entry, Event, Yank};
use crate::domain::version::Version;

const V: &str = "{ x: 1 }";

/// Each row: what it shows, the text before, the path, and the text after.
fn check_put(rows: &[(&str, &str, &[&str], &str)]) {
    for (name, before, path, after) in rows {
        assert_eq!(put(before, path, V).unwrap(), *after, "{name}");
        if !before.contains('\n') {
            continue;
        }
        let (before, after) = (before.replace('\n', "\r\n"), after.replace('\n', "\r\n"));
        assert_eq!(put(&before, path, V).unwrap(), after, "{name}, with CRLF");
    }
}

fn check_remove(rows: &[(&str, &str, &[&str], &str)]) {
    for (name, before, path, after) in rows {
        assert_eq!(remove(before, path).unwrap(), *after, "{name}");
        if !before.contains('\n') {
            continue;
        }
        let (before, after) = (before.replace('\n', "\r\n"), after.replace('\n', "\r\n"));
        assert_eq!(remove(&before, path).unwrap(), after, "{name}, with CRLF");
    }
}

#[test]
fn a_key_is_put_at_the_end_of_a_block() {
    check_put(&[
        ("plain", "a: 1\n", &["hold"], "a: 1\nhold: { x: 1 }\n"),
        ("no line break at the end", "a: 1", &["hold"], "a: 1\nhold: { x: 1 }"),
        ("a trailing comment", "a: 1 # c\n# end\n", &["hold"], "a: 1 # c\nhold: { x: 1 }\n# end\n"),
        ("empty lines at the end", "a: 1\n\n\n", &["hold"], "a: 1\nhold: { x: 1 }\n\n\n"),
        (
            "a comment that belongs to the entry before",
            "s:\n  a: 1\n  # deep\n\n# end\n",
            &["hold"],
            "s:\n  a: 1\n  # deep\nhold: { x: 1 }\n\n# end\n",
        ),
        (
            "a text that looks like a comment",
            "note: |\n  # not\n  # a comment\n",
            &["hold"],
            "note: |\n  # not\n  # a comment\nhold: { x: 1 }\n",
        ),
        (
            "a text that keeps its empty lines",
            "note: |+\n  text\n\n",
            &["hold"],
            "note: |+\n  text\n\nhold: { x: 1 }\n",
        ),
        ("marks of the document", "---\na: 1\n...\n", &["hold"], "---\na: 1\nhold: { x: 1 }\n...\n"),
        ("an indented document", "  a: 1\n  b: 2\n", &["hold"], "  a: 1\n  b: 2\n  hold: { x: 1 }\n"),
        ("a key without a value", "a: 1\nb:\n", &["hold"], "a: 1\nb:\nhold: { x: 1 }\n"),
        (
            "inside, with comments at odd places",
            "stages: # s\n  # one\n  a: { y: 1 } # two\n  # three\n# four\nb: 1\n",
            &["stages", "p"],
            "stages: # s\n  # one\n  a: { y: 1 } # two\n  p: { x: 1 }\n  # three\n# four\nb: 1\n",
        ),
        (
            "inside, after a block",
            "stages:\n    a:\n        y: 1\n        # deep\n    # end\nb: 1\n",
            &["stages", "p"],
            "stages:\n    a:\n        y: 1\n        # deep\n    p: { x: 1 }\n    # end\nb: 1\n",
        ),
        (
            "inside, quoted keys",
            "\"stages\":\n  'a': {\"y\": 1}\n",
            &["stages", "p"],
            "\"stages\":\n  'a': {\"y\": 1}\n  p: { x: 1 }\n",
        ),
        (
            "inside, a key with an escape",
            "\"stag\\x65s\":\n  a: 1\n",
            &["stages", "p"],
            "\"stag\\x65s\":\n  a: 1\n  p: { x: 1 }\n",
        ),
        (
            "a mapping that is missing",
            "a: 1\n# end\n",
            &["stages", "p"],
            "a: 1\nstages:\n  p: { x: 1 }\n# end\n",
        ),
        (
            "a mapping without a value",
            "stages: # c\nb: 1\n",
            &["stages", "p"],
            "stages: # c\n  p: { x: 1 }\nb: 1\n",
        ),
        (
            "an empty mapping",
            "stages: {} # c\nb: 1\n",
            &["stages", "p"],
            "stages: # c\n  p: { x: 1 }\nb: 1\n",
        ),
        ("an empty mapping at the end", "stages: {}", &["stages", "p"], "stages:\n  p: { x: 1 }"),
        (
            "a text that ends in what looks like a comment",
            "note: |\n  text\n  # no comment\n",
            &["hold"],
            "note: |\n  text\n  # no comment\nhold: { x: 1 }\n",
        ),
        (
            "a text that ends in empty lines which do not count",
            "note: | # c\n  text\n\n# end\n",
            &["hold"],
            "note: | # c\n  text\nhold: { x: 1 }\n\n# end\n",
        ),
        (
            "a text that ends in a line of spaces which do count",
            "note: |\n  text\n     \n\n# end\n",
            &["hold"],
            "note: |\n  text\n     \n\nhold: { x: 1 }\n# end\n",
        ),
        (
            "a text without lines",
            "note: | # c\n\n# end\n",
            &["hold"],
            "note: | # c\nhold: { x: 1 }\n\n# end\n",
        ),
        (
            "a text that keeps its lines, in a list",
            "l:\n- a\n- >+\n  # text\n\n# end\n",
            &["hold"],
            "l:\n- a\n- >+\n  # text\n\nhold: { x: 1 }\n# end\n",
        ),
        (
            "a list that ends in nothing",
            "l:\n  - a\n  - # c\n# end\n",
            &["hold"],
            "l:\n  - a\n  - # c\nhold: { x: 1 }\n# end\n",
        ),
        (
            "a mapping that ends in nothing",
            "s:\n  a: # c\n\n# end\n",
            &["s", "p"],
            "s:\n  a: # c\n  p: { x: 1 }\n\n# end\n",
        ),
        (
            "words that hold a hash",
            "\"a # b\": 'c # d' # e\nf#: g#h # i\n",
            &["hold"],
            "\"a # b\": 'c # d' # e\nf#: g#h # i\nhold: { x: 1 }\n",
        ),
    ]);
    let both_line_ends = put("a: 1\r\nb: 2\n", &["hold"], V).unwrap();
    assert_eq!(both_line_ends, "a: 1\r\nb: 2\nhold: { x: 1 }\n");
}

#[test]
fn a_key_is_put_into_a_flow() {
    check_put(&[
        ("one line", "s: {a: 1}\n", &["s", "p"], "s: {a: 1, p: { x: 1 }}\n"),
        ("spaces", "s: { a: 1 } # c\n", &["s", "p"], "s: { a: 1, p: { x: 1 } } # c\n"),
        ("a comma at the end", "s: { a: 1, }\n", &["s", "p"], "s: { a: 1, p: { x: 1 } }\n"),
        ("the whole document", "{ a: 1, s: {} }\n", &["s", "p"], "{ a: 1, s: { p: { x: 1 } } }\n"),
        ("JSON", "{\"a\":1}", &["hold"], "{\"a\":1, hold: { x: 1 }}"),
        ("a missing mapping in a flow", "{ a: 1 }\n", &["s", "p"], "{ a: 1, s: { p: { x: 1 } } }\n"),
        (
            "an entry to a line",
            "s: {\n  a: 1, # one\n  b: 2 # two }\n  # three\n}\n",
            &["s", "p"],
            "s: {\n  a: 1, # one\n  b: 2, # two }\n  p: { x: 1 }\n  # three\n}\n",
        ),
        (
            "an entry to a line, a comma behind each",
            "s: {\n  a: 1,\n  b: 2, # two\n}\n",
            &["s", "p"],
            "s: {\n  a: 1,\n  b: 2, # two\n  p: { x: 1 },\n}\n",
        ),
        ("only a comment inside", "s: { # none\n}\n", &["s", "p"], "s: { # none\n  p: { x: 1 }\n}\n"),
        (
            "on several lines, closed on the last",
            "s: { a: 1,\n     b: 2 }\n",
            &["s", "p"],
            "s: { a: 1,\n     b: 2, p: { x: 1 } }\n",
        ),
        ("a key without a value", "{ s: , b: 1 }\n", &["s", "p"], "{ s: { p: { x: 1 } } , b: 1 }\n"),
        (
            "a comma behind a comment",
            "s: {\n  a: 1 # one\n  , # two\n}\n",
            &["s", "p"],
            "s: {\n  a: 1 # one\n  , # two\n  p: { x: 1 },\n}\n",
        ),
    ]);
}

#[test]
fn a_value_is_replaced_and_its_comments_stay() {
    check_put(&[
        ("one line", "a: 1\nhold: { y: 2 } # c\nb: 1\n", &["hold"], "a: 1\nhold: { x: 1 } # c\nb: 1\n"),
        ("in a flow", "{ hold: {y: 2}, b: 1 }\n", &["hold"], "{ hold: { x: 1 }, b: 1 }\n"),
        (
            "a block",
            "hold: # zero\n  y: 2 # one\n  # two\n  z: 3\n# three\nb: 1\n",
            &["hold"],
            "hold: { x: 1 }\n# zero\n# one\n  # two\n# three\nb: 1\n",
        ),
        (
            "a flow on several lines",
            "hold: {\n  y: 2, # one\n} # two\nb: 1\n",
            &["hold"],
            "hold: { x: 1 } # two\n# one\nb: 1\n",
        ),
        ("nothing", "hold:\nb: 1\n", &["hold"], "hold: { x: 1 }\nb: 1\n"),
        (
            "the only one in a flow, a comma behind it",
            "s: { p: { y: 2 }, }\n",
            &["s", "p"],
            "s: { p: { x: 1 }, }\n",
        ),
        ("a comment in a block", "hold:\n  y: 2 # one\na: 1\n", &["hold"], "hold: { x: 1 }\n# one\na: 1\n"),
    ]);
}

#[test]
fn a_key_is_removed_and_its_comments_stay() {
    check_remove(&[
        ("one line", "a: 1\nhold: { y: 2 }\nb: 1\n", &["hold"], "a: 1\nb: 1\n"),
        ("a comment beside it", "a: 1\nhold: { y: 2 } # why\n# end\n", &["hold"], "a: 1\n# why\n# end\n"),
        ("a comment above it", "a: 1\n# why\nhold: { y: 2 }\n", &["hold"], "a: 1\n# why\n"),
        ("no line break at the end", "a: 1\nhold: { y: 2 }", &["hold"], "a: 1"),
        ("no line break at the end, a comment", "a: 1\nhold: { y: 2 } # c", &["hold"], "a: 1\n# c"),
        (
            "a block",
            "a: 1\nhold:\n  y: 2 # one\n  # two\n\n# three\n",
            &["hold"],
            "a: 1\n# one\n  # two\n\n# three\n",
        ),
        ("the first", "hold: { y: 2 }\na: 1\n", &["hold"], "a: 1\n"),
        ("in a flow, the last", "{ a: 1, hold: {y: 2} }\n", &["hold"], "{ a: 1 }\n"),
        ("in a flow, the first", "{ hold: {y: 2}, a: 1 }\n", &["hold"], "{ a: 1 }\n"),
        (
            "in a flow, a line of its own",
            "{\n  a: 1, # c\n  hold: {y: 2} # d\n}\n",
            &["hold"],
            "{\n  a: 1, # c\n  # d\n}\n",
        ),
        ("one of two inside", "p:\n  a: 1\n  b: 2\n", &["p", "b"], "p:\n  a: 1\n"),
        (
            "the only one inside",
            "a: 1\np: # c\n  # d\n  b: { y: 1 }\n# e\nz: 1\n",
            &["p", "b"],
            "a: 1\n# c\n  # d\n# e\nz: 1\n",
        ),
        ("the only one in a flow inside", "a: 1\np: { b: { y: 1 } }\n", &["p", "b"], "a: 1\n"),
        ("one of two in a flow inside", "p: { a: 1, b: { y: 1 } }\n", &["p", "b"], "p: { a: 1 }\n"),
        ("an indented document", "  a: 1\n  hold:\n      x: 1\n  # c\n", &["hold"], "  a: 1\n  # c\n"),
        ("a comment above its value", "a: 1\nhold:\n  # why\n  x: 1\n", &["hold"], "a: 1\n  # why\n"),
        ("an empty line above, no line break at the end", "a: 1\n\nhold: 1", &["hold"], "a: 1"),
        (
            "in a flow, a comma behind a comment",
            "{ a: 1 # c\n  , hold: {y: 2} # d\n  , b: 2 }\n",
            &["hold"],
            "{ a: 1 # c\n  , b: 2 }\n  # d\n",
        ),
    ]);
}

#[test]
fn what_is_not_there_or_cannot_be_told_is_refused() {
    assert!(matches!(remove("a: 1\n", &["hold"]), Err(SpliceError::Absent(_))));
    assert!(matches!(remove("hold: 1\n", &["hold"]), Err(SpliceError::Form(_))));
    assert!(put("- a\n- b\n", &["hold"], V).is_err());
    assert!(put("a: [\n", &["hold"], V).is_err());
    assert!(put("", &["hold"], V).is_err());
}

/// A release that entered no stage yet, one of the sample catalog, and the example of the design.
const RELEASES: [&str; 3] = [
    "format: 1\nversion: 1.8.4-tectonic.1\nsummary: Kubernetes 1.8.4\nbarrier: false\n",
    include_str!("../../../channels/1.8/1.8.4-tectonic.1.yaml"),
    "\
# channels/1.8/1.8.4-tectonic.1.yaml
format: 1
version: 1.8.4-tectonic.1
urgency: normal                           # normal | security
links: { notes: \"https://example.com/#notes\" }
components: { kubernetes: 1.8.4+tectonic.1, etcd: 3.1.8 }
payloads:
  - { file: payload.json, sha256: 9f86d0, size: 9999 }        # `arch` where there are several
barrier: false
stages:
  preproduction: { since: 2017-12-19T17:30:31Z, by: schedule }
# hold: { at, by, reason }      yank: { at, by, reason, to }      note: never published
",
];

/// A line of the sample catalog, and the example of the design.
const LINES: [&str; 2] = [
    include_str!("../../../channels/1.8/line.yaml"),
    "\
format: 1
line: \"1.8\"
stages:                                   # or left to policy.yaml
  - name: preproduction
    aliases: [tectonic-1.8-preproduction]
  - name: production
    soak: { min: 14d, max: 28d, security: { min: 3d, max: 14d, why: fixes go out faster } }
freezes:
  - { from: 2017-12-22T00:00:00Z, until: 2018-01-02T00:00:00Z, reason: end of year, except: [security] }
",
];

/// Every kind of change to a file, each made in the file as the ones before it leave it.
fn changes() -> [Change; 11] {
    let version = || Version::parse("1.8.4-tectonic.1").unwrap();
    let line = || LineName::parse("1.8").unwrap();
    let stage = |name| StageName::parse(name).unwrap();
    let (at, by) = ("2018-01-02T17:30:31Z".parse().unwrap(), "ann".to_owned());
    let event = Event::new(at, by.clone(), "etcd is slow: #7".to_owned());
    let entry = Entry::new(at, by, Some("soaked 14d".to_owned()));
    let yank = Yank { event: event.clone(), to: Some(version()) };
    let ended = event.ended(event.clone());
    [
        Change::Enter { version: version(), stage: stage("preproduction"), entry: entry.clone() },
        Change::Enter { version: version(), stage: stage("production"), entry },
        Change::Hold { version: version(), hold: event.clone() },
        Change::Yank { version: version(), yank: yank.clone() },
        Change::Yank { version: version(), yank: Yank { to: None, ..yank } },
        Change::Resume { version: version(), ended: ended.clone() },
        Change::Unyank { version: version(), ended: ended.clone() },
        Change::Pause { line: line(), stage: stage("preproduction"), pause: event.clone() },
        Change::Pause { line: line(), stage: stage("production"), pause: event },
        Change::Unpause { line: line(), stage: stage("preproduction"), ended: ended.clone() },
        Change::Unpause { line: line(), stage: stage("production"), ended },
    ]
}

/// The text after a change: only lines of the change itself differ from the text before.
fn changed(text: &str, change: &Change) -> String {
    let (path, value) = place(change).unwrap();
    let after = match &value {
        Some(value) => put(text, &path, value),
        None => remove(text, &path),
    };
    let after = after.unwrap_or_else(|e| panic!("{change:?}: {e}\n{text}"));
    let (mut old, mut new): (Vec<_>, Vec<_>) = (text.lines().collect(), after.lines().collect());
    while old.first().is_some_and(|line| new.first() == Some(line)) {
        old.remove(0);
        new.remove(0);
    }
    while old.last().is_some_and(|line| new.last() == Some(line)) {
        old.pop();
        new.pop();
    }
    let entry = |value: &String| format!("{}: {value}", path.last().unwrap());
    let is_entry = |line: &&str| line.trim_start().starts_with(&format!("{}: {{ ", path.last().unwrap()));
    let is_parent = |line: &&str| **line == format!("{}:", path[0]);
    if let Some(value) = &value {
        let last = new.pop().map(str::trim_start);
        assert_eq!(last, Some(entry(value).as_str()), "{change:?}\n{after}");
        assert!(new.iter().all(is_parent), "{change:?}\n{after}");
        assert!(old.is_empty() || old.len() == 1 && is_entry(&old[0]), "{change:?}\n{after}");
    } else {
        assert_eq!(new, [""; 0], "{change:?}\n{after}");
        assert!(old.iter().all(|line| is_entry(line) || is_parent(line)), "{change:?}\n{after}");
    }
    assert_eq!(after.ends_with('\n'), text.ends_with('\n'), "{change:?}\n{after}");
    assert_eq!(after.contains("\r\n"), text.contains("\r\n"), "{change:?}\n{after}");
    after
}

#[test]
fn files_as_they_are_usually_written_change_in_the_lines_of_the_edit_alone() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let bare = |text: &str| text.trim_end().to_owned();
    for text in RELEASES.iter().chain(&LINES) {
        for mut text in [(*text).to_owned(), crlf(text), bare(text), bare(&crlf(text))] {
            for change in changes() {
                let is_line = matches!(change, Change::Pause { .. } | Change::Unpause { .. });
                if is_line == text.contains("\nline: ") {
                    text = changed(&text, &change);
                }
            }
        }
    }
}

#[test]
fn the_end_of_a_stop_is_added_to_the_list_as_it_is_written() {
    let item = "{ from: a, until: b }";
    for (before, after) in [
        ("format: 1\n", "format: 1\nresumed: [{ from: a, until: b }]\n"),
        ("format: 1\nresumed:\n", "format: 1\nresumed: [{ from: a, until: b }]\n"),
        ("format: 1\nresumed: []\n", "format: 1\nresumed: [ { from: a, until: b } ]\n"),
        (
            "format: 1\nresumed: [{ x: y }] # old\n",
            "format: 1\nresumed: [{ x: y }, { from: a, until: b }] # old\n",
        ),
        (
            "resumed:\n  - { x: y } # old\nformat: 1\n",
            "resumed:\n  - { x: y } # old\n  - { from: a, until: b }\nformat: 1\n",
        ),
        (
            "resumed:\n- x: y\n  z: 1\nformat: 1",
            "resumed:\n- x: y\n  z: 1\n- { from: a, until: b }\nformat: 1",
        ),
    ] {
        assert_eq!(append(before, &["resumed"], item).unwrap(), after, "{before}");
    }
    let nested = append("format: 1\n", &["resumed", "production"], item).unwrap();
    assert_eq!(nested, "format: 1\nresumed:\n  production: [{ from: a, until: b }]\n");
    let twice = append(&nested, &["resumed", "production"], item).unwrap();
    assert!(twice.ends_with("[{ from: a, until: b }, { from: a, until: b }]\n"), "{twice}");
    assert!(append("format: 1\nresumed: yes\n", &["resumed"], item).is_err());
}
