//! `tidegate export`.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use super::failure::{Hint, refuse};
use super::table::{counted, pairs};
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::channel::ChannelName;
use crate::domain::payload::Payload;
use crate::domain::payload::Sha256;
use crate::domain::rfc3339;
use crate::domain::version::Version;
use crate::formats::images::images;
use crate::formats::tuf::names::{TIMESTAMP_PATH, TargetName, role_at};
use crate::promoter::stored;
use crate::publish::Publication;
use crate::publish::publication::TufFile;
use crate::store::durable::{self, Batch, Mode, present};
use crate::store::payloads::{self, digest};
use crate::store::plain;
use crate::store::port::PayloadStore;

/// The folders of an export.
const FOLDERS: [&str; 6] = ["tuf", "tuf/metadata", "tuf/targets", "v1", "v1/channels", "v1/releases"];

/// What to do if the copy of a payload cannot be used.
const COPY_AGAIN: &str = "start the server once, which copies the payloads that it serves; on a mirror, import the last export again";

/// The largest payload that is searched for images. A list of manifests is much smaller, and a disk image
/// is not JSON.
const MAX_SEARCHED: u64 = 64 * 1024 * 1024;

/// Write the whole service as files, for any web server, bucket or medium
///
/// Writes what this server last published into DIR: the TUF repository with all manifests and
/// payloads under `tuf/`, and the signed manifests under `v1/` as well. A second run writes only what
/// changed or was damaged. Clients need nothing else: `tidegate cluster add --server`, `tidegate import` and every
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
    /// Files whose names are too long for a file system, so that they were not written.
    unnamed: Vec<String>,
    /// Payloads that were not searched for images because they are not JSON, or are larger than 64 MiB.
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
    if let Some((line, why)) = publication.lost_lines().next() {
        return Err(refuse(
            format!("what was published of line `{line}` is lost, so an export would lack it: {why}"),
            "restore it with `tidegate recover`, start the server, and export again",
        ));
    }
    check_place(&args.dir, workspace)?;
    durable::create_folder(&args.dir, Mode::Keep)?;
    let _lock = locked(&args.dir)?;
    for folder in FOLDERS.into_iter().chain([""]) {
        plain::check_below(&args.dir, Path::new(folder))
            .with_context(|| format!("cannot export into `{}`", args.dir.display()))
            .hint("remove the link, or name another folder: an export writes only into the folder that it is given")?;
        // A killed export leaves temporary files.
        let _ = durable::sweep(&args.dir.join(folder));
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
        terminal.note(format_args!(
            "note: payload `{payload}` is not JSON, or is larger than 64 MiB: its images are not listed"
        ));
    }
    if body.unnamed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let unnamed: Vec<String> = body.unnamed.iter().map(|path| format!("`{path}`")).collect();
    Err(refuse(
        format!(
            "everything was exported, except for files whose names are too long for a file system: {}",
            unnamed.join(", ")
        ),
        "yank these releases, and add each again with a shorter version or payload name",
    ))
}

/// Refuses the folders that Tidegate itself works on: in a catalog, an export would be a faulty line.
fn check_place(dir: &Path, workspace: &Workspace) -> anyhow::Result<()> {
    let to = resolved(dir);
    let own =
        [("catalog", &workspace.catalog), ("payload", &workspace.payloads), ("state", &workspace.state)];
    match own.into_iter().find(|(_, own)| to.starts_with(resolved(own))) {
        None => Ok(()),
        Some((what, own)) => Err(refuse(
            format!("`{}` is in the {what} folder `{}`", dir.display(), own.display()),
            "name a folder of its own for the export",
        )),
    }
}

/// The absolute path of a folder that need not exist, without links.
fn resolved(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => path,
        (Err(_), Some(parent), Some(name)) if parent != Path::new("") => resolved(parent).join(name),
        (Err(_), _, Some(name)) => resolved(Path::new(".")).join(name),
        (Err(_), ..) => path.to_owned(),
    }
}

/// Locks an export, so that another one does not remove the temporary files of this one.
fn locked(dir: &Path) -> anyhow::Result<File> {
    let folder = File::open(dir).with_context(|| format!("cannot read `{}`", dir.display()))?;
    match folder.try_lock() {
        // Some media cannot lock. Then nobody can tell whether another export runs.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(refuse(
            format!("another export into `{}` is running", dir.display()),
            "wait until it has finished",
        )),
    }
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
    let mut batch = Batch::default();
    for (path, file) in publication.files().filter(|(path, _)| path != TIMESTAMP_PATH) {
        let to = dir.join("tuf").join(&path);
        let size = match file {
            TufFile::Document(document) => document.identity.len() as u64,
            TufFile::Payload(payload) => payload.size,
        };
        // The medium may have damaged a file that is already there.
        let is_same = match file {
            TufFile::Document(document) => holds(&to, &document.identity),
            TufFile::Payload(payload) => {
                opened(&to, size).and_then(|mut file| digest(&mut file).ok()) == Some((payload.sha256, size))
            }
        };
        if !is_same {
            durable::create_folder(to.parent().unwrap_or(dir), Mode::Keep)?;
            let written = batch.fill(&to, Mode::Keep, |out| match file {
                TufFile::Document(document) => out.write_all(&document.identity),
                TufFile::Payload(payload) => copy(payloads, payload, out),
            });
            match written {
                Ok(()) => {}
                // One release must not keep all others from being exported.
                Err(error) if error.source.kind() == io::ErrorKind::InvalidFilename => {
                    body.unnamed.push(path);
                    continue;
                }
                Err(error) if matches!(file, TufFile::Payload(_)) => return Err(error).hint(COPY_AGAIN),
                Err(error) => return Err(error.into()),
            }
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

/// Opens a file of an earlier export. `None` if it is missing, has another size, or is a link.
fn opened(path: &Path, size: u64) -> Option<File> {
    let found = fs::symlink_metadata(path).ok()?;
    (found.is_file() && found.len() == size).then(|| plain::open(path).ok()).flatten()
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let size = bytes.len() as u64;
    opened(path, size).is_some_and(|file| plain::read(file, size).is_ok_and(|found| found == bytes))
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
fn copy(payloads: &dyn PayloadStore, payload: &Payload, to: &mut File) -> io::Result<()> {
    let mut from = payloads.open(&payload.sha256, 0..payload.size)?.bytes;
    if payloads::copy(&mut from, to, payload.size)?.0 == payload.sha256 {
        return Ok(());
    }
    let file = &payload.file;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("what was read of `{file}` does not have its digest"),
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
        let found = if payload.size > MAX_SEARCHED {
            None
        } else {
            let copy = payloads.open(&payload.sha256, 0..payload.size);
            let bytes = copy.and_then(|copy| plain::read(copy.bytes, payload.size));
            let bytes = bytes
                .with_context(|| format!("cannot read the copy of payload `{}`", payload.file))
                .hint(COPY_AGAIN)?;
            images(&bytes)
        };
        match found {
            Some(found) => all.extend(found),
            None => drop(unread.insert(payload.file.clone())),
        }
    }
    Ok((all.into_iter().collect(), unread.into_iter().collect()))
}

/// Whether an export writes files of this name into this folder. Other files belong to somebody else.
fn is_own(folder: &str, name: &str) -> bool {
    match folder {
        "tuf/metadata" => role_at(&format!("metadata/{name}")).is_some(),
        "tuf/targets" => name
            .split_once('.')
            .is_some_and(|(sha256, name)| Sha256::parse(sha256).is_ok() && TargetName::parse(name).is_some()),
        "v1/channels" => ChannelName::parse(name).is_ok(),
        _ => Version::parse(name).is_ok(),
    }
}

/// Removes files of earlier exports that nothing refers to any more.
fn prune(dir: &Path, kept: &BTreeSet<PathBuf>) -> anyhow::Result<usize> {
    let mut pruned = 0;
    for name in ["tuf/metadata", "tuf/targets", "v1/channels", "v1/releases"] {
        let folder = dir.join(name);
        let read = || format!("cannot read `{}`", folder.display());
        for entry in present(fs::read_dir(&folder)).with_context(read)?.into_iter().flatten() {
            let entry = entry.with_context(read)?;
            let (path, is_file) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_file()));
            let is_own = entry.file_name().to_str().is_some_and(|file| is_own(name, file));
            if is_file && is_own && !kept.contains(&path) {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
                pruned += 1;
            }
        }
    }
    Ok(pruned)
}
