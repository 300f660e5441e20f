//! What must hold between lines. Where two claim the same, both are at fault: publishing the one
//! that comes first by its name would take from the other what its clusters rely on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use super::assemble::Draft;
use crate::domain::channel::ChannelName;
use crate::formats::fault::{Fault, Spot};

/// The faults between lines, each with the folder that it belongs to. `exists` tells whether a
/// line of a name exists, faulty or not.
pub(super) fn faults<'a>(drafts: &[Draft<'a>], exists: impl Fn(&str) -> bool) -> Vec<(&'a str, Fault)> {
    let mut faults = Vec::new();
    follows(drafts, exists, &mut faults);
    prefixes(drafts, &mut faults);
    channels(drafts, &mut faults);
    faults
}

fn follows<'a>(drafts: &[Draft<'a>], exists: impl Fn(&str) -> bool, faults: &mut Vec<(&'a str, Fault)>) {
    let mut next = HashMap::new();
    for draft in drafts {
        let Some((before, _)) = &draft.raw.follows else { continue };
        let before_name = before.value.as_str();
        if exists(before_name) {
            next.insert(draft.raw.name.value.as_str(), before_name);
        } else {
            let message = format!("there is no line `{before_name}` that could be followed");
            faults.push((
                draft.folder,
                draft.fault(before.spot, &message, "name a line of this catalog, or remove `follows`"),
            ));
        }
    }
    let circles = circles(&next);
    for draft in drafts {
        if let Some((before, _)) = &draft.raw.follows
            && circles.contains(draft.raw.name.value.as_str())
        {
            let message = format!("line `{}` follows `{}` in a circle", draft.raw.name.value, before.value);
            faults
                .push((draft.folder, draft.fault(before.spot, &message, "let the oldest line follow none")));
        }
    }
}

/// Lines whose names or version prefixes have each other within.
fn prefixes<'a>(drafts: &[Draft<'a>], faults: &mut Vec<(&'a str, Fault)>) {
    let names: HashMap<&str, &Draft<'a>> =
        drafts.iter().map(|draft| (draft.raw.name.value.as_str(), draft)).collect();
    let mut told = HashSet::new();
    for inner in drafts {
        for prefix in dotted(inner.raw.name.value.as_str()).skip(1) {
            let Some(outer) = names.get(prefix) else { continue };
            told.insert((outer.folder, inner.folder));
            let message = format!(
                "line `{}` has a name that begins line `{}`'s",
                outer.raw.name.value, inner.raw.name.value
            );
            let hint = "rename one of them: the signing roles of the two would overlap";
            faults.push((outer.folder, outer.fault(outer.raw.name.spot, &message, hint)));
            faults.push((inner.folder, inner.fault(inner.raw.name.spot, &message, hint)));
        }
    }
    let texts: Vec<String> = drafts.iter().map(|draft| draft.raw.prefix.value.to_string()).collect();
    let mut by_prefix: HashMap<&str, Vec<&Draft<'a>>> = HashMap::new();
    for (draft, text) in drafts.iter().zip(&texts) {
        by_prefix.entry(text).or_default().push(draft);
    }
    for (inner, text) in drafts.iter().zip(&texts) {
        for (depth, prefix) in dotted(text).enumerate() {
            for outer in by_prefix.get(prefix).into_iter().flatten() {
                // Two lines of the very same prefix meet twice, once from each side.
                let twice = depth == 0 && outer.folder >= inner.folder;
                if twice || told.contains(&(outer.folder, inner.folder)) {
                    continue;
                }
                for (one, other) in [(inner, *outer), (*outer, inner)] {
                    let message = format!(
                        "versions of line `{}` belong to line `{}` too",
                        one.raw.name.value, other.raw.name.value
                    );
                    let hint = "give one of them another `prefix`";
                    faults.push((one.folder, one.fault(one.raw.prefix.spot, &message, hint)));
                }
            }
        }
    }
}

/// A dotted text and what it begins with: `1.8.4`, `1.8`, `1`.
fn dotted(text: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(text), |text| text.rsplit_once('.').map(|(prefix, _)| prefix))
}

fn channels<'a>(drafts: &[Draft<'a>], faults: &mut Vec<(&'a str, Fault)>) {
    let mut claims: BTreeMap<&ChannelName, Vec<(&Draft<'a>, Spot)>> = BTreeMap::new();
    for draft in drafts {
        for name in draft.staged.iter().flat_map(|staged| &staged.names) {
            claims.entry(&name.value).or_default().push((draft, name.spot));
        }
    }
    for (name, claims) in claims {
        for (index, (draft, spot)) in claims.iter().enumerate() {
            // The second points at the first, and the first at the second.
            let Some((other, at)) = claims.get(usize::from(index == 0)).filter(|_| claims.len() > 1) else {
                continue;
            };
            let other = if index > 1 { &claims[0] } else { &(*other, *at) };
            let message = format!(
                "channel `{name}` is named in line {} of `{}` too",
                other.1.line,
                other.0.file.path()
            );
            let hint = "give one of them another name, with `channel` or `aliases`";
            faults.push((draft.folder, draft.fault(*spot, &message, hint)));
        }
    }
}

/// What stands in a circle, where each has at most one that comes next.
pub(super) fn circles<T: Copy + Eq + Hash>(next: &HashMap<T, T>) -> HashSet<T> {
    let mut done = HashSet::new();
    let mut found = HashSet::new();
    for &start in next.keys() {
        let mut path = Vec::new();
        let mut places = HashMap::new();
        let mut at = start;
        while !done.contains(&at) {
            if let Some(&place) = places.get(&at) {
                found.extend(path[place..].iter().copied());
                break;
            }
            places.insert(at, path.len());
            path.push(at);
            match next.get(&at) {
                Some(&following) => at = following,
                None => break,
            }
        }
        done.extend(path);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_its_members_and_not_those_who_lead_into_it() {
        let next = HashMap::from([(1, 2), (2, 3), (3, 2), (4, 4), (5, 6)]);
        assert_eq!(circles(&next), HashSet::from([2, 3, 4]));
    }
}
