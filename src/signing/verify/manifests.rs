//! The manifests behind the roles. What the online key offers must be what release keys list.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::roles::{Files, Verified, Verifier, delegation, parse};
use crate::domain::Time;
use crate::domain::channel::StageName;
use crate::domain::payload::is_file_name;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{Target, Targets};
use crate::signing::signed::Signed;
use crate::signing::violation::Violation;

impl<F: Files + ?Sized> Verifier<'_, F> {
    /// The manifest of a channel, which `channels` lists under a name.
    ///
    /// # Errors
    /// When it is missing, expired, or not one that a client takes.
    pub fn channel(&self, top: &Verified, name: &str, listed: &Target) -> Result<ChannelManifest, F::Error> {
        let (path, manifest) = self.document::<ChannelManifest>(top, CHANNELS, name, listed)?;
        let manifest = manifest.into_signed();
        check_name(&path, name, &names::channel_target(&manifest.channel))?;
        self.check_expiry(&path, manifest.expires)?;
        let offered = manifest.releases.iter().filter(|release| release.yank.is_none());
        let highest = offered.map(|release| &release.version).max();
        if highest != manifest.latest.as_ref() {
            let (latest, highest) = (manifest.latest.clone(), highest.cloned());
            return Err(Violation::Latest { path, latest, highest }.into());
        }
        Ok(manifest)
    }

    /// The manifest of a release, which a line's role lists under a name.
    ///
    /// # Errors
    /// When it is missing, or not one that a client takes.
    pub fn release(
        &self,
        top: &Verified,
        (role, signed): (&str, &Targets),
        name: &str,
        listed: &Target,
    ) -> Result<Signed<ReleaseManifest>, F::Error> {
        let (path, release) = self.document::<ReleaseManifest>(top, role, name, listed)?;
        let manifest = release.signed();
        // The spelling of the version counts too: files and targets have it in their names.
        check_name(&path, name, &names::release_target(&manifest.version))?;
        check_name(&path, role, &names::releases_role(&manifest.line))?;
        for payload in &*manifest.payloads {
            let target = names::payload_target(&manifest.version, &payload.file);
            // The file is written under this name, and must stay in its folder.
            if !is_file_name(&payload.file) {
                return Err(Violation::Scope { role: role.to_owned(), target }.into());
            }
            if signed.targets.get(&target) != Some(&Target::new(payload.sha256, payload.size)) {
                return Err(Violation::NotListed { path, target }.into());
            }
        }
        Ok(release)
    }

    /// A target that is a document, signed by the keys of the role that lists it.
    fn document<T: DeserializeOwned>(
        &self,
        top: &Verified,
        role: &str,
        name: &str,
        listed: &Target,
    ) -> Result<(String, Signed<T>), F::Error> {
        let path = names::target_path(name, &listed.hashes.sha256);
        let signed: Signed<T> = parse(&path, self.bytes(&path, Some(listed))?)?;
        let (_, authority) = delegation(&top.targets, role)?;
        signed.verify(authority).map_err(Violation::signature(&path))?;
        Ok((path, signed))
    }

    /// Reads all targets that are wanted, and compares manifests with each other.
    pub(super) fn targets(
        &self,
        verified: &Verified,
        wanted: &dyn Fn(&str, &Target) -> bool,
    ) -> Result<(), F::Error> {
        let mut bounds = BTreeMap::new();
        let mut channels = Vec::new();
        for (role, signed) in &verified.roles {
            for (name, target) in signed.signed().targets.iter().filter(|(name, target)| wanted(name, target))
            {
                if role == CHANNELS {
                    channels.push(self.channel(verified, name, target)?);
                } else if name.starts_with("release.") {
                    let release = self.release(verified, (role, signed.signed()), name, target)?;
                    let manifest = release.into_signed();
                    bounds.insert(manifest.version, manifest.not_before);
                } else {
                    let _: Bytes =
                        self.bytes(&names::target_path(name, &target.hashes.sha256), Some(target))?;
                }
            }
        }
        channels.iter().try_for_each(|manifest| Ok(check_channel(manifest, verified, &bounds)?))
    }
}

fn check_name(path: &str, found: &str, expected: &str) -> Result<(), Violation> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(Violation::Name { path: path.to_owned(), expected, found })
}

/// A channel offers what its line's release keys list, and no release before they allow it.
fn check_channel(
    manifest: &ChannelManifest,
    verified: &Verified,
    bounds: &BTreeMap<Version, BTreeMap<StageName, Time>>,
) -> Result<(), Violation> {
    let role = names::releases_role(&manifest.line);
    // A new line has a channel before anybody may sign releases for it: it offers none.
    if manifest.releases.is_empty() {
        return Ok(());
    }
    let line = verified.roles.get(&role).ok_or(Violation::NotDelegated { role })?;
    check_offers(manifest, line.signed())?;
    for release in &manifest.releases {
        let bound = bounds.get(&release.version).and_then(|stages| stages.get(&manifest.stage));
        if let Some(&not_before) = bound.filter(|bound| release.since < **bound) {
            let (version, since) = (release.version.clone(), release.since);
            let path = names::channel_target(&manifest.channel);
            return Err(Violation::TooEarly { path, version, since, not_before });
        }
    }
    Ok(())
}

/// Checks that the role of a channel's line lists each release that the channel offers, by the same
/// bytes.
///
/// # Errors
/// The first release that it does not list.
pub fn check_offers(manifest: &ChannelManifest, line: &Targets) -> Result<(), Violation> {
    for release in &manifest.releases {
        let target = names::release_target(&release.version);
        if line.targets.get(&target).is_none_or(|listed| listed.hashes.sha256 != release.manifest) {
            return Err(Violation::NotListed { path: names::channel_target(&manifest.channel), target });
        }
    }
    Ok(())
}
