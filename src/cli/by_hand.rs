//! Stopping something by hand, where no command can: its file is gone, or cannot be edited.

use std::iter;
use std::path::{Path, PathBuf};

use super::failure::hinted;
use super::shell::quoted;
use super::workspace::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::channel::{LineName, StageName};
use crate::domain::release::Yank;
use crate::domain::version::Version;
use crate::formats::edit;
use crate::formats::yaml::{line_path, release_path};
use crate::operations::{Author, Operation, Refused};
use crate::promoter::stored;
use crate::store::port::CommitError;

/// Adds to the error of a stop how to stop it all the same, if nothing but a file is in its way.
pub fn way_out(error: anyhow::Error, operation: &Operation, workspace: &Workspace) -> anyhow::Error {
    let Ok(view) = workspace.read_about(operation.topic().as_ref()) else { return error };
    let now = workspace.now();
    let is_unwritten = matches!(error.downcast_ref(), Some(CommitError::Edit(_) | CommitError::Unsafe(_)));
    let is_in_the_way = match operation.plan(&view.as_written(now), now) {
        Err(Refused::NoRelease(_) | Refused::NoChannel(_)) => true,
        planned => planned.is_ok() && is_unwritten,
    };
    // A good file stays where it is. If it cannot be edited, the error says how to do that by hand.
    let is_good = |file: &str, path: &Path| {
        path.symlink_metadata().is_ok() && view.snapshot.reading.faults.iter().all(|fault| fault.file != file)
    };
    let stops = if is_in_the_way { stops(operation, &view, workspace) } else { None };
    let stops = stops.into_iter().flatten().map(|(file, text)| (view.path(&file), file, text));
    let commands: Vec<String> = stops
        .filter(|(path, file, _)| !is_good(file, path))
        .map(|(path, _, text)| format!("`{}`", command(&path, &text)))
        .collect();
    if commands.is_empty() {
        return error;
    }
    let hint = format!(
        "write the stop into a file of its own, which counts although it has faults: {}; put the rest of the file back later",
        commands.join(" and ")
    );
    hinted(error, hint)
}

/// The files that a stop belongs to, and for each the text of a file that has nothing but this stop. The server
/// finds it there, although the file has faults.
fn stops(operation: &Operation, view: &View, workspace: &Workspace) -> Option<Vec<(String, String)>> {
    let event = |by: &Author, reason: &str| by.event(workspace.now(), reason);
    let changes = match operation {
        Operation::Hold { version, reason, by } => {
            let hold = event(by, reason);
            vec![(file_of(version, view, workspace)?, Change::Hold { version: version.clone(), hold })]
        }
        Operation::Yank { version, to, reason, by } => {
            let yank = Yank { event: event(by, reason), to: to.clone() };
            vec![(file_of(version, view, workspace)?, Change::Yank { version: version.clone(), yank })]
        }
        Operation::Pause { channel, reason, by } => {
            let found = view.catalog.stoppable_channels(channel).into_iter();
            let mut found: Vec<_> =
                found.map(|one| (one.line.name.clone(), one.stage().name.clone())).collect();
            if found.is_empty() {
                let last = stored::publication(&*workspace.state_store()).ok()??;
                let mut offers = last.offers().into_iter();
                let offer = offers.find(|one| one.channel == *channel || one.aliases.contains(channel));
                // An alias can look like the name of a stage's channel.
                let is_stage = |(line, stage): &(&LineName, StageName)| match view.catalog.stoppable(line) {
                    Some(line) => line.stage(stage).is_some(),
                    None => StageName::DEFAULT.contains(&stage.as_str()),
                };
                let unreadable = || {
                    let (line, stage) = last.lost_stage(channel).filter(is_stage)?;
                    Some((line.clone(), stage))
                };
                found.push(offer.map(|offer| (offer.line, offer.stage)).or_else(unreadable)?);
            }
            let pause =
                |(line, stage)| (line_path(&line), Change::Pause { line, stage, pause: event(by, reason) });
            found.into_iter().map(pause).collect()
        }
        _ => return None,
    };
    changes.into_iter().map(|(file, change)| Some((file, edit::alone(&change)?))).collect()
}

/// The file of a release that is in the catalog or is published, or that cannot be read.
fn file_of(version: &Version, view: &View, workspace: &Workspace) -> Option<String> {
    let found = view.catalog.stoppable_release(version);
    let found = found.map(|(line, release)| release_path(&line.name, &release.version));
    let unread = || {
        let stem = |file: &str| Version::parse(file.rsplit_once('/')?.1.strip_suffix(".yaml")?).ok();
        let mut files = view.snapshot.reading.faults.iter().map(|fault| &fault.file);
        files.find(|file| stem(file).as_ref() == Some(version)).cloned()
    };
    let published = || {
        let last = stored::publication(&*workspace.state_store()).ok()??;
        Some(release_path(last.line_of_release(version)?, version))
    };
    found.or_else(unread).or_else(published)
}

fn command(path: &Path, text: &str) -> String {
    let (file, folder) = (quoted(path), quoted(path.parent().unwrap_or(path)));
    let before = match path.symlink_metadata() {
        Ok(_) => format!("mv -n {file} {}", quoted(&free_name(path))),
        Err(_) => format!("mkdir -p {folder}"),
    };
    let lines: Vec<String> = text.lines().map(|line| quoted(Path::new(line))).collect();
    format!("{before} && printf '%s\\n' {} > {file}", lines.join(" "))
}

/// A name beside a file that no file has yet, and under which the catalog leaves it out.
fn free_name(path: &Path) -> PathBuf {
    let names = iter::once("yaml.orig".to_owned()).chain((2..).map(|n| format!("yaml.{n}.orig")));
    let mut free = names.map(|end| path.with_extension(end));
    free.find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| path.with_extension("yaml.orig"))
}
