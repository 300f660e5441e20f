//! Builds a line from its files, and finds what in them contradicts each other.

use std::collections::BTreeMap;

use super::line::{RawLine, RawPolicy};
use super::release::RawRelease;
use crate::domain::channel::{ChannelName, StageName};
use crate::domain::line::{Line, Stage};
use crate::domain::release::Release;
use crate::domain::rules::{At, Broken, Part, Rule};
use crate::domain::version::Version;

/// A line that is being built from its files.
pub(super) struct Build<'b> {
    pub raw: &'b RawLine,
    pub broken: &'b mut Vec<Broken>,
}

impl Build<'_> {
    /// Builds a line from as much as could be read. A pause can name a stage by its channel. If the stages are
    /// not all known, those that an entry or a pause mentions are added.
    pub fn salvaged<'r>(
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
        let own = &self.raw.line;
        let freezes = [&policy.freezes[..], &own.freezes].concat();
        Line { freezes, releases: self.releases(&stages, raws), stages, ..own.clone() }
    }

    /// Builds the line. It gets no stages if the policy is faulty or the name of a channel is invalid.
    pub fn line<'r>(
        mut self,
        policy: Option<&RawPolicy>,
        raws: impl Iterator<Item = &'r RawRelease>,
    ) -> Line {
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
        Release { entries: entries.into(), ..raw.release.clone() }
    }
}
