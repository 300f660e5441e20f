//! All files together: from files that were read by themselves to a catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{RawLine, RawPolicy, RawStage};
use super::place::Place;
use super::release::RawRelease;
use super::{Content, ParsedFile, Reading, line_path, release_path, spots};
use crate::domain::catalog::Catalog;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::{Follows, Line, Stage};
use crate::domain::release::{Evidence, Release, Yank};
use crate::domain::rules::{At, Broken, Part, Rule, Unusable};
use crate::domain::version::Version;
use crate::formats::fault::{Fault, Spot};
use crate::words::rules::message_and_hint;

/// The stages of a line where neither it nor the policy names any.
const USUAL: [&str; 2] = ["preproduction", "production"];

/// A line's folder.
#[derive(Default)]
struct Folder<'a> {
    line: Option<&'a ParsedFile>,
    /// In the order of their paths.
    releases: Vec<&'a ParsedFile>,
    faults: Vec<Fault>,
}

impl Folder<'_> {
    /// The releases whose files have faults.
    fn unread(&self) -> BTreeSet<Version> {
        let faulty = self.releases.iter().filter(|file| file.0.content.is_err());
        let version = |file: &&ParsedFile| match &file.0.place {
            Place::Release { stem, .. } => Version::parse(stem).ok(),
            _ => None,
        };
        faulty.filter_map(version).collect()
    }
}

/// Puts files together that were read by themselves. Their order does not matter.
#[must_use]
pub fn assemble<'a>(files: impl IntoIterator<Item = &'a ParsedFile>) -> Reading {
    let mut folders: BTreeMap<&str, Folder<'a>> = BTreeMap::new();
    let mut policy = None;
    let mut everybodys: Vec<Fault> = Vec::new();
    let mut nobodys: Vec<Fault> = Vec::new();
    for file in files {
        let place = &file.0.place;
        if let Some(name) = place.folder() {
            let folder = folders.entry(name).or_default();
            folder.faults.extend_from_slice(file.faults());
            match place {
                Place::Line { .. } => folder.line = Some(file),
                Place::Release { .. } => folder.releases.push(file),
                _ => {}
            }
        } else if place.is_policy() {
            everybodys.extend_from_slice(file.faults());
        } else {
            nobodys.extend_from_slice(file.faults());
        }
        if let Ok(Content::Policy(raw)) = &file.0.content {
            policy = Some(raw);
        }
    }
    let no_policy = RawPolicy::default();
    let policy = everybodys.is_empty().then(|| policy.unwrap_or(&no_policy));

    let (mut lines, mut broken) = (Vec::new(), Vec::new());
    for (name, folder) in &mut folders {
        folder.releases.sort_by(|a, b| a.path().cmp(b.path()));
        if let Some(file) = folder.line {
            if let Ok(Content::Line(raw)) = &file.0.content {
                lines.push(Build { raw, broken: &mut broken }.line(policy, &folder.releases));
            }
        } else if !folder.releases.is_empty() {
            let path = format!("{name}/line.yaml");
            let message = format!("folder `{name}` has releases and no `line.yaml`");
            let hint = format!("write it, with `format: 1` and `line: \"{name}\"`");
            folder.faults.push(Fault::new(&path, "", Spot::START, &message, &hint));
        }
    }
    let is_broken = |name: &str| broken.iter().any(|broken: &Broken| broken.line.as_str() == name);
    let unusable: Unusable = folders
        .iter()
        .filter(|(_, folder)| folder.line.is_some())
        .filter(|(name, folder)| policy.is_none() || !folder.faults.is_empty() || is_broken(name))
        .filter_map(|(name, folder)| Some((LineName::parse(name).ok()?, folder.unread())))
        .collect();
    let (catalog, more) = Catalog::assemble(lines, &unusable);
    // A line without stages is one of which they are not known: an empty list is a fault of its file.
    broken.extend(more.into_iter().filter(|broken| broken.rule != Rule::NoStages));
    let faults: Vec<_> =
        broken.iter().filter_map(|broken| Some((broken, fault(&folders, broken)?))).collect();
    for (broken, fault) in faults {
        if let Some(folder) = folders.get_mut(broken.line.as_str()) {
            folder.faults.push(fault);
        }
    }
    reading(catalog, folders, everybodys, nobodys)
}

fn reading(
    catalog: Catalog,
    folders: BTreeMap<&str, Folder<'_>>,
    mut everybodys: Vec<Fault>,
    nobodys: Vec<Fault>,
) -> Reading {
    everybodys.sort();
    let mut faults = nobodys;
    faults.extend_from_slice(&everybodys);
    let mut by_line = BTreeMap::new();
    for (name, mut folder) in folders {
        folder.faults.sort();
        folder.faults.dedup();
        faults.extend_from_slice(&folder.faults);
        let mut all = [&everybodys[..], &folder.faults].concat();
        all.sort();
        if !all.is_empty() {
            by_line.insert(name.to_owned(), all);
        }
    }
    faults.sort();
    Reading { catalog, faulty: by_line, faults }
}

/// A broken rule as a fault of the file in which it is broken.
fn fault(folders: &BTreeMap<&str, Folder<'_>>, broken: &Broken) -> Option<Fault> {
    let (file, spot) = place(folders, &broken.line, &broken.at)?;
    let (mut message, hint) = message_and_hint(&broken.rule);
    if let Rule::ChannelTwice { other, at, .. } = &broken.rule {
        let (_, spot) = place(folders, other, at)?;
        message = format!("{message}, also in line {} of `{}`", spot.line, line_path(other));
    }
    Some(file.fault(spot, &message, &hint))
}

fn place<'a>(
    folders: &BTreeMap<&str, Folder<'a>>,
    line: &LineName,
    at: &At,
) -> Option<(&'a ParsedFile, Spot)> {
    let folder = folders.get(line.as_str())?;
    if let At::Release(version, part) = at {
        let path = release_path(line, version);
        let file = folder.releases.binary_search_by(|file| file.path().cmp(&path)).ok()?;
        let file = folder.releases[file];
        let Ok(Content::Release(raw)) = &file.0.content else { return None };
        return Some((file, spots::in_release(raw, part)));
    }
    let file = folder.line?;
    let Ok(Content::Line(raw)) = &file.0.content else { return None };
    Some((file, spots::in_line(raw, at)))
}

/// A line on the way from its files into the catalog.
struct Build<'b> {
    raw: &'b RawLine,
    broken: &'b mut Vec<Broken>,
}

impl Build<'_> {
    /// The line; without stages where they cannot be known, since the policy or the line itself is
    /// faulty.
    fn line(mut self, policy: Option<&RawPolicy>, files: &[&ParsedFile]) -> Line {
        let raw = self.raw;
        let stages = policy.and_then(|policy| self.stages(policy)).unwrap_or_default();
        let freezes = policy.map_or(&[][..], |policy| &policy.freezes);
        Line {
            name: raw.name.value.clone(),
            title: raw.title.clone(),
            prefix: raw.prefix.value,
            follows: raw
                .follows
                .as_ref()
                .map(|(line, grace)| Follows { line: line.value.clone(), grace: *grace }),
            freezes: [freezes, &raw.freezes].concat(),
            retired: raw.retired.clone(),
            releases: self.releases(&stages, files),
            stages,
        }
    }

    fn report(&mut self, at: At, rule: Rule) {
        self.broken.push(Broken { line: self.raw.name.value.clone(), at, rule });
    }

    fn no_such_stage(&mut self, at: At, stage: &StageName, stages: &[Stage]) {
        let stages = stages.iter().map(|stage| stage.name.clone()).collect();
        let line = self.raw.name.value.clone();
        self.report(at, Rule::NoSuchStage { line, stage: stage.clone(), stages });
    }

    /// The line's own stages, with what the policy says of stages of the same names, or the policy's,
    /// or the usual two. `None` where a channel has no name.
    fn stages(&mut self, policy: &RawPolicy) -> Option<Vec<Stage>> {
        let usual = policy.stages.as_deref();
        let named = |name: &StageName| usual.into_iter().flatten().find(|stage| stage.name.value == *name);
        let all: Vec<(StageName, Option<&RawStage>)> = match (&self.raw.stages, usual) {
            (Some(own), _) => own.iter().map(|stage| (stage.name.value.clone(), Some(stage))).collect(),
            (None, Some(usual)) => usual.iter().map(|stage| (stage.name.value.clone(), None)).collect(),
            (None, None) => {
                USUAL.iter().filter_map(|name| Some((StageName::parse(name).ok()?, None))).collect()
            }
        };
        let mut stages = Vec::new();
        for (place, (name, own)) in all.iter().enumerate() {
            let channel = match own.and_then(|own| own.channel.as_ref()) {
                Some(channel) => channel.value.clone(),
                None => match ChannelName::of(&self.raw.name.value, name) {
                    Ok(channel) => channel,
                    Err(why) => {
                        self.report(At::Stage(place), Rule::ChannelName { stage: name.clone(), why });
                        continue;
                    }
                },
            };
            let either = || [*own, named(name)].into_iter().flatten();
            let soak = || either().find_map(|stage| Some(stage.soak.as_ref()?.policy.clone()));
            let aliases = own.map_or(&[][..], |own| &own.aliases);
            let paused = self.raw.paused.iter().find(|(paused, _)| paused.value == *name);
            stages.push(Stage {
                name: name.clone(),
                channel,
                aliases: aliases.iter().map(|alias| alias.value.clone()).collect(),
                soak: (place > 0).then(|| soak().unwrap_or_default()),
                window: either().find_map(|stage| stage.window.clone()),
                paused: paused.map(|(_, pause)| pause.clone()),
            });
        }
        for (paused, _) in &self.raw.paused {
            if !all.iter().any(|(name, _)| *name == paused.value) {
                self.no_such_stage(At::Pause(paused.value.clone()), &paused.value, &stages);
            }
        }
        (stages.len() == all.len()).then_some(stages)
    }

    fn releases(&mut self, stages: &[Stage], files: &[&ParsedFile]) -> BTreeMap<Version, Release> {
        let raws = files.iter().filter_map(|file| match &file.0.content {
            Ok(Content::Release(raw)) => Some(&**raw),
            _ => None,
        });
        let mut releases: Vec<Release> = raws.map(|raw| self.release(raw, stages)).collect();
        releases.sort_by(|a, b| a.version.cmp(&b.version));
        for pair in releases.windows(2).filter(|pair| pair[0].version == pair[1].version) {
            let (first, version) = (pair[0].version.clone(), pair[1].version.clone());
            let at = At::Release(version.clone(), Part::Version);
            self.report(at, Rule::VersionTwice { version, first });
        }
        // Made in one go, a map has no half-empty nodes: a third less of the largest part of a catalog.
        releases.into_iter().map(|release| (release.version.clone(), release)).collect()
    }

    fn release(&mut self, raw: &RawRelease, stages: &[Stage]) -> Release {
        let version = &raw.version.value;
        let mut entries = vec![None; stages.len()];
        for entry in &raw.stages {
            let stage = &entry.stage.value;
            if let Some(place) = stages.iter().position(|known| known.name == *stage) {
                entries[place] = Some(entry.entry.clone());
            } else if !stages.is_empty() {
                let at = At::Release(version.clone(), Part::Entry(stage.clone()));
                self.no_such_stage(at, stage, stages);
            }
        }
        Release {
            version: version.clone(),
            urgency: raw.urgency,
            summary: raw.summary.clone(),
            links: raw.links.clone(),
            components: raw.components.clone(),
            payloads: raw.payloads.clone(),
            barrier: raw.barrier,
            replaces: raw.replaces.as_ref().map(|version| version.value.clone()),
            entries,
            hold: raw.hold.as_deref().cloned(),
            yank: raw.yank.as_ref().map(|yank| Yank {
                event: yank.event.clone(),
                to: yank.to.as_ref().map(|to| to.value.clone()),
            }),
            evidence: Evidence::default(),
        }
    }
}
