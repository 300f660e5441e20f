//! Reads the stops of a file that has faults, more leniently than anything else is read. Whoever stops
//! something is in a hurry, and the faults stay reported.

use super::event::{is_nothing, stop, unread};
use super::faults::Faults;
use super::line::RawLine;
use super::node::{self, Entry, Node, Value};
use super::place::Place;
use super::release::{RawRelease, yank};
use super::{Content, is_conflict_mark};
use crate::domain::channel::{LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::release::{Event, Yank};
use crate::domain::version::Version;
use crate::formats::fault::is_unprintable;

/// How often the search for stops goes on behind something that cannot be parsed. Each time may read all of the
/// rest.
const MAX_PARTS: usize = 100;

/// The stops that could be found in a file.
#[derive(Debug, Default)]
struct Stops {
    hold: Option<Event>,
    yank: Option<Yank>,
    paused: Vec<(StageName, Event)>,
    /// A pause of nobody knows which stage.
    all_paused: Option<Event>,
}

/// Returns the content of a faulty file with all stops that can be found in its bytes.
pub(super) fn added(content: Option<Content>, bytes: &[u8], place: &Place) -> Option<Content> {
    if !matches!(place, Place::Line { .. } | Place::Release { .. }) {
        return content;
    }
    let text = plain(bytes);
    let mut stops = Stops::default();
    stops.find_all(&text);
    match (content.or_else(|| stops.nothing_else(place))?, stops) {
        (Content::Release(mut raw), Stops { hold, yank, .. }) => {
            let release = &mut raw.release;
            release.hold = release.hold.take().or_else(|| hold.map(Box::new));
            release.yank = release.yank.take().or_else(|| yank.map(Box::new));
            Some(Content::Release(raw))
        }
        (Content::Line(mut raw), Stops { paused, all_paused, .. }) => {
            let is_new = |stage: &StageName| raw.paused.iter().all(|(known, _)| known != stage);
            let new: Vec<_> = paused.into_iter().filter(|(stage, _)| is_new(stage)).collect();
            raw.paused.extend(new);
            raw.all_paused = all_paused;
            Some(Content::Line(raw))
        }
        (other, _) => Some(other),
    }
}

/// Returns the text without anything that is rejected, but does not matter here: byte order marks, tabs,
/// control characters, directives, the borders of documents, and conflict markers. What only one side of a
/// conflict stops is stopped.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches(['\u{feff}', '\u{fffd}']);
    let chars = text.chars().filter(|c| *c != '\0').map(|c| match c {
        '\n' | '\r' => '\n',
        c if c.is_whitespace() || is_unprintable(c) => ' ',
        c => c,
    });
    let text: String = chars.collect();
    let is_border = |line: &str| line.starts_with('%') || ["---", "..."].contains(&line.trim_end());
    let lines = text.split_inclusive('\n').filter(|line| !is_border(line) && !is_conflict_mark(line));
    lines.collect()
}

impl Stops {
    /// Finds stops in a text, and goes on behind what cannot be parsed, at the next line that begins like a stop.
    fn find_all(&mut self, text: &str) {
        let mut rest = text;
        for _ in 0..MAX_PARTS {
            let (root, parsed) = node::partial_tree(rest);
            if let Some(root) = root {
                self.find(&root, &mut Faults::new("", rest), rest.starts_with(' '));
            }
            let Some(parsed) = parsed else { return };
            let next = rest.match_indices('\n').map(|(at, _)| at + 1).find(|&line| {
                let begun = rest[line..].trim_start_matches(' ');
                parsed <= rest.len() - begun.len() && is_stop_line(begun)
            });
            let Some(next) = next else { return };
            rest = &rest[next..];
        }
    }

    /// Finds stops at the top, and those that were put too deep, among the stages.
    fn find(&mut self, node: &Node<'_>, faults: &mut Faults<'_>, among_stages: bool) {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::List(items) if among_stages => {
                return items.iter().for_each(|item| self.find(item, faults, true));
            }
            _ => return,
        };
        // A stage can be called `hold`, and then releases enter it.
        let is_entry = |entry: &Entry<'_>| among_stages && has(&entry.value, "since");
        for entry in entries.iter().filter(|entry| !is_entry(entry)) {
            let (value, at) = (&entry.value, entry.key.spot);
            match entry.name().to_ascii_lowercase().as_str() {
                "hold" => self.hold = self.hold.take().or_else(|| stop(value, at, faults)),
                "yank" => self.yank = self.yank.take().or_else(|| yank(value, at, faults)),
                "paused" => self.pause(value, faults),
                "stages" => self.find(value, faults, true),
                _ => {}
            }
        }
    }

    fn pause(&mut self, node: &Node<'_>, faults: &mut Faults<'_>) {
        match &node.value {
            Value::Map(stages) if !["at", "by", "reason"].iter().any(|key| has(node, key)) => {
                for Entry { key, value } in stages {
                    let Value::Scalar { text, .. } = &key.value else { continue };
                    let Some(event) = stop(value, key.spot, faults) else { continue };
                    match StageName::parse(&text.to_ascii_lowercase()) {
                        Ok(stage) => self.paused.push((stage, event)),
                        Err(_) => self.all_paused = Some(event),
                    }
                }
            }
            Value::Map(_) => self.all_paused = stop(node, node.spot, faults),
            _ if is_nothing(node) => {}
            _ => self.all_paused = Some(unread()),
        }
    }

    /// The content of a file of which nothing but its stops can be read, if it has any.
    fn nothing_else(&self, place: &Place) -> Option<Content> {
        match place {
            Place::Release { stem, .. } if self.hold.is_some() || self.yank.is_some() => {
                Some(Content::Release(Box::new(RawRelease::unread(Version::parse(stem).ok()?))))
            }
            Place::Line { folder } if !self.paused.is_empty() || self.all_paused.is_some() => {
                let prefix = Prefix::parse(folder).unwrap_or(Prefix::NONE);
                Some(Content::Line(Box::new(RawLine::named(LineName::parse(folder).ok()?, prefix))))
            }
            _ => None,
        }
    }
}

fn is_stop_line(line: &str) -> bool {
    let key = line.split_once(':').map_or("", |(key, _)| key).trim_end();
    ["hold", "yank", "paused"].iter().any(|stop| stop.eq_ignore_ascii_case(key))
}

fn has(node: &Node<'_>, key: &str) -> bool {
    matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.name() == key))
}

#[cfg(test)]
mod tests {
    use super::super::{Source, read};
    use crate::domain::catalog::Catalog;
    use crate::domain::line::Line;
    use crate::domain::testing::v;

    const LINE: &[u8] = b"format: 1\nline: \"1.8\"\n";
    const RELEASE: &str = "format: 1\nversion: 1.8.4\npayloads:\n  - { file: a, sha256: aa, size: 1 }\nstages:\n  preproduction: { since: 2018-01-01T00:00:00Z, by: ada }\n";
    const YANK: &str = "yank: { at: 2018-01-02T00:00:00Z, by: ada, reason: eats data }\n";

    /// The line as far as it can be read; it has a fault.
    fn salvaged(line: &[u8], release: &[u8]) -> Option<Line> {
        let sources = [("1.8/line.yaml", line), ("1.8/1.8.4.yaml", release)];
        let reading = read(sources.map(|(path, bytes)| Source { path, bytes }));
        assert!(!reading.faults.is_empty());
        Catalog::salvaged_lines(&reading.catalog).next().cloned()
    }

    #[test]
    fn a_yank_is_found_however_the_file_is_written() {
        let after = |text: &str| [RELEASE.as_bytes(), text.as_bytes()].concat();
        let utf16 = after(YANK).iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>();
        for bytes in [
            [b"\xef\xbb\xbf", &*after(YANK)].concat(),
            [b"\xff\xfe", &*utf16].concat(),
            after(&YANK.replace("yank: ", "yank:\t")),
            after("yank:\n\tat: 2018-01-02T00:00:00Z\n\tby: ada\n\treason: eats data\n"),
            [b"%YAML 1.2\n---\n", &*after(YANK)].concat(),
            after(&format!("{YANK}# {}\n", "x".repeat(300_000))),
            [&*after(YANK), b"# \xe4\n"].concat(),
            after(&format!("{YANK}---\nmore: 1\n")),
            after(&format!("---\n{YANK}")),
            after(&YANK.replace("yank", "Yank")),
            after(&format!("  {YANK}")),
            after(YANK).iter().map(|byte| if *byte == b'\n' { b'\r' } else { *byte }).collect(),
            after(&format!("{YANK}}}}}\n")),
            format!("{YANK}stages:\n  - [\n").into_bytes(),
            after(&format!("<<<<<<< HEAD\n{YANK}=======\n>>>>>>> main\n")),
            YANK.into(),
            format!("format: 2\n{YANK}").into_bytes(),
            after(&format!("summary: fix: the crash\n{YANK}")),
            after(&format!("summary: fix: the crash\nlinks: {{ a: [\n  {}", YANK.replace("yank", "YANK"))),
            after(&format!("summary: \"fix the crash\n{YANK}")),
            after(&format!("note: |\n  yank: no\nsummary: a: b\n{YANK}")),
            after(&format!(
                "summary: a: b\nstages:\n  hold: {{ since: 2018-01-01T00:00:00Z, by: ada }}\n{YANK}"
            )),
        ] {
            let found = salvaged(LINE, &bytes).unwrap();
            let yank = found.releases[&v("1.8.4")].yank.clone();
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
            assert_eq!(yank.map(|yank| yank.event.reason).as_deref(), Some("eats data"), "{shown}");
        }
        for (text, is_held) in [
            ("hold: soon\n\t", true),
            ("Hold: true\n", true),
            ("  hold: { since: x }\n", false),
            ("summary: a: b\nstages:\n  hold: { since: x }\n", false),
            ("summary: a: b\nhold: c: d\n", true),
            ("hold: c: d\n", true),
        ] {
            let found = salvaged(LINE, &after(text)).unwrap();
            let held = found.releases.get(&v("1.8.4")).is_some_and(|release| release.hold.is_some());
            assert_eq!(held, is_held, "{text}");
        }
        for (value, is_stopped) in [
            ("", false),
            ("~", false),
            ("null", false),
            ("False", false),
            ("{}", false),
            ("[]", false),
            ("\"\"", false),
            ("{ reason: eats data }", true),
            ("{{ eats data }}", true),
            ("yes", true),
        ] {
            for key in ["hold", "yank", "HOLD", "Yank"] {
                let found = salvaged(LINE, &after(&format!("{key}: {value}\n"))).unwrap();
                let release = &found.releases[&v("1.8.4")];
                assert_eq!(release.hold.is_some() || release.yank.is_some(), is_stopped, "{key}: {value}");
            }
        }
    }

    #[test]
    fn a_pause_is_found_and_one_that_nobody_understands_pauses_the_line() {
        let event = "{ at: 2018-01-02T00:00:00Z, by: ada, reason: eats data }";
        for (text, paused) in [
            (format!("paused: {{ Production: {event} }}\n"), [false, true]),
            (format!("Paused: {{ production: {event} }}\n"), [false, true]),
            (format!("paused: {{ 1.8-production: {event} }}\n"), [false, true]),
            ("paused: true\n".to_owned(), [true, true]),
            ("paused: [production]\n".to_owned(), [true, true]),
            ("paused: production\n".to_owned(), [true, true]),
            (format!("paused: {event}\n"), [true, true]),
            (format!("paused: {{ \"the last one\": {event} }}\n"), [true, true]),
            ("paused: false\n".to_owned(), [false, false]),
            ("paused: []\n".to_owned(), [false, false]),
            ("paused:\n".to_owned(), [false, false]),
            ("paused: ~\n".to_owned(), [false, false]),
            ("paused: {}\n".to_owned(), [false, false]),
            ("paused: { production: false }\n".to_owned(), [false, false]),
            ("paused: { production: }\n".to_owned(), [false, false]),
            ("paused: { production: true }\n".to_owned(), [false, true]),
            ("paused: { prod: ~ }\n".to_owned(), [false, false]),
        ] {
            let found = salvaged(&[LINE, text.as_bytes(), b"\t"].concat(), RELEASE.as_bytes()).unwrap();
            let stages: Vec<bool> = found.stages.iter().map(|stage| stage.paused.is_some()).collect();
            assert_eq!(stages, paused, "{text}");
            let late = [LINE, b"title: a: b\n", text.as_bytes()].concat();
            let found = salvaged(&late, RELEASE.as_bytes()).unwrap();
            let stages: Vec<bool> = found.stages.iter().map(|stage| stage.paused.is_some()).collect();
            assert_eq!(stages, paused, "behind a fault: {text}");
        }
    }
}
