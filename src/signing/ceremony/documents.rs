//! The documents of a ceremony, and who has signed each.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::Ceremony;
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::tuf::{Authority, KeyId, Role, names};
use crate::signing::Signed;
use crate::signing::trust::Trust;

/// Identifies a document. It is displayed as the path of the document's file: relative to the catalog, or
/// `payloads/…` for a file in the payloads folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentId {
    Root(u64),
    Targets,
    /// The role of a line.
    Line(LineName),
    /// The manifest of a release.
    Manifest(Version),
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(version) => write!(f, "trust/{version}.root.json"),
            Self::Targets => f.write_str("trust/targets.json"),
            Self::Line(line) => write!(f, "trust/{}.json", names::releases_role(line)),
            Self::Manifest(version) => write!(f, "payloads/{version}/release.json"),
        }
    }
}

impl Serialize for DocumentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl DocumentId {
    /// Returns the document with this path, if the path is valid.
    pub fn parse(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("payloads/") {
            return Version::parse(rest.strip_suffix("/release.json")?).ok().map(Self::Manifest);
        }
        let name = path.strip_prefix("trust/")?.strip_suffix(".json")?;
        if name == "targets" {
            return Some(Self::Targets);
        }
        if let Some(line) = names::line_of(name) {
            return Some(Self::Line(line));
        }
        let version = name.strip_suffix(".root")?;
        version.parse().ok().map(Self::Root).filter(|id| id.to_string() == path)
    }
}

/// A document, and the signatures that it needs.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(rename = "path")]
    pub id: DocumentId,
    /// The version number of a role, or the version of a release.
    pub version: String,
    /// `None` for a manifest, which does not expire.
    pub expires: Option<Time>,
    /// Whether it can be signed now. The role of a line must wait until the manifests that it lists are
    /// complete.
    pub ready: bool,
    /// One tally for each set of keys that must sign. A new root needs the keys of the present root and its
    /// own.
    pub needs: Vec<Tally>,
    #[serde(skip)]
    pub raw: &'a Bytes,
    /// For a role: its version before and after the ceremony. Before is 0 if the role is new.
    #[serde(skip)]
    pub(super) step: Option<(u64, u64)>,
    /// The role's expiry before the ceremony.
    #[serde(skip)]
    pub(super) expired: Option<Time>,
    /// A key whose signature is invalid or does not count for this document.
    #[serde(skip)]
    pub(super) wrong: Option<KeyId>,
}

/// The keys of one set, by whether they have signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The name of the set, such as `root keys`.
    pub keys: &'static str,
    pub threshold: u64,
    pub signed: Vec<KeyId>,
    pub missing: Vec<KeyId>,
}

impl Tally {
    /// Whether there are enough signatures.
    pub const fn is_complete(&self) -> bool {
        self.signed.len() as u64 >= self.threshold
    }
}

/// A document without enough signatures, now or after certain keys have signed too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    pub id: DocumentId,
    pub keys: &'static str,
    pub threshold: u64,
    pub given: usize,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, keys, threshold, given } = self;
        write!(f, "`{id}` has {given} of {threshold} {keys}")
    }
}

impl<'a> Document<'a> {
    /// The next version of a role.
    fn role<T: Role>(
        id: DocumentId,
        before: Option<&Signed<T>>,
        next: &'a Signed<T>,
        authorities: &[(&'static str, Authority<'a>)],
    ) -> Self {
        let (before, role) = (before.map(Signed::signed), next.signed());
        Self {
            expires: Some(role.expires()),
            step: Some((before.map_or(0, Role::version), role.version())),
            expired: before.map(Role::expires),
            ..Self::of(id, role.version().to_string(), next, authorities)
        }
    }

    fn of<T>(
        id: DocumentId,
        version: String,
        document: &'a Signed<T>,
        authorities: &[(&'static str, Authority<'a>)],
    ) -> Self {
        let tally = |(keys, authority): &(&'static str, Authority<'_>)| {
            let checked = document.checked_signatures(*authority);
            let valid: BTreeSet<KeyId> = checked.filter_map(|(id, valid)| valid.then_some(id)).collect();
            let (signed, missing) = authority.keyids.iter().copied().partition(|id| valid.contains(id));
            Tally { keys, threshold: authority.threshold, signed, missing }
        };
        let needs: Vec<Tally> = authorities.iter().map(tally).collect();
        let is_wrong = |keyid: &KeyId| !needs.iter().any(|tally| tally.signed.contains(keyid));
        let wrong = document.signatures().iter().map(|signature| signature.keyid).find(is_wrong);
        let raw = document.raw();
        Self { id, version, expires: None, ready: true, needs, raw, step: None, expired: None, wrong }
    }

    /// Whether a key's signature counts for this document.
    pub fn counts(&self, key: KeyId) -> bool {
        self.needs.iter().any(|tally| tally.signed.contains(&key) || tally.missing.contains(&key))
    }

    /// Whether there are enough signatures.
    pub fn is_complete(&self) -> bool {
        self.ready && !self.needs.is_empty() && self.needs.iter().all(Tally::is_complete)
    }

    /// Whether a key should sign the document now. A complete manifest is left alone: another signature
    /// would change the digest that the role lists.
    pub(super) fn wants(&self, key: KeyId) -> bool {
        let enough = matches!(self.id, DocumentId::Manifest(_)) && self.is_complete();
        self.ready && !enough && self.needs.iter().any(|tally| tally.missing.contains(&key))
    }
}

impl Ceremony {
    /// Everything that must be signed: root, targets, and for each line its manifests and its role.
    pub fn documents(&self) -> Vec<Document<'_>> {
        let (mut documents, before) = (Vec::new(), self.before.as_ref());
        if let Some(root) = &self.root {
            let own = root.signed().root();
            let present = before.map(|before| before.root().signed().root());
            let present =
                present.filter(|present| (present.keyids, present.threshold) != (own.keyids, own.threshold));
            let authorities = match present {
                None => vec![("root keys", own)],
                Some(present) => vec![("present root keys", present), ("new root keys", own)],
            };
            let id = DocumentId::Root(root.signed().version);
            documents.push(Document::role(id, before.map(Trust::root), root, &authorities));
        }
        if let Some(targets) = &self.targets {
            let keys = self.new_root().map(|root| ("targets keys", root.signed().targets()));
            let present = before.map(Trust::targets);
            documents.push(Document::role(DocumentId::Targets, present, targets, keys.as_slice()));
        }
        for (line, work) in &self.lines {
            let keys = self.line_authority(line).map(|authority| ("release keys", authority));
            let begin = documents.len();
            documents.extend(work.manifests.iter().map(|(version, manifest)| {
                let id = DocumentId::Manifest(version.clone());
                Document::of(id, version.to_string(), manifest, keys.as_slice())
            }));
            let ready = documents[begin..].iter().all(Document::is_complete);
            let present = before.and_then(|before| before.line(line));
            let role = Document::role(DocumentId::Line(line.clone()), present, &work.role, keys.as_slice());
            documents.push(Document { ready, ..role });
        }
        documents
    }

    /// Whether enough keepers have signed everything.
    pub fn is_complete(&self) -> bool {
        self.documents().iter().all(Document::is_complete)
    }

    /// The documents that would still lack signatures after all of these keys had signed.
    pub fn shortfalls(&self, keys: &[KeyId]) -> Vec<Shortfall> {
        let mut shortfalls = Vec::new();
        for Document { id, needs, .. } in self.documents() {
            for Tally { keys: set, threshold, signed, missing } in needs {
                let given = signed.len() + missing.iter().filter(|id| keys.contains(id)).count();
                if (given as u64) < threshold {
                    shortfalls.push(Shortfall { id: id.clone(), keys: set, threshold, given });
                }
            }
        }
        shortfalls
    }
}
