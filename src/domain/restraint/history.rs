//! What the commits of a catalog show about its restraints.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use super::{Event, Found, Restraint};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;

/// The restraints that each commit knows: its own, those of the commits before it that it has lost, and those
/// that cannot be found in it.
///
/// A merge knows what any of its parents knows, so it does not matter which side a merge took, or what the
/// clocks of the committers said.
#[derive(Debug)]
pub struct History {
    /// Each commit's parents, by their places in the history. A commit comes after its parents.
    parents: Vec<Vec<usize>>,
    /// For each commit, how many of its children are still to come.
    children: Vec<usize>,
    /// What each commit so far knows. Emptied when all its children have come.
    known: Vec<Known>,
    /// The restraints that each commit imposed, and none of its parents knew.
    imposed: Vec<Vec<Restraint>>,
    now: Time,
}

/// The restraints of each line, shared by the commits that did not change the line.
type Known = BTreeMap<LineName, Rc<Vec<Restraint>>>;

impl History {
    /// Begins with no commits. `parents` has the places of each commit's parents, which come before it.
    pub fn new(parents: Vec<Vec<usize>>, now: Time) -> Self {
        let mut children = vec![0; parents.len()];
        parents.iter().flatten().for_each(|parent| children[*parent] += 1);
        Self { parents, children, known: Vec::new(), imposed: Vec::new(), now }
    }

    /// Adds the next commit. `after` has the lines that it changed, and for a merge `before` has these lines as
    /// they were in each parent. An empty `before` will do for other commits.
    pub fn commit(&mut self, name: &str, before: &[Catalog], after: &Catalog) {
        let parents = self.parents[self.known.len()].clone();
        let from: Vec<Known> = parents.iter().map(|parent| self.known_to_next_child(*parent)).collect();
        let mut own: BTreeMap<LineName, Vec<Restraint>> = BTreeMap::new();
        for one in Restraint::all(after, self.now) {
            own.entry(one.line.clone()).or_default().push(one);
        }
        let changed = after.stoppable_lines().map(|line| &line.name);
        let differing = from.iter().flat_map(|known| {
            let is_shared = |line: &LineName, one: &Rc<_>| {
                from.iter().all(|other| other.get(line).is_some_and(|other| Rc::ptr_eq(one, other)))
            };
            known.iter().filter(move |(line, one)| !is_shared(line, one)).map(|(line, _)| line)
        });
        let lines: BTreeSet<LineName> = changed.chain(differing).cloned().collect();
        let (mut known, mut imposed) = (from.first().cloned().unwrap_or_default(), Vec::new());
        for line in lines {
            let own = own.remove(&line).unwrap_or_default();
            let from: Vec<&[Restraint]> =
                from.iter().map(|known| known.get(&line).map_or(&[][..], |known| known)).collect();
            let is_new = |one: &&Restraint| from.iter().all(|known| find(known, one).is_none());
            imposed.extend(own.iter().filter(is_new).cloned());
            let known_before = from.iter().copied().flatten();
            let past = |one: &Restraint| past(one, &from, before);
            let own = Restraint::carried_on(own, known_before, after, self.now, past);
            let kept = self.kept(name, &own, &parents, &from, before, after);
            known.insert(line, Rc::new([own, kept].concat()));
        }
        self.known.push(known);
        self.imposed.push(imposed);
    }

    /// The restraints that the catalog must still have after the last commit.
    pub fn restraints(self) -> Vec<Restraint> {
        self.known
            .into_iter()
            .next_back()
            .into_iter()
            .flatten()
            .flat_map(|(_, known)| (*known).clone())
            .collect()
    }

    fn known_to_next_child(&mut self, parent: usize) -> Known {
        self.children[parent] -= 1;
        if self.children[parent] == 0 {
            std::mem::take(&mut self.known[parent])
        } else {
            self.known[parent].clone()
        }
    }

    /// What the parents knew of a line, and a commit does not have although nobody took it back.
    fn kept(
        &self,
        name: &str,
        own: &[Restraint],
        parents: &[usize],
        from: &[&[Restraint]],
        before: &[Catalog],
        after: &Catalog,
    ) -> Vec<Restraint> {
        let mut kept: Vec<Restraint> = Vec::new();
        for one in from.iter().copied().flatten() {
            if one.has_ended(self.now) || find(own, one).is_some() {
                continue;
            }
            let mut one = one.clone();
            let mut found = one.find(after, self.now);
            if found == Found::TakenBack {
                // A record of a branch that never had the restraint is about another one.
                let unaware = parents.iter().zip(before).filter(|(parent, _)| !self.has_seen(**parent, &one));
                let records: Vec<_> = unaware.flat_map(|(_, before)| one.records_in(before)).collect();
                one.add_past(records);
                found = one.find(after, self.now);
            }
            match found {
                Found::Kept | Found::TakenBack => continue,
                Found::Less => one.lost_in = one.lost_in.or_else(|| Some(name.to_owned())),
                Found::Unknown => {}
            }
            match kept.iter_mut().find(|other| other.is_same(&one)) {
                Some(other) => other.add_past(one.past),
                None => kept.push(one),
            }
        }
        kept
    }

    /// Whether a commit or one before it imposed a restraint.
    fn has_seen(&self, commit: usize, one: &Restraint) -> bool {
        let (mut todo, mut seen) = (vec![commit], HashSet::new());
        while let Some(commit) = todo.pop() {
            if find(&self.imposed[commit], one).is_some() {
                return true;
            }
            todo.extend(self.parents[commit].iter().filter(|parent| seen.insert(**parent)));
        }
        false
    }
}

fn find<'k>(known: &'k [Restraint], one: &Restraint) -> Option<&'k Restraint> {
    known.iter().find(|known| known.is_same(one))
}

/// The records that were there before a restraint of a commit: those that were there when it was imposed, and
/// those of the parents that had taken it back when another one imposed it again.
fn past(one: &Restraint, from: &[&[Restraint]], before: &[Catalog]) -> Vec<Event> {
    let known = from.iter().map(|known| find(known, one));
    if known.clone().all(|known| known.is_none()) {
        return one.past.clone();
    }
    let mut past: Vec<Event> = Vec::new();
    for (place, known) in known.enumerate() {
        let records = match (known, before.get(place)) {
            (Some(known), _) => known.past.clone(),
            (None, Some(before)) => one.records_in(before),
            (None, None) => Vec::new(),
        };
        past.extend(records.into_iter().filter(|record| !past.contains(record)).collect::<Vec<_>>());
    }
    past
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::loosened::{Loosened, What};
    use crate::domain::release::Release;
    use crate::domain::testing::{catalog, ended, event, line, release, t, v};

    /// A commit: its parents, and 1.8.4 in it.
    type Commit<'a> = (&'a [usize], Release);

    fn open() -> Release {
        release("1.8.4", &["2018-01-01"])
    }

    fn held() -> Release {
        open().held_at("2018-01-02")
    }

    /// With records of earlier holds, which bear these reasons.
    fn resumed(mut release: Release, reasons: &[&str]) -> Release {
        let ended = reasons.iter().map(|reason| {
            let mut ended = ended("2018-01-02", "2018-01-03");
            ended.reason = (*reason).to_owned();
            ended
        });
        release.past.get_or_insert_default().resumed = ended.collect();
        release
    }

    /// The restraints that the last commit has lost, with the commits that lost them.
    fn lost(commits: &[Commit<'_>]) -> Vec<(String, Option<String>)> {
        lost_with(commits, &|_| Vec::new())
    }

    fn lost_with(
        commits: &[Commit<'_>],
        loosened: &dyn Fn(usize) -> Vec<Loosened>,
    ) -> Vec<(String, Option<String>)> {
        let parents = commits.iter().map(|(parents, _)| parents.to_vec()).collect();
        let mut history = History::new(parents, t("2018-02-01"));
        let at = |place: usize| {
            catalog([line("1.8", None).with(commits[place].1.clone())]).with_loosened(loosened(place))
        };
        for (place, (parents, _)) in commits.iter().enumerate() {
            let before: Vec<Catalog> = parents.iter().map(|parent| at(*parent)).collect();
            history.commit(&place.to_string(), &before, &at(place));
        }
        let lost = Restraint::lost(&history.restraints(), &at(commits.len() - 1), t("2018-02-01"));
        lost.into_iter().map(|one| (one.what().to_string(), one.lost_in)).collect()
    }

    fn hold_lost_in(commit: &str) -> Vec<(String, Option<String>)> {
        vec![("hold/1.8.4".to_owned(), Some(commit.to_owned()))]
    }

    #[test]
    fn what_a_commit_lost_stays_lost_however_many_follow() {
        let mut commits: Vec<Commit<'_>> = vec![(&[], held()), (&[0], open())];
        let later: Vec<[usize; 1]> = (1..500).map(|parent| [parent]).collect();
        commits.extend(later.iter().map(|parent| (&parent[..], open())));
        assert_eq!(lost(&commits), hold_lost_in("1"));
        commits.push((&[500], held()));
        assert_eq!(lost(&commits), []);
        commits.push((&[501], open()));
        assert_eq!(lost(&commits), hold_lost_in("502"));
    }

    #[test]
    fn what_is_known_grows_with_the_records_and_not_with_the_merges() {
        // After each merge, two branches go different ways, and both still lack the hold.
        let mut parents: Vec<Vec<usize>> = vec![vec![], vec![0]];
        for _ in 0..40 {
            let last = parents.len() - 1;
            parents.extend([vec![last], vec![last], vec![last + 1, last + 2]]);
        }
        let at = |release: Release| catalog([line("1.8", None).with(release)]);
        let (before, after) = (at(resumed(held(), &["earlier"])), at(resumed(open(), &["earlier"])));
        let mut history = History::new(parents.clone(), t("2018-02-01"));
        for (place, parents) in parents.iter().enumerate() {
            let catalog = if place == 0 { &before } else { &after };
            history.commit(&place.to_string(), &vec![after.clone(); parents.len()], catalog);
        }
        let known = history.restraints();
        let hold = known.iter().find(|one| one.is_stop()).unwrap();
        assert_eq!((hold.lost_in.as_deref(), hold.past.len()), (Some("1"), 1));
        let union = Restraint::union(known.clone(), known.clone());
        assert_eq!(union, known);
    }

    #[test]
    fn a_merge_loses_what_any_of_its_parents_had() {
        for (parents, what) in [(&[1, 2], "ours"), (&[2, 1], "theirs")] {
            let commits: &[Commit<'_>] = &[(&[], open()), (&[0], held()), (&[0], open()), (parents, open())];
            assert_eq!(lost(commits), hold_lost_in("3"), "{what}");
        }
        let merged: &[Commit<'_>] = &[(&[], open()), (&[0], held()), (&[0], open()), (&[2, 1], held())];
        assert_eq!(lost(merged), []);
        // What a branch lost is lost in the merge too, even if the other side had never touched it.
        let lost_before: &[Commit<'_>] =
            &[(&[], held()), (&[0], open()), (&[0], held()), (&[1, 2], open()), (&[3], open())];
        assert_eq!(lost(lost_before), hold_lost_in("1"));
    }

    #[test]
    fn a_record_beside_the_stop_that_it_names_is_about_another_one() {
        let done = |release| resumed(release, &["fixed"]);
        let commits: &[Commit<'_>] = &[(&[], held()), (&[0], done(held())), (&[1], done(open()))];
        assert_eq!(lost(commits), hold_lost_in("2"));
        assert_eq!(lost(&[(&[], held()), (&[0], held()), (&[1], done(open()))]), []);
    }

    #[test]
    fn an_older_branch_does_not_undo_a_record() {
        let done = || resumed(open(), &["fixed"]);
        for parents in [&[1, 2], &[2, 1]] {
            assert_eq!(lost(&[(&[], held()), (&[0], done()), (&[0], held()), (parents, done())]), []);
        }
        let loosened = |place: usize| {
            let what = What::Hold(v("1.8.4"));
            // Dated before the hold began, as by a machine with a slow clock.
            let record = Loosened { what, event: event(t("2017-01-01"), "fixed") };
            if place % 2 == 1 { vec![record] } else { Vec::new() }
        };
        let commits: &[Commit<'_>] = &[(&[], held()), (&[0], open()), (&[0], held()), (&[1, 2], open())];
        assert_eq!(lost_with(commits, &loosened), []);
    }

    #[test]
    fn a_record_may_come_before_what_it_takes_back_is_gone() {
        let recorded = |place: usize| {
            let record = Loosened { what: What::Hold(v("1.8.4")), event: event(t("2018-01-05"), "fixed") };
            if place > 0 { vec![record] } else { Vec::new() }
        };
        assert_eq!(lost_with(&[(&[], held()), (&[0], held()), (&[1], open())], &recorded), []);
        // Once it has been taken back, the same hold needs a record of its own.
        let again: &[Commit<'_>] = &[(&[], held()), (&[0], open()), (&[1], held()), (&[2], open())];
        assert_eq!(lost_with(again, &recorded), hold_lost_in("3"));
    }

    #[test]
    fn a_record_of_another_branch_takes_back_only_what_that_branch_has_seen() {
        let other = || open().held_at("2018-01-20");
        let (held_then, done) = (resumed(held(), &[]), || resumed(open(), &["fixed"]));
        // One branch holds 1.8.4 and resumes it. Another one holds it anew, and the merge loses that.
        let commits: &[Commit<'_>] =
            &[(&[], open()), (&[0], held_then), (&[1], done()), (&[0], other()), (&[2, 3], done())];
        assert_eq!(lost(commits), hold_lost_in("4"));
        // A merge that keeps a hold which one side had resumed has decided anew.
        let kept = || resumed(held(), &["fixed"]);
        let commits: &[Commit<'_>] =
            &[(&[], held()), (&[0], done()), (&[0], held()), (&[1, 2], kept()), (&[3], done())];
        assert_eq!(lost(commits), hold_lost_in("4"));
    }
}
