//! How far the step in progress is: of a download by its bytes, of `--apply` by what it prints.

use serde::{Deserialize, Serialize};

/// How a line of `--apply` begins that tells its progress: `progress: 40 draining node 3`.
const MARK: &str = "progress:";

/// The longest text, in characters.
const LONGEST: usize = 200;

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// What `--apply` says about it.
    #[serde(default)]
    pub text: String,
}

impl Progress {
    /// Reads a line that `--apply` has printed. `None` if it does not tell progress, or tells more than 100.
    pub fn parse(line: &str) -> Option<Self> {
        let told = line.strip_prefix(MARK)?.trim();
        let (percent, text) = told.split_once(' ').unwrap_or((told, ""));
        // `parse` alone would accept `+40`.
        let is_number = !percent.is_empty() && percent.bytes().all(|byte| byte.is_ascii_digit());
        let percent = percent.parse().ok().filter(|percent| is_number && *percent <= 100)?;
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text.chars().take(LONGEST).map(shown).collect();
        Some(Self { percent, text: text.trim().to_owned() })
    }

    /// Progress by bytes.
    pub fn of_bytes(have: u64, size: u64) -> Self {
        let percent = have.saturating_mul(100) / size.max(1);
        Self { percent: u8::try_from(percent.min(100)).unwrap_or(100), text: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_a_percentage_and_a_short_text_or_nothing() {
        for (line, expected) in [
            ("progress: 40 draining node 3", Some((40, "draining node 3"))),
            ("progress:40", Some((40, ""))),
            ("progress: 0", Some((0, ""))),
            ("progress: 100   done \t", Some((100, "done"))),
            ("progress: 5 a\u{1b}[31mb\u{7}", Some((5, "a [31mb"))),
            ("progress: 101 too much", None),
            ("progress: 40% done", None),
            ("progress: -1", None),
            ("progress: +1", None),
            ("progress: 99999999999999999999", None),
            ("progress:", None),
            ("progress: soon", None),
            (" progress: 40", None),
            ("the progress: 40", None),
            ("", None),
        ] {
            let found = Progress::parse(line);
            let found = found.as_ref().map(|progress| (progress.percent, progress.text.as_str()));
            assert_eq!(found, expected, "{line:?}");
        }
        let long = Progress::parse(&format!("progress: 1 {}", "ä".repeat(900))).unwrap();
        assert_eq!(long.text.chars().count(), LONGEST);
    }

    #[test]
    fn bytes_make_a_percentage() {
        for (have, size, expected) in
            [(0, 0, 0), (0, 9, 0), (5, 10, 50), (10, 10, 100), (11, 10, 100), (u64::MAX, 1, 100)]
        {
            assert_eq!(Progress::of_bytes(have, size).percent, expected, "{have} of {size}");
        }
    }
}
