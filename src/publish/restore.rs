//! Makes a publication from a repository as clients see it, without any private key: for a mirror, or after
//! the state has been lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::part::{ChannelDocuments, Part, Parts, ReleaseDocuments, Standing};
use super::publication::Publication;
use super::roles::Roles;
use super::served::Served;
use super::updates::{ViewsByArch, channel_updates, json, line_updates};
use super::{Decided, Document, RENEW_AFTER, page, pages, pieces};
use crate::console::{self, channel::Day};
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::upgrade::{Views, entry};
use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody};
use crate::formats::manifest::{self, ChannelManifest, ReleaseManifest};
use crate::formats::tuf::names::{self, TIMESTAMP_PATH};
use crate::formats::tuf::{Root, TIMESTAMP_LIFETIME, Timestamp};
use crate::signing::Signed;
use crate::signing::continuity::Known;
use crate::signing::verify::{Extent, Files, Verified, Verifier, Violation};

/// Verifies a repository as a client does at `now`, starting from a trusted root, and makes the publication
/// that serves it. Payloads are not read: their listing is enough. Payloads of releases that no channel
/// offers yet are left out until [`Publication::find_payloads`] finds them.
///
/// The publication lacks what only the catalog knows: why a release is waiting, and until when. To restore
/// a repository that has expired, pass the time at which it was [`made`] as `now`.
///
/// # Errors
/// When a client would refuse the repository, or a file that a channel needs is missing.
pub fn restore<F: Files + ?Sized>(
    trusted: &Signed<Root>,
    now: Time,
    files: &F,
) -> Result<Publication, F::Error> {
    let with = Verifier::new(files, now);
    // Clients that were installed long ago start from the first root, so every root is needed.
    let roots = with.all_roots(trusted)?;
    let newest = roots.last().unwrap_or(trusted).clone();
    let mut verified = with.common_under(newest, Known::root(trusted))?;
    with.read(&mut verified, Extent::Mirror)?;
    let catalog = catalog(&verified)?;
    let expires = verified.expires();

    let Verified {
        timestamp,
        snapshot,
        targets,
        channels,
        lines,
        mut indexes,
        channel_manifests,
        release_manifests,
        ..
    } = verified;
    let made = timestamp.signed().expires - TIMESTAMP_LIFETIME;
    let version = timestamp.signed().version;
    let demo = channel_manifests.iter().any(|manifest| manifest.signed().demo);

    let decided = Decided {
        flags: "",
        catalog: &catalog,
        now,
        refused: BTreeMap::new(),
        decisions: Vec::new(),
        not_promoting: None,
    };
    let mut parts: BTreeMap<LineName, Part> = BTreeMap::new();
    let views = ViewsByArch::of(&catalog, Views::new(&catalog, &[], now));
    let mut manifests: BTreeMap<_, _> =
        channel_manifests.into_iter().map(|manifest| (manifest.signed().channel.clone(), manifest)).collect();
    for line in catalog.lines() {
        let mut part = Part::empty(line.name.clone());
        part.prefix = line.known_prefix();
        part.follows = line.follows.as_ref().map(|follows| follows.line.clone());
        part.updates = line_updates(&catalog, &views, line);
        for index in 0..line.stages.len() {
            let channel = ChannelRef { line, index };
            let Some(manifest) = manifests.remove(channel.name()) else { continue };
            let updates = channel_updates(&catalog, &views, channel, None, None);
            let page = page::html(
                console::channel::channel(&decided.view(line), index, Day::Today).into_string(),
                None,
            );
            let manifest = Served::new(manifest, None);
            part.channels.push(ChannelDocuments { manifest, updates, page: Some(page) });
        }
        parts.insert(line.name.clone(), part);
    }
    for (line, role) in lines {
        let part = parts.entry(line).or_insert_with_key(|line| Part::empty(line.clone()));
        part.role = Some(Served::new(role, None));
        let index = indexes.remove(&part.line).and_then(|index| index.bytes().ok());
        part.index = index.map(|raw| Document::reusing(None, raw));
    }
    for (version, manifest) in release_manifests {
        let line = manifest.signed().line.clone();
        let part = parts.entry(line).or_insert_with_key(|line| Part::empty(line.clone()));
        part.releases.insert(version, release_documents(&catalog, manifest, now));
    }
    let parts = Parts::of(parts.into_values().map(Arc::new));
    let roles = Roles {
        roots: roots.into_iter().map(|root| Served::new(root, None)).collect(),
        targets: Served::new(targets, None),
        channels: Served::new(channels, None),
        snapshot: Served::new(snapshot, None),
        timestamp: Served::new(timestamp, None),
    };
    let sources = (&decided, &catalog);
    let mut pieces = pieces::pieces(sources, &parts, None);
    let pages = pages::pages(sources, (&roles, demo, false), &mut pieces, None);
    Ok(Publication {
        version,
        made,
        expires,
        renew: made + RENEW_AFTER,
        demo,
        channels: Document::reusing(None, json(&ChannelsBody::of(&catalog, &[], now))),
        promotions: Document::reusing(None, json(&PromotionsBody::of(&[], None))),
        pages: Some(pages),
        parts,
        roles,
        anew: Vec::new(),
        retired: HashMap::new(),
        sources: BTreeMap::new(),
        pieces,
    })
}

/// When a repository was made, according to its timestamp. Nothing is verified.
///
/// # Errors
/// When the timestamp cannot be read. If it is invalid, the result is `None`.
pub fn made<F: Files + ?Sized>(files: &F) -> Result<Option<Time>, F::Error> {
    let raw = files.get(TIMESTAMP_PATH, None)?;
    let timestamp = raw.and_then(|raw| Signed::<Timestamp>::parse(raw).ok());
    Ok(timestamp.and_then(|timestamp| timestamp.signed().expires.checked_sub_signed(TIMESTAMP_LIFETIME)))
}

/// Rebuilds the part of the catalog that the manifests contain. The paths of a line's role determine which
/// versions belong to the line.
fn catalog(verified: &Verified) -> Result<Catalog, Violation> {
    let mut channels: BTreeMap<&LineName, Vec<&ChannelManifest>> = BTreeMap::new();
    for manifest in verified.channel_manifests.iter().map(Signed::signed) {
        channels.entry(&manifest.line).or_default().push(manifest);
    }
    let mut lines = Vec::new();
    let mut prefixes = BTreeMap::new();
    for (line, role) in verified.delegated_lines() {
        let Some(prefix) = names::prefix(&role.paths) else {
            return Err(Violation::Path { role: role.name.clone(), path: role.paths.join(", ") });
        };
        prefixes.insert(line, prefix);
    }
    for (name, channels) in channels {
        // What was verified offers nothing in a line that is not delegated.
        let undelegated = || manifest::undelegated_prefix(name, prefixes.values().copied());
        let prefix = prefixes.get(name).copied().unwrap_or_else(undelegated);
        let offered = channels.iter().flat_map(|channel| &channel.releases);
        let releases = offered.filter_map(|release| {
            let manifest = verified.release_manifests.get(&release.version)?;
            Some((release.version.clone(), manifest.signed().clone()))
        });
        let line = manifest::line(name, prefix, &channels, releases.collect());
        lines.push(line.map_err(|source| Violation::Incomplete { line: name.clone(), source })?);
    }
    Ok(Catalog::published(lines.into_iter().flatten()))
}

/// The documents of a release. A release that no channel offers is known only by its listing, and its
/// payloads may be missing.
fn release_documents(catalog: &Catalog, manifest: Signed<ReleaseManifest>, now: Time) -> ReleaseDocuments {
    let known = catalog.release(&manifest.signed().version);
    let explain = known.map(|(line, release)| {
        let mut body = ExplainBody::of(&Explanation {
            line,
            release,
            now,
            decision: None,
            refused: None,
            not_promoting: None,
            entry: entry(catalog, line, now),
        });
        let last = line.stages.len().checked_sub(1).is_some_and(|last| release.is_in(last, now));
        if !last && body.yanked.is_none() {
            body.unknown();
        }
        Document::reusing(None, json(&body))
    });
    let document = Document::reusing(None, manifest.raw().clone());
    let ReleaseManifest { payloads, .. } = manifest.into_signed();
    ReleaseDocuments {
        standing: if known.is_some() { Standing::Published } else { Standing::Waiting },
        manifest: Some(document),
        explain,
        payloads,
        at_hand: known.is_some(),
    }
}
