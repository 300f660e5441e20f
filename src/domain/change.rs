//! Changes to a catalog, in the words of the field: what a commit is made of.

use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::line::Line;
use super::release::{Entry, Event, Release, Yank};
use super::rules::{self, Broken};
use super::version::Version;

/// One change. Each names what it changes; a commit is a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new release.
    Add { line: LineName, release: Box<Release> },
    /// A release enters a stage: a promotion.
    Enter { version: Version, stage: StageName, entry: Entry },
    /// A release goes no further.
    Hold { version: Version, hold: Event },
    /// The end of a hold.
    Resume { version: Version },
    /// The end of a release's offer.
    Yank { version: Version, yank: Yank },
    /// The end of a yank.
    Unyank { version: Version },
    /// A channel takes in nothing.
    Pause { line: LineName, stage: StageName, pause: Event },
    /// Nothing new comes in a line any more. There is no way back.
    Retire { line: LineName, retired: Event },
    /// The end of a channel's pause.
    Unpause { line: LineName, stage: StageName },
}

/// Why a change does not fit a catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("release `{0}` is not in the catalog")]
    NoRelease(Version),
    #[error("line `{0}` is not in the catalog")]
    NoLine(LineName),
    #[error("line `{line}` has no stage `{stage}`")]
    NoStage { line: LineName, stage: StageName },
    #[error("release `{0}` is in the catalog already")]
    Exists(Version),
    #[error("release `{version}` has an entry for stage `{stage}` already")]
    Entered { version: Version, stage: StageName },
    /// The line would break rules of the catalog.
    #[error("line `{line}` would break a rule of the catalog")]
    Broken { line: LineName, broken: Vec<Broken> },
}

impl Change {
    /// The catalog after this change. A machine's edit of files must come out as exactly this.
    ///
    /// # Errors
    /// When the change names something that is not there, or is there already, and when the catalog
    /// would break a rule.
    pub fn apply(&self, mut catalog: Catalog) -> Result<Catalog, ChangeError> {
        let name = self.line(&catalog)?;
        let Some(line) = catalog.lines_mut().get_mut(&name) else { return Err(ChangeError::NoLine(name)) };
        self.make(line)?;
        let broken = rules::changed(line, self.version());
        if broken.is_empty() { Ok(catalog) } else { Err(ChangeError::Broken { line: name, broken }) }
    }

    /// The release that is changed, where it is not the line.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Add { release, .. } => Some(&release.version),
            Self::Enter { version, .. }
            | Self::Hold { version, .. }
            | Self::Resume { version }
            | Self::Yank { version, .. }
            | Self::Unyank { version } => Some(version),
            Self::Pause { .. } | Self::Unpause { .. } | Self::Retire { .. } => None,
        }
    }

    /// The line that is changed.
    fn line(&self, catalog: &Catalog) -> Result<LineName, ChangeError> {
        match self {
            Self::Add { line, .. }
            | Self::Pause { line, .. }
            | Self::Unpause { line, .. }
            | Self::Retire { line, .. } => Ok(line.clone()),
            Self::Enter { version, .. }
            | Self::Hold { version, .. }
            | Self::Resume { version }
            | Self::Yank { version, .. }
            | Self::Unyank { version } => {
                let found = catalog.release(version).map(|(line, _)| line.name.clone());
                found.ok_or_else(|| ChangeError::NoRelease(version.clone()))
            }
        }
    }

    fn make(&self, line: &mut Line) -> Result<(), ChangeError> {
        match self {
            Self::Add { release, .. } => {
                if line.releases.contains_key(&release.version) {
                    return Err(ChangeError::Exists(release.version.clone()));
                }
                let mut release = (**release).clone();
                release.entries.resize(line.stages.len(), None);
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
            Self::Hold { version, hold } => release(line, version)?.hold = Some(hold.clone()),
            Self::Resume { version } => release(line, version)?.hold = None,
            Self::Yank { version, yank } => release(line, version)?.yank = Some(yank.clone()),
            Self::Unyank { version } => release(line, version)?.yank = None,
            Self::Pause { stage, pause, .. } => {
                let place = place(line, stage)?;
                line.stages[place].paused = Some(pause.clone());
            }
            Self::Unpause { stage, .. } => {
                let place = place(line, stage)?;
                line.stages[place].paused = None;
            }
            Self::Retire { retired, .. } => line.retired = Some(retired.clone()),
        }
        Ok(())
    }
}

fn release<'a>(line: &'a mut Line, version: &Version) -> Result<&'a mut Release, ChangeError> {
    line.releases.get_mut(version).ok_or_else(|| ChangeError::NoRelease(version.clone()))
}

fn place(line: &Line, stage: &StageName) -> Result<usize, ChangeError> {
    let missing = || ChangeError::NoStage { line: line.name.clone(), stage: stage.clone() };
    line.stage(stage).ok_or_else(missing)
}
