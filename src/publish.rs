//! From a catalog, keys and a time to a [`Publication`]: everything the server answers with.

mod carry;
pub mod document;
pub mod evidence;
mod expiries;
pub mod follows;
pub mod pack;
pub mod publication;
pub mod refusal;
pub mod restore;
mod roles;
#[cfg(test)]
mod tests;
pub mod updates;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::explain::Explanation;
use crate::domain::promotion::{Decision, Gate, Verdict, decide_line};
use crate::domain::release::{Event, ManifestState};
use crate::domain::stepback::Offer;
use crate::domain::upgrade::Views;
use crate::domain::version::Version;
use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody};
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::CHANNEL_MANIFEST_LIFETIME;
use crate::formats::tuf::names;
use crate::signing::trust::Trust;
use crate::signing::verify::{Violation, verify_lapsed};
use crate::signing::{SignError, Signed, Signer};

pub use document::{Document, Media};
use evidence::shared_out;
pub use publication::Publication;
use publication::{ChannelDocuments, ReleaseDocuments, TufFile};
pub use refusal::{Refusal, refusals};
use updates::{json, known, updates};

/// Online documents are signed anew after this time, long before they expire: a server that is down
/// over a weekend has days left, and clients that check freshness see that it lives.
pub const RENEW_AFTER: TimeDelta = TimeDelta::days(1);

/// For so long a file that was replaced is still served to clients in the middle of an update.
const RETIRED_FOR: TimeDelta = TimeDelta::hours(1);

/// What a publication is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The good lines, each release with its evidence.
    pub catalog: &'a Catalog,
    /// The lines that could not be read, and why.
    pub faulty: &'a BTreeMap<LineName, String>,
    pub trust: &'a Trust,
    /// The signed release manifests, as they are stored.
    pub manifests: &'a HashMap<Version, Bytes>,
    pub online: &'a dyn Signer,
    /// The publication that is being served.
    pub last: Option<&'a Publication>,
    /// The version for whatever is signed now; reserved, so that it was never used.
    pub version: u64,
    pub now: Time,
    /// Whether the keys are throw-away ones.
    pub demo: bool,
}

/// What came of publishing.
#[derive(Debug)]
pub struct Outcome {
    pub publication: Publication,
    /// Lines that keep their last good documents, and why.
    pub refused: BTreeMap<LineName, Refusal>,
    /// Whether anything was signed: if not, the publication differs from the last at most in what
    /// is unsigned.
    pub signed: bool,
}

/// Why nothing could be published. The last publication goes on being served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("signing failed")]
    Sign(#[from] SignError),
    #[error("the online key is not the one that the root names for `{role}`")]
    WrongKey { role: &'static str },
    #[error("two documents would have the same name in the repository")]
    Target(#[from] crate::formats::tuf::TargetError),
    #[error("the new publication would not pass a client's checks")]
    Violation(#[from] Violation),
    #[error("the last publication cannot be carried over: {0}")]
    Carry(String),
    #[error(
        "`trust/{0}.json` cannot be used, and no earlier one was published: without it clients find nothing"
    )]
    NoRole(String),
}

/// Makes a publication. Lines that are faulty or would step back keep what was last published of
/// them, renewed.
///
/// # Errors
/// When nothing could be published at all.
pub fn publish(inputs: &Inputs<'_>) -> Result<Outcome, PublishError> {
    let Inputs { now, last, .. } = *inputs;
    roles::check_key(inputs)?;
    let refused = refusals(inputs.catalog, inputs.faulty, last, now);
    let catalog = &*carried(inputs, &refused)?;
    let decisions: Vec<Decision<'_>> = catalog
        .lines()
        .filter(|line| !refused.contains_key(&line.name))
        .flat_map(|line| decide_line(line, now))
        .collect();

    let release = releases(inputs, catalog, &refused, &decisions);
    let (channel, manifests) = channels(inputs, catalog, &decisions, &release)?;
    let lines = roles::lines(inputs, &refused)?;
    let roles = roles::roles(inputs, lines, &manifests)?;
    let signed = roles.signed || manifests.iter().any(|manifest| manifest.signed);
    let tuf = files(inputs, &roles, &manifests, &release, &refused);
    let retired = retired(last, &tuf, now);

    let offers = offers(catalog, &refused, last, now);
    let mut publication = Publication {
        version: roles.timestamp.signed().version,
        made: now,
        expires: now,
        renew: manifests
            .iter()
            .map(|manifest| manifest.document.signed().issued + RENEW_AFTER)
            .fold(roles.renew(), Time::min),
        demo: inputs.demo,
        channels: reuse(last.map(|last| &last.channels), json(&ChannelsBody::of(catalog, &decisions, now))),
        promotions: reuse(last.map(|last| &last.promotions), json(&PromotionsBody::of(&decisions))),
        channel,
        release,
        tuf,
        retired,
        offers,
        known: known(catalog, now),
    };
    let first = check(inputs, &publication)?;
    let online = manifests.iter().map(|manifest| manifest.document.signed().expires);
    let online = online.fold(roles.timestamp.signed().expires, Ord::min);
    publication.expires = online.min(first);
    Ok(Outcome { publication, refused, signed })
}

/// The catalog, with refused lines as they were last published.
fn carried<'a>(
    inputs: &Inputs<'a>,
    refused: &BTreeMap<LineName, Refusal>,
) -> Result<Cow<'a, Catalog>, PublishError> {
    if refused.is_empty() {
        return Ok(Cow::Borrowed(inputs.catalog));
    }
    let mut lines = inputs.catalog.clone().into_lines();
    for name in refused.keys() {
        lines.remove(name);
        if let Some(line) = inputs.last.map(|last| carry::line(last, name)).transpose()?.flatten() {
            let current = inputs.catalog.line(name);
            let line =
                current.into_iter().fold(line, |line, current| carry::narrowed(line, current, inputs.now));
            lines.insert(name.clone(), line);
        }
    }
    Ok(Cow::Owned(Catalog::new(lines.into_values())))
}

/// When the next publication is due by itself, if nothing in the catalog changes: the first time
/// after `now` at which a decision, an answer or a renewal is another.
#[must_use]
pub fn next_due(
    catalog: &Catalog,
    decisions: &[Decision<'_>],
    last: Option<&Publication>,
    now: Time,
) -> Option<Time> {
    // What counts at once does not begin at its date.
    let begins = |event: &Event| (!event.at_once).then_some(event.at);
    let dated = catalog.lines().flat_map(|line| {
        let grace = line.follows.as_ref().map_or(TimeDelta::zero(), |follows| follows.grace);
        let before = line.follows.as_ref().and_then(|follows| catalog.line(&follows.line));
        // The grace of what was the highest ends some time after its successor entered.
        let graces = before.into_iter().filter(move |_| grace > TimeDelta::zero()).flat_map(move |before| {
            before.releases.values().flat_map(move |release| {
                release.entries.iter().flatten().map(move |entry| entry.since + grace)
            })
        });
        let events = line.releases.values().flat_map(|release| {
            let entries = release.entries.iter().flatten().map(|entry| entry.since);
            let yank = release.yank.as_ref().map(|yank| &yank.event);
            entries.chain(release.hold.as_ref().into_iter().chain(yank).filter_map(begins))
        });
        let pauses = line.stages.iter().filter_map(|stage| stage.paused.as_ref());
        graces.chain(events).chain(pauses.chain(&line.retired).filter_map(begins))
    });
    let decided = decisions.iter().flat_map(|decision| {
        let until = match decision.verdict {
            Verdict::Wait { until } => Some(until),
            Verdict::Promote | Verdict::Blocked => None,
        };
        // A gate that opens while another one does not is told of in time, too.
        let gates = decision.gates.iter().filter_map(Gate::opens);
        until.into_iter().chain(gates).chain(decision.deadline)
    });
    dated.chain(decided).filter(|at| now < *at).chain(last.map(|last| last.renew)).min()
}

fn offers(
    catalog: &Catalog,
    refused: &BTreeMap<LineName, Refusal>,
    last: Option<&Publication>,
    now: Time,
) -> Vec<Offer> {
    let kept = last.into_iter().flat_map(|last| &last.offers);
    let mut offers: Vec<Offer> = kept.filter(|offer| refused.contains_key(&offer.line)).cloned().collect();
    // A yank reaches a refused line, too.
    for (version, offered) in offers.iter_mut().flat_map(|offer| &mut offer.releases) {
        let release = catalog.release(version);
        offered.yanked |= release.is_some_and(|(_, release)| release.yanked(now).is_some());
    }
    offers.extend(Offer::all(catalog, now).into_iter().filter(|offer| !refused.contains_key(&offer.line)));
    offers
}

/// The documents of every release.
fn releases(
    inputs: &Inputs<'_>,
    catalog: &Catalog,
    refused: &BTreeMap<LineName, Refusal>,
    decisions: &[Decision<'_>],
) -> HashMap<Version, ReleaseDocuments> {
    let Inputs { now, last, .. } = *inputs;
    let mut documents = HashMap::with_capacity(catalog.known(now));
    let mut wanted: Vec<Explanation<'_>> = Vec::new();
    for line in catalog.lines() {
        if refused.contains_key(&line.name) {
            documents.extend(carry::releases(last, line, inputs.catalog.line(&line.name), now));
            continue;
        }
        let begin = decisions.partition_point(|decision| decision.line.name < line.name);
        let mut own =
            decisions[begin..].iter().take_while(|decision| decision.line.name == line.name).peekable();
        for release in line.releases.values() {
            // Both come in ascending order of versions.
            let decision = own.next_if(|decision| decision.release.version == release.version);
            wanted.push(Explanation { line, release, now, decision });
        }
    }
    // Compressing the documents of a release takes half a millisecond, where they are new.
    let made = shared_out(&wanted, |explanation| release_documents(inputs, explanation));
    documents.extend(wanted.iter().map(|one| one.release.version.clone()).zip(made));
    documents
}

fn release_documents(inputs: &Inputs<'_>, explanation: &Explanation<'_>) -> ReleaseDocuments {
    let Inputs { now, last, .. } = *inputs;
    let Explanation { line, release, .. } = *explanation;
    let before = last.and_then(|last| last.release.get(&release.version));
    let explain = reuse(before.map(|before| &before.explain), json(&ExplainBody::of(explanation)));
    let known = release.is_known(now);
    let deliverable = known && release.is_deliverable();
    // Of a yanked release all stays published, but perhaps its payload.
    let published = deliverable || known && release.is_vouched_for() && release.yanked(now).is_some();
    let manifest = inputs.manifests.get(&release.version).filter(|_| published);
    let manifest = manifest.map(|raw| reuse(before.and_then(|before| before.manifest.as_ref()), raw.clone()));
    let payloads = if deliverable { Arc::clone(&release.payloads) } else { Arc::default() };
    let signed = matches!(release.evidence.manifest, ManifestState::Signed(_));
    ReleaseDocuments { line: line.name.clone(), manifest, signed, explain, payloads }
}

/// One channel's manifest.
struct ChannelFile {
    document: Signed<ChannelManifest>,
    served: Arc<Document>,
    /// Whether it was signed now.
    signed: bool,
}

type Channels = (HashMap<ChannelName, Arc<ChannelDocuments>>, Vec<ChannelFile>);

/// The documents of every channel: its manifest and its answers.
fn channels(
    inputs: &Inputs<'_>,
    catalog: &Catalog,
    decisions: &[Decision<'_>],
    releases: &HashMap<Version, ReleaseDocuments>,
) -> Result<Channels, PublishError> {
    let Inputs { now, last, .. } = *inputs;
    let views = Views::new(catalog, decisions, now);
    let known = known(catalog, now);
    let digests: HashMap<&Version, crate::domain::payload::Sha256> = releases
        .iter()
        .filter_map(|(version, release)| {
            Some((
                version,
                crate::formats::tuf::Target::of(&release.manifest.as_ref()?.identity).hashes.sha256,
            ))
        })
        .collect();
    let (mut by_name, mut files) = (HashMap::new(), Vec::new());
    for channel in catalog.channels() {
        let before = last.and_then(|last| last.channel.get(channel.name()));
        let expires = now + CHANNEL_MANIFEST_LIFETIME;
        let mut wanted = ChannelManifest::of(
            channel,
            inputs.version,
            |version| digests.get(version).copied(),
            now,
            expires,
        );
        wanted.demo = inputs.demo;
        let kept = before.and_then(|before| kept(inputs, &before.manifest, &wanted));
        let file = if let Some((document, served)) = kept {
            ChannelFile { document, served, signed: false }
        } else {
            let document = Signed::sign(wanted, [inputs.online])?;
            let served = Arc::new(Document::new(Media::Json, document.raw().clone()));
            ChannelFile { document, served, signed: true }
        };
        let updates = updates(catalog, &views, &known, channel, before.map(|before| &before.updates));
        let documents = Arc::new(ChannelDocuments {
            line: channel.line.name.clone(),
            name: channel.name().clone(),
            manifest: Arc::clone(&file.served),
            updates,
        });
        for name in std::iter::once(channel.name()).chain(&channel.stage().aliases) {
            by_name.insert(name.clone(), Arc::clone(&documents));
        }
        files.push(file);
    }
    Ok((by_name, files))
}

/// The manifest that is served already, if it says what is wanted and is not due for renewal.
fn kept(
    inputs: &Inputs<'_>,
    served: &Arc<Document>,
    wanted: &ChannelManifest,
) -> Option<(Signed<ChannelManifest>, Arc<Document>)> {
    let document: Signed<ChannelManifest> = Signed::parse(served.identity.clone()).ok()?;
    document.verify(inputs.trust.channels_authority()?).ok()?;
    let fresh = inputs.now < document.signed().issued + RENEW_AFTER;
    (fresh && document.signed().offers_the_same_as(wanted)).then(|| (document, Arc::clone(served)))
}

/// The files of the TUF repository.
fn files(
    inputs: &Inputs<'_>,
    roles: &roles::Roles,
    channels: &[ChannelFile],
    releases: &HashMap<Version, ReleaseDocuments>,
    refused: &BTreeMap<LineName, Refusal>,
) -> HashMap<Box<str>, TufFile> {
    let mut files: HashMap<Box<str>, TufFile> =
        HashMap::with_capacity(2 * releases.len() + channels.len() + 16);
    let last = inputs.last;
    let mut add = |path: String, raw: &Bytes| {
        let before = last.and_then(|last| match last.tuf.get(path.as_str()) {
            Some(TufFile::Document(document)) => Some(document),
            Some(TufFile::Payload(_)) | None => None,
        });
        files.insert(path.into(), TufFile::Document(reuse(before, raw.clone())));
    };
    for root in inputs.trust.roots() {
        add(names::metadata_path("root", root.signed().version), root.raw());
    }
    let targets = inputs.trust.targets();
    add(names::metadata_path("targets", targets.signed().version), targets.raw());
    for (name, role) in &roles.lines {
        add(names::metadata_path(name, role.signed().version), role.raw());
    }
    add(names::metadata_path(names::CHANNELS, roles.channels.signed().version), roles.channels.raw());
    add(names::metadata_path("snapshot", roles.snapshot.signed().version), roles.snapshot.raw());
    add(names::TIMESTAMP_PATH.to_owned(), roles.timestamp.raw());
    for channel in channels {
        let path = names::target_path(
            &names::channel_target(&channel.document.signed().channel),
            &channel.document.sha256(),
        );
        files.insert(path.into(), TufFile::Document(Arc::clone(&channel.served)));
    }
    for (role, signed) in &roles.lines {
        let kept = refused.keys().any(|line| names::releases_role(line) == *role);
        for (name, target) in &signed.signed().targets {
            let path = names::target_path(name, &target.hashes.sha256);
            let file = roles::served_target(name, target, releases)
                .or_else(|| roles::listed_manifest(name, target, inputs.manifests, last))
                .or_else(|| roles::listed_payload(name, target, inputs.catalog))
                .or_else(|| roles::kept_target(name, &path, last.filter(|_| kept)?, inputs));
            files.extend(file.map(|file| (path.into(), file)));
        }
    }
    files
}

/// What was served before and is replaced now, for a while.
fn retired(
    last: Option<&Publication>,
    now_served: &HashMap<Box<str>, TufFile>,
    now: Time,
) -> HashMap<Box<str>, (TufFile, Time)> {
    let Some(last) = last else { return HashMap::new() };
    let until = now + RETIRED_FOR;
    let replaced = last.tuf.iter().map(|(path, file)| (path, (file, until)));
    let earlier = last.retired.iter().map(|(path, (file, until))| (path, (file, *until)));
    earlier
        .filter(|(_, (_, until))| now < *until)
        .chain(replaced)
        // A payload is never replaced: one that is not served any more was withdrawn.
        .filter(|(path, (file, _))| matches!(file, TufFile::Document(_)) && !now_served.contains_key(*path))
        .map(|(path, (file, until))| (path.clone(), (file.clone(), until)))
        .collect()
}

/// Verifies a publication the way a client would, and says when the first of the roles expires that
/// all lines need. A line's role that nobody signed anew in time is that line's trouble alone.
///
/// Payloads and the release manifests that were found good when the catalog was read are known by
/// their listing; their bytes are checked where they are stored.
fn check(inputs: &Inputs<'_>, publication: &Publication) -> Result<Time, PublishError> {
    let fetch = |path: &str| match publication.tuf.get(path)? {
        TufFile::Document(document) => Some(document.identity.clone()),
        TufFile::Payload(_) => None,
    };
    let channels = |name: &str, _: &crate::formats::tuf::Target| name.starts_with("channel.");
    let verified = verify_lapsed(inputs.trust.root(), inputs.now, &fetch, &channels)?;
    if let Some(last) = inputs.last {
        follows::check_follows(last, publication, inputs.trust.root())?;
    }
    Ok(verified.common_expiry())
}

/// The document that is served already, if it has these bytes; else a new one.
fn reuse(before: Option<&Arc<Document>>, body: Bytes) -> Arc<Document> {
    match before {
        Some(document) if document.identity == body => Arc::clone(document),
        Some(_) | None => Arc::new(Document::new(Media::Json, body)),
    }
}
