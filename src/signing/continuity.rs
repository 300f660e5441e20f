//! What may follow what: the one rule that servers, mirrors, `recover` and clusters share.
//!
//! Whoever has verified a repository remembers its root, timestamp and snapshot, and takes nothing
//! afterwards that goes back behind them (TUF 1.0.34, sections 5.3 to 5.5):
//!
//! - each root is the next version, and the threshold of the keys of both roots signed it;
//! - the version of a timestamp, of a snapshot, and of every role that a snapshot lists never goes
//!   down, and a role that was listed stays listed;
//! - one version is one document: other bytes under the same version are refused. TUF allows them,
//!   but then two servers sign with one key, or a thief does;
//! - a timestamp or a snapshot is forgotten once the newest root no longer accepts its signatures
//!   (5.3.11). This is how clients recover from a stolen online key that drove versions to their
//!   maximum. A key that only joins the others forgets nothing: a thief would use that to go back.

use std::collections::BTreeMap;

use super::signed::Signed;
use super::violation::Violation;
use crate::formats::tuf::{Meta, Role, Root, Snapshot, Timestamp, names};

/// What somebody has verified, as far as it bounds what they take next.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The newest root that is trusted.
    pub root: &'a Signed<Root>,
    pub timestamp: Option<&'a Signed<Timestamp>>,
    pub snapshot: Option<&'a Signed<Snapshot>>,
}

impl<'a> Known<'a> {
    /// A trusted root, and nothing else yet.
    #[must_use]
    pub const fn root(root: &'a Signed<Root>) -> Self {
        Self { root, timestamp: None, snapshot: None }
    }

    /// What still counts under a later root.
    #[must_use]
    pub fn under(self, root: &Root) -> Self {
        Self {
            timestamp: self.timestamp.filter(|known| known.verify(root.timestamp()).is_ok()),
            snapshot: self.snapshot.filter(|known| known.verify(root.snapshot()).is_ok()),
            ..self
        }
    }

    /// Whether a root, a timestamp and a snapshot that belong together may come next.
    ///
    /// # Errors
    /// The first that may not.
    pub fn check(
        self,
        root: &Signed<Root>,
        timestamp: &Signed<Timestamp>,
        snapshot: &Signed<Snapshot>,
    ) -> Result<(), Violation> {
        // A root that was replaced never comes back, however new what its keys sign.
        check_step("root", self.root, root)?;
        let known = self.under(root.signed());
        known.check_timestamp(timestamp)?;
        known.check_snapshot(snapshot)
    }

    /// TUF 5.4.3: neither the timestamp nor the snapshot that it names goes back.
    ///
    /// # Errors
    /// When one does.
    pub fn check_timestamp(self, next: &Signed<Timestamp>) -> Result<(), Violation> {
        let Some(known) = self.timestamp else { return Ok(()) };
        check_step("timestamp", known, next)?;
        check_meta("snapshot", &known.signed().meta.snapshot, &next.signed().meta.snapshot)
    }

    /// TUF 5.5.5: neither the snapshot nor any role that it lists goes back or vanishes.
    ///
    /// # Errors
    /// When one does.
    pub fn check_snapshot(self, next: &Signed<Snapshot>) -> Result<(), Violation> {
        let Some(known) = self.snapshot else { return Ok(()) };
        check_step("snapshot", known, next)?;
        check_listed(&known.signed().meta, &next.signed().meta)
    }
}

/// TUF 5.3.4 and 5.3.5: whether a root is the one after another.
///
/// # Errors
/// When the keys of either did not sign it, or it has another version than the next one.
pub fn check_next_root(known: &Signed<Root>, next: &Signed<Root>) -> Result<(), Violation> {
    let (trusted, found) = (known.signed().version, next.signed().version);
    let path = names::metadata_path("root", trusted + 1);
    next.verify(known.signed().root()).map_err(Violation::signature(&path))?;
    next.verify(next.signed().root()).map_err(Violation::signature(&path))?;
    if found == trusted + 1 { Ok(()) } else { Err(Violation::BrokenChain { trusted, found }) }
}

/// Whether one document of a role may follow another.
///
/// # Errors
/// When its version is lower, or the same with other bytes.
pub fn check_step<T: Role>(role: &str, known: &Signed<T>, next: &Signed<T>) -> Result<(), Violation> {
    check_version(role, known.signed().version(), next.signed().version(), known.raw() == next.raw())
}

/// Whether the roles that one snapshot lists, by file name, may follow those that another listed.
///
/// # Errors
/// The first role that goes back or vanishes.
pub fn check_listed(known: &BTreeMap<String, Meta>, next: &BTreeMap<String, Meta>) -> Result<(), Violation> {
    known.iter().try_for_each(|(file, known)| {
        let role = file.trim_end_matches(".json");
        let next = next.get(file).ok_or_else(|| Violation::Vanished { role: role.to_owned() })?;
        check_meta(role, known, next)
    })
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
