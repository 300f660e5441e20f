//! Which document may replace which: the same rule for servers, mirrors, `recover` and clusters.
//!
//! A client that has verified a repository remembers its root, timestamp and snapshot, and then refuses
//! anything older (TUF 1.0.34, sections 5.3 to 5.5):
//!
//! - each root has the next version, and enough keys of both the old and the new root have signed it;
//! - the versions of the timestamp, of the snapshot, and of every role that a snapshot lists never go
//!   down, and a listed role stays listed;
//! - the index of a line keeps every release that it has, and says something else about one only with the
//!   release's manifest;
//! - a document never changes without a new version. TUF allows that, but it means that two servers, or a
//!   server and a thief, sign with the same key;
//! - a timestamp or a snapshot is forgotten once the newest root no longer accepts its signatures (5.3.11).
//!   This is how clients recover after a thief has used the online key to sign the highest possible
//!   version. Adding an online key makes clients forget nothing: otherwise a thief could use that to roll
//!   them back.

use std::collections::BTreeMap;

use super::signed::Signed;
use super::violation::Violation;
use crate::domain::version::Version;
use crate::formats::manifest::LineIndex;
use crate::formats::tuf::{Meta, Role, Root, Snapshot, Timestamp};

/// The verified documents that limit what a client accepts next.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The newest trusted root.
    pub root: &'a Signed<Root>,
    pub timestamp: Option<&'a Signed<Timestamp>>,
    pub snapshot: Option<&'a Signed<Snapshot>>,
}

impl<'a> Known<'a> {
    /// The documents known to a client that has only a trusted root.
    pub const fn root(root: &'a Signed<Root>) -> Self {
        Self { root, timestamp: None, snapshot: None }
    }

    /// Forgets the documents whose signatures a later root no longer accepts.
    pub fn under(self, root: &Root) -> Self {
        Self {
            timestamp: self.timestamp.filter(|known| known.verify(root.timestamp()).is_ok()),
            snapshot: self.snapshot.filter(|known| known.verify(root.snapshot()).is_ok()),
            ..self
        }
    }

    /// Checks that the root, timestamp and snapshot of one publication may follow the known ones.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(
        self,
        root: &Signed<Root>,
        timestamp: &Signed<Timestamp>,
        snapshot: &Signed<Snapshot>,
    ) -> Result<(), Violation> {
        // A replaced root is never accepted again, however new the documents signed by its keys are.
        check_step("root", self.root, root)?;
        let known = self.under(root.signed());
        known.check_timestamp(timestamp)?;
        known.check_snapshot(snapshot)
    }

    /// TUF 5.4.3: checks that neither the timestamp nor the snapshot that it names is rolled back.
    ///
    /// # Errors
    /// When either is rolled back.
    pub fn check_timestamp(self, next: &Signed<Timestamp>) -> Result<(), Violation> {
        let Some(known) = self.timestamp else { return Ok(()) };
        check_step("timestamp", known, next)?;
        check_meta("snapshot", &known.signed().meta.snapshot, &next.signed().meta.snapshot)
    }

    /// TUF 5.5.5: checks that the snapshot and the roles that it lists are not rolled back, and that no
    /// role is missing.
    ///
    /// # Errors
    /// When one of them is rolled back or missing.
    pub fn check_snapshot(self, next: &Signed<Snapshot>) -> Result<(), Violation> {
        let Some(known) = self.snapshot else { return Ok(()) };
        check_step("snapshot", known, next)?;
        check_listed(&known.signed().meta, &next.signed().meta)
    }
}

/// TUF 5.3.4 and 5.3.5: checks that a root is the next one after `known`, or the first one if `known` is
/// `None`.
///
/// # Errors
/// When too few keys of either root have signed it, or its version is wrong.
pub fn check_next_root(
    path: &str,
    known: Option<&Signed<Root>>,
    next: &Signed<Root>,
) -> Result<(), Violation> {
    for root in known.into_iter().chain([next]) {
        next.verify(root.signed().root()).map_err(Violation::signature(path))?;
    }
    let (expected, found) = (known.map_or(0, |known| known.signed().version) + 1, next.signed().version);
    if found == expected {
        return Ok(());
    }
    Err(Violation::BrokenChain { path: path.to_owned(), expected, found })
}

/// Checks that one version of a role may follow another.
///
/// # Errors
/// When the next version is lower, or is the same although the bytes differ.
pub fn check_step<T: Role>(role: &str, known: &Signed<T>, next: &Signed<T>) -> Result<(), Violation> {
    check_version(role, known.signed().version(), next.signed().version(), known.raw() == next.raw())
}

/// Checks that the roles listed by a snapshot may follow those listed by an earlier one. Both maps are
/// keyed by file name.
///
/// # Errors
/// The first role that is rolled back or missing.
pub fn check_listed(known: &BTreeMap<String, Meta>, next: &BTreeMap<String, Meta>) -> Result<(), Violation> {
    known.iter().try_for_each(|(file, known)| {
        let role = file.trim_end_matches(".json");
        let next = next.get(file).ok_or_else(|| Violation::Vanished { role: role.to_owned() })?;
        check_meta(role, known, next)
    })
}

/// Checks that the next index of a line still has every release of the last one. Returns the releases about
/// which it says something else, which counts only with their manifests: otherwise an index could take back
/// what a manifest still says.
///
/// # Errors
/// The first release that is missing.
pub fn check_next_index<'a>(known: &'a LineIndex, next: &LineIndex) -> Result<Vec<&'a Version>, Violation> {
    let mut changed = Vec::new();
    for (version, known_entry) in &known.releases {
        match next.releases.get(version) {
            Some(entry) if entry == known_entry => {}
            Some(_) => changed.push(version),
            None => {
                let (line, version) = (known.line.clone(), version.clone());
                return Err(Violation::ReleaseVanished { line, version });
            }
        }
    }
    Ok(changed)
}

fn check_meta(role: &str, known: &Meta, next: &Meta) -> Result<(), Violation> {
    check_version(role, known.version, next.version, known == next)
}

fn check_version(what: &str, from: u64, to: u64, same: bool) -> Result<(), Violation> {
    if to < from {
        return Err(Violation::WentBack { what: what.to_owned(), from, to });
    }
    if to == from && !same {
        return Err(Violation::VersionReused { role: what.to_owned(), version: to });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
