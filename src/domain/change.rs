//! Changes to a catalog, in the words of the field: what a commit is made of.

use super::catalog::Catalog;
use super::channel::{LineName, StageName};
use super::release::{Entry, Event, Release, Yank};
use super::version::Version;

/// One change. Each names what it changes; a commit is a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new release.
    Add {
        line: LineName,
        release: Box<Release>,
    },
    /// A release enters a stage: a promotion.
    Enter {
        version: Version,
        stage: StageName,
        entry: Entry,
    },
    Hold {
        version: Version,
        hold: Event,
    },
    /// The end of a hold.
    Resume {
        version: Version,
    },
    Yank {
        version: Version,
        yank: Yank,
    },
    /// The end of a yank.
    Unyank {
        version: Version,
    },
    Pause {
        line: LineName,
        stage: StageName,
        pause: Event,
    },
    /// Nothing new comes in a line any more. There is no way back.
    Retire {
        line: LineName,
        retired: Event,
    },
    /// The end of a channel's pause.
    Unpause {
        line: LineName,
        stage: StageName,
    },
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
}

impl Change {
    /// The catalog after this change. A machine's edit of files must come out as exactly this.
    ///
    /// # Errors
    /// When the change names something that is not there, or is there already.
    pub fn apply(&self, catalog: Catalog) -> Result<Catalog, ChangeError> {
        let mut lines = catalog.into_lines();
        match self {
            Self::Add { line, release } => {
                let line = lines.get_mut(line).ok_or_else(|| ChangeError::NoLine(line.clone()))?;
                if line.releases.contains_key(&release.version) {
                    return Err(ChangeError::Exists(release.version.clone()));
                }
                line.releases.insert(release.version.clone(), (**release).clone());
            }
            Self::Enter { version, stage, entry } => {
                let line = lines
                    .values_mut()
                    .find(|line| line.releases.contains_key(version))
                    .ok_or_else(|| ChangeError::NoRelease(version.clone()))?;
                let index = line
                    .stage(stage)
                    .ok_or_else(|| ChangeError::NoStage { line: line.name.clone(), stage: stage.clone() })?;
                let Some(release) = line.releases.get_mut(version) else {
                    return Err(ChangeError::NoRelease(version.clone()));
                };
                if release.entries[index].is_some() {
                    return Err(ChangeError::Entered { version: version.clone(), stage: stage.clone() });
                }
                release.entries[index] = Some(entry.clone());
            }
            Self::Hold { version, hold } => {
                release(&mut lines, version)?.hold = Some(hold.clone());
            }
            Self::Resume { version } => release(&mut lines, version)?.hold = None,
            Self::Yank { version, yank } => {
                release(&mut lines, version)?.yank = Some(yank.clone());
            }
            Self::Unyank { version } => release(&mut lines, version)?.yank = None,
            Self::Pause { line, stage: name, pause } => {
                stage(&mut lines, line, name)?.paused = Some(pause.clone());
            }
            Self::Retire { line, retired } => {
                let line = lines.get_mut(line).ok_or_else(|| ChangeError::NoLine(line.clone()))?;
                line.retired = Some(retired.clone());
            }
            Self::Unpause { line, stage: name } => stage(&mut lines, line, name)?.paused = None,
        }
        Ok(Catalog::new(lines.into_values()))
    }
}

type Lines = std::collections::BTreeMap<LineName, super::line::Line>;

fn release<'a>(lines: &'a mut Lines, version: &Version) -> Result<&'a mut Release, ChangeError> {
    lines
        .values_mut()
        .find_map(|line| line.releases.get_mut(version))
        .ok_or_else(|| ChangeError::NoRelease(version.clone()))
}

fn stage<'a>(
    lines: &'a mut Lines,
    line: &LineName,
    name: &StageName,
) -> Result<&'a mut super::line::Stage, ChangeError> {
    let found = lines.get_mut(line).ok_or_else(|| ChangeError::NoLine(line.clone()))?;
    let index =
        found.stage(name).ok_or_else(|| ChangeError::NoStage { line: line.clone(), stage: name.clone() })?;
    Ok(&mut found.stages[index])
}
