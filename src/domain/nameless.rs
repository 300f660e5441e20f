//! Catalogs without the names of people, for what everybody may read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Catalog;
use super::channel::LineName;
use super::line::Line;
use super::release::{Release, SCHEDULE};

/// Takes the names of people out of catalogs. A line that stays the same one is changed once only.
#[derive(Debug, Default)]
pub struct Nameless {
    /// Each line that has names, and the same without them.
    known: BTreeMap<LineName, (Arc<Line>, Arc<Line>)>,
}

impl Nameless {
    /// Returns the catalog without names: whatever a person did, nobody did it. A line without names is the same one
    /// as before.
    pub fn of(&mut self, catalog: &Catalog) -> Catalog {
        let mut known = BTreeMap::new();
        let nameless = catalog.clone().map_lines(|line| {
            if !has_names(line) {
                return Arc::clone(line);
            }
            let before = self.known.remove(&line.name).filter(|(of, _)| Arc::ptr_eq(of, line));
            let (of, without) = before.unwrap_or_else(|| (Arc::clone(line), Arc::new(without_names(line))));
            known.insert(of.name.clone(), (of, Arc::clone(&without)));
            without
        });
        self.known = known;
        nameless
    }
}

fn has_names(line: &Line) -> bool {
    let of_stages = line.stages.iter().any(|stage| stage.paused.is_some() || !stage.resumed.is_empty());
    let of_release = |release: &Release| {
        let entries =
            release.entries.iter().flatten().any(|entry| entry.by != SCHEDULE && !entry.by.is_empty());
        entries || release.hold.is_some() || release.yank.is_some() || release.past.is_some()
    };
    of_stages || line.retired.is_some() || line.releases.values().any(of_release)
}

fn without_names(line: &Line) -> Line {
    let mut line = line.clone();
    let events = line.stages.iter_mut().filter_map(|stage| stage.paused.as_mut()).chain(&mut line.retired);
    events.for_each(|event| event.by.clear());
    line.stages.iter_mut().flat_map(|stage| &mut stage.resumed).for_each(|ended| ended.by.clear());
    for release in line.releases.values_mut() {
        if release.entries.iter().flatten().any(|entry| entry.by != SCHEDULE) {
            let named = release.entries.iter_mut().flatten().filter(|entry| entry.by != SCHEDULE);
            named.for_each(|entry| entry.by.clear());
        }
        if release.hold.is_some() || release.yank.is_some() || release.past.is_some() {
            let file = Arc::make_mut(&mut release.file);
            let yank = file.yank.iter_mut().map(|yank| &mut yank.event);
            yank.chain(file.hold.as_deref_mut()).for_each(|event| event.by.clear());
            let past =
                file.past.iter_mut().flat_map(|past| past.resumed.iter_mut().chain(&mut past.unyanked));
            past.for_each(|ended| ended.by.clear());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::history;
    use crate::domain::release::Past;
    use crate::domain::testing::{catalog, ended, event, line, release, t};

    #[test]
    fn no_name_of_a_person_is_left_and_all_else_stays() {
        let mut one = release("1.8.4", &["2018-01-02", "2018-01-20"])
            .held_at("2018-01-06")
            .yanked_at("2018-02-01", None);
        one.past =
            Some(Box::new(Past { resumed: vec![ended("2018-01-03", "2018-01-04")], ..Past::default() }));
        one.entries[1].as_mut().unwrap().by = "ada".to_owned();
        let mut named = line("1.8", None).with(one);
        named.stages[1].paused = Some(event(t("2018-01-08"), "slow"));
        named.retired = Some(event(t("2018-03-08"), "old"));
        let plain = line("1.9", None).with(release("1.9.0", &["2018-01-02"]));
        let whole = catalog(vec![named, plain]);

        let mut nameless = Nameless::default();
        let shown = nameless.of(&whole);
        let now = t("2018-04-01");
        let told = |catalog: &Catalog| -> Vec<_> {
            let all = catalog.lines().flat_map(|line| history(line, now));
            all.map(|one| (one.at, one.what.name(), one.by.to_owned(), one.reason.map(str::to_owned)))
                .collect()
        };
        let expected: Vec<_> = told(&whole)
            .into_iter()
            .map(|(at, what, by, reason)| (at, what, if by == SCHEDULE { by } else { String::new() }, reason))
            .collect();
        assert!(told(&whole).iter().any(|(_, _, by, _)| by == "ada"));
        assert_eq!(told(&shown), expected);

        let same = |one: &Catalog, other: &Catalog| -> Vec<bool> {
            one.shared_lines().zip(other.shared_lines()).map(|(one, other)| Arc::ptr_eq(one, other)).collect()
        };
        assert_eq!(same(&shown, &whole), [false, true]);
        assert_eq!(same(&shown, &nameless.of(&whole)), [true, true]);
    }
}
