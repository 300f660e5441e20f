//! The payloads of a repository whose manifests were verified.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, ReleaseManifest};
use crate::formats::tuf::Target;
use crate::formats::tuf::names::{self, CHANNELS};
use crate::signing::Signed;
use crate::signing::verify::{Verified, Violation, target};

/// What came of the payloads.
pub struct Payloads {
    /// How many are there and have their digests.
    pub good: usize,
    /// Those that are listed and gone, of yanked releases.
    pub withdrawn: Vec<String>,
    /// All others that are listed and not there. Nothing shows that they were tampered with.
    pub missing: Vec<String>,
}

/// Looks at every payload that is listed. One of a release that is yanked in all its channels may be
/// gone: it was withdrawn, and no cluster would ask for it.
///
/// # Errors
/// The first payload that is not what is listed.
pub fn verify(verified: &Verified, fetch: &dyn Fn(&str) -> Option<Bytes>) -> Result<Payloads, Violation> {
    let mut payloads = Payloads { good: 0, withdrawn: Vec::new(), missing: Vec::new() };
    let mut may_be_gone = None;
    for (name, listed) in listed(verified).filter(|(name, _)| name.starts_with("payload.")) {
        match target(name, listed, fetch) {
            Ok(_) => payloads.good += 1,
            Err(Violation::Missing { .. })
                if may_be_gone.get_or_insert_with(|| of_yanked(verified, fetch)).contains(name) =>
            {
                payloads.withdrawn.push(name.to_owned());
            }
            Err(Violation::Missing { .. }) => payloads.missing.push(name.to_owned()),
            Err(violation) => return Err(violation),
        }
    }
    Ok(payloads)
}

fn listed(verified: &Verified) -> impl Iterator<Item = (&str, &Target)> {
    let targets = verified.roles.values().flat_map(|role| &role.signed().targets);
    targets.map(|(name, target)| (name.as_str(), target))
}

/// The payloads of releases that are yanked wherever they are offered. All manifests were verified
/// already; one that cannot be had now makes nothing good.
fn of_yanked(verified: &Verified, fetch: &dyn Fn(&str) -> Option<Bytes>) -> BTreeSet<String> {
    let mut yanked: BTreeMap<Version, bool> = BTreeMap::new();
    let channels = verified.roles.get(CHANNELS).into_iter().flat_map(|role| &role.signed().targets);
    for (name, listed) in channels {
        let Ok(raw) = target(name, listed, fetch) else { return BTreeSet::new() };
        let Ok(manifest) = Signed::<ChannelManifest>::parse(raw) else { return BTreeSet::new() };
        for release in manifest.into_signed().releases {
            let everywhere = yanked.entry(release.version).or_insert(true);
            *everywhere &= release.yank.is_some();
        }
    }
    let manifests = listed(verified).filter(|(name, _)| name.starts_with("release."));
    let yanked: BTreeSet<String> = yanked
        .iter()
        .filter(|(_, yanked)| **yanked)
        .map(|(version, _)| names::release_target(version))
        .collect();
    let manifests = manifests.filter(|(name, _)| yanked.contains(*name)).filter_map(|(name, listed)| {
        Signed::<ReleaseManifest>::parse(target(name, listed, fetch).ok()?).ok()
    });
    manifests
        .flat_map(|manifest| {
            let manifest = manifest.into_signed();
            let name = |payload| names::payload_target(&manifest.version, payload);
            manifest.payloads.iter().map(|payload| name(&payload.file)).collect::<Vec<_>>()
        })
        .collect()
}
