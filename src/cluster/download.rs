//! Payloads: downloaded with resume, hashed on the way, and never there under their name before they
//! are whole.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::Digest;

use super::fetch::{Ask, Fetch, Reply, broken};
use super::refusal::Refusal;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::Release;
use crate::domain::version::Version;
use crate::formats::tuf::names;
use crate::signing::verify::Violation;
use crate::store::durable::{self, Mode};

/// Large enough that a read costs little, small enough that a pause is noticed at once.
const CHUNK: usize = 256 * 1024;

/// Where the files of a release come from and go to.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    pub fetch: &'a dyn Fetch,
    pub folder: &'a Path,
    /// Asked between chunks: whether to leave off. What came so far is kept.
    pub stop: &'a dyn Fn() -> bool,
}

/// The payloads of a release that a machine of an architecture takes: those that are for any, and
/// those that are for it.
pub fn wanted<'p>(
    payloads: &'p [Payload],
    arch: Option<&'p str>,
) -> impl Iterator<Item = &'p Payload> + Clone {
    payloads.iter().filter(move |payload| payload.arch.is_none() || payload.arch.as_deref() == arch)
}

/// Checks that a machine of an architecture takes at least one payload of a release that has some.
///
/// # Errors
/// When it takes none: to apply the release with nothing would do nothing, or worse.
pub fn check_wanted(release: &Release, arch: Option<&str>) -> Result<(), Refusal> {
    if release.payloads.is_empty() || wanted(&release.payloads, arch).next().is_some() {
        return Ok(());
    }
    let has: BTreeSet<_> = release.payloads.iter().filter_map(|payload| payload.arch.as_deref()).collect();
    Err(Refusal::NoPayload {
        version: release.version.clone(),
        machine: arch
            .map_or_else(|| "a machine of no named architecture".to_owned(), |arch| format!("`{arch}`")),
        has: has.into_iter().map(|arch| format!("`{arch}`")).collect(),
    })
}

impl Download<'_> {
    /// Brings one payload. One that is there already is hashed again.
    ///
    /// # Errors
    /// When it cannot be had, is not what release keys signed, or was told to stop.
    pub fn payload(&self, version: &Version, payload: &Payload) -> Result<PathBuf, Refusal> {
        durable::create_folder(self.folder, Mode::Private)?;
        let path = self.folder.join(&payload.file);
        if check(&path, payload).is_ok() {
            return Ok(path);
        }
        let part = self.folder.join(format!(".{}.part", payload.file));
        self.fill(&part, version, payload)?;
        if let Err(refusal) = check(&part, payload) {
            // It is whole, and it is wrong: going on with it would lead nowhere.
            fs::remove_file(&part).map_err(Refusal::state(&part))?;
            return Err(refusal);
        }
        let synced = File::open(&part).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(&part, &path)).map_err(Refusal::state(&part))?;
        let folder = File::open(self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(Refusal::state(self.folder))?;
        Ok(path)
    }

    /// Fills up what is there of a payload.
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
        let mut found = match self.fetch.get(&Ask { path: &path, from, patient: true, held: None })? {
            Reply::Found(found) => found,
            Reply::NotFound | Reply::NotModified => return Err(Violation::Missing { path: target }.into()),
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(part)
            .map_err(Refusal::state(part))?;
        // A server that does not know parts sends all of it.
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
            file.write_all(&chunk[..count]).map_err(Refusal::state(part))?;
        }
        if at < payload.size {
            return Err(Refusal::Truncated { path: target, expected: payload.size, found: at });
        }
        Ok(())
    }
}

/// Checks that a file is a payload: its size and its digest.
///
/// # Errors
/// When it is not, or cannot be read.
pub fn check(path: &Path, payload: &Payload) -> Result<(), Refusal> {
    let mut file = File::open(path).map_err(Refusal::state(path))?;
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
