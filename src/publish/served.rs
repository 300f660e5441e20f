//! Signed documents as they are served, and how those that are signed online are kept or signed again.

use std::ops::Deref;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::RENEW_AFTER;
use super::document::Document;
use crate::domain::Time;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{
    Authority, CHANNELS_LIFETIME, Meta, Role, SNAPSHOT_LIFETIME, Snapshot, TIMESTAMP_LIFETIME, Target,
    Targets, Timestamp, names,
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
    pub(super) fn meta(&self) -> Meta {
        let Target { hashes, length } = self.document.target();
        Meta { hashes, length, version: self.signed().version() }
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
