//! Stopping something by hand, where no command can: its file is gone, or cannot be edited.

use std::path::Path;

use super::failure::hinted;
use super::shell::quoted;
use super::workspace::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::release::Yank;
use crate::domain::version::Version;
use crate::formats::edit;
use crate::formats::yaml::{line_path, release_path};
use crate::operations::{Author, Operation, Refused};
use crate::promoter::stored;
use crate::store::port::CommitError;

/// Adds to the error of a stop how to stop it all the same, if nothing but a file is in its way.
pub fn way_out(error: anyhow::Error, operation: &Operation, workspace: &Workspace) -> anyhow::Error {
    let Ok(view) = workspace.read() else { return error };
    let now = workspace.now();
    let is_unwritten = matches!(error.downcast_ref(), Some(CommitError::Edit(_) | CommitError::Unsafe(_)));
    let is_in_the_way = match operation.plan(&view.as_written(now), now) {
        Err(Refused::NoRelease(_) | Refused::NoChannel(_)) => true,
        planned => planned.is_ok() && is_unwritten,
    };
    match stop(operation, &view, workspace).filter(|_| is_in_the_way) {
        Some((file, text)) => hinted(error, command(&view.path(&file), &text)),
        None => error,
    }
}

/// The file that a stop belongs to, and the text of a file that has nothing but this stop. The server finds
/// it there, although the file has faults.
fn stop(operation: &Operation, view: &View, workspace: &Workspace) -> Option<(String, String)> {
    let event = |by: &Author, reason: &str| by.event(workspace.now(), reason);
    let (file, change) = match operation {
        Operation::Hold { version, reason, by } => {
            let hold = event(by, reason);
            let file = release_path(&line_of(version, view, workspace)?, version);
            (file, Change::Hold { version: version.clone(), hold })
        }
        Operation::Yank { version, to, reason, by } => {
            let yank = Yank { event: event(by, reason), to: to.clone() };
            let file = release_path(&line_of(version, view, workspace)?, version);
            (file, Change::Yank { version: version.clone(), yank })
        }
        Operation::Pause { channel, reason, by } => {
            let found = view.catalog.stoppable_channels(channel);
            let found = found.first().map(|found| (found.line.name.clone(), found.stage().name.clone()));
            let (line, stage) = found.or_else(|| {
                let last = stored::publication(&*workspace.state_store()).ok()??;
                let mut offers = last.offers().into_iter();
                let offer = offers.find(|one| one.channel == *channel || one.aliases.contains(channel))?;
                Some((offer.line, offer.stage))
            })?;
            (line_path(&line), Change::Pause { line, stage, pause: event(by, reason) })
        }
        _ => return None,
    };
    Some((file, edit::alone(&change)?))
}

/// The line of a release that is in the catalog or is published, or of a file that cannot be read.
fn line_of(version: &Version, view: &View, workspace: &Workspace) -> Option<LineName> {
    let found = view.catalog.stoppable_release(version).map(|(line, _)| line.name.clone());
    let published = || {
        let last = stored::publication(&*workspace.state_store()).ok()??;
        last.line_of_release(version).cloned()
    };
    let unread = || {
        let faults = &view.snapshot.reading.faults;
        let suffix = format!("/{version}.yaml");
        faults.iter().find_map(|fault| LineName::parse(fault.file.strip_suffix(&suffix)?).ok())
    };
    found.or_else(published).or_else(unread)
}

fn command(path: &Path, text: &str) -> String {
    let (file, folder) = (quoted(path), quoted(path.parent().unwrap_or(path)));
    let before = match path.symlink_metadata() {
        Ok(_) => format!("mv {file} {}", quoted(&path.with_extension("yaml.orig"))),
        Err(_) => format!("mkdir -p {folder}"),
    };
    let lines: Vec<String> = text.lines().map(|line| quoted(Path::new(line))).collect();
    format!(
        "write the stop into a file of its own, which counts although it has faults: `{before} && printf '%s\\n' {} > {file}`; put the rest of the file back later",
        lines.join(" ")
    )
}
