//! Everything that is signed offline: the first root, key changes, releases, the retirement of a line.
//!
//! Each of these is a [`Ceremony`]: documents to sign, and the keys that must sign each of them. If one
//! person has all the keys, one command begins, signs and finishes the ceremony. Otherwise the ceremony
//! file is passed from keeper to keeper. Signing and checking are the same in both cases.
//!
//! Nothing here writes a file: a finished ceremony says which files to write.

mod ceremony_file;
mod change;
mod check;
mod documents;
mod finish;
mod held;
mod line_work;
mod releases;
mod report;
mod roles;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::signed::SignError;
use super::trust::Trust;
use super::{PrivateKey, Signed, Signer};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::{Line, Prefix};
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Authority, KeyId, MAX_SIGNED, Root, Signers, Target, TargetError, Targets, names};

pub use ceremony_file::CeremonyFileError;
pub use change::{KeyChange, change_keys};
pub use check::Refused;
pub use documents::{Document, DocumentId, Shortfall, Tally};
pub use finish::Finished;
pub use held::{Held, HeldError, NotHeld};
use line_work::LineWork;
pub use line_work::Stored;
pub use releases::{Founders, propose_releases, retire_line};
pub use report::{Listing, Report, RoleChange, TermChange};
pub use roles::{RoleName, RoleNameError, role_keys};

/// Files and their contents, by name.
pub type Files = BTreeMap<String, Bytes>;

/// The documents to sign, who must sign them, and who has signed them already.
#[derive(Debug)]
pub struct Ceremony {
    /// The reason, shown to the keepers who are asked to sign.
    pub reason: Option<String>,
    pub began: Time,
    /// The line that is retired when the ceremony is finished.
    retires: Option<Retirement>,
    /// The keys and roles before the ceremony; `None` if it founds a repository.
    before: Option<Trust>,
    root: Option<Signed<Root>>,
    targets: Option<Signed<Targets>>,
    lines: BTreeMap<LineName, LineWork>,
}

/// A line to retire once all signatures have been collected.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    pub line: LineName,
    pub by: String,
    pub reason: String,
    /// Whether releases that are on their way when the ceremony is finished may be left behind.
    #[serde(default)]
    pub leave_behind: bool,
}

/// Why a ceremony cannot begin, or cannot be signed by one person alone.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    #[error("there is no role `{0}`: no line of that name has release keys")]
    NoRole(RoleName),
    #[error("the key `{keyid}` already belongs to role `{role}`")]
    AlreadyThere { role: RoleName, keyid: KeyId },
    #[error("no key of role `{role}` begins with `{prefix}`")]
    NoSuchKey { role: RoleName, prefix: String },
    #[error("{count} keys of role `{role}` begin with `{prefix}`")]
    Ambiguous { role: RoleName, prefix: String, count: usize },
    #[error("role `online` cannot be renewed here: the server renews it automatically")]
    OnlineRenewed,
    #[error("nothing would change")]
    Nothing,
    #[error("line `{line}` cannot be signed, because its role cannot be used: {why}")]
    Broken { line: LineName, why: String },
    #[error(
        "`payloads/{version}/release.json` is missing, or is not the manifest that the role of line `{line}` lists"
    )]
    Manifest { line: LineName, version: Version },
    #[error("cannot read the manifest of release `{version}`, which the role of line `{line}` lists: {why}")]
    Unread { line: LineName, version: Version, why: String },
    #[error("two files would have the same name in the repository")]
    Target(#[from] TargetError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Refused(#[from] Box<Refused>),
}

impl CeremonyError {
    /// The error for a line whose role is missing or cannot be used.
    fn broken(trust: &Trust, line: &LineName) -> Self {
        match trust.broken().get(line) {
            Some(error) => Self::Broken { line: line.clone(), why: error.to_string() },
            None => Self::NoRole(RoleName::Release(Some(line.clone()))),
        }
    }
}

impl Ceremony {
    /// A ceremony with nothing to sign yet. `lines` are the lines whose roles it changes; the roles of
    /// other lines are left out.
    fn from(before: Option<&Trust>, lines: &[&LineName], now: Time) -> Self {
        let (before, lines) = (before.map(|before| before.with_only(lines)), BTreeMap::new());
        Self { reason: None, began: now, retires: None, before, root: None, targets: None, lines }
    }

    /// The line that is retired when the ceremony is finished.
    pub const fn retires(&self) -> Option<&Retirement> {
        self.retires.as_ref()
    }

    /// The release manifests to sign.
    pub fn manifests(&self) -> impl Iterator<Item = &ReleaseManifest> {
        self.lines.values().flat_map(|work| work.manifests.values()).map(Signed::signed)
    }

    /// The lines whose roles have grown beyond half of what is allowed, with their sizes in bytes.
    pub fn large_roles(&self) -> impl Iterator<Item = (&LineName, u64)> {
        let sizes = self.lines.iter().map(|(line, work)| (line, work.role.raw().len() as u64));
        sizes.filter(|(_, bytes)| *bytes > MAX_SIGNED / 2)
    }

    /// The keys that sign for a line after the ceremony.
    pub fn line_authority(&self, line: &LineName) -> Option<Authority<'_>> {
        Some(self.new_targets()?.signed().delegated(&names::releases_role(line))?.1)
    }

    /// The prefix of a line's versions after the ceremony.
    fn prefix(&self, line: &LineName) -> Option<Prefix> {
        let (role, _) = self.new_targets()?.signed().delegated(&names::releases_role(line))?;
        names::prefix(&role.paths)
    }

    /// The root after the ceremony.
    fn new_root(&self) -> Option<&Signed<Root>> {
        self.root.as_ref().or(self.before.as_ref().map(Trust::root))
    }

    /// The top targets role after the ceremony.
    fn new_targets(&self) -> Option<&Signed<Targets>> {
        self.targets.as_ref().or(self.before.as_ref().map(Trust::targets))
    }

    /// Signs every document with each key that counts for it. Returns which key signed which document.
    ///
    /// # Errors
    /// When a key cannot sign.
    pub fn sign(&mut self, keys: &[&dyn Signer]) -> Result<Vec<(DocumentId, KeyId)>, SignError> {
        let mut signed = Vec::new();
        // The role of a line lists the digests of its manifests, so it can be signed only once every
        // manifest has all its signatures. That is why several keys take two rounds.
        for key in keys.iter().chain(if keys.len() > 1 { keys } else { &[] }) {
            for manifests in [true, false] {
                let documents = self.documents().into_iter();
                let wanted: Vec<DocumentId> = documents
                    .filter(|document| matches!(document.id, DocumentId::Manifest(_)) == manifests)
                    .filter(|document| document.wants(key.id()))
                    .map(|document| document.id)
                    .collect();
                for id in wanted {
                    self.sign_one(&id, *key)?;
                    signed.push((id, key.id()));
                }
                self.list_manifests()?;
            }
        }
        Ok(signed)
    }

    fn sign_one(&mut self, id: &DocumentId, key: &dyn Signer) -> Result<(), SignError> {
        match id {
            DocumentId::Root(_) => self.root.as_mut().map(|root| root.add_signature(key, None)),
            DocumentId::Targets => self.targets.as_mut().map(|targets| targets.add_signature(key, None)),
            DocumentId::Line(line) => {
                let work = self.lines.get_mut(line);
                work.map(|work| work.role.add_signature(key, Some(&names::releases_role(line))))
            }
            DocumentId::Manifest(version) => {
                let manifest = self.lines.values_mut().find_map(|work| work.manifests.get_mut(version));
                manifest.map(|manifest| manifest.add_signature(key, None))
            }
        }
        .unwrap_or(Ok(()))
    }

    /// Updates the roles of lines to list the manifests as they are now. A role that changes loses its
    /// signatures, since they cover its old content.
    fn list_manifests(&mut self) -> Result<(), SignError> {
        for work in self.lines.values_mut() {
            let mut role = work.role.signed().clone();
            for (version, manifest) in &work.manifests {
                role.targets.insert(names::release_target(version), Target::of(manifest.raw()));
            }
            if role != *work.role.signed() {
                work.role = Signed::unsigned(role)?;
            }
        }
        Ok(())
    }

    /// Signs and completes a ceremony for which all keys are available.
    fn alone(mut self, keys: &[&dyn Signer], now: Time) -> Result<Finished, CeremonyError> {
        self.check(now).map_err(Box::new)?;
        self.sign(keys)?;
        Ok(self.complete(now).map_err(Box::new)?)
    }
}

/// The keys of a repository with one key for each role.
#[derive(Debug)]
pub struct Keys {
    pub root: PrivateKey,
    pub targets: PrivateKey,
    pub release: PrivateKey,
    pub online: PrivateKey,
}

/// Founds a repository with one key for each role: the first root, the delegations of all lines, and
/// an empty role for each line. Returns the files of a new `trust/` folder.
///
/// # Errors
/// When a document cannot be signed.
pub fn found(catalog: &Catalog, keys: &Keys, now: Time) -> Result<Files, CeremonyError> {
    let Keys { root, targets, release, online } = keys;
    let founders = Founders {
        root: Signers::any(vec![root.public().key()]),
        targets: targets.public(),
        release: release.public(),
        online: online.public(),
    };
    Ok(Ceremony::found(catalog, &founders, now)?.alone(&[root, targets, release], now)?.trust)
}

/// Signs releases of one line at `now`, and the next version of its role, with one release key. Releases
/// that the role already lists stay listed. `form` can change each manifest before it is signed.
///
/// # Errors
/// When the line has no role or needs a different key or more keys, or a document cannot be signed.
pub fn sign_releases(
    trust: &Trust,
    line: &Line,
    versions: &[Version],
    key: &dyn Signer,
    now: Time,
    form: impl Fn(&mut ReleaseManifest),
) -> Result<Finished, CeremonyError> {
    let pending = [(line, versions.to_vec())];
    propose_releases(trust, &pending, &[key.public()], &|_, _| Ok(None), &[], now, form)?.alone(&[key], now)
}
