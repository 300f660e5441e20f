//! `tidegate export`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use super::failure::{Hint, refuse};
use super::table::{counted, pairs};
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::payload::Payload;
use crate::domain::rfc3339;
use crate::formats::images::images;
use crate::formats::tuf::names::TIMESTAMP_PATH;
use crate::promoter::stored;
use crate::publish::Publication;
use crate::publish::publication::TufFile;
use crate::store::durable::{self, Batch, Mode, present};
use crate::store::payloads::digest;
use crate::store::port::PayloadStore;

/// Write the whole service as files, for any web server, bucket or medium
///
/// Writes what this server last published into DIR: the TUF repository with all manifests and
/// payloads under `tuf/`, and the signed manifests under `v1/` as well. A second run writes only what
/// changed. Clients need nothing else: `tidegate cluster add --server`, `tidegate import` and every
/// TUF client use it as they use the server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate export /srv/mirror
  tidegate export /media/stick --prune --output json")]
pub struct Args {
    /// The folder to write the files to
    dir: PathBuf,
    /// Remove files of earlier exports that nothing refers to any more; without this flag, clients in the
    /// middle of an update still find them
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, Default, Serialize)]
struct Body {
    version: u64,
    /// When the export expires (RFC 3339). After that, only clients that accept expired documents use it.
    valid_until: String,
    files: usize,
    written: usize,
    /// The size of the written files, in bytes.
    written_size: u64,
    pruned: usize,
    /// The container images that the payloads name, sorted.
    images: Vec<String>,
    /// Payloads that were not searched for images because they are not JSON.
    unread: Vec<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = workspace.now();
    let publication = stored::publication(&*workspace.state_store())?.ok_or_else(|| {
        refuse(
            format!("nothing was published from `{}` yet", workspace.state.display()),
            "name the server's state folder with `--state DIR`, or start the server once: `tidegate serve`",
        )
    })?;
    if publication.expires <= now {
        return Err(refuse(
            format!(
                "the last publication expired at {}: no client would accept it",
                rfc3339(publication.expires)
            ),
            "start the server, which renews it: `tidegate serve`",
        ));
    }
    let (mut body, kept) = write(&args.dir, &publication, &*workspace.payload_store())?;
    if args.prune {
        body.pruned = prune(&args.dir, &kept)?;
    }
    terminal.show(&body, || {
        let mut words = pairs(&[
            ("mirror", format!("{} of version {}", counted(body.files, "file"), body.version)),
            ("written", format!("{}, {} bytes", counted(body.written, "file"), body.written_size)),
            ("valid until", format!("{}: export again before that", body.valid_until)),
            ("images", format!("{} named by payloads, in `images.txt`", body.images.len())),
        ]);
        if args.prune {
            words += &pairs(&[("pruned", counted(body.pruned, "file"))]);
        }
        words
    })?;
    for payload in &body.unread {
        terminal.note(format_args!("note: payload `{payload}` is not JSON: its images are not listed"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes each file that is missing or has changed. Files that never change come first; the timestamp,
/// which refers to all others, comes last. Returns what was done, and every file of the mirror.
fn write(
    dir: &Path,
    publication: &Publication,
    payloads: &dyn PayloadStore,
) -> anyhow::Result<(Body, BTreeSet<PathBuf>)> {
    let (version, valid_until) = (publication.version, rfc3339(publication.expires));
    let mut body = Body { version, valid_until, ..Body::default() };
    let mut kept = BTreeSet::new();
    durable::create_folder(dir, Mode::Keep)?;
    let mut batch = Batch::default();
    for (path, file) in publication.files().filter(|(path, _)| path != TIMESTAMP_PATH) {
        let to = dir.join("tuf").join(&path);
        let size = match file {
            TufFile::Document(document) => document.identity.len() as u64,
            TufFile::Payload(payload) => payload.size,
        };
        // A target's name contains its digest, and a target gets its name only once it is complete, so its
        // size is enough. A role's name contains only its version, which another repository may also have.
        let is_same = fs::symlink_metadata(&to).is_ok_and(|found| found.is_file() && found.len() == size)
            && match file {
                TufFile::Document(document) if path.starts_with("metadata/") => {
                    holds(&to, &document.identity)
                }
                TufFile::Document(_) | TufFile::Payload(_) => true,
            };
        if !is_same {
            durable::create_folder(to.parent().unwrap_or(dir), Mode::Keep)?;
            batch.fill(&to, Mode::Keep, |out| match file {
                TufFile::Document(document) => out.write_all(&document.identity),
                TufFile::Payload(payload) => copy(payloads, payload, out),
            })?;
            body.written += 1;
            body.written_size += size;
        }
        kept.insert(to);
    }
    batch.finish(dir)?;

    (body.images, body.unread) = named_images(publication, payloads)?;
    let list = body.images.iter().fold(String::new(), |list, image| list + image + "\n");
    for (path, bytes) in [("images.txt".to_owned(), list.into())].into_iter().chain(changing(publication)) {
        let to = dir.join(path);
        if !holds(&to, &bytes) {
            durable::create_folder(to.parent().unwrap_or(dir), Mode::Keep)?;
            durable::write(&to, &bytes, Mode::Keep)?;
            body.written += 1;
            body.written_size += bytes.len() as u64;
        }
        kept.insert(to);
    }
    body.files = kept.len();
    Ok((body, kept))
}

fn holds(file: &Path, bytes: &[u8]) -> bool {
    fs::read(file).is_ok_and(|found| found == bytes)
}

/// The documents whose paths stay the same when they change, in the order in which to write them.
fn changing(publication: &Publication) -> impl Iterator<Item = (String, Bytes)> {
    let releases =
        publication.manifests().map(|(version, manifest)| (format!("v1/releases/{version}"), manifest));
    let channels = publication
        .channel_names()
        .filter_map(|name| Some((format!("v1/channels/{name}"), publication.channel(name)?)));
    let index = ("v1/channels/index.json".to_owned(), &*publication.channels);
    let timestamp = publication.files().filter_map(|(path, file)| match file {
        TufFile::Document(document) if path == TIMESTAMP_PATH => Some((format!("tuf/{path}"), &**document)),
        TufFile::Document(_) | TufFile::Payload(_) => None,
    });
    let all = releases.chain(channels).chain([index]).chain(timestamp);
    all.map(|(path, document)| (path, document.identity.clone()))
}

/// Copies a payload, and checks its digest again.
fn copy(payloads: &dyn PayloadStore, payload: &Payload, to: &mut fs::File) -> io::Result<()> {
    io::copy(&mut payloads.open(&payload.sha256, 0..payload.size)?.bytes, to)?;
    to.rewind()?;
    if digest(to)?.0 == payload.sha256 {
        return Ok(());
    }
    let file = &payload.file;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the copy of `{file}` in the state folder is damaged: remove it, and start the server"),
    ))
}

/// Returns the container images that the payloads name, and the payloads that are not JSON.
fn named_images(
    publication: &Publication,
    payloads: &dyn PayloadStore,
) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut all, mut unread, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (_, payload) in publication.payloads() {
        if !seen.insert(payload.sha256) {
            continue;
        }
        let mut bytes = Vec::new();
        payloads
            .open(&payload.sha256, 0..payload.size)
            .and_then(|mut copy| copy.bytes.read_to_end(&mut bytes))
            .with_context(|| format!("cannot read the copy of payload `{}`", payload.file))
            .hint("start the server once, which copies the payloads that it serves")?;
        match images(&bytes) {
            Some(found) => all.extend(found),
            None => drop(unread.insert(payload.file.clone())),
        }
    }
    Ok((all.into_iter().collect(), unread.into_iter().collect()))
}

/// Removes files of earlier exports that nothing refers to any more.
fn prune(dir: &Path, kept: &BTreeSet<PathBuf>) -> anyhow::Result<usize> {
    let mut pruned = 0;
    for folder in ["tuf/metadata", "tuf/targets", "v1/channels", "v1/releases"] {
        let folder = dir.join(folder);
        let read = || format!("cannot read `{}`", folder.display());
        for entry in present(fs::read_dir(&folder)).with_context(read)?.into_iter().flatten() {
            let path = entry.with_context(read)?.path();
            if path.is_file() && !kept.contains(&path) {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
                pruned += 1;
            }
        }
    }
    Ok(pruned)
}
