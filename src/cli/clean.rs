//! Text from elsewhere, shown on a terminal.
//!
//! Documents, catalogs and other programs can contain control characters. A terminal obeys them: they hide
//! lines, or write what this program never said.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::domain::rules::text::hidden;

/// A writer that shows each control character, and each that cannot be seen, as `\u001b` instead of passing it on, except for line breaks
/// and tabs. This is also how JSON escapes it, so JSON stays JSON.
///
/// Each write must be whole characters, as those of formatted text are. A `BufWriter` goes below it.
pub struct Clean<W>(pub W);

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\t')) {
            return self.0.write(bytes);
        }
        let mut text = String::with_capacity(bytes.len());
        for (c, is_hidden) in hidden(&String::from_utf8_lossy(bytes)) {
            if is_hidden && !matches!(c, '\n' | '\t') {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            } else {
                text.push(c);
            }
        }
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_shown_and_not_obeyed() {
        for (text, shown) in [
            ("plain, with\na line and a\ttab", "plain, with\na line and a\ttab"),
            ("größer 版本 🌊", "größer 版本 🌊"),
            ("\u{1b}[31mred\u{7}\r", "\\u001b[31mred\\u0007\\u000d"),
            ("\u{7f}\u{85}\u{9b}2J", "\\u007f\\u0085\\u009b2J"),
            ("\u{202e}desrever\u{2066}\u{feff}\u{200f}", "\\u202edesrever\\u2066\\ufeff\\u200f"),
            ("\u{61c}a\u{200b}\u{200d}\u{2060}\u{ad}\u{3164}", "\\u061ca\\u200b\\u200d\\u2060\\u00ad\\u3164"),
            ("v1\u{e0041}", "v1\\udb40\\udc41"),
            (
                "Vie\u{302}\u{323}t x\u{301}\u{301}\u{301}\u{301}\u{301}",
                "Vie\u{302}\u{323}t x\u{301}\u{301}\u{301}\u{301}\\u0301",
            ),
        ] {
            let mut out = Vec::new();
            Clean(&mut out).write_all(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), shown);
        }
    }

    #[test]
    fn json_means_the_same_when_it_is_clean() {
        let text = "\u{1b}]0;title\u{7}\u{7f}\u{9b}\u{202e}\u{e0041}\\ \"quoted\"";
        let mut out = Vec::new();
        serde_json::to_writer(Clean(&mut out), text).unwrap();
        assert!(out.is_ascii());
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}
