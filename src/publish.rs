//! Turns a catalog, keys and a time into a [`Publication`]: everything the server answers with.

mod amended;
mod changes;
mod check;
pub mod continuity;
mod decided;
pub mod document;
pub mod evidence;
pub mod joined;
mod last_good;
pub mod manifests;
pub mod pack;
pub mod page;
pub mod pages;
pub mod part;
mod pieces;
pub mod publication;
pub mod restore;
mod retired;
pub mod roles;
pub mod segment;
pub mod served;
pub mod sources;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod updates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;

use crate::console::{self, channel::Day};
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::LineName;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::release::{ManifestState, PayloadState};
use crate::domain::upgrade::{Paths, Views, entry};
use crate::domain::version::Version;
use crate::formats::api::ExplainBody;
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{CHANNEL_MANIFEST_LIFETIME, Meta, TargetError, names};
use crate::signing::trust::Trust;
use crate::signing::verify::Violation;
use crate::signing::{SignError, Signer};

pub use amended::amended;
pub use changes::Changes;
use check::check;
pub use decided::{Decided, Refused, refusals};
pub use document::{Document, Media};
use evidence::{RELEASES, shared_out};
use manifests::Manifests;
use part::{ChannelDocuments, Part, Parts, ReleaseDocuments, Standing};
pub use publication::Publication;
use retired::retired;
use served::kept_or_signed;
use sources::Sources;
use updates::{ViewsByArch, channel_updates, json, line_updates};

/// Online documents are signed again after this time, long before they expire, so that a server can be down
/// for a weekend. Clients that check freshness also see that the server is alive.
pub const RENEW_AFTER: TimeDelta = TimeDelta::days(1);

/// The inputs of a publication.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The decisions about the catalog, whose releases must already have their evidence.
    pub decided: &'a Decided<'a>,
    pub trust: &'a Trust,
    /// The signed release manifests, as they are stored.
    pub manifests: &'a Manifests,
    pub online: &'a dyn Signer,
    /// The publication that is being served.
    pub last: Option<&'a Publication>,
    /// The version for everything that is signed now. It was reserved, so it has never been used.
    pub version: u64,
    /// The flags that name the folders, if the keys are throw-away ones.
    pub demo: Option<&'a str>,
    /// Set once the process must stop, which does not wait for a publication.
    pub stopping: &'a AtomicBool,
}

impl Inputs<'_> {
    /// Ends the work once the process must stop.
    fn go_on(&self) -> Result<(), PublishError> {
        if self.stopping.load(Ordering::Relaxed) { Err(PublishError::Stopping) } else { Ok(()) }
    }
}

/// Why nothing can be published. The last publication is still served.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("signing failed")]
    Sign(#[from] SignError),
    #[error("the online key is not a key of `timestamp`, `snapshot` and `channels`")]
    WrongKey,
    #[error("two documents would have the same name in the repository")]
    Target(#[from] TargetError),
    #[error("clients would refuse the new publication")]
    Violation(#[from] Violation),
    #[error("a refused line cannot be rebuilt from the last publication: {0}")]
    LastGood(String),
    #[error(
        "`trust/{role}.json` cannot be used, and clients need a role of every line from the first publication on: {why}; restore the file from git or a backup"
    )]
    NoRole { role: String, why: String },
    #[error("the process stops")]
    Stopping,
}

/// Makes a publication. Refused lines keep their last documents, which are renewed.
///
/// If nothing needs signing, the new publication has the version of the last one instead of the reserved
/// one.
///
/// # Errors
/// When nothing can be published at all.
pub fn publish(inputs: &Inputs<'_>) -> Result<Publication, PublishError> {
    let Inputs { decided, last, .. } = *inputs;
    let now = decided.now;
    // Clients would refuse anything that another key signs.
    if !inputs.trust.is_online(inputs.online.id()) {
        return Err(PublishError::WrongKey);
    }
    let catalog = &*last_good::catalog(decided, last)?;
    let (parts, sources) = parts(inputs, catalog)?;
    let roles = roles::roles(inputs, &parts)?;
    let mut pieces = pieces::pieces((decided, catalog), &parts, last);
    let [channels, promotions] = pieces::bodies(decided, &parts, &mut pieces, last);
    let before = last.and_then(|last| last.pages.as_ref());
    let pages = pages::pages((decided, catalog), (&roles, inputs.demo.is_some(), true), &mut pieces, before);

    let mut publication = Publication {
        version: roles.timestamp.signed().version,
        made: now,
        expires: now,
        renew: parts.iter().filter_map(|part| part.renew()).fold(roles.renew(), Time::min),
        demo: inputs.demo.is_some(),
        channels,
        promotions,
        pages: Some(pages),
        parts,
        roles,
        anew: last.map(|last| last.anew.clone()).unwrap_or_default(),
        retired: HashMap::new(),
        sources,
        pieces,
    };
    publication.expires = check(inputs, &publication)?;
    if let Some(last) = last {
        publication.retired = retired(last, &publication, now);
    }
    Ok(publication)
}

/// The parts of all lines, and what they were made from. A part is shared with the last publication if its
/// sources are the same. `catalog` has refused lines as they were last published.
fn parts(
    inputs: &Inputs<'_>,
    catalog: &Catalog,
) -> Result<(Parts, BTreeMap<LineName, Sources>), PublishError> {
    let Inputs { decided, trust, last, .. } = *inputs;
    let now = decided.now;
    let delegated = trust.lines().keys().chain(trust.broken().keys());
    let lost = last.iter().flat_map(|last| last.lost_lines()).map(|(line, _)| line);
    let known = catalog.lines().map(|line| &line.name).chain(decided.refused.keys());
    let lines: BTreeSet<&LineName> = known.chain(delegated).chain(lost).collect();
    let (mut parts, mut sources, mut changed) = (Vec::new(), BTreeMap::new(), Vec::new());
    let paths = Paths::new(
        catalog.lines().map(|line| (&line.name, line.follows.as_ref().map(|follows| &follows.line))),
    );
    for name in lines {
        // What a lost line has published stays listed, so that nothing takes its place.
        let lost =
            last.and_then(|last| Some((last, last.parts.line(name)?))).filter(|(_, part)| part.is_lost());
        if let Some((_, part)) = lost.filter(|(last, part)| !begins(inputs, catalog, last, part)) {
            parts.push(Arc::clone(part));
            continue;
        }
        let own = Sources::of(inputs, (catalog, &paths), name);
        let before = last.and_then(|last| Some((last.parts.line(name)?, last.sources.get(name)?)));
        let kept = before.zip(own.clone()).and_then(|((part, before), own)| Some((part, before.still(own)?)));
        if let Some((part, still)) = kept {
            parts.push(Arc::clone(part));
            sources.insert(name.clone(), still);
        } else {
            changed.push(name);
            sources.extend(own.map(|own| (name.clone(), own)));
        }
    }
    let mut releases = releases(inputs, catalog, &changed)?;
    let views = Views::new(catalog, &decided.decisions, now).not_promoting(decided.not_promoting);
    let views = ViewsByArch::of(catalog, views);
    for name in changed {
        inputs.go_on()?;
        let mut part = Part::empty(name.clone());
        part.role = roles::of_line(inputs, name)?;
        part.index = roles::index_of(inputs, name, part.role.as_ref());
        part.releases = releases.remove(name).unwrap_or_default();
        if let Some(line) = catalog.line(name) {
            part.prefix = line.known_prefix();
            part.follows = line.follows.as_ref().map(|follows| follows.line.clone());
            part.updates = line_updates(catalog, &views, line);
            part.channels = channels(inputs, (catalog, &views), line, &part.releases)?;
        }
        if let Some(own) = sources.remove(name) {
            sources.insert(name.clone(), own.until(inputs, catalog, part.renew()));
        }
        parts.push(Arc::new(part));
    }
    Ok((Parts::of(parts), sources))
}

/// Whether the next documents of a lost line can be made: somebody has said that it begins anew, and its role is
/// not older than the one that clients have seen.
fn begins(inputs: &Inputs<'_>, catalog: &Catalog, last: &Publication, part: &Part) -> bool {
    let listed = last.roles.snapshot.signed().role(&names::releases_role(&part.line));
    let role = inputs.trust.line(&part.line);
    let role = role.map(|role| Meta::of(role.signed().version, role.raw()));
    let follows =
        listed.is_none_or(|listed| role.is_some_and(|role| listed.version < role.version || *listed == role));
    follows && last.begins_anew(part) && catalog.line(&part.line).is_some()
}

/// The documents of every release of these lines, by line.
fn releases(
    inputs: &Inputs<'_>,
    catalog: &Catalog,
    lines: &[&LineName],
) -> Result<BTreeMap<LineName, BTreeMap<Version, ReleaseDocuments>>, PublishError> {
    let Inputs { decided, last, .. } = *inputs;
    let now = decided.now;
    let mut documents: BTreeMap<LineName, BTreeMap<Version, ReleaseDocuments>> = BTreeMap::new();
    let mut wanted: Vec<Explanation<'_>> = Vec::new();
    for &name in lines {
        let line = catalog.line(name);
        if let Some(refusal) = decided.refused.get(name) {
            let own = documents.entry(name.clone()).or_default();
            own.extend(line.into_iter().flat_map(|line| last_good::releases(last, line, decided, refusal)));
            // It may have releases that were never published, if it was published at all.
            let current = decided.catalog.stoppable(name).into_iter();
            for (line, release) in current.flat_map(|line| line.releases.values().map(move |one| (line, one)))
            {
                let unpublished = || last_good::unpublished(line, release, refusal, now);
                own.entry(release.version.clone()).or_insert_with(unpublished);
            }
            continue;
        }
        let Some(line) = line else { continue };
        let mut own = decided.of_line(name).iter().peekable();
        let entry = entry(catalog, line, now);
        for release in line.releases.values() {
            // Releases and decisions are both sorted by version.
            let decision = own.next_if(|decision| decision.release.version == release.version);
            let not_promoting = decided.not_promoting;
            wanted.push(Explanation { line, release, now, decision, refused: None, not_promoting, entry });
        }
    }
    // Compressing the documents of a new release takes half a millisecond, so the work is split among
    // threads.
    let made = shared_out(&wanted, RELEASES, |explanation| {
        inputs.go_on().is_ok().then(|| release_documents(inputs, explanation))
    });
    let mut made = made.into_iter();
    for own in wanted.chunk_by(|one, next| one.line.name == next.line.name) {
        let versions = own.iter().map(|explanation| explanation.release.version.clone());
        // A map that is built in one go has no half-empty nodes.
        let own_made = versions.zip(made.by_ref()).map(|(version, made)| Some((version, made?)));
        let own_made = own_made.collect::<Option<_>>().ok_or(PublishError::Stopping)?;
        documents.insert(own[0].line.name.clone(), own_made);
    }
    Ok(documents)
}

fn release_documents(inputs: &Inputs<'_>, explanation: &Explanation<'_>) -> ReleaseDocuments {
    let Explanation { line, release, now, .. } = *explanation;
    let before = inputs.last.and_then(|last| last.parts.line(&line.name)?.releases.get(&release.version));
    let manifest = inputs.manifests.get(&line.name, &release.version);
    // A yanked release stays published, although its payload may be withdrawn.
    let served = release.is_deliverable() || release.is_vouched_for() && release.yanked(now).is_some();
    let standing = match release.evidence.manifest {
        ManifestState::Signed(_) if served && release.is_known(now) => Standing::Published,
        ManifestState::Signed(_) => Standing::Waiting,
        ManifestState::NoTrust
        | ManifestState::Unsigned
        | ManifestState::Undelegated
        | ManifestState::Invalid(_) => Standing::Unsigned,
    };
    let mut explain = ExplainBody::of(explanation);
    if let Some(flags) = inputs.demo {
        explain.add_flags(flags);
    }
    let explain = json(&explain);
    ReleaseDocuments {
        standing,
        manifest: manifest
            .map(|raw| Document::reusing(before.and_then(|before| before.manifest.as_ref()), raw.clone())),
        explain: Some(Document::reusing(before.and_then(|before| before.explain.as_ref()), explain)),
        payloads: Arc::clone(&release.payloads),
        at_hand: release.evidence.payload == PayloadState::Present,
    }
}

/// The documents of every channel of a line: its manifest and its answers.
fn channels<'a>(
    inputs: &'a Inputs<'_>,
    (catalog, views): (&'a Catalog, &ViewsByArch<'a>),
    line: &'a Line,
    releases: &BTreeMap<Version, ReleaseDocuments>,
) -> Result<Vec<ChannelDocuments>, PublishError> {
    let Inputs { decided, trust, online, last, version, .. } = *inputs;
    let now = decided.now;
    let digest = |version: &Version| Some(releases.get(version)?.published()?.manifest.as_ref()?.sha256);
    let mut documents = Vec::with_capacity(line.stages.len());
    for index in 0..line.stages.len() {
        let channel = ChannelRef { line, index };
        let before = last.and_then(|last| last.parts.line(&line.name)?.channel(channel.name()));
        let expires = now + CHANNEL_MANIFEST_LIFETIME;
        let mut wanted = ChannelManifest::of(channel, version, digest, now, expires);
        wanted.demo = inputs.demo.is_some();
        let served = before.map(|before| &before.manifest);
        let manifest = kept_or_signed(wanted, served, trust.channels_authority(), online, now)?;
        let refusal = decided.refused.get(&line.name);
        let reuse = before.map(|before| &before.updates);
        let updates = channel_updates(catalog, views, channel, refusal, reuse);
        let page = console::channel::channel(&decided.view(line), index, Day::Today).into_string();
        let page = page::html(page, before.and_then(|before| before.page.as_ref()));
        documents.push(ChannelDocuments { manifest, updates, page: Some(page) });
    }
    Ok(documents)
}
