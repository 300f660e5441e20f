//! Verifies a publication before it is served.

use super::publication::{Publication, TufFile};
use super::{Inputs, PublishError, continuity};
use crate::domain::Time;
use crate::formats::tuf::names;
use crate::signing::verify::{Before, Extent, verify_after};

/// Verifies a publication as a client would, and returns when it expires. What the last publication has
/// with the same bytes, keys and delegations was verified with it, and is not verified again.
///
/// Payloads and release manifests are checked only by their listing, since their bytes were verified when
/// the catalog was read.
pub(super) fn check(inputs: &Inputs<'_>, publication: &Publication) -> Result<Time, PublishError> {
    let fetch = |path: &str| match publication.tuf(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let mut before = inputs.last.map(|last| before(last, publication)).unwrap_or_default();
    for part in publication.parts.iter().filter(|part| part.is_lost()) {
        before.lost.insert(names::releases_role(&part.line));
        before.lost.extend(part.names().map(names::channel_target));
    }
    let verified = verify_after(inputs.trust.root(), inputs.decided.now, &fetch, Extent::Channels, &before)?;
    if let Some(last) = inputs.last {
        continuity::check_follows(last, publication)?;
    }
    Ok(verified.expires())
}

/// What was verified with the last publication, and is verified by the same keys now. Nothing if that
/// publication was read from the disk, or if the root or the delegations have changed.
pub(super) fn before(last: &Publication, next: &Publication) -> Before {
    let mut before = Before::default();
    let same = last.roles.root().raw() == next.roles.root().raw()
        && last.roles.targets.raw() == next.roles.targets.raw();
    if !same || last.sources.is_empty() {
        return before;
    }
    for part in last.parts.iter() {
        if let Some(role) = &part.role {
            before.roles.insert(names::releases_role(&part.line), (role.meta(), role.signed.clone()));
        }
        for channel in &part.channels {
            let verified = (channel.manifest.document.target(), channel.manifest.signed.clone());
            before.channels.insert(names::channel_target(channel.name()), verified);
        }
    }
    before
}
