//! The tests that every store must pass. A new store adds a [`Place`] and a line in [`each`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::Digest as _;

use super::memory::{MemoryCatalog, MemoryPayloads, MemoryState, text};
use super::port::{
    CatalogStore, CommitError, Incoming, News, PayloadError, PayloadStore, Snapshot, StateError, StateStore,
};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::channel::{LineName, StageName};
use crate::domain::clock::Accepted;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::payload::Sha256;
use crate::domain::release::{Evidence, PayloadState, Release};
use crate::domain::report::Report;
use crate::domain::restraint::{Remembered, Restraint};
use crate::domain::testing::{catalog, ended, entry, event, line, release, t, v};

/// One kind of store, empty except for the line `1.8`.
trait Place {
    /// Opens the catalog again, as another process would.
    fn catalog(&self) -> Arc<dyn CatalogStore>;
    fn state(&self) -> Arc<dyn StateStore>;
    fn payloads(&self) -> Arc<dyn PayloadStore>;
    /// Puts a payload where the store looks for it, as a user would.
    fn upload(&self, version: &str, file: &str, bytes: &[u8]);
    /// Puts an online key into the state, as a user would.
    fn keep_key(&self, name: &str, pem: &str);
}

struct Folders(tempfile::TempDir);

impl Folders {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Place for Folders {
    fn catalog(&self) -> Arc<dyn CatalogStore> {
        super::catalog(&self.path("channels"), &self.path("payloads")).unwrap()
    }

    fn state(&self) -> Arc<dyn StateStore> {
        super::state(&self.path("state"))
    }

    fn payloads(&self) -> Arc<dyn PayloadStore> {
        super::payloads(&self.path("payloads"), &self.path("state"))
    }

    fn upload(&self, version: &str, file: &str, bytes: &[u8]) {
        let path = self.path("payloads").join(version).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Write a new file each time, because two quick changes to the same file can leave its stamp unchanged.
        fs::write(path.with_extension("new"), bytes).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn keep_key(&self, name: &str, pem: &str) {
        let path = self.path("state/keys").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

struct Memory {
    catalog: Arc<MemoryCatalog>,
    state: Arc<MemoryState>,
    payloads: Arc<MemoryPayloads>,
}

impl Place for Memory {
    fn catalog(&self) -> Arc<dyn CatalogStore> {
        Arc::clone(&self.catalog) as _
    }

    fn state(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.state) as _
    }

    fn payloads(&self) -> Arc<dyn PayloadStore> {
        Arc::clone(&self.payloads) as _
    }

    fn upload(&self, version: &str, file: &str, bytes: &[u8]) {
        self.payloads.upload(version, file, bytes);
    }

    fn keep_key(&self, name: &str, pem: &str) {
        self.state.keep(Path::new(name), pem);
    }
}

/// Runs a check on each kind of store.
fn each(check: impl Fn(&dyn Place)) {
    let folders = Folders(tempfile::tempdir().unwrap());
    fs::create_dir_all(folders.path("channels/1.8")).unwrap();
    fs::create_dir(folders.path("state")).unwrap();
    fs::write(folders.path("channels/1.8/line.yaml"), "format: 1\nline: \"1.8\"\n").unwrap();
    check(&folders);
    check(&Memory {
        catalog: Arc::new(MemoryCatalog::new(catalog([line("1.8", None)]))),
        state: Arc::default(),
        payloads: Arc::default(),
    });
}

/// Late enough for every file's stamp to be trusted.
fn later() -> Time {
    t("2200-01-01")
}

fn add(version: &str) -> Change {
    let mut release = release(version, &["2018-01-01"]);
    release.evidence = Evidence::default();
    Change::Add { line: LineName::parse("1.8").unwrap(), release: Box::new(release) }
}

fn enter(version: &str) -> Change {
    let stage = StageName::parse("production").unwrap();
    Change::Enter { version: v(version), stage, entry: entry(t("2018-01-15")) }
}

fn hold(version: &str) -> Change {
    Change::Hold { version: v(version), hold: event(t("2018-01-10"), "etcd") }
}

fn read(place: &dyn Place) -> Snapshot {
    place.catalog().read(later()).unwrap()
}

fn is_promoted(place: &dyn Place, version: &str) -> bool {
    let snapshot = read(place);
    let (_, release) = snapshot.reading.catalog.release(&v(version)).unwrap();
    release.entries[1].is_some()
}

/// Makes changes that must succeed.
fn commit(place: &dyn Place, changes: &[Change]) {
    place.catalog().commit(&read(place).revision, changes, later()).unwrap();
}

#[test]
fn a_commit_is_read_by_everybody_and_has_a_revision_of_its_own() {
    each(|place| {
        let store = place.catalog();
        let before = store.read(later()).unwrap();
        let changes = [add("1.8.1"), add("1.8.2"), enter("1.8.1"), hold("1.8.2")];
        let revision = store.commit(&before.revision, &changes, later()).unwrap();
        let after = read(place);
        assert_eq!(after.revision, revision);
        assert_eq!(store.read(later()).unwrap().revision, revision);
        assert_ne!(before.revision, revision);
        assert_eq!(after.reading.faults, []);
        let Change::Add { release, .. } = add("1.8.1") else { panic!() };
        let (line, found) = after.reading.catalog.release(&v("1.8.1")).unwrap();
        assert_eq!(found.payloads, release.payloads);
        assert_eq!(found.evidence, Evidence::default());
        assert!(found.entries[1].is_some());
        assert!(line.releases[&v("1.8.2")].hold.is_some());
    });
}

#[test]
fn the_end_of_something_that_does_not_exist_changes_nothing() {
    each(|place| {
        commit(place, &[add("1.8.1")]);
        let seen = read(place).revision;
        let ended = ended("2018-02-02", "2018-02-03");
        let resume = [Change::Resume { version: v("1.8.1"), ended }];
        assert_eq!(place.catalog().commit(&seen, &resume, later()).unwrap(), seen);
    });
}

#[test]
fn what_was_decided_on_an_older_revision_is_not_committed() {
    each(|place| {
        commit(place, &[add("1.8.1")]);
        let seen = read(place).revision;
        commit(place, &[hold("1.8.1")]);
        let found = read(place).revision;
        let lost = |error: CommitError| {
            assert!(error.is_lost() && !error.has_written() && !error.is_in_the_text());
            assert!(matches!(error, CommitError::Conflict { base, found: f } if base == seen && f == found));
        };
        let (store, promotion) = (place.catalog(), [enter("1.8.1")]);
        lost(store.commit(&seen, &promotion, later()).unwrap_err());
        lost(store.commit_each(&seen, &promotion, later()).unwrap_err());
        lost(store.try_each(&seen, &promotion, later()).unwrap_err());
        assert!(!is_promoted(place, "1.8.1"));
    });
}

#[test]
fn a_change_is_committed_once_however_many_try() {
    each(|place| {
        commit(place, &[add("1.8.1")]);
        let seen = read(place).revision;
        let stores: Vec<_> = (0..4).map(|_| place.catalog()).collect();
        let done = std::thread::scope(|scope| {
            let promote =
                |store: Arc<dyn CatalogStore>| store.commit(&seen, &[enter("1.8.1")], later()).is_ok();
            let tries: Vec<_> = stores.into_iter().map(|store| scope.spawn(move || promote(store))).collect();
            tries.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
        });
        assert_eq!(done, 1);
    });
}

#[test]
fn changes_are_made_all_or_none_and_by_themselves_as_far_as_they_can_be() {
    each(|place| {
        commit(place, &[add("1.8.1"), add("1.8.2")]);
        let (store, seen) = (place.catalog(), read(place).revision);
        let changes = [enter("1.8.1"), enter("1.8.3"), enter("1.8.2")];
        let error = store.commit(&seen, &changes, later()).unwrap_err();
        assert!(error.is_in_the_text() && !error.is_lost() && !error.has_written(), "{error:?}");
        let failed = store.try_each(&seen, &changes, later()).unwrap();
        assert_eq!(failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
        assert_eq!(read(place).revision, seen, "neither changes anything");

        let each = store.commit_each(&seen, &changes, later()).unwrap();
        assert_eq!((&each.made[..], each.stopped.is_none()), (&[0, 2][..], true));
        assert_eq!(each.failed.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
        assert_eq!(read(place).revision, each.revision);
        assert!(is_promoted(place, "1.8.1") && is_promoted(place, "1.8.2"));
    });
}

#[test]
fn who_signs_keeps_other_writers_out_and_puts_documents_that_everybody_reads() {
    each(|place| {
        commit(place, &[add("1.8.1")]);
        let (store, other) = (place.catalog(), place.catalog());
        let exclusive = store.exclusive().unwrap();
        let seen = store.read(later()).unwrap().revision;
        std::thread::scope(|scope| {
            let second = scope.spawn(|| other.commit(&seen, &[enter("1.8.1")], later()));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!second.is_finished());
            let raw = Bytes::from_static;
            let manifests = BTreeMap::from([(v("1.8.1"), raw(b"{1}"))]);
            let names = ["1.root.json", "releases-1.8.json", "targets.json"];
            let trust = names.map(|name| (name.to_owned(), raw(b"{}"))).into();
            store.put(&manifests, &trust).unwrap();
            drop(exclusive);
            let error = second.join().unwrap().unwrap_err();
            assert!(error.is_lost(), "what was signed is news to others: {error}");
        });
        let snapshot = read(place);
        assert_eq!(snapshot.manifest(&v("1.8.1")).unwrap().unwrap(), "{1}");
        assert_eq!(snapshot.manifest(&v("1.8.2")), Ok(None));
        assert_eq!(snapshot.trust.len(), 3);
        let keys = store.keys().unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["1.root.json", "targets.json"]);
    });
}

#[test]
fn a_watch_shows_each_new_revision_until_it_is_read() {
    each(|place| {
        let mut watch = place.catalog().watch();
        let mut now = Duration::ZERO;
        let mut look = |watch: &mut dyn super::port::Watch| {
            let mut news = watch.look(now, false).unwrap();
            while let News::Settling(time) = news {
                now += time;
                news = watch.look(now, false).unwrap();
            }
            news
        };
        assert_eq!(look(&mut *watch), News::Ready);
        assert_eq!(look(&mut *watch), News::Ready, "it has not been read");
        let first = watch.read(later()).unwrap();
        assert_eq!(look(&mut *watch), News::Nothing);
        commit(place, &[add("1.8.1")]);
        assert_eq!(look(&mut *watch), News::Ready);
        assert_ne!(watch.read(later()).unwrap().revision, first.revision);
        assert_eq!(look(&mut *watch), News::Nothing);
    });
}

#[test]
fn restraints_are_remembered_until_others_take_their_place() {
    each(|place| {
        let now = t("2018-01-01");
        assert_eq!(place.state().restraints(), Remembered::default());
        let held = line("1.8", None).with(release("1.8.1", &["2018-01-01"]).held_at("2018-01-01"));
        for line in [held, line("1.9", None)] {
            let restraints = Restraint::all(&catalog([line]), now);
            let memory = Remembered { restraints, forgotten: None };
            place.state().remember(&memory).unwrap();
            assert_eq!(place.state().restraints(), memory);
        }
    });
}

#[test]
fn a_report_is_kept_until_another_takes_its_place() {
    each(|place| {
        assert_eq!(place.state().reported(), None);
        for not_promoting in [Some(NotPromoting::Off), None] {
            let report = Report { since: t("2018-01-01"), not_promoting, problems: Vec::new() };
            place.state().report(&report).unwrap();
            assert_eq!(place.state().reported(), Some(report));
        }
        let accepted = Accepted { at: t("2018-01-01"), by: "ada".to_owned(), reason: "off".to_owned() };
        for accepted in [Some(&accepted), None, None] {
            place.state().accept(accepted).unwrap();
            assert_eq!(place.state().accepted().as_ref(), accepted);
        }
    });
}

#[test]
fn a_reserved_version_is_never_given_twice() {
    each(|place| {
        let state = place.state();
        let now = t("2018-01-01");
        let first = state.reserve(None, now).unwrap();
        assert_eq!(first, 1_514_764_800_000);
        assert_eq!(place.state().reserve(None, now).unwrap(), first + 1);
        assert_eq!(state.reserve(Some(first + 10), now).unwrap(), first + 11);
        assert_eq!(state.reserve(None, t("2001-01-01")).unwrap(), first + 12);
        state.raise(first + 20).unwrap();
        state.raise(first).unwrap();
        assert_eq!(state.reserve(None, now).unwrap(), first + 21);
    });
}

/// Stores a publication with these segments. Those that are there already are not written again.
fn store(state: &dyn StateStore, head: &str, segments: &[&'static str]) -> Result<usize, StateError> {
    let mut written = 0;
    state.publish(&mut |to| {
        for segment in segments {
            let sha256 = digest(segment);
            if !to.keep(&sha256, segment.len() as u64) {
                written += 1;
                to.put(&mut |to| to.write_all(segment.as_bytes()).map(|()| sha256))?;
            }
        }
        if head.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(head.as_bytes().to_vec()) }
    })?;
    Ok(written)
}

fn digest(text: &str) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(text).into())
}

#[test]
fn a_publication_takes_the_place_of_the_last_one_whole_or_not_at_all() {
    each(|place| {
        let state = place.state();
        state.raise(1).unwrap();
        state.found().unwrap();
        assert!(state.is_new() && state.publication().unwrap().is_none() && state.head().is_none());
        assert_eq!(store(&*state, "first", &["one", "two"]).unwrap(), 2);
        let head = state.head().unwrap();
        assert!(store(&*state, "", &["one", "other"]).is_err());
        let stored = place.state().publication().unwrap().unwrap();
        assert_eq!((stored.size, text(stored).as_str()), (5, "first"));
        assert_eq!(state.head(), Some(head));
        assert_eq!(text(place.state().segment(&digest("two")).unwrap()), "two");
        assert_eq!(store(&*state, "second", &["one", "three"]).unwrap(), 1);
        assert_eq!(text(place.state().publication().unwrap().unwrap()), "second");
        assert_ne!(place.state().head(), Some(head));
        assert!(!place.state().is_new());
    });
}

#[test]
fn segments_stay_as_long_as_this_publication_or_the_last_one_names_them() {
    each(|place| {
        let state = place.state();
        let there = |segments: &[&str]| {
            for segment in ["one", "two", "three", "four"] {
                let found = place.state().segment(&digest(segment));
                assert_eq!(found.is_ok(), segments.contains(&segment), "{segment}");
                assert!(
                    found.map_or_else(|error| error.to_string(), text).contains(segment)
                        || !segments.contains(&segment)
                );
            }
        };
        store(&*state, "first", &["one", "two"]).unwrap();
        store(&*state, "second", &["one", "three"]).unwrap();
        // Somebody may still be reading the first one.
        there(&["one", "two", "three"]);
        // Another process goes on from there.
        store(&*place.state(), "third", &["one", "four"]).unwrap();
        there(&["one", "three", "four"]);
        store(&*state, "fourth", &["one", "four"]).unwrap();
        there(&["one", "four"]);
        // A publication that failed removes nothing.
        assert!(store(&*state, "", &["two"]).is_err());
        assert!(
            place.state().segment(&digest("four")).is_ok() && place.state().segment(&digest("two")).is_err()
        );
    });
}

#[test]
fn one_process_at_a_time_has_a_state() {
    each(|place| {
        let first = place.state().lease().unwrap();
        assert!(matches!(place.state().lease(), Err(StateError::InUse { .. })));
        drop(first);
        place.state().lease().unwrap();
    });
}

#[test]
fn every_online_key_is_found_and_the_usual_one_is_known() {
    each(|place| {
        assert!(place.state().keys().unwrap().is_empty());
        place.keep_key("online.pem", "one");
        place.keep_key("next.pem", "two");
        let keys = place.state().keys().unwrap();
        let found: Vec<_> = keys.iter().map(|key| (key.is_usual, key.pem.as_slice())).collect();
        assert_eq!(found, [(false, &b"two"[..]), (true, b"one")]);
    });
}

fn with_payload(bytes: &[u8]) -> Release {
    let mut release = release("1.8.1", &[]);
    let payload = &mut Arc::make_mut(&mut release.payloads)[0];
    payload.sha256 = Sha256::new(sha2::Sha256::digest(bytes).into());
    payload.size = bytes.len() as u64;
    release
}

#[test]
fn a_payload_is_present_or_differs_or_is_missing() {
    each(|place| {
        let release = with_payload(b"content");
        let check = || place.payloads().check(&release, later());
        assert_eq!(check(), PayloadState::Missing { file: "payload.json".to_owned() });
        place.upload("1.8.1", "payload.json", b"content");
        assert_eq!(check(), PayloadState::Present);
        place.upload("1.8.1", "payload.json", b"c0ntent");
        assert!(matches!(check(), PayloadState::Differs { .. }));
    });
}

#[test]
fn a_copy_is_opened_by_its_digest_and_does_not_follow_its_file() {
    each(|place| {
        let release = with_payload(b"content");
        let wanted = [(&release.version, &release.payloads[0])];
        let sha256 = &release.payloads[0].sha256;
        let missing = place.payloads().open(sha256, 0..1).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let failed = place.payloads().ensure_copies(&wanted).unwrap();
        assert!(matches!(failed[..], [(0, PayloadError::Read { .. })]), "{failed:?}");
        place.upload("1.8.1", "payload.json", b"c0ntent");
        let failed = place.payloads().ensure_copies(&wanted).unwrap();
        assert!(matches!(failed[..], [(0, PayloadError::Differs { .. })]), "{failed:?}");
        assert!(place.payloads().open(sha256, 0..1).is_err());

        place.upload("1.8.1", "payload.json", b"content");
        assert!(place.payloads().ensure_copies(&wanted).unwrap().is_empty());
        place.upload("1.8.1", "payload.json", b"c0ntent");
        assert!(place.payloads().ensure_copies(&wanted).unwrap().is_empty());
        let copy = place.payloads().open(sha256, 3..7).unwrap();
        assert_eq!((copy.size, text(copy).as_str()), (7, "tent"));
    });
}

#[test]
fn files_from_elsewhere_are_taken_if_they_are_what_their_digests_say() {
    each(|place| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        let sha256 = with_payload(b"content").payloads[0].sha256;
        let incoming = |sha256| [Incoming { path: path.clone(), sha256, size: 7 }];
        let other = Sha256::new([7; 32]);
        let error = place.payloads().put(&incoming(other)).unwrap_err();
        assert!(matches!(error, PayloadError::Differs { .. }), "{error}");
        assert!(place.payloads().open(&other, 0..7).is_err());
        place.payloads().put(&incoming(sha256)).unwrap();
        assert_eq!(text(place.payloads().open(&sha256, 0..7).unwrap()), "content");
    });
}
