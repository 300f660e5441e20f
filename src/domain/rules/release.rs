//! Rules for one release in its line, and for the replacements of yanked releases.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::super::line::{Line, Stage};
use super::super::policy::SOAK_MIN;
use super::super::release::{Entry, Release, SCHEDULE, Yank};
use super::super::soak_record;
use super::super::version::Version;
use super::{At, Part, Reference, Rule, circles, text};

/// Checks the rules for one release. `unread` lists releases of the line that exist but cannot be read.
pub(super) fn release(
    line: &Line,
    release: &Release,
    unread: &BTreeSet<Version>,
    report: &mut impl FnMut(At, Rule),
) {
    let mut report = |part, rule| report(At::Release(release.version.clone(), part), rule);
    let version = &release.version;
    if !line.prefix.accepts(version) {
        let (line, prefix) = (line.name.clone(), line.prefix);
        report(Part::Version, Rule::ForeignVersion { line, version: version.clone(), prefix });
    }
    let to = release.yank.as_ref().and_then(|yank| yank.to.as_ref());
    for (named, reference, part) in [
        (release.replaces.as_ref(), Reference::Replaces, Part::Replaces),
        (to, Reference::YankTo, Part::YankTo),
    ] {
        let Some(named) = named else { continue };
        if named == version {
            report(part, Rule::NamesItself(reference));
        } else if !line.releases.contains_key(named) && !unread.contains(named) {
            let (line, version) = (line.name.clone(), named.clone());
            report(part, Rule::NoSuchRelease { line, reference, version });
        }
    }
    for (part, rule) in payloads(release.payloads.iter().map(|payload| Some(&*payload.file))) {
        report(part, rule);
    }
    texts(release, &mut report);
    entries(line, release, &mut report);
}

/// Checks the rules for a list of payloads, given their file names. The caller passes `None` for a name
/// that it could not read.
pub fn payloads<'a>(files: impl IntoIterator<Item = Option<&'a str>>) -> Vec<(Part, Rule)> {
    let mut found = Vec::new();
    let mut names: Vec<Option<&str>> = Vec::new();
    for (place, file) in files.into_iter().enumerate() {
        if let Some(file) = file
            && let Some(first) = names.iter().position(|known| *known == Some(file))
        {
            found.push((Part::Payload(place), Rule::PayloadTwice { file: file.to_owned(), first }));
        }
        names.push(file);
    }
    if names.is_empty() {
        found.push((Part::Payloads, Rule::NoPayload));
    }
    found
}

fn texts(release: &Release, report: &mut impl FnMut(Part, Rule)) {
    let mut check = |part: Part, broken: Option<Rule>| {
        if let Some(rule) = broken {
            report(part, rule);
        }
    };
    if let Some(summary) = &release.summary {
        check(Part::Text("summary"), text::line(summary, text::LINE));
    }
    for (name, link) in release.links.iter() {
        check(Part::Text("links"), text::label(name).or_else(|| text::link(link)));
    }
    for (name, component) in release.components.iter() {
        let broken = text::label(name).or_else(|| text::line(component, text::LINE));
        check(Part::Text("components"), broken);
    }
    for (place, payload) in release.payloads.iter().enumerate() {
        check(Part::Payload(place), text::payload(payload));
    }
    for entry in release.entries.iter().flatten() {
        let reason = entry.reason.as_ref();
        check(Part::Text("by"), text::line(&entry.by, text::AUTHOR));
        check(Part::Text("reason"), reason.and_then(|reason| text::line(reason, text::REASON)));
    }
    if let Some(hold) = &release.hold {
        check(Part::Text("hold"), text::event(hold));
    }
    if let Some(yank) = &release.yank {
        check(Part::Yank, text::event(&yank.event));
    }
    for (place, ended) in release.resumed().iter().enumerate() {
        check(Part::Resumed(place), text::ended(ended));
    }
    for (place, ended) in release.unyanked().iter().enumerate() {
        check(Part::Unyanked(place), text::ended(ended));
    }
    for (place, outage) in release.unavailable().iter().enumerate() {
        let is_backwards = outage.until.is_some_and(|until| until < outage.from);
        check(Part::Unavailable(place), is_backwards.then_some(Rule::StopBackwards));
    }
}

/// Checks that entries are in order, not too early, and not made during a hold.
fn entries(line: &Line, release: &Release, report: &mut impl FnMut(Part, Rule)) {
    for (place, stages) in line.stages.windows(2).enumerate() {
        let [before, stage] = stages else { continue };
        let Some(Some(entry)) = release.entries.get(place + 1) else { continue };
        if let Some(previous) = release.entries.get(place).and_then(Option::as_ref) {
            if let Some(rule) = early(release, (before, previous), (stage, entry)) {
                report(Part::Since(stage.name.clone()), rule);
            }
        } else {
            let (stage, before) = (stage.name.clone(), before.name.clone());
            report(Part::Entry(stage.clone()), Rule::StageLeftOut { stage, before });
        }
        // The promoter never ignores a hold, so a scheduled entry with the same second was committed before
        // the hold.
        if let Some(hold) = release.hold.as_ref().filter(|hold| entry.by == SCHEDULE && hold.at < entry.since)
        {
            let stage = stage.name.clone();
            report(Part::Since(stage.clone()), Rule::ScheduledWhileHeld { stage, since: hold.at });
        }
    }
}

fn early(
    release: &Release,
    (before, previous): (&Stage, &Entry),
    (stage, entry): (&Stage, &Entry),
) -> Option<Rule> {
    let spent = entry.since - previous.since;
    let (name, before) = (stage.name.clone(), before.name.clone());
    if spent < TimeDelta::zero() {
        return Some(Rule::EnteredBackwards { stage: name, before, since: previous.since });
    }
    let min = stage.soak.as_ref()?.of(release.urgency).min;
    let scheduled = entry.by == SCHEDULE;
    // A changed policy applies to later entries only, so an entry is compared with the soak under which it
    // was made. The schedule records that soak. Without a record, the soak may have been the usual minimum.
    let recorded = soak_record::recorded(entry).filter(|_| scheduled);
    let min = recorded.map_or(min.min(SOAK_MIN), |soak| soak.min(min));
    let excused = !scheduled && entry.reason.is_some();
    (spent < min && !excused).then_some(Rule::Early { stage: name, before, spent, min, scheduled })
}

/// Checks that yanked releases do not replace each other in a cycle, and that the replacement of a yanked
/// barrier is higher and, if it was yanked as well, has a replacement of its own.
pub(super) fn yanks(line: &Line, report: &mut impl FnMut(At, Rule)) {
    let yanked: HashMap<&Version, &Yank> = line
        .releases
        .values()
        .filter_map(|release| Some((&release.version, release.yank.as_deref()?)))
        .collect();
    if yanked.is_empty() {
        return;
    }
    let next: HashMap<&Version, &Version> = yanked
        .iter()
        .filter_map(|(from, yank)| Some((*from, yank.to.as_ref()?)))
        // A release that names itself is reported under another rule.
        .filter(|(from, to)| from != to)
        .collect();
    let circles = circles(&next);
    for version in line.releases.keys().filter(|version| circles.contains(version)) {
        let rule = Rule::YankedInCircle { version: version.clone(), to: next[version].clone() };
        report(At::Release(version.clone(), Part::YankTo), rule);
    }
    let mut seen = HashSet::new();
    for barrier in line.releases.values().filter(|release| release.barrier) {
        let mut at = &barrier.version;
        while let Some(yank) = yanked.get(at)
            && !circles.contains(at)
            && seen.insert(at)
        {
            let (version, barrier) = (at.clone(), barrier.version.clone());
            match &yank.to {
                None => report(At::Release(at.clone(), Part::Yank), Rule::NoReplacement { version, barrier }),
                Some(to) if to < at => report(
                    At::Release(at.clone(), Part::YankTo),
                    Rule::LowerReplacement { version, barrier, to: to.clone() },
                ),
                Some(_) => {}
            }
            let Some(following) = next.get(at) else { break };
            at = following;
        }
    }
}
