//! The whole catalog.

use std::collections::{BTreeMap, HashMap};

use super::Time;
use super::channel::{ChannelName, LineName};
use super::line::{Line, Prefix, Stage};
use super::release::Release;
use super::version::Version;

/// Every line with its releases, checked: what is here keeps the rules of the catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    lines: BTreeMap<LineName, Line>,
    /// Channels by each of their names, aliases among them.
    channels: HashMap<ChannelName, (LineName, usize)>,
    /// Lines by the prefix of their versions.
    prefixes: HashMap<Prefix, LineName>,
}

/// One stage of one line: what a cluster follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelRef<'a> {
    pub line: &'a Line,
    /// The stage's place in its line.
    pub index: usize,
}

impl<'a> ChannelRef<'a> {
    /// The stage itself.
    #[must_use]
    pub fn stage(&self) -> &'a Stage {
        &self.line.stages[self.index]
    }

    /// The channel's own name, never an alias.
    #[must_use]
    pub fn name(&self) -> &'a ChannelName {
        &self.stage().channel
    }
}

impl Catalog {
    /// Puts checked lines together. Of two channels with one name the first keeps it; readers
    /// report that as a fault.
    #[must_use]
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        let lines: BTreeMap<_, _> = lines.into_iter().map(|line| (line.name.clone(), line)).collect();
        let mut channels = HashMap::new();
        let prefixes = lines.values().map(|line| (line.prefix, line.name.clone())).collect();
        for line in lines.values() {
            for (index, stage) in line.stages.iter().enumerate() {
                for name in std::iter::once(&stage.channel).chain(&stage.aliases) {
                    channels.entry(name.clone()).or_insert_with(|| (line.name.clone(), index));
                }
            }
        }
        Self { lines, channels, prefixes }
    }

    /// The lines in the order of their names.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// One line.
    #[must_use]
    pub fn line(&self, name: &LineName) -> Option<&Line> {
        self.lines.get(name)
    }

    /// Takes the catalog apart, to put it together anew.
    #[must_use]
    pub fn into_lines(self) -> BTreeMap<LineName, Line> {
        self.lines
    }

    /// The line that a version belongs to by its number, whether or not it is known.
    #[must_use]
    pub fn line_of(&self, version: &Version) -> Option<&Line> {
        Prefix::candidates(version).find_map(|prefix| self.lines.get(self.prefixes.get(&prefix)?))
    }

    /// A release and its line.
    #[must_use]
    pub fn release(&self, version: &Version) -> Option<(&Line, &Release)> {
        let line = self.line_of(version)?;
        Some((line, line.releases.get(version)?))
    }

    /// A channel by its name or one of its aliases.
    #[must_use]
    pub fn channel(&self, name: &ChannelName) -> Option<ChannelRef<'_>> {
        let (line, index) = self.channels.get(name)?;
        Some(ChannelRef { line: self.lines.get(line)?, index: *index })
    }

    /// Every channel, by line and in the order of stages.
    pub fn channels(&self) -> impl Iterator<Item = ChannelRef<'_>> {
        self.lines
            .values()
            .flat_map(|line| (0..line.stages.len()).map(move |index| ChannelRef { line, index }))
    }

    /// Every name of every channel, aliases among them, with the channel's own name.
    pub fn channel_names(&self) -> impl Iterator<Item = (&ChannelName, &ChannelName)> {
        self.channels().flat_map(|channel| {
            let own = channel.name();
            std::iter::once(own).chain(&channel.stage().aliases).map(move |name| (name, own))
        })
    }

    /// How many releases there are by `now`.
    #[must_use]
    pub fn known(&self, now: Time) -> usize {
        self.lines.values().flat_map(|line| line.releases.values()).filter(|r| r.is_known(now)).count()
    }
}
