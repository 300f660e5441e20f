//! Changing a catalog's files, only if they are still what the change was made from.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};

use super::listing::{Cached, Listing};
use super::{Cache, Directory, ReadError, Revision, assembled, revision};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::release::Evidence;
use crate::formats::edit::{EditError, edit};
use crate::formats::fault::Fault;
use crate::formats::yaml::{ParsedFile, Reading, Source, parse};
use crate::store::durable::{self, Mode, WriteError};
use crate::store::lock::{CatalogLock, LockError};
use crate::store::watch::git_way_out;

/// Why changes were not made. Unless it says otherwise, nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(
        "the catalog has changed since it was read (it was {base} and is {found}): read it again and decide again"
    )]
    Conflict { base: Revision, found: Revision },
    #[error("git is at work on the catalog, as `{}` shows: {}", .0.display(), git_way_out(.0))]
    Git(PathBuf),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The edited text is a fault, which the reader describes.
    #[error("the change would make the catalog faulty\n{0}")]
    Faulty(Box<Fault>),
    #[error(
        "`{0}` is written in a form that a machine cannot edit safely: the edited text does not say what was meant; edit it by hand"
    )]
    Unsafe(String),
    /// The changes before this file's are made; making the same changes again makes the rest.
    #[error("{written} of {all} files were written")]
    Write { written: usize, all: usize, source: WriteError },
}

impl Directory {
    /// Makes changes, all checked before the first is written. Each file is written atomically; a
    /// crash between two leaves a catalog that the same changes, decided again, complete.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] if the catalog is no longer at `base`; the others as they say.
    pub fn commit(&self, base: &Revision, changes: &[Change], now: Time) -> Result<Revision, CommitError> {
        let _lock = CatalogLock::acquire(&self.catalog)?;
        if let Some(path) = self.work_tree().and_then(|tree| tree.at_work()) {
            return Err(CommitError::Git(path));
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, listing) = self.read_cached(&mut cache, now)?;
        let found = snapshot.revision;
        if found != *base {
            return Err(CommitError::Conflict { base: *base, found });
        }
        let plan = plan(&snapshot.reading, changes, &listing, &cache, &self.catalog)?;
        verify(&plan, &snapshot.reading, &listing, &cache)?;

        // Under the lock no other commit is under way: these are what crashed ones left.
        for path in &listing.temporary {
            // One that stays is ignored by readers, and swept another time.
            let _ = fs::remove_file(path);
        }
        for (written, file) in plan.files.iter().enumerate() {
            durable::write(&self.target(&listing, &file.key), file.text.as_bytes(), Mode::Keep)
                .map_err(|source| CommitError::Write { written, all: plan.files.len(), source })?;
        }
        Ok(plan.revision(&listing, &cache))
    }

    /// Where a file is written: through a link, which stays.
    fn target(&self, listing: &Listing, key: &str) -> PathBuf {
        match listing.files.get(key) {
            Some(listed) => listed.path.canonicalize().unwrap_or_else(|_| listed.path.clone()),
            None => self.catalog.join(key),
        }
    }
}

/// New texts in the order of the changes, and what the catalog must be with them.
struct Plan {
    files: Vec<Planned>,
    catalog: Catalog,
}

struct Planned {
    key: String,
    text: String,
}

fn plan(
    reading: &Reading,
    changes: &[Change],
    listing: &Listing,
    cache: &Cache,
    catalog_folder: &Path,
) -> Result<Plan, CommitError> {
    let mut files: Vec<Planned> = Vec::new();
    let mut on_disk: HashMap<String, Vec<u8>> = HashMap::new();
    let mut catalog = reading.catalog.clone();
    for change in changes {
        let change = without_evidence(change);
        let key = crate::formats::edit::file(&change, &catalog).map_err(EditError::from)?;
        if !files.iter().any(|file| file.key == key)
            && let Some(listed) = listing.files.get(key.as_str())
        {
            let bytes = fs::read(&listed.path)
                .map_err(|source| ReadError::File { path: listed.path.clone(), source })?;
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            if cache.files.get(key.as_str()).is_none_or(|cached| cached.digest != digest) {
                return Err(ReadError::Changing(catalog_folder.to_owned()).into());
            }
            on_disk.insert(key, bytes);
        }
        let edited = edit(&change, &catalog, |key| {
            let planned = files.iter().find(|file| file.key == key);
            planned.map(|file| file.text.as_bytes()).or_else(|| on_disk.get(key).map(Vec::as_slice))
        })?;
        catalog = change.apply(catalog).map_err(EditError::from)?;
        if let Some(edited) = edited {
            match files.iter_mut().find(|file| file.key == edited.file) {
                Some(file) => file.text = edited.text,
                None => files.push(Planned { key: edited.file, text: edited.text }),
            }
        }
    }
    Ok(Plan { files, catalog })
}

/// What lies beside the catalog is no part of its files.
fn without_evidence(change: &Change) -> Change {
    let mut change = change.clone();
    if let Change::Add { release, .. } = &mut change {
        release.evidence = Evidence::default();
    }
    change
}

/// The texts are read as any reader would, and must say exactly what was meant.
fn verify(plan: &Plan, before: &Reading, listing: &Listing, cache: &Cache) -> Result<(), CommitError> {
    let new: Vec<ParsedFile> = plan
        .files
        .iter()
        .map(|file| parse(Source { path: &file.key, bytes: file.text.as_bytes() }))
        .collect();
    let replaced = |path: &str| plan.files.iter().any(|file| file.key == path);
    let kept = cache.files.iter().filter(|(path, _)| !replaced(path)).filter_map(|(_, file)| file.parsed());
    let after = assembled(kept.chain(&new), listing, cache);
    if after.catalog == plan.catalog && after.faulty.keys().eq(before.faulty.keys()) {
        return Ok(());
    }
    match after.faults.into_iter().find(|fault| !before.faults.contains(fault)) {
        Some(fault) => Err(CommitError::Faulty(Box::new(fault))),
        None => {
            Err(CommitError::Unsafe(plan.files.first().map_or_else(String::new, |file| file.key.clone())))
        }
    }
}

impl Plan {
    /// The revision that these files make, as a reading would find it.
    fn revision(&self, listing: &Listing, cache: &Cache) -> Revision {
        let mut digests: std::collections::BTreeMap<Arc<str>, [u8; 32]> = listing
            .files
            .keys()
            .filter_map(|path| Some((Arc::clone(path), cached(cache, path)?.digest)))
            .collect();
        for file in &self.files {
            digests.insert(file.key.as_str().into(), Sha256::digest(&file.text).into());
        }
        revision(digests.iter().map(|(path, digest)| (&**path, digest)))
    }
}

fn cached<'a>(cache: &'a Cache, path: &str) -> Option<&'a Cached> {
    cache.files.get(path)
}
