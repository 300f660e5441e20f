//! The roles of a publication, and how the online ones are kept or signed again.

use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::document::Document;
use super::part::Parts;
use super::{Inputs, PublishError, RENEW_AFTER};
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{
    Authority, CHANNELS_LIFETIME, Meta, Role, Root, SNAPSHOT_LIFETIME, Snapshot, TIMESTAMP_LIFETIME, Targets,
    Timestamp, names,
};
use crate::signing::{SignError, Signed, Signer};

/// Long-lived online roles are signed again this long before they expire.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(60);

const _: () = assert!(RENEW_BEFORE.num_days() < CHANNELS_LIFETIME.num_days());
const _: () = assert!(RENEW_BEFORE.num_days() < SNAPSHOT_LIFETIME.num_days());

/// A signed document and the body that is served for it, which has the same bytes.
#[derive(Debug, Clone)]
pub struct Served<T> {
    pub(crate) signed: Signed<T>,
    pub(crate) document: Arc<Document>,
}

impl<T> Served<T> {
    /// A document to be served. It shares the body of `before` if the bytes are the same.
    pub fn new(signed: Signed<T>, before: Option<&Self>) -> Self {
        let document = Document::reusing(before.map(|before| &before.document), signed.raw().clone());
        Self { signed, document }
    }
}

impl<T: Role> Served<T> {
    fn meta(&self) -> Meta {
        Meta::of(self.signed().version(), self.raw())
    }

    pub(super) fn of_version(&self, version: u64) -> Option<&Arc<Document>> {
        (self.signed().version() == version).then_some(&self.document)
    }

    /// Its path below `/tuf/`, and what is served there.
    pub(super) fn file(&self, role: &str) -> (String, &Arc<Document>) {
        (names::metadata_path(role, self.signed().version()), &self.document)
    }
}

impl<T> Deref for Served<T> {
    type Target = Signed<T>;

    fn deref(&self) -> &Signed<T> {
        &self.signed
    }
}

impl<T> Serialize for Served<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Served<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = Arc::<Document>::deserialize(deserializer)?;
        let signed = Signed::parse(document.identity.clone()).map_err(serde::de::Error::custom)?;
        Ok(Self { signed, document })
    }
}

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
        wanted.insert_channel(channel.name(), channel.manifest.raw())?;
    }
    let before = last.map(|last| &last.channels);
    let channels = kept_or_signed(wanted, before, trust.channels_authority(), online, now)?;

    let targets = Served::new(trust.targets().clone(), last.map(|last| &last.targets));
    let top = [("targets".to_owned(), targets.meta()), (names::CHANNELS.to_owned(), channels.meta())];
    let listed = parts.iter().filter_map(|part| {
        let role = part.role.as_ref()?;
        Some((names::releases_role(&part.line), role.meta()))
    });
    let wanted = Snapshot::of(version, now, listed.chain(top));
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

/// A document that the online key signs and renews.
pub(super) trait Online: Serialize + Clone {
    /// Its name, if it is a delegated role: see [`Signer::sign_as`].
    const ROLE: Option<&str> = None;

    /// Whether this document differs from another one only in its version and times.
    fn says_the_same_as(&self, other: &Self) -> bool;
    /// When it must be signed again.
    fn renew(&self) -> Time;
}

impl Online for ChannelManifest {
    fn says_the_same_as(&self, other: &Self) -> bool {
        self.offers_the_same_as(other)
    }

    fn renew(&self) -> Time {
        self.issued + RENEW_AFTER
    }
}

/// Implements [`Online`] for a role. Two roles say the same if their `$content` is equal. A role is signed
/// again `$before` it expires.
macro_rules! online {
    ($role:ty, $name:expr, $content:ident, $before:expr) => {
        impl Online for $role {
            const ROLE: Option<&str> = $name;

            fn says_the_same_as(&self, other: &Self) -> bool {
                self.$content == other.$content
            }

            fn renew(&self) -> Time {
                self.expires - $before
            }
        }
    };
}

online!(Targets, Some(names::CHANNELS), targets, RENEW_BEFORE);
online!(Snapshot, None, meta, RENEW_BEFORE);
online!(Timestamp, None, meta, TIMESTAMP_LIFETIME - RENEW_AFTER);

/// Keeps the document that is served if it says the same as the wanted one, is signed by the current keys
/// and is not due for renewal. Otherwise signs the wanted one.
pub(super) fn kept_or_signed<T: Online>(
    wanted: T,
    before: Option<&Served<T>>,
    authority: Option<Authority<'_>>,
    online: &dyn Signer,
    now: Time,
) -> Result<Served<T>, SignError> {
    let keeps = |served: &&Served<T>| {
        served.signed().says_the_same_as(&wanted)
            && now < served.signed().renew()
            && authority.is_some_and(|keys| served.verify(keys).is_ok())
    };
    if let Some(kept) = before.filter(keeps) {
        return Ok(kept.clone());
    }
    let mut signed = Signed::unsigned(wanted)?;
    signed.add_signature(online, T::ROLE)?;
    Ok(Served::new(signed, None))
}
