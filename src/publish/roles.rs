//! The roles of a publication.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::part::{Part, Parts};
use super::served::{Online, Served, kept_or_signed};
use super::{Inputs, PublishError};
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::formats::tuf::{Meta, Root, Snapshot, Targets, Timestamp, names};

/// The roles of a publication, apart from those of lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Roles {
    /// Every root, starting with the first; never empty.
    pub roots: Vec<Served<Root>>,
    pub targets: Served<Targets>,
    pub channels: Served<Targets>,
    pub snapshot: Served<Snapshot>,
    pub timestamp: Served<Timestamp>,
}

impl Roles {
    /// The newest root.
    pub fn root(&self) -> &Served<Root> {
        &self.roots[self.roots.len() - 1]
    }

    /// The file at a path below `/tuf/`.
    pub fn file(&self, path: &str) -> Option<&Arc<Document>> {
        if path == names::TIMESTAMP_PATH {
            return Some(&self.timestamp.document);
        }
        let (version, role) = names::role_at(path)?;
        match role {
            "root" => self.roots.iter().find_map(|root| root.of_version(version)),
            "targets" => self.targets.of_version(version),
            names::CHANNELS => self.channels.of_version(version),
            "snapshot" => self.snapshot.of_version(version),
            _ => None,
        }
    }

    /// Every file, by its path below `/tuf/`.
    pub fn files(&self) -> impl Iterator<Item = (String, &Arc<Document>)> {
        self.roots.iter().map(|root| root.file("root")).chain([
            self.targets.file("targets"),
            self.channels.file(names::CHANNELS),
            self.snapshot.file("snapshot"),
            (names::TIMESTAMP_PATH.to_owned(), &self.timestamp.document),
        ])
    }

    /// The earliest time at which an online role must be signed again.
    pub(super) fn renew(&self) -> Time {
        let (channels, snapshot) = (self.channels.signed().renew(), self.snapshot.signed().renew());
        channels.min(snapshot).min(self.timestamp.signed().renew())
    }
}

/// Makes the roles that belong to all lines.
///
/// # Errors
/// When a role cannot be signed.
pub(super) fn roles(inputs: &Inputs<'_>, parts: &Parts) -> Result<Roles, PublishError> {
    let Inputs { decided, version, trust, online, last, .. } = *inputs;
    let (now, root) = (decided.now, trust.root().signed());
    let last = last.map(|last| &last.roles);

    let mut wanted = Targets::channels(version, now);
    for channel in parts.channels() {
        wanted.insert(names::channel_target(channel.name()), channel.manifest.document.target())?;
    }
    // What is lost stays listed as it was, so that clients and the next start can tell what is missing.
    let unreadable: Vec<&Part> = parts.iter().map(|part| &**part).filter(|part| part.is_lost()).collect();
    for name in unreadable.iter().flat_map(|part| part.names()).map(names::channel_target) {
        if let Some(target) = last.and_then(|last| last.channels.signed().targets.get(&name)) {
            wanted.insert(name, *target)?;
        }
    }
    let before = last.map(|last| &last.channels);
    let channels = kept_or_signed(wanted, before, trust.channels_authority(), online, now)?;

    let targets = Served::new(trust.targets().clone(), last.map(|last| &last.targets));
    let top = [("targets".to_owned(), targets.meta()), (names::CHANNELS.to_owned(), channels.meta())];
    let listed = parts.iter().filter_map(|part| {
        let role = part.role.as_ref()?;
        Some((names::releases_role(&part.line), role.meta()))
    });
    let unreadable = unreadable.iter().filter_map(|part| {
        let role = names::releases_role(&part.line);
        let listed = last.and_then(|last| last.snapshot.signed().role(&role)).copied();
        // Clients want every delegated role listed, also one that is new.
        let own = trust.line(&part.line).map(|own| Meta::of(own.signed().version, own.raw()));
        Some((role, listed.or(own)?))
    });
    let wanted = Snapshot::of(version, now, listed.chain(unreadable).chain(top));
    let before = last.map(|last| &last.snapshot);
    let snapshot = kept_or_signed(wanted, before, Some(root.snapshot()), online, now)?;

    let wanted = Timestamp::of(version, now, snapshot.meta());
    let before = last.map(|last| &last.timestamp);
    let timestamp = kept_or_signed(wanted, before, Some(root.timestamp()), online, now)?;

    let before = |place: usize| last.and_then(|last| last.roots.get(place));
    let roots = trust.roots().iter().enumerate();
    let roots = roots.map(|(place, root)| Served::new(root.clone(), before(place))).collect();
    Ok(Roles { roots, targets, channels, snapshot, timestamp })
}

/// The role of a line. A refused line keeps its last published role, which lists the documents that are
/// still served for it. Every other line has the role that its release keys signed last. `None` if the line
/// is not delegated.
///
/// # Errors
/// When the role cannot be used and was never published.
pub(super) fn of_line(inputs: &Inputs<'_>, line: &LineName) -> Result<Option<Served<Targets>>, PublishError> {
    let Inputs { trust, last, .. } = *inputs;
    let before = last.and_then(|last| last.parts.line(line)?.role.as_ref());
    let is_accepted =
        |role: &&Served<Targets>| trust.line_authority(line).is_some_and(|keys| role.verify(keys).is_ok());
    let kept = before.filter(|_| inputs.decided.refused.contains_key(line)).filter(is_accepted);
    match (trust.line(line), trust.broken().get(line)) {
        (None, None) => Ok(None),
        (Some(_), _) | (_, Some(_)) if kept.is_some() => Ok(kept.cloned()),
        (Some(role), _) => Ok(Some(Served::new(role.clone(), before))),
        (None, Some(why)) => Err(PublishError::NoRole { role: names::releases_role(line), why: chain(why) }),
    }
}

/// The index that a line's role lists: the catalog's if the role is the catalog's, otherwise the one that was
/// published with the role. `None` if it is missing or invalid. Then no release of the line counts as signed.
pub(super) fn index_of(
    inputs: &Inputs<'_>,
    line: &LineName,
    role: Option<&Served<Targets>>,
) -> Option<Arc<Document>> {
    let Inputs { trust, last, .. } = *inputs;
    let last = last.and_then(|last| last.parts.line(line));
    let before = last.and_then(|last| last.index.as_ref());
    let is_same = |one: &Served<Targets>| role.is_some_and(|role| role.raw() == one.raw());
    // The role names its index by digest, so the index that was published with it is still the right one,
    // whatever has become of the file.
    if let Some(before) = before.filter(|_| last.and_then(|last| last.role.as_ref()).is_some_and(is_same)) {
        return Some(Arc::clone(before));
    }
    if trust.line(line).zip(role).is_none_or(|(own, role)| own.raw() != role.raw()) {
        return None;
    }
    let raw = trust.index(line)?.ok().and_then(|_| trust.index_file(line))?;
    Some(Document::reusing(before, raw.clone()))
}
