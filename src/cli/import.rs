//! `tidegate import`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use serde::Serialize;

use super::failure::{Hint, refuse};
use super::recover::offers;
use super::table::{counted, pairs};
use super::terminal::Terminal;
use super::time;
use super::verify::source::{Source, own_root};
use super::workspace::Workspace;
use crate::domain::payload::Payload;
use crate::domain::{Time, rfc3339};
use crate::formats::tuf::{Root, names};
use crate::promoter::stored;
use crate::publish::Publication;
use crate::publish::continuity::check_follows;
use crate::publish::restore::{made, restore};
use crate::signing::Signed;
use crate::store::durable::{self, Mode};
use crate::store::plain;
use crate::store::port::Incoming;

/// Import an export of another server, for `serve --mirror`
///
/// Verifies every signature and every payload of an export, starting from a root that you already trust,
/// and refuses an export that is older than the last import. `serve --mirror` on the same state folder
/// serves the import at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate import /media/stick --root 1.root.json     # the first time
  tidegate import /media/stick
  tidegate serve --mirror")]
pub struct Args {
    /// The folder that `tidegate export` wrote
    dir: PathBuf,
    /// The root that you trust; by default the one of the last import
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Accept an export that expired at most this long ago, for networks that rarely get a new one; an
    /// export that is older than the last import is still refused
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    stale_ok: Option<TimeDelta>,
}

#[derive(Debug, Serialize)]
struct Body {
    imported: bool,
    /// How many payloads were copied: those that are new, and those whose copy here was damaged.
    copied: usize,
    version: u64,
    /// RFC 3339.
    valid_until: String,
    expired: bool,
    channels: usize,
    releases: usize,
    payloads: usize,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = workspace.now();
    if workspace.online_key_path().exists() {
        return Err(not_a_mirror(workspace));
    }
    let state = workspace.state_store();
    let before = stored::publication(&*state)?;
    if before.is_some() && !workspace.is_mirror() {
        return Err(not_a_mirror(workspace));
    }
    let root = match &before {
        // Ignore `--root`, because keys that were replaced before the last import must not come back.
        Some(before) => before.root().clone(),
        None => root(args, workspace)?,
    };
    let inner = "tuf";
    if !args.dir.join(inner).is_dir() {
        return Err(refuse(
            format!("`{}` has no folder `tuf`", args.dir.display()),
            "name the folder of an export",
        ));
    }
    let source = Source::Folder(args.dir.clone(), inner);
    let mut publication = restore(&root, accepted(args, made(&source)?, now), &source)
        .with_context(|| format!("`{}` was not imported: nothing was changed", args.dir.display()))?;
    source.check_roots(publication.root().signed().version)?;
    publication.find_payloads(|path| args.dir.join(inner).join(path).exists());
    let publication = &publication;
    // Not before: an import that is refused leaves nothing behind.
    let _lease = state.lease()?;
    let before = stored::publication(&*state)?;
    if let Some(before) = &before {
        check_follows(before, publication).with_context(|| {
            format!("`{}` is older than the last import, and was not imported", args.dir.display())
        })?;
    }

    let unusable = || format!("`{}` was not imported", args.dir.display());
    let mut files = Vec::new();
    for (path, &Payload { sha256, size, .. }) in publication.payload_files() {
        let path = Path::new(inner).join(path);
        plain::check_below(&args.dir, &path).with_context(unusable)?;
        files.push(Incoming { path: args.dir.join(path), sha256, size });
    }
    let payloads = workspace.payload_store();
    let copied = payloads.put(&files).with_context(unusable).hint(
        "the export is incomplete or damaged: export again on the server, which replaces damaged files, and carry it here again",
    )?;
    // What an earlier version stored may lack the answers by architecture.
    let is_whole = |before: &Publication| before.lost_lines().next().is_none() && before.has_arches();
    let imported = !before.is_some_and(|before| before.version == publication.version && is_whole(&before));
    if imported {
        durable::write(&workspace.imported_root(), publication.root().raw(), Mode::Private)?;
        stored::store(&*state, publication)?;
    }
    let body = Body {
        imported,
        copied,
        version: publication.version,
        valid_until: rfc3339(publication.expires),
        expired: publication.expires <= now,
        channels: publication.channel_names().count(),
        releases: publication.releases(),
        payloads: files.len(),
    };
    terminal.show(&body, || {
        let done = match (imported, copied) {
            (true, _) => "imported".to_owned(),
            (false, 0) => "nothing to do: this export was imported already".to_owned(),
            (false, _) => {
                format!("{} restored; this export was imported already", counted(copied, "damaged payload"))
            }
        };
        pairs(&[
            ("mirror", done),
            ("version", body.version.to_string()),
            ("valid until", body.valid_until.clone()),
            (
                "offers",
                format!("{}, {}", offers(body.channels, body.releases), counted(body.payloads, "payload")),
            ),
        ])
    })?;
    if body.expired {
        terminal.note("warning: the export has expired, so only clusters with `--stale-ok` accept it");
    }
    Ok(ExitCode::SUCCESS)
}

/// The time at which the export must have been valid.
fn accepted(args: &Args, made: Option<Time>, now: Time) -> Time {
    let oldest = args.stale_ok.and_then(|stale| now.checked_sub_signed(stale));
    match (oldest, made) {
        (Some(oldest), Some(made)) => made.clamp(oldest, now.max(oldest)),
        _ => now,
    }
}

/// The error for the state folder of a server that signs.
pub fn not_a_mirror(workspace: &Workspace) -> anyhow::Error {
    refuse(
        format!(
            "`{}` is the state folder of a server that signs: what is published there was not imported",
            workspace.state.display()
        ),
        "name another folder for the mirror with `--state DIR`",
    )
}

/// Returns the root that the user named, or else that of the last import, or else the catalog's.
fn root(args: &Args, workspace: &Workspace) -> anyhow::Result<Signed<Root>> {
    let kept = workspace.imported_root();
    let path = args.root.as_deref().or(kept.is_file().then_some(&kept));
    own_root(path, &workspace.catalog)?.ok_or_else(|| {
        let brought = args.dir.join("tuf").join(names::metadata_path("root", 1));
        refuse(
            "there is no root here to verify the export with",
            format!(
                "get the vendor's `1.root.json` in a way that you trust, and name it with `--root FILE`; do not trust the one in `{}`, which anyone could have put on the medium",
                brought.display()
            ),
        )
    })
}
