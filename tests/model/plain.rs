//! The rules of `docs/catalog.md` and `docs/http.md` a second time: slow and plain. Where a date is asked
//! for, it goes from hour to hour until everything passes.

mod arches;

use std::collections::BTreeMap;

use super::made::{Line, Period, Release, Version, World};

/// Beyond this hour nothing in a made-up catalog changes any more.
const END: i64 = 24 * 800;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Promote,
    Wait(i64),
    Blocked,
}

/// What a cluster is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub action: &'static str,
    pub code: &'static str,
    pub target: Option<Version>,
    pub coming: Option<(Version, i64)>,
}

/// The rules at one time.
pub struct At<'w> {
    pub world: &'w World,
    pub now: i64,
    /// The next stage of each release that has one, and whether it enters it.
    pub decided: BTreeMap<Version, (usize, Verdict)>,
    /// The architecture of the clusters that ask, if they say it.
    arch: Option<&'static str>,
    /// The minor gate of each line.
    gates: Vec<Option<Gate>>,
}

/// Why nothing above a version can be installed, although there is something.
enum Bar {
    /// This barrier is not on offer.
    Absent(Version),
    /// The next barrier is on offer, but not for the cluster's architecture.
    Unfit,
}

/// The stage of the line before that counts, its highest release, the least from which a cluster can enter, and
/// whether the channel offers such a release to clusters of the architecture.
type Gate = (usize, Version, Version, bool);

impl Release {
    fn is_yanked(&self, now: i64) -> bool {
        self.yank.is_some_and(|(at, _)| at <= now)
    }

    fn is_held(&self, now: i64) -> bool {
        self.hold.is_some_and(|at| at <= now)
    }

    fn is_in(&self, stage: usize, now: i64) -> bool {
        self.entries[stage].is_some_and(|since| since <= now)
    }

    pub fn is_known(&self, now: i64) -> bool {
        (0..self.entries.len()).any(|stage| self.is_in(stage, now))
    }

    fn is_offered(&self, stage: usize, now: i64) -> bool {
        self.is_in(stage, now) && !self.is_yanked(now) && self.signed && !self.missing
    }
}

impl Line {
    fn is_retired(&self, now: i64) -> bool {
        self.retired.is_some_and(|at| at <= now)
    }

    fn is_paused(&self, stage: usize, now: i64) -> bool {
        self.stages[stage].paused.is_some_and(|at| at <= now)
    }

    fn is_frozen(&self, security: bool, hour: i64) -> bool {
        let stops = |from, until| from <= hour && hour < until;
        self.freezes
            .iter()
            .any(|freeze| stops(freeze.from, freeze.until) && !(security && freeze.not_for_security))
    }

    fn is_open(&self, stage: usize, hour: i64) -> bool {
        // 2018 began on a Monday.
        let (day, hour) = (hour.div_euclid(24).rem_euclid(7), hour.rem_euclid(24));
        let window = self.stages[stage].window.as_ref();
        window.is_none_or(|(days, from, until)| days.contains(&day) && *from <= hour && hour < *until)
    }

    fn release(&self, version: Version) -> &Release {
        self.releases.iter().find(|release| release.version == version).expect("a replacement exists")
    }

    /// The release that stands for a barrier: itself, or what is taken instead once it is yanked.
    fn standing<'l>(&'l self, barrier: &'l Release, now: i64) -> &'l Release {
        match barrier.yank {
            Some((at, Some(to))) if at <= now => self.standing(self.release(to), now),
            Some(_) | None => barrier,
        }
    }

    fn offered(&self, stage: usize, now: i64) -> Vec<Version> {
        let offered = self.releases.iter().filter(|release| release.is_offered(stage, now));
        offered.map(|release| release.version).collect()
    }

    /// The versions that no cluster of a channel may jump over.
    fn barriers(&self, stage: usize, now: i64) -> Vec<Version> {
        let barriers = self.releases.iter().filter(|release| release.barrier);
        let highest = self.offered(stage, now).into_iter().max();
        barriers
            .map(|barrier| (barrier, self.standing(barrier, now)))
            .filter(|(barrier, standing)| {
                let is_passed = highest.is_some_and(|highest| barrier.version < highest);
                is_passed || barrier.is_in(stage, now) || standing.is_in(stage, now)
            })
            .map(|(_, standing)| standing.version)
            .collect()
    }
}

fn is_within(periods: &[Period], hour: i64) -> bool {
    periods.iter().any(|(from, until)| (*from..*until).contains(&hour))
}

impl<'w> At<'w> {
    pub fn new(world: &'w World, now: i64) -> Self {
        let mut at = Self { world, now, decided: BTreeMap::new(), arch: None, gates: Vec::new() };
        let releases = world.lines.iter().flat_map(|line| line.releases.iter().map(move |one| (line, one)));
        let decided = releases.filter_map(|(line, one)| Some((one.version, at.decide(line, one)?)));
        at.decided = decided.collect();
        at.gates = (0..world.lines.len()).map(|line| at.find_gate(line)).collect();
        at
    }

    fn decide(&self, line: &'w Line, release: &'w Release) -> Option<(usize, Verdict)> {
        let entered = (0..line.stages.len()).rfind(|&stage| release.is_in(stage, self.now));
        let stage = entered.map_or(0, |stage| stage + 1);
        (stage < line.stages.len()).then(|| (stage, self.verdict(line, release, stage)))
    }

    fn verdict(&self, line: &'w Line, release: &'w Release, stage: usize) -> Verdict {
        if let Some(since) = release.entries[stage] {
            return Verdict::Wait(since);
        }
        if self.is_stopped(line, release) || line.is_paused(stage, self.now) {
            return Verdict::Blocked;
        }
        let entered = stage.checked_sub(1).map(|before| release.entries[before].expect("it is in there"));
        // A barrier that can enter now waits for whoever promotes, and nobody knows how long that takes.
        let from = match self.order(line, release, stage) {
            Some(None) => self.now,
            Some(Some(last)) if self.now < last => last,
            Some(Some(_)) | None => return Verdict::Blocked,
        };
        match self.first(line, release, stage, entered, from) {
            Some(hour) if hour == self.now => Verdict::Promote,
            Some(hour) => Verdict::Wait(hour),
            None => Verdict::Blocked,
        }
    }

    fn is_stopped(&self, line: &Line, release: &Release) -> bool {
        let (retired, held) = (line.is_retired(self.now), release.is_held(self.now));
        release.is_yanked(self.now) || !release.signed || release.missing || retired || held
    }

    /// When the last of the older barriers that are not in a stage can enter it, if there are any. `None`
    /// if one of them cannot.
    fn order(&self, line: &'w Line, release: &Release, stage: usize) -> Option<Option<i64>> {
        let mut last = None;
        for barrier in line.releases.iter().filter(|barrier| barrier.barrier) {
            let standing = line.standing(barrier, self.now);
            let is_older = standing.version < release.version;
            if is_older && !standing.is_yanked(self.now) && !standing.is_in(stage, self.now) {
                last = last.max(Some(self.earliest(line, standing, stage)?));
            }
        }
        Some(last)
    }

    /// The earliest hour at which a release can enter a stage that it is not in.
    fn earliest(&self, line: &'w Line, release: &'w Release, stage: usize) -> Option<i64> {
        let (next, verdict) = self.decide(line, release)?;
        if next == stage {
            return match verdict {
                Verdict::Promote => Some(self.now),
                Verdict::Wait(until) => Some(until),
                Verdict::Blocked => None,
            };
        }
        let entered = self.earliest(line, release, stage - 1)?;
        if let Some(since) = release.entries[stage] {
            return Some(since);
        }
        if self.is_stopped(line, release) || line.is_paused(stage, self.now) {
            return None;
        }
        let last = self.order(line, release, stage)?;
        self.first(line, release, stage, Some(entered), last.map_or(entered, |last| last.max(entered)))
    }

    /// The first hour from `from` at which soak, signed time, freezes and window let a release in. `None`
    /// if the soak stands still.
    fn first(
        &self,
        line: &Line,
        release: &Release,
        stage: usize,
        entered: Option<i64>,
        from: i64,
    ) -> Option<i64> {
        let is_last = stage + 1 == line.stages.len();
        let signed = release.not_before.filter(|_| is_last);
        let (min, _) = line.stages[stage].soak[usize::from(release.security)];
        let mut soaked = 0;
        for hour in entered.unwrap_or(from)..END {
            if from <= hour
                && (entered.is_none() || min <= soaked)
                && signed.is_none_or(|at| at <= hour)
                && !line.is_frozen(release.security, hour)
                && line.is_open(stage, hour)
            {
                return Some(hour);
            }
            if stage.checked_sub(1).is_some_and(|before| self.counts(line, release, before, hour)) {
                soaked += 1;
            }
        }
        None
    }

    /// Whether an hour in a stage counts as soak: clusters could get the release.
    fn counts(&self, line: &Line, release: &Release, stage: usize, hour: i64) -> bool {
        let goes_on = line.stages[stage].paused.is_some_and(|at| at <= self.now && at <= hour);
        let is_yanked = release.is_yanked(self.now) && release.is_yanked(hour);
        let (paused, yanked) = (&line.stages[stage].resumed, &release.unyanked);
        let (missing, still) = &release.unavailable;
        let is_out = is_within(missing, hour) || still.is_some_and(|from| (from..self.now).contains(&hour));
        !goes_on && !is_yanked && !is_out && !is_within(paused, hour) && !is_within(yanked, hour)
    }

    /// Whether a release has been on its way for longer than the `max` of the soak. Time in freezes and
    /// holds does not count, and nothing that somebody stopped is late.
    pub fn is_overdue(&self, line: &Line, release: &Release, stage: usize) -> bool {
        let Some(before) = stage.checked_sub(1) else { return false };
        let since = release.entries[before].expect("it is in there");
        let (_, max) = line.stages[stage].soak[usize::from(release.security)];
        let is_late = |hour: &i64| {
            self.counts(line, release, before, *hour)
                && !line.is_frozen(release.security, *hour)
                && !is_within(&release.resumed, *hour)
        };
        let is_out = release.missing && release.unavailable.1.is_some();
        let is_stopped = release.is_held(self.now) || release.is_yanked(self.now) || is_out;
        let late = i64::try_from((since..self.now).filter(is_late).count()).unwrap();
        !is_stopped && !line.is_paused(before, self.now) && !line.is_retired(self.now) && max <= late
    }

    /// The first release that enters a stage above a version (or is that version, with `own`).
    fn coming(&self, line: &'w Line, stage: usize, above: Version, own: bool) -> Option<(Version, i64)> {
        self.coming_until(line, stage, above, own, (u64::MAX, 0, 0, 0))
    }

    fn coming_until(
        &self,
        line: &'w Line,
        stage: usize,
        above: Version,
        own: bool,
        until: Version,
    ) -> Option<(Version, i64)> {
        let wanted = |version: Version| (above < version || (own && above == version)) && version <= until;
        // Nobody waits for a yanked release, and nothing comes in a retired line.
        let comes = |release: &&Release| {
            !release.is_yanked(self.now) && !line.is_retired(self.now) && self.fits(release)
        };
        let releases = line.releases.iter().filter(|release| wanted(release.version)).filter(comes);
        let coming = releases.filter_map(|release| match self.decided.get(&release.version)? {
            (next, Verdict::Promote) if *next == stage => Some((self.now, release.version, self.now)),
            // It has a longer way than what only waits for its day.
            (next, Verdict::Promote) if *next < stage => {
                self.earliest(line, release, stage)?;
                Some((END, release.version, self.now))
            }
            (next, Verdict::Wait(_)) if *next <= stage => {
                let until = self.earliest(line, release, stage)?;
                Some((until, release.version, until))
            }
            _ => None,
        });
        coming.min().map(|(_, version, until)| (version, until))
    }

    /// What a cluster that runs `version` is told by a channel.
    pub fn answer(&self, goal: usize, stage: usize, version: Version) -> Told {
        let (line, now) = (&self.world.lines[goal], self.now);
        let told = |action, code| Told { action, code, target: None, coming: None };
        if line.is_paused(stage, now) {
            return told("wait", "paused");
        }
        let own = self.world.lines.iter().position(|line| line.prefix == (version.0, version.1));
        let known = own.and_then(|own| {
            let releases = &self.world.lines[own].releases;
            let release = releases.iter().find(|release| release.version == version)?;
            release.is_known(now).then_some((own, release))
        });
        let latest = self.offered(line, stage).last().copied();
        if own == Some(goal) {
            return self.in_line(line, stage, version, known.map(|(_, release)| release));
        }
        let Some((own, current)) = known else {
            let required = self.gates[goal].map(|(_, highest, least, _)| highest.max(least));
            let is_below = [latest, required].into_iter().flatten().any(|mark| version < mark);
            return if is_below {
                told("blocked", "unknown_version")
            } else {
                told("none", "unknown_version")
            };
        };
        if let Some(after) = self.after(own, goal) {
            return self.onwards(goal, stage, own, after, current);
        }
        let is_above = latest.is_some_and(|latest| latest < version);
        if self.after(goal, own).is_some() || is_above {
            if current.is_yanked(now) { told("blocked", "yanked") } else { told("none", "ahead") }
        } else {
            told("blocked", "no_way")
        }
    }

    /// The line after `own` on the way to `goal`.
    fn after(&self, own: usize, goal: usize) -> Option<usize> {
        let (before, _) = self.world.lines[goal].follows?;
        if before == own { Some(goal) } else { self.after(own, before) }
    }

    fn find_gate(&self, line: usize) -> Option<Gate> {
        let (before, grace) = self.world.lines[line].follows?;
        let before = &self.world.lines[before];
        // What is not for the architecture counts, unless something beside it says that it is.
        let stage = self.last_offering(before)?;
        let all = before.offered(stage, self.now);
        let is_named = all.iter().any(|version| {
            before.release(*version).only.is_some() && before.release(*version).only == self.arch
        });
        let fitting = self.offered(before, stage);
        let offered = if is_named { fitting.clone() } else { all };
        let highest = offered.last().copied()?;
        // Every release that was the highest at some hour of the grace, among those that still count.
        let since = |version: Version| before.release(version).entries[stage].expect("it is on offer");
        let best = |hour: i64| offered.iter().copied().filter(|version| since(*version) <= hour).max();
        let least = (self.now - grace..=self.now).filter_map(best).min()?;
        let barrier = before.barriers(stage, self.now).into_iter().max();
        let least = barrier.map_or(least, |barrier| barrier.max(least));
        Some((stage, highest, least, fitting.iter().any(|version| least <= *version)))
    }

    fn admits(&self, line: usize, current: &Release) -> bool {
        let gate = self.gates[line];
        !current.is_yanked(self.now) && gate.is_some_and(|(_, _, least, _)| least <= current.version)
    }

    /// The highest release above a version that jumps over no barrier; `Err` with the barrier if there are
    /// higher releases and the barrier is not on offer.
    fn towards(&self, line: &Line, stage: usize, version: Version) -> Result<Option<Version>, Bar> {
        let above =
            |all: Vec<Version>| -> Vec<Version> { all.into_iter().filter(|v| version < *v).collect() };
        let (offered, barriers) = (above(self.offered(line, stage)), above(line.barriers(stage, self.now)));
        let Some(barrier) = barriers.into_iter().min() else {
            return Ok(offered.last().copied());
        };
        match offered.iter().copied().filter(|version| *version <= barrier).max() {
            Some(version) => Ok(Some(version)),
            None if self.lacks(line, stage, |version| version == barrier) => Err(Bar::Unfit),
            None if offered.is_empty() => Ok(None),
            None => Err(Bar::Absent(barrier)),
        }
    }

    fn behind(&self, line: &'w Line, stage: usize, version: Version, barrier: Version) -> Told {
        let coming = self.coming_until(line, stage, version, false, barrier);
        let (action, code) = match coming {
            Some(_) => ("wait", "coming"),
            None if !self.fits(line.release(barrier)) => ("blocked", "no_payload"),
            None => ("blocked", "barrier"),
        };
        Told { action, code, target: None, coming }
    }

    fn in_line(&self, line: &'w Line, stage: usize, version: Version, current: Option<&Release>) -> Told {
        let told = |action, code, coming| Told { action, code, target: None, coming };
        let is_yanked = current.is_some_and(|release| release.is_yanked(self.now));
        let latest = self.offered(line, stage).last().copied();
        match self.towards(line, stage, version) {
            Err(Bar::Unfit) => told("blocked", "no_payload", None),
            Err(Bar::Absent(barrier)) => self.behind(line, stage, version, barrier),
            Ok(Some(target)) => {
                let code = match (is_yanked, latest == Some(target)) {
                    (true, _) => "yanked",
                    (false, true) => "latest",
                    (false, false) => "barrier",
                };
                Told { action: "update", code, target: Some(target), coming: None }
            }
            Ok(None) => {
                let coming = self.coming(line, stage, version, false);
                let lacks = coming.is_none() && self.lacks(line, stage, |other| version < other);
                let is_latest = current.is_some() && latest == Some(version);
                if lacks && (is_yanked || !is_latest) {
                    told("blocked", "no_payload", None)
                } else if is_yanked {
                    told("blocked", "yanked", coming)
                } else if current.is_none() {
                    told("none", "unknown_version", coming)
                } else if latest != Some(version) {
                    told("none", "ahead", self.coming(line, stage, version, true))
                } else if line.is_retired(self.now) {
                    told("none", "retired", None)
                } else {
                    told("none", "up_to_date", coming)
                }
            }
        }
    }

    fn onwards(&self, goal: usize, stage: usize, own: usize, after: usize, current: &Release) -> Told {
        let told = |action, code| Told { action, code, target: None, coming: None };
        let (line, version) = (&self.world.lines[goal], current.version);
        if after == goal && self.admits(goal, current) {
            return match self.towards(line, stage, version) {
                Ok(Some(target)) => Told { target: Some(target), ..told("update", "next_line") },
                Err(Bar::Unfit) => told("blocked", "no_payload"),
                Err(Bar::Absent(barrier)) => self.behind(line, stage, version, barrier),
                Ok(None) => match self.coming(line, stage, version, false) {
                    Some(coming) => Told { coming: Some(coming), ..told("wait", "coming") },
                    None if self.lacks(line, stage, |other| version < other) => told("blocked", "no_payload"),
                    None => told("none", "nothing_offered"),
                },
            };
        }
        // The channel in which the cluster goes on first, and the next release there.
        let last = |line: usize| {
            let stages = &self.world.lines[line].stages;
            let offering = self.last_offering(&self.world.lines[line]);
            (line, offering.unwrap_or(stages.len() - 1))
        };
        let gate = self.gates[after];
        let place = match gate {
            _ if self.admits(after, current) => last(after),
            Some((stage, ..)) => (own, stage),
            None => last(own),
        };
        let (through, through_stage) = (&self.world.lines[place.0], place.1);
        let towards = self.towards(through, through_stage, version);
        let next = match towards {
            Ok(next) => next,
            Err(_) => None,
        };
        let coming = || self.coming(through, through_stage, version, false);
        let is_unfit = match towards {
            Err(Bar::Unfit) => true,
            Ok(None) => coming().is_none() && self.lacks(through, through_stage, |other| version < other),
            Ok(Some(_)) | Err(Bar::Absent(_)) => false,
        };
        if is_unfit {
            return told("blocked", "no_payload");
        }
        let own = &self.world.lines[own];
        if current.is_yanked(self.now) && next.is_none() {
            return Told { coming: coming(), ..told("blocked", "yanked") };
        }
        // Nothing leads on, not even a release that opens the gate of the channel's line.
        let is_shut = after == goal && gate.is_none_or(|(.., is_open)| !is_open);
        if let (true, Some((stage, ..))) = (next.is_none() || is_shut, gate)
            && let Some(barrier) = own.barriers(stage, self.now).into_iter().max()
            && version < barrier
        {
            return self.behind(own, stage, version, barrier);
        }
        if let Err(Bar::Absent(barrier)) = towards {
            return self.behind(through, through_stage, version, barrier);
        }
        if next.is_some() && through.is_paused(through_stage, self.now) {
            return told("wait", "paused");
        }
        let coming = if next.is_some() { None } else { coming() };
        Told { coming, ..told("blocked", "minor_gate") }
    }
}
