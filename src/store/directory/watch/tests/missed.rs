//! Changes that nothing tells of, and what is watched after them.

use super::*;
use crate::store::directory::tests::{RELEASE, hold, later};
use crate::store::port::CommitError;

#[test]
fn all_folders_are_still_watched_after_a_thorough_look_found_a_change_that_nothing_told_of() {
    let mut watched = Watched::new();
    watched.in_place("channels/1.8/line.yaml", TITLED);
    assert!(matches!(watched.look(), News::Settling(_)));
    watched.pass(250);
    watched.in_place("channels/1.7/line.yaml", "format: 1\nline: \"1.7\"\ntitle: Seven\n");
    // The event is lost.
    watched.watch.notices.drain();
    // One file is still, and the other is not.
    assert!(matches!(watched.check(), News::Unsettled(_)));
    watched.watch.read(later()).unwrap();
    watched.in_place("channels/trust/1.root.json", "{}");
    watched.look();
    assert!(watched.changed().contains(&"trust/".to_owned()));
    watched.pass(250);
    watched.is_read_at_once();
}

#[test]
fn folders_that_get_another_name_between_a_look_and_a_read_are_compared_and_watched() {
    let mut watched = Watched::new();
    for name in ["payloads", "new"] {
        watched.create(&format!("{name}.d/1.8.1"));
    }
    fs::remove_dir_all(watched.path("payloads")).unwrap();
    symlink("payloads.d", watched.path("payloads")).unwrap();
    watched.look();
    watched.pass(3000);
    watched.is_read_at_once();
    watched.in_place("new.d/1.8.1/release.json", "{}");
    watched.whole("channels/1.8/line.yaml", TITLED);
    assert_eq!(watched.look(), News::Ready);
    symlink("new.d", watched.path("new")).unwrap();
    fs::rename(watched.path("new"), watched.path("payloads")).unwrap();
    watched.is_read_partly(&["1.8/line.yaml"]);
    watched.in_place("channels/1.7/line.yaml", "format: 1\nline: \"1.7\"\ntitle: Seven\n");
    watched.look();
    assert!(watched.changed().contains(&"1.7/".to_owned()));
    watched.pass(3000);
    watched.is_read_at_once();
}

#[test]
fn a_slow_upload_is_no_change_that_the_kernel_failed_to_tell_of() {
    let mut watched = Watched::new();
    let mut upload = fs::File::create(watched.path("payloads/1.8.1/payload.json")).unwrap();
    for _ in 0..5 {
        watched.look();
        upload.write_all(b"x").unwrap();
        assert!(matches!(watched.check(), News::Arriving(_)));
    }
    watched.look();
    assert!(watched.watch.notices.is_on());
    watched.whole("channels/1.8/line.yaml", TITLED);
    watched.is_read_at_once();
}

#[test]
fn what_nothing_tells_of_counts_as_whole_only_after_a_commit_that_succeeded() {
    let mut watched = Watched::with_watches(0);
    watched.in_place("channels/1.8/1.8.1.yaml", &RELEASE.replace("VERSION", "1.8.1"));
    watched.is_read_later();
    let base = watched.watch.last.unwrap();
    let directory = Arc::clone(&watched.watch.directory);
    directory.commit(&base, &[hold("1.8.1")], later()).unwrap();
    assert_eq!(watched.watch.read(later()).unwrap().unsettled, None);
    watched.in_place("channels/1.7/line.yaml", "format: 1\nli");
    let lost = directory.commit(&base, &[hold("1.8.1")], later()).unwrap_err();
    assert!(matches!(lost, CommitError::Conflict { .. }), "{lost}");
    assert!(watched.watch.read(later()).unwrap().unsettled.is_some());
    watched.in_place("channels/1.7/line.yaml", "format: 1\nline: \"1.7\"\n");
    watched.is_read_later();
}

#[test]
fn what_is_written_in_place_must_be_still_also_if_no_stamp_shows_the_last_write() {
    for path in ["channels/1.8/line.yaml", "channels/trust/1.root.json", "payloads/1.8.1/release.json"] {
        let mut watched = Watched::new();
        watched.in_place(path, "{}");
        for _ in 0..3 {
            watched.look();
            watched.pass(200);
            drop(fs::File::options().append(true).open(watched.path(path)).unwrap());
        }
        watched.look();
        watched.pass(200);
        watched.look();
        assert!(matches!(watched.watch.read(later()), Err(ReadError::Changing(_))), "{path}");
        watched.pass(50);
        watched.is_read_at_once();
    }
}

#[test]
fn a_file_that_is_no_part_of_the_catalog_delays_no_edit_however_often_it_is_written() {
    for scratch in
        ["payloads/scratch", "payloads/1.8.1/scratch", "channels/1.8/scratch", "channels/trust/scratch"]
    {
        let mut watched = Watched::new();
        watched.in_place("channels/1.8/line.yaml", TITLED);
        for n in 0..5 {
            watched.in_place(scratch, &n.to_string());
            assert_ne!(watched.look(), News::Ready, "{scratch} {n}");
            watched.pass(50);
        }
        watched.in_place(scratch, "5");
        assert_eq!(watched.look(), News::Ready, "{scratch}");
        let read = watched.watch.read(later()).unwrap();
        assert_eq!(read.unsettled, None, "{scratch}");
    }
}
