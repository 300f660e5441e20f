//! How long texts may be, in bytes: what is published is bounded, since every cluster loads it.

/// A reason is a sentence or two.
pub const REASON: usize = 1000;
/// A note may be a report.
pub const NOTE: usize = 10_000;
/// Titles, summaries and component versions fit into one line of a table.
pub const LINE: usize = 200;
/// Who did something.
pub const AUTHOR: usize = 200;
/// Browsers and proxies take addresses of this length.
pub const LINK: usize = 2000;
/// What JSON numbers carry without loss everywhere, 2^53 - 1.
pub const SIZE: u64 = 9_007_199_254_740_991;
/// The longest duration, in days. What is longer is a slip.
pub const DAYS: i64 = 3650;

#[cfg(test)]
mod tests {
    use super::super::faults::MAX_FAULTS;
    use super::super::node::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
    use super::*;
    use crate::domain::{channel, version};

    #[test]
    fn the_documentation_tells_every_limit() {
        let docs = include_str!("../../../docs/catalog.md");
        let section =
            docs.split("\n### Limits\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let told: Vec<(&str, String)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
            .filter(|(_, most)| most.starts_with(|c: char| c.is_ascii_digit()))
            .map(|(what, most)| (what, most.chars().take_while(char::is_ascii_digit).collect()))
            .collect();
        let expected = [
            ("a file", MAX_BYTES.to_string()),
            ("depth of maps and lists in each other", MAX_DEPTH.to_string()),
            ("entries of one map or list", MAX_ENTRIES.to_string()),
            ("faults of one file that are told", MAX_FAULTS.to_string()),
            ("`reason`, `why`", REASON.to_string()),
            ("`note`", NOTE.to_string()),
            (
                "`title`, `summary`, the version of a component, the name of a component or a link",
                LINE.to_string(),
            ),
            ("`by`", AUTHOR.to_string()),
            ("the address of a link", LINK.to_string()),
            ("the name of a line, stage or channel, an alias", channel::MAX_NAME.to_string()),
            ("a version", version::MAX_LENGTH.to_string()),
            ("a duration", DAYS.to_string()),
            ("the size of a payload", SIZE.to_string()),
        ];
        assert_eq!(told, expected, "the table of limits in docs/catalog.md");
    }
}
