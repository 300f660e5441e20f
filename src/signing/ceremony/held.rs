//! What a keeper holds already, and whether a ceremony leads on from it.
//!
//! A ceremony file brings the roots and roles that it began from, and shows the changes to them. Whoever
//! passes the file on could have forged both, so they are compared with a root that came another way.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Ceremony;
use super::roles::{RoleName, role_keys};
use crate::formats::tuf::{Role as _, Root, Signers, Targets};
use crate::signing::trust::Trust;
use crate::signing::{ParseError, Signed};

/// A root that a keeper has kept, and the top targets role that was in use with it, if that is known too.
#[derive(Debug, Clone)]
pub struct Held {
    root: Signed<Root>,
    targets: Option<Signed<Targets>>,
}

/// Why a ceremony does not lead on from what a keeper holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeld {
    #[error("its root version {version} is another one than that of the keeper")]
    OtherRoot { version: u64 },
    #[error("its newest root is version {found}, but the keeper has seen version {held}")]
    OlderRoot { held: u64, found: u64 },
    #[error("its targets role version {version} is another one than that of the keeper")]
    OtherTargets { version: u64 },
    #[error("its targets role is version {found}, but the keeper has seen version {held}")]
    OlderTargets { held: u64, found: u64 },
}

/// Why a file is not what a keeper holds.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    #[error("it is not a pin")]
    Form(#[from] serde_json::Error),
    #[error("its `{0}` cannot be read")]
    Document(&'static str, #[source] ParseError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    root: Box<RawValue>,
    targets: Box<RawValue>,
}

impl Held {
    /// A root that a keeper has kept, and the top targets role, if they have kept that too.
    pub const fn kept(root: Signed<Root>, targets: Option<Signed<Targets>>) -> Self {
        Self { root, targets }
    }

    /// The version of the root.
    pub fn version(&self) -> u64 {
        self.root.signed().version
    }

    /// Whether both are the same documents, whoever has signed them by now.
    pub fn is_same(&self, other: &Self) -> bool {
        let [own, others] = [self, other].map(|held| held.targets.as_ref().map(Signed::message));
        self.root.message() == other.root.message() && own == others
    }

    /// Reads what [`Held::file`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read(file: &[u8]) -> Result<Self, HeldError> {
        let Form { root, targets } = serde_json::from_slice(file)?;
        let raw = |value: Box<RawValue>| Bytes::from(String::from(Box::<str>::from(value)));
        let root = Signed::parse(raw(root)).map_err(|error| HeldError::Document("root", error))?;
        let targets = Signed::parse(raw(targets)).map_err(|error| HeldError::Document("targets", error))?;
        Ok(Self { root, targets: Some(targets) })
    }

    /// The bytes of the file that keeps this. `None` if the targets role is not known.
    pub fn file(&self) -> Option<Vec<u8>> {
        let value = |raw: &Bytes| serde_json::from_slice(raw).ok();
        let form = Form { root: value(self.root.raw())?, targets: value(self.targets.as_ref()?.raw())? };
        let mut file = serde_json::to_vec(&form).ok()?;
        file.push(b'\n');
        Some(file)
    }
}

impl Ceremony {
    /// Whether it founds a repository, so that there is nothing that it could lead on from.
    pub const fn founds(&self) -> bool {
        self.before.is_none()
    }

    /// The root and the top targets role that the ceremony began from, or those that it founds.
    pub fn base(&self) -> Option<Held> {
        let before = self.before.as_ref();
        let root = before.map(Trust::root).or(self.root.as_ref())?;
        let targets = before.map(Trust::targets).or(self.targets.as_ref())?;
        Some(Held { root: root.clone(), targets: Some(targets.clone()) })
    }

    /// The root and the top targets role after the ceremony.
    pub fn result(&self) -> Option<Held> {
        Some(Held { root: self.new_root()?.clone(), targets: Some(self.new_targets()?.clone()) })
    }

    /// The keys and the threshold of every role after the ceremony.
    pub fn roles_after(&self) -> BTreeMap<RoleName, Signers> {
        let after = self.new_root().zip(self.new_targets());
        after.map(|(root, targets)| role_keys(root.signed(), targets.signed())).unwrap_or_default()
    }

    /// Checks that the roots and the targets role that the ceremony began from lead on from those that a
    /// keeper holds, or are the same. Their signatures were verified when the ceremony was read.
    ///
    /// # Errors
    /// When they are older, or belong to another repository.
    pub fn leads_on_from(&self, held: &Held) -> Result<(), NotHeld> {
        let roots: Vec<&Signed<Root>> = match &self.before {
            Some(before) => before.roots().iter().collect(),
            None => self.root.iter().collect(),
        };
        let version = held.version();
        match roots.iter().find(|root| root.signed().version == version) {
            Some(root) if root.message() == held.root.message() => {}
            Some(_) => return Err(NotHeld::OtherRoot { version }),
            None => {
                let found = roots.last().map_or(0, |root| root.signed().version);
                return Err(NotHeld::OlderRoot { held: version, found });
            }
        }
        let own = self.before.as_ref().map(Trust::targets).or(self.targets.as_ref());
        let Some((held, own)) = held.targets.as_ref().zip(own) else { return Ok(()) };
        let (version, found) = (held.signed().version(), own.signed().version());
        if found < version {
            return Err(NotHeld::OlderTargets { held: version, found });
        }
        if found == version && held.message() != own.message() {
            return Err(NotHeld::OtherTargets { version });
        }
        Ok(())
    }
}
