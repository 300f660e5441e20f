//! Rules between lines.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::super::channel::{ChannelName, LineName};
use super::super::line::Line;
use super::{At, Broken, Rule, Unusable, circles};

pub(super) fn check(lines: &[Arc<Line>], unusable: &Unusable, broken: &mut Vec<Broken>) {
    follows(lines, unusable, broken);
    let within = names(lines, broken);
    prefixes(lines, &within, broken);
    channels(lines, broken);
}

fn follows(lines: &[Arc<Line>], unusable: &Unusable, broken: &mut Vec<Broken>) {
    let names: HashSet<&LineName> = lines.iter().map(|line| &line.name).chain(unusable.keys()).collect();
    let next: HashMap<&LineName, &LineName> =
        lines.iter().filter_map(|line| Some((&line.name, &line.follows.as_ref()?.line))).collect();
    let circles = circles(&next);
    for line in lines {
        let Some(follows) = line.follows.as_ref().map(|follows| follows.line.clone()) else { continue };
        let rule = if !names.contains(&follows) {
            Rule::NoSuchLine(follows)
        } else if circles.contains(&line.name) {
            Rule::FollowsInCircle { line: line.name.clone(), follows }
        } else {
            continue;
        };
        broken.push(Broken { line: line.name.clone(), at: At::Follows, rule });
    }
}

/// Reports lines whose names are dotted prefixes of other lines' names. Returns them as pairs of the prefix
/// and the longer name.
fn names<'a>(lines: &'a [Arc<Line>], broken: &mut Vec<Broken>) -> HashSet<(&'a LineName, &'a LineName)> {
    let names: HashMap<&str, &LineName> = lines.iter().map(|line| (line.name.as_str(), &line.name)).collect();
    let mut within = HashSet::new();
    for inner in lines.iter().map(|line| &line.name) {
        for outer in dotted(inner.as_str()).skip(1).filter_map(|prefix| names.get(prefix).copied()) {
            within.insert((outer, inner));
            for line in [outer, inner] {
                let rule = Rule::NameWithin { outer: outer.clone(), inner: inner.clone() };
                broken.push(Broken { line: line.clone(), at: At::Name, rule });
            }
        }
    }
    within
}

/// Reports lines that accept the same versions, except pairs already reported for their `names`.
fn prefixes(lines: &[Arc<Line>], names: &HashSet<(&LineName, &LineName)>, broken: &mut Vec<Broken>) {
    let texts: Vec<String> = lines.iter().map(|line| line.prefix.to_string()).collect();
    let mut by_prefix: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, text) in texts.iter().enumerate() {
        by_prefix.entry(text).or_default().push(place);
    }
    for (inner, text) in texts.iter().enumerate() {
        for (depth, prefix) in dotted(text).enumerate() {
            for &outer in by_prefix.get(prefix).into_iter().flatten() {
                // Two lines with the same prefix are paired twice, once in each order, but are reported
                // once.
                let twice = depth == 0 && outer >= inner;
                let pair = [&lines[inner].name, &lines[outer].name];
                if twice || names.contains(&(pair[1], pair[0])) {
                    continue;
                }
                for [line, other] in [pair, [pair[1], pair[0]]] {
                    let rule = Rule::SharedVersions { line: line.clone(), other: other.clone() };
                    broken.push(Broken { line: line.clone(), at: At::Prefix, rule });
                }
            }
        }
    }
}

/// A dotted string and its prefixes: `1.8.4`, `1.8`, `1`.
fn dotted(text: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(text), |text| text.rsplit_once('.').map(|(prefix, _)| prefix))
}

/// Reports channel names that are claimed more than once. Each claim refers to the first one, and the first
/// to the second.
fn channels(lines: &[Arc<Line>], broken: &mut Vec<Broken>) {
    let mut claims: BTreeMap<&ChannelName, Vec<(&LineName, At)>> = BTreeMap::new();
    for line in lines {
        for (place, stage) in line.stages.iter().enumerate() {
            let aliases = stage.aliases.iter().enumerate().map(|(alias, name)| (Some(alias), name));
            for (alias, name) in std::iter::once((None, &stage.channel)).chain(aliases) {
                claims.entry(name).or_default().push((&line.name, At::Channel { stage: place, alias }));
            }
        }
    }
    for (channel, claims) in claims.into_iter().filter(|(_, claims)| claims.len() > 1) {
        for (place, (line, at)) in claims.iter().enumerate() {
            let (other, there) = &claims[usize::from(place == 0)];
            let rule = Rule::ChannelTwice {
                channel: channel.clone(),
                other: (*other).clone(),
                at: Box::new(there.clone()),
            };
            broken.push(Broken { line: (*line).clone(), at: at.clone(), rule });
        }
    }
}
