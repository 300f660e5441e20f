//! Machine edits against the reader: whatever form people wrote a file in, an edited file says
//! exactly what the change means, and every comment is still there.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::format_push_string, reason = "a test reads better so, and is in no hurry")]

use proptest::prelude::*;
use tidegate::domain::Time;
use tidegate::domain::catalog::Catalog;
use tidegate::domain::change::Change;
use tidegate::domain::channel::{LineName, StageName};
use tidegate::domain::release::{Entry, Event, Outage, Yank};
use tidegate::domain::version::Version;
use tidegate::formats::edit::edit;
use tidegate::formats::yaml::{Reading, Source, read};

const OTHER: &str = "format: 1\nversion: 1.8.5\npayloads: [{ file: p, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 4 }]\n";

fn catalog(line: &str, release: &str) -> Reading {
    read([
        Source { path: "1.8/line.yaml", bytes: line.as_bytes() },
        Source { path: "1.8/1.8.4.yaml", bytes: release.as_bytes() },
        Source { path: "1.8/1.8.5.yaml", bytes: OTHER.as_bytes() },
    ])
}

/// Edits, reads again, and compares with what the change means. `None` where the change does not
/// fit the catalog.
fn check(line: &str, release: &str, change: &Change) -> Option<String> {
    let before = catalog(line, release);
    assert_eq!(before.faults, [], "\n{line}\n{release}");
    let meant = change.apply(before.catalog.clone()).ok()?;
    let old = |file: &str| match file {
        "1.8/line.yaml" => Some(line.as_bytes()),
        "1.8/1.8.4.yaml" => Some(release.as_bytes()),
        _ => None,
    };
    let text = |catalog: &Catalog| match edit(change, catalog, old) {
        Ok(Some(edited)) => edited.text,
        Ok(None) => if is_line(change) { line } else { release }.to_owned(),
        Err(e) => panic!("{change:?}: {e:?}\n{line}\n{release}"),
    };
    let edited = text(&before.catalog);
    let after = if is_line(change) { catalog(&edited, release) } else { catalog(line, &edited) };
    assert_eq!(after.faults, [], "{change:?}\n{line}\n{release}\n--- became\n{edited}");
    assert_eq!(after.catalog, meant, "{change:?}\n{line}\n{release}\n--- became\n{edited}");
    let old = if is_line(change) { line } else { release };
    assert_eq!(edited.ends_with('\n'), old.ends_with('\n'), "{change:?}\n{old}\n--- became\n{edited}");
    if old.contains("\r\n") {
        assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count(), "{edited:?}");
    }
    for comment in old.split("# comment ").skip(1) {
        let comment = format!("# comment {}.", comment.split('.').next().unwrap());
        assert_eq!(edited.matches(&comment).count(), 1, "{comment}\n{change:?}\n{old}\n--- became\n{edited}");
    }
    Some(edited)
}

fn is_line(change: &Change) -> bool {
    matches!(change, Change::Pause { .. } | Change::Unpause { .. })
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn changes(reason: &str) -> Vec<Change> {
    let version = Version::parse("1.8.4").unwrap();
    let stage = |name| StageName::parse(name).unwrap();
    let line = LineName::parse("1.8").unwrap();
    let by = "ann".to_owned();
    let event = Event::new(time("2018-02-01T00:00:00Z"), by.clone(), reason.to_owned());
    let entry = |since| Entry::new(time(since), "schedule".to_owned(), Some(reason.to_owned()));
    let yank = |to| Yank { event: event.clone(), to };
    let ended = event.ended(event.clone());
    let mut changes = vec![
        Change::Enter {
            version: version.clone(),
            stage: stage("preproduction"),
            entry: entry("2018-01-01T00:00:00Z"),
        },
        Change::Enter {
            version: version.clone(),
            stage: stage("production"),
            entry: entry("2018-01-20T00:00:00Z"),
        },
        Change::Hold { version: version.clone(), hold: event.clone() },
        Change::Resume { version: version.clone(), ended: ended.clone() },
        Change::Yank { version: version.clone(), yank: yank(None) },
        Change::Yank { version: version.clone(), yank: yank(Some(Version::parse("1.8.5").unwrap())) },
        Change::Unyank { version: version.clone(), ended: ended.clone() },
        Change::Unavailable { version, outages: vec![Outage { from: event.at, until: None }] },
    ];
    for name in ["preproduction", "production"] {
        let (line, stage) = (line.clone(), stage(name));
        changes.push(Change::Pause { line: line.clone(), stage: stage.clone(), pause: event.clone() });
        changes.push(Change::Unpause { line, stage, ended: ended.clone() });
    }
    changes
}

/// A file's writer, whose habits are drawn.
struct Writer {
    habits: Vec<u8>,
    at: usize,
    comments: usize,
    out: String,
}

impl Writer {
    fn new(habits: Vec<u8>) -> Self {
        Self { habits, at: 0, comments: 0, out: String::new() }
    }

    fn pick(&mut self, n: u8) -> u8 {
        self.at += 1;
        self.habits.get(self.at - 1).copied().unwrap_or(0) % n
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        // Things that an editor without a grammar takes for syntax.
        let tail = ["", " }", " hold: { at: x }", ", and: \"more", " - it's"][self.pick(5) as usize];
        format!("# comment {}.{tail}", self.comments)
    }

    /// A comment behind something, or none, and the end of the line.
    fn end(&mut self) {
        if self.pick(3) == 1 {
            let comment = self.comment();
            self.out.push_str(&format!("  {comment}"));
        }
        self.out.push('\n');
        if self.pick(4) == 1 {
            let indent = " ".repeat(self.pick(6) as usize);
            let comment = self.comment();
            self.out.push_str(&format!("{indent}{comment}\n"));
        }
        if self.pick(8) == 1 {
            self.out.push('\n');
        }
    }

    fn key(&mut self, key: &str) {
        let key = match self.pick(5) {
            1 => format!("\"{key}\""),
            2 => format!("'{key}'"),
            _ => key.to_owned(),
        };
        self.out.push_str(&key);
        let colon = if self.pick(6) == 1 { ":  " } else { ": " };
        self.out.push_str(colon);
    }

    /// A mapping from keys to values in some style, at some depth.
    fn map(&mut self, depth: usize, pairs: &[(&str, Value)]) {
        let pad = " ".repeat(depth * 2 + 2);
        match self.pick(4) {
            1 => {
                let open = ["{", "{ "][self.pick(2) as usize];
                self.out.push_str(open);
                for (i, (key, value)) in pairs.iter().enumerate() {
                    if i > 0 {
                        self.out.push_str(", ");
                    }
                    self.key(key);
                    self.inline(value);
                }
                let close = ["}", " }", ", }"][self.pick(3) as usize];
                self.out.push_str(close);
                self.end();
            }
            2 => {
                self.out.push('{');
                self.end();
                for (i, (key, value)) in pairs.iter().enumerate() {
                    self.out.push_str(&pad);
                    self.key(key);
                    self.inline(value);
                    if i + 1 < pairs.len() || self.pick(2) == 1 {
                        self.out.push(',');
                    }
                    self.end();
                }
                self.out.push_str(&" ".repeat(depth * 2 + 1));
                self.out.push('}');
                self.end();
            }
            _ => {
                self.end();
                for (key, value) in pairs {
                    self.out.push_str(&pad);
                    self.key(key);
                    match value {
                        Value::Text(text) => {
                            self.out.push_str(text);
                            self.end();
                        }
                        Value::Map(pairs) => self.map(depth + 1, pairs),
                    }
                }
            }
        }
    }

    fn inline(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.out.push_str(text),
            Value::Map(pairs) => {
                self.out.push_str("{ ");
                for (key, value) in pairs {
                    self.key(key);
                    self.inline(value);
                    self.out.push_str(", ");
                }
                self.out.push('}');
            }
        }
    }

    /// A whole document of keys in a drawn order.
    fn document(mut self, mut pairs: Vec<(&'static str, Value)>) -> String {
        if self.pick(3) == 1 {
            let comment = self.comment();
            self.out.push_str(&format!("{comment}\n"));
        }
        if self.pick(5) == 1 {
            self.out.push_str("---\n");
        }
        let flow = self.pick(6) == 1;
        if flow {
            self.out.push('{');
            self.end();
        }
        while !pairs.is_empty() {
            let index = self.pick(u8::try_from(pairs.len()).unwrap()) as usize;
            let (key, value) = pairs.remove(index);
            if key == "note" && (flow || self.pick(2) == 1) {
                continue;
            }
            if flow {
                self.out.push_str("  ");
                self.key(key);
                self.inline(&value);
                self.out.push(',');
                self.end();
                continue;
            }
            self.key(key);
            match &value {
                Value::Text(text) if key == "note" => self.out.push_str(&format!("{text}\n")),
                Value::Text(text) => {
                    self.out.push_str(text);
                    self.end();
                }
                Value::Map(pairs) => self.map(0, pairs),
            }
        }
        if flow {
            self.out.push('}');
            self.end();
        }
        if self.pick(4) == 1 {
            let trimmed = self.out.trim_end().len();
            self.out.truncate(trimmed);
        }
        if self.pick(3) == 1 { self.out.replace('\n', "\r\n") } else { self.out }
    }
}

#[derive(Clone)]
enum Value {
    Text(&'static str),
    Map(Vec<(&'static str, Value)>),
}

fn event(reason: &'static str) -> Value {
    let text = Value::Text;
    Value::Map(vec![("at", text("2018-01-25T00:00:00Z")), ("by", text("bob")), ("reason", text(reason))])
}

/// A release and its line as somebody might have written them.
fn files(habits: (Vec<u8>, Vec<u8>), has: u8) -> (String, String) {
    let text = Value::Text;
    let entry = |since, by| Value::Map(vec![("since", text(since)), ("by", text(by))]);
    let mut release = vec![
        ("format", text("1")),
        ("version", text("1.8.4")),
        (
            "payloads",
            text(
                "[{ file: p, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 4 }]",
            ),
        ),
        (
            "note",
            text(
                ["|\n  # no comment\n\n  hold: x", ">-\n  two\n  lines # no comment", "plain"]
                    [has as usize % 3],
            ),
        ),
        ("links", Value::Map(vec![("notes", text("\"https://example.com/#a\""))])),
    ];
    let mut stages = Vec::new();
    if has & 1 != 0 {
        stages.push(("preproduction", entry("2018-01-01T00:00:00Z", "schedule")));
    }
    if has & 3 == 3 {
        stages.push(("production", entry("2018-01-20T00:00:00Z", "'schedule'")));
    }
    if !stages.is_empty() {
        release.push(("stages", Value::Map(stages)));
    }
    if has & 4 != 0 {
        release.push(("hold", event("\"a # b, {c}\"")));
    }
    if has & 8 != 0 {
        release.push(("yank", event("'it''s: so'")));
    }
    let mut line = vec![("format", text("1")), ("line", text("\"1.8\"")), ("title", text("Tectonic 1.8"))];
    let mut paused = Vec::new();
    if has & 16 != 0 {
        paused.push(("preproduction", event("rollout stuck")));
    }
    if has & 32 != 0 {
        paused.push(("production", event("new console")));
    }
    if !paused.is_empty() {
        line.push(("paused", Value::Map(paused)));
    }
    (Writer::new(habits.0).document(line), Writer::new(habits.1).document(release))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_file_says_what_was_meant_and_keeps_every_comment(
        habits in (prop::collection::vec(any::<u8>(), 0..120), prop::collection::vec(any::<u8>(), 0..200)),
        has in 0..64_u8,
    ) {
        let (line, release) = files(habits, has);
        for change in changes("soaked 14d") {
            let skips_a_stage = |stage: &StageName| stage.as_str() == "production" && has & 1 == 0;
            if matches!(&change, Change::Enter { stage, .. } if skips_a_stage(stage)) {
                continue;
            }
            check(&line, &release, &change);
        }
    }

    #[test]
    fn any_reason_comes_back_as_it_was(reason in "[^\\p{Cc}\\p{Cf}\\p{Cn}\\p{Co}\\p{Zl}\\p{Zp}\u{feff}]{1,60}") {
        prop_assume!(reason.trim() == reason);
        let (line, release) = files((vec![], vec![]), 1);
        for change in changes(&reason) {
            check(&line, &release, &change);
        }
    }
}

#[test]
fn inserted_lines_are_written_in_one_style() {
    let (line, release) = files((vec![], vec![]), 1);
    let mut text = release;
    for change in changes("etcd is slow: #7") {
        if !is_line(&change)
            && let Some(edited) = check(&line, &text, &change)
            && !matches!(change, Change::Resume { .. } | Change::Unyank { .. })
        {
            text = edited;
        }
    }
    for line in [
        "  production: { since: 2018-01-20T00:00:00Z, by: schedule, reason: \"etcd is slow: #7\" }",
        "hold: { at: 2018-02-01T00:00:00Z, by: ann, reason: \"etcd is slow: #7\" }",
        "yank: { at: 2018-02-01T00:00:00Z, by: ann, reason: \"etcd is slow: #7\", to: 1.8.5 }",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
}
