//! All files together: from files that were read by themselves to lines.

use std::collections::BTreeMap;

use super::between;
use super::line::{RawLine, RawPolicy};
use super::place::Place;
use super::releases;
use super::stages::{self, Staged};
use super::{Content, ParsedFile, Reading};
use crate::domain::catalog::Catalog;
use crate::domain::line::{Follows, Line};
use crate::formats::fault::{Fault, Spot};

/// A line's folder.
#[derive(Default)]
struct Folder<'a> {
    line: Option<&'a ParsedFile>,
    releases: Vec<&'a ParsedFile>,
    faults: Vec<Fault>,
}

/// A line whose file is good by itself, on the way into the catalog.
pub(super) struct Draft<'a> {
    pub folder: &'a str,
    pub file: &'a ParsedFile,
    pub raw: &'a RawLine,
    /// `None` where they cannot be known, since the policy or the line itself is faulty.
    pub staged: Option<Staged>,
}

impl Draft<'_> {
    pub fn fault(&self, spot: Spot, message: &str, hint: &str) -> Fault {
        self.file.fault(spot, message, hint)
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

    let mut drafts = Vec::new();
    for (name, folder) in &mut folders {
        folder.releases.sort_by(|a, b| a.path().cmp(b.path()));
        match folder.line {
            Some(file) => {
                if let Ok(Content::Line(raw)) = &file.0.content {
                    let staged =
                        policy.and_then(|policy| stages::staged(file, raw, policy, &mut folder.faults));
                    drafts.push(Draft { folder: name, file, raw, staged });
                }
            }
            None if !folder.releases.is_empty() => {
                let path = format!("{name}/line.yaml");
                let message = format!("folder `{name}` has releases and no `line.yaml`");
                let hint = format!("write it, with `format: 1` and `line: \"{name}\"`");
                folder.faults.push(Fault::new(&path, "", Spot::START, &message, &hint));
            }
            None => {}
        }
    }
    let exists = |name: &str| folders.get(name).is_some_and(|folder| folder.line.is_some());
    let between = between::faults(&drafts, exists);
    for (folder, fault) in between {
        if let Some(folder) = folders.get_mut(folder) {
            folder.faults.push(fault);
        }
    }

    let mut lines = Vec::new();
    for draft in drafts {
        let Some(folder) = folders.get_mut(draft.folder) else { continue };
        let releases = releases::releases(&draft, &folder.releases, &mut folder.faults);
        let (Some(staged), Some(policy)) = (draft.staged, policy) else { continue };
        if folder.faults.is_empty() {
            let mut freezes = [&policy.freezes[..], &draft.raw.freezes].concat();
            freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
            lines.push(Line {
                name: draft.raw.name.value.clone(),
                title: draft.raw.title.clone(),
                prefix: draft.raw.prefix.value,
                follows: draft
                    .raw
                    .follows
                    .as_ref()
                    .map(|(line, grace)| Follows { line: line.value.clone(), grace: *grace }),
                stages: staged.stages,
                freezes,
                retired: draft.raw.retired.clone(),
                releases,
            });
        }
    }
    reading(lines, folders, everybodys, nobodys)
}

fn reading(
    lines: Vec<Line>,
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
    Reading { catalog: Catalog::new(lines), faulty: by_line, faults }
}
