//! The flags that a command which is shown needs beside its own words, to work on the same folders.

use std::io::{self, Write};

use serde::Serialize;
use tracing_subscriber::fmt::MakeWriter;

use crate::words::with_flags;

/// How a command begins that is a string of its own in JSON.
const COMMAND: &str = "\"command\": \"tidegate ";

/// How the reason of a person begins: in JSON, in a log line as JSON, and in one as text.
const REASONS: [&str; 3] = ["reason\": \"", "reason\":\"", "reason=\""];

/// What stands for a backtick in a reason while flags are added. Unicode promises that it is no character.
const BACKTICK: &str = "\u{fdd0}";

/// Adds flags to every command in indented JSON that is made for people to read: in backticks, or as a `command`.
pub fn in_json(json: &str, flags: &str) -> String {
    if flags.is_empty() {
        return json.to_owned();
    }
    let flags = escaped(flags);
    let json = beside(reasons(json), json, &flags);
    let mut parts = json.split(COMMAND);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (command, rest) = part.split_at(string_end(part));
        shown.extend([COMMAND, command, " ", &flags, rest]);
    }
    shown
}

/// Adds flags to every command in a text about a body, which has the reasons that the text quotes.
pub fn in_text(text: &str, body: &impl Serialize, flags: &str) -> serde_json::Result<String> {
    if flags.is_empty() {
        return Ok(text.to_owned());
    }
    let json = serde_json::to_string(body)?;
    let reasons = reasons(&json).map(|reason| serde_json::from_str::<String>(&format!("\"{reason}\"")));
    Ok(beside(reasons.collect::<Result<Vec<_>, _>>()?, text, flags))
}

/// Adds flags to the commands in a text, but not in the reasons in it: those are what people wrote.
fn beside(reasons: impl IntoIterator<Item = impl AsRef<str>>, text: &str, flags: &str) -> String {
    let mut masked = text.to_owned();
    for reason in reasons {
        let reason = reason.as_ref();
        if reason.contains("`tidegate") {
            masked = masked.replace(reason, &reason.replace('`', BACKTICK));
        }
    }
    with_flags(&masked, flags).replace(BACKTICK, "`")
}

/// The reasons in JSON or in a log line, escaped as they are there.
fn reasons(data: &str) -> impl Iterator<Item = &str> {
    let after = REASONS.iter().flat_map(|mark| data.split(mark).skip(1));
    after.map(|rest| &rest[..string_end(rest)])
}

/// Where a string ends: before the first quote that is not escaped.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// A text as part of a string in JSON.
pub fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

/// A writer of lines that adds flags to the commands in them.
#[derive(Clone)]
pub struct WithFlags<W> {
    pub lines: W,
    pub flags: String,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for WithFlags<M> {
    type Writer = WithFlags<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        WithFlags { lines: self.lines.make_writer(), flags: self.flags.clone() }
    }
}

impl<W: Write> Write for WithFlags<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.lines.write_all(beside(reasons(&text), &text, &self.flags).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{beside, in_json, reasons};

    #[test]
    fn every_command_in_json_gets_the_flags() {
        let json = r#"{"command": "tidegate promote --reason '\"x\"'", "hint": "run `tidegate status`, then `c`", "name": "tidegate"}"#;
        let expected = r#"{"command": "tidegate promote --reason '\"x\"' --state 'a\"b'", "hint": "run `tidegate status --state 'a\"b'`, then `c`", "name": "tidegate"}"#;
        assert_eq!(in_json(json, "--state 'a\"b'"), expected);
        assert_eq!(in_json(json, ""), json);
    }

    #[test]
    fn a_reason_in_the_log_gets_no_flags() {
        for line in [
            "accepted; see `tidegate status` reason=\"as `tidegate status` says\"\n",
            r#"{"message":"accepted; see `tidegate status`","reason":"as `tidegate status` says"}"#,
        ] {
            let expected = line.replace("see `tidegate status`", "see `tidegate status --state S`");
            assert_eq!(beside(reasons(line), line, "--state S"), expected);
        }
    }
}
