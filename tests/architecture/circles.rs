//! Circles among files: each of them needs the next, and the last needs the first.
//!
//! What a file takes from a module above it is no arrow here: a folder's own file is the front of its
//! room, and those inside share what it declares. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Used, used_paths};

/// Files by their modules, each with those that it needs.
type Arrows<'a> = BTreeMap<&'a [String], BTreeSet<&'a [String]>>;

/// Every circle among these files, which come with their modules: the names of its files.
pub fn circles(files: &[(Vec<String>, String)]) -> Vec<BTreeSet<String>> {
    let uses: BTreeMap<&[String], Vec<Used>> = files
        .iter()
        .map(|(modules, source)| {
            let names: Vec<&str> = modules.iter().map(String::as_str).collect();
            (&modules[..], used_paths(without_tests(source), &names))
        })
        .collect();
    let arrows: Arrows<'_> = uses
        .iter()
        .map(|(&from, used)| {
            let needed = used.iter().filter_map(|used| target(&uses, from, used));
            (from, needed.filter(|to| !from.starts_with(to)).collect())
        })
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for &file in arrows.keys() {
        let onwards = reached(&arrows, file);
        let circle: BTreeSet<String> = onwards
            .iter()
            .filter(|other| reached(&arrows, other).contains(file))
            .map(|modules| modules.join("/"))
            .collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// A file's unit tests stand at its end.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod tests {").map_or(source, |end| &source[..end])
}

/// The file in which what a path names is written.
fn target<'a>(
    uses: &BTreeMap<&'a [String], Vec<Used>>,
    from: &[String],
    named: &Used,
) -> Option<&'a [String]> {
    let mut path = named.segments.clone();
    if !named.in_this_crate {
        // A module of one's own needs no `self::`.
        path.splice(0..0, from.iter().cloned());
    }
    // The name may be handed on from further inside.
    for _ in 0..8 {
        let length = (1..=path.len()).rev().find(|length| uses.contains_key(&path[..*length]))?;
        let (&module, inside) = uses.get_key_value(&path[..length])?;
        let name = path.get(length);
        let handed_on = inside.iter().find(|used| used.segments.len() > 1 && used.segments.last() == name);
        let Some(handed_on) = handed_on.filter(|_| name.is_some()) else {
            let is_own = !named.in_this_crate && length <= from.len();
            return (!is_own).then_some(module);
        };
        let mut next = handed_on.segments.clone();
        if !handed_on.in_this_crate {
            next.splice(0..0, module.iter().cloned());
        }
        if next == path || !(1..=next.len()).any(|length| uses.contains_key(&next[..length])) {
            return Some(module);
        }
        path = next;
    }
    None
}

/// Every file that one needs, and that those need, and so on.
fn reached<'a>(arrows: &Arrows<'a>, from: &[String]) -> BTreeSet<&'a [String]> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&[String]> = arrows[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(arrows[file].iter().copied());
        }
    }
    reached
}

#[test]
fn a_circle_is_found_through_names_that_are_handed_on() {
    let file = |modules: &str, source: &str| {
        (modules.split('/').map(str::to_owned).collect::<Vec<_>>(), source.to_owned())
    };
    for (what, files, circle) in [
        (
            "two that name each other",
            vec![file("a", "use crate::b::B;"), file("b", "use crate::a::A;")],
            true,
        ),
        ("one way", vec![file("a", "use crate::b::B;"), file("b", "pub struct B;")], false),
        (
            "a room's front and what is in it",
            vec![file("a", "mod x; use x::X;"), file("a/x", "use super::A;")],
            false,
        ),
        (
            "neighbours, by way of the front",
            vec![
                file("a", "mod x; mod y; pub use x::X; pub use y::Y;"),
                file("a/x", "use super::Y;"),
                file("a/y", "use super::x::X;"),
            ],
            true,
        ),
        (
            "two rooms, each by another file",
            vec![
                file("a", "mod x; use x::X;"),
                file("a/x", "use crate::b;"),
                file("b", "mod y; use y::Y;"),
                file("b/y", "use crate::a::A;"),
            ],
            true,
        ),
        (
            "in tests alone",
            vec![file("a", "use crate::b::B;"), file("b", "#[cfg(test)]\nmod tests { use crate::a::A; }")],
            false,
        ),
    ] {
        assert_eq!(!circles(&files).is_empty(), circle, "{what}");
    }
}
