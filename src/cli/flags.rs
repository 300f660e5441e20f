//! The flags that a command which is shown needs beside its own words, to work on the same folders.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::words::with_flags;

/// How a command begins that is a string of its own in JSON.
const COMMAND: &str = "\"command\": \"tidegate ";

/// Adds flags to every command in JSON that is made for people to read: in backticks, or as a `command`.
pub fn in_json(json: &str, flags: &str) -> String {
    if flags.is_empty() {
        return json.to_owned();
    }
    let flags = escaped(flags);
    let json = with_flags(json, &flags);
    let mut parts = json.split(COMMAND);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut is_escaped = false;
        let end = part.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let (command, rest) = part.split_at(end.unwrap_or(part.len()));
        shown.extend([COMMAND, command, " ", &flags, rest]);
    }
    shown
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
        self.lines.write_all(with_flags(&String::from_utf8_lossy(line), &self.flags).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lines.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::in_json;

    #[test]
    fn every_command_in_json_gets_the_flags() {
        let json = r#"{"command": "tidegate promote --reason '\"x\"'", "hint": "run `tidegate status`, then `c`", "name": "tidegate"}"#;
        let expected = r#"{"command": "tidegate promote --reason '\"x\"' --state 'a\"b'", "hint": "run `tidegate status --state 'a\"b'`, then `c`", "name": "tidegate"}"#;
        assert_eq!(in_json(json, "--state 'a\"b'"), expected);
        assert_eq!(in_json(json, ""), json);
    }
}
