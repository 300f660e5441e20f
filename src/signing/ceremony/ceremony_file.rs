//! The ceremony file, which is passed from keeper to keeper.
//!
//! It also contains the current roots and roles, so that an offline machine can show what changes and who
//! may sign it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::documents::DocumentId;
use super::line_work::LineWork;
use super::{Ceremony, Files, Retirement};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::seconds;
use crate::formats::tuf::Root;
use crate::signing::trust::{Trust, TrustError};
use crate::signing::{Signed, Violation};

/// Why a file cannot be used as a ceremony.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyFileError {
    #[error("it is not a ceremony file")]
    Form(#[source] serde_json::Error),
    #[error("it contains `{}`, which is not part of a ceremony", .0.escape_debug())]
    Stray(String),
    #[error(transparent)]
    Document(#[from] Violation),
    #[error("its `{path}` is actually `{found}`")]
    Name { path: String, found: DocumentId },
    #[error("it has manifests of line `{0}` without the role that lists them")]
    NoRole(LineName),
    #[error("the keys and roles that it began from are invalid")]
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
    /// The indexes that the roles of lines list, by line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    indexes: BTreeMap<LineName, Box<RawValue>>,
    /// The manifests that show that an index is right about releases that are signed already, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    evidence: BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "ceremony")]
    Ceremony,
}

/// The format version. It increases with each change that older readers would misread.
const FORMAT: u32 = 1;

impl Ceremony {
    /// Reads a ceremony from its file, and verifies the roots and roles that it began from.
    /// [`Ceremony::check`] verifies the rest.
    ///
    /// # Errors
    /// When it is not a ceremony file, or those roots and roles are invalid.
    pub fn read(file: &[u8]) -> Result<Self, CeremonyFileError> {
        let form: Form = serde_json::from_slice(file).map_err(CeremonyFileError::Form)?;
        if form.format != FORMAT {
            let message = format!("format `{}` is unknown: expected `{FORMAT}`", form.format);
            return Err(CeremonyFileError::Form(serde::de::Error::custom(message)));
        }
        let raw = |value: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(value)));
        let base: Files = form.trust.into_iter().map(|(name, value)| (name, raw(value))).collect();
        let mut ceremony = Self::from(None, &[], form.began);
        (ceremony.reason, ceremony.retires) = (form.reason, form.retires);
        ceremony.before = Trust::read(&base)?;
        let mut manifests = Vec::new();
        for (path, value) in form.documents {
            let raw = raw(value);
            match DocumentId::parse(&path) {
                None => return Err(CeremonyFileError::Stray(path)),
                Some(DocumentId::Root(_)) => {
                    let root: Signed<Root> = document(&path, raw)?;
                    check_name(&path, DocumentId::Root(root.signed().version))?;
                    if ceremony.root.replace(root).is_some() {
                        return Err(CeremonyFileError::Stray(path));
                    }
                }
                Some(DocumentId::Targets) => ceremony.targets = Some(document(&path, raw)?),
                Some(DocumentId::Line(line)) => {
                    let (manifests, index, evidence) = Default::default();
                    let work = LineWork { role: document(&path, raw)?, manifests, index, evidence };
                    ceremony.lines.insert(line, work);
                }
                Some(DocumentId::Manifest(_)) => {
                    manifests.push(release_manifest(&path, raw)?);
                }
            }
        }
        for manifest in manifests {
            let (work, version) = ceremony.work_of(&manifest)?;
            work.manifests.insert(version, manifest);
        }
        for (path, value) in form.evidence {
            let manifest = release_manifest(&path, raw(value))?;
            let (work, version) = ceremony.work_of(&manifest)?;
            work.evidence.insert(version, manifest);
        }
        for (line, value) in form.indexes {
            let work = ceremony.lines.get_mut(&line).ok_or(CeremonyFileError::NoRole(line))?;
            work.index = Some(raw(value));
        }
        if ceremony.documents().is_empty() {
            return Err(CeremonyFileError::Empty);
        }
        Ok(ceremony)
    }

    /// The work of a manifest's line.
    fn work_of(
        &mut self,
        manifest: &Signed<ReleaseManifest>,
    ) -> Result<(&mut LineWork, Version), CeremonyFileError> {
        let ReleaseManifest { line, version, .. } = manifest.signed();
        let work = self.lines.get_mut(line).ok_or_else(|| CeremonyFileError::NoRole(line.clone()))?;
        Ok((work, version.clone()))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// Never in practice: everything in a ceremony came from JSON.
    pub fn file(&self) -> Result<Vec<u8>, CeremonyFileError> {
        let trust = self.before.as_ref().map(Trust::files).unwrap_or_default();
        let documents = self.documents().into_iter();
        let form = Form {
            kind: Kind::Ceremony,
            format: FORMAT,
            began: self.began,
            reason: self.reason.clone(),
            retires: self.retires.clone(),
            trust: values(trust.into_iter())?,
            documents: values(documents.map(|document| (document.id.to_string(), document.raw.clone())))?,
            indexes: values(
                self.lines.iter().filter_map(|(line, work)| Some((line.clone(), work.index.clone()?))),
            )?,
            evidence: values(self.lines.values().flat_map(|work| &work.evidence).map(
                |(version, manifest)| {
                    (DocumentId::Manifest(version.clone()).to_string(), manifest.raw().clone())
                },
            ))?,
        };
        let mut file = serde_json::to_vec_pretty(&form).map_err(CeremonyFileError::Form)?;
        file.push(b'\n');
        Ok(file)
    }
}

/// Converts files to JSON values that keep their exact bytes.
fn values<N: Ord>(
    files: impl Iterator<Item = (N, Bytes)>,
) -> Result<BTreeMap<N, Box<RawValue>>, CeremonyFileError> {
    let values = files.map(|(name, bytes)| Ok((name, serde_json::from_slice(&bytes)?)));
    values.collect::<Result<_, _>>().map_err(CeremonyFileError::Form)
}

fn document<T: DeserializeOwned>(path: &str, raw: Bytes) -> Result<Signed<T>, Violation> {
    Signed::parse(raw).map_err(Violation::unreadable(path))
}

fn release_manifest(path: &str, raw: Bytes) -> Result<Signed<ReleaseManifest>, CeremonyFileError> {
    let manifest: Signed<ReleaseManifest> = document(path, raw)?;
    check_name(path, DocumentId::Manifest(manifest.signed().version.clone()))?;
    Ok(manifest)
}

fn check_name(path: &str, found: DocumentId) -> Result<(), CeremonyFileError> {
    if found.to_string() == path {
        return Ok(());
    }
    Err(CeremonyFileError::Name { path: path.to_owned(), found })
}
