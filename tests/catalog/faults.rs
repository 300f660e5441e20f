//! Every kind of fault, with its place and a way out.

use tidegate::formats::fault::Fault;
use tidegate::formats::yaml::{ParsedFile, Source, assemble, parse, read};

use crate::between::BETWEEN;
use crate::by_itself::BY_ITSELF;
use crate::samples::{Edit, Files, Row, edited, good, reading};

/// Takes the marks `‹…›` out of the files. They are where faults are expected: file, line, column
/// and length, in this order.
fn marked(files: Files) -> (Files, Vec<(String, u32, u32, usize)>) {
    let mut places = Vec::new();
    let mut plain = Files::new();
    for (path, text) in files {
        for (index, line) in text.lines().enumerate() {
            let (mut column, mut begun) = (0, None);
            for c in line.chars() {
                match c {
                    '‹' => begun = Some(column),
                    '›' => {
                        let from = begun.take().unwrap();
                        let (line, from_1) =
                            (u32::try_from(index).unwrap() + 1, u32::try_from(from).unwrap() + 1);
                        places.push((path.clone(), line, from_1, column - from));
                    }
                    _ => column += 1,
                }
            }
        }
        plain.insert(path, text.replace(['‹', '›'], ""));
    }
    (plain, places)
}

fn check(rows: &[Row]) {
    for (name, edits, message, hint) in rows {
        let (files, places) = marked(edited(edits));
        let faults = reading(&files).faults;
        let found: Vec<_> = faults.iter().map(|f| (f.file.clone(), f.line, f.column, length(f))).collect();
        if places.is_empty() {
            let told: Vec<_> = found.iter().map(|(_, line, column, _)| (*line, *column)).collect();
            assert_eq!(told, [(1, 1)], "{name}: {faults:#?}");
        } else {
            assert_eq!(found, places, "{name}: {faults:#?}");
        }
        for fault in &faults {
            assert!(fault.message.contains(message), "{name}: {fault}");
            assert!(fault.hint.contains(hint), "{name}: {fault}");
        }
    }
}

/// How many characters are marked where the fault is shown.
fn length(fault: &Fault) -> usize {
    fault.to_string().lines().nth(2).unwrap_or_default().matches('^').count()
}

#[test]
fn each_fault_of_a_file_is_told_with_its_place_and_a_way_out() {
    check(BY_ITSELF);
}

#[test]
fn each_fault_between_files_is_told_with_its_place_and_a_way_out() {
    check(BETWEEN);
}

#[test]
fn there_are_many_kinds() {
    assert!(BY_ITSELF.len() + BETWEEN.len() >= 40);
}

/// Faults in every file at once.
const MANY: &[Edit] = &[
    ("1.7/line.yaml", "line: \"1.7\"", "line: 1.7\ntitel: x"),
    ("1.8/1.8.4-tectonic.1.yaml", "size: 9999", "size: 0"),
    ("1.8/1.8.5.yaml", "urgency: security", "urgency: high"),
    ("1.8/line.yaml", "min: 14d, max: 28d", "min: 10d, max: 29d"),
];

#[test]
fn all_faults_of_all_files_come_at_once_and_in_order() {
    let reading = reading(&edited(MANY));
    let places: Vec<_> =
        reading.faults.iter().map(|f| format!("{}:{}:{}", f.file, f.line, f.column)).collect();
    let expected = [
        "1.7/line.yaml:2:7",
        "1.7/line.yaml:3:1",
        "1.8/1.8.4-tectonic.1.yaml:8:107",
        "1.8/1.8.5.yaml:3:10",
        "1.8/line.yaml:10:18",
        "1.8/line.yaml:10:28",
    ];
    assert_eq!(places, expected);
    assert_eq!(reading.faulty.keys().collect::<Vec<_>>(), ["1.7", "1.8"]);
    assert_eq!(reading.faulty["1.7"].len(), 2);
}

#[test]
fn a_faulty_release_takes_its_line_out_and_leaves_the_others_in() {
    let reading = reading(&edited(&[("1.7/v1.7.9.yaml", "size: 9999", "size: many")]));
    let lines: Vec<_> = reading.catalog.lines().map(|line| line.name.as_str()).collect();
    assert_eq!(lines, ["1.8"]);
    assert_eq!(reading.faulty.keys().collect::<Vec<_>>(), ["1.7"]);
}

#[test]
fn a_faulty_policy_and_what_may_be_meant_as_one_take_every_line_out() {
    for edit in [
        ("policy.yaml", "format: 1", "format: one"),
        ("Policy.yml", "", "format: 1\n"),
        ("freezes.yaml", "", "format: 1\n"),
    ] {
        let reading = reading(&edited(&[edit]));
        assert_eq!(reading.catalog.lines().count(), 0);
        assert_eq!(reading.faulty.keys().collect::<Vec<_>>(), ["1.7", "1.8"]);
        assert_eq!(reading.faults.len(), 1, "told once");
    }
}

#[test]
fn who_names_a_release_whose_file_is_faulty_is_not_at_fault() {
    let reading = reading(&edited(&[("1.8/1.8.4-tectonic.1.yaml", "size: 9999", "size: many")]));
    assert_eq!(reading.faults.len(), 1, "{:#?}", reading.faults);
}

#[test]
fn a_misplaced_file_beside_the_lines_is_no_lines_fault() {
    let reading = reading(&edited(&[("releases.txt", "", "a: b")]));
    assert!(reading.faulty.is_empty());
    assert_eq!(reading.faults[0].file, "releases.txt");
}

#[test]
fn a_file_that_is_not_utf_8_is_told_with_the_place_of_its_first_wrong_byte() {
    let reading = read([Source { path: "1.8/line.yaml", bytes: b"format: 1\ntitle: gr\xfc\xdfe\n" }]);
    let fault = &reading.faults[0];
    assert_eq!((fault.line, fault.column), (2, 10));
    assert_eq!(fault.message, "the file is not UTF-8 text");
}

#[test]
fn texts_are_bounded() {
    for (path, from, length, taken) in [
        ("1.8/line.yaml", "Tectonic 1.8", 200, true),
        ("1.8/line.yaml", "Tectonic 1.8", 201, false),
        ("1.8/line.yaml", "looking into slow upgrades", 1000, true),
        ("1.8/line.yaml", "looking into slow upgrades", 1001, false),
        ("1.8/1.8.5.yaml", "Ana knows more.", 9987, true),
        ("1.8/1.8.5.yaml", "Ana knows more.", 9988, false),
    ] {
        let mut files = good();
        let file = files.get_mut(path).unwrap();
        *file = file.replace(from, &"x".repeat(length));
        let faults = reading(&files).faults;
        assert_eq!(faults.is_empty(), taken, "{from} {length}");
        assert!(faults.iter().all(|fault| fault.message.contains("is longer than")));
    }
}

#[test]
fn a_file_of_more_than_256_kib_is_not_read() {
    let mut files = good();
    files.insert("1.8/line.yaml".to_owned(), "#".repeat(256 * 1024 + 1));
    assert!(reading(&files).faults[0].message.contains("more than the limit of 262144"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_its_line() {
    let mut files: Vec<_> =
        good().iter().map(|(path, text)| parse(Source { path, bytes: text.as_bytes() })).collect();
    files.push(ParsedFile::unreadable("1.8/1.8.6.yaml", "permission denied", "permit it"));
    let reading = assemble(&files);
    assert_eq!(reading.faulty.keys().collect::<Vec<_>>(), ["1.8"]);
    assert_eq!(reading.faults[0].message, "permission denied");
}

#[test]
fn a_file_that_is_parsed_once_serves_any_number_of_readings() {
    let mut files: Vec<_> =
        good().iter().map(|(path, text)| parse(Source { path, bytes: text.as_bytes() })).collect();
    let first = assemble(&files);
    files.reverse();
    assert_eq!(assemble(&files), first);
}

#[test]
fn a_fault_is_json_for_ci() {
    let reading = reading(&edited(&[("1.7/line.yaml", "line: \"1.7\"", "line: 1.7")]));
    assert_eq!(
        serde_json::to_value(&reading.faults).unwrap(),
        serde_json::json!([{
            "file": "1.7/line.yaml",
            "line": 2,
            "column": 7,
            "message": "`1.7` without quotes is a number, not text",
            "hint": "write `\"1.7\"`",
            "snippet": "line: 1.7",
        }])
    );
}
