//! The documents behind an answer: the manifests of channels, the indexes of lines, and the manifests of the
//! releases to install. Each is read when it is needed.
//!
//! The chain is `channels` -> channel manifest -> index -> release manifest -> payload. Each link is checked
//! from both sides: release keys must list what the online key lists.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use chrono::TimeDelta;

use super::refusal::Refusal;
use super::session::Session;
use super::trusted::{Seen, SeenIndex, State, Unconfirmed};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::payload::Sha256;
use crate::domain::span::Span;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, IndexEntry, LineIndex, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS, TIMESTAMP_PATH, TargetName};
use crate::formats::tuf::{KeyId, TIMESTAMP_LIFETIME, Target, Targets};
use crate::signing::Signed;
use crate::signing::continuity::{Known, check_next_index};
use crate::signing::index::{check_entry, listed_index};
use crate::signing::verify::{Files as _, Verified, Verifier, Violation, check_offers};

/// How long a timestamp or a channel manifest may be valid: twice as long as the server makes them, which
/// allows for clocks that are days apart.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(2 * TIMESTAMP_LIFETIME.num_days());

/// The exceptions to the strict rules that a cluster accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether to accept documents that are signed with throw-away keys.
    pub demo: bool,
    /// Accept documents that expired less than this long ago, in closed networks.
    pub stale_ok: TimeDelta,
}

/// The manifests of one check.
pub struct Manifests<'a> {
    session: &'a Session,
    verifier: Verifier<'a, Session>,
    pub verified: Verified,
    /// When the check started.
    pub now: Time,
    /// Whether throw-away keys are accepted.
    demo: bool,
    /// What the cluster has seen of the channels and lines, updated with each document that is read.
    pub seen: Seen,
    /// The documents that were verified, by digest. Only these are kept after the check.
    pub files: BTreeMap<Sha256, Bytes>,
    /// The earliest expiry of the documents that were read.
    pub expires: Time,
    /// All lines whose releases are delegated, with the prefixes of their versions.
    prefixes: Vec<(Prefix, LineName)>,
    lines: BTreeMap<LineName, Rc<Targets>>,
    indexes: BTreeMap<LineName, Rc<LineIndex>>,
    channels: BTreeMap<ChannelName, Rc<ChannelManifest>>,
    pub releases: BTreeMap<Version, (ReleaseManifest, Bytes)>,
}

impl<'a> Manifests<'a> {
    /// Verifies the documents that all lines need. They must follow the `known` ones.
    ///
    /// # Errors
    /// When a client must refuse the repository.
    pub fn new(
        session: &'a Session,
        known: Known<'_>,
        now: Time,
        Options { demo, stale_ok }: Options,
    ) -> Result<Self, Refusal> {
        let oldest = now.checked_sub_signed(stale_ok).unwrap_or(Time::MIN_UTC);
        let verifier = Verifier::new(session, oldest);
        let top = verifier.common(known)?;
        let channels = top.targets.signed().delegated(CHANNELS);
        let keys: BTreeSet<_> =
            channels.map(|(_, authority)| authority.keyids.iter().copied().collect()).unwrap_or_default();
        let before = session.state().map(State::seen).cloned();
        let seen = before.unwrap_or_default().under(keys);
        check_life(TIMESTAMP_PATH, top.timestamp.signed().expires, now)?;
        let expires = top.expires();
        let roles = top.targets.signed().delegations.iter().flat_map(|delegations| &delegations.roles);
        let prefixes = roles
            .filter_map(|role| Some((names::prefix(&role.paths)?, names::line_of(&role.name)?)))
            .collect();
        let (lines, indexes, channels, releases) = Default::default();
        let roles = [("targets", &top.targets), (CHANNELS, &top.channels)];
        let roles = roles
            .map(|(name, role)| Some((top.snapshot.signed().role(name)?.hashes.sha256, role.raw().clone())));
        let files = roles.into_iter().flatten().collect();
        Ok(Self {
            session,
            verifier,
            verified: top,
            now,
            demo,
            seen,
            files,
            expires,
            prefixes,
            lines,
            indexes,
            channels,
            releases,
        })
    }

    /// Verifies the role of a line, except for its expiry.
    fn line(&mut self, line: &LineName) -> Result<Rc<Targets>, Refusal> {
        if let Some(known) = self.lines.get(line) {
            return Ok(Rc::clone(known));
        }
        let name = names::releases_role(line);
        let role = self.verifier.role(&self.verified, &name)?;
        self.files.extend(self.digest_of(&name).map(|digest| (digest, role.raw().clone())));
        let role = Rc::new(role.into_signed());
        self.lines.insert(line.clone(), Rc::clone(&role));
        Ok(role)
    }

    /// The digest of a role, according to the snapshot.
    fn digest_of(&self, role: &str) -> Option<Sha256> {
        Some(self.verified.snapshot.signed().role(role)?.hashes.sha256)
    }

    /// Checks that a line's role has not expired.
    pub fn check_line(&mut self, line: &LineName) -> Result<(), Refusal> {
        let role = self.line(line)?;
        let path = names::metadata_path(&names::releases_role(line), role.version);
        self.verifier.check_expiry(&path, role.expires)?;
        self.expires = self.expires.min(role.expires);
        Ok(())
    }

    /// The targets that `channels` lists.
    fn listed(&self) -> &BTreeMap<String, Target> {
        &self.verified.channels.signed().targets
    }

    /// The manifest of a channel, by the channel's own name.
    pub fn channel(&mut self, name: &ChannelName) -> Result<Rc<ChannelManifest>, Refusal> {
        if let Some(known) = self.channels.get(name) {
            return Ok(Rc::clone(known));
        }
        let target = names::channel_target(name);
        let Some(listed) = self.listed().get(&target).copied() else {
            return Err(Refusal::UnknownChannel(name.clone()));
        };
        let signed = self.verifier.channel(&self.verified, &target, &listed)?;
        let authority = self.verified.targets.signed().delegated(CHANNELS).map(|(_, authority)| authority);
        // A signature by any of the keys was refused unless it is valid.
        let counts =
            |id: &KeyId| authority.is_some_and(|keys| keys.keyids.contains(id) && keys.keys.contains_key(id));
        let signers = signed.signatures().iter().map(|signature| signature.keyid).filter(counts).collect();
        let (raw, manifest) = (signed.raw().clone(), Rc::new(signed.into_signed()));
        check_life(&target, manifest.expires, self.now)?;
        if manifest.demo && !self.demo {
            return Err(Refusal::Demo(format!("the manifest of channel `{name}`")));
        }
        self.check_place(&manifest)?;
        let last = self.seen.versions.entry(name.clone()).or_default();
        if manifest.version < *last {
            return Err(Violation::WentBack { what: target, from: *last, to: manifest.version }.into());
        }
        *last = manifest.version;
        self.files.insert(listed.hashes.sha256, raw);
        self.seen.signers.insert(name.clone(), signers);
        self.expires = self.expires.min(manifest.expires);
        self.seen.places.insert(name.clone(), (manifest.line.clone(), manifest.stage.clone()));
        self.channels.insert(name.clone(), Rc::clone(&manifest));
        Ok(manifest)
    }

    /// Checks that a channel still belongs to the same line and stage as before. Otherwise the online key
    /// could bypass `not_before` with another name for the stage, or lead clusters into another line.
    fn check_place(&self, manifest: &ChannelManifest) -> Result<(), Refusal> {
        let (name, line) = (&manifest.channel, &manifest.line);
        let found = || format!("stage `{}` of line `{line}`", manifest.stage);
        let wrong = |found| Err(Refusal::WrongChannel { asked: name.clone(), found });
        let place = (line.clone(), manifest.stage.clone());
        if let Some((line, stage)) = self.seen.places.get(name).filter(|known| **known != place) {
            return wrong(format!("{}, but was for stage `{stage}` of line `{line}` before", found()));
        }
        // When a channel is seen for the first time, only its name can show that something is wrong.
        let usual =
            |other: &LineName| manifest.stages.iter().any(|stage| is_usual(name, other, &stage.stage));
        if let Some(other) = self.lines().find(|other| *other != line && usual(other)) {
            return wrong(format!("{}, but its name is that of a channel of line `{other}`", found()));
        }
        Ok(())
    }

    /// Returns a channel's own name, given that name or an alias. A channel's aliases are only in its
    /// manifest, so finding one means reading all manifests.
    pub fn resolve(&mut self, name: &ChannelName) -> Result<ChannelName, Refusal> {
        if let Some(own) = self.seen.aliases.get(name) {
            return Ok(own.clone());
        }
        if self.listed().contains_key(&names::channel_target(name)) {
            return Ok(name.clone());
        }
        let mut refusal = Refusal::UnknownChannel(name.clone());
        for own in self.all_channels() {
            match self.channel(&own) {
                Ok(manifest) if manifest.aliases.contains(name) => {
                    self.seen.aliases.insert(name.clone(), own.clone());
                    return Ok(own);
                }
                // Report this, since the operator must learn that throw-away keys have signed everything.
                Err(error @ Refusal::Demo(_)) => refusal = error,
                // A fault in one channel does not affect the others.
                Ok(_) | Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// All channels, by their own names.
    pub fn all_channels(&self) -> Vec<ChannelName> {
        let name = |target: &String| match TargetName::parse(target)? {
            TargetName::Channel(name) => Some(name),
            TargetName::Release(_) | TargetName::Index(_) | TargetName::Payload(_) => None,
        };
        self.listed().keys().filter_map(name).collect()
    }

    /// The channel of the next line for the same stage, if it has the usual name. This only suggests where to ask: which
    /// line follows which is said by the manifests.
    pub fn next_channel(&self, own: &ChannelManifest) -> Option<ChannelName> {
        let prefix = self.prefix_of(&own.line)?;
        let (_, line) = self.prefixes.iter().filter(|(other, _)| *other > prefix).min()?;
        let name = ChannelName::of(line, &own.stage).ok()?;
        self.listed().contains_key(&names::channel_target(&name)).then_some(name)
    }

    /// Any channel of a line. Channels with the usual name, `LINE-STAGE`, are tried first.
    pub fn channel_of(&mut self, line: &LineName) -> Result<Option<Rc<ChannelManifest>>, Refusal> {
        let usual = format!("{line}-");
        let (first, then): (Vec<_>, Vec<_>) =
            self.all_channels().into_iter().partition(|name| name.as_str().starts_with(&usual));
        let mut refusal = None;
        for name in first.iter().chain(&then) {
            match self.channel(name) {
                Ok(manifest) if manifest.line == *line => return Ok(Some(manifest)),
                Err(error) if name.as_str().starts_with(&usual) => refusal = Some(error),
                // A fault in another line's channel does not matter here.
                Ok(_) | Err(_) => {}
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// All channels of a line in the order of its stages, as listed by the manifest of one of them.
    pub fn stages(&mut self, one: &ChannelManifest) -> Result<Vec<Rc<ChannelManifest>>, Refusal> {
        let contradiction = |channel: &ChannelName, detail: &str| Refusal::Contradiction {
            line: one.line.to_string(),
            detail: format!("channel `{channel}` {detail}"),
        };
        let mut found = Vec::new();
        for stage in &one.stages {
            let manifest = self.channel(&stage.channel)?;
            if manifest.line != one.line {
                return Err(contradiction(&stage.channel, "belongs to another line"));
            }
            if manifest.stage != stage.stage || manifest.stages != one.stages {
                return Err(contradiction(&stage.channel, "lists different stages"));
            }
            if manifest.follows != one.follows {
                return Err(contradiction(&stage.channel, "follows another line"));
            }
            found.push(manifest);
        }
        if !found.iter().any(|manifest| manifest.channel == one.channel) {
            return Err(contradiction(&one.channel, "is not the channel of one of its stages"));
        }
        Ok(found)
    }

    /// The index of a line: what its release keys say about each of its releases. It must follow the last one
    /// that the cluster has verified.
    pub fn index(&mut self, line: &LineName) -> Result<Rc<LineIndex>, Refusal> {
        if let Some(known) = self.indexes.get(line) {
            return Ok(Rc::clone(known));
        }
        let role = self.line(line)?;
        let mut index = self.verifier.index(&self.verified, (line, &role))?;
        let mut unconfirmed = self.unconfirmed(line, &index)?;
        for version in unconfirmed.keys().cloned().collect::<Vec<_>>() {
            if self.read_release(line, (&role, &index), &version)?.is_some() {
                unconfirmed.remove(&version);
            }
        }
        for (version, before) in &mut unconfirmed {
            if let Some(entry) = index.releases.get_mut(version) {
                *before = before.and(entry);
                entry.clone_from(&before.entry);
            }
        }
        let listed = self.prefix_of(line).and_then(|prefix| listed_index(line, prefix, &role).ok()?);
        if let Some((name, listed)) = &listed {
            let path = names::target_path(name, &listed.hashes.sha256);
            let raw = self.session.get(&path, Some(listed))?;
            self.files.extend(raw.map(|raw| (listed.hashes.sha256, raw)));
        }
        if let Some(role) = self.digest_of(&names::releases_role(line)) {
            let index = listed.map(|(_, listed)| listed.hashes.sha256);
            self.seen.indexes.insert(line.clone(), SeenIndex { role, index, unconfirmed });
        }
        let index = Rc::new(index);
        self.indexes.insert(line.clone(), Rc::clone(&index));
        Ok(index)
    }

    /// Since when a barrier bars the way in a channel. `None` if it always does.
    pub fn bars_from(
        &self,
        version: &Version,
        entry: &IndexEntry,
        channel: &ChannelManifest,
    ) -> Option<Time> {
        let unconfirmed = self.seen.indexes.get(&channel.line).and_then(|seen| seen.unconfirmed.get(version));
        latest_bound(unconfirmed.map_or(&entry.not_before, |known| &known.bars_from), channel)
    }

    /// The earlier entries of releases of which an index says something else than before. An entry counts by itself
    /// only with the release's manifest: otherwise an index could take back what a manifest still says.
    fn unconfirmed(
        &self,
        line: &LineName,
        index: &LineIndex,
    ) -> Result<BTreeMap<Version, Unconfirmed>, Refusal> {
        let Some(seen) = self.seen.indexes.get(line) else { return Ok(BTreeMap::new()) };
        let mut unconfirmed = seen.unconfirmed.clone();
        if self.digest_of(&names::releases_role(line)) == Some(seen.role) {
            return Ok(unconfirmed);
        }
        let Some(before) = self.index_before(line)? else { return Ok(BTreeMap::new()) };
        for version in check_next_index(&before, index)? {
            let entry = &before.releases[version];
            let known = unconfirmed.get(version);
            let known = known.map_or_else(|| Unconfirmed::new(entry.clone()), |known| known.and(entry));
            unconfirmed.insert(version.clone(), known);
        }
        Ok(unconfirmed)
    }

    /// The last index of a line that the cluster has verified. It is forgotten once the line's keys no longer vouch
    /// for it: its owners could not correct what a thief of their keys has signed.
    fn index_before(&self, line: &LineName) -> Result<Option<LineIndex>, Refusal> {
        let before = self.session.state().map(|state| state.index(line)).transpose()?.flatten();
        let name = names::releases_role(line);
        let authority = self.verified.targets.signed().delegated(&name).map(|(_, authority)| authority);
        let counts = |role: &Signed<Targets>| authority.is_some_and(|keys| role.is_vouched_for_by(keys));
        Ok(before.filter(|(role, _)| counts(role)).map(|(_, index)| index))
    }

    /// The manifest of a release that the line's release keys have signed. It must say the same as the
    /// line's index.
    pub fn release(&mut self, line: &LineName, version: &Version) -> Result<ReleaseManifest, Refusal> {
        if let Some((known, _)) = self.releases.get(version) {
            return Ok(known.clone());
        }
        let (index, role) = (self.index(line)?, self.line(line)?);
        let path = names::release_target(version);
        let manifest = self.read_release(line, (&role, &index), version)?;
        Ok(manifest.ok_or(Violation::Missing { path })?)
    }

    /// Reads the manifest of a release. `None` if the server does not have it.
    fn read_release(
        &mut self,
        line: &LineName,
        (role, index): (&Targets, &LineIndex),
        version: &Version,
    ) -> Result<Option<ReleaseManifest>, Refusal> {
        let target = names::release_target(version);
        let Some(listed) = role.targets.get(&target) else {
            return Err(Violation::NotListed { path: format!("line {line}"), target }.into());
        };
        let signed = self.verifier.release(&self.verified, (line, role), &target, listed)?;
        let Some(signed) = signed else { return Ok(None) };
        check_entry(line, index, signed.signed())?;
        self.check_demo(version, signed.signed().demo)?;
        let raw = signed.raw().clone();
        self.files.insert(listed.hashes.sha256, raw.clone());
        let manifest = signed.into_signed();
        self.releases.insert(version.clone(), (manifest.clone(), raw));
        Ok(Some(manifest))
    }

    /// Checks that a release is not signed with a throw-away key, unless that is accepted.
    pub fn check_demo(&self, version: &Version, is_demo: bool) -> Result<(), Refusal> {
        if is_demo && !self.demo { Err(Refusal::Demo(format!("release `{version}`"))) } else { Ok(()) }
    }

    /// Checks that release keys have signed every release that a channel offers.
    pub fn check_offers(&mut self, manifest: &ChannelManifest) -> Result<(), Refusal> {
        if manifest.releases.is_empty() {
            return Ok(());
        }
        Ok(check_offers(manifest, &*self.line(&manifest.line)?)?)
    }

    /// The line to which a version belongs.
    pub fn line_of(&self, version: &Version) -> Option<LineName> {
        let of = |prefix| self.prefixes.iter().find(|(own, _)| *own == prefix);
        Prefix::candidates(version).find_map(of).map(|(_, line)| line.clone())
    }

    /// The prefix of a line's versions.
    pub fn prefix_of(&self, line: &LineName) -> Option<Prefix> {
        self.prefixes.iter().find(|(_, name)| name == line).map(|(prefix, _)| *prefix)
    }

    /// The prefixes of all lines whose releases are delegated.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        self.prefixes.iter().map(|(prefix, _)| *prefix)
    }

    /// All lines whose releases are delegated.
    pub fn lines(&self) -> impl Iterator<Item = &LineName> {
        self.prefixes.iter().map(|(_, line)| line)
    }
}

/// Checks that a document does not outlive what the server signs by far. With a stolen online key, somebody
/// could otherwise show a cluster the same state for years.
fn check_life(path: &str, expires: Time, now: Time) -> Result<(), Refusal> {
    if expires <= now + LONGEST_LIFE {
        return Ok(());
    }
    Err(Refusal::TooLasting { path: path.to_owned(), expires, limit: Span(LONGEST_LIFE) })
}

/// Whether a channel has its default name.
fn is_usual(channel: &ChannelName, line: &LineName, stage: &StageName) -> bool {
    ChannelName::of(line, stage).is_ok_and(|usual| usual == *channel)
}

/// The earliest time at which release keys allow a release in a channel: both in the channel's stage and in
/// the stage that the channel's name suggests.
pub fn not_before(release: &IndexEntry, channel: &ChannelManifest) -> Option<Time> {
    latest_bound(&release.not_before, channel)
}

fn latest_bound(not_before: &BTreeMap<StageName, Time>, channel: &ChannelManifest) -> Option<Time> {
    let bounds = not_before
        .iter()
        .filter(|(stage, _)| **stage == channel.stage || is_usual(&channel.channel, &channel.line, stage));
    bounds.map(|(_, earliest)| *earliest).max()
}
