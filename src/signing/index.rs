//! The index of a line, as the line's role lists it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::violation::Violation;
use crate::domain::channel::LineName;
use crate::domain::line::Prefix;
use crate::formats::manifest::{IndexEntry, IndexError, LineIndex, ReleaseManifest};
use crate::formats::tuf::{Target, Targets, names};

/// Where the role of a line lists the line's index. `None` if the role lists no releases: then there is
/// nothing to sum up.
///
/// # Errors
/// When it lists releases, but no index.
pub fn listed_index<'a>(
    line: &LineName,
    prefix: Prefix,
    role: &'a Targets,
) -> Result<Option<(String, &'a Target)>, Violation> {
    let name = names::index_target(&prefix);
    match role.targets.get(&name) {
        Some(listed) => Ok(Some((name, listed))),
        None if role.listed_releases().next().is_none() => Ok(None),
        None => Err(Violation::NoIndex { line: line.clone() }),
    }
}

/// Reads the index of a line, and checks that it is the one that the line's role lists, and that it has an
/// entry for each release that the role lists and no others. `raw` returns its bytes, and `parse` reads them.
///
/// # Errors
/// When a client must refuse the line.
pub fn read_index<E: From<Violation>>(
    line: &LineName,
    prefix: Prefix,
    role: &Targets,
    parse: impl FnOnce(&Target, &Bytes) -> Result<LineIndex, IndexError>,
    raw: impl FnOnce(&str, &Target) -> Result<Option<Bytes>, E>,
) -> Result<LineIndex, E> {
    let Some((name, listed)) = listed_index(line, prefix, role)? else {
        return Ok(LineIndex::new(line.clone(), BTreeMap::new()));
    };
    let path = names::target_path(&name, &listed.hashes.sha256);
    let raw = raw(&name, listed)?.ok_or_else(|| Violation::Missing { path: path.clone() })?;
    let index = parse(listed, &raw).map_err(|source| Violation::Index { path: path.clone(), source })?;
    check_entries(line, &name, role, &index, path)?;
    Ok(index)
}

/// Checks that an index is about the same releases as its line's role, also in how their versions are spelt.
fn check_entries(
    line: &LineName,
    name: &str,
    role: &Targets,
    index: &LineIndex,
    path: String,
) -> Result<(), Violation> {
    let listed = role.targets.keys().filter(|target| target.starts_with("release.") && *target != name);
    let mut entries = index.releases.keys().map(names::release_target);
    let is_same =
        listed.count() == index.releases.len() && entries.all(|name| role.targets.contains_key(&name));
    if *line == index.line && is_same {
        return Ok(());
    }
    Err(Violation::IndexLists { path, line: line.clone() })
}

/// Checks that the index of a line says the same about a release as the release's manifest.
///
/// # Errors
/// When it does not.
pub fn check_entry(line: &LineName, index: &LineIndex, manifest: &ReleaseManifest) -> Result<(), Violation> {
    if index.releases.get(&manifest.version) == Some(&IndexEntry::of(manifest)) {
        return Ok(());
    }
    Err(Violation::IndexDiffers { line: line.clone(), version: manifest.version.clone() })
}
