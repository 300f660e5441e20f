//! `tidegate export`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use sha2::Digest;

use super::failure::{Hint, refuse};
use super::table::{counted, pairs};
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::rfc3339;
use crate::formats::images::images;
use crate::formats::tuf::names::TIMESTAMP_PATH;
use crate::promoter::stored;
use crate::publish::Publication;
use crate::publish::publication::TufFile;
use crate::store::durable::{self, Batch, Mode};
use crate::store::port::PayloadStore;

/// Write the whole service as files that any web server, bucket or medium can carry
///
/// Writes what this server last published into DIR: the TUF repository with all manifests and
/// payloads under `tuf/`, and the signed manifests under `v1/` as well. A second run writes only what
/// changed. Clients need nothing else: `tidegate cluster add --server`, `tidegate import` and every
/// TUF client take it as they take the server.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate export /srv/mirror
  tidegate export /media/stick --prune --output json")]
pub struct Args {
    /// Where the files go
    dir: PathBuf,
    /// Remove files of earlier exports that nothing names any more; else clients in the middle of an
    /// update still find them
    #[arg(long)]
    prune: bool,
}

#[derive(Debug, Serialize)]
struct Body {
    version: u64,
    /// RFC 3339. Clients refuse the mirror from then on, but for those that accept older ones.
    valid_until: String,
    files: usize,
    written: usize,
    /// In bytes.
    written_size: u64,
    pruned: usize,
    /// The container images that the payloads name, sorted.
    images: Vec<String>,
    /// Payloads in which no images could be looked for: they are not JSON.
    unread: Vec<String>,
}

/// One file of the mirror.
enum File<'a> {
    Bytes(&'a [u8]),
    Payload(&'a Payload),
}

type Fixed<'a> = Vec<(String, File<'a>)>;
type Moving<'a> = Vec<(String, &'a [u8])>;

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = workspace.now();
    let publication = stored::publication(&*workspace.state_store())?.ok_or_else(|| {
        refuse(
            format!("nothing was published from `{}` yet", workspace.state.display()),
            "name the server's state folder with `--state DIR`, or start it once: `tidegate serve`",
        )
    })?;
    if publication.expires <= now {
        return Err(refuse(
            format!(
                "what was last published expired at {}: no client would take it",
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

/// Writes what is missing. Files that never change come first, and the timestamp, which leads to all of
/// them, comes last. Returns what was done, and every file of the mirror.
fn write(
    dir: &Path,
    publication: &Publication,
    payloads: &dyn PayloadStore,
) -> anyhow::Result<(Body, BTreeSet<PathBuf>)> {
    let mut body = Body {
        version: publication.version,
        valid_until: rfc3339(publication.expires),
        files: 0,
        written: 0,
        written_size: 0,
        pruned: 0,
        images: Vec::new(),
        unread: Vec::new(),
    };
    let mut kept = BTreeSet::new();
    durable::create_folder(dir, Mode::Keep)?;
    let (fixed, moving) = files(publication);
    let mut batch = Batch::default();
    for (path, file) in fixed {
        let to = dir.join(&path);
        let size = match file {
            File::Bytes(bytes) => bytes.len() as u64,
            File::Payload(payload) => payload.size,
        };
        // A target has its digest in its name, and got the name only when it was complete. A role has its
        // version, and a role of another repository may have the same one.
        let same = fs::symlink_metadata(&to).is_ok_and(|found| found.is_file() && found.len() == size)
            && match file {
                File::Bytes(bytes) if path.starts_with("tuf/metadata/") => {
                    fs::read(&to).is_ok_and(|found| found == bytes)
                }
                File::Bytes(_) | File::Payload(_) => true,
            };
        if !same {
            create_parent(&to)?;
            batch.fill(&to, Mode::Keep, |out| match file {
                File::Bytes(bytes) => out.write_all(bytes),
                File::Payload(payload) => copy(payloads, payload, out),
            })?;
            body.written += 1;
            body.written_size += size;
        }
        kept.insert(to);
    }
    batch.finish(dir)?;

    (body.images, body.unread) = named_images(publication, payloads)?;
    let list = body.images.iter().fold(String::new(), |list, image| list + image + "\n");
    let moving = moving.into_iter().map(|(path, bytes)| (path, bytes.to_vec()));
    for (path, bytes) in std::iter::once(("images.txt".to_owned(), list.into_bytes())).chain(moving) {
        let to = dir.join(&path);
        if !fs::read(&to).is_ok_and(|found| found == bytes) {
            create_parent(&to)?;
            durable::write(&to, &bytes, Mode::Keep)?;
            body.written += 1;
            body.written_size += bytes.len() as u64;
        }
        kept.insert(to);
    }
    body.files = kept.len();
    Ok((body, kept))
}

/// The files that never change, and those that do, in the order in which they are written.
fn files(publication: &Publication) -> (Fixed<'_>, Moving<'_>) {
    let (mut fixed, mut moving) = (Vec::new(), Vec::new());
    let mut timestamp = None;
    for (path, file) in publication.files() {
        let path = format!("tuf/{path}");
        match file {
            TufFile::Document(document) if path.ends_with(TIMESTAMP_PATH) => {
                timestamp = Some((path, document.identity.as_ref()));
            }
            TufFile::Document(document) => fixed.push((path, File::Bytes(&document.identity))),
            TufFile::Payload(payload) => fixed.push((path, File::Payload(payload))),
        }
    }
    for (version, document) in publication.manifests() {
        moving.push((format!("v1/releases/{version}"), document.identity.as_ref()));
    }
    for name in publication.channel_names() {
        if let Some(document) = publication.channel(name) {
            moving.push((format!("v1/channels/{name}"), document.identity.as_ref()));
        }
    }
    moving.push(("v1/channels/index.json".to_owned(), publication.channels.identity.as_ref()));
    moving.extend(timestamp);
    (fixed, moving)
}

/// Copies a payload, and checks its digest again.
fn copy(payloads: &dyn PayloadStore, payload: &Payload, to: &mut fs::File) -> io::Result<()> {
    let mut from = payloads.open(&payload.sha256, 0..payload.size)?.bytes;
    let mut hasher = sha2::Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hasher.update(&piece[..count]);
        to.write_all(&piece[..count])?;
    }
    if Sha256::new(hasher.finalize().into()) == payload.sha256 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the copy of `{}` in the state folder is damaged: remove it, and start the server",
            payload.file
        ),
    ))
}

/// The container images that the payloads name, and the payloads that cannot be searched for them.
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
            .with_context(|| format!("the copy of payload `{}` cannot be read", payload.file))
            .hint("start the server once: it copies what it serves")?;
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
        let read = || format!("`{}` cannot be read", folder.display());
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(read),
        };
        for entry in entries {
            let path = entry.with_context(read)?.path();
            if path.is_file() && !kept.contains(&path) {
                fs::remove_file(&path).with_context(|| format!("`{}` cannot be removed", path.display()))?;
                pruned += 1;
            }
        }
    }
    Ok(pruned)
}

fn create_parent(path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        durable::create_folder(folder, Mode::Keep)?;
    }
    Ok(())
}
