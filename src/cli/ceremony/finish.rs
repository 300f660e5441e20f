//! The end of a ceremony: what was signed is written into the catalog.

use std::io::Write;

use super::super::failure::{Hint, refuse};
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use super::{retirement, words};
use crate::signing::ceremony::{Ceremony, Files};
use crate::store::directory::Snapshot;
use crate::store::durable::{self, Batch, Mode};
use crate::store::lock::CatalogLock;
use crate::store::watch::git_way_out;

/// Keeps other writers away from the catalog; refuses while git writes to it.
pub fn lock(workspace: &Workspace) -> anyhow::Result<CatalogLock> {
    let directory = workspace.directory()?;
    let lock = CatalogLock::acquire(&workspace.catalog)?;
    match directory.work_tree().and_then(|tree| tree.at_work()) {
        Some(path) => Err(refuse(
            format!("git is at work on the catalog, as `{}` shows", path.display()),
            git_way_out(&path),
        )),
        None => Ok(lock),
    }
}

/// Finishes a ceremony: writes what was signed, and retires the line that ends with it. Returns the
/// paths that were written.
pub fn finish(
    ceremony: &Ceremony,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Vec<String>> {
    let lock = lock(workspace)?;
    let snapshot = workspace.directory()?.read(workspace.now())?;
    let written = install(ceremony, &snapshot, workspace)?;
    drop(lock);
    for path in &written {
        terminal.note(format_args!("wrote `{path}`"));
    }
    terminal.note(if written.is_empty() {
        "unchanged: the catalog already has all of it"
    } else {
        "next: publish the catalog as usual (a server that watches it does so by itself)"
    });
    // A run that was cut short before this is completed by the next.
    if let Some(retires) = ceremony.retires() {
        retirement::retire(retires, workspace, terminal)?;
    }
    Ok(written)
}

/// Writes what was signed into the catalog, under a [`lock`] and over what `snapshot` found there.
/// Returns the paths in the order in which they were written; none if everything was there before.
pub fn install(
    ceremony: &Ceremony,
    snapshot: &Snapshot,
    workspace: &Workspace,
) -> anyhow::Result<Vec<String>> {
    let manifest = |version: &_| snapshot.manifest(version).cloned();
    let finished = match ceremony.finish(&snapshot.trust, &manifest, workspace.now()) {
        Ok(finished) => finished,
        Err(error) => {
            let hint = words::finish_hint(&error, ceremony);
            return Err(error).hint(hint);
        }
    };
    let present = finished.trust.iter().all(|(name, raw)| snapshot.trust.get(name) == Some(raw))
        && finished.manifests.iter().all(|(version, raw)| manifest(version).as_ref() == Some(raw));
    if present {
        return Ok(Vec::new());
    }
    // Wherever a run is cut short, no client notices: a manifest that is not listed yet and a role that
    // is not delegated yet are ignored, and a catalog without its first root is founded again.
    let mut written = Vec::new();
    if !finished.manifests.is_empty() {
        let mut batch = Batch::default();
        for (version, raw) in &finished.manifests {
            let folder = workspace.payloads.join(version.to_string());
            durable::create_folder(&folder, Mode::Public)?;
            batch.fill(&folder.join("release.json"), Mode::Public, |file| file.write_all(raw))?;
            written.push(format!("payloads/{version}/release.json"));
        }
        batch.finish(&workspace.payloads)?;
    }
    let trust = workspace.catalog.join("trust");
    durable::create_folder(&trust, Mode::Public)?;
    let mut batch = Batch::default();
    for (name, raw) in roles_first(&finished.trust) {
        batch.fill(&trust.join(name), Mode::Public, |file| file.write_all(raw))?;
        written.push(format!("trust/{name}"));
    }
    batch.finish(&trust)?;
    Ok(written)
}

/// The roles of lines, then the top targets role, then the root.
fn roles_first(files: &Files) -> Vec<(&String, &bytes::Bytes)> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|(name, _)| (name.ends_with(".root.json"), *name == "targets.json"));
    files
}
