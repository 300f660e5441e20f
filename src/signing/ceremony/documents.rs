//! The documents of a ceremony, and who has signed each.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::passed::Ceremony;
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::tuf::{Authority, KeyId, names};
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signature};

/// Which document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentId {
    Root(u64),
    Targets,
    /// The role of a line.
    Line(LineName),
    /// The manifest of a release.
    Manifest(Version),
}

impl DocumentId {
    /// Where it is written in the end: below the catalog, or `payloads/…` below the payloads.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Root(version) => format!("trust/{version}.root.json"),
            Self::Targets => "trust/targets.json".to_owned(),
            Self::Line(line) => format!("trust/{}.json", names::releases_role(line)),
            Self::Manifest(version) => format!("payloads/{version}/release.json"),
        }
    }

    /// The document with this path.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        if let Some(version) =
            path.strip_prefix("payloads/").and_then(|rest| rest.strip_suffix("/release.json"))
        {
            return Version::parse(version).ok().map(Self::Manifest);
        }
        let name = path.strip_prefix("trust/")?.strip_suffix(".json")?;
        if name == "targets" {
            return Some(Self::Targets);
        }
        if let Some(line) = name.strip_prefix(names::RELEASES) {
            return LineName::parse(line).ok().map(Self::Line);
        }
        let version = name.strip_suffix(".root")?;
        version.parse().ok().map(Self::Root).filter(|id| id.path() == path)
    }
}

/// One document, with the keys that count for it.
#[derive(Debug)]
pub struct Document<'a> {
    pub id: DocumentId,
    /// The number of a role, or the version of a release.
    pub version: String,
    /// A manifest does not expire.
    pub expires: Option<Time>,
    pub raw: &'a Bytes,
    message: &'a [u8],
    signatures: &'a [Signature],
    /// Whose signatures are needed: for a next root, of the present root's keys and of its own.
    pub authorities: Vec<(&'static str, Authority<'a>)>,
    /// Whether it can be signed now. The role of a line is when the manifests are complete that it
    /// lists.
    pub ready: bool,
}

/// Who of one set of keys has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// What the keys are, where a document needs those of two sets.
    pub whose: &'static str,
    pub threshold: u64,
    pub signed: Vec<KeyId>,
    pub missing: Vec<KeyId>,
}

impl Tally {
    /// Whether there are signatures enough.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.signed.len() as u64 >= self.threshold
    }
}

/// A signature in a ceremony's file that does not belong there.
#[derive(Debug, thiserror::Error)]
pub enum BadSignature {
    #[error("`{path}` was changed after the key `{keyid}` signed it")]
    Changed { path: String, keyid: KeyId },
    #[error("`{path}` is signed by the key `{keyid}`, which does not count for it")]
    Foreign { path: String, keyid: KeyId },
}

impl Document<'_> {
    /// Who has signed, for each set of keys that must.
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        let tally = |(whose, authority): &(&'static str, Authority<'_>)| {
            let valid: BTreeSet<KeyId> =
                self.signatures.iter().filter(|s| self.holds(s, *authority)).map(|s| s.keyid).collect();
            let (signed, missing) = authority.keyids.iter().copied().partition(|id| valid.contains(id));
            Tally { whose, threshold: authority.threshold, signed, missing }
        };
        self.authorities.iter().map(tally).collect()
    }

    fn holds(&self, signature: &Signature, authority: Authority<'_>) -> bool {
        let key = authority.keys.get(&signature.keyid).and_then(|key| PublicKey::of(key).ok());
        authority.keyids.contains(&signature.keyid)
            && key.is_some_and(|key| key.verifies(self.message, &signature.sig))
    }

    /// Whether a key counts for it.
    #[must_use]
    pub fn counts(&self, key: KeyId) -> bool {
        self.authorities.iter().any(|(_, authority)| authority.keyids.contains(&key))
    }

    /// Whether there are signatures enough.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ready && !self.authorities.is_empty() && self.tallies().iter().all(Tally::is_complete)
    }

    /// Whether a key should sign it now. A manifest that is complete is left alone: one signature
    /// more would change the digest that the role lists.
    #[must_use]
    pub fn wants(&self, key: KeyId) -> bool {
        let signed = self.signatures.iter().any(|signature| signature.keyid == key);
        let enough = matches!(self.id, DocumentId::Manifest(_)) && self.is_complete();
        self.ready && self.counts(key) && !signed && !enough
    }

    /// Whether each signature is by a key that counts, and over this very document.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_signatures(&self) -> Result<(), BadSignature> {
        for signature in self.signatures {
            let (path, keyid) = (self.id.path(), signature.keyid);
            if !self.counts(keyid) {
                return Err(BadSignature::Foreign { path, keyid });
            }
            if !self.authorities.iter().any(|(_, authority)| self.holds(signature, *authority)) {
                return Err(BadSignature::Changed { path, keyid });
            }
        }
        Ok(())
    }
}

impl Ceremony {
    /// Everything that is to be signed: root, targets, and for each line its manifests and its role.
    #[must_use]
    pub fn documents(&self) -> Vec<Document<'_>> {
        let mut documents = Vec::new();
        if let Some(root) = &self.root {
            let before =
                self.before.as_ref().map(|before| ("present root keys", before.root().signed().root()));
            let own = ("new root keys", root.signed().root());
            let same = before.is_some_and(|(_, before)| {
                before.keyids == own.1.keyids && before.threshold == own.1.threshold
            });
            let authorities = match before {
                None => vec![("root keys", own.1)],
                Some(_) if same => vec![("root keys", own.1)],
                Some(before) => vec![before, own],
            };
            let signed = root.signed();
            documents.push(Document {
                id: DocumentId::Root(signed.version),
                version: signed.version.to_string(),
                expires: Some(signed.expires),
                raw: root.raw(),
                message: root.message(),
                signatures: root.signatures(),
                authorities,
                ready: true,
            });
        }
        if let Some(targets) = &self.targets {
            let authority = self.new_root().map(|root| ("targets keys", root.signed().targets()));
            documents.push(Document {
                id: DocumentId::Targets,
                version: targets.signed().version.to_string(),
                expires: Some(targets.signed().expires),
                raw: targets.raw(),
                message: targets.message(),
                signatures: targets.signatures(),
                authorities: authority.into_iter().collect(),
                ready: true,
            });
        }
        for (line, work) in &self.lines {
            let role = names::releases_role(line);
            let authority = self.new_targets().and_then(|targets| targets.signed().delegated(&role));
            let authority: Vec<_> =
                authority.into_iter().map(|(_, authority)| ("release keys", authority)).collect();
            let begin = documents.len();
            documents.extend(work.manifests.iter().map(|(version, manifest)| Document {
                id: DocumentId::Manifest(version.clone()),
                version: version.to_string(),
                expires: None,
                raw: manifest.raw(),
                message: manifest.message(),
                signatures: manifest.signatures(),
                authorities: authority.clone(),
                ready: true,
            }));
            let ready = documents[begin..].iter().all(Document::is_complete);
            documents.push(Document {
                id: DocumentId::Line(line.clone()),
                version: work.role.signed().version.to_string(),
                expires: Some(work.role.signed().expires),
                raw: work.role.raw(),
                message: work.role.message(),
                signatures: work.role.signatures(),
                authorities: authority,
                ready,
            });
        }
        documents
    }

    /// Whether everything is signed by enough.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.documents().iter().all(Document::is_complete)
    }

    /// Whether the roots that it began from lead on from a keeper's own one.
    #[must_use]
    pub fn follows_from(&self, own: &crate::signing::Signed<crate::formats::tuf::Root>) -> bool {
        let version = own.signed().version;
        let mut roots = self.before.iter().flat_map(Trust::roots);
        roots.any(|root| root.signed().version == version && root.message() == own.message())
    }
}
