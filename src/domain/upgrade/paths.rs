//! The upgrade paths between lines.

use std::collections::{HashMap, HashSet};

use super::super::catalog::Catalog;
use super::super::channel::LineName;
use super::super::steps;

/// The upgrade paths between the lines of a catalog, as `follows` lays them.
///
/// The lines are numbered in the order of a walk that begins at the lines which follow none, and finishes
/// all that follow a line before it goes on. So the lines that can be reached from a line have the numbers
/// just after its own, and no question has to walk a path.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    numbers: HashMap<LineName, usize>,
    /// By number.
    lines: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    name: LineName,
    /// The number of the line that this one follows.
    before: Option<usize>,
    /// The numbers of the lines that follow this one, in ascending order.
    followers: Vec<usize>,
    /// One more than the highest number of a line that can be reached from this one.
    end: usize,
}

/// How the line of a cluster's release relates to the line of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation<'p> {
    /// Both are the same line.
    Own,
    /// An upgrade path leads from the cluster's line to the channel's line. `after` is the next line on the
    /// path.
    Before { after: &'p LineName },
    /// An upgrade path leads from the channel's line to the cluster's line.
    After,
    /// No upgrade path leads from either line to the other.
    Apart,
}

impl Paths {
    /// The paths between the lines of a catalog.
    pub fn of(catalog: &Catalog) -> Self {
        Self::new(
            catalog.lines().map(|line| (&line.name, line.follows.as_ref().map(|follows| &follows.line))),
        )
    }

    /// The paths between lines, each given with the line that it follows. A line that follows one which is
    /// not among them follows none.
    pub fn new<'a>(lines: impl IntoIterator<Item = (&'a LineName, Option<&'a LineName>)>) -> Self {
        let lines: Vec<_> = lines.into_iter().collect();
        let names: HashSet<&LineName> = lines.iter().map(|(name, _)| *name).collect();
        let mut followers: HashMap<&LineName, Vec<&LineName>> = HashMap::new();
        let mut next = Vec::new();
        for &(name, follows) in lines.iter().rev() {
            match follows.filter(|follows| names.contains(follows)) {
                Some(follows) => followers.entry(follows).or_default().push(name),
                None => next.push((name, None)),
            }
        }
        let mut paths = Self::default();
        while let Some((name, before)) = next.pop() {
            steps::count();
            let number = paths.lines.len();
            if let Some(before) = before {
                let before: usize = before;
                paths.lines[before].followers.push(number);
            }
            next.extend(followers.get(name).into_iter().flatten().map(|&name| (name, Some(number))));
            paths.numbers.insert(name.clone(), number);
            paths.lines.push(Place { name: name.clone(), before, followers: Vec::new(), end: number + 1 });
        }
        for number in (0..paths.lines.len()).rev() {
            let Place { before, end, .. } = paths.lines[number];
            if let Some(before) = before {
                paths.lines[before].end = paths.lines[before].end.max(end);
            }
        }
        paths
    }

    /// How the line `own` relates to the line `goal`.
    pub fn relation(&self, own: &LineName, goal: &LineName) -> Relation<'_> {
        steps::count();
        if own == goal {
            return Relation::Own;
        }
        let (Some(&own), Some(&goal)) = (self.numbers.get(own), self.numbers.get(goal)) else {
            return Relation::Apart;
        };
        let leads = |from: usize, to: usize| from < to && to < self.lines[from].end;
        if leads(own, goal) {
            let followers = &self.lines[own].followers;
            let after = followers[followers.partition_point(|follower| *follower <= goal) - 1];
            Relation::Before { after: &self.lines[after].name }
        } else if leads(goal, own) {
            Relation::After
        } else {
            Relation::Apart
        }
    }

    /// The first of the lines that follow a line, in the order in which they were given.
    pub fn follower(&self, line: &LineName) -> Option<&LineName> {
        let first = self.lines[*self.numbers.get(line)?].followers.first()?;
        Some(&self.lines[*first].name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines by number, each with the number of the line that it follows.
    fn named(follows: &[Option<usize>]) -> Vec<(LineName, Option<LineName>)> {
        let name = |number: usize| LineName::parse(&number.to_string()).unwrap();
        follows.iter().enumerate().map(|(number, follows)| (name(number), follows.map(name))).collect()
    }

    fn paths(lines: &[(LineName, Option<LineName>)]) -> Paths {
        Paths::new(lines.iter().map(|(name, follows)| (name, follows.as_ref())))
    }

    /// The line after `own` on the way to `goal`, found by walking back from `goal`.
    fn walked(follows: &[Option<usize>], own: usize, goal: usize) -> Option<usize> {
        let mut line = goal;
        loop {
            let before = follows[line]?;
            if before == own {
                return Some(line);
            }
            line = before;
        }
    }

    proptest! {
        #[test]
        fn a_relation_is_the_one_that_a_walk_finds(
            // Each line follows one with a lower number, or none.
            follows in prop::collection::vec(prop::option::weighted(0.8, any::<prop::sample::Index>()), 1..30),
        ) {
            let follows: Vec<Option<usize>> = follows.iter().enumerate()
                .map(|(number, index)| index.filter(|_| number > 0).map(|index| index.index(number)))
                .collect();
            let lines = named(&follows);
            let paths = paths(&lines);
            for own in 0..follows.len() {
                for goal in 0..follows.len() {
                    let expected = if own == goal {
                        Relation::Own
                    } else if let Some(after) = walked(&follows, own, goal) {
                        Relation::Before { after: &lines[after].0 }
                    } else if walked(&follows, goal, own).is_some() {
                        Relation::After
                    } else {
                        Relation::Apart
                    };
                    prop_assert_eq!(paths.relation(&lines[own].0, &lines[goal].0), expected);
                }
                let first = follows.iter().position(|follows| *follows == Some(own));
                prop_assert_eq!(paths.follower(&lines[own].0), first.map(|first| &lines[first].0));
            }
        }
    }

    #[test]
    fn a_line_that_is_not_there_leads_nowhere() {
        let lines = named(&[Some(7), Some(0)]);
        let paths = paths(&lines);
        let absent = LineName::parse("7").unwrap();
        assert_eq!(paths.relation(&absent, &lines[0].0), Relation::Apart);
        assert_eq!(paths.relation(&lines[1].0, &absent), Relation::Apart);
        assert_eq!(paths.relation(&lines[0].0, &lines[1].0), Relation::Before { after: &lines[1].0 });
        assert_eq!(paths.follower(&absent), None);
    }
}
