//! The lines that count for one cluster, made of the manifests that were verified.

use std::collections::BTreeMap;

use super::manifests::{Manifests, not_before};
use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::policy::Urgency;
use crate::domain::release::{Entry, Evidence, PayloadState, Release, SCHEDULE};
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, line as rebuilt, release as unentered};
use crate::formats::tuf::names;
use crate::signing::verify::Violation;

/// A release that is offered too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub version: Version,
    pub channel: ChannelName,
    pub stage: StageName,
    /// Since when it is offered.
    pub since: Time,
    /// From when its release keys allow that.
    pub not_before: Option<Time>,
}

/// The lines that count for one cluster.
pub struct Lines<'a> {
    pub manifests: Manifests<'a>,
    /// In the order in which they were loaded, those that follow others first.
    pub found: Vec<Line>,
    pub skipped: Vec<Skipped>,
    pub withheld: Vec<Version>,
    /// Releases whose own manifests say that their line is entered from another one than its
    /// channels say. The online key does not decide that.
    pub strangers: Vec<Version>,
}

impl<'a> Lines<'a> {
    pub fn new(manifests: Manifests<'a>) -> Self {
        let (skipped, withheld, strangers) = (Vec::new(), Vec::new(), Vec::new());
        Self { manifests, found: Vec::new(), skipped, withheld, strangers }
    }

    /// Loads the line of the followed channel, the one that it follows, and those between it and the
    /// line of `current`. Gives the channel's own name.
    pub fn load(&mut self, channel: &ChannelName, current: &Version) -> Result<ChannelName, Refusal> {
        let channel = self.manifests.resolve(channel)?;
        let manifest = self.manifests.channel(&channel)?;
        let own = self.manifests.line_of(current);
        let goal = manifest.line.clone();
        let mut before = self.add(&manifest, Some(&manifest.stage), current)?;
        if own.as_ref() == Some(&goal) {
            if manifest.retired.is_some() {
                self.load_next(&goal, current);
            }
            return Ok(channel);
        }
        // The gate looks at the line before; a way from further down passes each line between.
        let mut steps = 0;
        while let Some(line) = before.take() {
            let Some(manifest) = self.manifests.channel_of(&line)? else { break };
            before = self.add(&manifest, None, current)?;
            steps += 1;
            if own.as_ref().is_none_or(|own| *own == line) || steps > 256 {
                return Ok(channel);
            }
        }
        // The cluster may be ahead: then the way leads down from its line to the goal.
        let mut before = own;
        while let Some(line) = before.take().filter(|line| !self.has(line)) {
            let Some(manifest) = self.manifests.channel_of(&line)? else { break };
            before = self.add(&manifest, None, current)?;
        }
        Ok(channel)
    }

    fn has(&self, line: &LineName) -> bool {
        self.found.iter().any(|found| found.name == *line)
    }

    /// Loads the line that follows a retired one, so that the answer can name it. It only informs, so
    /// that nothing of it is an obstacle.
    fn load_next(&mut self, retired: &LineName, current: &Version) {
        for line in self.manifests.prefixes().into_values() {
            let Ok(Some(manifest)) = self.manifests.channel_of(&line) else { continue };
            if manifest.follows.as_ref().is_some_and(|follows| follows.line == *retired) {
                let before = (self.skipped.len(), self.withheld.len());
                let _ = self.add(&manifest, None, current);
                self.skipped.truncate(before.0);
                self.withheld.truncate(before.1);
                return;
            }
        }
    }

    /// Adds a line by one of its channels, as a cluster that follows one of its stages sees it. Gives
    /// the line that it follows.
    fn add(
        &mut self,
        one: &ChannelManifest,
        followed: Option<&StageName>,
        current: &Version,
    ) -> Result<Option<LineName>, Refusal> {
        let name = one.line.clone();
        let follows = one.follows.as_ref().map(|follows| follows.line.clone());
        if self.has(&name) {
            return Ok(None);
        }
        self.manifests.check_line(&name)?;
        let mut stages = self.manifests.stages(one)?;
        let mut releases = BTreeMap::new();
        for stage in &mut stages {
            self.manifests.check_offers(stage)?;
            let mut kept = Vec::new();
            for offered in std::mem::take(&mut stage.releases) {
                let version = &offered.version;
                let Some(manifest) = self.manifests.release(&name, version)? else {
                    return Err(Violation::Missing { path: names::release_target(version) }.into());
                };
                let not_before = not_before(&manifest, stage);
                if not_before.is_some_and(|earliest| offered.since < earliest) {
                    self.skipped.push(Skipped {
                        version: version.clone(),
                        channel: stage.channel.clone(),
                        stage: stage.stage.clone(),
                        since: offered.since,
                        not_before,
                    });
                    continue;
                }
                if manifest.follows != follows {
                    self.strangers.push(version.clone());
                }
                releases.insert(version.clone(), manifest);
                kept.push(offered);
            }
            stage.releases = kept;
        }
        let Some(prefix) = self.manifests.prefix_of(&name) else {
            return Err(Violation::NotDelegated { role: names::releases_role(&name) }.into());
        };
        let line = rebuilt(&name, prefix, &stages, releases)
            .map_err(|e| Refusal::Contradiction { line: name.to_string(), detail: e.to_string() })?;
        let Some(mut line) = line else { return Ok(follows) };
        self.raise_barriers(&mut line, &stages, followed, current)?;
        self.found.push(line);
        Ok(follows)
    }

    /// Puts up the barriers that release keys have signed and the channel does not offer: the online
    /// key may add barriers, and not take them away.
    ///
    /// In the followed line one above all that is on offer bars nothing. In a line that a cluster
    /// comes from it does, since it bars the way into the next: there each one counts from the time
    /// on that release keys allow it in the stage. One that still soaks may rightly be missing.
    fn raise_barriers(
        &mut self,
        line: &mut Line,
        channels: &[ChannelManifest],
        followed: Option<&StageName>,
        current: &Version,
    ) -> Result<(), Refusal> {
        let now = self.manifests.now;
        let is_left = followed.is_none();
        let followed = followed.and_then(|stage| line.stage(stage));
        let stage = followed
            .or_else(|| (0..line.stages.len()).rev().find(|stage| line.latest(*stage, now).is_some()));
        let Some(stage) = stage else { return Ok(()) };
        let Some(highest) = line.latest(stage, now).map(|latest| latest.version.clone()) else {
            return Ok(());
        };
        let channel = channels.iter().find(|channel| channel.stage == line.stages[stage].name);
        for version in self.manifests.signed_versions(&line.name)? {
            let counts = *current < version && (is_left || version < highest);
            let entered = line.releases.get(&version).is_some_and(|release| release.is_in(stage, now));
            if !counts || entered {
                continue;
            }
            let mut barrier = match self.manifests.release(&line.name, &version)? {
                Some(manifest) if manifest.barrier => {
                    let allowed = channel.and_then(|channel| not_before(&manifest, channel));
                    if highest < version && allowed.is_some_and(|earliest| now < earliest) {
                        continue;
                    }
                    unentered(manifest, line.stages.len())
                }
                Some(_) => continue,
                None => {
                    self.withheld.push(version.clone());
                    withheld(line, version.clone())
                }
            };
            // One that was yanked in an earlier stage has its replacement as any other.
            barrier.yank = line.releases.get(&version).and_then(|known| known.yank.clone());
            // In the stage, so that it stands there, and not to be had.
            let entry = Entry { since: Time::UNIX_EPOCH, by: SCHEDULE.to_owned(), reason: None };
            barrier.entries[stage] = Some(entry);
            barrier.evidence.payload = PayloadState::Missing { file: String::new() };
            line.releases.insert(version, barrier);
        }
        // A yanked barrier stands where its replacement does, which is a later one that can be had
        // here: to any other place the online key would only move it out of the way.
        let opened: Vec<Version> = line
            .barriers(now)
            .filter(|(barrier, at)| {
                let higher = || line.offered(stage, now).any(|release| release.version == **at);
                barrier.version != **at && (**at < barrier.version || !higher())
            })
            .map(|(barrier, _)| barrier.version.clone())
            .collect();
        for version in opened {
            if let Some(yank) = line.releases.get_mut(&version).and_then(|release| release.yank.as_mut()) {
                yank.to = None;
            }
        }
        Ok(())
    }
}

/// A release of which nothing is known but that it is signed.
fn withheld(line: &Line, version: Version) -> Release {
    Release {
        version,
        urgency: Urgency::Normal,
        summary: None,
        links: Labels::default(),
        components: Labels::default(),
        payloads: [].into(),
        barrier: true,
        replaces: None,
        entries: vec![None; line.stages.len()],
        hold: None,
        yank: None,
        evidence: Evidence::default(),
    }
}
