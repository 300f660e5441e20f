//! The file of a ceremony, which goes from keeper to keeper.
//!
//! It contains the present roots and roles too, so that a machine without a network needs nothing
//! else to see what changes and who may sign it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::documents::DocumentId;
use super::{Ceremony, Files, LineWork, Retirement};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::seconds;
use crate::formats::tuf::Root;
use crate::signing::Signed;
use crate::signing::signed::ParseError;
use crate::signing::trust::{Trust, TrustError};

/// Why a file is not a ceremony that anybody should sign.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyFileError {
    #[error("it is not a ceremony's file")]
    Form(#[source] serde_json::Error),
    #[error("it contains `{}`, which is not part of a ceremony", .0.escape_debug())]
    Stray(String),
    #[error("its `{path}` cannot be read")]
    Document { path: String, source: ParseError },
    #[error("its `{path}` is version `{found}`")]
    Name { path: String, found: String },
    #[error("it has manifests of line `{0}` without the role that lists them")]
    NoRole(LineName),
    #[error("the keys and roles that it began from are not valid")]
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
    /// Reads a ceremony from its file. The roots and roles that it began from are verified against
    /// each other; [`Ceremony::check`] verifies the rest.
    ///
    /// # Errors
    /// When it is something else, or what it began from is not valid.
    pub fn read(file: &[u8]) -> Result<Self, CeremonyFileError> {
        let form: Form = serde_json::from_slice(file).map_err(CeremonyFileError::Form)?;
        if form.format != FORMAT {
            let message = format!("format `{}` is unknown: expected `{FORMAT}`", form.format);
            return Err(CeremonyFileError::Form(serde::de::Error::custom(message)));
        }
        let raw = |value: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(value)));
        let base: Files = form.trust.into_iter().map(|(name, value)| (name, raw(value))).collect();
        let mut ceremony = Self {
            reason: form.reason,
            began: form.began,
            retires: form.retires,
            before: Trust::read(&base)?,
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
                    check_name(&path, &version, &root.signed().version)?;
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
            check_name(&path, &version, &manifest.signed().version)?;
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
        let raw = |raw: &Bytes| serde_json::from_slice::<Box<RawValue>>(raw);
        let form = || -> Result<Form, serde_json::Error> {
            let trust = self.before.as_ref().map(Trust::files).unwrap_or_default();
            let documents = self.documents().into_iter();
            Ok(Form {
                kind: Kind::Ceremony,
                format: FORMAT,
                began: self.began,
                reason: self.reason.clone(),
                retires: self.retires.clone(),
                trust: trust
                    .into_iter()
                    .map(|(name, bytes)| Ok((name, raw(&bytes)?)))
                    .collect::<Result<_, _>>()?,
                documents: documents
                    .map(|each| Ok((each.id.to_string(), raw(each.raw)?)))
                    .collect::<Result<_, _>>()?,
            })
        };
        let file = form().and_then(|form| serde_json::to_vec_pretty(&form));
        let mut file = file.map_err(CeremonyFileError::Form)?;
        file.push(b'\n');
        Ok(file)
    }
}

fn document<T: DeserializeOwned>(path: &str, raw: Bytes) -> Result<Signed<T>, CeremonyFileError> {
    Signed::parse(raw).map_err(|source| CeremonyFileError::Document { path: path.to_owned(), source })
}

fn check_name<T: PartialEq + fmt::Display>(
    path: &str,
    named: &T,
    found: &T,
) -> Result<(), CeremonyFileError> {
    if named == found {
        return Ok(());
    }
    Err(CeremonyFileError::Name { path: path.to_owned(), found: found.to_string() })
}
