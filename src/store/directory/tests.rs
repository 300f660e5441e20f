mod about;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::domain::change::Change;
use crate::domain::channel::{LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::policy::Urgency;
use crate::domain::release::{Entry, Event, Evidence, Release, ReleaseFile};

pub(super) const RELEASE: &str = "\
# what people wrote
format: 1
version: VERSION
payloads:
  - { file: p.json, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 4 }
stages:
  preproduction: { since: 2018-01-01T00:00:00Z, by: schedule } # first
# the end
";

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        for line in ["1.7", "1.8"] {
            fs::create_dir_all(fixture.catalog().join(line)).unwrap();
            fixture.write(&format!("{line}/line.yaml"), &format!("format: 1\nline: \"{line}\"\n"));
            for patch in [1, 2] {
                let version = format!("{line}.{patch}");
                fixture.write(&format!("{line}/{version}.yaml"), &RELEASE.replace("VERSION", &version));
            }
        }
        fixture
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.folder.path().join("channels")
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        fs::write(self.catalog().join(path), text).unwrap();
    }

    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.catalog().join(path)).unwrap()
    }

    pub(super) fn open(&self) -> Directory {
        Directory::open(&self.catalog(), &self.folder.path().join("payloads")).unwrap()
    }
}

/// Late enough for every stamp to be settled.
pub(super) fn later() -> Time {
    "2200-01-01T00:00:00Z".parse().unwrap()
}

pub(super) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub(super) fn enter(of: &str) -> Change {
    let since = "2018-01-15T00:00:00Z".parse().unwrap();
    let entry = Entry::new(since, "schedule".to_owned(), Some("soaked 14d".to_owned()));
    Change::Enter { version: version(of), stage: StageName::parse("production").unwrap(), entry }
}

pub(super) fn hold(of: &str) -> Change {
    let at = "2018-01-10T00:00:00Z".parse().unwrap();
    let hold = Event::new(at, "ann".to_owned(), "etcd: \"slow\" # 7".to_owned());
    Change::Hold { version: version(of), hold }
}

pub(super) fn added(of: &str) -> Change {
    let payload = Payload { file: "p.json".to_owned(), sha256: Sha256::new([0xab; 32]), size: 4, arch: None };
    let release = Release::new(
        ReleaseFile {
            version: version(of),
            urgency: Urgency::Security,
            summary: Some("1.10".to_owned()),
            links: Labels::from([("notes".to_owned(), "https://example.com/".to_owned())]),
            components: Labels::from([("etcd".to_owned(), "3.1".to_owned())]),
            payloads: [payload].into(),
            barrier: true,
            replaces: None,
            hold: None,
            yank: None,
            past: None,
        },
        vec![None, None],
        Evidence::default(),
    );
    Change::Add { line: LineName::parse("1.8").unwrap(), release: Box::new(release) }
}

#[test]
fn a_commit_changes_its_lines_and_the_next_reading_finds_its_revision() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let before = store.read(later()).unwrap();
    assert_eq!(before.reading.faults, []);
    let revision =
        store.commit(&before.revision, &[enter("1.8.1"), hold("1.7.2"), added("1.8.3")], later()).unwrap();
    let after = store.read(later()).unwrap();
    assert_eq!(after.revision, revision);
    assert_eq!(fixture.open().read(later()).unwrap().revision, revision);
    assert_ne!(before.revision, revision);
    assert_eq!(
        fixture.text("1.8/1.8.1.yaml"),
        RELEASE.replace("VERSION", "1.8.1").replace(
            "# the end",
            "  production: { since: 2018-01-15T00:00:00Z, by: schedule, reason: soaked 14d }\n# the end"
        )
    );
    assert_eq!(
        fixture.text("1.7/1.7.2.yaml"),
        RELEASE.replace("VERSION", "1.7.2").replace(
            "# the end",
            "hold: { at: 2018-01-10T00:00:00Z, by: ann, reason: \"etcd: \\\"slow\\\" # 7\" }\n# the end"
        )
    );
    assert_eq!(
        fixture.text("1.8/1.8.3.yaml"),
        format!(
            "\
format: 1
version: 1.8.3
urgency: security
summary: \"1.10\"
links: {{ notes: \"https://example.com/\" }}
components: {{ etcd: \"3.1\" }}
payloads:
  - {{ file: p.json, sha256: {}, size: 4 }}
barrier: true
",
            "ab".repeat(32)
        )
    );
}

#[test]
fn a_hold_that_was_committed_first_wins_over_a_promotion() {
    let fixture = Fixture::new();
    let (promoter, person) = (fixture.open(), fixture.open());
    let seen = promoter.read(later()).unwrap().revision;
    let found = person.commit(&person.read(later()).unwrap().revision, &[hold("1.8.1")], later()).unwrap();
    let error = promoter.commit(&seen, &[enter("1.8.1")], later()).unwrap_err();
    assert!(
        matches!(error, CommitError::Conflict { base, found: f } if base == seen && f == found),
        "{error}"
    );
    assert!(!fixture.text("1.8/1.8.1.yaml").contains("  production: "));
}

#[test]
fn a_promotion_is_committed_once_however_many_try() {
    let fixture = Fixture::new();
    let seen = fixture.open().read(later()).unwrap().revision;
    let done = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| fixture.open().commit(&seen, &[enter("1.8.1")], later()).is_ok()))
            .collect();
        tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
    });
    assert_eq!(done, 1);
    assert_eq!(fixture.text("1.8/1.8.1.yaml").matches("  production: ").count(), 1);
}

#[test]
fn any_edit_by_hand_makes_a_commit_conflict() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    fixture.write("1.7/1.7.1.yaml", &format!("{}# seen\n", fixture.text("1.7/1.7.1.yaml")));
    let error = store.commit(&seen, &[enter("1.8.1")], later()).unwrap_err();
    assert!(matches!(error, CommitError::Conflict { .. }), "{error}");
}

#[test]
fn a_change_that_would_be_a_fault_writes_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    let Change::Enter { version, stage, mut entry } = enter("1.8.1") else { panic!() };
    entry.since = "2017-01-01T00:00:00Z".parse().unwrap();
    let changes = [hold("1.8.2"), Change::Enter { version, stage, entry }];
    let error = store.commit(&seen, &changes, later()).unwrap_err();
    assert!(matches!(error, CommitError::Faulty(_)), "{error}");
    assert_eq!(store.read(later()).unwrap().revision, seen);
}

#[test]
fn what_a_crash_left_is_ignored_and_swept_by_the_next_commit() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap();
    fixture.write("1.8/.1.8.1.yaml.tmp-0123456789abcdef", "format: 1\nvers");
    fixture.write("1.7/.line.yaml.tmp-0123456789abcdef", "");
    let again = store.read(later()).unwrap();
    assert_eq!((again.revision, &again.reading), (seen.revision, &seen.reading));
    store.commit(&seen.revision, &[enter("1.8.1")], later()).unwrap();
    for line in ["1.7", "1.8"] {
        let names = fs::read_dir(fixture.catalog().join(line)).unwrap();
        assert!(
            names.into_iter().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with('.'))
        );
    }
}

#[test]
fn a_crash_between_two_files_leaves_a_catalog_that_the_next_run_completes() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    // The first of two files was written, and then the power went.
    store.commit(&seen, &[enter("1.7.1")], later()).unwrap();
    let now = fixture.open().read(later()).unwrap();
    assert_eq!(now.reading.faults, []);
    let missing = now.reading.catalog.release(&version("1.8.1")).unwrap().1.entries[1].is_none();
    assert!(missing);
    fixture.open().commit(&now.revision, &[enter("1.8.1")], later()).unwrap();
}

#[test]
fn the_end_of_what_is_not_there_changes_nothing() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    let by_ada = Event::new(later(), "ada".to_owned(), "fixed".to_owned());
    let resume = Change::Resume { version: version("1.8.1"), ended: by_ada.ended(by_ada.clone()) };
    let revision = store.commit(&seen, &[resume], later()).unwrap();
    assert_eq!(revision, seen);
}

#[test]
fn a_faulty_line_does_not_stop_a_commit_to_another() {
    let fixture = Fixture::new();
    fixture.write("1.7/1.7.1.yaml", "format: 1\nversion: 1.7.1\n");
    let store = fixture.open();
    let seen = store.read(later()).unwrap();
    assert!(seen.reading.faulty.contains_key("1.7"));
    store.commit(&seen.revision, &[enter("1.8.1")], later()).unwrap();
    let error = store.commit(&store.read(later()).unwrap().revision, &[enter("1.7.2")], later()).unwrap_err();
    assert!(error.to_string().contains("`1.7.2` is not in the catalog"), "{error}");
}

#[test]
fn a_file_keeps_its_mode_and_a_link_inside_the_folder_stays_a_link() {
    let fixture = Fixture::new();
    let (file, real) = (fixture.catalog().join("1.8/1.8.1.yaml"), fixture.catalog().join("1.8/.real"));
    fs::rename(&file, &real).unwrap();
    symlink(".real", &file).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let store = fixture.open();
    store.commit(&store.read(later()).unwrap().revision, &[enter("1.8.1")], later()).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    assert!(fixture.text("1.8/1.8.1.yaml").contains("  production: "));
}

#[test]
fn what_leaves_the_folder_or_is_no_file_is_a_fault_of_its_line() {
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("1.8.3.yaml"), RELEASE.replace("VERSION", "1.8.3")).unwrap();
    symlink(outside.join("1.8.3.yaml"), fixture.catalog().join("1.8/1.8.3.yaml")).unwrap();
    symlink(&outside, fixture.catalog().join("1.9")).unwrap();
    let reading = fixture.open().read(later()).unwrap().reading;
    let faulty: Vec<_> = reading.faulty.keys().collect();
    assert_eq!(faulty, ["1.8", "1.9"]);
    assert!(reading.faulty["1.8"][0].message.contains("points outside the catalog folder"));
}

#[test]
fn a_file_is_read_again_only_if_its_stamp_was_young_when_it_was_read() {
    let fixture = Fixture::new();
    let young = "2000-01-01T00:00:00Z".parse().unwrap();
    for (now, is_read_again) in [(later(), false), (young, true)] {
        let store = fixture.open();
        store.read(now).unwrap();
        for cached in store.cache().files.values_mut() {
            cached.digest = [0; 32];
        }
        store.read(later()).unwrap();
        let mut cache = store.cache();
        let again = cache.files.values_mut().map(|cached| cached.digest != [0; 32]);
        assert!(again.into_iter().all(|again| again == is_read_again), "{now}");
    }
}

#[test]
fn roles_and_signed_manifests_are_part_of_the_revision() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let first = store.read(later()).unwrap();
    fs::create_dir(fixture.catalog().join("trust")).unwrap();
    fixture.write("trust/1.root.json", "{}");
    let second = store.read(later()).unwrap();
    assert_eq!(second.trust["1.root.json"], "{}");
    let payloads = fixture.folder.path().join("payloads/1.8.1");
    fs::create_dir_all(&payloads).unwrap();
    fs::write(payloads.join("release.json"), "{1}").unwrap();
    let third = store.read(later()).unwrap();
    assert_eq!(third.manifest(&version("1.8.1")).unwrap().unwrap(), "{1}");
    assert_eq!(third.manifest(&version("1.8.2")), Ok(None));
    assert!(first.revision != second.revision && second.revision != third.revision);
    assert_eq!(third.reading.faults, []);
}

#[test]
fn a_manifest_or_a_lines_role_that_cannot_be_read_is_told_of_and_the_rest_is_read() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.catalog().join("trust")).unwrap();
    fixture.write("trust/1.root.json", "{}");
    let outside = fixture.folder.path().join("outside.json");
    fs::write(&outside, "{}").unwrap();
    symlink(&outside, fixture.catalog().join("trust/releases-1.8.json")).unwrap();
    let payloads = fixture.folder.path().join("payloads");
    fs::create_dir_all(payloads.join("1.8.1/release.json")).unwrap();
    fs::create_dir_all(payloads.join("1.8.2")).unwrap();
    fs::write(payloads.join("1.8.2/release.json"), "{2}").unwrap();
    let store = fixture.open();
    let seen = store.read(later()).unwrap();
    assert_eq!(seen.reading.faults, []);
    assert_eq!(seen.trust.keys().collect::<Vec<_>>(), ["1.root.json"]);
    assert_eq!(seen.unread_roles["releases-1.8.json"], "this link points outside the catalog folder");
    let why = seen.manifest(&version("1.8.1")).unwrap_err();
    assert_eq!(why, "this is not a regular file");
    assert_eq!(seen.manifest(&version("1.8.2")).unwrap().unwrap(), "{2}");
    assert_eq!(seen.manifest(&version("1.7.1")), Ok(None));
    store.commit(&seen.revision, &[enter("1.8.1")], later()).unwrap();
}

#[test]
fn nothing_is_written_while_git_is_at_work() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    fs::create_dir(fixture.folder.path().join(".git")).unwrap();
    assert!(store.work_tree().is_some());
    fs::write(fixture.folder.path().join(".git/index.lock"), "").unwrap();
    let error = store.commit(&seen, &[enter("1.8.1")], later()).unwrap_err();
    assert!(matches!(error, CommitError::Busy(_)), "{error}");
    // Left behind by one that was killed, it is in the way for ever.
    assert!(error.to_string().contains("or remove that file if git is not running"), "{error}");
    fs::rename(fixture.folder.path().join(".git/index.lock"), fixture.folder.path().join(".git/MERGE_HEAD"))
        .unwrap();
    let error = store.commit(&seen, &[enter("1.8.1")], later()).unwrap_err();
    assert!(error.to_string().contains("finish or abort"), "{error}");
}

#[test]
fn keys_that_are_replaced_while_they_are_read_are_never_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let trust = folder.path().join("channels/trust");
    fs::create_dir_all(&trust).unwrap();
    for name in ["1.root.json", "targets.json"] {
        fs::write(trust.join(name), "{}").unwrap();
    }
    let directory =
        Directory::open(&folder.path().join("channels"), &folder.path().join("payloads")).unwrap();
    std::thread::scope(|scope| {
        let (stop, told) = std::sync::mpsc::channel::<()>();
        let trust = &trust;
        scope.spawn(move || {
            while matches!(told.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
                fs::write(trust.join("new"), "{}").unwrap();
                fs::rename(trust.join("new"), trust.join("targets.json")).unwrap();
            }
        });
        let mut read = 0;
        for _ in 0..2000 {
            match directory.keys() {
                Ok(keys) => {
                    assert_eq!(keys.len(), 2, "{keys:?}");
                    read += 1;
                }
                Err(error) => assert!(matches!(error, ReadError::Changing(_)), "{error}"),
            }
        }
        drop(stop);
        assert!(read > 0, "nothing was ever read");
    });
}

#[test]
fn an_edit_of_one_line_leaves_the_others_the_same_ones() {
    let fixture = Fixture::new();
    let directory = fixture.open();
    let before = directory.read(later()).unwrap();
    directory.commit(&before.revision, &[hold("1.8.2")], later()).unwrap();
    let after = directory.read(later()).unwrap();
    let lines = before.reading.catalog.shared_lines().zip(after.reading.catalog.shared_lines());
    let same: Vec<_> = lines.map(|(one, other)| (one.name.as_str(), Arc::ptr_eq(one, other))).collect();
    assert_eq!(same, [("1.7", true), ("1.8", false)]);
}
