//! When each of the documents that the online key signed expires.

use serde::Deserialize;

use super::publication::{Publication, TufFile};
use crate::domain::Time;
use crate::formats::seconds;

/// The online roles, as their files in the repository are called.
const ROLES: [&str; 3] = ["channels", "snapshot", "timestamp"];

#[derive(Deserialize)]
struct Envelope {
    signed: Expiring,
}

/// What all signed documents have in common.
#[derive(Deserialize)]
struct Expiring {
    #[serde(with = "seconds")]
    expires: Time,
}

impl Publication {
    /// When each online role and each channel's manifest expires, by name.
    #[must_use]
    pub fn online_expiries(&self) -> Vec<(String, Time)> {
        let roles = self.tuf.iter().filter_map(|(path, file)| {
            let name = path.strip_prefix("metadata/")?.strip_suffix(".json")?;
            // All but the timestamp have their version before the name.
            let name = name.split_once('.').map_or(name, |(_, name)| name);
            let TufFile::Document(document) = file else { return None };
            ROLES.contains(&name).then(|| (name.to_owned(), &document.identity))
        });
        let manifests = self
            .channel
            .iter()
            .filter(|(name, documents)| **name == documents.name)
            .map(|(name, documents)| (format!("channel {name}"), &documents.manifest.identity));
        let mut found: Vec<(String, Time)> = roles
            .chain(manifests)
            // What was published was verified before, and so can be read.
            .filter_map(|(name, body)| {
                let Envelope { signed } = serde_json::from_slice(body).ok()?;
                Some((name, signed.expires))
            })
            .collect();
        found.sort();
        found
    }
}
