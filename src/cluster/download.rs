//! Resumable downloads of payloads. A file gets its final name only when it is complete and verified.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::Digest;

use super::fetch::{Ask, Fetch, Reply, broken};
use super::refusal::Refusal;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::version::Version;
use crate::formats::tuf::names;
use crate::signing::verify::Violation;
use crate::store::durable::{self, present};
use crate::store::plain;

/// Large enough for efficient reads, and small enough that a pause takes effect at once.
const CHUNK: usize = 256 * 1024;

/// How much space a download leaves on the disk: enough for the agent's own records.
const RESERVE: u64 = 64 * 1024;

/// A download of a release's files: its source, and the folder to write to.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    pub fetch: &'a dyn Fetch,
    pub folder: &'a Path,
    /// Called between chunks: if it returns true, the download stops. The part that has arrived is kept.
    pub stop: &'a dyn Fn() -> bool,
}

/// The payloads of a release that a machine needs: those for its architecture, and those for any
/// architecture.
///
/// # Errors
/// When the release has payloads, but none for the machine: applying the release without a payload would do
/// nothing, or worse.
pub fn wanted<'p>(
    version: &Version,
    payloads: &'p [Payload],
    arch: Option<&str>,
) -> Result<Vec<&'p Payload>, Refusal> {
    let suits = |payload: &&Payload| payload.arch.is_none() || payload.arch.as_deref() == arch;
    let wanted: Vec<_> = payloads.iter().filter(suits).collect();
    if payloads.is_empty() || !wanted.is_empty() {
        return Ok(wanted);
    }
    let has: BTreeSet<_> = payloads.iter().filter_map(|payload| payload.arch.as_deref()).collect();
    Err(Refusal::NoPayload {
        version: version.clone(),
        machine: arch
            .map_or_else(|| "a machine of unknown architecture".to_owned(), |arch| format!("`{arch}`")),
        has: has.into_iter().map(|arch| format!("`{arch}`")).collect(),
    })
}

impl Download<'_> {
    /// Downloads one payload. If the file already exists and has the right digest, nothing is fetched.
    ///
    /// # Errors
    /// When the payload cannot be fetched or does not have the digest that release keys signed, or the
    /// download is stopped.
    pub fn payload(&self, version: &Version, payload: &Payload) -> Result<PathBuf, Refusal> {
        let path = self.folder.join(&payload.file);
        if check(&path, payload).is_ok() {
            return Ok(path);
        }
        let part = self.part(payload);
        self.fill(&part, version, payload)?;
        if let Err(refusal) = check(&part, payload) {
            // The file is complete but wrong, so resuming the download would not help.
            fs::remove_file(&part).map_err(Refusal::state(&part))?;
            return Err(refusal);
        }
        let synced = plain::open(&part).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(&part, &path)).map_err(Refusal::state(&part))?;
        durable::sync_folder(self.folder).map_err(Refusal::state(self.folder))?;
        Ok(path)
    }

    /// Checks that the disk has space for what is missing of these payloads.
    ///
    /// # Errors
    /// When it does not, or the folder does not exist.
    pub fn check_space(&self, payloads: &[&Payload]) -> Result<(), Refusal> {
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        let missing = |payload: &&Payload| {
            let part = length(self.part(payload)).max(length(self.folder.join(&payload.file)));
            payload.size.saturating_sub(part)
        };
        let needed: u64 = payloads.iter().map(missing).fold(0, u64::saturating_add);
        let disk = rustix::fs::statvfs(self.folder).map_err(|e| Refusal::state(self.folder)(e.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        // Some file systems do not say how large they are.
        if needed == 0 || disk.f_blocks == 0 || needed.saturating_add(RESERVE) <= free {
            return Ok(());
        }
        let files: Vec<_> = payloads.iter().filter(|payload| missing(payload) > 0).collect();
        let files: Vec<_> = files.iter().map(|payload| format!("`{}`", payload.file)).collect();
        Err(Refusal::NoSpace { files: files.join(", "), needed, free })
    }

    /// Removes the payloads of the release that are not `wanted` any more, such as those for another
    /// architecture, and the downloads of other releases.
    ///
    /// # Errors
    /// When a payload cannot be removed: it would be applied with the others. What is left of other releases
    /// only takes up space.
    pub fn clear(&self, payloads: &[Payload], wanted: &[&Payload]) -> Result<(), Refusal> {
        for payload in payloads.iter().filter(|payload| !wanted.contains(payload)) {
            for path in [self.folder.join(&payload.file), self.part(payload)] {
                present(fs::remove_file(&path)).map_err(Refusal::state(&path))?;
            }
        }
        let others = self.folder.parent().and_then(|above| fs::read_dir(above).ok());
        let others = others.into_iter().flatten().flatten().map(|entry| entry.path());
        for path in others.filter(|path| path != self.folder) {
            let _ = fs::remove_dir_all(path);
        }
        Ok(())
    }

    /// Where the part of a payload is that has arrived so far.
    fn part(&self, payload: &Payload) -> PathBuf {
        self.folder.join(format!(".{}.part", payload.file))
    }

    /// Downloads the part of a payload that is missing.
    fn fill(&self, part: &Path, version: &Version, payload: &Payload) -> Result<(), Refusal> {
        let mut have = fs::metadata(part).map_or(0, |part| part.len());
        if have > payload.size {
            fs::remove_file(part).map_err(Refusal::state(part))?;
            have = 0;
        }
        if have == payload.size && have > 0 {
            return Ok(());
        }
        let name = names::payload_target(version, &payload.file);
        let target = names::target_path(&name, &payload.sha256);
        let (path, tag) = (format!("tuf/{target}"), format!("\"{}\"", payload.sha256));
        let from = (have > 0).then_some((have, tag.as_str()));
        let mut found = match self.fetch.get(&Ask { path: &path, from, patient: true, ..Ask::default() })? {
            Reply::Found(found) => found,
            Reply::NotFound | Reply::NotModified => return Err(Violation::Missing { path: target }.into()),
        };
        let mut file = durable::open_or_create(part).map_err(Refusal::state(part))?;
        // A server that does not support ranges sends the whole file, so the body starts at 0.
        let mut at = found.from;
        file.set_len(at).map_err(Refusal::state(part))?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(at)).map_err(Refusal::state(part))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            if (self.stop)() {
                return Err(Refusal::Stopped { what: format!("the download of `{}`", payload.file) });
            }
            let count = match found.body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(broken(&target, &e)),
            };
            at += count as u64;
            if at > payload.size {
                drop(file);
                fs::remove_file(part).map_err(Refusal::state(part))?;
                return Err(Refusal::TooLarge { path: target, limit: payload.size });
            }
            match file.write_all(&chunk[..count]) {
                Ok(()) => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                    let files = format!("`{}`", payload.file);
                    return Err(Refusal::NoSpace { files, needed: payload.size, free: at });
                }
                Err(e) => return Err(Refusal::state(part)(e)),
            }
        }
        if at < payload.size {
            return Err(Refusal::Truncated { path: target, expected: payload.size, found: at });
        }
        Ok(())
    }
}

/// Checks that a file has the digest of a payload.
///
/// # Errors
/// When the digest is different, or the file cannot be read.
pub fn check(path: &Path, payload: &Payload) -> Result<(), Refusal> {
    let mut file = plain::open(path).map_err(Refusal::state(path))?;
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => hasher.update(&chunk[..count]),
            Err(e) => return Err(Refusal::state(path)(e)),
        }
    }
    let found = Sha256::new(hasher.finalize().into());
    if found == payload.sha256 {
        return Ok(());
    }
    let (path, expected) = (path.display().to_string(), payload.sha256);
    Err(Violation::Digest { path, expected, found }.into())
}
