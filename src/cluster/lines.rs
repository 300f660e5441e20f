//! The lines that matter for one cluster, built from verified manifests.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::manifests::{Manifests, not_before};
use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Line;
use crate::domain::release::{Entry, PayloadState, SCHEDULE};
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, LineIndex, line_of, undelegated_prefix};
use crate::formats::tuf::names;
use crate::signing::verify::Violation;

/// A release that is offered too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub version: Version,
    pub channel: ChannelName,
    pub stage: StageName,
    /// Since when the release has been on offer.
    pub since: Time,
    /// The earliest time at which its release keys allow it.
    pub not_before: Option<Time>,
}

/// The lines that matter for one cluster.
pub struct Lines<'a> {
    pub manifests: Manifests<'a>,
    /// In the order in which they were loaded: a line comes before the line that it follows.
    pub found: Vec<Line>,
    pub skipped: Vec<Skipped>,
    /// Releases that follow a different line according to their manifests than according to their channels.
    /// The online key must not decide which line a release follows.
    pub strangers: Vec<Version>,
}

impl<'a> Lines<'a> {
    pub fn new(manifests: Manifests<'a>) -> Self {
        let (found, skipped, strangers) = Default::default();
        Self { manifests, found, skipped, strangers }
    }

    /// Loads the channel's line, the line that it follows, and all lines between them and the line of
    /// `current`. Returns the channel's own name.
    pub fn load(&mut self, channel: &ChannelName, current: &Version) -> Result<ChannelName, Refusal> {
        let channel = self.manifests.resolve(channel)?;
        let manifest = self.manifests.channel(&channel)?;
        let own = self.manifests.line_of(current);
        let goal = manifest.line.clone();
        let before = self.add(&manifest, Some(&manifest.stage), current)?;
        if own.as_ref() == Some(&goal) {
            if manifest.retired.is_some() {
                self.load_next(&goal, current);
            }
            return Ok(channel);
        }
        // The minor gate needs the preceding line. A cluster on an even older line must pass through each
        // line in between.
        if !self.add_from(before, current, |line| own.as_ref().is_none_or(|own| own == line))? {
            // The cluster may be ahead of the channel. In that case, start from the cluster's line and go
            // down to the channel's.
            self.add_from(own, current, |_| false)?;
        }
        Ok(channel)
    }

    /// Adds a line, the line that it follows, and so on, up to the first one for which `is_last` is true.
    /// Returns whether such a line was reached. A line is added only once, so a cycle of lines ends the
    /// loop too.
    fn add_from(
        &mut self,
        mut line: Option<LineName>,
        current: &Version,
        is_last: impl Fn(&LineName) -> bool,
    ) -> Result<bool, Refusal> {
        while let Some(name) = line {
            let Some(manifest) = self.manifests.channel_of(&name)? else { break };
            line = self.add(&manifest, None, current)?;
            if is_last(&name) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has(&self, line: &LineName) -> bool {
        self.found.iter().any(|found| found.name == *line)
    }

    /// Loads the line that follows a retired one, so that the answer can name it. This is only for
    /// information, so any fault in that line is ignored.
    fn load_next(&mut self, retired: &LineName, current: &Version) {
        let lines: Vec<_> = self.manifests.lines().cloned().collect();
        for line in lines {
            let Ok(Some(manifest)) = self.manifests.channel_of(&line) else { continue };
            if manifest.follows.as_ref().is_some_and(|follows| follows.line == *retired) {
                let before = self.skipped.len();
                let _ = self.add(&manifest, None, current);
                self.skipped.truncate(before);
                return;
            }
        }
    }

    /// Adds a line, given one of its channels. `followed` is the stage that the cluster follows, if it is
    /// in this line. Returns the line that the added line follows.
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
        let mut stages = self.manifests.stages(one)?;
        // A new line has channels before anybody can sign its releases. Such channels offer nothing.
        let is_new =
            self.manifests.prefix_of(&name).is_none() && stages.iter().all(|stage| stage.releases.is_empty());
        let mut index = None;
        if !is_new {
            self.manifests.check_line(&name)?;
            index = Some(self.manifests.index(&name)?);
        }
        let entry = |version: &Version| index.as_ref()?.releases.get(version);
        for stage in &mut stages {
            self.manifests.check_offers(stage)?;
            let mut early = BTreeSet::new();
            for offered in &stage.releases {
                let version = &offered.version;
                // The role lists each release on offer, and the index has what the role lists.
                let Some(entry) = entry(version) else { continue };
                self.manifests.check_demo(version, entry.demo)?;
                let not_before = not_before(entry, stage);
                if not_before.is_some_and(|earliest| offered.since < earliest) {
                    self.skipped.push(Skipped {
                        version: version.clone(),
                        channel: stage.channel.clone(),
                        stage: stage.stage.clone(),
                        since: offered.since,
                        not_before,
                    });
                    early.insert(version.clone());
                    continue;
                }
                if entry.follows != follows {
                    self.strangers.push(version.clone());
                }
            }
            if !early.is_empty() {
                Rc::make_mut(stage).releases.retain(|offered| !early.contains(&offered.version));
            }
        }
        let prefix = match self.manifests.prefix_of(&name) {
            Some(prefix) => prefix,
            None if is_new => undelegated_prefix(&name, self.manifests.prefixes()),
            None => return Err(Violation::NotDelegated { role: names::releases_role(&name) }.into()),
        };
        let known = |version: &Version, stages| Some(entry(version)?.release(version.clone(), stages));
        let line = line_of(&name, prefix, &stages, known)
            .map_err(|e| Refusal::Contradiction { line: name.to_string(), detail: e.to_string() })?;
        let Some(mut line) = line else { return Ok(follows) };
        if let Some(index) = &index {
            self.raise_barriers(&mut line, index, &stages, followed, current);
        }
        self.found.push(line);
        Ok(follows)
    }

    /// Restores the barriers that release keys have signed but the channel does not offer: the online key
    /// can add barriers, but not remove them.
    ///
    /// In the followed line, a barrier above every release on offer has no effect. In a line that the
    /// cluster leaves, it blocks the way into the next line. There it counts only from the time at which
    /// release keys allow it in the stage: before that, it may be missing because it is still soaking.
    fn raise_barriers(
        &self,
        line: &mut Line,
        index: &LineIndex,
        channels: &[Rc<ChannelManifest>],
        followed: Option<&StageName>,
        current: &Version,
    ) {
        let now = self.manifests.now;
        let is_left = followed.is_none();
        let followed = followed.and_then(|stage| line.stage(stage));
        // This must be the stage that the minor gate goes by.
        let Some(stage) = followed.or_else(|| line.last_offering(now)) else { return };
        let Some(highest) = line.latest(stage, now).map(|latest| latest.version.clone()) else { return };
        let channel = channels.iter().find(|channel| channel.stage == line.stages[stage].name);
        for (version, entry) in index.releases.iter().filter(|(_, entry)| entry.barrier) {
            let counts = current < version && (is_left || *version < highest);
            let entered = line.releases.get(version).is_some_and(|release| release.is_in(stage, now));
            if !counts || entered {
                continue;
            }
            let allowed = channel.and_then(|channel| self.manifests.bars_from(version, entry, channel));
            if highest < *version && allowed.is_some_and(|earliest| now < earliest) {
                continue;
            }
            let mut barrier = entry.release(version.clone(), line.stages.len());
            // If the barrier was yanked in an earlier stage, its replacement applies here too.
            barrier.yank = line.releases.get(version).and_then(|known| known.yank.clone());
            // Put the barrier into the stage, so that it takes effect there, but without a payload, so that
            // clusters cannot install it.
            let entry = Entry::new(Time::UNIX_EPOCH, SCHEDULE.to_owned(), None);
            barrier.entries[stage] = Some(entry);
            barrier.evidence.payload = PayloadState::Missing { file: String::new() };
            line.releases.insert(version.clone(), barrier);
        }
        // A yanked barrier moves to its replacement only if the replacement is on offer here. Otherwise the
        // online key could use a yank to move the barrier out of the way.
        let offers = |version: &Version| line.offered(stage, now).any(|release| release.version == *version);
        let opened: Vec<Version> = line
            .barriers(now)
            .filter(|(barrier, at)| barrier.version != **at && !offers(at))
            .map(|(barrier, _)| barrier.version.clone())
            .collect();
        for version in opened {
            if let Some(yank) = line.releases.get_mut(&version).and_then(|release| release.yank.as_mut()) {
                yank.to = None;
            }
        }
    }
}
