//! Reading a catalog again after some of its files changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate::domain::catalog::Catalog;
use tidegate::formats::yaml::{Assembler, ParsedFile, Reading, Source, assemble, parse};

use crate::between::BETWEEN;
use crate::by_itself::BY_ITSELF;
use crate::samples::{Files, edited, good};

/// Reads a catalog as a store does: only files that have changed are parsed again.
#[derive(Default)]
struct Reader {
    assembler: Assembler,
    files: BTreeMap<String, (String, ParsedFile)>,
}

impl Reader {
    fn read(&mut self, files: &Files) -> Reading {
        self.files.retain(|path, (text, _)| files.get(path) == Some(text));
        for (path, text) in files {
            let parsed = || (text.clone(), parse(Source { path, bytes: text.as_bytes() }));
            self.files.entry(path.clone()).or_insert_with(parsed);
        }
        self.assembler.assemble(self.files.values().map(|(_, file)| file))
    }
}

/// The lines of a catalog that another one does not share, by name.
fn made_anew(before: &Catalog, after: &Catalog) -> Vec<String> {
    let is_new = |line: &&Arc<_>| !before.shared_lines().any(|other| Arc::ptr_eq(line, other));
    after.shared_lines().filter(is_new).map(|line| line.name.to_string()).collect()
}

#[test]
fn whatever_was_wrong_before_a_reading_is_the_one_that_the_files_give() {
    let mut reader = Reader::default();
    for (name, edits, _, _) in BETWEEN.iter().chain(BY_ITSELF) {
        for (way, files) in [("", edited(edits)), ("mended: ", good())] {
            let files: Files =
                files.into_iter().map(|(path, text)| (path, text.replace(['‹', '›'], ""))).collect();
            let parsed: Vec<_> =
                files.iter().map(|(path, text)| parse(Source { path, bytes: text.as_bytes() })).collect();
            assert_eq!(reader.read(&files), assemble(&parsed), "{way}{name}");
        }
    }
}

#[test]
fn only_the_line_whose_files_changed_is_built_again() {
    let mut reader = Reader::default();
    let first = reader.read(&good()).catalog;
    assert_eq!(made_anew(&first, &reader.read(&good()).catalog), [""; 0]);
    for (path, from, to, expected) in [
        ("1.8/1.8.5.yaml", "format: 1", "format: 1 # edited", &["1.8"][..]),
        ("1.7/line.yaml", "format: 1", "format: 1 # edited", &["1.7"]),
        // What no line inherits.
        ("policy.yaml", "format: 1", "format: 1 # edited", &[]),
        ("policy.yaml", "min: 14d", "min: 15d", &["1.7", "1.8"]),
    ] {
        let before = reader.read(&good()).catalog;
        let mut files = good();
        let file = files.get_mut(path).unwrap();
        assert!(file.contains(from), "{path}");
        *file = file.replacen(from, to, 1);
        let after = reader.read(&files).catalog;
        assert_eq!(after.lines().count(), 2, "{path}");
        assert_eq!(made_anew(&before, &after), expected, "{path}");
    }
}
