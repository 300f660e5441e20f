//! What no input may do.

use proptest::prelude::*;
use tidegate::formats::yaml::{Source, read};

use crate::samples::{Files, good, reading};

/// Whether each fault names a place of the catalog and can be shown, and each line is either good
/// or told to be faulty.
fn holds(files: &Files) -> Result<(), TestCaseError> {
    let reading = reading(files);
    for fault in &reading.faults {
        prop_assert!(fault.line >= 1 && fault.column >= 1);
        prop_assert!(!fault.message.is_empty() && !fault.hint.is_empty());
        prop_assert!(fault.to_string().len() < 5000);
    }
    prop_assert!(reading.faults.is_sorted());
    for line in reading.catalog.lines() {
        prop_assert!(!reading.faulty.contains_key(line.name.as_str()));
        prop_assert!(line.releases.values().all(|release| release.entries.len() == line.stages.len()));
    }
    Ok(())
}

/// What YAML and the catalog have to say, to put in anywhere.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "1.8",
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\t",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "---\n",
        "...\n",
        "| ",
        "> ",
        "? ",
        "%YAML 1.2\n",
        "null",
        "yes",
        "0x10",
        "1e999",
        "-1d",
        "99999999999999999d",
        "2018-01-02",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00+14:00",
        "format: 2",
        "\u{feff}",
        "\u{0}",
        "ä",
        "\r",
        "\u{202e}",
        "x: ",
        "stages:",
        "1.8.5",
        "1.8.4-tectonic.1",
        "schedule",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for path in ["policy.yaml", "1.8/line.yaml", "1.8/1.8.4.yaml"] {
            let reading = read([Source { path, bytes: &bytes }]);
            prop_assert!(path == "policy.yaml" || !reading.faults.is_empty());
        }
    }

    #[test]
    fn no_path_makes_the_reader_panic(path in "[a-z0-9./~ä-]{0,20}") {
        let reading = read([Source { path: &path, bytes: b"format: 1" }]);
        prop_assert!(reading.catalog.lines().next().is_none());
    }

    #[test]
    fn no_text_makes_the_reader_panic(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        for path in ["policy.yaml", "1.8/line.yaml", "1.8/1.8.4.yaml"] {
            let mut files = good();
            files.insert(path.to_owned(), text.clone());
            holds(&files)?;
        }
    }

    #[test]
    fn no_change_of_a_good_file_makes_the_reader_panic(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..12,
        piece in piece(),
    ) {
        let mut files = good();
        let path = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let text = files.get_mut(&path).unwrap();
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = (at + cut).min(chars.len());
        *text = chars[..at].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect();
        holds(&files)?;
    }
}

#[test]
fn what_grows_without_bounds_elsewhere_is_refused_at_once() {
    // Each level is nine times the one before.
    let mut bomb = vec!["a: &a [x]".to_owned()];
    for (this, before) in ('b'..='z').zip('a'..='y') {
        bomb.push(format!("{this}: &{this} [{}]", vec![format!("*{before}"); 9].join(", ")));
    }
    let keys: Vec<String> = (0..30_000).map(|n| format!("k{n}: x")).collect();
    let texts = [
        bomb.join("\n"),
        "[".repeat(200_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        "a: ".repeat(80_000),
        "? ".repeat(100_000),
        format!("a: [{}]", "x, ".repeat(80_000)),
        format!("a: {{{}}}", keys.join(", ")),
        format!("a: \"{}\"", "\\n".repeat(100_000)),
        format!("'{}", "a\n".repeat(100_000)),
        format!("version: {}", "9".repeat(250_000)),
        "#".repeat(250_000),
        "\n".repeat(250_000),
        "&a ".repeat(80_000),
        "!a ".repeat(80_000),
        "x".repeat(256 * 1024 + 1),
    ];
    for text in texts {
        let reading = read([Source { path: "1.8/1.8.4.yaml", bytes: text.as_bytes() }]);
        assert!(!reading.faults.is_empty(), "{text:.40}");
        assert!(reading.faults.len() < 200);
    }
}
