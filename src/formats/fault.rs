//! Faults in a catalog's files: what is wrong, where, and how to fix it.

use std::fmt;

pub use crate::domain::rules::text::is_unprintable;

/// How much of a line is shown at most, in characters. The limit keeps a fault small even if the whole file
/// is one long line.
const SNIPPET: usize = 120;
/// How much of a cropped line is shown before the marked part, in characters.
const LEAD: usize = 40;
/// The maximum length of a message and of a hint, in characters. Both can quote long text from the file.
const WORDS: usize = 400;

/// One fault in a catalog file. Ordered by file, line and column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Fault {
    /// The file, relative to the catalog's folder, with `/` on every system.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// What is wrong, quoting the value.
    pub message: String,
    /// How to fix it.
    pub hint: String,
    /// The text of the line, without control characters, and cropped if it is long. Empty if the file has
    /// no such line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub snippet: String,
    /// The marked part of the snippet: the index of its first character, and its length.
    #[serde(skip)]
    mark: (usize, usize),
}

/// A place in a file that a fault points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// In characters, at least 1.
    pub length: u32,
}

impl Spot {
    /// The start of a file, for a fault that concerns the whole file.
    pub const START: Self = Self { line: 1, column: 1, length: 1 };

    /// Returns the spot of a byte in a file's text.
    pub fn of_byte(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        Self { line: small(line), column: small(column), length: 1 }
    }
}

/// Converts a count within a file, which always fits into a `u32`.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Fault {
    /// Creates a fault at a place in a file's text.
    pub fn new(file: &str, text: &str, spot: Spot, message: &str, hint: &str) -> Self {
        let line = text.lines().nth(spot.line as usize - 1).unwrap_or_default();
        let length = line.chars().take(spot.column as usize + SNIPPET).count();
        let start = (spot.column as usize - 1).min(length);
        let marked = (spot.length.max(1) as usize).min((length - start).max(1));
        let cropped = line.chars().nth(SNIPPET).is_some();
        let from = if cropped && start + marked > SNIPPET { start.saturating_sub(LEAD) } else { 0 };
        let mut snippet: String = line.chars().skip(from).take(SNIPPET).map(printable).collect();
        let mut before = start - from;
        if from > 0 {
            snippet.insert(0, '…');
            before += 1;
        }
        if line.chars().nth(from + SNIPPET).is_some() {
            snippet.push('…');
        }
        let marked = marked.min((snippet.chars().count().saturating_sub(before)).max(1));
        Self {
            file: cut(file, 1000),
            line: spot.line,
            column: spot.column,
            message: cut(message, WORDS),
            hint: cut(hint, WORDS),
            snippet,
            mark: (before, marked),
        }
    }

    /// Formats the fault with the path of its file as seen from outside the catalog, as in
    /// `channels/1.8/line.yaml`.
    pub fn within(&self, folder: &str) -> String {
        format!("{}/{self}", folder.trim_end_matches('/'))
    }
}

/// Prints a fault as a good compiler does: the place and the message, then the line with the place marked,
/// then the hint.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, hint, snippet, mark: (before, length) } = self;
        write!(f, "{file}:{line}:{column}: {message}")?;
        if !snippet.is_empty() {
            write!(f, "\n{line:>5} | {snippet}\n      | {:before$}{:^>length$}", "", "")?;
        }
        write!(f, "\n  hint: {hint}")
    }
}

/// Returns the character, or a placeholder if it cannot be shown.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_unprintable(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Returns text for display, cut to at most `max` characters.
fn cut(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().take(max).map(printable).collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_printed_as_a_good_compiler_would() {
        let text = "stages:\n    soak: { min: 10d, max: 28d }\n";
        let fault = Fault::new(
            "1.8/line.yaml",
            text,
            Spot { line: 2, column: 18, length: 3 },
            "soak `10d` of stage `production` is below the minimum `14d`",
            "give `soak.why` to allow it",
        );
        assert_eq!(
            fault.within("channels/"),
            "channels/1.8/line.yaml:2:18: soak `10d` of stage `production` is below the minimum `14d`\n    \
             2 |     soak: { min: 10d, max: 28d }\n      |                  ^^^\n  \
             hint: give `soak.why` to allow it"
        );
    }

    #[test]
    fn a_long_line_is_cropped_around_the_place() {
        let text = format!("{}\u{1b}[31mX{}", "a".repeat(5000), "b".repeat(5000));
        let fault = Fault::new("f", &text, Spot { line: 1, column: 5006, length: 1 }, "m", "h");
        assert!(fault.snippet.chars().count() <= SNIPPET + 2, "{}", fault.snippet);
        assert!(!fault.to_string().contains('\u{1b}'));
        let mut lines = fault.to_string().lines().map(str::to_owned).skip(1).collect::<Vec<_>>().into_iter();
        let (shown, marks) = (lines.next().unwrap(), lines.next().unwrap());
        let at = marks.chars().position(|c| c == '^').unwrap();
        assert_eq!(shown.chars().nth(at), Some('X'));
    }

    #[test]
    fn a_place_outside_the_file_is_shown_without_a_line() {
        let fault = Fault::new("1.8/line.yaml", "", Spot::START, "there is no such file", "write it");
        assert_eq!(fault.to_string(), "1.8/line.yaml:1:1: there is no such file\n  hint: write it");
    }
}
