//! Comparing with the last publication only lines that changed since.

use super::*;

/// A catalog in which one line was changed.
fn changed(catalog: &Catalog, name: &str, change: impl FnOnce(&mut Line)) -> Catalog {
    let name: LineName = name.parse().unwrap();
    let mut line = catalog.line(&name).unwrap().clone();
    change(&mut line);
    let line = Arc::new(line);
    catalog.clone().with_evidence(|other| (*other == name).then(|| Arc::clone(&line)))
}

#[test]
fn a_step_back_is_found_whether_or_not_it_is_known_what_was_published() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let published = world.catalog();
    let last = world.publish(None, now).publication;
    let later = now + TimeDelta::days(30);
    let change = |name: &str, change: fn(&mut Line)| changed(&published, name, change);
    let gone = |line: &mut Line| drop(line.releases.remove(&v("1.8.4")));
    let late = |line: &mut Line| {
        let release = line.releases.get_mut(&v("1.7.9")).unwrap();
        release.entries[1].as_mut().unwrap().since = t("2017-11-16");
    };
    let unsigned = |line: &mut Line| {
        line.releases.get_mut(&v("1.8.4")).unwrap().evidence.manifest = ManifestState::Unsigned;
    };
    for (what, after, at, refused) in [
        ("nothing", published.clone(), later, &[][..]),
        ("a title", change("1.8", |line| line.title = Some("Eight".to_owned())), later, &[]),
        ("a release is gone", change("1.8", gone), later, &["1.8"]),
        ("an entry was dated anew", change("1.7", late), later, &["1.7"]),
        ("a signature is gone", change("1.8", unsigned), later, &["1.8"]),
        ("a line is gone", published.clone().with_lines(|line| line.as_str() != "1.7"), later, &["1.7"]),
        // The entry of 1.8.4 is not there yet.
        ("the clock goes back", published.clone(), t("2017-12-10"), &["1.8"]),
    ] {
        let anew = Decided::of(&after, &world.faulty, Some(&last), at);
        let known = Decided::after(&after, &world.faulty, (Some(&last), &published), at);
        assert_eq!(known.refused, anew.refused, "{what}");
        assert_eq!(known.refused.keys().map(LineName::as_str).collect::<Vec<_>>(), refused, "{what}");
    }
}

#[test]
fn a_line_that_is_the_one_that_was_published_is_not_compared_again() {
    let now = t("2018-01-01");
    let mut world = world(now);
    let last = world.publish(None, now).publication;
    // If it is said that a line was published which was not, nobody notices what it lacks.
    let gone = |line: &mut Line| drop(line.releases.remove(&v("1.8.4")));
    let after = changed(&world.catalog(), "1.8", gone);
    let decided = Decided::after(&after, &world.faulty, (Some(&last), &after), now);
    assert_eq!(decided.refused, Refused::new());
}
