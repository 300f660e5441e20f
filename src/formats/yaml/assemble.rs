//! Turns files that were parsed separately into a catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::faults::Faults;
use super::line::{RawLine, RawPolicy};
use super::node::{self, Node};
use super::place::Place;
use super::release::RawRelease;
use super::spots::{in_line, in_release};
use super::{Content, ParsedFile, Reading, line_path, release_path};
use crate::domain::catalog::Catalog;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::{Line, Prefix, Stage};
use crate::domain::release::Release;
use crate::domain::rules::doubtful::{Doubtful, soak};
use crate::domain::rules::{At, Broken, Part, Rule, Unusable};
use crate::domain::version::Version;
use crate::formats::fault::{Fault, Spot};
use crate::words::rules::message_and_hint;

/// A line's folder.
#[derive(Default)]
struct Folder<'a> {
    line: Option<&'a ParsedFile>,
    /// Ordered by path.
    releases: Vec<&'a ParsedFile>,
    faults: Vec<Fault>,
}

impl Folder<'_> {
    /// Returns the versions of the releases whose files have faults.
    fn unread(&self) -> BTreeSet<Version> {
        let faulty = self.releases.iter().filter(|file| !file.faults().is_empty());
        let version = |file: &&ParsedFile| match &file.0.place {
            Place::Release { stem, .. } => Version::parse(stem).ok(),
            _ => None,
        };
        faulty.filter_map(version).collect()
    }
}

/// Builds a catalog from files that were parsed separately, given in any order.
pub fn assemble<'a>(files: impl IntoIterator<Item = &'a ParsedFile>) -> Reading {
    let mut folders: BTreeMap<&str, Folder<'a>> = BTreeMap::new();
    let mut policy = None;
    let mut everybodys: Vec<Fault> = Vec::new();
    let mut nobodys: Vec<Fault> = Vec::new();
    let mut leftovers = Vec::new();
    for file in files {
        let place = &file.0.place;
        if *place == Place::Leftover {
            leftovers.push(file.path().to_owned());
        }
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
        if let Some(Content::Policy(raw)) = &file.0.content {
            policy = Some(raw);
        }
    }
    let no_policy = RawPolicy::default();
    let readable = policy.unwrap_or(&no_policy);
    let policy = everybodys.is_empty().then_some(readable);

    let (mut lines, mut broken, mut doubtful) = (Vec::new(), Vec::new(), Vec::new());
    for (name, folder) in &mut folders {
        folder.releases.sort_by(|a, b| a.path().cmp(b.path()));
        if let Some(file) = folder.line {
            if let Some(Content::Line(raw)) = file.good() {
                let releases = folder.releases.iter().filter_map(|file| raw_release(file.good()?));
                lines.push(Build { raw, broken: &mut broken }.line(policy, releases));
                doubtful.extend(soaks(raw, readable));
            }
        } else if !folder.releases.is_empty() {
            let path = format!("{name}/line.yaml");
            let message = format!("folder `{name}` has releases but no `line.yaml`");
            let hint = format!("create it with `format: 1` and `line: \"{name}\"`");
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
    // A line that has no stages here is one whose stages are unknown: an empty list of stages has already
    // been reported as a fault of its file.
    broken.extend(more.into_iter().filter(|broken| broken.rule != Rule::NoStages));
    let mut places = Places { folders: &folders, trees: HashMap::new() };
    let faults: Vec<_> = broken.iter().filter_map(|broken| Some((broken, places.fault(broken)?))).collect();
    for (broken, fault) in faults {
        if let Some(folder) = folders.get_mut(broken.line.as_str()) {
            folder.faults.push(fault);
        }
    }
    everybodys.sort();
    let mut faults = nobodys;
    faults.extend_from_slice(&everybodys);
    let (mut by_line, mut salvaged) = (BTreeMap::new(), Vec::new());
    for (name, mut folder) in folders {
        if !everybodys.is_empty() || !folder.faults.is_empty() {
            salvaged.extend(salvage(name, &folder, readable));
        }
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
    leftovers.sort();
    let catalog = catalog.with_salvaged(salvaged).with_loosened(readable.loosened.iter().cloned());
    Reading { catalog, faulty: by_line, doubtful, faults, leftovers }
}

/// Finds the soaks of a line that are probably not what its owner meant.
fn soaks<'r>(raw: &'r RawLine, policy: &'r RawPolicy) -> impl Iterator<Item = Doubtful> {
    raw.stages.iter().flatten().filter_map(move |own| {
        let inherited = policy.stages.iter().find(|stage| stage.name == own.name)?;
        soak(&raw.line.name, &own.name, own.soak.as_ref()?, inherited.soak.as_ref()?)
    })
}

/// Builds a faulty line from what can be read of its files, so that it can be stopped.
fn salvage(name: &str, folder: &Folder<'_>, policy: &RawPolicy) -> Option<Line> {
    let name = LineName::parse(name).ok()?;
    let releases = || folder.releases.iter().filter_map(|file| raw_release(file.0.content.as_ref()?));
    let named;
    let raw = if let Some(Content::Line(raw)) = folder.line.and_then(|file| file.0.content.as_ref()) {
        raw
    } else {
        let by_release = || Prefix::candidates(&releases().next()?.release.version).next();
        let prefix = Prefix::parse(name.as_str()).ok().or_else(by_release)?;
        named = RawLine::named(name, prefix);
        &named
    };
    Some(Build { raw, broken: &mut Vec::new() }.salvaged(policy, releases()))
}

fn raw_release(content: &Content) -> Option<&RawRelease> {
    match content {
        Content::Release(raw) => Some(raw),
        _ => None,
    }
}

/// Turns broken rules into faults of the files that break them.
struct Places<'f, 'a> {
    folders: &'f BTreeMap<&'f str, Folder<'a>>,
    /// The files that were parsed again to locate faults, by path.
    trees: HashMap<&'a str, Option<Node<'a>>>,
}

impl<'a> Places<'_, 'a> {
    fn fault(&mut self, broken: &Broken) -> Option<Fault> {
        let (file, spot) = self.place(&broken.line, &broken.at)?;
        let (mut message, hint) = message_and_hint(&broken.rule);
        if let Rule::ChannelTwice { other, at, .. } = &broken.rule {
            let (_, spot) = self.place(other, at)?;
            message = format!("{message}, also on line {} of `{}`", spot.line, line_path(other));
        }
        Some(file.fault(spot, &message, &hint))
    }

    fn place(&mut self, line: &LineName, at: &At) -> Option<(&'a ParsedFile, Spot)> {
        let folder = self.folders.get(line.as_str())?;
        let file = match at {
            At::Release(version, _) => {
                let path = release_path(line, version);
                folder.releases[folder.releases.binary_search_by(|file| file.path().cmp(&path)).ok()?]
            }
            _ => folder.line?,
        };
        file.good()?;
        let tree = self.trees.entry(file.path()).or_insert_with(|| {
            let text = file.0.text.get()?;
            node::tree(text, &mut Faults::new(file.path(), text))
        });
        let spot = match (tree, at) {
            (None, _) => Spot::START,
            (Some(root), At::Release(_, part)) => in_release(root, part),
            (Some(root), at) => in_line(root, at),
        };
        Some((file, spot))
    }
}

/// A line that is being built from its files.
struct Build<'b> {
    raw: &'b RawLine,
    broken: &'b mut Vec<Broken>,
}

impl Build<'_> {
    /// Builds a line from as much as could be read. A pause can name a stage by its channel. If the stages are
    /// not all known, those that an entry or a pause mentions are added.
    fn salvaged<'r>(
        mut self,
        policy: &RawPolicy,
        raws: impl Iterator<Item = &'r RawRelease> + Clone,
    ) -> Line {
        let mut stages = self.stages(policy).unwrap_or_default();
        let entered = raws.clone().flat_map(|raw| raw.entries.iter().map(|(stage, _)| stage));
        for name in self.raw.paused.iter().map(|(stage, _)| stage).chain(entered) {
            let paused = self.raw.paused(name);
            let is_called = |stage: &&mut Stage| stage.names().any(|own| own.as_str() == name.as_str());
            if stages.iter().any(|stage| stage.name == *name) {
                continue;
            }
            if let Some(stage) = stages.iter_mut().find(is_called) {
                stage.paused = paused;
            } else if let Ok(channel) = ChannelName::of(&self.raw.line.name, name) {
                stages.push(Stage { paused, ..Stage::new(name.clone(), channel) });
            }
        }
        for stage in &mut stages {
            stage.paused = stage.paused.take().or_else(|| self.raw.all_paused.clone());
        }
        Line { releases: self.releases(&stages, raws), stages, ..self.raw.line.clone() }
    }

    /// Builds the line. It gets no stages if the policy is faulty or the name of a channel is invalid.
    fn line<'r>(mut self, policy: Option<&RawPolicy>, raws: impl Iterator<Item = &'r RawRelease>) -> Line {
        let own = &self.raw.line;
        let stages = policy.and_then(|policy| self.stages(policy)).unwrap_or_default();
        let freezes = policy.map_or(&[][..], |policy| &policy.freezes);
        let freezes = [freezes, &own.freezes].concat();
        Line { freezes, releases: self.releases(&stages, raws), stages, ..own.clone() }
    }

    fn report(&mut self, at: At, rule: Rule) {
        self.broken.push(Broken { line: self.raw.line.name.clone(), at, rule });
    }

    fn no_such_stage(&mut self, at: At, stage: &StageName, stages: &[Stage]) {
        let stages = stages.iter().map(|stage| stage.name.clone()).collect();
        let line = self.raw.line.name.clone();
        self.report(at, Rule::NoSuchStage { line, stage: stage.clone(), stages });
    }

    /// Returns the line's own stages, or else the policy's. A stage inherits what it omits from the
    /// policy's stage of the same name. Returns `None` if the name of a channel is invalid.
    fn stages(&mut self, policy: &RawPolicy) -> Option<Vec<Stage>> {
        let raw = self.raw;
        let all = raw.stages.as_ref().unwrap_or(&policy.stages);
        let mut stages = Vec::new();
        for (place, own) in all.iter().enumerate() {
            let name = &own.name;
            let channel = own.channel.clone().map_or_else(|| ChannelName::of(&raw.line.name, name), Ok);
            let channel = match channel {
                Ok(channel) => channel,
                Err(why) => {
                    self.report(At::Stage(place), Rule::ChannelName { stage: name.clone(), why });
                    continue;
                }
            };
            let (paused, resumed) = (raw.paused(name), raw.resumed(name));
            stages.push(Stage { paused, resumed, ..own.stage(&policy.stages, place, channel) });
        }
        for (paused, _) in
            raw.paused.iter().filter(|(paused, _)| all.iter().all(|stage| stage.name != *paused))
        {
            self.no_such_stage(At::Pause(paused.clone()), paused, &stages);
        }
        for (resumed, _) in
            raw.resumed.iter().filter(|(resumed, _)| all.iter().all(|stage| stage.name != *resumed))
        {
            self.no_such_stage(At::Resumed(resumed.clone(), 0), resumed, &stages);
        }
        (stages.len() == all.len()).then_some(stages)
    }

    fn releases<'r>(
        &mut self,
        stages: &[Stage],
        raws: impl Iterator<Item = &'r RawRelease>,
    ) -> BTreeMap<Version, Release> {
        let mut raws: Vec<&RawRelease> = raws.collect();
        raws.sort_by(|a, b| (&a.release.version, !a.named).cmp(&(&b.release.version, !b.named)));
        let mut releases: Vec<Release> = raws.into_iter().map(|raw| self.release(raw, stages)).collect();
        for pair in releases.windows(2).filter(|pair| pair[0].version == pair[1].version) {
            let (first, version) = (pair[0].version.clone(), pair[1].version.clone());
            let at = At::Release(version.clone(), Part::Version);
            self.report(at, Rule::VersionTwice { version, first });
        }
        // Whatever a copy beside a release's own file lacks, it lifts no stop.
        releases.dedup_by(|copy, own| {
            let is_copy = copy.version == own.version;
            if is_copy {
                own.hold = own.hold.take().or_else(|| copy.hold.take());
                own.yank = own.yank.take().or_else(|| copy.yank.take());
            }
            is_copy
        });
        // A map that is built in one go has no half-empty nodes. This makes the largest part of a catalog a
        // third smaller in memory.
        releases.into_iter().map(|release| (release.version.clone(), release)).collect()
    }

    fn release(&mut self, raw: &RawRelease, stages: &[Stage]) -> Release {
        let version = &raw.release.version;
        let mut entries = vec![None; stages.len()];
        for (stage, entry) in &raw.entries {
            if let Some(place) = stages.iter().position(|known| known.name == *stage) {
                entries[place] = Some(entry.clone());
            } else if !stages.is_empty() {
                let at = At::Release(version.clone(), Part::Entry(stage.clone()));
                self.no_such_stage(at, stage, stages);
            }
        }
        Release { entries, ..raw.release.clone() }
    }
}
