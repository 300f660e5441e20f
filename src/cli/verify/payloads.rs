//! The payloads of a repository whose manifests were verified.

use std::collections::HashMap;

use serde::Serialize;

use super::source::Source;
use crate::domain::version::Version;
use crate::formats::tuf::names;
use crate::signing::Signed;
use crate::signing::verify::Verified;

/// The result for each listed payload.
#[derive(Debug, Default, Serialize)]
pub struct Payloads {
    /// How many were downloaded and have the right digest.
    #[serde(rename = "payloads")]
    pub good: usize,
    /// The missing payloads of yanked releases: they were withdrawn.
    pub withdrawn: Vec<String>,
    /// The missing payloads of releases that no channel offers, so that no cluster asks for them.
    pub waiting: Vec<String>,
    /// All other missing payloads. They are not a sign of tampering.
    pub missing: Vec<String>,
}

impl Payloads {
    /// Reads and verifies every listed payload.
    ///
    /// # Errors
    /// The first payload that differs from its listing, or cannot be read.
    pub fn verify(verified: &Verified, source: &Source) -> anyhow::Result<Self> {
        let mut payloads = Self::default();
        let mut releases = None;
        let listed = verified.lines.values().flat_map(|role| &role.signed().targets);
        for (name, target) in listed.filter(|(name, _)| names::is_payload(name)) {
            if source.check_payload(&names::target_path(name, &target.hashes.sha256), target)? {
                payloads.good += 1;
                continue;
            }
            let releases = releases.get_or_insert_with(|| releases_of_payloads(verified));
            payloads.missing_from(verified, releases.get(name).copied()).push(name.clone());
        }
        Ok(payloads)
    }

    /// Returns the list to which a missing payload of this release belongs.
    fn missing_from(&mut self, verified: &Verified, release: Option<&Version>) -> &mut Vec<String> {
        let offers = verified.channel_manifests.iter().flat_map(|manifest| &manifest.signed().releases);
        let mut offers = offers.filter(|offer| Some(&offer.version) == release).peekable();
        if offers.peek().is_none() {
            return if release.is_some() { &mut self.waiting } else { &mut self.missing };
        }
        if offers.all(|offer| offer.yank.is_some()) { &mut self.withdrawn } else { &mut self.missing }
    }
}

fn releases_of_payloads(verified: &Verified) -> HashMap<String, &Version> {
    let manifests = verified.release_manifests.values().map(Signed::signed);
    let names = manifests.flat_map(|manifest| {
        let name = |file| (names::payload_target(&manifest.version, file), &manifest.version);
        manifest.payloads.iter().map(move |payload| name(&payload.file))
    });
    names.collect()
}
