//! The summary of a ceremony that a keeper sees, as data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::documents::{Document, DocumentId};
use super::line_work::LineWork;
use super::roles::{RoleName, role_keys};
use super::{Ceremony, Retirement};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::names::{self, TargetName};
use crate::formats::tuf::{KeyId, Signers};

/// A summary of what a ceremony changes and who has signed it.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub reason: Option<&'a str>,
    pub began: Time,
    pub roles: Vec<RoleChange>,
    pub retires: Option<&'a Retirement>,
    pub terms: Vec<TermChange>,
    pub listings: Vec<Listing>,
    /// The manifests to sign.
    pub releases: Vec<&'a ReleaseManifest>,
    pub documents: Vec<Document<'a>>,
    /// Whether enough keepers have signed everything.
    pub complete: bool,
}

/// A role whose keys or threshold change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleChange {
    pub role: RoleName,
    pub added: Vec<KeyId>,
    pub dropped: Vec<KeyId>,
    /// The number of signatures that the role needed before; `None` if it is new.
    pub threshold_before: Option<u64>,
    pub threshold: u64,
    pub keys: usize,
    /// For a line's new role: the prefix of the versions that its keys may sign.
    pub prefix: Option<String>,
}

/// A role that gets a new version: its expiry before and after the ceremony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TermChange {
    pub role: String,
    pub expired: Option<Time>,
    pub expires: Time,
}

/// The targets that a line's role lists for the first time or with a different digest, and those that it no
/// longer lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    pub line: LineName,
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

impl Ceremony {
    /// Everything that a keeper should see before signing.
    pub fn report(&self) -> Report<'_> {
        let documents = self.documents();
        let term = |document: &Document<'_>| {
            let role = match &document.id {
                DocumentId::Root(_) => "root".to_owned(),
                DocumentId::Targets => "targets".to_owned(),
                DocumentId::Line(line) => names::releases_role(line),
                DocumentId::Manifest(_) => return None,
            };
            Some(TermChange { role, expired: document.expired, expires: document.expires? })
        };
        Report {
            reason: self.reason.as_deref(),
            began: self.began,
            roles: self.role_changes(),
            retires: self.retires.as_ref(),
            terms: documents.iter().filter_map(term).collect(),
            listings: self.listings(),
            releases: self.manifests().collect(),
            complete: documents.iter().all(Document::is_complete),
            documents,
        }
    }

    /// The releases that lines no longer list.
    pub fn dropped(&self) -> impl Iterator<Item = (LineName, Version)> {
        let release = |name: &String| match TargetName::parse(name)? {
            TargetName::Release(version) => Some(version),
            TargetName::Channel(_) | TargetName::Index(_) | TargetName::Payload(_) => None,
        };
        self.listings().into_iter().flat_map(move |Listing { line, removed, .. }| {
            removed.iter().filter_map(release).map(|version| (line.clone(), version)).collect::<Vec<_>>()
        })
    }

    fn role_changes(&self) -> Vec<RoleChange> {
        let before = self.before.as_ref();
        let before = before.map(|before| role_keys(before.root().signed(), before.targets().signed()));
        let before = before.unwrap_or_default();
        let Some((root, targets)) = self.new_root().zip(self.new_targets()) else { return Vec::new() };
        let (none, targets) = (Signers::default(), targets.signed());
        let prefix = |role: &RoleName| {
            let RoleName::Release(Some(line)) = role else { return None };
            names::prefix(&targets.delegated(&names::releases_role(line))?.0.paths)
        };
        let change = |(role, now): (RoleName, Signers)| {
            let known = before.get(&role);
            let was = known.unwrap_or(&none);
            let only = |a: &Signers, b: &Signers| -> Vec<KeyId> {
                a.keys.keys().filter(|id| !b.keys.contains_key(id)).copied().collect()
            };
            (*was != now).then(|| RoleChange {
                added: only(&now, was),
                dropped: only(was, &now),
                threshold_before: known.map(|known| known.threshold),
                threshold: now.threshold,
                keys: now.keys.len(),
                prefix: prefix(&role).filter(|_| known.is_none()).map(|prefix| prefix.to_string()),
                role,
            })
        };
        role_keys(root.signed(), targets).into_iter().filter_map(change).collect()
    }

    fn listings(&self) -> Vec<Listing> {
        let listing = |(line, work): (&LineName, &LineWork)| {
            let none = BTreeMap::new();
            let was = self.before.as_ref().and_then(|before| before.line(line));
            let was = was.map_or(&none, |role| &role.signed().targets);
            let now = &work.role.signed().targets;
            let added = now.iter().filter(|(name, target)| was.get(*name) != Some(target));
            let removed = was.keys().filter(|name| !now.contains_key(*name));
            Listing {
                line: line.clone(),
                added: added.map(|(name, _)| name.clone()).collect(),
                removed: removed.cloned().collect(),
            }
        };
        self.lines.iter().map(listing).collect()
    }
}
