//! The segments of a publication in a state folder: a file for each, named after its digest.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::domain::payload::Sha256;
use crate::store::durable::{self, Batch, Mode, WriteError, present};
use crate::store::plain;
use crate::store::port::{Content, Segments};

/// The file with the names of the segments of the last publication. What it does not name either is removed when
/// the next one is stored.
const LAST: &str = "last";

/// The folder with the segments.
#[derive(Debug)]
pub(super) struct SegmentFolder {
    folder: PathBuf,
    /// Those that the publication being stored names.
    named: BTreeSet<Sha256>,
    written: Batch,
}

impl SegmentFolder {
    /// Uses a folder, which need not exist yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, named: BTreeSet::new(), written: Batch::default() }
    }

    /// The file of a segment.
    pub(super) fn path(&self, sha256: &Sha256) -> PathBuf {
        self.folder.join(sha256.to_string())
    }

    /// Makes the new segments durable, and returns what is left to do once the head names them.
    pub(super) fn finish(self) -> Result<Named, WriteError> {
        let Self { folder, named, written } = self;
        written.finish(&folder)?;
        Ok(Named { folder, named })
    }
}

impl Segments for SegmentFolder {
    fn keep(&mut self, sha256: &Sha256, size: u64) -> bool {
        self.named.insert(*sha256);
        fs::symlink_metadata(self.path(sha256)).is_ok_and(|found| found.is_file() && found.len() == size)
    }

    fn put(&mut self, content: &mut Content<'_>) -> io::Result<()> {
        let Self { folder, named, written } = self;
        let state = folder.parent().unwrap_or(folder);
        durable::create_below(state, folder, Mode::Private).map_err(io::Error::other)?;
        // Also if there is a file of this name: it may be damaged.
        let filled = written.fill_named(&folder.join("segment"), Mode::Private, |file| {
            let sha256 = content(file)?;
            named.insert(sha256);
            Ok(folder.join(sha256.to_string()))
        });
        filled.map_err(|error| io::Error::new(error.source.kind(), error))
    }
}

/// The segments that the head names.
pub(super) struct Named {
    folder: PathBuf,
    named: BTreeSet<Sha256>,
}

impl Named {
    /// Removes segments that neither this publication nor the last one names. Somebody may still be reading the
    /// last one, or copying the folder.
    ///
    /// # Errors
    /// When the folder cannot be read or written. Then a segment too many is left there, and none is missing.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let Self { folder, named } = self;
        let path = folder.join(LAST);
        let last = plain::whole_of_state(&path).ok();
        let last = last.as_deref().map(String::from_utf8_lossy);
        let entries = present(fs::read_dir(folder))?;
        for entry in entries.into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(sha256) = name.to_str().and_then(|name| Sha256::parse(name).ok()) else { continue };
            let is_last = last.as_ref().is_none_or(|last| last.lines().any(|line| Path::new(line) == name));
            if !named.contains(&sha256) && !is_last {
                durable::remove_file(&entry.path())?;
            }
        }
        let names: Vec<String> = named.iter().map(|sha256| format!("{sha256}\n")).collect();
        // Nobody misses it after a crash: then more is kept, or nobody reads the last publication any more.
        let mut file = durable::open_or_create(&path)?;
        file.set_len(0)?;
        file.write_all(names.concat().as_bytes())
    }
}
