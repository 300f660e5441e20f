//! The manifests that roles list. The online key may offer only what release keys have signed.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Extent;
use super::roles::{Files, Verified, Verifier, delegation};
use crate::domain::channel::LineName;
use crate::domain::line::Prefix;
use crate::domain::payload::is_file_name;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, LineIndex, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS, TargetName};
use crate::formats::tuf::{Target, Targets};
use crate::signing::index::{check_entry, listed_index, read_index};
use crate::signing::signed::Signed;
use crate::signing::violation::Violation;

impl<F: Files + ?Sized> Verifier<'_, F> {
    /// Reads the roles of lines and the targets within an extent, and checks the manifests against each
    /// other.
    ///
    /// # Errors
    /// The first violation.
    pub fn read(&self, verified: &mut Verified, extent: Extent) -> Result<(), F::Error> {
        let targets = verified.targets.clone();
        let is_lost = |name: &String| self.before.is_some_and(|before| before.lost.contains(name));
        let delegations = targets.signed().delegations.iter();
        let roles = delegations.flat_map(|all| all.roles.iter().map(move |role| (role, all.authority(role))));
        let roles = roles.filter(|(role, _)| role.name != CHANNELS && !is_lost(&role.name));
        for (delegated, authority) in roles {
            let name = &delegated.name;
            let role = self.delegated_role(&verified.snapshot, (delegated, authority))?;
            if extent >= Extent::Manifests {
                let path = names::metadata_path(name, role.signed().version);
                self.check_expiry(&path, role.signed().expires)?;
            }
            // Other clients search every role, so a role that is ignored here could give them different
            // files.
            let Some(line) = names::line_of(name) else {
                return Err(Violation::UnknownRole { role: name.clone() }.into());
            };
            if extent > Extent::Channels
                && let Some(index) = self.index_within(verified, (&line, role.signed()), extent)?
            {
                verified.indexes.insert(line.clone(), index);
            }
            verified.lines.insert(line, role);
        }
        let channels = verified.channels.signed().targets.iter().filter(|(name, _)| !is_lost(name));
        let channels = channels.map(|(name, target)| self.channel(verified, name, target));
        verified.channel_manifests = channels.collect::<Result<_, _>>()?;
        if extent > Extent::Channels {
            verified.release_manifests = self.releases(verified, extent)?;
        }
        let mut manifests =
            verified.channel_manifests.iter().filter(|manifest| !self.is_checked(verified, manifest));
        manifests.try_for_each(|manifest| Ok(check_channel(manifest.signed(), verified)?))
    }

    /// Whether a channel's manifest was checked against the role of its line before.
    fn is_checked(&self, verified: &Verified, manifest: &Signed<ChannelManifest>) -> bool {
        let ChannelManifest { channel, line, .. } = manifest.signed();
        let Some(before) = self.before.filter(|_| verified.release_manifests.is_empty()) else {
            return false;
        };
        let channel = before.channels.get(&names::channel_target(channel));
        let role = before.roles.get(&names::releases_role(line));
        channel.is_some_and(|(_, known)| known.is_same(manifest))
            && role.zip(verified.lines.get(line)).is_some_and(|((_, known), role)| known.is_same(role))
    }

    fn releases(
        &self,
        verified: &Verified,
        extent: Extent,
    ) -> Result<BTreeMap<Version, Signed<ReleaseManifest>>, F::Error> {
        let mut releases = BTreeMap::new();
        for (line, role) in &verified.lines {
            for (name, target) in &role.signed().targets {
                if names::is_payload(name) {
                    if extent == Extent::Everything && self.target(name, target)?.is_none() {
                        return Err(missing(name, target).into());
                    }
                    continue;
                }
                if let Some(TargetName::Index(_)) = TargetName::parse(name) {
                    continue;
                }
                match self.release(verified, (line, role.signed()), name, target)? {
                    Some(release) => {
                        if let Some(index) = verified.indexes.get(line) {
                            check_entry(line, index, release.signed())?;
                        }
                        releases.insert(release.signed().version.clone(), release);
                    }
                    None if extent == Extent::Mirror => {}
                    None => return Err(missing(name, target).into()),
                }
            }
        }
        Ok(releases)
    }

    /// Reads the index of a line. `None` if the line may do without one in this extent.
    fn index_within(
        &self,
        top: &Verified,
        (line, role): (&LineName, &Targets),
        extent: Extent,
    ) -> Result<Option<LineIndex>, F::Error> {
        match listed_index(line, line_prefix(top, line)?, role) {
            Err(Violation::NoIndex { .. }) if extent == Extent::Mirror => Ok(None),
            _ => self.index(top, (line, role)).map(Some),
        }
    }

    /// Reads the index that a line's role lists.
    ///
    /// # Errors
    /// When the role lists no index, or the index is invalid.
    pub fn index(&self, top: &Verified, (line, role): (&LineName, &Targets)) -> Result<LineIndex, F::Error> {
        let parse = |listed: &Target, raw: &Bytes| {
            if self.files.was_verified(listed) { LineIndex::parse_again(raw) } else { LineIndex::parse(raw) }
        };
        read_index(line, line_prefix(top, line)?, role, parse, |name, listed| self.target(name, listed))
    }

    /// Reads the channel manifest that `channels` lists under this name.
    ///
    /// # Errors
    /// When it is missing, expired or invalid.
    pub fn channel(
        &self,
        top: &Verified,
        name: &str,
        listed: &Target,
    ) -> Result<Signed<ChannelManifest>, F::Error> {
        let verified = self.before.and_then(|before| before.channels.get(name));
        if let Some((_, manifest)) = verified.filter(|(target, _)| target == listed) {
            self.check_expiry(&names::target_path(name, &listed.hashes.sha256), manifest.signed().expires)?;
            return Ok(manifest.clone());
        }
        let document = self.document::<ChannelManifest>(top, CHANNELS, name, listed)?;
        let (path, signed) = document.ok_or_else(|| missing(name, listed))?;
        let manifest = signed.signed();
        check_name(&path, name, &names::channel_target(&manifest.channel))?;
        self.check_expiry(&path, manifest.expires)?;
        let offered = manifest.releases.iter().filter(|release| release.yank.is_none());
        let highest = offered.map(|release| &release.version).max();
        if highest != manifest.latest.as_ref() {
            let (latest, highest) = (manifest.latest.clone(), highest.cloned());
            return Err(Violation::Latest { path, latest, highest }.into());
        }
        Ok(signed)
    }

    /// Reads the release manifest that a line's role lists under this name. `None` if it is missing.
    ///
    /// # Errors
    /// When it is invalid.
    pub fn release(
        &self,
        top: &Verified,
        (line, role): (&LineName, &Targets),
        name: &str,
        listed: &Target,
    ) -> Result<Option<Signed<ReleaseManifest>>, F::Error> {
        let role_name = names::releases_role(line);
        let document = self.document::<ReleaseManifest>(top, &role_name, name, listed)?;
        let Some((path, release)) = document else { return Ok(None) };
        let manifest = release.signed();
        // The spelling of the version must match too: files and targets are named after it.
        check_name(&path, name, &names::release_target(&manifest.version))?;
        check_name(&path, &role_name, &names::releases_role(&manifest.line))?;
        let target = |file: &str| names::payload_target(&manifest.version, file);
        // Clients write the payload under this name, so it must not point outside their folder.
        if let Some(payload) = manifest.payloads.iter().find(|payload| !is_file_name(&payload.file)) {
            return Err(Violation::Scope { role: role_name, target: target(&payload.file) }.into());
        }
        if let Some(payload) = role.unlisted_payload(manifest) {
            return Err(Violation::NotListed { path, target: target(&payload.file) }.into());
        }
        Ok(Some(release))
    }

    /// Reads a document and checks that the keys of the role that lists it have signed it. Returns it with
    /// its path, or `None` if it is missing.
    fn document<T: DeserializeOwned>(
        &self,
        top: &Verified,
        role: &str,
        name: &str,
        listed: &Target,
    ) -> Result<Option<(String, Signed<T>)>, F::Error> {
        let Some(raw) = self.target(name, listed)? else { return Ok(None) };
        let path = names::target_path(name, &listed.hashes.sha256);
        let (_, authority) = delegation(&top.targets, role)?;
        let signed = self.read_signed(&path, listed, raw, authority)?;
        Ok(Some((path, signed)))
    }
}

/// The prefix of a line's versions, according to the paths of its role.
fn line_prefix(top: &Verified, line: &LineName) -> Result<Prefix, Violation> {
    let name = names::releases_role(line);
    let (delegated, _) = delegation(&top.targets, &name)?;
    let path = || Violation::Path { role: name.clone(), path: delegated.paths.join(", ") };
    names::prefix(&delegated.paths).ok_or_else(path)
}

fn missing(name: &str, listed: &Target) -> Violation {
    Violation::Missing { path: names::target_path(name, &listed.hashes.sha256) }
}

fn check_name(path: &str, found: &str, expected: &str) -> Result<(), Violation> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(Violation::Name { path: path.to_owned(), expected, found })
}

/// Checks that a channel offers only releases that its line's role lists, and none earlier than their
/// signed manifests allow.
fn check_channel(manifest: &ChannelManifest, verified: &Verified) -> Result<(), Violation> {
    // A new line has channels before anybody can sign its releases. Such channels offer nothing.
    if manifest.releases.is_empty() {
        return Ok(());
    }
    let not_delegated = || Violation::NotDelegated { role: names::releases_role(&manifest.line) };
    let line = verified.lines.get(&manifest.line).ok_or_else(not_delegated)?;
    check_offers(manifest, line.signed())?;
    for release in &manifest.releases {
        let signed = verified.release_manifests.get(&release.version);
        let bound = signed.and_then(|signed| signed.signed().not_before.get(&manifest.stage));
        if let Some(&not_before) = bound.filter(|bound| release.since < **bound) {
            let (version, since) = (release.version.clone(), release.since);
            let path = names::channel_target(&manifest.channel);
            return Err(Violation::TooEarly { path, version, since, not_before });
        }
    }
    Ok(())
}

/// Checks that the role of a channel's line lists each release that the channel offers, with the same
/// digest.
///
/// # Errors
/// The first release that the role does not list.
pub fn check_offers(manifest: &ChannelManifest, line: &Targets) -> Result<(), Violation> {
    for release in &manifest.releases {
        let target = names::release_target(&release.version);
        if line.targets.get(&target).is_none_or(|listed| listed.hashes.sha256 != release.manifest) {
            return Err(Violation::NotListed { path: names::channel_target(&manifest.channel), target });
        }
    }
    Ok(())
}
