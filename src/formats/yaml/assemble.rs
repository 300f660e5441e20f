//! Turns files that were parsed separately into a catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::build::Build;
use super::faults::Faults;
use super::line::{RawLine, RawPolicy};
use super::node::{self, Node};
use super::place::Place;
use super::release::RawRelease;
use super::spots::{in_line, in_release};
use super::stage::RawStage;
use super::{Content, ParsedFile, Reading, line_path, release_path};
use crate::domain::catalog::{Catalog, CheckedLine};
use crate::domain::channel::LineName;
use crate::domain::line::{Line, Prefix};
use crate::domain::policy::Freeze;
use crate::domain::rules::doubtful::{Doubtful, soak};
use crate::domain::rules::{At, Broken, Rule, Unusable};
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

impl<'a> Folder<'a> {
    fn files(&self) -> impl Iterator<Item = &'a ParsedFile> {
        self.line.into_iter().chain(self.releases.iter().copied())
    }

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
    Assembler::default().assemble(files)
}

/// Builds a catalog again and again as its files change.
///
/// A line whose files are the same ones as the last time, and which inherits the same from the policy, is
/// neither built nor checked again: the new catalog shares it.
#[derive(Debug, Clone, Default)]
pub struct Assembler {
    inherited: Option<Arc<Inherited>>,
    /// By folder name.
    lines: BTreeMap<Box<str>, Arc<Built>>,
}

/// What lines inherit from the policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inherited {
    stages: Vec<RawStage>,
    freezes: Vec<Freeze>,
    /// Whether the policy has no faults. Otherwise no line has stages.
    is_usable: bool,
}

/// A line that was built from its files.
#[derive(Debug)]
struct Built {
    /// The line's own file, and those of its releases, ordered by path.
    files: Vec<ParsedFile>,
    line: CheckedLine,
    /// Whether its files contradict each other, so that it lacks something.
    contradicts_itself: bool,
    doubtful: Vec<Doubtful>,
}

impl Built {
    fn of(raw: &RawLine, folder: &Folder<'_>, policy: Option<&RawPolicy>, readable: &RawPolicy) -> Self {
        let releases = folder.releases.iter().filter_map(|file| raw_release(file.good()?));
        let mut broken = Vec::new();
        let line = Build { raw, broken: &mut broken }.line(policy, releases);
        let contradicts_itself = !broken.is_empty();
        let mut line = CheckedLine::of(line, &folder.unread());
        // A line that has no stages here is one whose stages are unknown: an empty list of stages has
        // already been reported as a fault of its file.
        line.broken.retain(|one| one.rule != Rule::NoStages);
        line.broken.splice(0..0, broken);
        let files = folder.files().cloned().collect();
        Self { files, line, contradicts_itself, doubtful: soaks(raw, readable).collect() }
    }

    fn is_of(&self, folder: &Folder<'_>) -> bool {
        self.files.iter().map(|file| Arc::as_ptr(&file.0)).eq(folder.files().map(|file| Arc::as_ptr(&file.0)))
    }
}

impl Reading {
    /// Returns a line that has nothing of its own but a name, as the policy completes it.
    pub fn new_line(&self, name: LineName, prefix: Prefix) -> Line {
        let policy = self.inherited.as_ref().map(|known| RawPolicy {
            stages: known.stages.clone(),
            freezes: known.freezes.clone(),
            loosened: Vec::new(),
        });
        let raw = RawLine::named(name, prefix);
        Build { raw: &raw, broken: &mut Vec::new() }.line(Some(&policy.unwrap_or_default()), [].into_iter())
    }
}

impl Assembler {
    /// Builds the catalog from its present files, given in any order.
    pub fn assemble<'a>(&mut self, files: impl IntoIterator<Item = &'a ParsedFile>) -> Reading {
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

        self.inherit(readable, policy.is_some());
        self.lines.retain(|name, _| folders.contains_key(&**name));
        for (name, folder) in &mut folders {
            folder.releases.sort_by(|a, b| a.path().cmp(b.path()));
            let good = folder.line.and_then(ParsedFile::good);
            if let Some(Content::Line(raw)) = good {
                if !self.lines.get(*name).is_some_and(|built| built.is_of(folder)) {
                    let built = Built::of(raw, folder, policy, readable);
                    self.lines.insert((*name).into(), Arc::new(built));
                }
            } else {
                self.lines.remove(*name);
            }
            if folder.line.is_none() && !folder.releases.is_empty() {
                let path = format!("{name}/line.yaml");
                let message = format!("folder `{name}` has releases but no `line.yaml`");
                let hint = format!("create it with `format: 1` and `line: \"{name}\"`");
                folder.faults.push(Fault::new(&path, "", Spot::START, &message, &hint));
            }
        }
        let doubtful = self.lines.values().flat_map(|built| built.doubtful.iter().cloned()).collect();
        let contradicts_itself =
            |name: &str| self.lines.get(name).is_some_and(|built| built.contradicts_itself);
        let unusable: Unusable = folders
            .iter()
            .filter(|(_, folder)| folder.line.is_some())
            .filter(|(name, folder)| {
                policy.is_none() || !folder.faults.is_empty() || contradicts_itself(name)
            })
            .filter_map(|(name, folder)| Some((LineName::parse(name).ok()?, folder.unread())))
            .collect();
        let (catalog, broken) =
            Catalog::of_checked(self.lines.values().map(|built| built.line.clone()), &unusable);
        let mut places = Places { folders: &folders, trees: HashMap::new() };
        let faults: Vec<_> =
            broken.iter().filter_map(|broken| Some((broken, places.fault(broken)?))).collect();
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
        let inherited = self.inherited.clone();
        Reading { catalog, faulty: by_line, doubtful, faults, leftovers, inherited }
    }

    /// Forgets every line if the policy means something else for it than before.
    fn inherit(&mut self, policy: &RawPolicy, is_usable: bool) {
        let is_same = self.inherited.as_ref().is_some_and(|known| {
            (&known.stages, &known.freezes, known.is_usable) == (&policy.stages, &policy.freezes, is_usable)
        });
        if !is_same {
            let (stages, freezes) = (policy.stages.clone(), policy.freezes.clone());
            self.inherited = Some(Arc::new(Inherited { stages, freezes, is_usable }));
            self.lines.clear();
        }
    }
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
