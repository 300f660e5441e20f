//! The new contents of a catalog's files. All of them are made, and parsed as any reader would parse them,
//! before the first one is written.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::catalog::Catalog;
use crate::domain::change::{Change, ChangeError};
use crate::formats::edit::{EditError, edit};
use crate::formats::yaml::{ParsedFile, Reading, Source, parse};
use crate::store::directory::listing::Listing;
use crate::store::directory::{Cache, assembled, changing, unreadable};
use crate::store::plain;
use crate::store::port::{CommitError, Revision};

/// The catalog that the changes are planned against.
#[derive(Clone, Copy)]
pub(in crate::store::directory) struct Base<'a> {
    pub reading: &'a Reading,
    pub listing: &'a Listing,
    pub cache: &'a Cache,
    pub folder: &'a Path,
}

/// New file contents in the order of the changes, and the catalog that they must result in.
#[derive(Default)]
pub(super) struct Plan {
    pub files: Vec<Planned>,
    catalog: Catalog,
}

pub(super) struct Planned {
    pub key: String,
    pub text: String,
    /// The indices of the changes to this file.
    pub changes: Vec<usize>,
}

impl Planned {
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.text).into()
    }
}

/// A change with its index.
type Placed<'a> = (usize, &'a Change);

/// Changes that cannot be made, by index, and why.
pub(in crate::store::directory) type Failed = Vec<(usize, CommitError)>;

/// Plans all changes, or fails with the error of the first that cannot be made.
pub(super) fn plan_all(base: Base<'_>, changes: &[Change]) -> Result<Plan, CommitError> {
    checked(base, &changes.iter().enumerate().collect::<Vec<_>>())
}

/// Plans as many of the changes as can be made; they must not depend on each other. Also returns those that
/// cannot be made.
pub(super) fn plan_each(base: Base<'_>, changes: &[Change]) -> Result<(Plan, Failed), CommitError> {
    let mut good: Vec<Placed<'_>> = changes.iter().enumerate().collect();
    match checked(base, &good) {
        Ok(plan) => return Ok((plan, Failed::new())),
        Err(lost) if lost.is_lost() => return Err(lost),
        Err(_) => {}
    }
    // Find files that cannot be edited first, since that does not require reading the whole catalog, which
    // takes far longer.
    let mut failed = Failed::new();
    for &one in &good {
        match plan(base, &[one]) {
            Ok(_) => {}
            Err(lost) if lost.is_lost() => return Err(lost),
            Err(error) => failed.push((one.0, error)),
        }
    }
    retain(&mut good, &failed);
    sift(base, &good, &mut failed)?;
    retain(&mut good, &failed);
    failed.sort_by_key(|(place, _)| *place);
    Ok((checked(base, &good)?, failed))
}

fn retain(good: &mut Vec<Placed<'_>>, failed: &Failed) {
    good.retain(|(place, _)| failed.iter().all(|(bad, _)| bad != place));
}

/// Finds the changes that make the catalog faulty, by bisection.
fn sift(base: Base<'_>, changes: &[Placed<'_>], failed: &mut Failed) -> Result<(), CommitError> {
    match (checked(base, changes), changes) {
        (Ok(_), _) => Ok(()),
        (Err(lost), _) if lost.is_lost() => Err(lost),
        (Err(error), [] | [_]) => {
            failed.extend(changes.first().map(|(place, _)| (*place, error)));
            Ok(())
        }
        (Err(_), several) => {
            let (first, second) = several.split_at(several.len() / 2);
            sift(base, first, failed)?;
            sift(base, second, failed)
        }
    }
}

/// Plans changes, parses the new contents as any reader would, and checks that the result is exactly the planned
/// catalog.
fn checked(base: Base<'_>, changes: &[Placed<'_>]) -> Result<Plan, CommitError> {
    let plan = plan(base, changes)?;
    let after = read(&plan.files, base);
    if after.catalog == plan.catalog && after.faulty.keys().eq(base.reading.faulty.keys()) {
        return Ok(plan);
    }
    if is_mended(&after, base, changes) {
        return Ok(Plan { catalog: after.catalog, ..plan });
    }
    Err(refusal(after, &plan.files, base))
}

/// Whether stops took the place of the only faults of their files, such as a stop that was half typed. Then their
/// lines can be read again, which nothing but the new contents can show.
fn is_mended(after: &Reading, base: Base<'_>, changes: &[Placed<'_>]) -> bool {
    let is_made = |change: &Change| change.apply(after.catalog.clone()).as_ref() == Ok(&after.catalog);
    after.faults.len() < base.reading.faults.len()
        && after.faults.iter().all(|fault| base.reading.faults.contains(fault))
        && changes
            .iter()
            .all(|(_, change)| Change::only_stop(std::slice::from_ref(*change)) && is_made(change))
}

fn plan(base: Base<'_>, changes: &[Placed<'_>]) -> Result<Plan, CommitError> {
    let Base { reading, listing, cache, folder } = base;
    let mut files: Vec<Planned> = Vec::new();
    let mut on_disk: HashMap<String, Vec<u8>> = HashMap::new();
    let mut catalog = reading.catalog.clone();
    for &(place, change) in changes {
        let key = crate::formats::edit::file(change, &catalog).map_err(EditError::from)?;
        if !files.iter().any(|file| file.key == key)
            && let Some(listed) = listing.files.get(key.as_str())
        {
            let bytes = plain::whole(&listed.path).map_err(|source| unreadable(&listed.path, source))?;
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            if cache.files.get(key.as_str()).is_none_or(|cached| cached.digest != digest) {
                return Err(changing(folder).into());
            }
            on_disk.insert(key, bytes);
        }
        let edited = edit(change, &catalog, |key| {
            let planned = files.iter().find(|file| file.key == key);
            planned.map(|file| file.text.as_bytes()).or_else(|| on_disk.get(key).map(Vec::as_slice))
        })?;
        let applied = change.apply(catalog);
        if let Some(edited) = edited {
            match files.iter_mut().find(|file| file.key == edited.file) {
                Some(file) => {
                    file.text = edited.text;
                    file.changes.push(place);
                }
                None => files.push(Planned { key: edited.file, text: edited.text, changes: vec![place] }),
            }
        }
        catalog = match applied {
            // Parsing the new content shows where the rule is broken.
            Err(ChangeError::Broken { .. }) => return Err(refusal(read(&files, base), &files, base)),
            applied => applied.map_err(EditError::from)?,
        };
    }
    Ok(Plan { files, catalog })
}

/// Explains why a reader would reject the new contents.
fn refusal(after: Reading, files: &[Planned], base: Base<'_>) -> CommitError {
    match after.faults.into_iter().find(|fault| !base.reading.faults.contains(fault)) {
        Some(fault) => CommitError::Faulty(Box::new(fault)),
        None => CommitError::Unsafe(files.first().map_or_else(String::new, |file| file.key.clone())),
    }
}

fn read(files: &[Planned], Base { folder, cache, .. }: Base<'_>) -> Reading {
    let new: Vec<ParsedFile> =
        files.iter().map(|file| parse(Source { path: &file.key, bytes: file.text.as_bytes() })).collect();
    let replaced = |path: &str| files.iter().any(|file| file.key == path);
    let kept = cache.files.parsed().filter(|file| !replaced(file.path()));
    // What other readers share stays that of the files as they are now.
    assembled(&mut cache.assembler.clone(), kept.chain(&new), folder, &cache.files)
}

impl Plan {
    /// Computes the revision that a reader would find once these files are written.
    pub fn revision<'a>(base: Base<'_>, written: impl Iterator<Item = &'a Planned>) -> Revision {
        base.cache.files.revision_with(written.map(|file| (file.key.as_str(), file.digest())))
    }
}
