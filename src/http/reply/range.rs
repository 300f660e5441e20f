//! The requested part of a file (`Range`, RFC 9110, section 14.2).

use std::ops::Range;

/// What a `Range` header means for a file of a known size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The whole file, because the header has several ranges, or a form that must be ignored.
    Whole,
    Bytes(Range<u64>),
    Outside,
}

/// Parses a `Range` header.
pub fn part(header: &str, size: u64) -> Part {
    let Some((unit, set)) = header.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Part::Whole };
    let range = match (number(first), number(last)) {
        (Number::Absent, Number::Given(suffix)) => size.saturating_sub(suffix)..size,
        (Number::Given(first), Number::Absent) => first..size,
        (Number::Given(first), Number::Given(last)) if first <= last => {
            first..last.saturating_add(1).min(size)
        }
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::Outside } else { Part::Bytes(range) }
}

enum Number {
    Absent,
    Given(u64),
    Bad,
}

/// Parses a number. One that is too large for any file is capped, not rejected.
fn number(text: &str) -> Number {
    if text.is_empty() {
        Number::Absent
    } else if text.bytes().all(|b| b.is_ascii_digit()) {
        Number::Given(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_range_is_cut_to_the_file() {
        for (header, expected) in [
            ("bytes=0-0", Part::Bytes(0..1)),
            ("bytes=2-", Part::Bytes(2..10)),
            ("bytes=2-5", Part::Bytes(2..6)),
            ("bytes=9-99999999999999999999999", Part::Bytes(9..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=-30", Part::Bytes(0..10)),
            ("Bytes = 0-1", Part::Bytes(0..2)),
            ("bytes=10-", Part::Outside),
            ("bytes=10-12", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=99999999999999999999999-", Part::Outside),
        ] {
            assert_eq!(part(header, 10), expected, "{header}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole_file() {
        for header in [
            "bytes=0-1,3-4",
            "bytes=5-2",
            "bytes=",
            "bytes=-",
            "bytes",
            "lines=0-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=--1",
        ] {
            assert_eq!(part(header, 10), Part::Whole, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(header in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in 0u64..1000) {
            if let Part::Bytes(range) = part(&header, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
