use std::path::Path;

use super::*;

fn scan(catalog: u64, git: Option<&str>) -> Scan {
    Scan { catalog, payloads: 0, git: git.map(PathBuf::from), is_whole: false }
}

#[test]
fn a_folder_is_read_once_it_is_still_and_git_is_done() {
    let ms = Duration::from_millis;
    let mut quiet = Quiet::default();
    for (at, fingerprint, git, expected) in [
        (0, 1, None, News::Settling(ms(250))),
        (249, 1, None, News::Settling(ms(1))),
        (250, 1, None, News::Ready),
        // Not read yet: asked again.
        (260, 1, None, News::Ready),
        (270, 2, None, News::Settling(ms(250))),
        (400, 3, None, News::Settling(ms(250))),
        (640, 3, None, News::Settling(ms(10))),
        (650, 3, Some("index.lock"), News::Busy(busy(Path::new("index.lock")))),
        (660, 3, None, News::Ready),
    ] {
        assert_eq!(quiet.look(&scan(fingerprint, git), ms(at)), expected, "at {at} ms");
    }
    quiet.done(&scan(3, None), false);
    assert_eq!(quiet.look(&scan(3, Some("index.lock")), ms(700)), News::Nothing);
    assert_eq!(quiet.look(&scan(4, None), ms(800)), News::Settling(ms(250)));
}

#[test]
fn stops_wait_two_seconds_for_files_that_keep_changing_or_a_stopped_merge_and_a_minute_for_a_lock() {
    let (s, ms) = (Duration::from_secs, Duration::from_millis);
    let unsettled = |why: &str| News::Unsettled(why.to_owned());
    let mut quiet = Quiet::default();
    for n in 0..20 {
        let turn = quiet.look(&scan(100 + n, None), ms(100 * n));
        assert_eq!(turn, News::Settling(STILL), "{n}");
    }
    assert_eq!(quiet.look(&scan(200, None), s(2)), unsettled("it keeps changing"));
    quiet.done(&scan(200, None), true);
    // Then the next ones wait as long, and at last it is read again, although it looks the same.
    assert_eq!(quiet.look(&scan(201, None), ms(2100)), News::Settling(STILL));
    assert_eq!(quiet.look(&scan(202, None), ms(4100)), unsettled("it keeps changing"));
    quiet.done(&scan(202, None), true);
    assert_eq!(quiet.look(&scan(202, None), ms(4350)), News::Ready);
    quiet.done(&scan(202, None), false);

    let git = Some("index.lock");
    let busy = busy(Path::new("index.lock"));
    for (at, catalog, expected) in [
        (10, 202, News::Nothing),
        (60, 203, News::Busy(busy.clone())),
        (69, 203, News::Busy(busy.clone())),
        (70, 203, unsettled(&busy)),
    ] {
        assert_eq!(quiet.look(&scan(catalog, git), s(at)), expected, "at {at} s");
    }
    quiet.done(&scan(203, git), true);
    assert_eq!(quiet.look(&scan(203, git), s(80)), News::Busy(busy.clone()), "it was read");
    assert_eq!(quiet.look(&scan(204, git), s(90)), News::Settling(STILL));
    assert_eq!(quiet.look(&scan(204, git), s(91)), unsettled(&busy));
    quiet.done(&scan(204, git), true);
    assert_eq!(quiet.look(&scan(204, None), s(92)), News::Ready);
    quiet.done(&scan(204, None), false);

    for (n, name) in (0..).zip(["MERGE_HEAD", "rebase-merge", "CHERRY_PICK_HEAD", "BISECT_LOG"]) {
        let (at, before, catalog) = (100 + 10 * n, 204 + n, 205 + n);
        let why = super::busy(Path::new(name));
        assert_eq!(quiet.look(&scan(before, Some(name)), s(at)), News::Nothing);
        assert_eq!(quiet.look(&scan(catalog, Some(name)), s(at + 1)), News::Busy(why.clone()));
        assert_eq!(quiet.look(&scan(catalog, Some(name)), s(at + 2)), unsettled(&why));
        quiet.done(&scan(catalog, Some(name)), true);
        assert_eq!(quiet.look(&scan(catalog, None), s(at + 3)), News::Ready);
        quiet.done(&scan(catalog, None), false);
    }
}

#[test]
fn payloads_that_arrive_do_not_keep_the_catalog_from_being_read_and_are_looked_at_again() {
    let s = Duration::from_secs;
    let mut quiet = Quiet::default();
    let scan = |catalog, payloads| Scan { catalog, payloads, git: None, is_whole: false };
    let read = |quiet: &mut Quiet, catalog, payloads| quiet.done(&scan(catalog, payloads), false);
    for (at, catalog, payloads, expected) in [
        (0, 1, 1, News::Settling(STILL)),
        // An upload is under way.
        (1, 1, 2, News::Ready),
        (2, 1, 3, News::Arriving(s(3))),
        (4, 1, 3, News::Arriving(s(1))),
        (5, 1, 3, News::Ready),
        (6, 1, 4, News::Arriving(s(3))),
        (7, 2, 5, News::Settling(STILL)),
        (8, 2, 6, News::Ready),
    ] {
        assert_eq!(quiet.look(&scan(catalog, payloads), s(at)), expected, "at {at} s");
        if expected == News::Ready {
            read(&mut quiet, catalog, payloads);
        }
    }
    // It goes on and on: what is whole by then is not kept waiting.
    for at in 0..60 {
        let turn = quiet.look(&scan(2, 100 + at), s(100 + at));
        assert!(matches!(turn, News::Arriving(_)), "at {at} s: {turn:?}");
    }
    assert_eq!(quiet.look(&scan(2, 200), s(160)), News::Ready);
    read(&mut quiet, 2, 200);
    assert_eq!(quiet.look(&scan(2, 200), s(161)), News::Nothing);
    assert_eq!(quiet.look(&scan(2, 201), s(162)), News::Arriving(s(3)));
}

#[test]
fn what_was_written_whole_is_read_at_once_unless_something_else_is_being_written() {
    let ms = Duration::from_millis;
    let mut quiet = Quiet::default();
    let scan = |catalog, is_whole| Scan { is_whole, ..scan(catalog, None) };
    for (at, catalog, is_whole, expected) in [
        (0, 1, false, News::Settling(STILL)),
        (250, 1, false, News::Ready),
        (300, 2, true, News::Ready),
        (301, 3, true, News::Ready),
        (310, 4, false, News::Settling(STILL)),
        (400, 5, true, News::Settling(ms(160))),
        (560, 5, true, News::Ready),
    ] {
        assert_eq!(quiet.look(&scan(catalog, is_whole), ms(at)), expected, "at {at} ms");
        if expected == News::Ready {
            quiet.done(&scan(catalog, false), false);
        }
    }
}
