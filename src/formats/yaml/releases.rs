//! A line's releases, beside their line and each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::assemble::Draft;
use super::between::circles;
use super::place::Place;
use super::release::{RawEntry, RawRelease, RawYank};
use super::stages::known;
use super::{Content, ParsedFile};
use crate::domain::line::Stage;
use crate::domain::policy::SOAK_MIN;
use crate::domain::release::{Entry, Evidence, Release, SCHEDULE, Yank};
use crate::domain::rfc3339;
use crate::domain::soaked;
use crate::domain::span::Span;
use crate::domain::version::Version;
use crate::formats::fault::{Fault, Spot};

/// The releases of a line. Faults go to `faults`; a line that has any takes none of its releases.
pub(super) fn releases(
    draft: &Draft<'_>,
    files: &[&ParsedFile],
    faults: &mut Vec<Fault>,
) -> BTreeMap<Version, Release> {
    let raws: Vec<(&ParsedFile, &RawRelease)> = files
        .iter()
        .filter_map(|file| match &file.0.content {
            Ok(Content::Release(raw)) => Some((*file, &**raw)),
            _ => None,
        })
        .collect();
    let known = known_releases(&raws, files);
    let mut found: BTreeMap<Version, Release> = BTreeMap::new();
    for (file, raw) in &raws {
        let mut check = Check { draft, file, raw, faults };
        check.prefix();
        check.named(&known);
        let entries = draft.staged.as_ref().map(|staged| check.entries(&staged.stages)).unwrap_or_default();
        let release = release(raw, entries);
        if let Some(twin) = found.insert(release.version.clone(), release) {
            let version = &twin.version;
            let message = format!(
                "release `{version}` stands in `{version}.yaml` already: a `v` makes no other version"
            );
            check.fault(raw.version.spot, &message, "keep one of the two files");
        }
    }
    yanks(&raws, faults);
    // Made in one go, a map has no half-empty nodes: a third less of the largest part of a catalog.
    found.into_iter().collect()
}

/// The releases that another one may name. One whose file is faulty is known all the same: who
/// names it is not at fault. Where none names any, the costly set is left empty.
fn known_releases<'f>(
    raws: &[(&'f ParsedFile, &'f RawRelease)],
    files: &[&'f ParsedFile],
) -> HashSet<Cow<'f, Version>> {
    let names_another =
        |raw: &RawRelease| raw.replaces.is_some() || raw.yank.as_ref().is_some_and(|yank| yank.to.is_some());
    if !raws.iter().any(|(_, raw)| names_another(raw)) {
        return HashSet::new();
    }
    let broken = files.iter().filter(|file| file.0.content.is_err()).filter_map(|file| match &file.0.place {
        Place::Release { stem, .. } => Version::parse(stem).ok(),
        _ => None,
    });
    raws.iter().map(|(_, raw)| Cow::Borrowed(&raw.version.value)).chain(broken.map(Cow::Owned)).collect()
}

fn release(raw: &RawRelease, entries: Vec<Option<Entry>>) -> Release {
    Release {
        version: raw.version.value.clone(),
        urgency: raw.urgency,
        summary: raw.summary.clone(),
        links: raw.links.clone(),
        components: raw.components.clone(),
        payloads: raw.payloads.clone(),
        barrier: raw.barrier,
        replaces: raw.replaces.as_ref().map(|version| version.value.clone()),
        entries,
        hold: raw.hold.as_deref().cloned(),
        yank: raw
            .yank
            .as_ref()
            .map(|yank| Yank { event: yank.event.clone(), to: yank.to.as_ref().map(|to| to.value.clone()) }),
        evidence: Evidence::default(),
    }
}

/// What yanks lead to: nothing goes in a circle, and where a barrier was yanked, what replaces it is
/// higher, and is replaced again where it was yanked itself. A barrier that came to stand lower would
/// let the clusters between the two jump over it.
fn yanks(raws: &[(&ParsedFile, &RawRelease)], faults: &mut Vec<Fault>) {
    if raws.iter().all(|(_, raw)| raw.yank.is_none()) {
        return;
    }
    let yanked: HashMap<&Version, (&ParsedFile, &RawYank)> = raws
        .iter()
        .filter_map(|(file, raw)| Some((&raw.version.value, (*file, raw.yank.as_deref()?))))
        .collect();
    let next: HashMap<&Version, &Version> = yanked
        .iter()
        .filter_map(|(from, (_, yank))| Some((*from, &yank.to.as_ref()?.value)))
        // A release that names itself is told elsewhere.
        .filter(|(from, to)| from != to)
        .collect();
    let circles = circles(&next);
    for (file, raw) in raws {
        if let Some(to) = raw.yank.as_ref().and_then(|yank| yank.to.as_ref())
            && circles.contains(&raw.version.value)
        {
            let message = format!(
                "`{}` is replaced by `{}`, and that again by it, in a circle",
                raw.version.value, to.value
            );
            let hint = "let the last one name a release that is on offer, or none";
            faults.push(file.fault(to.spot, &message, hint));
        }
    }
    let mut told = HashSet::new();
    for (_, raw) in raws.iter().filter(|(_, raw)| raw.barrier) {
        let barrier = &raw.version.value;
        let mut at = barrier;
        while let Some((file, yank)) = yanked.get(at)
            && !circles.contains(at)
            && told.insert(at)
        {
            let whose = if at == barrier {
                format!("`{at}` is a barrier that was yanked")
            } else {
                format!("`{at}` replaces the yanked barrier `{barrier}` and was yanked")
            };
            match &yank.to {
                None => faults.push(file.fault(
                    yank.key,
                    &format!("{whose}, and names no replacement"),
                    "name it with `to`: clusters below could not go on",
                )),
                Some(to) if to.value < *at => faults.push(file.fault(
                    to.spot,
                    &format!("{whose}, and `{}`, which is to replace it, is older", to.value),
                    "name a higher release: clusters between the two would jump over the barrier",
                )),
                Some(_) => {}
            }
            let Some(following) = next.get(at) else { break };
            at = following;
        }
    }
}

/// One release under check.
struct Check<'c, 'a> {
    draft: &'c Draft<'a>,
    file: &'c ParsedFile,
    raw: &'c RawRelease,
    faults: &'c mut Vec<Fault>,
}

impl Check<'_, '_> {
    fn fault(&mut self, spot: Spot, message: &str, hint: &str) {
        self.faults.push(self.file.fault(spot, message, hint));
    }

    /// The version belongs to the line.
    fn prefix(&mut self) {
        let (version, prefix) = (&self.raw.version, &self.draft.raw.prefix.value);
        if !prefix.accepts(&version.value) {
            let line = &self.draft.raw.name.value;
            let message = format!("version `{}` does not belong to line `{line}`", version.value);
            let hint = format!("versions of this line begin with `{prefix}`: move the file to its own line");
            self.fault(version.spot, &message, &hint);
        }
    }

    /// The releases that this one names are there.
    fn named(&mut self, known: &HashSet<Cow<'_, Version>>) {
        let raw = self.raw;
        let own = &raw.version.value;
        let to = raw.yank.as_ref().and_then(|yank| yank.to.as_ref());
        for (key, named) in [("replaces", raw.replaces.as_ref()), ("to", to)] {
            let Some(named) = named else { continue };
            if named.value == *own {
                let hint = format!("name another release of the line, or remove `{key}`");
                self.fault(named.spot, &format!("`{key}` names the release itself"), &hint);
            } else if !known.contains(&named.value) {
                let message = format!(
                    "`{key}` names `{}`, and line `{}` has no such release",
                    named.value, self.draft.raw.name.value
                );
                self.fault(named.spot, &message, "name a release of this line");
            }
        }
    }

    /// The entries, each at its stage's place: in order, late enough, and not against a hold.
    fn entries(&mut self, stages: &[Stage]) -> Vec<Option<Entry>> {
        let raw = self.raw;
        let mut places: Vec<Option<&RawEntry>> = vec![None; stages.len()];
        for entry in &raw.stages {
            if let Some(index) = stages.iter().position(|stage| stage.name == entry.stage.value) {
                places[index] = Some(entry);
            } else {
                let line = &self.draft.raw.name.value;
                let message = format!("line `{line}` has no stage `{}`", entry.stage.value);
                self.fault(entry.stage.spot, &message, &known(stages));
            }
        }
        for (index, stage) in stages.iter().enumerate().skip(1) {
            let Some(entry) = places[index] else { continue };
            let before = &stages[index - 1];
            if let Some(previous) = places[index - 1] {
                self.order(previous, entry, before, stage);
            } else {
                let message = format!("`{}` was entered, and the stage before it was not", stage.name);
                self.fault(entry.stage.spot, &message, &format!("add the entry for `{}`", before.name));
            }
            self.hold(entry, stage);
        }
        places.into_iter().map(|entry| entry.map(|entry| entry.entry.clone())).collect()
    }

    fn order(&mut self, previous: &RawEntry, entry: &RawEntry, before: &Stage, stage: &Stage) {
        let spent = entry.entry.since - previous.entry.since;
        if spent < chrono::TimeDelta::zero() {
            let message = format!("`{}` was entered before `{}`", stage.name, before.name);
            let hint = format!(
                "a release passes its stages in order: write a time after {}",
                rfc3339(previous.entry.since)
            );
            return self.fault(entry.since, &message, &hint);
        }
        let Some(min) = stage.soak.as_ref().map(|soak| soak.of(self.raw.urgency).min) else { return };
        let scheduled = entry.entry.by == SCHEDULE;
        // The policy holds for what comes: an entry is held against the one under which it was made,
        // which a schedule writes down. Where that is not known, it may have been the usual one.
        let recorded = soaked::recorded(&entry.entry).filter(|_| scheduled);
        let min = recorded.map_or(min.min(SOAK_MIN), |soak| soak.min(min));
        if spent >= min {
            return;
        }
        let (shown, min) = (Span(spent), Span(min));
        let early = format!(
            "`{}` was entered after `{shown}` in `{}`, before its `{min}` were over",
            stage.name, before.name
        );
        if scheduled {
            let hint = format!("`{SCHEDULE}` never does that: name who did it in `by`, and why in `reason`");
            self.fault(entry.since, &early, &hint);
        } else if entry.entry.reason.is_none() {
            self.fault(entry.since, &format!("{early}, without a reason"), "give a `reason`");
        }
    }

    /// A hold wins over the schedule from its own second on: an entry of that second was committed
    /// before it, since no promoter passes a hold that is there.
    fn hold(&mut self, entry: &RawEntry, stage: &Stage) {
        if let Some(hold) = &self.raw.hold
            && entry.entry.by == SCHEDULE
            && entry.entry.since > hold.at
        {
            let message =
                format!("`{SCHEDULE}` promoted to `{}` what was held since {}", stage.name, rfc3339(hold.at));
            self.fault(entry.since, &message, "remove the entry: a hold wins over the schedule");
        }
    }
}
