//! What `status` says of a folder after something was published from it.

use std::fs;
use std::path::PathBuf;

use crate::place::Place;
use crate::spawn::tidegate;

/// A release that was published.
fn published() -> Place {
    let place = Place::with(&["1.8.4"]);
    place.serve().stop();
    place
}

fn status(place: &Place) -> String {
    let output = tidegate(place.dir()).arg("status").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_line_that_is_faulty_is_told_with_its_place_and_not_as_gone() {
    let place = published();
    let file = place.file("1.8.4");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("format: 1", "format: one")).unwrap();
    let told = status(&place);
    assert!(
        told.contains(
            "line `1.8` was refused (its last good documents stay published): 1.8/1.8.4.yaml:1:9: "
        ),
        "{told}"
    );
    assert!(!told.contains("is gone") && told.matches("line_refused").count() == 1, "{told}");
}

#[test]
fn a_payload_that_is_wrong_is_told_with_its_file() {
    let tamper: fn(PathBuf) = |file| fs::write(file, "tampered").unwrap();
    let remove: fn(PathBuf) = |file| fs::remove_file(file).unwrap();
    for (change, words) in [(tamper, "does not match the catalog"), (remove, "is missing")] {
        let place = published();
        change(place.path("payloads/1.8.4/payload.json"));
        let told = status(&place);
        let words =
            format!("`1.8.4` was published in `1.8-preproduction`, but payload `payload.json` {words}");
        assert!(told.contains(&words), "{told}");
        assert!(told.contains("restore the published files in `payloads/1.8.4/`"), "{told}");
        assert!(!told.contains("its entry") && !told.contains("read_failing"), "{told}");
    }
}

#[test]
fn faults_are_counted_as_the_check_counts_them() {
    let place = published();
    place.add("1.8.5");
    fs::write(place.path("payloads/1.8.4/payload.json"), "tampered").unwrap();
    let file = place.file("1.8.5");
    let text = fs::read_to_string(&file).unwrap();
    for (text, count) in [(text.clone(), 1), (text.replace("format: 1", "format: one"), 1), (text, 1)] {
        fs::write(&file, text).unwrap();
        let json = |arguments: &[&str]| -> serde_json::Value {
            let output = tidegate(place.dir()).args(arguments).args(["--output", "json"]).output().unwrap();
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let checked = json(&["catalog", "check"]);
        assert_eq!(checked["faults"].as_array().unwrap().len(), count);
        assert_eq!(json(&["status"])["catalog"]["faults"], count, "{checked}");
    }
    assert!(status(&place).contains("2 lines, 1 fault; line `1.8` is refused\n"), "{}", status(&place));
}
