//! The payloads of a repository whose manifests were verified.

use std::collections::BTreeMap;

use bytes::Bytes;

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
    /// Those that are listed and not there, of releases in no channel: no cluster is sent to them.
    pub waiting: Vec<String>,
    /// All others that are listed and not there. Nothing shows that they were tampered with.
    pub missing: Vec<String>,
}

/// Looks at every payload that is listed. One of a release that is yanked in all its channels may be
/// gone: it was withdrawn, and no cluster would ask for it; nor for one of a release in no channel.
///
/// # Errors
/// The first payload that is not what is listed.
pub fn verify(verified: &Verified, fetch: &dyn Fn(&str) -> Option<Bytes>) -> Result<Payloads, Violation> {
    let mut payloads = Payloads { good: 0, withdrawn: Vec::new(), waiting: Vec::new(), missing: Vec::new() };
    let mut offers = None;
    for (name, listed) in listed(verified).filter(|(name, _)| name.starts_with("payload.")) {
        match target(name, listed, fetch) {
            Ok(_) => payloads.good += 1,
            Err(Violation::Missing { .. }) => {
                let offers = offers.get_or_insert_with(|| Offers::of(verified, fetch));
                let list = match offers.of_payload.get(name) {
                    Some(Offer::Yanked) => &mut payloads.withdrawn,
                    Some(Offer::Nowhere) => &mut payloads.waiting,
                    Some(Offer::Somewhere) | None => &mut payloads.missing,
                };
                list.push(name.to_owned());
            }
            Err(violation) => return Err(violation),
        }
    }
    Ok(payloads)
}

fn listed(verified: &Verified) -> impl Iterator<Item = (&str, &Target)> {
    let targets = verified.roles.values().flat_map(|role| &role.signed().targets);
    targets.map(|(name, target)| (name.as_str(), target))
}

/// Where the release of a payload is on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    Somewhere,
    /// It was, and is yanked in each of its channels.
    Yanked,
    /// No channel names it.
    Nowhere,
}

/// The payloads by name. All manifests were verified already; one that cannot be had now makes nothing
/// good.
#[derive(Default)]
struct Offers {
    of_payload: BTreeMap<String, Offer>,
}

impl Offers {
    fn of(verified: &Verified, fetch: &dyn Fn(&str) -> Option<Bytes>) -> Self {
        let mut offers = BTreeMap::new();
        let channels = verified.roles.get(CHANNELS).into_iter().flat_map(|role| &role.signed().targets);
        for (name, listed) in channels {
            let raw = target(name, listed, fetch).ok();
            let Some(manifest) = raw.and_then(|raw| Signed::<ChannelManifest>::parse(raw).ok()) else {
                return Self::default();
            };
            for release in manifest.into_signed().releases {
                let offer = offers.entry(release.version).or_insert(Offer::Yanked);
                if release.yank.is_none() {
                    *offer = Offer::Somewhere;
                }
            }
        }
        let manifests = listed(verified).filter(|(name, _)| name.starts_with("release."));
        let manifests = manifests.filter_map(|(name, listed)| {
            Signed::<ReleaseManifest>::parse(target(name, listed, fetch).ok()?).ok()
        });
        let of_payload = manifests.flat_map(|manifest| {
            let manifest = manifest.into_signed();
            let offer = offers.get(&manifest.version).copied().unwrap_or(Offer::Nowhere);
            let name = |payload| names::payload_target(&manifest.version, payload);
            manifest.payloads.iter().map(|payload| (name(&payload.file), offer)).collect::<Vec<_>>()
        });
        Self { of_payload: of_payload.collect() }
    }
}
