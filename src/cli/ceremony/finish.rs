//! The end of a ceremony: what was signed is written into the catalog.

use std::io::Write;

use super::super::failure::{Hint, refuse};
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use crate::signing::ceremony::{Ceremony, Finished, Refused};
use crate::store::durable::{self, Batch, Mode};
use crate::store::lock::CatalogLock;
use crate::store::watch::git_way_out;

/// Writes what all have signed, while nobody else writes to the catalog.
/// Gives the paths.
pub fn finish(
    ceremony: &Ceremony,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Vec<String>> {
    let directory = workspace.directory()?;
    let _lock = CatalogLock::acquire(&workspace.catalog)?;
    if let Some(path) = directory.work_tree().and_then(|tree| tree.at_work()) {
        return Err(refuse(
            format!("git is at work on the catalog, as `{}` shows", path.display()),
            git_way_out(&path),
        ));
    }
    finish_locked(ceremony, workspace, terminal)
}

/// As [`finish`], for whoever has the lock already.
pub fn finish_locked(
    ceremony: &Ceremony,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Vec<String>> {
    let snapshot = workspace.directory()?.read(workspace.now())?;
    let manifest = |version: &_| snapshot.manifest(version).cloned();
    let finished = ceremony.finish(&snapshot.trust, &manifest, workspace.now());
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            let way = match way_out(&error) {
                // Nothing but releases were to be signed.
                _ if matches!(error, Refused::Stale { .. }) && ceremony.manifests().next().is_some() => {
                    "begin anew from what the catalog has now, with what began it: `tidegate release sign`, or `tidegate root change`; this file can be thrown away"
                }
                way => way,
            };
            return Err(error).hint(way);
        }
    };
    let present = finished.trust.iter().all(|(name, raw)| snapshot.trust.get(name) == Some(raw))
        && finished.manifests.iter().all(|(version, raw)| manifest(version).as_ref() == Some(raw));
    if present {
        terminal.note("unchanged: all of it is in the catalog already");
        return Ok(Vec::new());
    }
    write(&finished, workspace)?;
    let manifests = finished.manifests.keys().map(|version| format!("payloads/{version}/release.json"));
    let written: Vec<String> =
        manifests.chain(finished.trust.keys().map(|name| format!("trust/{name}"))).collect();
    for path in &written {
        terminal.note(format_args!("wrote `{path}`"));
    }
    terminal.note("next: publish the catalog as usual (a server that watches it does so by itself)");
    Ok(written)
}

/// Writes in an order in which every beginning of it does no harm: what is not listed or delegated
/// yet is ignored, and a server holds on to its last publication while the rest is missing.
fn write(finished: &Finished, workspace: &Workspace) -> anyhow::Result<()> {
    if !finished.manifests.is_empty() {
        let mut batch = Batch::default();
        for (version, raw) in &finished.manifests {
            let folder = workspace.payloads.join(version.to_string());
            durable::create_folder(&folder, Mode::Public)?;
            batch.fill(&folder.join("release.json"), Mode::Public, |file| file.write_all(raw))?;
        }
        batch.finish(&workspace.payloads)?;
    }
    let trust = workspace.catalog.join("trust");
    durable::create_folder(&trust, Mode::Public)?;
    let mut batch = Batch::default();
    let mut rest = finished.trust.clone();
    let top = rest.remove_entry("targets.json");
    for (name, raw) in rest.iter().chain(top.as_ref().map(|(name, raw)| (name, raw))) {
        batch.fill(&trust.join(name), Mode::Public, |file| file.write_all(raw))?;
    }
    batch.finish(&trust)?;
    Ok(())
}

fn way_out(error: &Refused) -> &'static str {
    match error {
        Refused::Unfinished(_) => {
            "pass the file on to those who are missing: `tidegate ceremony show FILE` names their keys"
        }
        Refused::Stale { .. } => {
            "begin anew from what the catalog has now: `tidegate root change`; this file can be thrown away"
        }
        Refused::Expired { .. } => "sign it for another term as well: `tidegate root change --renew ROLE`",
        Refused::Manifest { .. } => "put the payload folder back as it was, or sign the release again",
        _ => super::words::NEVER_SIGN,
    }
}
