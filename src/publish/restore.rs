//! A publication made from a repository as clients see it, without any private key: for a mirror, and
//! after the state was lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::publication::{ChannelDocuments, Publication, ReleaseDocuments, Standing};
use super::roles::{Roles, Served};
use super::updates::{json, known, updates};
use super::{Document, Media, RENEW_AFTER};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::upgrade::Views;
use crate::domain::version::Version;
use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody};
use crate::formats::manifest::{self, ChannelManifest, LineError, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{Root, TIMESTAMP_LIFETIME, Target, Timestamp};
use crate::signing::Signed;
use crate::signing::verify::{Verified, Violation, verify_lapsed};

/// Why a repository cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("it is not to be trusted")]
    Violation(#[from] Violation),
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("`{0}` is not what its name says")]
    Unreadable(String),
    #[error("line `{line}` is not complete")]
    Line { line: LineName, source: LineError },
}

/// Gives the bytes at a path below `/tuf/`.
type Fetch<'a> = &'a dyn Fn(&str) -> Option<Bytes>;

/// Verifies a repository as a client does at `now`, from a trusted root, and makes the publication that
/// serves it. Payloads are not fetched: their listing has all that is needed. Those of releases that no
/// channel offers yet are left out until [`Publication::find_payloads`] finds them.
///
/// The publication lacks what only the catalog knows: why a release waits, and until when. To restore a
/// repository that has expired, pass the time at which it was [`made`].
///
/// # Errors
/// When a client would refuse the repository, or a file that a channel needs is missing.
pub fn restore(trusted: &Signed<Root>, now: Time, fetch: Fetch<'_>) -> Result<Publication, RestoreError> {
    // Each file is fetched once, so what is verified is what is used, even if the source changes.
    let had = RefCell::new(HashMap::<String, Option<Bytes>>::new());
    let fetch = &|path: &str| {
        if let Some(had) = had.borrow().get(path) {
            return had.clone();
        }
        let file = fetch(path);
        had.borrow_mut().insert(path.to_owned(), file.clone());
        file
    };
    // A role may list a file that is not served: the manifest of a release that has entered no stage yet.
    let served = |name: &str, target: &Target| {
        names::is_channel(name)
            || !names::is_payload(name) && fetch(&names::target_path(name, &target.hashes.sha256)).is_some()
    };
    // As in the server, an expired role of a line affects only that line.
    let verified = verify_lapsed(trusted, now, fetch, &served)?;
    let roles = roles(trusted, &verified, fetch)?;
    let manifests = Manifests::read(&roles, fetch)?;
    let catalog = manifests.catalog(&roles)?;

    let timestamp = roles.timestamp.signed();
    let made = timestamp.expires - TIMESTAMP_LIFETIME;
    let signed = || manifests.channels.iter().map(|manifest| manifest.signed());
    let expires = signed().map(|manifest| manifest.expires).fold(verified.common_expiry(), Ord::min);
    let demo = signed().any(|manifest| manifest.demo);
    let (version, known) = (timestamp.version, known(&catalog, now));
    let aliases = catalog.channel_names().filter(|(name, own)| name != own);
    let aliases = aliases.map(|(name, own)| (name.clone(), own.clone())).collect();

    let views = Views::new(&catalog, &[], now);
    let channel = manifests.channels.into_iter().filter_map(|manifest| {
        let name = manifest.signed().channel.clone();
        let updates = updates(&catalog, &views, &known, catalog.channel(&name)?, None);
        Some((name, ChannelDocuments { manifest, updates }))
    });
    let release = manifests.releases.into_iter().map(|(version, (manifest, document))| {
        let documents = release(&catalog, manifest, document, now);
        (version, documents)
    });
    Ok(Publication {
        version,
        made,
        expires,
        renew: made + RENEW_AFTER,
        demo,
        channels: document(json(&ChannelsBody::of(&catalog, &[], now))),
        promotions: document(json(&PromotionsBody::of(&[]))),
        channel: channel.collect(),
        aliases,
        release: release.collect(),
        roles,
        retired: HashMap::new(),
        known,
    })
}

/// When a repository was made, as its timestamp says. Nothing is verified.
#[must_use]
pub fn made(fetch: Fetch<'_>) -> Option<Time> {
    let timestamp: Signed<Timestamp> = Signed::parse(fetch(names::TIMESTAMP_PATH)?).ok()?;
    timestamp.signed().expires.checked_sub_signed(TIMESTAMP_LIFETIME)
}

fn roles(trusted: &Signed<Root>, verified: &Verified, fetch: Fetch<'_>) -> Result<Roles, RestoreError> {
    let Verified { timestamp, snapshot, targets, roles, .. } = verified.clone();
    let (mut lines, mut channels) = (BTreeMap::new(), None);
    for (name, role) in roles {
        let role = Served::new(role, None);
        match names::line_of(&name) {
            Some(line) => drop(lines.insert(line, role)),
            None if name == CHANNELS => channels = Some(role),
            None => return Err(RestoreError::Unreadable(name)),
        }
    }
    Ok(Roles {
        roots: roots(trusted, verified, fetch)?,
        targets: Served::new(targets, None),
        lines,
        channels: channels.ok_or_else(|| RestoreError::Missing(CHANNELS.to_owned()))?,
        snapshot: Served::new(snapshot, None),
        timestamp: Served::new(timestamp, None),
    })
}

/// Every root, from the first on: clients that were installed long ago begin there. The roots before the
/// trusted one must lead to it.
fn roots(
    trusted: &Signed<Root>,
    verified: &Verified,
    fetch: Fetch<'_>,
) -> Result<Vec<Served<Root>>, RestoreError> {
    let mut roots: Vec<Served<Root>> = Vec::new();
    for version in 1..=verified.root.signed().version {
        let path = names::metadata_path("root", version);
        let raw = fetch(&path).ok_or_else(|| RestoreError::Missing(path.clone()))?;
        let unreadable = || RestoreError::Unreadable(path.clone());
        let root: Signed<Root> = Signed::parse(raw).map_err(|_| unreadable())?;
        let own = root.signed().root();
        let keys = roots.last().map_or(own, |before| before.signed().root());
        let follows = root.verify(keys).is_ok() && root.verify(own).is_ok();
        let other = version == trusted.signed().version && root.raw() != trusted.raw();
        if !follows || other || root.signed().version != version {
            return Err(unreadable());
        }
        roots.push(Served::new(root, None));
    }
    Ok(roots)
}

/// The signed manifests of a repository.
struct Manifests {
    channels: Vec<Served<ChannelManifest>>,
    releases: BTreeMap<Version, (ReleaseManifest, Arc<Document>)>,
}

impl Manifests {
    /// Reads those that are served. They have been verified.
    fn read(roles: &Roles, fetch: Fetch<'_>) -> Result<Self, RestoreError> {
        let mut manifests = Self { channels: Vec::new(), releases: BTreeMap::new() };
        for (name, target) in roles.listed().filter(|(name, _)| !names::is_payload(name)) {
            let path = names::target_path(name, &target.hashes.sha256);
            let Some(raw) = fetch(&path) else { continue };
            let unreadable = |_| RestoreError::Unreadable(path.clone());
            if names::is_channel(name) {
                let manifest = Signed::parse(raw).map_err(unreadable)?;
                manifests.channels.push(Served::new(manifest, None));
            } else {
                let manifest: Signed<ReleaseManifest> = Signed::parse(raw).map_err(unreadable)?;
                let document = document(manifest.raw().clone());
                let manifest = manifest.into_signed();
                manifests.releases.insert(manifest.version.clone(), (manifest, document));
            }
        }
        Ok(manifests)
    }

    /// The part of the catalog that is in the manifests. The paths of a line's role tell which versions
    /// belong to the line.
    fn catalog(&self, roles: &Roles) -> Result<Catalog, RestoreError> {
        let mut lines: BTreeMap<&LineName, Vec<&ChannelManifest>> = BTreeMap::new();
        for manifest in self.channels.iter().map(|manifest| manifest.signed()) {
            lines.entry(&manifest.line).or_default().push(manifest);
        }
        let line = |(name, channels): (&LineName, Vec<&ChannelManifest>)| {
            let role = names::releases_role(name);
            let (delegated, _) =
                roles.targets.signed().delegated(&role).ok_or_else(|| RestoreError::Missing(role.clone()))?;
            let prefix = names::prefix(&delegated.paths).ok_or(RestoreError::Unreadable(role))?;
            let offered = channels.iter().flat_map(|channel| &channel.releases);
            let releases = offered.filter_map(|release| {
                let (manifest, _) = self.releases.get(&release.version)?;
                Some((release.version.clone(), manifest.clone()))
            });
            manifest::line(name, prefix, &channels, releases.collect())
                .map_err(|source| RestoreError::Line { line: name.clone(), source })
        };
        let lines: Vec<Option<Line>> = lines.into_iter().map(line).collect::<Result<_, _>>()?;
        Ok(Catalog::published(lines.into_iter().flatten()))
    }
}

/// The documents of a release. One that no channel offers is known only by its listing, and its payloads
/// may be missing.
fn release(
    catalog: &Catalog,
    manifest: ReleaseManifest,
    served: Arc<Document>,
    now: Time,
) -> ReleaseDocuments {
    let known = catalog.release(&manifest.version);
    let explain = known.map(|(line, release)| {
        let mut body = ExplainBody::of(&Explanation { line, release, now, decision: None });
        let last = line.stages.len().checked_sub(1).is_some_and(|last| release.is_in(last, now));
        if !last && body.yanked.is_none() {
            body.unknown();
        }
        document(json(&body))
    });
    ReleaseDocuments {
        line: manifest.line,
        standing: if known.is_some() { Standing::Published } else { Standing::Waiting },
        manifest: Some(served),
        explain,
        payloads: manifest.payloads,
        at_hand: known.is_some(),
    }
}

fn document(body: Bytes) -> Arc<Document> {
    Arc::new(Document::new(Media::Json, body))
}
