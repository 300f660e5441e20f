//! The roles as people speak of them: `root`, `targets`, `online`, and `release` for each line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::Time;
use crate::domain::channel::{LineName, NameError};
use crate::domain::line::Prefix;
use crate::formats::tuf::{Authority, Key, KeyId, Root, Signers, Targets, names};

/// Whose keys.
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
    #[error("`{0}` is not a role: `root`, `targets`, `online`, `release` or `release:LINE` is")]
    Unknown(String),
    #[error("`{line}` is not a line")]
    Line { line: String, source: NameError },
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
                Some(line) => match LineName::parse(line) {
                    Ok(line) => Ok(Self::Release(Some(line))),
                    Err(source) => Err(RoleNameError::Line { line: line.to_owned(), source }),
                },
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

/// The keys of a role, and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeys {
    pub keys: BTreeMap<KeyId, Key>,
    pub threshold: u64,
}

impl RoleKeys {
    fn of(authority: Authority<'_>) -> Self {
        let keys = authority.keyids.iter().filter_map(|id| Some((*id, authority.keys.get(id)?.clone())));
        Self { keys: keys.collect(), threshold: authority.threshold }
    }

    pub(super) fn signers(&self) -> Signers {
        Signers { keys: self.keys.values().cloned().collect(), threshold: self.threshold }
    }
}

/// The keys of every role, as a root and the top targets role have them.
#[must_use]
pub fn role_keys(root: &Root, targets: &Targets) -> BTreeMap<RoleName, RoleKeys> {
    let mut roles = BTreeMap::from([
        (RoleName::Root, RoleKeys::of(root.root())),
        (RoleName::Targets, RoleKeys::of(root.targets())),
        (RoleName::Online, RoleKeys::of(root.timestamp())),
    ]);
    if let Some(delegations) = &targets.delegations {
        for role in &delegations.roles {
            let line = role.name.strip_prefix(names::RELEASES).and_then(|line| LineName::parse(line).ok());
            if let Some(line) = line {
                roles.insert(RoleName::Release(Some(line)), RoleKeys::of(delegations.authority(role)));
            }
        }
    }
    roles
}

/// What a ceremony does to one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    pub role: RoleName,
    pub added: Vec<KeyId>,
    pub dropped: Vec<KeyId>,
    /// From how many signatures to how many; equal where that stays.
    pub threshold: (u64, u64),
    pub keys: usize,
    /// The versions for which a new role of a line may sign.
    pub prefix: Option<Prefix>,
}

impl fmt::Display for RoleChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "role `{}`:", self.role)?;
        if let Some(prefix) = &self.prefix {
            write!(f, " signs for versions `{prefix}.*`,")?;
        }
        for keyid in &self.added {
            write!(f, " adds the key `{keyid}`,")?;
        }
        for keyid in &self.dropped {
            write!(f, " drops the key `{keyid}`,")?;
        }
        let (from, to) = self.threshold;
        if from != to && from != 0 {
            write!(f, " goes from {from} to {to} signatures,")?;
        }
        write!(f, " and then wants {to} of {} keys", self.keys)
    }
}

impl super::Ceremony {
    /// What it does to the keys of each role.
    #[must_use]
    pub fn role_changes(&self) -> Vec<RoleChange> {
        let before = self.before().map(|before| role_keys(before.root().signed(), before.targets().signed()));
        let before = before.unwrap_or_default();
        let after = self.new_root().zip(self.new_targets());
        let after =
            after.map(|(root, targets)| role_keys(root.signed(), targets.signed())).unwrap_or_default();
        let none = RoleKeys { keys: BTreeMap::new(), threshold: 0 };
        let prefix = |role: &RoleName| {
            let RoleName::Release(Some(line)) = role else { return None };
            let targets = self.new_targets()?.signed();
            names::prefix(&targets.delegated(&names::releases_role(line))?.0.paths)
        };
        let change = |(role, now): (&RoleName, &RoleKeys)| {
            let was = before.get(role).unwrap_or(&none);
            let only = |a: &RoleKeys, b: &RoleKeys| -> Vec<KeyId> {
                a.keys.keys().filter(|id| !b.keys.contains_key(id)).copied().collect()
            };
            (was != now).then(|| RoleChange {
                role: role.clone(),
                added: only(now, was),
                dropped: only(was, now),
                threshold: (was.threshold, now.threshold),
                keys: now.keys.len(),
                prefix: prefix(role).filter(|_| !before.contains_key(role)),
            })
        };
        after.iter().filter_map(change).collect()
    }

    /// The roles that get a next version with the same keys: when they expired, and will expire.
    #[must_use]
    pub fn expiries(&self) -> Vec<(String, Option<Time>, Time)> {
        let before = self.before();
        let root = self.root.as_ref().map(|root| {
            ("root".to_owned(), before.map(|before| before.root().signed().expires), root.signed().expires)
        });
        let targets = self.targets.as_ref().map(|targets| {
            let was = before.map(|before| before.targets().signed().expires);
            ("targets".to_owned(), was, targets.signed().expires)
        });
        let lines = self.lines.iter().map(|(line, work)| {
            let was = before.and_then(|before| before.line(line)).map(|role| role.signed().expires);
            (names::releases_role(line), was, work.role.signed().expires)
        });
        root.into_iter().chain(targets).chain(lines).collect()
    }

    /// The targets that a line's role lists anew or no more, by line.
    #[must_use]
    pub fn listed(&self) -> Vec<(LineName, Vec<String>, Vec<String>)> {
        let listed = |(line, work): (&LineName, &super::LineWork)| {
            let none = BTreeMap::new();
            let was = self.before().and_then(|before| before.line(line));
            let was = was.map_or(&none, |role| &role.signed().targets);
            let now = &work.role.signed().targets;
            let anew = now.iter().filter(|(name, target)| was.get(*name) != Some(target));
            let gone = was.keys().filter(|name| !now.contains_key(*name));
            (line.clone(), anew.map(|(name, _)| name.clone()).collect(), gone.cloned().collect())
        };
        self.lines.iter().map(listed).collect()
    }
}
