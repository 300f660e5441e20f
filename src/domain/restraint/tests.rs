use super::super::policy::Urgency;
use super::super::testing::{catalog, ended, entry, event, line, release, t, v};
use super::*;

const NOW: &str = "2018-02-01";

/// A line with every restraint: 1.8.4 is held, 1.8.5 is a barrier, 1.8.6 was yanked.
fn restrained() -> Line {
    let mut line = line("1.8", None)
        .frozen("2018-01-20", "2018-04-01", &[Urgency::Security])
        .with(release("1.8.4", &["2018-01-01"]).held_at("2018-01-02"))
        .with(release("1.8.5", &["2018-01-01"]).barrier())
        .with(release("1.8.6", &["2018-01-01"]).yanked_at("2018-01-02", Some("1.8.7")))
        .with(release("1.8.7", &["2018-01-01"]));
    line.stages[0].paused = Some(event(t("2018-01-03"), "an outage"));
    line.stages[1].window = Window::parse("mon-thu 09:00-16:00 Europe/Berlin");
    line.stages[1].soak.as_mut().unwrap().why = Some("a test".to_owned());
    line.retired = Some(event(t("2018-01-04"), "no fixes"));
    line
}

/// The names of the restraints that are lost when the restrained line changes to `after`.
fn lost(after: Line, now: &str) -> Vec<String> {
    let before = Restraint::all(&catalog([restrained()]), t(NOW));
    let lost = Restraint::lost(&before, &catalog([after]), t(now));
    lost.iter().map(|one| one.what().to_string()).collect()
}

fn at<'a>(line: &'a mut Line, version: &str) -> &'a mut Release {
    line.releases.get_mut(&v(version)).unwrap()
}

type Edit = fn(&mut Line);

/// Makes two freezes of one: until a time, and from another.
fn split(line: &mut Line, until: &str, from: &str) {
    let mut second = line.freezes[0].clone();
    (line.freezes[0].until, second.from) = (t(until), t(from));
    line.freezes.push(second);
}

#[test]
fn what_demands_less_than_before_is_lost() {
    let edits: &[(Edit, &[&str])] = &[
        (|_| {}, &[]),
        (|line| line.freezes.clear(), &["freeze/1.8/2018-01-20T00:00:00Z"]),
        (|line| line.freezes[0].until = t("2018-03-31"), &["freeze/1.8/2018-01-20T00:00:00Z"]),
        (|line| line.freezes[0].from = t("2018-02-02"), &["freeze/1.8/2018-01-20T00:00:00Z"]),
        (|line| line.freezes[0].except.push(Urgency::Normal), &["freeze/1.8/2018-01-20T00:00:00Z"]),
        (
            |line| split(line, "2018-03-01T00:00:00Z", "2018-03-01T00:00:01Z"),
            &["freeze/1.8/2018-01-20T00:00:00Z"],
        ),
        (|line| line.stages[1].window = None, &["window/1.8/production"]),
        (
            |line| line.stages[1].window = Window::parse("mon-fri 09:00-16:00 Europe/Berlin"),
            &["window/1.8/production"],
        ),
        (
            |line| line.stages[1].window = Window::parse("mon-thu 09:00-17:00 Europe/Berlin"),
            &["window/1.8/production"],
        ),
        (
            |line| line.stages[1].soak.as_mut().unwrap().normal.min = TimeDelta::days(13),
            &["soak/1.8/production"],
        ),
        (
            |line| line.stages[1].soak.as_mut().unwrap().security.min = TimeDelta::days(1),
            &["soak/1.8/production"],
        ),
        (|line| line.stages[0].paused = None, &["pause/1.8/preproduction"]),
        (|line| line.retired = None, &["retired/1.8"]),
        (|line| at(line, "1.8.4").hold = None, &["hold/1.8.4"]),
        (|line| at(line, "1.8.5").barrier = false, &["barrier/1.8.5"]),
        (|line| at(line, "1.8.6").yank = None, &["yank/1.8.6"]),
    ];
    for (place, (edit, expected)) in edits.iter().enumerate() {
        let mut after = restrained();
        edit(&mut after);
        assert_eq!(lost(after.clone(), NOW), *expected, "{place}");
        // With what it lost, it demands at least as much as before.
        let before = Restraint::all(&catalog([restrained()]), t(NOW));
        let after = catalog([after]);
        let restored = after.clone().with_restraints(&Restraint::lost(&before, &after, t(NOW)));
        assert_eq!(Restraint::lost(&before, &restored, t(NOW)), [], "{place}");
    }
}

#[test]
fn what_demands_more_than_before_or_is_out_of_sight_is_not_lost() {
    let edits: &[Edit] = &[
        |line| line.freezes[0].until = t("2018-05-01"),
        |line| line.freezes[0].except.clear(),
        |line| line.freezes[0].from = t("2018-01-31"),
        |line| split(line, "2018-03-01", "2018-03-01"),
        |line| split(line, "2018-03-01", "2018-02-20"),
        |line| line.stages[1].window = Window::parse("mon,tue,wed,thu 09:00-16:00 Arctic/Longyearbyen"),
        |line| line.stages[1].window = Window::parse("tue,wed 10:00-15:00 Europe/Berlin"),
        |line| line.stages[1].soak.as_mut().unwrap().normal.min = TimeDelta::days(20),
        |line| at(line, "1.8.4").hold = Some(Box::new(event(t("2018-01-09"), "another reason"))),
        |line| {
            let release = at(line, "1.8.4");
            (release.hold, release.entries[1]) = (None, Some(entry(t("2018-01-15"))));
        },
        |line| drop(line.releases.remove(&v("1.8.4"))),
    ];
    for (place, edit) in edits.iter().enumerate() {
        let mut after = restrained();
        edit(&mut after);
        assert_eq!(lost(after, NOW), [""; 0], "{place}");
    }
    let before = Restraint::all(&catalog([restrained()]), t(NOW));
    assert_eq!(Restraint::lost(&before, &Catalog::default(), t(NOW)), []);
    // What is out of sight is remembered, and counts when its line comes back without it.
    let remembered = Restraint::remembered(before.clone(), &Catalog::default(), t(NOW));
    assert_eq!(remembered, before);
}

#[test]
fn beside_the_window_or_the_freeze_that_was_lost_the_new_one_counts() {
    let mut after = restrained();
    after.stages[1].window = Window::parse("wed-fri 12:00-20:00 Europe/Berlin");
    let march = Freeze { from: t("2018-03-31"), until: t("2018-05-01"), ..after.freezes[0].clone() };
    after.freezes = vec![march];
    let before = Restraint::all(&catalog([restrained()]), t(NOW));
    let after = catalog([after]);
    let restored = after.clone().with_restraints(&Restraint::lost(&before, &after, t(NOW)));
    let line = restored.line(&restrained().name).unwrap();
    let window = line.stages[1].window.as_ref().unwrap();
    assert_eq!(window.next_open(t("2018-06-01T12:00:00Z")), t("2018-06-06T10:00:00Z"), "wednesday noon");
    assert!(!window.is_open(t("2018-06-06T14:00:00Z")), "after 16:00");
    assert!(is_frozen(line, Urgency::Normal, t(NOW), t("2018-05-01")));
    // Hours that have nothing in common block, until somebody decides.
    let mut after = restrained();
    after.stages[1].window = Window::parse("sun 12:00-20:00 Europe/Berlin");
    let lost = Restraint::lost(&before, &catalog([after.clone()]), t(NOW));
    let never = catalog([after]).with_restraints(&lost);
    let window = never.line(&restrained().name).unwrap().stages[1].window.clone().unwrap();
    assert_eq!(window.next_open(t(NOW)), Time::MAX_UTC);
}

#[test]
fn a_freeze_that_is_over_may_go() {
    let mut after = restrained();
    after.freezes.clear();
    assert_eq!(lost(after.clone(), "2018-03-31T23:59:59Z").len(), 1);
    assert_eq!(lost(after, "2018-04-01"), [""; 0]);
}

/// Records the end of a stop in `1.8.4`, `1.8.6` and pre-production.
fn record_end(after: &mut Line, ended: &Ended) {
    for (version, is_hold) in [("1.8.4", true), ("1.8.6", false)] {
        let past = at(after, version).past.get_or_insert_default();
        let records = if is_hold { &mut past.resumed } else { &mut past.unyanked };
        records.push(ended.clone());
    }
    after.stages[0].resumed.push(ended.clone());
}

#[test]
fn a_resume_and_an_unyank_take_back_what_was_there_before_them_whatever_their_dates() {
    let (earlier, now) = (ended("2017-12-01", "2017-12-02"), ended("2018-01-02", "2017-01-01"));
    let mut base = restrained();
    record_end(&mut base, &earlier);
    let before = Restraint::all(&catalog([base.clone()]), t(NOW));
    let mut after = base;
    at(&mut after, "1.8.4").hold = None;
    at(&mut after, "1.8.6").yank = None;
    after.stages[0].paused = None;
    let lost = |after: &Line| Restraint::lost(&before, &catalog([after.clone()]), t(NOW)).len();
    assert_eq!(lost(&after), 3, "the records are of earlier stops");
    // The machine that recorded this one has a slow clock.
    record_end(&mut after, &now);
    assert_eq!(lost(&after), 0);
}

#[test]
fn a_record_loosens_what_it_names_whatever_its_date() {
    let mut after = restrained();
    after.freezes.clear();
    after.stages[1].window = None;
    at(&mut after, "1.8.4").hold = None;
    let before = Restraint::all(&catalog([restrained()]), t(NOW));
    for (what, recorded, left) in [
        ("hold/1.8.4", "2018-02-02", 2),
        ("freeze/1.8/2018-01-20T00:00:00Z", "2018-02-02", 2),
        ("freeze/2018-01-20T00:00:00Z", "2018-02-02", 2),
        ("freeze/2018-01-20T01:00:00+01:00", "2018-02-02", 2),
        ("window/production", "2018-02-02", 2),
        ("window/1.8/production", "2018-02-02", 2),
        ("window/1.9/production", "2018-02-02", 3),
        ("window/1.8/production", "2017-01-31", 2),
        ("hold/1.8.5", "2018-02-02", 3),
    ] {
        let loosened = Loosened { what: What::parse(what).unwrap(), event: event(t(recorded), "reviewed") };
        let after = catalog([after.clone()]).with_loosened([loosened]);
        assert_eq!(Restraint::lost(&before, &after, t("2018-02-03")).len(), left, "{what} {recorded}");
    }
}

#[test]
fn a_record_takes_nothing_back_a_second_time() {
    let record =
        |at: &str| Loosened { what: What::parse("window/production").unwrap(), event: event(t(at), "x") };
    let base = catalog([restrained()]).with_loosened([record("2018-01-10")]);
    let mut after = restrained();
    after.stages[1].window = None;
    let before = Restraint::all(&base, t(NOW));
    let lost = |records: &[Loosened]| {
        let after = catalog([after.clone()]).with_loosened(records.to_vec());
        Restraint::lost(&before, &after, t(NOW)).len()
    };
    assert_eq!(lost(&[record("2018-01-10")]), 1);
    assert_eq!(lost(&[record("2018-01-10"), record("2018-01-11")]), 0);
}

/// The names of what the last catalog has lost, of several that a server reads one after another.
fn lost_in_last(catalogs: &[Catalog]) -> Vec<String> {
    let (newest, others) = catalogs.split_last().unwrap();
    let read = |known, catalog| Restraint::remembered(known, catalog, t(NOW));
    let lost = Restraint::lost(&others.iter().fold(Vec::new(), read), newest, t(NOW));
    lost.iter().map(|one| one.what().to_string()).collect()
}

#[test]
fn the_record_of_an_end_beside_a_stop_is_about_another_one() {
    let mut merged = restrained();
    record_end(&mut merged, &ended("2018-01-01", "2018-01-02"));
    let mut after = merged.clone();
    at(&mut after, "1.8.4").hold = None;
    at(&mut after, "1.8.6").yank = None;
    after.stages[0].paused = None;
    let [first, merged, after] = [restrained(), merged, after].map(|line| catalog([line]));
    let stops = ["pause/1.8/preproduction", "hold/1.8.4", "yank/1.8.6"];
    assert_eq!(lost_in_last(&[first.clone(), merged, after.clone()]), stops);
    assert_eq!(lost_in_last(&[first, after]), [""; 0]);
}

#[test]
fn a_record_counts_once_also_for_two_freezes_of_one_name() {
    let frozen = |ends: &[&str]| {
        ends.iter().fold(line("1.8", None), |line, until| line.frozen("2018-01-20", until, &[]))
    };
    let at = |ends: &[&str], is_recorded: bool| {
        let what = What::parse("freeze/1.8/2018-01-20T00:00:00Z").unwrap();
        let record = Loosened { what, event: event(t("2018-01-21"), "reviewed") };
        catalog([frozen(ends)]).with_loosened(is_recorded.then_some(record))
    };
    let (both, none) = (&["2018-03-01", "2018-04-01"][..], &[][..]);
    for left in both {
        for is_early in [false, true] {
            let readings = [at(both, false), at(both, is_early), at(&[left], true), at(none, true)];
            assert_eq!(lost_in_last(&readings[..3]), [""; 0], "{left} {is_early}");
            assert_eq!(lost_in_last(&readings).len(), 1, "{left} {is_early}");
        }
    }
    assert_eq!(lost_in_last(&[at(both, false), at(none, true)]), [""; 0]);
    assert_eq!(lost_in_last(&[at(both, false), at(none, false), at(none, true)]), [""; 0]);
}

#[test]
fn a_stop_in_a_line_with_faults_is_remembered_once() {
    let faulty = Catalog::default().with_salvaged([restrained()]);
    let stops = ["pause/1.8/preproduction", "retired/1.8", "hold/1.8.4", "yank/1.8.6"];
    let names = |known: &[Restraint]| known.iter().map(|one| one.what().to_string()).collect::<Vec<_>>();
    let known = Restraint::remembered(Vec::new(), &faulty, t(NOW));
    assert_eq!(names(&known), stops);
    assert_eq!(names(&Restraint::remembered(known, &faulty, t(NOW))), stops);
}

#[test]
fn names_are_parsed_as_they_are_shown() {
    for name in [
        "hold/1.8.4-tectonic.1",
        "yank/1.8.4",
        "barrier/1.8.4",
        "pause/1.8/production",
        "soak/1.8/production",
        "soak/production",
        "window/production",
        "freeze/1.8/2017-12-22T00:00:00Z",
        "freeze/2017-12-22T00:00:00Z",
        "retired/1.8",
    ] {
        assert_eq!(What::parse(name).unwrap().to_string(), name);
    }
    for bad in ["", "hold", "hold/", "hold/x", "pause/production", "freeze/2017", "risk/1.8.4"] {
        assert!(What::parse(bad).is_err(), "{bad}");
    }
}
