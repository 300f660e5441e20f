use super::super::tests::{Fixture, RELEASE, added, enter, hold, later};
use super::*;
use crate::store::port::CatalogStore as _;

const HELD: &str = "hold: { at: 2018-01-10T00:00:00Z, by: eve, reason: breaks etcd }\n";

/// What somebody does to the folder.
type Meanwhile = fn(&Fixture);

/// With so many releases more that are due.
fn many(fixture: &Fixture, releases: usize) -> Vec<Change> {
    let versions: Vec<String> = (1..=releases).map(|n| format!("1.8.{n}")).collect();
    for version in &versions {
        fixture.write(&format!("1.8/{version}.yaml"), &RELEASE.replace("VERSION", version));
    }
    versions.iter().map(|version| enter(version)).collect()
}

fn is_promoted(fixture: &Fixture, path: &str) -> bool {
    fixture.text(path).contains("\n  production: ")
}

#[test]
fn a_hold_that_is_saved_while_the_files_before_it_are_written_is_never_overwritten() {
    for each in [false, true] {
        let fixture = Fixture::new();
        let changes = many(&fixture, 40);
        let store = fixture.open();
        let seen = store.read(later()).unwrap().revision;
        std::thread::scope(|scope| {
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let fixture = &fixture;
            let eve = scope.spawn(move || {
                while !is_promoted(fixture, "1.8/1.8.1.yaml") {
                    if stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) {
                        return;
                    }
                }
                // As git and editors do: a whole new file.
                let path = fixture.catalog().join("1.8/1.8.40.yaml");
                let text = format!("{}{HELD}", fixture.text("1.8/1.8.40.yaml"));
                fs::write(path.with_extension("new~"), text).unwrap();
                fs::rename(path.with_extension("new~"), path).unwrap();
            });
            let lost = if each {
                store.commit_each(&seen, &changes, later()).unwrap().stopped
            } else {
                store.commit(&seen, &changes, later()).err()
            };
            eve.join().unwrap();
            drop(stop);
            assert!(fixture.text("1.8/1.8.40.yaml").contains(HELD));
            if let Some(lost) = lost {
                assert!(lost.is_lost() && lost.has_written(), "{lost:?}");
                assert!(!is_promoted(fixture, "1.8/1.8.40.yaml"));
            }
        });
        let reading = fixture.open().read(later()).unwrap().reading;
        assert_eq!(reading.faults, []);
    }
}

#[test]
fn each_file_is_looked_at_again_before_it_is_written_and_so_are_its_line_and_git() {
    let cases: [(&str, Meanwhile, Option<&str>); 7] = [
        ("nothing", |_| {}, None),
        (
            "the file",
            |f| f.write("1.8/1.8.2.yaml", &RELEASE.replace("VERSION", "1.8.2 ")),
            Some("1.8/1.8.2.yaml"),
        ),
        (
            "the file is gone",
            |f| fs::remove_file(f.catalog().join("1.8/1.8.2.yaml")).unwrap(),
            Some("1.8/1.8.2.yaml"),
        ),
        (
            "its line",
            |f| f.write("1.8/line.yaml", "format: 1\nline: \"1.8\"\ntitle: x\n"),
            Some("1.8/line.yaml"),
        ),
        ("the policy", |f| f.write("policy.yaml", "format: 1\n"), Some("policy.yaml")),
        ("another line", |f| f.write("1.7/1.7.1.yaml", ""), None),
        ("git", |f| fs::write(f.folder.path().join(".git/index.lock"), "").unwrap(), Some("index.lock")),
    ];
    for (what, meanwhile, expected) in cases {
        let fixture = Fixture::new();
        fs::create_dir(fixture.folder.path().join(".git")).unwrap();
        let store = fixture.open();
        let seen = store.read(later()).unwrap().revision;
        let wrote = store.planned(&seen, later(), false, |from, tree| {
            let Plan { files, .. } = plan_all(from, &[enter("1.8.1"), enter("1.8.2")])?;
            assert!(store.write(from, &files[0], &[], tree).is_ok());
            meanwhile(&fixture);
            Ok(store.write(from, &files[1], &files[..1], tree))
        });
        let found = match wrote.unwrap() {
            Ok(()) => None,
            Err(Stop::Changed(key)) => Some(key),
            Err(Stop::Git(path)) => Some(path.file_name().unwrap().to_string_lossy().into_owned()),
            Err(Stop::Write(e)) => panic!("{e}"),
        };
        assert_eq!(found.as_deref(), expected, "{what}");
        assert!(is_promoted(&fixture, "1.8/1.8.1.yaml"));
        let after = fs::read_to_string(fixture.catalog().join("1.8/1.8.2.yaml")).unwrap_or_default();
        assert_eq!(after.contains("\n  production: "), expected.is_none(), "{what}");
    }
}

#[test]
fn a_new_release_takes_no_name_that_somebody_else_took_meanwhile() {
    let fixture = Fixture::new();
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    let wrote = store.planned(&seen, later(), false, |from, tree| {
        let Plan { files, .. } = plan_all(from, &[added("1.8.3")])?;
        fixture.write("1.8/1.8.3.yaml", "theirs");
        Ok(store.write(from, &files[0], &[], tree))
    });
    assert!(matches!(wrote.unwrap(), Err(Stop::Changed(_))));
    assert_eq!(fixture.text("1.8/1.8.3.yaml"), "theirs");
}

#[test]
fn a_file_that_no_machine_can_edit_or_write_leaves_the_others_alone() {
    let file = "1.8/1.8.2.yaml";
    let odd: [(&str, &str, Meanwhile); 2] = [
        ("a complex key with a comment", file, |f| write_odd(f, "? stages # c\n: ")),
        ("a complex key", file, |f| write_odd(f, "? stages\n: ")),
    ];
    for (what, named, make_odd) in odd {
        let fixture = Fixture::new();
        make_odd(&fixture);
        let store = fixture.open();
        let seen = store.read(later()).unwrap();
        assert_eq!(seen.reading.faults, [], "{what}");
        let changes = [enter("1.7.1"), enter("1.8.2"), enter("1.8.1"), hold("1.7.2")];
        let together = store.commit(&seen.revision, &changes, later()).unwrap_err();
        assert!(!together.is_lost(), "{what}: {together:?}");
        let seen = store.read(later()).unwrap();
        let changes = if together.has_written() { &changes[1..] } else { &changes[..] };
        let each = store.commit_each(&seen.revision, changes, later()).unwrap();
        let [(place, error)] = &each.failed[..] else { panic!("{what}: {:?}", each.failed) };
        assert_eq!(changes[*place], enter("1.8.2"), "{what}");
        assert!(error.to_string().contains(named), "{what}: {error}");
        assert_eq!(each.made.len(), changes.len() - 1, "{what}");
        assert!(each.stopped.is_none());
        assert_eq!(fixture.open().read(later()).unwrap().revision, each.revision, "{what}");
        for path in ["1.7/1.7.1.yaml", "1.8/1.8.1.yaml"] {
            assert!(is_promoted(&fixture, path), "{what}: {path}");
        }
    }
}

/// A release with its stages in a form that people may write.
fn write_odd(fixture: &Fixture, stages: &str) {
    let (before, _) = RELEASE.split_once("stages:").unwrap();
    let soaks = "preproduction: { since: 2018-01-01T00:00:00Z, by: schedule }";
    fixture.write("1.8/1.8.2.yaml", &format!("{}{stages}{soaks}\n", before.replace("VERSION", "1.8.2")));
}

#[test]
fn a_change_that_would_be_a_fault_is_found_among_many_good_ones() {
    let fixture = Fixture::new();
    let mut changes = many(&fixture, 9);
    for place in [2, 7] {
        let Change::Enter { entry, .. } = &mut changes[place] else { panic!() };
        entry.since = "2017-01-01T00:00:00Z".parse().unwrap();
    }
    let store = fixture.open();
    let seen = store.read(later()).unwrap().revision;
    let tried = store.try_each(&seen, &changes, later()).unwrap();
    assert_eq!(store.read(later()).unwrap().revision, seen, "trying writes nothing");
    let each = store.commit_each(&seen, &changes, later()).unwrap();
    assert_eq!(each.made, [0, 1, 3, 4, 5, 6, 8]);
    for failed in [tried, each.failed] {
        assert_eq!(failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [2, 7]);
        assert!(failed.iter().all(|(_, error)| matches!(error, CommitError::Faulty(_))), "{failed:?}");
    }
}
