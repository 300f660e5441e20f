//! What a payload folder and its copies do when files change.

use std::io::Read as _;

use super::super::measure;
use super::*;
use crate::domain::labels::Labels;
use crate::domain::policy::Urgency;
use crate::domain::release::{Entries, Evidence, ReleaseFile};

struct Fixture {
    folder: tempfile::TempDir,
    release: Release,
    later: Time,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("payloads/1.8.4")).unwrap();
        let path = folder.path().join("payloads/1.8.4/payload.json");
        fs::write(&path, "content").unwrap();
        let (sha256, size) = measure(&path).unwrap();
        let release = Release::new(
            ReleaseFile {
                version: Version::parse("1.8.4").unwrap(),
                urgency: Urgency::Normal,
                summary: None,
                links: Labels::default(),
                components: Labels::default(),
                payloads: [Payload { file: "payload.json".to_owned(), sha256, size, arch: None }].into(),
                barrier: false,
                replaces: None,
                hold: None,
                yank: None,
                past: None,
            },
            Entries::default(),
            Evidence::default(),
        );
        fs::create_dir(folder.path().join("state")).unwrap();
        // Far enough ahead for every stamp to be settled.
        Self { folder, release, later: "2200-01-01T00:00:00Z".parse().unwrap() }
    }

    fn payloads(&self) -> PayloadFolder {
        PayloadFolder::new(&self.folder.path().join("payloads"), &self.folder.path().join("state"))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("payloads/1.8.4/payload.json")
    }

    fn check(&self, payloads: &PayloadFolder) -> PayloadState {
        payloads.check(&self.release, self.later)
    }
}

#[test]
fn a_payload_is_present_or_differs_or_is_missing() {
    let fixture = Fixture::new();
    let payloads = fixture.payloads();
    let file = "payload.json".to_owned();
    assert_eq!(fixture.check(&payloads), PayloadState::Present);
    fs::write(fixture.path(), "c0ntent").unwrap();
    let PayloadState::Differs { found, .. } = fixture.check(&payloads) else { panic!() };
    assert_eq!(found.len(), 64);
    fs::write(fixture.path(), "longer content").unwrap();
    let PayloadState::Differs { found, .. } = fixture.check(&payloads) else { panic!() };
    assert_eq!(found, "14 bytes");
    fs::remove_file(fixture.path()).unwrap();
    assert_eq!(fixture.check(&payloads), PayloadState::Missing { file });
}

#[test]
fn digests_outlive_a_restart_and_are_not_trusted_when_the_stamp_differs() {
    let fixture = Fixture::new();
    let first = fixture.payloads();
    assert_eq!(fixture.check(&first), PayloadState::Present);
    first.remember().unwrap();

    let again = fixture.payloads();
    assert_eq!(again.digests().known.len(), 1);
    fs::write(fixture.path(), "c0ntent").unwrap();
    assert!(matches!(fixture.check(&again), PayloadState::Differs { .. }));

    let digests = fixture.folder.path().join("state/payloads/digests");
    fs::write(&digests, "something else").unwrap();
    assert!(fixture.payloads().digests().known.is_empty());
}

#[test]
fn a_fresh_stamp_is_not_remembered() {
    let fixture = Fixture::new();
    let payloads = fixture.payloads();
    payloads.check(&fixture.release, "2000-01-01T00:00:00Z".parse().unwrap());
    assert!(payloads.digests().known.is_empty());
}

#[test]
fn a_copy_is_served_by_digest_and_does_not_follow_edits_of_the_file() {
    let fixture = Fixture::new();
    let payloads = fixture.payloads();
    let payload = &fixture.release.payloads[0];
    let version = &fixture.release.version;
    assert!(payloads.open(&payload.sha256, 0..1).is_err());
    assert!(payloads.ensure_copies(&[(version, payload)]).unwrap().is_empty());
    fs::write(fixture.path(), "c0ntent").unwrap();
    assert!(payloads.ensure_copies(&[(version, payload)]).unwrap().is_empty());
    let mut text = String::new();
    payloads.open(&payload.sha256, 0..7).unwrap().bytes.read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
}

#[test]
fn a_copy_that_was_damaged_is_made_again_also_when_its_size_is_the_same() {
    let fixture = Fixture::new();
    let payload = &fixture.release.payloads[0];
    let wanted = [(&fixture.release.version, payload)];
    let payloads = fixture.payloads();
    let copy = payloads.copy_path(&payload.sha256);
    let again = |payloads: &PayloadFolder| {
        payloads.remember().unwrap();
        fixture.payloads()
    };
    for known in [false, true] {
        payloads.ensure_copies(&wanted).unwrap();
        // Damage is found even if the copy was good before, in this process or the last one.
        if known {
            payloads.ensure_copies(&wanted).unwrap();
            assert!(payloads.digests().known.contains_key(&copy));
        }
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, "c0ntent").unwrap();
        let payloads = if known { again(&payloads) } else { fixture.payloads() };
        assert!(payloads.ensure_copies(&wanted).unwrap().is_empty());
        assert_eq!(fs::read_to_string(&copy).unwrap(), "content", "known: {known}");
    }
    // There is no source for a new copy, so it is not served.
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "c0ntent").unwrap();
    fs::remove_file(fixture.path()).unwrap();
    let error = payloads.open(&payload.sha256, 0..7).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let failed = payloads.ensure_copies(&wanted).unwrap();
    assert!(matches!(failed[..], [(0, PayloadError::Read { .. })]), "{failed:?}");
}

#[test]
fn a_copy_that_rots_unnoticed_is_found_in_the_background() {
    let fixture = Fixture::new();
    let payload = &fixture.release.payloads[0];
    let payloads = fixture.payloads();
    payloads.ensure_copies(&[(&fixture.release.version, payload)]).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    assert!(!payloads.scrub(Duration::ZERO));
    // The disk changes the bytes, and nothing else: the stamp stays the one that was checked.
    let copy = payloads.copy_path(&payload.sha256);
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "c0ntent").unwrap();
    let stamp = Stamp::of(&fs::metadata(&copy).unwrap());
    payloads.digests().insert(&copy, stamp, payload.sha256);
    assert!(payloads.open(&payload.sha256, 0..7).is_ok());
    assert!(!payloads.scrub(day / 2), "once a day");
    assert!(payloads.scrub(day));
    assert!(!payloads.scrub(day), "it is reported once");
    assert!(payloads.open(&payload.sha256, 0..7).is_err());
    assert!(payloads.scrub(day), "somebody asked for a copy that is gone");
    assert!(payloads.ensure_copies(&[(&fixture.release.version, payload)]).unwrap().is_empty());
    assert!(payloads.open(&payload.sha256, 0..7).is_ok());
}

#[test]
fn a_damaged_copy_is_never_opened_and_counts_as_none() {
    let fixture = Fixture::new();
    let payload = &fixture.release.payloads[0];
    let payloads = fixture.payloads();
    payloads.ensure_copies(&[(&fixture.release.version, payload)]).unwrap();
    let copy = payloads.copy_path(&payload.sha256);
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "c0ntent").unwrap();
    let error = fixture.payloads().open(&payload.sha256, 0..7).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(!copy.exists());
}

#[test]
fn a_file_that_is_not_what_the_catalog_says_is_never_copied() {
    let fixture = Fixture::new();
    let payloads = fixture.payloads();
    let payload = &fixture.release.payloads[0];
    fs::write(fixture.path(), "c0ntent").unwrap();
    let (_, error) = payloads.ensure_copies(&[(&fixture.release.version, payload)]).unwrap().remove(0);
    assert!(matches!(error, PayloadError::Differs { .. }), "{error}");
    assert!(payloads.open(&payload.sha256, 0..1).is_err());
}

#[test]
fn a_copy_that_is_gone_is_reported_by_whoever_asks_for_it_and_made_again() {
    let fixture = Fixture::new();
    let payload = &fixture.release.payloads[0];
    let wanted = [(&fixture.release.version, payload)];
    let payloads = fixture.payloads();
    let copy = payloads.copy_path(&payload.sha256);
    payloads.ensure_copies(&wanted).unwrap();
    assert!(payloads.digests().known.contains_key(&copy), "it was checked while it was made");
    assert!(!payloads.scrub(Duration::ZERO));
    fs::remove_file(&copy).unwrap();
    assert!(payloads.open(&payload.sha256, 0..7).is_err());
    assert!(payloads.scrub(Duration::ZERO));
    payloads.ensure_copies(&wanted).unwrap();
    assert!(copy.exists());
}
