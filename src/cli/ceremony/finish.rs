//! Finishes a ceremony: writes the signed documents to the catalog.

use super::super::failure::Hint;
use super::super::operation;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use super::words;
use crate::formats::tuf::names;
use crate::operations::{Author, Operation};
use crate::signing::ceremony::{Ceremony, Retirement};
use crate::store::port::{Snapshot, roles_first};

/// Finishes a ceremony: writes the signed documents, and retires a line if that is what the ceremony is
/// for. Returns the paths that were written.
pub fn finish(
    ceremony: &Ceremony,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Vec<String>> {
    let retire = ceremony.retires().map(retire).transpose()?;
    if let Some(retire) = &retire {
        // Before anything is written: releases may have been added since the ceremony began.
        drop(operation::plan(retire, &workspace.read()?, workspace)?);
    }
    let exclusive = workspace.store()?.exclusive()?;
    let snapshot = workspace.store()?.read(workspace.now())?;
    let written = install(ceremony, &snapshot, workspace)?;
    drop(exclusive);
    for path in &written {
        terminal.note(format_args!("wrote `{path}`"));
    }
    terminal.note(if written.is_empty() {
        "unchanged: the catalog already has everything in the ceremony"
    } else {
        "next: publish the catalog as usual (a server that watches it publishes automatically)"
    });
    // If a run is interrupted before it retires the line, the next run does so.
    if let Some(retire) = &retire {
        operation::run(retire, workspace, terminal)?;
    }
    Ok(written)
}

fn retire(retirement: &Retirement) -> anyhow::Result<Operation> {
    let Retirement { line, by, reason, leave_behind } = retirement;
    let by = Author::named(by).map_err(|refused| operation::refusal(&refused))?;
    Ok(Operation::Retire { line: line.clone(), reason: reason.clone(), by, leave_behind: *leave_behind })
}

/// Writes the signed documents to the catalog. `snapshot` must have been read while nobody else could
/// write. Returns the paths in the order in which they were written; none if everything was there already.
pub fn install(
    ceremony: &Ceremony,
    snapshot: &Snapshot,
    workspace: &Workspace,
) -> anyhow::Result<Vec<String>> {
    let finished = ceremony.finish(&snapshot.trust, &workspace.manifests(snapshot), workspace.now());
    let mut finished = finished.hint_with(|error| words::finish_hint(error, ceremony))?;
    // An index often stays as it is when its role is signed again.
    finished
        .trust
        .retain(|name, raw| !name.starts_with(names::INDEX) || snapshot.trust.get(name) != Some(raw));
    let present = finished.trust.iter().all(|(name, raw)| snapshot.trust.get(name) == Some(raw))
        && finished.manifests.iter().all(|(version, raw)| {
            snapshot.manifest(version).is_ok_and(|present| present.as_ref() == Some(raw))
        });
    if present {
        return Ok(Vec::new());
    }
    workspace.store()?.put(&finished.manifests, &finished.trust)?;
    let manifests = finished.manifests.keys().map(|version| format!("payloads/{version}/release.json"));
    Ok(manifests.chain(roles_first(&finished.trust).map(|(name, _)| format!("trust/{name}"))).collect())
}
