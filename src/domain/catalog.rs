//! The whole catalog.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::Time;
use super::channel::{ChannelName, LineName};
use super::line::{Line, Prefix, Stage};
use super::loosened::Loosened;
use super::release::{Evidence, Release};
use super::rules::{self, Broken, Unusable};
use super::version::Version;

/// All lines with their releases. A catalog is always checked: it is either [assembled](Self::assemble)
/// from lines that obey the [rules], or rebuilt [as it was published](Self::published) from such lines. Only
/// its [salvaged](Self::salvaged) lines may break them.
///
/// Copies of a catalog share their lines, so that a copy is cheap, and a line that is the same one
/// ([`Arc::ptr_eq`]) in two catalogs is known to be equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    lines: BTreeMap<LineName, Arc<Line>>,
    /// Channels by name, including aliases.
    channels: HashMap<ChannelName, (LineName, usize)>,
    /// Lines by version prefix.
    prefixes: HashMap<Prefix, LineName>,
    /// The faulty lines, as far as they can be read. Nothing is decided about them, but they can be stopped.
    salvaged: BTreeMap<LineName, Arc<Line>>,
    /// The records of restraints that no longer count.
    loosened: Vec<Loosened>,
}

/// A line, and the rules that it breaks on its own.
#[derive(Debug, Clone)]
pub struct CheckedLine {
    pub line: Arc<Line>,
    pub broken: Vec<Broken>,
}

impl CheckedLine {
    /// Checks a line. `unread` are the releases that it has but that cannot be read.
    pub fn of(mut line: Line, unread: &BTreeSet<Version>) -> Self {
        line.freezes.sort_by_key(|freeze| (freeze.from, freeze.until));
        for release in line.releases.values_mut() {
            release.entries = release.entries.resized(line.stages.len());
        }
        let broken = rules::of_line(&line, unread);
        Self { line: Arc::new(line), broken }
    }
}

/// One stage of one line, as the channel that clusters follow.
#[derive(Debug, Clone, Copy)]
pub struct ChannelRef<'a> {
    pub line: &'a Line,
    /// The index of the stage in its line.
    pub index: usize,
}

/// Compares only the line's name and the index, so that copies of a catalog have equal channels.
impl PartialEq for ChannelRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.line.name, self.index) == (&other.line.name, other.index)
    }
}

impl Eq for ChannelRef<'_> {}

impl<'a> ChannelRef<'a> {
    /// The stage itself.
    pub fn stage(&self) -> &'a Stage {
        &self.line.stages[self.index]
    }

    /// The channel's own name, never an alias.
    pub fn name(&self) -> &'a ChannelName {
        &self.stage().channel
    }

    /// The channel for the same stage of another line. If that line has no such stage, its last channel.
    pub fn counterpart<'b>(&self, line: &'b Line) -> ChannelRef<'b> {
        let index = line.stage(&self.stage().name).unwrap_or(line.stages.len() - 1);
        ChannelRef { line, index }
    }
}

impl Catalog {
    /// Checks lines and makes a catalog of those that break no rule. Lines that are `unusable` for another
    /// reason are left out as well, but the rules between lines consider every line.
    pub fn assemble(lines: Vec<Line>, unusable: &Unusable) -> (Self, Vec<Broken>) {
        let nothing = BTreeSet::new();
        let checked = |line: Line| {
            let unread = unusable.get(&line.name).unwrap_or(&nothing);
            CheckedLine::of(line, unread)
        };
        Self::of_checked(lines.into_iter().map(checked), unusable)
    }

    /// The same for lines that were checked on their own.
    pub fn of_checked(
        lines: impl IntoIterator<Item = CheckedLine>,
        unusable: &Unusable,
    ) -> (Self, Vec<Broken>) {
        let mut broken = Vec::new();
        let mut lines: Vec<Arc<Line>> = lines
            .into_iter()
            .map(|checked| {
                broken.extend(checked.broken);
                checked.line
            })
            .collect();
        rules::between(&lines, unusable, &mut broken);
        let out: BTreeSet<&LineName> =
            broken.iter().map(|broken| &broken.line).chain(unusable.keys()).collect();
        lines.retain(|line| !out.contains(&line.name));
        (Self::indexed(lines), broken)
    }

    /// Makes a catalog of lines as clusters know them, read from documents that were signed when the
    /// catalog broke no rule. Lines may be missing or differ in age, so two may claim the same channel; the
    /// line whose name comes first gets it. A `follows` that would close a cycle is dropped.
    pub fn published(lines: impl IntoIterator<Item = impl Into<Arc<Line>>>) -> Self {
        let mut known: BTreeMap<LineName, Arc<Line>> = BTreeMap::new();
        for line in lines {
            let mut line: Arc<Line> = line.into();
            let before = |line: &Arc<Line>| line.follows.as_ref().map(|follows| follows.line.clone());
            let way = std::iter::successors(before(&line), |name| known.get(name).and_then(before));
            if way.into_iter().any(|name| name == line.name) {
                Arc::make_mut(&mut line).follows = None;
            }
            known.insert(line.name.clone(), line);
        }
        Self::indexed(known.into_values())
    }

    /// Changes a release, if there is one with this version.
    pub fn change_release(&mut self, version: &Version, change: impl FnOnce(&mut Release)) {
        let line = self.line_of(version).map(|line| line.name.clone());
        let line = line.and_then(|line| self.lines.get_mut(&line)).map(Arc::make_mut);
        if let Some(release) = line.and_then(|line| line.releases.get_mut(version)) {
            change(release);
        }
    }

    fn indexed(lines: impl IntoIterator<Item = Arc<Line>>) -> Self {
        let lines: BTreeMap<_, _> = lines.into_iter().map(|line| (line.name.clone(), line)).collect();
        let prefixes = lines.values().map(|line| (line.prefix, line.name.clone())).collect();
        let mut catalog = Self { lines, prefixes, ..Self::default() };
        let mut channels = HashMap::new();
        for (name, channel) in catalog.named_channels() {
            channels.entry(name.clone()).or_insert_with(|| (channel.line.name.clone(), channel.index));
        }
        catalog.channels = channels;
        catalog
    }

    /// Returns the catalog with the given lines replaced by their [published](Self::published) form, or
    /// removed if that is `None`.
    pub fn with_published(mut self, lines: impl IntoIterator<Item = (LineName, Option<Line>)>) -> Self {
        let mut published = Vec::new();
        for (name, line) in lines {
            self.lines.remove(&name);
            published.extend(line.map(Arc::new));
        }
        Self::published(self.lines.into_values().chain(published))
    }

    /// Returns the catalog with new evidence for each release, calling `evidence` in order of line and
    /// version. A line in which nothing changes stays the same one.
    pub fn map_evidence(mut self, mut evidence: impl FnMut(&Release) -> Evidence) -> Self {
        for line in self.lines.values_mut() {
            let found: Vec<Evidence> = line.releases.values().map(&mut evidence).collect();
            if line.releases.values().map(|release| &release.evidence).eq(&found) {
                continue;
            }
            for (release, found) in Arc::make_mut(line).releases.values_mut().zip(found) {
                release.evidence = found;
            }
        }
        self
    }

    /// Returns the catalog with lines that differ from its own in their evidence only. `with` finds one by its
    /// name.
    pub fn with_evidence(mut self, with: impl Fn(&LineName) -> Option<Arc<Line>>) -> Self {
        for (name, line) in &mut self.lines {
            if let Some(with) = with(name) {
                *line = with;
            }
        }
        self
    }

    /// Returns the catalog with other lines of the same names, prefixes and channels in the place of its own.
    pub(super) fn map_lines(mut self, mut other: impl FnMut(&Arc<Line>) -> Arc<Line>) -> Self {
        self.lines.values_mut().chain(self.salvaged.values_mut()).for_each(|line| *line = other(line));
        self
    }

    /// Returns the catalog with faulty lines as far as they can be read.
    pub fn with_salvaged(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.salvaged = lines.into_iter().map(|line| (line.name.clone(), Arc::new(line))).collect();
        self
    }

    /// Returns the catalog with a new line, or every rule that the line would break, on its own or with another
    /// one.
    pub(super) fn with_new_line(self, line: &Line) -> Result<Self, Vec<Broken>> {
        let name = &line.name;
        let unusable: Unusable = self.salvaged.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
        let known = self.lines.into_values().map(|line| CheckedLine { line, broken: Vec::new() });
        let new = CheckedLine::of(line.clone(), &BTreeSet::new());
        let (catalog, mut broken) = Self::of_checked(known.chain([new]), &unusable);
        broken.retain(|one| one.line == *name);
        if !broken.is_empty() {
            return Err(broken);
        }
        Ok(Self { salvaged: self.salvaged, loosened: self.loosened, ..catalog })
    }

    /// Returns the catalog without the lines that `keep` does not want.
    pub fn with_lines(mut self, keep: impl Fn(&LineName) -> bool) -> Self {
        self.lines.retain(|name, _| keep(name));
        self.salvaged.retain(|name, _| keep(name));
        self
    }

    /// Returns the catalog with records of restraints that no longer count.
    pub fn with_loosened(mut self, loosened: impl IntoIterator<Item = Loosened>) -> Self {
        self.loosened.extend(loosened);
        self
    }

    /// The records of restraints that no longer count.
    pub fn loosened(&self) -> &[Loosened] {
        &self.loosened
    }

    /// A faulty line, as far as it can be read. Rely on nothing in it but its stops.
    pub fn salvaged(&self, name: &LineName) -> Option<&Line> {
        self.salvaged.get(name).map(|line| &**line)
    }

    /// The faulty lines, as far as they can be read.
    pub fn salvaged_lines(&self) -> impl Iterator<Item = &Line> {
        self.salvaged.values().map(|line| &**line)
    }

    /// A line that can be stopped: a line of the catalog, or else a [salvaged](Self::salvaged) one.
    pub fn stoppable(&self, name: &LineName) -> Option<&Line> {
        self.line(name).or_else(|| self.salvaged(name))
    }

    /// A release that can be stopped, and its line: a release of the catalog, or else one of a
    /// [salvaged](Self::salvaged) line. A copy of a line's folder has the same releases, so a line whose own
    /// name fits the version comes first.
    pub fn stoppable_release(&self, version: &Version) -> Option<(&Line, &Release)> {
        let salvaged = || {
            let found =
                self.salvaged.values().filter_map(|line| Some((&**line, line.releases.get(version)?)));
            found.min_by_key(|(line, _)| {
                let own = Prefix::parse(line.name.as_str());
                let fit = Prefix::candidates(version).position(|prefix| Ok(prefix) == own);
                (fit.unwrap_or(usize::MAX), !line.prefix.accepts(version))
            })
        };
        self.release(version).or_else(salvaged)
    }

    /// The channels that a pause of `name`, which can be an alias, must pause: the channel of the catalog, or
    /// else that of a [salvaged](Self::salvaged) line with this default name, or else every one that is called
    /// so, since one pause too many does no harm.
    pub fn stoppable_channels(&self, name: &ChannelName) -> Vec<ChannelRef<'_>> {
        if let Some(channel) = self.channel(name) {
            return vec![channel];
        }
        let is_named = |stage: &Stage| stage.names().any(|own| own == name);
        let place = |line: &Line| line.stages.iter().position(is_named);
        let salvaged = self.salvaged.values();
        let salvaged = salvaged.filter_map(|line| Some(ChannelRef { line, index: place(line)? }));
        let (own, others): (Vec<_>, Vec<_>) = salvaged.partition(|channel| {
            ChannelName::of(&channel.line.name, &channel.stage().name).as_ref() == Ok(name)
        });
        if own.is_empty() { others } else { own }
    }

    /// Mutable access to the salvaged lines, to stop something.
    pub(super) fn salvaged_mut(&mut self) -> &mut BTreeMap<LineName, Arc<Line>> {
        &mut self.salvaged
    }

    /// Every line that can be stopped.
    pub fn stoppable_lines(&self) -> impl Iterator<Item = &Line> {
        self.lines().chain(self.salvaged_lines())
    }

    /// Mutable access to the lines, for changes that break no rule or are checked right afterwards.
    pub(super) fn lines_mut(&mut self) -> &mut BTreeMap<LineName, Arc<Line>> {
        &mut self.lines
    }

    /// The lines, ordered by name.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values().map(|line| &**line)
    }

    /// The lines, ordered by name, as they are shared with copies of the catalog.
    pub fn shared_lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.lines.values()
    }

    /// A line by its name, as it is shared with copies of the catalog.
    pub fn shared_line(&self, name: &LineName) -> Option<&Arc<Line>> {
        self.lines.get(name)
    }

    /// A line by its name.
    pub fn line(&self, name: &LineName) -> Option<&Line> {
        self.lines.get(name).map(|line| &**line)
    }

    /// The line that a version belongs to according to its number, even if the version is not in the
    /// catalog.
    pub fn line_of(&self, version: &Version) -> Option<&Line> {
        Prefix::candidates(version).find_map(|prefix| self.line(self.prefixes.get(&prefix)?))
    }

    /// A release and its line.
    pub fn release(&self, version: &Version) -> Option<(&Line, &Release)> {
        let line = self.line_of(version)?;
        Some((line, line.releases.get(version)?))
    }

    /// A channel by its name or one of its aliases.
    pub fn channel(&self, name: &ChannelName) -> Option<ChannelRef<'_>> {
        let (line, index) = self.channels.get(name)?;
        Some(ChannelRef { line: self.lines.get(line)?, index: *index })
    }

    /// Every channel, ordered by line and stage.
    pub fn channels(&self) -> impl Iterator<Item = ChannelRef<'_>> {
        self.lines
            .values()
            .flat_map(|line| (0..line.stages.len()).map(move |index| ChannelRef { line, index }))
    }

    /// Every name of every channel, including aliases, paired with the channel's own name.
    pub fn channel_names(&self) -> impl Iterator<Item = (&ChannelName, &ChannelName)> {
        self.named_channels().map(|(name, channel)| (name, channel.name()))
    }

    fn named_channels(&self) -> impl Iterator<Item = (&ChannelName, ChannelRef<'_>)> {
        self.channels().flat_map(|channel| channel.stage().names().map(move |name| (name, channel)))
    }

    /// The number of releases that exist at `now`.
    pub fn known(&self, now: Time) -> usize {
        self.lines.values().flat_map(|line| line.releases.values()).filter(|r| r.is_known(now)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Change;
    use super::super::testing::{catalog, event, line, release, t, v};
    use super::*;

    /// The lines of `after` that are not the same ones as before, by name.
    fn copied<'a>(before: &Catalog, after: &'a Catalog) -> Vec<&'a str> {
        let pairs = before.shared_lines().zip(after.shared_lines());
        pairs.filter(|(one, other)| !Arc::ptr_eq(one, other)).map(|(_, line)| line.name.as_str()).collect()
    }

    #[test]
    fn whatever_changes_one_line_leaves_the_others_the_same_ones() {
        let before = catalog([
            line("1.8", None).with(release("1.8.4", &["2018-01-01"])),
            line("1.9", None).with(release("1.9.1", &["2018-03-01"]).held_at("2018-03-02")),
        ]);
        let copy = || before.clone();
        let hold = Change::Hold { version: v("1.8.4"), hold: event(t("2018-01-02"), "etcd") };
        let withheld = |one: &Release| {
            if one.version == v("1.8.4") { Evidence::default() } else { one.evidence.clone() }
        };
        assert_eq!(copied(&before, &copy()), [""; 0]);
        assert_eq!(copied(&before, &copy().judged_by(t("2018-04-01"))), [""; 0]);
        assert_eq!(copied(&before, &copy().judged_by(t("2018-02-01"))), ["1.9"]);
        assert_eq!(copied(&before, &hold.apply(copy()).unwrap()), ["1.8"]);
        assert_eq!(copied(&before, &copy().map_evidence(withheld)), ["1.8"]);
        assert_eq!(before.line(&"1.8".parse().unwrap()).unwrap().releases[&v("1.8.4")].hold, None);
    }
}
