//! The roles as people name them: `root`, `targets`, `online`, and `release` for each line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::domain::channel::{LineName, NameError};
use crate::formats::tuf::{Root, Signers, Targets, names};

/// The name of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleName {
    Root,
    Targets,
    /// Snapshot, timestamp and `channels`: what a server signs.
    Online,
    /// The releases of one line, or of all lines.
    Release(Option<LineName>),
}

/// Why a string is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleNameError {
    #[error("`{0}` is not a role: expected `root`, `targets`, `online`, `release` or `release:LINE`")]
    Unknown(String),
    #[error("it does not name a line")]
    Line(#[from] NameError),
}

impl RoleName {
    /// The role of a line, by its name in the top targets role.
    pub fn of_line(role: &str) -> Option<Self> {
        names::line_of(role).map(|line| Self::Release(Some(line)))
    }
}

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "online" => Ok(Self::Online),
            "release" => Ok(Self::Release(None)),
            _ => match text.strip_prefix("release:") {
                Some(line) => Ok(Self::Release(Some(LineName::parse(line)?))),
                None => Err(RoleNameError::Unknown(text.to_owned())),
            },
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

/// The keys and threshold of each role, according to a root and the top targets role.
pub fn role_keys(root: &Root, targets: &Targets) -> BTreeMap<RoleName, Signers> {
    let mut roles = BTreeMap::from([
        (RoleName::Root, Signers::of(root.root())),
        (RoleName::Targets, Signers::of(root.targets())),
        (RoleName::Online, Signers::of(root.timestamp())),
    ]);
    if let Some(delegations) = &targets.delegations {
        roles.extend(delegations.roles.iter().filter_map(|role| {
            Some((RoleName::of_line(&role.name)?, Signers::of(delegations.authority(role))))
        }));
    }
    roles
}
