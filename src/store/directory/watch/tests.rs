#[cfg(target_os = "linux")]
mod missed;
#[cfg(target_os = "linux")]
mod names;

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::domain::testing::v;
use crate::formats::yaml::{Source, parse};
use crate::store::directory::files::{Cached, Content};
use crate::store::durable;
use crate::store::port::CatalogStore as _;

/// What a scan of everything shows.
fn scanned(catalog: &Path, payloads: &Path) -> Known {
    let mut watch = FolderWatch::with_watches(Arc::new(Directory::new(catalog, payloads)), 0);
    watch.begin();
    watch.survey(None, &Files::default(), None).unwrap();
    watch.sum
}

#[test]
fn a_scan_tells_of_changes_behind_links_that_stay_inside_and_ends_in_every_circle() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, payloads) = (folder.path().join("c"), folder.path().join("p"));
    for name in ["1.8", ".shared", "..2018_01/1.9", "..2018_02/1.9"] {
        fs::create_dir_all(catalog.join(name)).unwrap();
    }
    for name in [".shared/f", ".shared/g", "..2018_01/1.9/f", "..2018_02/1.9/f"] {
        fs::write(catalog.join(name), "a").unwrap();
    }
    let link = |to: &str, name: &str| {
        let _ = fs::remove_file(catalog.join(name));
        symlink(to, catalog.join(name)).unwrap();
    };
    link("../.shared/f", "1.8/1.8.2.yaml");
    link("..2018_01", "..data");
    link("..data/1.9", "1.9");
    link("..", "1.8/loop");
    let take = || scanned(&catalog, &payloads).catalog;
    let mut seen = vec![take()];
    let mut step = |what: &str| {
        let now = take();
        assert!(!seen.contains(&now), "{what}");
        assert_eq!(now, take(), "{what}");
        seen.push(now);
    };
    fs::write(catalog.join(".shared/f"), "ab").unwrap();
    step("behind a link to a file");
    fs::write(catalog.join("..2018_01/1.9/f"), "ab").unwrap();
    step("behind a link to a folder");
    link("..2018_02", "..data");
    step("another folder behind the same link");
    link("nothing", "1.8/1.8.2.yaml");
    step("a link to nothing");
    link("../.shared/g", "1.8/1.8.2.yaml");
    step("a link to another file");
    fs::write(catalog.join(".shared/unused"), "").unwrap();
    assert_eq!(take(), *seen.last().unwrap(), "what no link points to");
    link("../.shared/f", "1.8/1.8.2.yaml");
    assert_eq!(take(), seen[seen.len() - 3], "a link to the same file as before");
}

#[test]
fn a_scan_tells_of_every_file_that_comes_changes_or_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (catalog, payloads) = (folder.path().join("c"), folder.path().join("p"));
    let line = catalog.join("1.8");
    fs::create_dir_all(&line).unwrap();
    let take = || scanned(&catalog, &payloads);
    let mut seen = vec![take()];
    let mut step = |what: &str| {
        let now = take();
        assert!(!seen.contains(&now), "{what}");
        assert_eq!(now, take(), "{what}");
        seen.push(now);
    };
    fs::write(line.join("line.yaml"), "a").unwrap();
    step("a new file");
    fs::write(line.join("line.yaml"), "ab").unwrap();
    step("a longer file");
    fs::rename(line.join("line.yaml"), line.join("other.yaml")).unwrap();
    step("another name");
    fs::create_dir_all(payloads.join("1.8.4")).unwrap();
    step("a payload folder");
    fs::write(payloads.join("1.8.4/release.json"), "{}").unwrap();
    step("a signed manifest");
    let before = take();
    fs::write(payloads.join("1.8.4/payload.json"), "{}").unwrap();
    step("a payload");
    assert_eq!(take().catalog, before.catalog, "a payload is not the catalog's");
    fs::write(line.join(".other.yaml.tmp-0123456789abcdef"), "a").unwrap();
    assert_eq!(take(), *seen.last().unwrap(), "a temporary file is no file");
}
/// A folder of two lines, watched since it was read.
#[cfg(target_os = "linux")]
struct Watched {
    folder: tempfile::TempDir,
    watch: FolderWatch,
    now: Duration,
}

#[cfg(target_os = "linux")]
impl Watched {
    fn new() -> Self {
        Self::with_watches(usize::MAX)
    }

    fn with_watches(most: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for line in ["1.7", "1.8"] {
            fs::create_dir_all(folder.path().join("channels").join(line)).unwrap();
            let text = format!("format: 1\nline: \"{line}\"\n");
            fs::write(folder.path().join(format!("channels/{line}/line.yaml")), text).unwrap();
        }
        fs::create_dir_all(folder.path().join("channels/trust")).unwrap();
        fs::create_dir_all(folder.path().join("payloads/1.8.1")).unwrap();
        Self::of(folder, most)
    }

    fn of(folder: tempfile::TempDir, most: usize) -> Self {
        let directory = Directory::new(&folder.path().join("channels"), &folder.path().join("payloads"));
        let watch = FolderWatch::with_watches(Arc::new(directory), most);
        let mut watched = Self { folder, watch, now: Duration::from_secs(3600) };
        assert_eq!(watched.look(), News::Ready);
        watched.read();
        assert_eq!(watched.look(), News::Nothing);
        watched
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn create(&self, folder: &str) {
        fs::create_dir_all(self.path(folder)).unwrap();
    }

    /// Writes a file as people do.
    fn in_place(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// Writes a file as commands do.
    fn whole(&self, path: &str, text: &str) {
        durable::write(&self.path(path), text.as_bytes(), durable::Mode::Keep).unwrap();
    }

    fn look(&mut self) -> News {
        self.watch.look(self.now, false).unwrap()
    }

    /// Looks at everything.
    fn check(&mut self) -> News {
        self.watch.look(self.now, true).unwrap()
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// Reads what has changed. It is the same as if everything were read.
    fn read(&mut self) {
        let now = "2200-01-01T00:00:00Z".parse().unwrap();
        let read = self.watch.read(now).unwrap();
        let whole = Directory::new(&self.path("channels"), &self.path("payloads")).read(now).unwrap();
        assert_eq!((read.revision, read.unsettled), (whole.revision, None));
        assert_eq!(read.reading, whole.reading);
        assert_eq!((read.trust, read.manifests), (whole.trust, whole.manifests));
    }

    /// Reads what can be read, which is no more than these files. The others are as they were.
    fn is_read_partly(&mut self, paths: &[&str]) {
        let digests = |watched: &Self| -> BTreeMap<String, [u8; 32]> {
            let cache = watched.watch.directory.cache();
            cache
                .files
                .paths_of("")
                .map(|path| (path.to_string(), cache.files.get(path).unwrap().digest))
                .collect()
        };
        let before = digests(self);
        let read = self.watch.read("2200-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert!(read.unsettled.is_some());
        let after = digests(self);
        let is_changed = |path: &&String| before.get(*path) != after.get(*path);
        let changed: BTreeSet<_> = before.keys().chain(after.keys()).filter(is_changed).collect();
        assert_eq!(changed.into_iter().collect::<Vec<_>>(), paths);
        assert!(matches!(self.look(), News::Settling(_)));
    }

    /// The parts that have changed since they were read.
    fn changed(&self) -> Vec<String> {
        self.watch.changed.iter().flatten().map(Part::prefix).collect()
    }

    /// What was changed by now is read without waiting.
    fn is_read_at_once(&mut self) {
        assert_eq!(self.look(), News::Ready);
        self.read();
        assert_eq!(self.look(), News::Nothing);
    }

    /// What was changed by now is read once it is still.
    fn is_read_later(&mut self) {
        assert!(matches!(self.look(), News::Settling(_)));
        self.pass(250);
        self.is_read_at_once();
    }
}

const TITLED: &str = "format: 1\nline: \"1.8\"\ntitle: Eight\n";

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_was_renamed_is_read_at_once_and_nothing_else_is_listed() {
    let mut watched = Watched::new();
    watched.whole("channels/1.8/line.yaml", TITLED);
    assert_eq!(watched.look(), News::Ready);
    assert_eq!(watched.changed(), ["1.8/"]);
    watched.read();
    // As `sed -i` does, and with a new name.
    watched.in_place("channels/1.8/sedA1b2C3", &TITLED.replace("Eight", "8"));
    fs::rename(watched.path("channels/1.8/sedA1b2C3"), watched.path("channels/1.8/line.yaml")).unwrap();
    watched.is_read_at_once();
    watched.whole("channels/policy.yaml", "format: 1\n");
    watched.is_read_at_once();
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_written_in_place_is_read_once_it_is_still() {
    let mut watched = Watched::new();
    let mut file = fs::File::create(watched.path("channels/1.8/line.yaml")).unwrap();
    for part in ["format: 1\n", "line: \"1.8\"\n", "title: Eight\n"] {
        file.write_all(part.as_bytes()).unwrap();
        assert_eq!(watched.look(), News::Settling(Duration::from_millis(250)), "{part}");
        watched.pass(200);
        assert_eq!(watched.look(), News::Settling(Duration::from_millis(50)), "{part}");
    }
    watched.pass(50);
    watched.is_read_at_once();
    // An editor that moves the old file away, and then writes a new one.
    fs::rename(watched.path("channels/1.8/line.yaml"), watched.path("channels/1.8/line.yaml~")).unwrap();
    assert!(matches!(watched.look(), News::Settling(_)));
    watched.in_place("channels/1.8/line.yaml", TITLED);
    watched.is_read_later();
    fs::remove_file(watched.path("channels/1.7/line.yaml")).unwrap();
    watched.is_read_later();
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_written_while_another_is_read_is_not_read_half() {
    let mut watched = Watched::new();
    watched.whole("channels/1.8/line.yaml", TITLED);
    assert_eq!(watched.look(), News::Ready);
    watched.in_place("channels/1.7/line.yaml", "format: 1\nli");
    watched.is_read_partly(&["1.8/line.yaml"]);
    // Whoever writes it pauses for a moment.
    assert!(matches!(watched.look(), News::Settling(_)));
    let now = "2200-01-01T00:00:00Z".parse().unwrap();
    assert!(matches!(watched.watch.read(now), Err(ReadError::Changing(_))));
    watched.in_place("channels/1.7/line.yaml", "format: 1\nline: \"1.7\"\n");
    watched.is_read_later();
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_whole_or_still_is_read_for_its_stops_while_other_files_are_being_written() {
    // All folders are watched, or all but the lines'.
    for most in [usize::MAX, 2] {
        let mut watched = Watched::with_watches(most);
        watched.in_place("channels/1.8/line.yaml", TITLED);
        watched.whole("channels/trust/1.root.json", "{}");
        watched.in_place("channels/1.7/1.7.1.yaml", "format: 1\n");
        watched.in_place("channels/policy.yaml", "format: 1\n");
        watched.is_read_later();
        watched.in_place("channels/1.8/1.8.1.yaml", "format: 1\nver");
        fs::remove_file(watched.path("channels/1.8/line.yaml")).unwrap();
        watched.whole("channels/trust/1.root.json", "{1}");
        watched.in_place("channels/1.7/1.7.1.yaml", "format: 1\n# seen\n");
        watched.whole("channels/policy.yaml", "format: 1\n# seen\n");
        assert!(matches!(watched.look(), News::Unsettled(_)));
        watched.is_read_partly(&["policy.yaml"]);
        watched.pass(150);
        watched.in_place("channels/1.8/1.8.1.yaml", "format: 1\nversion: 1.8.1\n");
        watched.whole("payloads/1.8.1/release.json", "{}");
        assert!(matches!(watched.look(), News::Settling(_)));
        watched.pass(100);
        watched.in_place("channels/1.8/1.8.1.yaml", "format: 1\nversion: 1.8.1\n# 1\n");
        assert!(matches!(watched.look(), News::Unsettled(_)));
        // The signed documents are written one after the other.
        watched.is_read_partly(&["1.7/1.7.1.yaml", "1.8/line.yaml"]);
        watched.is_read_later();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_change_that_no_stamp_shows_is_read_once_it_is_told_of_or_a_later_stamp_would_differ() {
    for is_told in [true, false] {
        let mut watched = Watched::new();
        watched.in_place("channels/1.8/line.yaml", TITLED);
        watched.look();
        watched.pass(250);
        assert_eq!(watched.look(), News::Ready);
        let written = fs::metadata(watched.path("channels/1.8/line.yaml")).unwrap().modified().unwrap();
        watched.watch.read(written.into()).unwrap();
        assert_eq!(watched.look(), News::Nothing);
        // As if it had been read before the last write, and that had left its stamp the same.
        let (path, before): (Arc<str>, _) = ("1.8/line.yaml".into(), TITLED.replace("Eight", "Seven"));
        let directory = Arc::clone(&watched.watch.directory);
        let mut cache = directory.cache();
        let content = Content::Parsed(parse(Source { path: &path, bytes: before.as_bytes() }));
        let stamp = cache.files.get(&path).unwrap().stamp;
        let digest = Sha256::digest(before).into();
        cache.files.insert(&path, Cached { stamp, is_sure: false, digest, content });
        drop(cache);
        if is_told {
            drop(fs::File::options().append(true).open(watched.path("channels/1.8/line.yaml")).unwrap());
        } else {
            watched.pass(1999);
            assert_eq!(watched.look(), News::Nothing);
            watched.pass(1);
        }
        watched.is_read_later();
        watched.pass(3000);
        assert_eq!(watched.look(), News::Nothing);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn signed_documents_are_read_once_all_of_them_are_still() {
    let mut watched = Watched::new();
    for path in ["channels/trust/1.root.json", "payloads/1.8.1/release.json"] {
        watched.whole(path, "{}");
        watched.is_read_later();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_snapshot_says_whose_evidence_may_have_changed() {
    let mut watched = Watched::new();
    for (path, changed) in [
        ("channels/1.8/line.yaml", [false, false]),
        ("payloads/1.8.1/payload.json", [true, false]),
        ("payloads/1.8.1/release.json", [true, false]),
    ] {
        watched.in_place(path, TITLED);
        watched.look();
        watched.pass(3000);
        assert_eq!(watched.look(), News::Ready, "{path}");
        let read = watched.watch.read("2200-01-01T00:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(["1.8.1", "1.8.2"].map(|version| read.may_have_changed(&v(version))), changed, "{path}");
    }
    let whole = watched.watch.directory.read("2200-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert!(whole.may_have_changed(&v("1.8.2")));
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_in_a_new_folder_is_told_of_as_well() {
    let mut watched = Watched::new();
    for folder in ["channels/1.9", "channels/1.9/sub", "payloads/1.9.1"] {
        fs::create_dir(watched.path(folder)).unwrap();
        watched.look();
    }
    watched.in_place("channels/1.9/line.yaml", "format: 1\nline: \"1.9\"\n");
    watched.in_place("payloads/1.9.1/release.json", "{}");
    watched.is_read_later();
    watched.whole("channels/1.9/line.yaml", "format: 1\nline: \"1.9\"\ntitle: Nine\n");
    watched.is_read_at_once();
    watched.in_place("channels/1.9/sub/stray.yaml", "format: 1\n");
    watched.is_read_later();
    watched.in_place("payloads/1.9.1/release.json", "{1}");
    watched.is_read_later();
    // Another folder with the same name.
    fs::rename(watched.path("channels/1.9"), watched.path("channels/.away")).unwrap();
    fs::create_dir(watched.path("channels/1.9")).unwrap();
    watched.is_read_later();
    watched.in_place("channels/1.9/line.yaml", "format: 1\nline: \"1.9\"\n");
    watched.is_read_later();
    watched.whole("channels/1.9/line.yaml", "format: 1\nline: \"1.9\"\ntitle: Nine\n");
    watched.is_read_at_once();
}

#[cfg(target_os = "linux")]
#[test]
fn folders_for_which_no_watch_is_left_are_scanned_at_each_look() {
    // The catalog folder, the payload folder and one line.
    for most in [0, 1, 3] {
        let mut watched = Watched::with_watches(most);
        for (path, text) in [
            ("channels/1.7/line.yaml", "format: 1\nline: \"1.7\"\ntitle: Seven\n"),
            ("channels/1.8/line.yaml", TITLED),
            ("channels/policy.yaml", "format: 1\n"),
            ("payloads/1.8.1/release.json", "{}"),
        ] {
            watched.in_place(path, text);
            watched.is_read_later();
        }
        for version in ["1.8.1", "1.8.2"] {
            watched.create(&format!("payloads/{version}"));
            watched.in_place(&format!("payloads/{version}/payload.json"), "{}");
            assert!(matches!(watched.look(), News::Arriving(_)), "{most}");
            watched.pass(3000);
            watched.is_read_at_once();
        }
        watched.in_place("payloads/1.8.2/release.json", "{}");
        watched.is_read_later();
        fs::remove_dir_all(watched.path("payloads/1.8.1")).unwrap();
        watched.is_read_later();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_nothing_told_of_is_found_by_a_thorough_look_and_at_last_by_every_look() {
    let mut watched = Watched::new();
    for n in 0..5 {
        watched.in_place("channels/1.8/line.yaml", &format!("{TITLED}# {n}\n"));
        // The events are lost.
        watched.watch.notices.drain();
        if n < 3 {
            assert_eq!(watched.look(), News::Nothing, "{n}");
            assert!(matches!(watched.check(), News::Settling(_)), "{n}");
        }
        watched.is_read_later();
    }
    // What is told of while everything is looked at was not missed.
    let mut watched = Watched::new();
    for n in 0..5 {
        watched.whole("channels/1.8/line.yaml", &format!("{TITLED}# {n}\n"));
        assert_eq!(watched.check(), News::Ready);
        watched.read();
        assert!(watched.watch.notices.is_on());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn when_more_has_changed_than_the_kernel_can_tell_everything_is_scanned() {
    let mut watched = Watched::new();
    let most: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // Equal events in a row count as one.
    let files = ["a", "b"].map(|name| fs::File::create(watched.path("channels/1.7").join(name)).unwrap());
    for _ in 0..=most / 2 {
        for mut file in &files {
            file.write_all(b"x").unwrap();
        }
    }
    watched.whole("channels/1.8/line.yaml", TITLED);
    watched.is_read_later();
    watched.whole("channels/1.8/line.yaml", &TITLED.replace("Eight", "8"));
    watched.is_read_at_once();
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_is_woken_by_each_change_once_the_last_one_was_looked_at() {
    let mut watched = Watched::new();
    let (sender, woken) = channel();
    watched.watch.wake(Arc::new(move || {
        let _ = sender.send(());
    }));
    let most = Duration::from_secs(60);
    for n in 0..3 {
        watched.whole("channels/1.8/line.yaml", &format!("{TITLED}# {n}\n"));
        woken.recv_timeout(most).unwrap();
        // The file may not have had its name yet.
        while watched.look() != News::Ready {
            woken.recv_timeout(most).unwrap();
        }
        watched.read();
    }
    // The thread ends with the watch.
    drop(watched);
    while woken.recv_timeout(most).is_ok() {}
}
