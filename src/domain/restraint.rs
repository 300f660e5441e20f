//! Restraints: what keeps releases from going further, and clusters from taking them.
//!
//! A restraint that vanishes opens nothing. Its file may be gone or renamed, or a merge may have lost it:
//! nobody decided that. So it counts until somebody takes it back, with the record that ends a stop or with
//! one that [loosens](super::loosened) it, or until it has ended by itself.

mod history;
mod remembered;
mod stops;

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;

pub use history::History;
pub use remembered::{Forgotten, Remembered};

use super::Time;
use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::line::Line;
use super::loosened::{Loosened, What};
use super::policy::{Freeze, SoakPolicy, Urgency, Window};
use super::release::{Ended, Event, Release, Yank};
use super::version::Version;

/// One restraint of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restraint {
    pub line: LineName,
    pub limit: Limit,
    /// The records that were there before it, which do not take it back. Comparing dates instead would let a
    /// machine with a slow clock take back nothing, and one with a fast clock take back what comes later.
    pub past: Vec<Event>,
    /// The commit that lost it, if a [`History`] shows that.
    pub lost_in: Option<String>,
}

/// What a restraint demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// Nothing is promoted for some time.
    Freeze(Freeze),
    /// Promotions into a stage happen in these hours only.
    Window { stage: StageName, window: Window },
    /// Releases soak before a stage, for these times at least.
    Soak { stage: StageName, normal: TimeDelta, security: TimeDelta },
    /// A channel is paused.
    Pause { stage: StageName, pause: Event },
    /// The line takes no new releases.
    Retired(Event),
    /// A release goes no further.
    Hold { version: Version, hold: Event },
    /// A release is not offered.
    Yank { version: Version, yank: Yank },
    /// Clusters must not jump over a release.
    Barrier(Version),
}

/// The places of restraints in a list, by the names under which records take them back. Large catalogs have
/// thousands of restraints, so none is looked for among all others.
struct Places(HashMap<What, Vec<usize>>);

impl Places {
    fn of(all: &[Restraint]) -> Self {
        let mut places = Self(HashMap::with_capacity(all.len()));
        all.iter().enumerate().for_each(|(place, one)| places.add(one, place));
        places
    }

    fn add(&mut self, one: &Restraint, place: usize) {
        self.0.entry(one.what()).or_default().push(place);
    }

    /// The place of the first restraint in `all` that demands the same.
    fn find(&self, all: &[Restraint], one: &Restraint) -> Option<usize> {
        self.0.get(&one.what())?.iter().copied().find(|place| all[*place].is_same(one))
    }
}

/// Whether a catalog still has a restraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It demands as much, or more.
    Kept,
    /// It demands less.
    Less,
    /// Somebody recorded that it no longer counts.
    TakenBack,
    /// The line, the stage or the release is gone, or cannot be read.
    Unknown,
}

impl Restraint {
    /// The restraints of a catalog at `now`, as somebody sees them for the first time: only a record that the
    /// catalog does not have yet takes them back.
    pub fn all(catalog: &Catalog, now: Time) -> Vec<Self> {
        let of = |line: &Line| -> Vec<Self> {
            let one = |limit| Self { line: line.name.clone(), limit, past: Vec::new(), lost_in: None };
            let all = limits(line, now).into_iter().map(one);
            all.map(|one| Self { past: one.records(catalog, line), ..one }).collect()
        };
        // Of a line with faults, only the stops can be relied on.
        let salvaged = catalog.salvaged_lines().flat_map(of).filter(Self::is_readable_stop);
        catalog.lines().flat_map(of).chain(salvaged).collect()
    }

    /// The restraints from `before` that a catalog has lost: it demands less, nobody recorded that, and they
    /// have not ended by themselves.
    pub fn lost(before: &[Self], catalog: &Catalog, now: Time) -> Vec<Self> {
        let lost = before.iter().filter(|one| !one.has_ended(now) && one.find(catalog, now) == Found::Less);
        lost.cloned().collect()
    }

    /// What to compare the next catalog with, after a catalog was compared with `before`: its own restraints,
    /// and those that it lost or that cannot be found in it.
    pub fn remembered(before: Vec<Self>, catalog: &Catalog, now: Time) -> Vec<Self> {
        let places = Places::of(&before);
        let known = |own: &Self| places.find(&before, own).map_or(own, |place| &before[place]).past.clone();
        let own = Self::carried_on(Self::all(catalog, now), before.iter(), catalog, now, known);
        let places = Places::of(&own);
        let is_gone = |one: &Self| {
            matches!(one.find(catalog, now), Found::Less | Found::Unknown)
                && !one.has_ended(now)
                && places.find(&own, one).is_none()
        };
        let gone: Vec<Self> = before.into_iter().filter(is_gone).collect();
        [own, gone].concat()
    }

    /// The name under which a record takes it back.
    pub fn what(&self) -> What {
        let line = || Some(self.line.clone());
        match &self.limit {
            Limit::Freeze(freeze) => What::Freeze { line: line(), from: freeze.from },
            Limit::Window { stage, .. } => What::Window { line: line(), stage: stage.clone() },
            Limit::Soak { stage, .. } => What::Soak { line: line(), stage: stage.clone() },
            Limit::Pause { stage, .. } => What::Pause { line: self.line.clone(), stage: stage.clone() },
            Limit::Retired(_) => What::Retired(self.line.clone()),
            Limit::Hold { version, .. } => What::Hold(version.clone()),
            Limit::Yank { version, .. } => What::Yank(version.clone()),
            Limit::Barrier(version) => What::Barrier(version.clone()),
        }
    }

    /// Whether a record of `what` takes it back.
    pub fn is_named(&self, what: &What) -> bool {
        let is_line = |line: &Option<LineName>| line.as_ref().is_none_or(|line| *line == self.line);
        match (what, &self.limit) {
            (What::Freeze { line, from }, Limit::Freeze(freeze)) => is_line(line) && *from == freeze.from,
            (What::Window { line, stage }, Limit::Window { stage: own, .. })
            | (What::Soak { line, stage }, Limit::Soak { stage: own, .. }) => is_line(line) && stage == own,
            _ => *what == self.what(),
        }
    }

    /// What a record must name to take it back, and others that were `lost` with it from the policy.
    pub fn way_out(&self, lost: &[Self]) -> What {
        let what = self.what();
        match what.of_every_line() {
            Some(all) if lost.iter().filter(|one| one.is_named(&all)).count() > 1 => all,
            _ => what,
        }
    }

    /// The release whose file has the restraint. `None` if the line's file or the policy has it.
    pub const fn release(&self) -> Option<&Version> {
        self.limit.release()
    }

    /// Whether it is a hold, a pause, a yank or a retirement.
    pub const fn is_stop(&self) -> bool {
        self.limit.stop().is_some()
    }

    /// Whether it is a stop that somebody finished writing. A half-typed one opens what it stopped once it is gone.
    fn is_readable_stop(&self) -> bool {
        self.limit.stop().is_some_and(|stop| !stop.is_unread())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self, now: Time) -> bool {
        matches!(&self.limit, Limit::Freeze(freeze) if freeze.until <= now)
    }

    /// All restraints of two lists. One that is in both is taken back only by a record that is new to both.
    pub fn union(mut known: Vec<Self>, others: Vec<Self>) -> Vec<Self> {
        let mut places = Places::of(&known);
        for other in others {
            if let Some(one) = places.find(&known, &other).map(|place| &mut known[place]) {
                one.add_past(other.past);
                one.lost_in = one.lost_in.take().or(other.lost_in);
            } else {
                places.add(&other, known.len());
                known.push(other);
            }
        }
        known
    }

    /// What the records that would take back all of these must name, each with the restraints that it takes
    /// back.
    pub fn ways_out(lost: &[Self]) -> Vec<(What, Vec<Self>)> {
        let mut ways: Vec<(What, Vec<Self>)> = Vec::new();
        for one in lost {
            let what = one.way_out(lost);
            match ways.iter_mut().find(|(known, _)| *known == what) {
                Some((_, others)) => others.push(one.clone()),
                None => ways.push((what, vec![one.clone()])),
            }
        }
        ways
    }

    /// Adds records that do not take it back.
    fn add_past(&mut self, records: Vec<Event>) {
        for record in records {
            if !self.past.contains(&record) {
                self.past.push(record);
            }
        }
    }

    /// Whether another one demands the same, whatever their records are.
    fn is_same(&self, other: &Self) -> bool {
        self.limit == other.limit && self.line == other.line
    }

    fn find(&self, catalog: &Catalog, now: Time) -> Found {
        let Some(line) = catalog.line(&self.line) else { return Found::Unknown };
        match self.limit.is_kept(line, now) {
            None => Found::Unknown,
            Some(true) => Found::Kept,
            Some(false) if self.records(catalog, line).iter().all(|record| self.past.contains(record)) => {
                Found::Less
            }
            Some(false) => Found::TakenBack,
        }
    }

    /// Every record in a catalog that takes back a restraint of this name.
    fn records_in(&self, catalog: &Catalog) -> Vec<Event> {
        catalog.stoppable(&self.line).map(|line| self.records(catalog, line)).unwrap_or_default()
    }

    /// A catalog's `own` restraints with the records that do not take them back: those `known` of each; those
    /// of stops that ended, since a stop goes when its record comes; and those that took back another
    /// restraint of this name, which was there `before`.
    fn carried_on<'k>(
        mut own: Vec<Self>,
        before: impl Iterator<Item = &'k Self>,
        catalog: &Catalog,
        now: Time,
        known: impl Fn(&Self) -> Vec<Event>,
    ) -> Vec<Self> {
        let places = Places::of(&own);
        let is_own = |one: &Self| places.find(&own, one).is_some();
        let gone: Vec<&Self> = before.filter(|one| !one.has_ended(now) && !is_own(one)).collect();
        for one in &mut own {
            let mut past = known(one);
            past.extend(catalog.stoppable(&one.line).map(|line| one.ended(line)).unwrap_or_default());
            let gone = || gone.iter().filter(|gone| gone.line == one.line);
            past.extend(one.loosened(catalog).filter_map(|record| {
                let event = event(&record.event);
                gone().any(|gone| gone.is_named(&record.what) && !gone.past.contains(&event)).then_some(event)
            }));
            one.past.clear();
            one.add_past(past);
        }
        own
    }

    /// Every record that takes back a restraint of this name.
    fn records(&self, catalog: &Catalog, line: &Line) -> Vec<Event> {
        self.loosened(catalog).map(|one| event(&one.event)).chain(self.ended(line)).collect()
    }

    fn loosened<'c>(&self, catalog: &'c Catalog) -> impl Iterator<Item = &'c Loosened> {
        catalog.loosened().iter().filter(|one| self.is_named(&one.what))
    }

    fn ended(&self, line: &Line) -> Vec<Event> {
        let ended = self.limit.endings(line).iter();
        ended.map(|one| Event::new(one.until, one.by.clone(), one.reason.clone())).collect()
    }
}

/// A record without what differs by the clock of whoever read it.
fn event(Event { at, by, reason, .. }: &Event) -> Event {
    Event::new(*at, by.clone(), reason.clone())
}

/// The restraints of a line. A stop that is dated in the future began now, at the latest.
fn limits(line: &Line, now: Time) -> Vec<Limit> {
    let begun = |event: &Event| Event { at: event.at.min(now), at_once: false, ..event.clone() };
    let mut limits: Vec<Limit> =
        line.freezes.iter().filter(|freeze| now < freeze.until).cloned().map(Limit::Freeze).collect();
    for stage in &line.stages {
        let name = || stage.name.clone();
        limits.extend(stage.window.clone().map(|window| Limit::Window { stage: name(), window }));
        limits.extend(stage.soak.as_ref().map(|soak| Limit::Soak {
            stage: name(),
            normal: soak.normal.min,
            security: soak.security.min,
        }));
        limits.extend(stage.paused.as_ref().map(|pause| Limit::Pause { stage: name(), pause: begun(pause) }));
    }
    limits.extend(line.retired(now).map(|retired| Limit::Retired(retired.clone())));
    for release in line.releases.values() {
        let version = || release.version.clone();
        // Until it has entered a stage, nobody relies on it, and correcting it is normal.
        let is_barrier = release.barrier && release.is_known(now);
        limits.extend(is_barrier.then(|| Limit::Barrier(version())));
        limits.extend(release.yank.as_deref().map(|yank| Limit::Yank {
            version: version(),
            yank: Yank { event: begun(&yank.event), to: yank.to.clone() },
        }));
        // In the last stage, a hold stops nothing.
        let hold = release.hold.as_deref().filter(|_| !release.reaches_last_stage());
        limits.extend(hold.map(|hold| Limit::Hold { version: version(), hold: begun(hold) }));
    }
    limits
}

impl Limit {
    const fn release(&self) -> Option<&Version> {
        match self {
            Self::Hold { version, .. } | Self::Yank { version, .. } | Self::Barrier(version) => Some(version),
            _ => None,
        }
    }

    /// The stop, if it is one.
    const fn stop(&self) -> Option<&Event> {
        match self {
            Self::Pause { pause: event, .. }
            | Self::Hold { hold: event, .. }
            | Self::Yank { yank: Yank { event, .. }, .. }
            | Self::Retired(event) => Some(event),
            Self::Freeze(_) | Self::Window { .. } | Self::Soak { .. } | Self::Barrier(_) => None,
        }
    }

    /// Whether a line still demands as much from `now` on. `None` if it has no such stage or release.
    fn is_kept(&self, line: &Line, now: Time) -> Option<bool> {
        let stage = |name: &StageName| line.stage(name).map(|place| &line.stages[place]);
        let release = |version: &Version| line.releases.get(version);
        Some(match self {
            Self::Freeze(freeze) => Urgency::ALL
                .iter()
                .filter(|urgency| !freeze.except.contains(urgency))
                .all(|urgency| is_frozen(line, *urgency, freeze.from.max(now), freeze.until)),
            Self::Window { stage: name, window } => {
                stage(name)?.window.as_ref().is_some_and(|other| other.is_within(window))
            }
            Self::Soak { stage: name, normal, security } => {
                // The first stage has no soak, and needs none.
                let soak = stage(name)?.soak.as_ref()?;
                *normal <= soak.normal.min && *security <= soak.security.min
            }
            Self::Pause { stage: name, .. } => stage(name)?.paused.is_some(),
            Self::Retired(_) => line.retired.is_some(),
            Self::Hold { version, .. } => {
                let release = release(version)?;
                release.hold.is_some() || release.reaches_last_stage()
            }
            Self::Yank { version, .. } => release(version)?.yank.is_some(),
            Self::Barrier(version) => release(version)?.barrier,
        })
    }

    /// The records of stops of this kind that somebody ended.
    fn endings<'a>(&self, line: &'a Line) -> &'a [Ended] {
        let release = |version: &Version| line.releases.get(version);
        match self {
            Self::Pause { stage, .. } => {
                line.stage(stage).map_or(&[], |place| line.stages[place].resumed.as_slice())
            }
            Self::Hold { version, .. } => release(version).map_or(&[], Release::resumed),
            Self::Yank { version, .. } => release(version).map_or(&[], Release::unyanked),
            _ => &[],
        }
    }

    /// Puts the restraint back into a line, beside what it demands by itself.
    fn impose(&self, line: &mut Line) {
        let place = |line: &Line, stage: &StageName| line.stage(stage);
        match self {
            Self::Freeze(freeze) => {
                line.freezes.push(freeze.clone());
                line.freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
            }
            Self::Window { stage, window } => {
                if let Some(place) = place(line, stage) {
                    let own = line.stages[place].window.take().filter(|own| !window.is_within(own));
                    line.stages[place].window = Some(own.into_iter().fold(window.clone(), Window::and));
                }
            }
            Self::Soak { stage, normal, security } => {
                if let Some(place) = place(line, stage)
                    && let Some(SoakPolicy { normal: own, security: own_security, .. }) =
                        &mut line.stages[place].soak
                {
                    for (own, min) in [(own, normal), (own_security, security)] {
                        own.min = own.min.max(*min);
                        own.max = own.max.max(own.min);
                    }
                }
            }
            Self::Pause { stage, pause } => {
                if let Some(place) = place(line, stage) {
                    line.stages[place].paused.get_or_insert_with(|| pause.clone());
                }
            }
            Self::Retired(retired) => line.retired = line.retired.take().or_else(|| Some(retired.clone())),
            Self::Hold { version, .. } | Self::Yank { version, .. } | Self::Barrier(version) => {
                if let Some(release) = line.releases.get_mut(version) {
                    self.impose_on(release);
                }
            }
        }
    }

    fn impose_on(&self, release: &mut Release) {
        match self {
            Self::Hold { hold, .. } => {
                release.hold.get_or_insert_with(|| Box::new(hold.clone()));
            }
            Self::Yank { yank, .. } => {
                release.yank.get_or_insert_with(|| Box::new(yank.clone()));
            }
            Self::Barrier(_) => release.barrier = true,
            _ => {}
        }
    }
}

/// Whether the freezes of a line stop releases of an urgency for all of a time.
fn is_frozen(line: &Line, urgency: Urgency, from: Time, until: Time) -> bool {
    let mut frozen = from;
    while frozen < until {
        let Some(freeze) = line.freeze(urgency, frozen) else { return false };
        frozen = freeze.until;
    }
    true
}

impl Catalog {
    /// Returns the catalog as if it had not [lost](Restraint::lost) these restraints.
    pub fn with_restraints(mut self, lost: &[Restraint]) -> Self {
        for restraint in lost {
            if let Some(line) = self.lines_mut().get_mut(&restraint.line) {
                restraint.limit.impose(Arc::make_mut(line));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;
