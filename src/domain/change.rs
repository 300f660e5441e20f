//! Changes to a catalog. A commit is a list of them.

use std::sync::Arc;

use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::line::Line;
use super::loosened::Loosened;
use super::release::{Ended, Entry, Event, Outage, Release, Yank};
use super::rules::{self, Broken, Rule};
use super::version::Version;

/// One change, which names the release, line or stage that it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new line, as the policy completes it. Unless it inherits its soak, each stage after the first has the
    /// line's own.
    AddLine { line: Box<Line>, inherits_soak: bool },
    /// A new release.
    Add { line: LineName, release: Box<Release> },
    /// A release enters a stage: a promotion.
    Enter { version: Version, stage: StageName, entry: Entry },
    /// An entry is removed: the release did not enter the stage.
    Leave { version: Version, stage: StageName },
    /// A hold: the release enters no further stage.
    Hold { version: Version, hold: Event },
    /// The end of a hold, with its record.
    Resume { version: Version, ended: Ended },
    /// A yank: no channel offers the release.
    Yank { version: Version, yank: Yank },
    /// The end of a yank, with its record.
    Unyank { version: Version, ended: Ended },
    /// All times in which a payload of the release was missing.
    Unavailable { version: Version, outages: Vec<Outage> },
    /// A pause: nothing enters the channel.
    Pause { line: LineName, stage: StageName, pause: Event },
    /// The line no longer accepts new releases. This cannot be undone.
    Retire { line: LineName, retired: Event },
    /// The end of a channel's pause, with its record.
    Unpause { line: LineName, stage: StageName, ended: Ended },
    /// A restraint no longer counts.
    Loosen(Loosened),
}

/// The target of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed<'a> {
    /// A new line.
    NewLine(&'a LineName),
    /// A new release in this line.
    NewRelease(&'a LineName, &'a Version),
    /// A release that is already in the catalog.
    Release(&'a Version),
    /// A line, or one of its channels.
    Line(&'a LineName),
    /// The policy, which is of every line.
    Policy,
}

impl<'a> Changed<'a> {
    /// Returns the line that the change applies to, or `None` if it applies to the policy.
    ///
    /// # Errors
    /// When the release is not in the catalog.
    pub fn line(self, catalog: &'a Catalog) -> Result<Option<&'a LineName>, ChangeError> {
        match self {
            Self::NewLine(line) | Self::NewRelease(line, _) | Self::Line(line) => Ok(Some(line)),
            Self::Release(version) => match catalog.stoppable_release(version) {
                Some((line, _)) => Ok(Some(&line.name)),
                None => Err(ChangeError::NoRelease(version.clone())),
            },
            Self::Policy => Ok(None),
        }
    }
}

/// Why a change cannot be applied to a catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("release `{0}` is not in the catalog")]
    NoRelease(Version),
    #[error("line `{0}` is not in the catalog")]
    NoLine(LineName),
    #[error("line `{0}` is already in the catalog")]
    LineExists(LineName),
    #[error("line `{0}` is already in the catalog, and is retired")]
    LineRetired(LineName),
    #[error("line `{line}` has no stage `{stage}`")]
    NoStage { line: LineName, stage: StageName },
    #[error("release `{0}` is already in the catalog")]
    Exists(Version),
    #[error("release `{version}` already has an entry for stage `{stage}`")]
    Entered { version: Version, stage: StageName },
    #[error("line `{line}` would break a rule of the catalog")]
    Broken { line: LineName, broken: Vec<Broken> },
}

impl Change {
    /// Applies the change and returns the resulting catalog. Editing the catalog's files must produce
    /// exactly the same one.
    ///
    /// # Errors
    /// When the change names something that does not exist, adds something that already exists, or would
    /// break a rule of the catalog. A stop of a faulty line may break a rule that is broken already, and may
    /// refer to a release that cannot be read.
    pub fn apply(&self, mut catalog: Catalog) -> Result<Catalog, ChangeError> {
        if let Self::AddLine { line, .. } = self {
            let name = &line.name;
            if let Some(known) = catalog.stoppable(name) {
                let is_retired = known.retired.is_some();
                let error = if is_retired { ChangeError::LineRetired } else { ChangeError::LineExists };
                return Err(error(name.clone()));
            }
            let broken = |broken| ChangeError::Broken { line: name.clone(), broken };
            return catalog.with_new_line(line).map_err(broken);
        }
        let Some(name) = self.changed().line(&catalog)?.cloned() else { return Ok(self.loosen(catalog)) };
        let (line, is_faulty) = if catalog.line(&name).is_some() {
            (catalog.lines_mut().get_mut(&name), false)
        } else {
            let may = self.is_stop() || matches!(self, Self::Leave { .. });
            (catalog.salvaged_mut().get_mut(&name).filter(|_| may), true)
        };
        let absent =
            || self.version().cloned().map_or(ChangeError::NoLine(name.clone()), ChangeError::NoRelease);
        let line = Arc::make_mut(line.ok_or_else(absent)?);
        let excused = if is_faulty { rules::changed(line, self.version()) } else { Vec::new() };
        self.make(line)?;
        let mut broken = rules::changed(line, self.version());
        let is_unread = |one: &Broken| is_faulty && matches!(one.rule, Rule::NoSuchRelease { .. });
        broken.retain(|one| !excused.contains(one) && !is_unread(one));
        if broken.is_empty() { Ok(catalog) } else { Err(ChangeError::Broken { line: name, broken }) }
    }

    /// Whether the change stops something. Then it can be made in a faulty line, too, as can the removal of an
    /// entry that it must stop.
    const fn is_stop(&self) -> bool {
        matches!(self, Self::Hold { .. } | Self::Yank { .. } | Self::Pause { .. })
    }

    /// Whether changes only stop something, so that they must get through whatever else is going on. A stop
    /// may remove entries that are dated ahead.
    pub fn only_stop(changes: &[Self]) -> bool {
        changes.iter().any(Self::is_stop)
            && changes.iter().all(|change| change.is_stop() || matches!(change, Self::Leave { .. }))
    }

    /// The target of the change.
    pub fn changed(&self) -> Changed<'_> {
        match self {
            Self::AddLine { line, .. } => Changed::NewLine(&line.name),
            Self::Add { line, release } => Changed::NewRelease(line, &release.version),
            Self::Enter { version, .. }
            | Self::Leave { version, .. }
            | Self::Hold { version, .. }
            | Self::Resume { version, .. }
            | Self::Yank { version, .. }
            | Self::Unyank { version, .. }
            | Self::Unavailable { version, .. } => Changed::Release(version),
            Self::Pause { line, .. } | Self::Unpause { line, .. } | Self::Retire { line, .. } => {
                Changed::Line(line)
            }
            Self::Loosen(_) => Changed::Policy,
        }
    }

    /// The release that the change applies to, or `None` if it applies to a line.
    pub fn version(&self) -> Option<&Version> {
        match self.changed() {
            Changed::NewRelease(_, version) | Changed::Release(version) => Some(version),
            Changed::NewLine(_) | Changed::Line(_) | Changed::Policy => None,
        }
    }

    fn make(&self, line: &mut Line) -> Result<(), ChangeError> {
        match self {
            Self::Add { release, .. } => {
                if line.releases.contains_key(&release.version) {
                    return Err(ChangeError::Exists(release.version.clone()));
                }
                let mut release = (**release).clone();
                release.entries = release.entries.resized(line.stages.len());
                line.releases.insert(release.version.clone(), release);
            }
            Self::Enter { version, stage, entry } => {
                let place = place(line, stage)?;
                let place = &mut release(line, version)?.entries[place];
                if place.is_some() {
                    return Err(ChangeError::Entered { version: version.clone(), stage: stage.clone() });
                }
                *place = Some(entry.clone());
            }
            Self::Leave { version, stage } => {
                let place = place(line, stage)?;
                release(line, version)?.entries[place] = None;
            }
            Self::Hold { version, hold } => release(line, version)?.hold = Some(Box::new(hold.clone())),
            // The end of something that has not begun leaves no record.
            Self::Resume { version, ended } => {
                let release = release(line, version)?;
                if release.hold.take().is_some() {
                    release.past.get_or_insert_default().resumed.push(ended.clone());
                }
            }
            Self::Yank { version, yank } => release(line, version)?.yank = Some(Box::new(yank.clone())),
            Self::Unyank { version, ended } => {
                let release = release(line, version)?;
                if release.yank.take().is_some() {
                    release.past.get_or_insert_default().unyanked.push(ended.clone());
                }
            }
            Self::Unavailable { version, outages } => {
                let past = release(line, version)?.past.get_or_insert_default();
                past.unavailable.clone_from(outages);
            }
            Self::Pause { stage, pause, .. } => {
                let place = place(line, stage)?;
                line.stages[place].paused = Some(pause.clone());
            }
            Self::Unpause { stage, ended, .. } => {
                let place = place(line, stage)?;
                let stage = &mut line.stages[place];
                if stage.paused.take().is_some() {
                    stage.resumed.push(ended.clone());
                }
            }
            Self::Retire { retired, .. } => line.retired = Some(retired.clone()),
            Self::AddLine { .. } | Self::Loosen(_) => {}
        }
        Ok(())
    }

    fn loosen(&self, catalog: Catalog) -> Catalog {
        match self {
            Self::Loosen(loosened) => catalog.with_loosened([loosened.clone()]),
            _ => catalog,
        }
    }
}

fn release<'a>(line: &'a mut Line, version: &Version) -> Result<&'a mut Release, ChangeError> {
    line.releases.get_mut(version).ok_or_else(|| ChangeError::NoRelease(version.clone()))
}

fn place(line: &Line, stage: &StageName) -> Result<usize, ChangeError> {
    let missing = || ChangeError::NoStage { line: line.name.clone(), stage: stage.clone() };
    line.stage(stage).ok_or_else(missing)
}
