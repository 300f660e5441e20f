//! Automatic edits: turns a change in domain terms into the new text of one file.
//!
//! An edit changes only the lines that it must, and preserves comments, order, spacing, quotes and line
//! endings. The result is not trusted: before writing the new text, the caller parses it and checks that
//! the resulting catalog is exactly what [`Change::apply`] produces.

mod render;
mod scalar;
mod splice;

pub use scalar::scalar;
pub use splice::SpliceError;

use crate::domain::catalog::Catalog;
use crate::domain::change::{Change, ChangeError, Changed};
use crate::formats::yaml::{POLICY_PATH, line_path, release_path};

/// Why a change cannot be written to its file.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("`{file}` cannot be edited automatically")]
    Form { file: String, source: SpliceError },
    #[error("`{0}` already exists")]
    Exists(String),
    #[error("`{0}` not found")]
    Missing(String),
    #[error("`{0}` is not text")]
    NotText(String),
}

/// The new text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Relative to the catalog's folder, as in `1.8/line.yaml`.
    pub file: String,
    pub text: String,
}

/// Returns the file that a change is written to, relative to the catalog's folder.
///
/// # Errors
/// When the change names a release or line that the catalog does not have.
pub fn file(change: &Change, catalog: &Catalog) -> Result<String, ChangeError> {
    let Some(line) = change.changed().line(catalog)? else { return Ok(POLICY_PATH.to_owned()) };
    Ok(match change.changed() {
        Changed::NewRelease(_, version) => release_path(line, version),
        // The file is named after the catalog's spelling of the version.
        Changed::Release(version) => {
            let found = catalog.stoppable_release(version);
            let version = found.map_or(version, |(_, release)| &release.version);
            release_path(line, version)
        }
        Changed::Line(_) if catalog.stoppable(line).is_none() => {
            return Err(ChangeError::NoLine(line.clone()));
        }
        Changed::NewLine(_) | Changed::Line(_) | Changed::Policy => line_path(line),
    })
}

/// Returns the edit that makes a change. `old` returns the current bytes of a file, if it exists. Ending
/// something that has not begun, such as a hold, needs no edit: the result is `None`.
///
/// # Errors
/// When the change names something that the catalog does not have, or when the file is missing, already
/// exists or cannot be edited automatically.
pub fn edit<'a>(
    change: &Change,
    catalog: &Catalog,
    old: impl FnOnce(&str) -> Option<&'a [u8]>,
) -> Result<Option<Edit>, EditError> {
    let file = file(change, catalog)?;
    let new = match change {
        Change::AddLine { line, inherits_soak } => Some(render::line(line, *inherits_soak)),
        Change::Add { line: name, release } => {
            let line = catalog.line(name).ok_or_else(|| ChangeError::NoLine(name.clone()))?;
            Some(render::release(line, release))
        }
        _ => None,
    };
    if let Some(text) = new {
        return if old(&file).is_some() {
            Err(EditError::Exists(file))
        } else {
            Ok(Some(Edit { file, text }))
        };
    }
    // A catalog need not have a policy.
    let new = matches!(change, Change::Loosen(_)).then_some(&b"format: 1\n"[..]);
    let old = old(&file).or(new).ok_or_else(|| EditError::Missing(file.clone()))?;
    let old = str::from_utf8(old).map_err(|_| EditError::NotText(file.clone()))?;
    let text = match place(change) {
        Some((path, Some(value))) => splice::put(old, &path, &value),
        Some((path, None)) => splice::remove(old, &path),
        None => Ok(old.to_owned()),
    };
    let text = text.and_then(|text| match record(change) {
        Some((path, record)) => splice::append(&text, &path, &record),
        None => Ok(text),
    });
    match text {
        Ok(text) => Ok(Some(Edit { file, text })),
        Err(SpliceError::Absent(_)) => Ok(None),
        Err(source) => Err(EditError::Form { file, source }),
    }
}

/// Returns the text of a file that has nothing but a change, if the change sets a key. Such a file lacks keys
/// that it must have.
pub fn alone(change: &Change) -> Option<String> {
    let (path, value) = place(change)?;
    let (key, parents) = path.split_last()?;
    let pair = format!("{key}: {}", value?);
    Some(match parents {
        [] => format!("format: 1\n{pair}\n"),
        parents => format!("format: 1\n{}: {{ {pair} }}\n", parents.join(".")),
    })
}

/// Returns the path of the key that a change affects, and its new value, or no value if the change removes
/// the key. Returns `None` for a new line or release, which gets a file of its own, and for a record.
fn place(change: &Change) -> Option<(Vec<&str>, Option<String>)> {
    Some(match change {
        Change::AddLine { .. } | Change::Add { .. } | Change::Loosen(_) => return None,
        Change::Enter { stage, entry, .. } => (vec!["stages", stage.as_str()], Some(render::entry(entry))),
        Change::Leave { stage, .. } => (vec!["stages", stage.as_str()], None),
        Change::Hold { hold, .. } => (vec!["hold"], Some(render::event(hold))),
        Change::Resume { .. } => (vec!["hold"], None),
        Change::Yank { yank, .. } => (vec!["yank"], Some(render::yank(yank))),
        Change::Unyank { .. } => (vec!["yank"], None),
        Change::Unavailable { outages, .. } => (vec!["unavailable"], Some(render::outages(outages))),
        Change::Pause { stage, pause, .. } => (vec!["paused", stage.as_str()], Some(render::event(pause))),
        Change::Retire { retired, .. } => (vec!["retired"], Some(render::event(retired))),
        Change::Unpause { stage, .. } => (vec!["paused", stage.as_str()], None),
    })
}

/// Returns the path of the list to which a change adds a record, and the record.
fn record(change: &Change) -> Option<(Vec<&str>, String)> {
    Some(match change {
        Change::Resume { ended, .. } => (vec!["resumed"], render::ended(ended)),
        Change::Unyank { ended, .. } => (vec!["unyanked"], render::ended(ended)),
        Change::Unpause { stage, ended, .. } => (vec!["resumed", stage.as_str()], render::ended(ended)),
        Change::Loosen(loosened) => (vec!["loosened"], render::loosened(loosened)),
        Change::AddLine { .. }
        | Change::Add { .. }
        | Change::Enter { .. }
        | Change::Leave { .. }
        | Change::Hold { .. }
        | Change::Yank { .. }
        | Change::Unavailable { .. }
        | Change::Pause { .. }
        | Change::Retire { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
