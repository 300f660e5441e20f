//! The roles as people name them: `root`, `targets`, `online`, and `release` for each line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::domain::channel::{LineName, NameError};
use crate::formats::tuf::{Authority, Key, KeyId, Root, Signers, Targets, names};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    Root,
    Targets,
    /// Snapshot, timestamp and `channels`: what a server signs.
    Online,
    /// The releases of one line, or of all.
    Release(Option<LineName>),
}

/// Why a text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleNameError {
    #[error("`{0}` is not a role: expected `root`, `targets`, `online`, `release` or `release:LINE`")]
    Unknown(String),
    #[error("`{line}` is not a line")]
    Line { line: String, source: NameError },
}

impl RoleName {
    /// The role below the top targets role that has this name there, if it is a line's.
    #[must_use]
    pub fn of_line(role: &str) -> Option<Self> {
        line_of(role).map(|line| Self::Release(Some(line)))
    }
}

/// The line whose releases a role lists, by the role's name.
pub(super) fn line_of(role: &str) -> Option<LineName> {
    LineName::parse(role.strip_prefix(names::RELEASES)?).ok()
}

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "online" => Ok(Self::Online),
            "release" => Ok(Self::Release(None)),
            _ => {
                let line =
                    text.strip_prefix("release:").ok_or_else(|| RoleNameError::Unknown(text.to_owned()))?;
                let wrong = |source| RoleNameError::Line { line: line.to_owned(), source };
                Ok(Self::Release(Some(LineName::parse(line).map_err(wrong)?)))
            }
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Targets => f.write_str("targets"),
            Self::Online => f.write_str("online"),
            Self::Release(None) => f.write_str("release"),
            Self::Release(Some(line)) => write!(f, "release:{line}"),
        }
    }
}

impl Serialize for RoleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The keys of a role, and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleKeys {
    pub keys: BTreeMap<KeyId, Key>,
    pub threshold: u64,
}

impl RoleKeys {
    pub(super) fn of(authority: Authority<'_>) -> Self {
        let keys = authority.keyids.iter().filter_map(|id| Some((*id, authority.keys.get(id)?.clone())));
        Self { keys: keys.collect(), threshold: authority.threshold }
    }

    pub(super) fn signers(&self) -> Signers {
        Signers { keys: self.keys.values().cloned().collect(), threshold: self.threshold }
    }
}

/// The keys of every role, as a root and the top targets role name them.
#[must_use]
pub fn role_keys(root: &Root, targets: &Targets) -> BTreeMap<RoleName, RoleKeys> {
    let mut roles = BTreeMap::from([
        (RoleName::Root, RoleKeys::of(root.root())),
        (RoleName::Targets, RoleKeys::of(root.targets())),
        (RoleName::Online, RoleKeys::of(root.timestamp())),
    ]);
    if let Some(delegations) = &targets.delegations {
        roles.extend(delegations.roles.iter().filter_map(|role| {
            Some((RoleName::of_line(&role.name)?, RoleKeys::of(delegations.authority(role))))
        }));
    }
    roles
}
