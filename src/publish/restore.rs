//! A publication made from a repository as clients see it, without any key: for a mirror, and after
//! the state folder was lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::carry;
use super::publication::{ChannelDocuments, OnePayload, Publication, ReleaseDocuments, TufFile};
use super::updates::{Updates, json, known, updates};
use super::{Document, Media, RENEW_AFTER};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::payload::Payload;
use crate::domain::stepback::Offer;
use crate::domain::upgrade::Views;
use crate::domain::version::Version;
use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody};
use crate::formats::manifest::{ChannelManifest, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{DelegatedRole, Root, TIMESTAMP_LIFETIME, Target, Timestamp};
use crate::signing::Signed;
use crate::signing::verify::{Verified, Violation, verify_lapsed};

/// What a repository holds.
#[derive(Debug)]
pub struct Restored {
    pub publication: Publication,
    pub verified: Verified,
    /// The highest version of anything that an online key signed: what is signed next must be above
    /// it, or clients take it for a step back.
    pub highest: u64,
    /// Payloads that are listed for releases which no channel offers yet, by path below `/tuf/`. They
    /// are served by whoever has them at hand.
    pub waiting: Vec<(Box<str>, TufFile)>,
}

/// Why a repository cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("it is not to be trusted")]
    Violation(#[from] Violation),
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("`{0}` is not what its name says")]
    Unreadable(String),
    #[error(transparent)]
    Carry(#[from] super::PublishError),
}

/// Verifies a repository as a client does at `now`, from a root that is trusted already, and makes
/// the publication that serves it. `fetch` gives the bytes at a path below `/tuf/`; payloads are not
/// fetched, but known by their listing.
///
/// What only the catalog knows is not in it: why something waits, and until when. To take up one
/// that has expired meanwhile, give the time at which it was [`made`].
///
/// # Errors
/// When the repository is not one that a client would take, or lacks a file that a channel needs.
pub fn restore(
    trusted: &Signed<Root>,
    now: Time,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
) -> Result<Restored, RestoreError> {
    // Each file is had once: what is verified is what is taken, whatever comes the next time.
    let had = RefCell::new(HashMap::<String, Option<Bytes>>::new());
    let fetch = &|path: &str| {
        if let Some(had) = had.borrow().get(path) {
            return had.clone();
        }
        let file = fetch(path);
        had.borrow_mut().insert(path.to_owned(), file.clone());
        file
    };
    // A role may list what is not served: a release that was signed and has entered no stage yet.
    let served = |name: &str, target: &Target| {
        !is_payload(name)
            && (name.starts_with("channel.")
                || fetch(&names::target_path(name, &target.hashes.sha256)).is_some())
    };
    // One line's role that nobody signed anew is that line's trouble alone, as it is for the server.
    let verified = verify_lapsed(trusted, now, fetch, &served)?;
    let files = Files::collect(trusted, &verified, fetch)?;
    let timestamp = verified.timestamp.signed();
    let made = timestamp.expires - TIMESTAMP_LIFETIME;

    let manifests: Vec<&ChannelManifest> = files.channels.iter().map(|file| file.0.signed()).collect();
    let versions = [timestamp.version, verified.snapshot.signed().version];
    let versions = versions.into_iter().chain(verified.roles.get(CHANNELS).map(|role| role.signed().version));
    let highest = versions.chain(manifests.iter().map(|manifest| manifest.version)).max().unwrap_or(0);
    let expires = manifests.iter().map(|manifest| manifest.expires).fold(verified.common_expiry(), Ord::min);
    let mut publication = Publication {
        version: timestamp.version,
        made,
        expires,
        renew: made + RENEW_AFTER,
        demo: manifests.iter().any(|manifest| manifest.demo),
        channels: document(Bytes::new()),
        promotions: document(Bytes::new()),
        channel: HashMap::new(),
        release: files.releases(),
        tuf: files.tuf,
        retired: HashMap::new(),
        offers: Vec::new(),
        known: HashMap::new(),
    };
    let prefixes = prefixes(&verified)?;
    for (manifest, served) in &files.channels {
        let manifest = manifest.signed();
        let documents = Arc::new(ChannelDocuments {
            line: manifest.line.clone(),
            name: manifest.channel.clone(),
            manifest: Arc::clone(served),
            updates: Updates { bodies: Vec::new(), lines: HashMap::new(), below: Vec::new(), above: 0 },
        });
        for name in std::iter::once(&manifest.channel).chain(&manifest.aliases) {
            publication.channel.insert(name.clone(), Arc::clone(&documents));
        }
        let prefix = prefixes.get(&manifest.line);
        let prefix = *prefix.ok_or_else(|| RestoreError::Missing(names::releases_role(&manifest.line)))?;
        let (channel, line) = (manifest.channel.clone(), manifest.line.clone());
        let aliases = manifest.aliases.clone();
        publication.offers.push(Offer {
            channel,
            aliases,
            line,
            stage: Some(manifest.stage.clone()),
            prefix,
            retired: false,
            releases: BTreeMap::new(),
        });
    }
    let mut lines = Vec::new();
    for line in manifests.iter().map(|manifest| &manifest.line).collect::<std::collections::BTreeSet<_>>() {
        lines.extend(carry::line(&publication, line)?);
    }
    let waiting = answer(&mut publication, &Catalog::new(lines), now);
    Ok(Restored { publication, verified, highest, waiting })
}

/// When the repository at hand was made, as its timestamp says; nothing is verified.
#[must_use]
pub fn made(fetch: &dyn Fn(&str) -> Option<Bytes>) -> Option<Time> {
    let timestamp: Signed<Timestamp> = Signed::parse(fetch(names::TIMESTAMP_PATH)?).ok()?;
    timestamp.signed().expires.checked_sub_signed(TIMESTAMP_LIFETIME)
}

/// Fills in what is answered about channels and releases. Gives the payloads of releases that no
/// channel offers.
fn answer(publication: &mut Publication, catalog: &Catalog, now: Time) -> Vec<(Box<str>, TufFile)> {
    let views = Views::new(catalog, &[], now);
    publication.known = known(catalog, now);
    for channel in catalog.channels() {
        let Some(before) = publication.channel.get(channel.name()) else { continue };
        let documents = Arc::new(ChannelDocuments {
            line: before.line.clone(),
            name: before.name.clone(),
            manifest: Arc::clone(&before.manifest),
            updates: updates(catalog, &views, &publication.known, channel, None),
        });
        for name in std::iter::once(channel.name()).chain(&channel.stage().aliases) {
            publication.channel.insert(name.clone(), Arc::clone(&documents));
        }
    }
    for line in catalog.lines() {
        for release in line.releases.values() {
            if let Some(documents) = publication.release.get_mut(&release.version) {
                let explanation = Explanation { line, release, now, decision: None };
                let mut body = ExplainBody::of(&explanation);
                let last = line.stages.len().checked_sub(1).is_some_and(|last| release.is_in(last, now));
                if !last && body.yanked.is_none() {
                    body.unknown();
                }
                documents.explain = document(json(&body));
            }
        }
    }
    // A release that no channel offers is not known to anybody.
    let waiting = publication.release.extract_if(|version, _| {
        !catalog.lines().any(|line| line.prefix.accepts(version) && line.releases.contains_key(version))
    });
    let waiting = waiting.flat_map(|(version, release)| payload_files(&version, &release)).collect();
    for (version, release) in &publication.release {
        publication.tuf.extend(payload_files(version, release));
    }
    publication.offers = Offer::all(catalog, now);
    publication.channels = document(json(&ChannelsBody::of(catalog, &[], now)));
    publication.promotions = document(json(&PromotionsBody::of(&[])));
    waiting
}

/// The payloads of a release, as files of the repository.
fn payload_files(version: &Version, release: &ReleaseDocuments) -> Vec<(Box<str>, TufFile)> {
    let file = |payload: &Payload| {
        let name = names::payload_target(version, &payload.file);
        let one = OnePayload::find(&release.payloads, |other| other.file == payload.file)?;
        Some((names::target_path(&name, &payload.sha256).into(), TufFile::Payload(one)))
    };
    release.payloads.iter().filter_map(file).collect()
}

/// The files of a repository.
struct Files {
    tuf: HashMap<Box<str>, TufFile>,
    channels: Vec<(Signed<ChannelManifest>, Arc<Document>)>,
    manifests: Vec<(ReleaseManifest, Arc<Document>)>,
}

impl Files {
    fn collect(
        trusted: &Signed<Root>,
        verified: &Verified,
        fetch: &dyn Fn(&str) -> Option<Bytes>,
    ) -> Result<Self, RestoreError> {
        let mut files = Self { tuf: HashMap::new(), channels: Vec::new(), manifests: Vec::new() };
        files.roots(trusted, verified, fetch)?;
        let targets = &verified.targets;
        files.role("targets", targets.signed().version, targets.raw());
        let snapshot = &verified.snapshot;
        files.role("snapshot", snapshot.signed().version, snapshot.raw());
        files.add(names::TIMESTAMP_PATH.to_owned(), document(verified.timestamp.raw().clone()));
        for (name, role) in &verified.roles {
            files.role(name, role.signed().version, role.raw());
        }
        for (name, target) in verified.roles.values().flat_map(|role| &role.signed().targets) {
            let path = names::target_path(name, &target.hashes.sha256);
            if is_payload(name) {
                continue;
            }
            // What was wanted was verified; the rest is listed and not served.
            let Some(raw) = fetch(&path) else { continue };
            let served = document(raw.clone());
            let unreadable = |_| RestoreError::Unreadable(path.clone());
            if name.starts_with("channel.") {
                files.channels.push((Signed::parse(raw).map_err(unreadable)?, Arc::clone(&served)));
            } else {
                let manifest = Signed::<ReleaseManifest>::parse(raw).map_err(unreadable)?.into_signed();
                files.manifests.push((manifest, Arc::clone(&served)));
            }
            files.add(path, served);
        }
        Ok(files)
    }

    /// Every root, from the first on: clients that were installed long ago begin there. Those that
    /// lie before the trusted one lead to it, or are not served.
    fn roots(
        &mut self,
        trusted: &Signed<Root>,
        verified: &Verified,
        fetch: &dyn Fn(&str) -> Option<Bytes>,
    ) -> Result<(), RestoreError> {
        let mut before: Option<Signed<Root>> = None;
        for version in 1..=verified.root.signed().version {
            let path = names::metadata_path("root", version);
            let raw = fetch(&path).ok_or_else(|| RestoreError::Missing(path.clone()))?;
            let unreadable = || RestoreError::Unreadable(path.clone());
            let root: Signed<Root> = Signed::parse(raw.clone()).map_err(|_| unreadable())?;
            let keys = before.as_ref().map_or_else(|| root.signed().root(), |before| before.signed().root());
            let follows = root.verify(keys).is_ok() && root.verify(root.signed().root()).is_ok();
            let other = version == trusted.signed().version && root.raw() != trusted.raw();
            if !follows || other || root.signed().version != version {
                return Err(unreadable());
            }
            self.add(path, document(raw));
            before = Some(root);
        }
        Ok(())
    }

    fn role(&mut self, name: &str, version: u64, raw: &Bytes) {
        self.add(names::metadata_path(name, version), document(raw.clone()));
    }

    fn add(&mut self, path: String, document: Arc<Document>) {
        self.tuf.insert(path.into(), TufFile::Document(document));
    }

    fn releases(&self) -> HashMap<Version, ReleaseDocuments> {
        let of = |(manifest, served): &(ReleaseManifest, Arc<Document>)| {
            let documents = ReleaseDocuments {
                line: manifest.line.clone(),
                manifest: Some(Arc::clone(served)),
                signed: true,
                explain: document(Bytes::new()),
                payloads: Arc::clone(&manifest.payloads),
            };
            (manifest.version.clone(), documents)
        };
        self.manifests.iter().map(of).collect()
    }
}

/// Which versions each line accepts, as its role's paths say.
fn prefixes(verified: &Verified) -> Result<HashMap<LineName, crate::domain::line::Prefix>, RestoreError> {
    let roles = verified.targets.signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    let prefix = |role: &DelegatedRole| {
        let line = LineName::parse(role.name.strip_prefix(names::RELEASES)?).ok()?;
        Some((line, names::prefix(&role.paths)?))
    };
    let of = |role: &DelegatedRole| prefix(role).ok_or_else(|| RestoreError::Unreadable(role.name.clone()));
    roles.filter(|role| role.name != CHANNELS).map(of).collect()
}

fn is_payload(name: &str) -> bool {
    name.starts_with("payload.")
}

fn document(body: Bytes) -> Arc<Document> {
    Arc::new(Document::new(Media::Json, body))
}
