//! A ceremony: documents that several people sign in turn, in one file that is passed along.
//!
//! The file has the present roots and roles too, so that a machine without a network needs nothing
//! else to see what is changed and who may sign it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Files;
use super::documents::DocumentId;
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::seconds;
use crate::formats::tuf::{Root, Targets, names};
use crate::signing::signed::{ParseError, SignError};
use crate::signing::trust::{Trust, TrustError};
use crate::signing::{InRole, Signed, Signer};

/// What is to be signed, by whom, and by whom it is signed already.
#[derive(Debug)]
pub struct Ceremony {
    /// Why, for those who are asked to sign.
    pub reason: Option<String>,
    pub began: Time,
    /// The line that ends when it is finished.
    pub retires: Option<Retirement>,
    /// The present files of `trust/` that what is signed follows upon; none where a repository is
    /// founded.
    pub(super) base: Files,
    pub(super) before: Option<Trust>,
    pub(super) root: Option<Signed<Root>>,
    pub(super) targets: Option<Signed<Targets>>,
    pub(super) lines: BTreeMap<LineName, LineWork>,
}

/// A line that ends with a ceremony: not before all have signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retirement {
    pub line: LineName,
    pub by: String,
    pub reason: String,
}

/// What is signed by the keys of one line.
#[derive(Debug)]
pub struct LineWork {
    pub role: Signed<Targets>,
    /// Manifests that are signed anew. The role lists their digests, signatures included, so it is
    /// signed when they are complete.
    pub manifests: BTreeMap<Version, Signed<ReleaseManifest>>,
}

/// Why a file is not a ceremony that anybody should sign.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyFileError {
    #[error("it is not a ceremony's file")]
    Form(#[source] serde_json::Error),
    #[error("it holds `{}`, which belongs into no ceremony", .0.escape_debug())]
    Stray(String),
    #[error("its `{path}` cannot be read")]
    Document { path: String, source: ParseError },
    #[error("its `{path}` is of `{found}`")]
    Name { path: String, found: String },
    #[error("it has manifests of line `{0}` without the role that lists them")]
    NoRole(LineName),
    #[error("the keys and roles that it began from do not hold")]
    Before(#[from] TrustError),
    #[error("it has nothing to sign")]
    Empty,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(rename = "_type")]
    kind: Kind,
    format: u32,
    #[serde(with = "seconds")]
    began: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires: Option<Retirement>,
    trust: BTreeMap<String, Box<RawValue>>,
    documents: BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "ceremony")]
    Ceremony,
}

/// The form of the file. A change that older readers would misread gets the next number.
const FORMAT: u32 = 1;

impl Ceremony {
    /// A ceremony with nothing to sign yet, which begins from these files of `trust/`: those of the
    /// lines that are not touched are left out.
    pub(super) fn from(
        before: Option<&Trust>,
        lines: &[&LineName],
        reason: Option<String>,
        now: Time,
    ) -> Self {
        let mut base = Files::new();
        for root in before.into_iter().flat_map(Trust::roots) {
            base.insert(format!("{}.root.json", root.signed().version), root.raw().clone());
        }
        if let Some(before) = before {
            base.insert("targets.json".to_owned(), before.targets().raw().clone());
            for line in lines {
                let role = before.line(line).map(|role| (names::releases_role(line), role.raw().clone()));
                base.extend(role.map(|(name, raw)| (format!("{name}.json"), raw)));
            }
        }
        // What was read once is read again: these are the very bytes.
        let before = Trust::read(&base).ok().flatten();
        let lines = BTreeMap::new();
        Self { reason, began: now, retires: None, base, before, root: None, targets: None, lines }
    }

    /// Reads a ceremony from its file. The roots and roles that it began from are verified against
    /// each other; see [`Ceremony::check`] for the rest.
    ///
    /// # Errors
    /// When it is something else, or what it began from does not hold.
    pub fn read(file: &[u8]) -> Result<Self, CeremonyFileError> {
        let form: Form = serde_json::from_slice(file).map_err(CeremonyFileError::Form)?;
        if form.format != FORMAT {
            let message = format!("format `{}` is unknown: format `{FORMAT}` is read", form.format);
            return Err(CeremonyFileError::Form(serde::de::Error::custom(message)));
        }
        let raw = |value: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(value)));
        let base: Files = form.trust.into_iter().map(|(name, value)| (name, raw(value))).collect();
        let before = Trust::read(&base)?;
        let mut ceremony = Self {
            reason: form.reason,
            began: form.began,
            retires: form.retires,
            base,
            before,
            root: None,
            targets: None,
            lines: BTreeMap::new(),
        };
        let mut manifests = Vec::new();
        for (path, value) in form.documents {
            let raw = raw(value);
            match DocumentId::parse(&path) {
                None => return Err(CeremonyFileError::Stray(path)),
                Some(DocumentId::Root(version)) => {
                    let root: Signed<Root> = document(&path, raw)?;
                    named(&path, version == root.signed().version, &root.signed().version)?;
                    if ceremony.root.replace(root).is_some() {
                        return Err(CeremonyFileError::Stray(path));
                    }
                }
                Some(DocumentId::Targets) => ceremony.targets = Some(document(&path, raw)?),
                Some(DocumentId::Line(line)) => {
                    let work = LineWork { role: document(&path, raw)?, manifests: BTreeMap::new() };
                    ceremony.lines.insert(line, work);
                }
                Some(DocumentId::Manifest(version)) => manifests.push((path, version, raw)),
            }
        }
        for (path, version, raw) in manifests {
            let manifest: Signed<ReleaseManifest> = document(&path, raw)?;
            named(&path, version == manifest.signed().version, &manifest.signed().version)?;
            let line = manifest.signed().line.clone();
            let work = ceremony.lines.get_mut(&line).ok_or(CeremonyFileError::NoRole(line))?;
            work.manifests.insert(version, manifest);
        }
        if ceremony.documents().is_empty() {
            return Err(CeremonyFileError::Empty);
        }
        Ok(ceremony)
    }

    /// The file, to be passed on.
    ///
    /// # Errors
    /// Never in practice: what is in it was JSON before.
    pub fn file(&self) -> Result<Vec<u8>, CeremonyFileError> {
        let raw = |raw: &Bytes| serde_json::from_slice::<Box<RawValue>>(raw).map_err(CeremonyFileError::Form);
        let mut form = Form {
            kind: Kind::Ceremony,
            format: FORMAT,
            began: self.began,
            reason: self.reason.clone(),
            retires: self.retires.clone(),
            trust: BTreeMap::new(),
            documents: BTreeMap::new(),
        };
        for (name, bytes) in &self.base {
            form.trust.insert(name.clone(), raw(bytes)?);
        }
        for document in self.documents() {
            form.documents.insert(document.id.path(), raw(document.raw)?);
        }
        let mut file = serde_json::to_vec_pretty(&form).map_err(CeremonyFileError::Form)?;
        file.push(b'\n');
        Ok(file)
    }

    /// What it began from, unless it founds a repository.
    #[must_use]
    pub const fn before(&self) -> Option<&Trust> {
        self.before.as_ref()
    }

    /// The release manifests that are signed in it.
    pub fn manifests(&self) -> impl Iterator<Item = &ReleaseManifest> {
        self.lines.values().flat_map(|work| work.manifests.values()).map(Signed::signed)
    }

    /// The root that holds when the ceremony is finished.
    #[must_use]
    pub fn new_root(&self) -> Option<&Signed<Root>> {
        self.root.as_ref().or(self.before.as_ref().map(Trust::root))
    }

    /// The top of the targets roles when the ceremony is finished.
    #[must_use]
    pub fn new_targets(&self) -> Option<&Signed<Targets>> {
        self.targets.as_ref().or(self.before.as_ref().map(Trust::targets))
    }

    /// Signs with a key whatever it counts for and is ready. Gives the paths of what it signed.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&mut self, key: &dyn Signer) -> Result<Vec<String>, SignError> {
        let mut signed = Vec::new();
        // The role of a line comes after its manifests, whose digests it lists.
        for manifests in [true, false] {
            let wanted: Vec<DocumentId> = self
                .documents()
                .into_iter()
                .filter(|document| matches!(document.id, DocumentId::Manifest(_)) == manifests)
                .filter(|document| document.wants(key.id()))
                .map(|document| document.id)
                .collect();
            for id in wanted {
                self.sign_one(&id, key)?;
                signed.push(id.path());
            }
            self.list_manifests()?;
        }
        Ok(signed)
    }

    fn sign_one(&mut self, id: &DocumentId, key: &dyn Signer) -> Result<(), SignError> {
        match id {
            DocumentId::Root(_) => self.root.as_mut().map(|document| add(document, key)),
            DocumentId::Targets => self.targets.as_mut().map(|document| add(document, key)),
            DocumentId::Line(line) => {
                let role = names::releases_role(line);
                self.lines.get_mut(line).map(|work| add(&mut work.role, &InRole(&role, key)))
            }
            DocumentId::Manifest(version) => {
                let mut manifests = self.lines.values_mut().map(|work| &mut work.manifests);
                manifests.find_map(|manifests| manifests.get_mut(version)).map(|document| add(document, key))
            }
        }
        .unwrap_or(Ok(()))
    }

    /// Lists manifests as they are now in their lines' roles. A role that listed others loses its
    /// signatures, which nobody can have made with good reason.
    pub(super) fn list_manifests(&mut self) -> Result<(), SignError> {
        for work in self.lines.values_mut() {
            let mut role = work.role.signed().clone();
            for (version, manifest) in &work.manifests {
                let target = crate::formats::tuf::Target::of(manifest.raw());
                role.targets.insert(names::release_target(version), target);
            }
            if role != *work.role.signed() {
                work.role = Signed::unsigned(role)?;
            }
        }
        Ok(())
    }
}

fn add<T: Clone>(document: &mut Signed<T>, key: &dyn Signer) -> Result<(), SignError> {
    let mut signatures = document.signatures().to_vec();
    signatures.push(super::super::Signature::by(key, document.message())?);
    *document = document.clone().with_signatures(signatures)?;
    Ok(())
}

fn document<T: serde::de::DeserializeOwned>(path: &str, raw: Bytes) -> Result<Signed<T>, CeremonyFileError> {
    Signed::parse(raw).map_err(|source| CeremonyFileError::Document { path: path.to_owned(), source })
}

fn named(path: &str, right: bool, found: &dyn fmt::Display) -> Result<(), CeremonyFileError> {
    if right {
        return Ok(());
    }
    Err(CeremonyFileError::Name { path: path.to_owned(), found: found.to_string() })
}
